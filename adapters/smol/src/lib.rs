//! WebSocket on smol: the driver of `tightwire-async` with a transport of futures-io and a timer of async-io.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tightwire_smol::{Listener, OriginPolicy, accept};
//!
//! smol::block_on(async {
//!     let listener = Listener::bind("127.0.0.1:9001")?;
//!     loop {
//!         let (stream, _) = listener.accept().await?;
//!         smol::spawn(async move {
//!             let mut socket = accept(stream, &OriginPolicy::SameHost).await?;
//!             while let Some((message, mut sender)) = socket.recv_with_sender().await? {
//!                 sender.feed(message).await?;
//!             }
//!             Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
//!         })
//!         .detach();
//!     }
//! })
//! # }
//! ```
//!
//! Compression (RFC 7692) is off until a configuration turns it on: see `compression`.
#![forbid(unsafe_code)]

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
