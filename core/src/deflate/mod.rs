//! permessage-deflate (RFC 7692): what the two ends agree on, and with feature `deflate` the codec.
//!
//! It knows nothing of frames, connections or HTTP. Negotiation takes the values of the
//! `Sec-WebSocket-Extensions` header fields and needs no memory but what it returns. The codec works in
//! memory that is lent to it call by call.

mod codec;
#[cfg(feature = "deflate")]
mod deflater;
mod effort;
#[cfg(any(feature = "deflate", feature = "zlib-rs"))]
mod history;
#[cfg(feature = "deflate")]
mod inflater;
mod inflating;
mod negotiation;
mod terms;
#[cfg(all(test, feature = "deflate"))]
mod testing;
#[cfg(feature = "zlib-rs")]
mod zlib;

pub use codec::{Coded, Compress, Decompress, Flush, MemoryTooSmall, Status};
#[cfg(feature = "deflate")]
pub use deflater::{Deflate, Deflater, Options};
pub use effort::{Effort, Level};
#[cfg(any(feature = "deflate", feature = "zlib-rs"))]
pub use history::History;
#[cfg(feature = "deflate")]
pub use inflater::{Inflate, Inflater};
pub use inflating::{Collector, Inflated, Inflating};
pub use negotiation::{Answer, HeaderValue, NegotiationError, Policy};
pub use terms::{Agreement, Terms, WindowBits};
#[cfg(feature = "zlib-rs")]
pub use zlib::{ZlibDeflater, ZlibInflate, ZlibInflater};
