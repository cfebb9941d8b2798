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

pub mod client;
mod error;
mod extension;
mod fields;
mod head;
mod key;
mod octet;
mod origin;
mod output;
mod response;
pub mod server;
mod start_line;
#[cfg(test)]
mod tests;
pub mod uri;

pub use error::HandshakeError;
pub use extension::{Extension, Extensions, InvalidExtension, Param, ParamValue};
pub use fields::Slot;
pub use head::{HeadLimits, HeadScanner};
pub use key::{AcceptKey, accept_key, parse_key};
pub use origin::OriginPolicy;
