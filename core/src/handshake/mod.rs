//! The opening handshake (RFC 6455 4): requests and responses of both roles, as pure functions over lent
//! memory.
//!
//! 1. Collect octets until [`HeadScanner::scan`] gives the length of the head. Each octet is looked at once.
//!    What follows the head belongs to the connection: keep it.
//! 2. Parse the head: [`server::Request::parse`] or [`client::Response::parse`].
//! 3. A server calls [`server::Request::check`] and answers with [`server::Upgrade::accept`], or with the
//!    [`rejection`](HandshakeError::rejection) of the error. A client calls [`client::Offer::verify`].
//!
//! Nothing here does I/O, allocates or keeps time. A server sets a deadline for the handshake, answers a
//! refused request before it closes, and treats the connection as upgraded only when the 101 is written.
//!
//! A server, from the octets received so far to the octets to send:
//!
//! ```
//! use tightwire::handshake::server::{Acceptance, Request};
//! use tightwire::handshake::{HandshakeError, HeadLimits, HeadScanner, OriginPolicy, Slot};
//!
//! /// Returns the octets of the answer in `out`, and whether the connection is open then.
//! fn answer(head: &[u8], out: &mut [u8]) -> Result<(usize, bool), HandshakeError> {
//!     let mut slots = [Slot::EMPTY; 64];
//!     let upgrade = Request::parse(head, &mut slots)?.check(&OriginPolicy::SameHost)?;
//!     let acceptance = Acceptance { protocol: upgrade.request().client_choice(&["chat"]), ..Acceptance::default() };
//!     Ok((upgrade.accept(&acceptance, out).expect("room for the response"), true))
//! }
//!
//! let received = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
//!     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nfirst frame";
//! let mut out = [0; 512];
//! let mut scanner = HeadScanner::new();
//! let answered = match scanner.scan(received, &HeadLimits::DEFAULT) {
//!     Ok(None) => panic!("read more and scan again"),
//!     Ok(Some(length)) => answer(&received[..length], &mut out),
//!     Err(error) => Err(error),
//! };
//! let (length, open) = answered.unwrap_or_else(|error| {
//!     (error.rejection().write(&mut out).expect("room for the response"), false)
//! });
//! assert!(open && out[..length].starts_with(b"HTTP/1.1 101 "));
//! ```

pub mod client;
mod error;
mod fields;
mod head;
mod key;
mod origin;
mod output;
mod response;
pub mod server;
mod start_line;
#[cfg(test)]
mod tests;
pub mod uri;

pub use crate::extension::{Extension, Extensions, InvalidExtension, Param, ParamValue};
pub use error::HandshakeError;
pub use fields::Slot;
pub use head::{HeadLimits, HeadScanner};
pub use key::{AcceptKey, accept_key, parse_key};
pub use origin::OriginPolicy;
