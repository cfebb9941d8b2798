//! WebSocket (RFC 6455, RFC 7692) for firmware: the complete protocol, server and client, over embedded-io and
//! embedded-io-async, in memory that the caller lends, without an allocator.
//!
//! ```
//! use tightwire_embedded::blocking::{accept, connect};
//! use tightwire_embedded::client::Offer;
//! use tightwire_embedded::{
//!     CloseCode, Error, Inline, KeySource, Opening, OriginPolicy, Received, Slices, Slot,
//! };
//!
//! /// A server: sends every message back, over anything that reads and writes.
//! fn serve<T: embedded_io::Read + embedded_io::Write>(transport: &mut T) -> Result<(), Error<T::Error>> {
//!     let (mut receive, mut transmit, mut slots) = ([0; 1024], [0; 512], [Slot::EMPTY; 16]);
//!     let Ok(buffers) = Slices::new(&mut receive, &mut transmit) else { return Ok(()) }; // too small
//!     let opening = Opening::new(transport, buffers, &mut slots);
//!     // A request that is not accepted has been answered with the HTTP status that says why.
//!     let Ok(mut socket) = accept(opening, &OriginPolicy::SameHost) else { return Ok(()) };
//!     while let Some((received, mut sender)) = socket.recv_with_sender()? {
//!         match received {
//!             Received::Message(message) => sender.feed(message)?,
//!             // A piece of a message that is larger than the receive storage.
//!             Received::Chunk(chunk) => sender.feed_fragment(chunk.kind, chunk.octets, chunk.last)?,
//!         }
//!     }
//!     Ok(()) // closed in good order
//! }
//!
//! /// A client: sends one message. A key source is any `FnMut() -> [u8; 4]`.
//! fn report<T: embedded_io::Read + embedded_io::Write>(
//!     transport: &mut T,
//!     keys: impl KeySource,
//! ) -> Result<(), Error<T::Error>> {
//!     let mut slots = [Slot::EMPTY; 16];
//!     let opening = Opening::new(transport, Inline::<512, 256>::inline(), &mut slots);
//!     let offer = Offer::new("example.org", "/temperature");
//!     let Ok((mut socket, _)) = connect(opening, &offer, keys) else { return Ok(()) };
//!     socket.send("21.5")?;
//!     socket.close(CloseCode::NORMAL, "")
//! }
//! ```
//!
//! # Order of calls
//!
//! 1. Lend storage: [`Slices`], [`Inline`] or other [`Buffers`], and [`Slot`]s for the headers of the handshake.
//! 2. Make an [`Opening`] of it and of a transport, and open it: [`blocking::accept`], [`blocking::connect`], or the
//!    same in [`asynch`].
//! 3. Receive until `None`: [`blocking::WebSocket::recv`]. Meanwhile Pings and Close frames are answered, and with a
//!    [`Clock`] keepalive and deadlines are kept. Send beside it, or split the connection for two tasks.
//! 4. Close: [`blocking::WebSocket::close`] sees the closing handshake through.
//!
//! The modules [`blocking`] and [`asynch`] have the same names. They only read and write; everything else is decided
//! once, without I/O.
//!
//! # Memory and limits
//!
//! There is no heap: the crate does not use `alloc`, and nothing is ever grown. Storage that is too small is refused when it
//! is given ([`TooSmall`]), not when it is used.
//!
//! | what | octets | where |
//! | --- | --- | --- |
//! | a server's connection, besides transport, clock and storage | 120; 100 on a 32-bit machine | [`OVERHEAD`] |
//! | receive storage, at least | 131; the head of the peer's handshake has to fit, too: 1,024 for browsers | [`RECEIVE_MIN`] |
//! | transmit storage, at least | 131 | [`TRANSMIT_MIN`] |
//! | a header slot, during the handshake | 16 | [`Slot`] |
//!
//! A message that does not fit the storage comes, or leaves, in pieces. What a peer may send is bounded by [`Config`]: messages
//! of 1 MiB in 1,024 frames by default. Deadlines are in ticks of your [`Clock`], 1 ms for the defaults: 10 s for the
//! handshake, 20 s of silence until a Ping and 20 s more until the end, 30 s without progress, 5 s to close. Without a clock
//! there are none.
//!
//! # Errors and close codes
//!
//! | error | what happened | close code |
//! | --- | --- | --- |
//! | [`Error::Peer`] | the peer broke the protocol or passed a limit, and was told so | 1002, 1007, 1009 |
//! | [`Error::Timeout`] | the peer missed a deadline | 1001 (silence), 1008 (an unfinished frame or message), else 1006 |
//! | [`Error::Ended`] | no Close frame came | 1006 |
//! | [`Error::Io`] | the transport failed, or timed out: nothing is lost, call again | |
//! | [`Error::Caller`] | the caller asked for what cannot be sent; nothing has changed | |
//!
//! [`OpenError`] is that of the opening handshake; a server has answered with the HTTP status that says why.
//!
//! # Cancel safety
//!
//! Stated at each method of [`asynch`]. It takes a transport whose `read`, `write` and `flush` have done nothing if they
//! are dropped early.
//!
//! # Origins and keys
//!
//! A server has to say which web pages may open a connection (RFC 6455 10.2): [`OriginPolicy::SameHost`] is the safe
//! choice. A client has to bring a strong source of mask keys (RFC 6455 10.3): any `FnMut() -> [u8; 4]`.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `deflate` | a codec for permessage-deflate (RFC 7692) in lent memory: [`mod@deflate`]. Negotiation, and the use of other codecs, is always there |
//! | `rand_core` | mask keys from any generator that is a `CryptoRng` |
//! | `defmt` | formats of errors and events, without payloads |
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod asynch;
pub mod blocking;
mod compression;
mod config;
mod error;
#[cfg(feature = "defmt")]
mod formats;
mod halves;
#[cfg(feature = "rand_core")]
mod keys;
mod opening;
mod outbox;
mod received;
mod receiving;
mod sending;
mod storage;
mod time;

pub use compression::Inflation;
pub use config::{Clock, Config, Untimed};
pub use error::{Error, OpenError};
pub use halves::{Incoming, Reply};
#[cfg(feature = "rand_core")]
pub use keys::RngKeys;
pub use opening::{Answered, Opening, Responder};
pub use received::{Chunk, Received};
pub use storage::{Buffers, Inline, Memory, OVERHEAD, RECEIVE_MIN, Slices, Storage, TRANSMIT_MIN, TooSmall};

/// The example of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use tightwire::deadline::{self, Timeouts};
pub use tightwire::deflate;
pub use tightwire::handshake::server::{Acceptance, Request, Response};
pub use tightwire::handshake::{self, HeadLimits, OriginPolicy, Slot, client};
pub use tightwire::{
    Client, CloseCode, CloseFrame, Connection, KeySource, Kind, Limits, Message, Role, SendError, Server,
    Text, Violation,
};
