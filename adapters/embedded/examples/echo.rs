//! An echo server over std's sockets, each connection in memory that its thread lends, as firmware would:
//! `cargo run --release -p tightwire-embedded --example echo -- [ADDRESS] [--threads N]`.
//!
//! Each thread serves one connection at a time. Messages larger than 4 KiB are sent back in pieces as they arrive.

use embedded_io_adapters::std::FromStd;
use std::error::Error as StdError;
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use tightwire_embedded::blocking::{WebSocket, accept_with};
use tightwire_embedded::{
    Acceptance, Clock, Config, Error, Limits, Opening, OriginPolicy, Received, Server, Slices, Slot,
};

const USAGE: &str = "usage: echo [ADDRESS] [--threads N]   (default: 127.0.0.1:9001, 16 threads)";
/// Nothing is collected here, so a message may be as long as it likes.
static CONFIG: Config = Config::new().with_limits(Limits::UNLIMITED);
/// How long a read waits before the deadlines are looked at.
const PATIENCE: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn StdError>> {
    let (address, threads) = arguments()?;
    let listener = TcpListener::bind(address)?;
    println!("echo server on ws://{} ({threads} threads, each for one connection)", listener.local_addr()?);
    for _ in 1..threads {
        let listener = listener.try_clone()?;
        thread::spawn(move || serve(&listener));
    }
    serve(&listener);
    Ok(())
}

fn serve(listener: &TcpListener) {
    let (mut receive, mut transmit) = ([0; 4096], [0; 4096 + 14]);
    for stream in listener.incoming() {
        // A fault of one connection is nothing to the next one.
        if let Err(error) = stream
            .map_err(Into::into)
            .and_then(|stream| connection(stream, Slices::new(&mut receive, &mut transmit)?))
        {
            eprintln!("{error}");
        }
    }
}

/// One connection from its first octet to its last.
fn connection(stream: TcpStream, buffers: Slices<'_>) -> Result<(), Box<dyn StdError>> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    let mut transport = FromStd::new(stream);
    let verdict = open(&mut transport, buffers).and_then(|mut socket| echo(&mut socket));
    // RFC 6455 7.1.1: the server closes first. What still arrives is read, or it would take our last words back.
    let mut stream = transport.into_inner();
    stream.shutdown(Shutdown::Write)?;
    for _ in 0..64 {
        if !matches!(stream.read(&mut [0; 1024]), Ok(1..)) {
            break;
        }
    }
    verdict
}

type Socket<'a, C> = WebSocket<&'a mut FromStd<TcpStream>, Server, Slices<'a>, C>;

fn open<'a>(
    transport: &'a mut FromStd<TcpStream>,
    buffers: Slices<'a>,
) -> Result<Socket<'a, impl Clock>, Box<dyn StdError>> {
    let mut slots = [Slot::EMPTY; 32];
    let start = Instant::now();
    let opening = Opening::new(transport, buffers, &mut slots)
        .with_config(&CONFIG)
        .with_clock(move || start.elapsed().as_millis() as u32);
    // Any origin: an echo server has no secrets that another page could ask for.
    Ok(accept_with(opening, &OriginPolicy::Any, |request, responder| {
        // Browsers drop a connection that asked for subprotocols and got none.
        responder.accept(&Acceptance { protocol: request.protocols().next(), ..Acceptance::default() })
    })?)
}

fn echo(socket: &mut Socket<'_, impl Clock>) -> Result<(), Box<dyn StdError>> {
    loop {
        match socket.recv_with_sender() {
            // Sent back from where it was received; all messages of one read leave in one write.
            Ok(Some((Received::Message(message), mut sender))) => sender.feed(message)?,
            Ok(Some((Received::Chunk(chunk), mut sender))) => {
                sender.feed_fragment(chunk.kind, chunk.octets, chunk.last)?;
            }
            Ok(None) => return Ok(()),
            // Nothing is lost by it, and the next call looks at the deadlines.
            Err(Error::Io(error)) if is_timeout(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn arguments() -> Result<(String, usize), Box<dyn StdError>> {
    let (mut address, mut threads) = ("127.0.0.1:9001".to_owned(), 16);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--threads" => threads = arguments.next().ok_or(USAGE)?.parse::<usize>()?.max(1),
            _ if argument.starts_with('-') => return Err(USAGE.into()),
            _ => address = argument,
        }
    }
    Ok((address, threads))
}
