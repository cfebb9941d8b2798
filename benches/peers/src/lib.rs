//! What the servers of all peers have in common: options, one thread, a listener, and a handshake for the crates that
//! bring none. It knows nothing of frames.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use tightwire::handshake::server::{Acceptance, Request};
use tightwire::handshake::{HeadLimits, HeadScanner, OriginPolicy, Slot};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Any error, for servers that only tell it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The largest message that every server takes.
pub const LARGEST: usize = 64 << 20;

/// What a server is asked for on its command line: `PORT [--deflate] [--small] [--broadcast]`.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// On 127.0.0.1.
    pub port: u16,
    /// Agree to permessage-deflate.
    pub deflate: bool,
    /// The buffers that the crate has by default, where others make it faster.
    pub small: bool,
    /// What arrives on one connection goes to all.
    pub broadcast: bool,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// When an option is not known to this server, `known` being those that it has.
    pub fn read(known: &[&str]) -> Result<Self, Failure> {
        let mut options = Self { port: 0, deflate: false, small: false, broadcast: false };
        for argument in std::env::args().skip(1) {
            match argument.as_str() {
                option if option.starts_with("--") && !known.contains(&option) => {
                    return Err(format!("this server has no {option}").into());
                }
                "--deflate" => options.deflate = true,
                "--small" => options.small = true,
                "--broadcast" => options.broadcast = true,
                port => options.port = port.parse()?,
            }
        }
        Ok(options)
    }
}

/// Accepts connections for ever on one thread, each with a task of its own.
///
/// # Errors
/// When the port cannot be listened on.
pub fn serve<F>(options: Options, each: impl Fn(TcpStream) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(([127, 0, 0, 1], options.port).into())?;
        let listener = socket.listen(4096)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // Ends of connections are no news here: the load closes them as it likes.
            let task = each(stream);
            tokio::task::spawn_local(async move { drop(task.await) });
        }
    })
}

/// Octets of the buffer in front of a stream, for crates that have none of their own: as tokio has it, or none.
pub fn write_buffer(options: Options) -> usize {
    if options.small { 0 } else { 8 << 10 }
}

/// Waits for `next`. If it is not there yet, `flush` comes first: what has been answered so far goes out together.
///
/// # Errors
/// Those of `flush`.
pub async fn next_or_flush<T, E>(
    next: impl Future<Output = T>,
    flush: impl Future<Output = Result<(), E>>,
) -> Result<T, E> {
    let mut next = pin!(next);
    let there = poll_fn(|context| match next.as_mut().poll(context) {
        Poll::Ready(next) => Poll::Ready(Some(next)),
        Poll::Pending => Poll::Ready(None),
    });
    match there.await {
        Some(next) => Ok(next),
        None => {
            flush.await?;
            Ok(next.await)
        }
    }
}

/// The extension that the load offers, and a server of no takeover agrees to word for word.
pub const NO_TAKEOVER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// The server's side of the opening handshake, for crates that leave it to an HTTP server. Says whether `NO_TAKEOVER`
/// was agreed on.
///
/// # Errors
/// When the client asks for something else, or the stream fails.
pub async fn handshake(stream: &mut TcpStream, deflate: bool) -> Result<bool, Failure> {
    let (mut head, mut scanner) = (Vec::with_capacity(1024), HeadScanner::new());
    let length = loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(length) = scanner.scan(&head, &HeadLimits::DEFAULT)? {
            break length;
        }
    };
    let mut answer = [0; 512];
    let (length, agreed) = {
        let mut slots = [Slot::EMPTY; 32];
        let request = Request::parse(&head[..length], &mut slots)?;
        let upgrade = request.check(&OriginPolicy::Any)?;
        let agreed = deflate && request.header("sec-websocket-extensions") == Some(NO_TAKEOVER.as_bytes());
        let extensions = agreed.then_some(NO_TAKEOVER);
        let acceptance = Acceptance { extensions, ..Acceptance::default() };
        (upgrade.accept(&acceptance, &mut answer)?, agreed)
    };
    stream.write_all(&answer[..length]).await?;
    Ok(agreed)
}
