//! permessage-deflate (RFC 7692): what the two ends agree on, and with feature `deflate` the codec.
//!
//! It knows nothing of frames, connections or HTTP. Negotiation takes the values of the
//! `Sec-WebSocket-Extensions` header fields and needs no memory but what it returns. The codec works in
//! memory that is lent to it call by call.
//!
//! # From the handshake to a message and back
//!
//! 1. A server gives the values of the request's header to [`Policy::answer`], puts [`Answer::header`] into
//!    its response and [`Answer::agreement`] into
//!    [`Connection::with_compression`](crate::Connection::with_compression). A client puts [`Policy::offer`]
//!    into its request and gives the response to [`Policy::verify`].
//! 2. A [`Chunk`](crate::Chunk) that says `compressed` goes through a [`Collector`] if the whole message is
//!    wanted, or through an [`Inflating`] if it is streamed. Both keep to the limits while they inflate, and
//!    judge text as it appears.
//! 3. [`Outbound::encode_compressed`](crate::Outbound::encode_compressed) sends a message compressed if it
//!    becomes smaller, [`fragment_compressed`](crate::Outbound::fragment_compressed) streams one, and
//!    [`Prepared::compressed`](crate::Prepared::compressed) compresses one once for many connections.
//!
//! # Memory
//!
//! After a message nothing but the window is needed, and without takeover not even that. So the codecs can be
//! shared by all connections of a thread, one message at a time:
//!
//! | | for each connection, while idle | shared |
//! | --- | --- | --- |
//! | receiving, no takeover | nothing | [`Inflater`], [`History`], a window of up to 32 KiB |
//! | receiving, takeover | [`History`] and the window: 256 octets to 32 KiB | [`Inflater`], some 7 KiB |
//! | sending, no takeover | nothing | [`Deflater`] and the memory of its [`Options`] |
//! | sending, takeover | [`History`] and the window, which may be dropped between any two messages | the same |
//!
//! What is agreed on costs a connection nothing: it lies where there was padding.
#![cfg_attr(
    feature = "deflate",
    doc = r#"
# Example

```
use tightwire::deflate::{
    Agreement, Collector, Deflate, Deflater, History, Inflate, Inflater, Level, Options, Policy, Status, WindowBits,
};
use tightwire::{Connection, Event, Limits, Message, Output, Step};

// The handshake: what the client offers, what the server answers, what both then know.
let offer = Policy::DEFAULT.offer();
let answer = Policy::DEFAULT.answer([offer])?.expect("this server compresses");
let agreement: Agreement = Policy::DEFAULT.verify([answer.header])?.expect("and this client knows it");
let mut server = Connection::server().with_compression(answer.agreement);
let mut client = Connection::client(|| [1, 2, 3, 4]).with_compression(agreement);

// The client sends.
const OPTIONS: Options = Options::new(Level::Fastest, WindowBits::MAX);
let (mut deflater, mut words, mut octets) = (Deflater::new(), vec![0; OPTIONS.words()], vec![0; OPTIONS.octets()]);
let terms = client.outbound().compression().expect("agreed on");
let mut codec = Deflate::new(&mut deflater, &mut words, &mut octets, OPTIONS, terms)?;
let mut memory = [0; 256];
let mut wire = Output::new(&mut memory);
let text = "as you like it, as you like it, as you like it";
assert!(client.outbound_mut().encode_compressed(text, &mut codec, &mut wire)?);

// The server receives.
let (mut inflater, mut history, mut window) = (Inflater::new(), History::new(), vec![0; 1 << 15]);
let terms = server.inbound().compression().expect("agreed on");
let length = wire.len();
let (mut input, mut replies) = (&mut memory[..length], [0; 131]);
let mut out = Output::new(&mut replies);
while let Step::Event(event) = server.decode(&mut input, &mut out, &Limits::DEFAULT)? {
    let Event::Data(chunk) = event else { continue };
    assert!(chunk.compressed && chunk.last);
    let mut message = Collector::new(chunk.kind, [0; 1024]);
    let mut codec = Inflate::new(&mut inflater, &mut history, &mut window, terms)?;
    let status = message.inflate(&mut &*chunk.payload, chunk.last, &mut codec, &Limits::DEFAULT)?;
    assert_eq!(status, Status::End); // NeedOutput would ask for larger storage
    assert!(matches!(message.message(), Some(Message::Text(lent)) if lent.as_str() == text));
}
# Ok::<(), Box<dyn std::error::Error>>(())
```
"#
)]

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
