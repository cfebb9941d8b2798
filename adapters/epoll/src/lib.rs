//! WebSocket (RFC 6455, RFC 7692) on raw epoll, for servers on Linux that hold very many connections.
//!
//! One reactor for each thread, and one read buffer and one output buffer for all connections of the thread. An idle
//! connection is a slab entry of [`Conn::IDLE_OCTETS`], your session in it, and nothing else. A warm server allocates
//! nothing for a message, nor for a connection that it accepts.
//!
//! ```
//! use std::time::Duration;
//! use tightwire_epoll::{Acceptance, Answer, Builder, Closed, Conn, Handler, Message, Opening, OriginPolicy};
//!
//! struct Chat;
//!
//! impl Handler for Chat {
//!     type Session = u32; // the messages of this guest
//!
//!     fn handshake(&mut self, opening: Opening<'_, u32>) -> Answer {
//!         opening.accept(&OriginPolicy::SameHost, &Acceptance::default())
//!     }
//!
//!     fn open(&mut self, conn: &mut Conn<'_, u32>) {
//!         conn.subscribe("lobby");
//!     }
//!
//!     fn message(&mut self, conn: &mut Conn<'_, u32>, message: Message<'_>) {
//!         *conn.session() += 1;
//!         conn.reactor().publish("lobby", message); // to all subscribers on all threads
//!     }
//!
//!     fn close(&mut self, conn: &mut Conn<'_, u32>, closed: Closed<'_>) {
//!         println!("{} after {} messages", closed.code, conn.session());
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     let server = Builder::new().listen(([127, 0, 0, 1], 0).into()).start(|_thread| Chat)?;
//!     println!("listening on {:?}", server.addresses());
//! #   use std::io::{Read, Write};
//! #   let mut guest = std::net::TcpStream::connect(server.addresses()[0])?;
//! #   guest.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
//! #       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x82\0\0\0\0hi")?;
//! #   let mut answer = Vec::new();
//! #   while !answer.ends_with(b"\x81\x02hi") {
//! #       let mut octet = [0];
//! #       guest.read_exact(&mut octet)?;
//! #       answer.push(octet[0]);
//! #   }
//! #   drop(guest);
//!     let report = server.shutdown(Duration::from_secs(5)); // a server that stays calls `join`
//!     assert_eq!(report.dropped, 0);
//!     Ok(())
//! }
//! ```
//!
//! The examples `live` (a chat with numbers), `echo`, `broadcast`, `million` and `doctor` are whole programs.
//!
//! # Order of calls
//!
//! 1. [`limits::raise_descriptors`], if there are to be more than some hundred connections. [`limits`] tells what a machine
//!    lacks for a wanted number.
//! 2. [`Builder`]: configuration, admission, threads, addresses; [`Builder::start`]. Each thread has a [`Handler`] of its
//!    own, so nothing in it needs a lock. A client is the same: [`Reactor::connect`].
//! 3. [`Handler::handshake`] accepts, refuses, or answers plain HTTP. Then [`Handler::open`], messages, and
//!    [`Handler::close`] exactly once. A handler must not block: [`workers`] is a pool for what computes or waits.
//! 4. [`Conn::send`] says [`Sent`], or [`Refused`] where the peer reads too slowly; [`Handler::drained`] says when it has
//!    caught up. All that one event sends leaves in one write. [`Conn::close`] begins the closing handshake.
//! 5. From other threads: a [`Sender`], and [`Server::publish`].
//! 6. [`Server::shutdown`] stops accepting, closes every connection with 1001, waits as long as you say, and drops what
//!    is left.
//!
//! There are no futures, so nothing is ever cancelled.
//!
//! # Memory and limits
//!
//! | bound | default | where |
//! | --- | --- | --- |
//! | payload of a received message, and of a frame; its frames | 1 MiB; 1,024 | [`Config::limits`] |
//! | head of a request or response; its headers | 8 KiB; 64 | [`Config::head_limits`] |
//! | output that waits for a slow peer | 64 KiB and one message, then sends are [`Refused`] | [`Config::mark`], [`WhenFull`] |
//! | shared buffers of a thread: reading, output | 516 KiB each | [`Config::read_buffer`], [`Config::output_buffer`] |
//! | unused buffers of a thread | 32 MiB, for some seconds | [`Config::pool`] |
//! | messages from other threads that wait | 65,536 | [`Config::mailbox`] |
//! | connections: in all; of one address; accepted by a thread in 100 ms | none | [`Admission`] |
//! | opening handshake | 10 s | [`Config::timeouts`], in ticks of 100 ms |
//! | silence until a Ping; from the Ping until the end | 20 s; 20 s | the same, or [`Conn::set_timeouts`] |
//! | no progress in a frame or message; in output | 30 s; 30 s | the same |
//! | closing handshake | 5 s | the same |
//!
//! # Errors and close codes
//!
//! [`Handler::close`] is told how every connection ended: [`Closed::code`] and [`Closed::cause`].
//!
//! | cause | close code |
//! | --- | --- |
//! | [`Cause::Handshake`] | the peer's, 1005 if it gave none |
//! | [`Cause::Violation`]: the peer broke the protocol or passed a limit, and was told so | 1002, 1007, 1009 |
//! | [`Cause::Timeout`] | 1001 (silence), 1008 (an unfinished frame or message), else 1006 |
//! | [`Cause::Lost`]: the transport ended | 1006 |
//! | [`Cause::Dropped`]: by this end | 1006 |
//!
//! A request that is not accepted is answered with the HTTP status that says why. What cannot be sent is [`Refused`], and
//! changes nothing.
//!
//! # Origins
//!
//! A browser sends cookies along with a handshake that any web page starts (RFC 6455 10.2), so [`Opening::accept`] wants to
//! know which pages are let in. [`OriginPolicy::SameHost`] is the safe choice. Requests without an origin, from programs
//! that are no browsers, pass it.
//!
//! # TLS
//!
//! Not here: put a proxy in front. To serve TLS in the same process, take `tightwire-tokio`.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `deflate` | permessage-deflate (RFC 7692), off until `Config::with_compression`: see [`mod@compression`] |
//! | `zlib-rs` | the codec of that crate as another backend |
//! | `tracing` | the life of each connection in a few events at debug level: accepted, opened, timed out, closed and why |
//!
//! # Parts that can be used alone
//!
//! A [`poller`] for any descriptors, a [`slab`] whose tokens never reach a later entry, a timer [`wheel`], a buffer
//! [`pool`], a bounded [`workers`] pool that keeps order per key, and [`limits`].
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
// Without features some links lead nowhere.
#![cfg_attr(
    not(feature = "deflate"),
    allow(rustdoc::broken_intra_doc_links, rustdoc::private_intra_doc_links)
)]

#[cfg(feature = "deflate")]
pub mod compression;
pub mod limits;
pub mod poller;
pub mod pool;
pub mod slab;
pub mod wheel;
pub mod workers;

mod accept;
mod clock;
#[cfg(not(feature = "deflate"))]
#[path = "compression/absent.rs"]
mod compression;
mod config;
mod conn;
mod counters;
mod dial;
mod engine;
mod entry;
mod event_loop;
mod handler;
mod machine;
mod mailbox;
mod opening;
mod peer;
mod queue;
mod reactor;
mod receiving;
mod sending;
mod server;
mod socket;
mod topics;
mod trace;

pub use accept::Admission;
pub use config::{Config, TICKS_PER_SECOND};
pub use conn::Conn;
pub use counters::Stats;
pub use dial::{ConnectError, DialError};
pub use event_loop::Report;
pub use handler::{Cause, Closed, Handler, Part};
pub use mailbox::{Owned, PostError, Sender};
pub use opening::{Answer, Opening};
pub use reactor::Reactor;
pub use sending::{Refused, Sent, WhenFull};
pub use server::{Builder, Meter, Server};
pub use slab::Token;
pub use tightwire;
pub use tightwire::handshake::server::{Acceptance, Request, Response};
pub use tightwire::handshake::{HeadLimits, OriginPolicy};
pub use tightwire::{CloseCode, Kind, Limits, Message, SendError, Text, Timeouts, Violation};

/// The code in the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
