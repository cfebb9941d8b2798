//! WebSocket (RFC 6455, RFC 7692) for applications on smol and futures-io: servers and clients over any stream.
//!
//! ```
//! use tightwire_smol::{CloseCode, Listener, OriginPolicy, accept, connect};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     smol::block_on(async {
//!         let listener = Listener::bind("127.0.0.1:0")?;
//!         let uri = format!("ws://{}/", listener.local_addr()?);
//!         let server = smol::spawn(async move {
//!             while let Ok((stream, _)) = listener.accept().await {
//!                 smol::spawn(async move {
//!                     let mut socket = accept(stream, &OriginPolicy::SameHost).await?;
//!                     while let Some((message, mut sender)) = socket.recv_with_sender().await? {
//!                         sender.feed(message).await?; // sent back from where it was received
//!                     }
//!                     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
//!                 })
//!                 .detach();
//!             }
//!         });
//!
//!         let mut socket = connect(&uri).await?;
//!         socket.send("hello").await?;
//!         let message = socket.recv().await?.ok_or("closed")?;
//!         assert_eq!(message.as_str(), Some("hello"));
//!         socket.close(CloseCode::NORMAL, "").await?;
//!         drop(server); // a task of smol's that is dropped ends
//!         Ok(())
//!     })
//! }
//! ```
//!
//! The example `echo` is a server with an executor and a listener for each core.
//!
//! # Order of calls
//!
//! 1. A server calls [`accept`], or [`accept_with`] to see the request, choose subprotocol and headers or refuse it, or
//!    [`Incoming`] to wait for something before it answers. A client calls [`connect`], or a [`Connector`] with
//!    subprotocols, headers (cookies, `Authorization`), an origin and a [`Config`]. Where somebody else did the
//!    handshake, [`WebSocket::new`].
//! 2. [`recv`](tightwire_async::WebSocket::recv) until `None`. It lends a message until the next call, without an
//!    allocation or a copy. While it is polled Pings are answered, keepalive is kept and deadlines are watched:
//!    **keep receiving**, also where nothing is expected.
//! 3. [`send`](tightwire_async::WebSocket::send) writes at once. [`feed`](tightwire_async::WebSocket::feed) collects:
//!    what is fed leaves in one write when `recv` has to wait.
//!    [`recv_with_sender`](tightwire_async::WebSocket::recv_with_sender) does both, with the message still in hand.
//! 4. For two tasks, [`split`](tightwire_async::WebSocket::split) into a [`Reader`] and a [`Writer`]; a [`Control`] pings
//!    and closes from anywhere. For messages larger than memory, [`MessageReader`] and [`MessageWriter`]. For many
//!    receivers, [`PreparedMessage`]. `Stream` and `Sink` of [`OwnedMessage`]s are there for the ecosystem.
//! 5. [`close`](tightwire_async::WebSocket::close) sees the closing handshake through. After `None`,
//!    [`closed`](tightwire_async::WebSocket::closed) tells the peer's code and reason.
//!
//! # Memory and limits
//!
//! An idle connection holds no buffer; a peer that stops in the middle of something pins a small multiple of what
//! it sent, whatever length it declared.
//!
//! | bound | default | where |
//! | --- | --- | --- |
//! | payload of a received message, and of a frame | 1 MiB | [`Limits`] in [`Config::limits`] |
//! | frames of a received message | 1,024 | the same |
//! | head of a request or response; its headers | 8 KiB; 64 | [`HeadLimits`] in [`Config::head`] |
//! | a buffer; free buffers that are kept | 64 KiB; 8 MiB | [`Pool`] in [`Config::pool`] |
//! | output that waits for a slow peer | one buffer and one message, then `send` waits | |
//! | payload of a sent frame | 1 MiB | [`Config::fragment`] |
//! | opening handshake, dialling included | 10 s | [`Timeouts`] in [`Config::timeouts`], counted by [`ticks`] |
//! | silence until a Ping; from the Ping until the end | 20 s; 20 s | the same |
//! | no progress in a frame or message; in output | 30 s; 30 s | the same |
//! | closing handshake | 5 s | the same |
//!
//! # Errors and close codes
//!
//! | what `recv` gives | what happened | close code |
//! | --- | --- | --- |
//! | `Ok(None)` | closed in good order | the peer's, in [`Closed`] |
//! | [`Error::Violation`] | the peer broke the protocol or passed a limit, and was told so | 1002, 1007, 1009 |
//! | [`Error::Timeout`] | the peer missed a deadline | 1001 (silence), 1008 (an unfinished frame or message), else 1006 |
//! | [`Error::Ended`], [`Error::Transport`] | no Close frame came | 1006 |
//! | [`Error::Send`] | the caller asked for what cannot be sent; the connection lives on | |
//!
//! [`Error::close_code`], [`Error::is_peer`] and their like sort them. [`OpenError`] and [`ConnectError`] are those of the
//! opening handshake; a server has answered with the HTTP status that says why.
//!
//! # Cancel safety
//!
//! Receiving, sending, `ping`, `flush` and `close` are cancel safe: a dropped future loses nothing and never cuts a
//! message, so they may stand in a `select!` or under a timeout. Not so `accept`, `connect` and their like, which end the
//! transport, and `write_all` and `finish` of a [`MessageWriter`]. Each method says it.
//!
//! # Origins
//!
//! A browser sends cookies along with a handshake that any web page starts (RFC 6455 10.2), so a server has to say which
//! pages it lets in. [`OriginPolicy::SameHost`] is the safe choice. Requests without an origin, from programs that are no
//! browsers, pass it.
//!
//! # TLS, proxies, other streams
//!
//! Everything works over any stream of futures-io's: a Unix socket, a tunnel through a proxy, TLS. A server hands the TLS
//! stream to [`accept`]. With feature `proxy`, `Connector::with_proxy` goes through an HTTP proxy. For anything else a client
//! dials by itself and opens the connection over that:
//!
//! ```
//! # use tightwire_smol::{ClientSocket, ConnectError, Connector, Io};
//! # async fn open<S>(tls: S) -> Result<ClientSocket<S>, ConnectError>
//! # where S: smol::io::AsyncRead + smol::io::AsyncWrite + Unpin {
//! let (socket, agreed) = Connector::new().open(Io(tls), "wss://example.org/chat").await?;
//! # let _ = agreed; Ok(socket) }
//! ```
//!
//! # Shutdown
//!
//! Stop accepting, then [`close`](tightwire_async::WebSocket::close) each connection with 1001; its peer has 5 s to
//! answer. Messages that still arrive are dropped: to have them, call
//! [`start_close`](tightwire_async::WebSocket::start_close) and receive until `None`.
//!
//! # Compression
//!
//! Off until a configuration turns it on. Without context takeover, the default of
//! [`Policy`](compression::Policy), it costs an idle connection nothing.
//!
//! ```
//! # #[cfg(feature = "deflate")] {
//! use std::sync::Arc;
//! use tightwire_smol::{Config, Connector, compression::Policy};
//!
//! let config = Arc::new(Config::default().with_compression(Policy::DEFAULT));
//! let connector = Connector::new().with_config(config); // and for servers: accept_with
//! # let _ = connector; }
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `deflate` | on | permessage-deflate (RFC 7692): [`mod@compression`] |
//! | `zlib-rs` | off | the codec of that crate as another [`Backend`](compression::Backend) |
#![forbid(unsafe_code)]
// Without features some links lead nowhere.
#![cfg_attr(not(feature = "deflate"), allow(rustdoc::broken_intra_doc_links))]

mod accept;
mod connect;
mod listener;
mod stream;
mod timer;
mod transport;

pub use accept::{Incoming, accept, accept_with};
pub use connect::{Connector, Tcp, connect};
pub use listener::Listener;
pub use stream::TcpStream;
#[cfg(feature = "deflate")]
pub use tightwire_async::compression;
pub use tightwire_async::tightwire;
pub use tightwire_async::tightwire::handshake::server::Request;
pub use tightwire_async::tightwire::handshake::{HeadLimits, OriginPolicy};
pub use tightwire_async::tightwire::{
    Client, CloseCode, CloseFrame, Connection, Kind, Limits, Message, SendError, Server, Text, Timeouts,
    Violation,
};
pub use tightwire_async::{
    Agreed, Answer, Closed, Config, ConnectError, Dial, Event, MessageReader, MessageWriter, OwnedMessage,
    OwnedText, Pool, PreparedMessage, Rejected, Sender, SystemKeys, ticks,
};
#[cfg(feature = "proxy")]
pub use tightwire_async::{Proxy, ProxyError};
pub use transport::Io;

/// A connection over `S`, any stream of futures-io's; by default the server's end of a TCP stream.
pub type WebSocket<S = TcpStream, R = Server> = tightwire_async::WebSocket<Io<S>, R>;

/// The client's end of a connection over `S`.
pub type ClientSocket<S = TcpStream> = WebSocket<S, Client<SystemKeys>>;

/// The receiving half of a split connection.
pub type Reader<S = TcpStream, R = Server> = tightwire_async::Reader<Io<S>, R>;

/// The sending half of a split connection.
pub type Writer<S = TcpStream, R = Server> = tightwire_async::Writer<Io<S>, R>;

/// A handle that pings and closes a split connection from any task.
pub type Control<S = TcpStream, R = Server> = tightwire_async::Control<Io<S>, R>;

/// Why an operation on a connection failed.
pub type Error = tightwire_async::Error<std::io::Error>;

/// Why an opening handshake did not end in a connection.
pub type OpenError = tightwire_async::OpenError<std::io::Error>;

/// The code in the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
