//! WebSocket (RFC 6455, RFC 7692) as a pure state machine that moves octets between memory that its caller owns.
//!
//! It does no I/O, allocates nothing, holds no buffer, clock, socket or random source, and contains no unsafe code. It
//! is for an event loop of your own: a proxy, a game engine, a database, io_uring. On tokio take `tightwire-tokio`,
//! on smol `tightwire-smol`, for very many connections on Linux `tightwire-epoll`, for firmware
//! `tightwire-embedded`: all of them are this machine with I/O, memory and time.
//!
//! # A server
//!
//! From the first octet to the last, over anything that reads and writes:
//!
//! ```
//! use std::io::{Read, Write};
//! use tightwire::handshake::server::{Acceptance, Request};
//! use tightwire::handshake::{HeadLimits, HeadScanner, OriginPolicy, Slot};
//! use tightwire::{Connection, Event, Limits, Output, Step};
//!
//! fn serve(stream: &mut (impl Read + Write)) -> Result<(), Box<dyn std::error::Error>> {
//!     let (mut input, mut output) = (vec![0; 16 << 10], vec![0; 17 << 10]);
//!     let mut end = 0; // how much of `input` has arrived
//!
//!     // The opening handshake.
//!     let mut scanner = HeadScanner::new();
//!     let head = loop {
//!         match scanner.scan(&input[..end], &HeadLimits::DEFAULT) {
//!             Ok(None) => match stream.read(&mut input[end..])? {
//!                 0 => return Ok(()),
//!                 octets => end += octets,
//!             },
//!             Ok(Some(length)) => break Ok(length),
//!             Err(error) => break Err(error),
//!         }
//!     };
//!     let mut slots = [Slot::EMPTY; 64];
//!     let request = head.and_then(|head| Request::parse(&input[..head], &mut slots));
//!     let answered = match request.and_then(|request| request.check(&OriginPolicy::SameHost)) {
//!         Ok(upgrade) => upgrade.accept(&Acceptance::default(), &mut output)?,
//!         Err(error) => {
//!             let answered = error.rejection().write(&mut output)?; // the status that says why
//!             return Ok(stream.write_all(&output[..answered])?);
//!         }
//!     };
//!     stream.write_all(&output[..answered])?;
//!     let head = head.unwrap_or(end);
//!     input.copy_within(head..end, 0); // what came behind the request
//!     end -= head;
//!
//!     // Messages, sent back piece by piece.
//!     let mut connection = Connection::server();
//!     loop {
//!         let mut rest = &mut input[..end];
//!         let mut out = Output::new(&mut output);
//!         let verdict = loop {
//!             match connection.decode(&mut rest, &mut out, &Limits::DEFAULT) {
//!                 Ok(Step::Event(Event::Data(chunk))) => {
//!                     connection.fragment(chunk.kind, chunk.payload, chunk.last, &mut out)?
//!                 }
//!                 Ok(Step::Event(_)) => {} // the Pong, or the answer to Close, is in the output
//!                 // NeedInput: with more output than input there is room for every answer.
//!                 Ok(Step::NeedInput | Step::NeedOutput(_)) => break Ok(()),
//!                 Err(violation) => break Err(violation), // its Close frame is in the output
//!             }
//!         };
//!         let left = rest.len();
//!         stream.write_all(out.written())?;
//!         verdict?;
//!         if connection.is_finished() {
//!             return Ok(()); // the server closes first (RFC 6455 7.1.1)
//!         }
//!         input.copy_within(end - left..end, 0); // what is left goes in front of what comes
//!         end = left + match stream.read(&mut input[left..])? {
//!             0 => return Ok(()), // without a Close frame: close code 1006
//!             octets => octets,
//!         };
//!     }
//! }
//! # struct Wire(std::collections::VecDeque<Vec<u8>>, Vec<u8>);
//! # impl Read for Wire {
//! #     fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
//! #         let Some(mut piece) = self.0.pop_front() else { return Ok(0) };
//! #         let rest = piece.split_off(piece.len().min(buffer.len()));
//! #         if !rest.is_empty() { self.0.push_front(rest) }
//! #         buffer[..piece.len()].copy_from_slice(&piece);
//! #         Ok(piece.len())
//! #     }
//! # }
//! # impl Write for Wire {
//! #     fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
//! #         self.1.extend_from_slice(octets);
//! #         Ok(octets.len())
//! #     }
//! #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
//! # }
//! # let request: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
//! #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
//! # let frames: &[u8] = b"\x81\x82\0\0\0\0hi\x89\x80\0\0\0\0\x88\x80\0\0\0\0";
//! # for size in 1..request.len() + frames.len() {
//! #     let whole = [request, frames].concat();
//! #     let mut wire = Wire(whole.chunks(size).map(<[u8]>::to_vec).collect(), Vec::new());
//! #     serve(&mut wire).unwrap();
//! #     assert!(wire.1.starts_with(b"HTTP/1.1 101 "));
//! #     let echo = wire.1.strip_suffix(b"\x8a\0\x88\0").unwrap();
//! #     assert!(echo.ends_with(b"\r\n\r\n\x81\x02hi") || echo.ends_with(b"\r\n\r\n\x01\x01h\x80\x01i"));
//! # }
//! ```
//!
//! `examples/embed` in the repository is this with deadlines, and with the wait for the peer's end of the transport that
//! keeps a reset from taking the last words back.
//!
//! # Order of calls
//!
//! 1. [`handshake`]: find the end of the head, judge it, answer. A client writes an
//!    [`Offer`](handshake::client::Offer) and verifies the response. If somebody else did the handshake (an HTTP
//!    library, HTTP/2), begin at 2.
//! 2. [`Connection::server`] or [`Connection::client`]; [`Connection::split`] where two tasks share it.
//! 3. [`Connection::decode`] until it says [`Step::NeedInput`]. Send what is in the [`Output`] before you read
//!    again. What is left of the input, at most 130 octets, goes in front of the next.
//!    An [`Inbox`] collects whole messages, if you want them, in storage that you lend.
//! 4. [`Connection::encode`] sends a message, [`fragment`](Connection::fragment) a part of one,
//!    [`head`](Connection::head) the head alone, for a payload that is written from where it lies. A [`Prepared`]
//!    message is encoded once for many connections.
//! 5. [`Connection::close`] begins the closing handshake. When [`Connection::is_finished`] says so and the output is
//!    sent, a server closes the transport and a client waits for that (RFC 6455 7.1.1).
//!
//! A call is done when it returns. There is nothing to be cancelled, and nothing is queued inside: a call that lacks
//! room says how much it needs and has changed nothing.
//!
//! # Memory and limits
//!
//! A server's [`Connection`] is 32 octets, or 3 while it [rests](Connection::rest) between messages; [`Deadlines`] are
//! 16. Everything else is lent for a call.
//!
//! | bound | default | where |
//! | --- | --- | --- |
//! | payload of a message, and of a frame | 1 MiB | [`Limits::message`], [`Limits::frame`] |
//! | frames of a message | 1,024 | [`Limits::fragments`] |
//! | octets that a compressed message inflates to, for each one received | any; the message's limit holds | [`Limits::ratio`] |
//! | head of a request or response; its target; its headers | 8 KiB; 4 KiB; 64 | [`HeadLimits`](handshake::HeadLimits) |
//! | opening handshake | 10 s | [`Timeouts::handshake`] |
//! | silence until a Ping; then, until the end | 20 s; 20 s | [`Timeouts::ping`], [`Timeouts::pong`] |
//! | no progress in a frame or message; in output | 30 s; 30 s | [`Timeouts::progress`], [`Timeouts::write`] |
//! | closing handshake | 5 s | [`Timeouts::close`] |
//!
//! Time is data: [`Deadlines`] are told what happened at which tick, and say when to look again and what to do then.
//!
//! # Errors and close codes
//!
//! They are split by fault. "Not yet" is none: it is [`Step::NeedInput`] or [`Step::NeedOutput`].
//!
//! | error | whose fault | what it leaves behind |
//! | --- | --- | --- |
//! | [`Violation`] | the peer's | a Close frame in the output: 1002, 1007 for bad text or compression, 1009 over a limit. The good frames in front have been given, every later call gives the same violation |
//! | [`SendError`] | the caller's, or too little room | nothing has changed |
//! | [`HandshakeError`](handshake::HandshakeError) | the client's | the HTTP status to answer with, as a [whole response](handshake::HandshakeError::rejection) |
//! | [`AnswerError`](handshake::client::AnswerError) | the server's | close the transport |
//! | [`Timeout`](deadline::Timeout) | the peer's, late | a close code, if it may still read one |
//!
//! # Origins
//!
//! A browser sends cookies along with a handshake that any web page starts (RFC 6455 10.2), so a server has to name an
//! [`OriginPolicy`](handshake::OriginPolicy). `SameHost` is the safe one.
//!
//! # Features
//!
//! None is on by default, and none changes what is there without it.
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `deflate` | the codec of permessage-deflate in lent memory: see [`mod@deflate`]. Negotiation is always there |
//! | `zlib-rs` | the codec of that crate behind the same traits; needs `std` and allocates |
//! | `simd` | text is validated with SIMD found at run time; needs `std` |
//! | `defmt` | formats of the errors and states; payloads and headers have none |
#![no_std]
#![forbid(unsafe_code)]
// Without features some links lead nowhere.
#![cfg_attr(not(feature = "deflate"), allow(rustdoc::broken_intra_doc_links))]

#[cfg(test)]
extern crate std;

pub mod close;
pub mod connection;
pub mod deadline;
pub mod deflate;
pub mod error;
pub mod event;
mod extension;
pub mod frame;
pub mod handshake;
pub mod inbound;
pub mod inbox;
pub mod limits;
pub mod mask;
pub mod message;
mod octet;
pub mod outbound;
pub mod output;
pub mod prepared;
pub mod role;
pub mod utf8;

pub use close::{CloseCode, CloseFrame};
pub use connection::{Connection, Resting};
pub use deadline::{Deadlines, Timeouts};
pub use error::{SendError, Violation};
pub use event::{Chunk, Event, Step};
pub use inbound::Inbound;
pub use inbox::{Inbox, Progress};
pub use limits::Limits;
pub use message::{Kind, Message, Text};
pub use outbound::{Masker, Outbound};
pub use output::Output;
pub use prepared::Prepared;
pub use role::{Client, KeySource, Role, Server};

/// The code in the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
