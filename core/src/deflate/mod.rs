//! permessage-deflate (RFC 7692): what the two ends agree on.
//!
//! It knows nothing of frames, connections or HTTP. Negotiation takes the values of the
//! `Sec-WebSocket-Extensions` header fields and needs no memory but what it returns.

mod extension;
mod negotiation;
mod terms;

pub use negotiation::{Answer, HeaderValue, NegotiationError, Policy};
pub use terms::{Agreement, Terms, WindowBits};
