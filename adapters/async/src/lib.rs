//! The runtime-neutral WebSocket driver that `tightwire-tokio` and `tightwire-smol` share.
//!
//! It adds memory and time to the protocol machine of [`tightwire`]: pooled buffers, keepalive and deadlines, whole and
//! split connections, streaming. It polls, and starts no thread and no task. Applications take the crate of their
//! runtime, whose front page tells the order of calls, limits, errors and cancel safety, which all are from here. This
//! crate is for another runtime.
//!
//! # What a runtime supplies
//!
//! Octets in, octets out and a timer: the traits in [`transport`]. The smallest runtime is a thread for each connection:
//!
//! ```
//! use std::io::{self, Read, Write};
//! use std::net::{Shutdown, TcpStream};
//! use std::sync::{Arc, LazyLock};
//! use std::task::{Context, Poll};
//! use std::time::{Duration, Instant};
//! use tightwire_async::tightwire::handshake::OriginPolicy;
//! use tightwire_async::transport::{ReadTransport, Timer, WriteTransport};
//! use tightwire_async::{Config, accept};
//!
//! /// A blocking socket: every poll is ready when it returns.
//! struct Socket(TcpStream);
//!
//! impl ReadTransport for Socket {
//!     type Error = io::Error;
//!     fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
//!         Poll::Ready(self.0.read(buffer))
//!     }
//! }
//!
//! impl WriteTransport for Socket {
//!     type Error = io::Error;
//!     type Timer = Clock;
//!     fn poll_write(&mut self, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
//!         Poll::Ready(self.0.write(octets))
//!     }
//!     fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
//!         Poll::Ready(Ok(()))
//!     }
//!     fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
//!         Poll::Ready(self.0.shutdown(Shutdown::Write))
//!     }
//! }
//!
//! /// A real runtime wakes the task at the time. Nothing interrupts a blocking read, so this one only looks.
//! #[derive(Default)]
//! struct Clock(Option<Duration>);
//!
//! impl Timer for Clock {
//!     fn now() -> Duration {
//!         static START: LazyLock<Instant> = LazyLock::new(Instant::now);
//!         START.elapsed()
//!     }
//!     fn poll_until(&mut self, cx: &mut Context<'_>, at: Duration) -> Poll<()> {
//!         self.0 = Some(at);
//!         self.poll_armed(cx)
//!     }
//!     fn poll_armed(&mut self, _: &mut Context<'_>) -> Poll<()> {
//!         if self.0.is_some_and(|at| at <= Self::now()) { Poll::Ready(()) } else { Poll::Pending }
//!     }
//! }
//!
//! async fn serve(stream: TcpStream, config: Arc<Config>) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut socket = accept(Socket(stream), config, &OriginPolicy::SameHost).await?;
//!     while let Some((message, mut sender)) = socket.recv_with_sender().await? {
//!         sender.feed(message).await?;
//!     }
//!     Ok(())
//! }
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
//! # let address = listener.local_addr().unwrap();
//! # let server = std::thread::spawn(move || {
//! #     let (stream, _) = listener.accept().unwrap();
//! #     let mut serving = std::pin::pin!(serve(stream, Arc::default()));
//! #     let mut cx = Context::from_waker(std::task::Waker::noop());
//! #     let Poll::Ready(served) = std::future::Future::poll(serving.as_mut(), &mut cx) else { panic!() };
//! #     served.unwrap();
//! # });
//! # let mut client = TcpStream::connect(address).unwrap();
//! # client.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
//! #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
//! #     \x81\x82\0\0\0\0hi\x88\x80\0\0\0\0").unwrap();
//! # client.shutdown(Shutdown::Write).unwrap();
//! # let mut answer = Vec::new();
//! # client.read_to_end(&mut answer).unwrap();
//! # assert!(answer.ends_with(b"\r\n\r\n\x81\x02hi\x88\0"), "{}", answer.escape_ascii());
//! # server.join().unwrap();
//! ```
//!
//! * A `poll_read` that is pending must wake the task when octets are there, like any poll; one that gives 0 octets ends
//!   the stream. `poll_write` takes at least one octet.
//! * [`transport::SplitTransport`] takes the directions apart, for [`WebSocket::split`].
//! * Timers that are large or costly to set are shared by a thread's connections: [`alarms`].
//! * [`Dial`] is how a host is reached, for [`Connector`]; [`listen`] and [`accept_again_after`] are for listeners (all with
//!   feature `std`).
//!
//! # Features
//!
//! None is on by default. Without `std` the crate is `no_std` with an allocator, and locks spin.
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `std` | locks of the standard library, SIMD validation of text, mask keys from the operating system ([`SystemKeys`]), [`Connector`], [`listen`] |
//! | `deflate` | permessage-deflate (RFC 7692): [`mod@compression`] |
//! | `zlib-rs` | the codec of that crate as another [`Backend`](compression::Backend) |
//! | `proxy` | [`Connector::with_proxy`]: a way through an HTTP proxy ([`Proxy`]); it turns `std` on |
//! | `tokio-io`, `futures-io` | `AsyncRead` and `AsyncWrite` of either for [`MessageReader`] and [`MessageWriter`] |
#![no_std]
#![forbid(unsafe_code)]
// Without features some links lead nowhere.
#![cfg_attr(not(all(feature = "deflate", feature = "proxy")), allow(rustdoc::broken_intra_doc_links))]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod alarms;
mod answer;
#[cfg(feature = "deflate")]
pub mod compression;
mod config;
#[cfg(feature = "std")]
mod connector;
mod error;
mod event;
mod halves;
#[cfg(feature = "std")]
mod keys;
#[cfg(feature = "std")]
mod listener;
mod lock;
mod opening;
mod outgoing;
mod owned;
mod pool;
mod prepared;
#[cfg(feature = "proxy")]
mod proxy;
mod receiving;
mod reply;
mod sender;
mod sending;
mod streaming;
pub mod transport;
mod wakers;
mod websocket;

pub use answer::Answer;
pub use config::{Config, ticks};
#[cfg(feature = "std")]
pub use connector::{ConnectError, Connector, Dial};
pub use error::Error;
pub use event::Event;
pub use halves::{Control, Reader, Writer};
#[cfg(feature = "std")]
pub use keys::SystemKeys;
#[cfg(feature = "std")]
pub use listener::{accept_again_after, listen};
pub use opening::{Accepted, Agreed, Incoming, OpenError, Opened, Rejected, accept, accept_with, open};
pub use owned::{OwnedMessage, OwnedText};
pub use pool::Pool;
pub use prepared::PreparedMessage;
#[cfg(feature = "proxy")]
pub use proxy::{Proxy, ProxyError};
pub use receiving::Closed;
pub use reply::{Reply, Upgrading, reply};
pub use sender::Sender;
pub use streaming::{Chunks, HalfWriter, MessageReader, MessageWriter, WebSocketWriter};
pub use tightwire;
pub use websocket::WebSocket;
