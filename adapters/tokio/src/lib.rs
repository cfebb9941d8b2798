//! WebSocket on tokio: the driver of `tightwire-async` with tokio's transport and timer.
//!
//! ```no_run
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! use tightwire_tokio::{Listener, OriginPolicy, accept};
//!
//! let listener = Listener::bind("127.0.0.1:9001")?;
//! loop {
//!     let (stream, _) = listener.accept().await?;
//!     tokio::spawn(async move {
//!         let mut socket = accept(stream, &OriginPolicy::SameHost).await?;
//!         while let Some((message, mut sender)) = socket.recv_with_sender().await? {
//!             sender.feed(message).await?;
//!         }
//!         Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
//!     });
//! }
//! # }
//! ```
//!
//! Compression (RFC 7692) is off until a configuration turns it on: see `compression`.
//!
//! # Timers
//! Deadlines and keepalive need a runtime with its timer enabled (`enable_time` or `enable_all`), or the first
//! wait of a connection panics. The connections of a thread share one timer: the first of them to wait spawns
//! one small task on its runtime, which sets that timer and rings the others' alarms, up to 64 ms late. The task
//! ends when the thread's last connection is dropped, and it is the only one that this crate spawns. Where a
//! runtime is shut down and a connection lives on, over a stream that belongs to no runtime, its deadlines move
//! with it to the runtime that polls it. Where a runtime is kept but not driven, they wait, as its own timers do.
#![forbid(unsafe_code)]

mod accept;
mod connect;
mod listener;
mod timer;
mod transport;

pub use accept::{Incoming, accept, accept_with};
pub use connect::{Connector, Tcp, connect};
pub use listener::Listener;
#[cfg(feature = "deflate")]
pub use tightwire_async::compression;
pub use tightwire_async::tightwire;
pub use tightwire_async::tightwire::handshake::OriginPolicy;
pub use tightwire_async::tightwire::handshake::server::Request;
pub use tightwire_async::tightwire::{
    Client, CloseCode, CloseFrame, Kind, Limits, Message, SendError, Server, Text, Violation,
};
pub use tightwire_async::{
    Agreed, Answer, Closed, Config, ConnectError, Dial, MessageReader, MessageWriter, OwnedMessage,
    OwnedText, Pool, PreparedMessage, Rejected, Sender, SystemKeys, ticks,
};
pub use transport::Io;

/// A connection over `S`, any stream of tokio's; by default the server's end of a TCP stream.
pub type WebSocket<S = tokio::net::TcpStream, R = Server> = tightwire_async::WebSocket<Io<S>, R>;

/// The client's end of a connection over `S`.
pub type ClientSocket<S = tokio::net::TcpStream> = WebSocket<S, Client<SystemKeys>>;

/// The receiving half of a split connection.
pub type Reader<S = tokio::net::TcpStream, R = Server> = tightwire_async::Reader<Io<S>, R>;

/// The sending half of a split connection.
pub type Writer<S = tokio::net::TcpStream, R = Server> = tightwire_async::Writer<Io<S>, R>;

/// A handle that pings and closes a split connection from any task.
pub type Control<S = tokio::net::TcpStream, R = Server> = tightwire_async::Control<Io<S>, R>;

/// Why an operation on a connection failed.
pub type Error = tightwire_async::Error<std::io::Error>;

/// Why an opening handshake did not end in a connection.
pub type OpenError = tightwire_async::OpenError<std::io::Error>;

/// The code in the READMEs, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../../../README.md")]
struct Readme;
