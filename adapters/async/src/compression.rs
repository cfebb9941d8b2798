//! permessage-deflate (RFC 7692) for the connections of this crate: codecs from a pool, messages inflated on
//! receipt and deflated on sending.
//!
//! It is off until [`Config::with_compression`](crate::Config::with_compression) turns it on, for servers and clients
//! alike:
//!
//! ```
//! use std::sync::Arc;
//! use tightwire_async::Config;
//! use tightwire_async::compression::{Effort, Policy};
//!
//! let effort = Effort::DEFAULT.with_threshold(256);
//! let config = Arc::new(Config::default().with_compression(Policy::DEFAULT).with_effort(effort));
//! ```
//!
//! Everything that receives and sends is the same then. What was agreed on is told by
//! [`WebSocket::compression`](crate::WebSocket::compression). Limits hold for the octets that messages inflate to, and
//! are kept while they do; [`Limits::ratio`](tightwire::Limits::ratio) bounds what each octet received may become.
//!
//! Without context takeover, which is the default, a codec belongs to a connection only while a message is in it: an
//! idle connection holds not one octet more than it would without compression. A message that stops in the middle
//! holds its inflater, some 40 KiB, until it ends or a deadline does. With takeover a connection keeps what its messages
//! refer back to, a window for those it receives and a deflater with its memory for those it sends. At the fastest level
//! that is, both directions together:
//!
//! | window | octets of a connection with takeover |
//! | --- | --- |
//! | 2^9 | 3,800 |
//! | 2^12 | 17,624 |
//! | 2^15 | 102,616 |
//!
//! All of it together is held to a bound: [`Codecs::set_windows`].
//!
//! Compression tells by the length of a message what is in it. A secret should not be compressed together with what a
//! stranger chose: [`send_uncompressed`](crate::WebSocket::send_uncompressed).

mod codecs;
mod controls;
mod deflation;
mod inflation;
mod negotiation;
mod sets;

pub use codecs::{Backend, Codecs};
pub(crate) use deflation::Deflation;
pub(crate) use inflation::Inflation;
pub(crate) use negotiation::{Offering, answer};
pub use tightwire::deflate::{Agreement, Effort, Level, Policy, Terms, WindowBits};
