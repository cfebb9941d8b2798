//! tightwire in an event loop of your own: an echo server over `std::net::TcpStream`, with one buffer for what
//! arrives and one for what leaves, lent to one connection after the other.
//!
//! ```sh
//! cargo run --release -p tightwire --example embed -- [ADDRESS] [--connections N]
//! ```
//!
//! Messages of any size pass through: each piece is sent back as a fragment as soon as it has arrived.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;
use tightwire::frame::HEAD_MAX;
use tightwire::handshake::server::{Acceptance, Request};
use tightwire::handshake::{HandshakeError, HeadLimits, HeadScanner, OriginPolicy, Slot};
use tightwire::{Connection, Event, Limits, Output, Step};

const USAGE: &str = "usage: embed [ADDRESS] [--connections N]   (default: 127.0.0.1:9001, no end)";
/// Longer than the longest head of a request, so that one always fits.
const BUFFER: usize = 16 << 10;
/// The longest silence. A server with more than one connection at a time asks `tightwire::Deadlines` instead.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn Error>> {
    let (address, connections) = arguments()?;
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    println!("echo server on ws://{address}, for one connection at a time");
    println!("try it: open the console of a browser and enter");
    println!(
        "  s = new WebSocket('ws://{address}'); s.onmessage = e => console.log(e.data); s.onopen = () => s.send('hi')"
    );

    let (mut input, mut output) = (vec![0; BUFFER], vec![0; BUFFER + HEAD_MAX]);
    for stream in listener.incoming().take(connections) {
        // A fault of one connection is nothing to the next one.
        if let Err(error) =
            stream.map_err(Into::into).and_then(|stream| serve(stream, &mut input, &mut output))
        {
            eprintln!("{error}");
        }
    }
    Ok(())
}

/// One connection from its first octet to its last.
fn serve(mut stream: TcpStream, input: &mut [u8], output: &mut [u8]) -> Result<(), Box<dyn Error>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let verdict =
        shake_hands(&mut stream, input, output).and_then(|filled| echo(&mut stream, input, filled, output));
    // RFC 6455 7.1.1: the server closes first. What still arrives is read, or it would take our last words back.
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    for _ in 0..64 {
        if !matches!(stream.read(input), Ok(octets) if octets > 0) {
            break;
        }
    }
    verdict
}

/// Answers the request; the octets behind it are then at the front of `input`, and their number is returned.
fn shake_hands(stream: &mut TcpStream, input: &mut [u8], output: &mut [u8]) -> Result<usize, Box<dyn Error>> {
    let (mut scanner, mut filled) = (HeadScanner::new(), 0);
    let head = loop {
        match scanner.scan(&input[..filled], &HeadLimits::DEFAULT) {
            Ok(None) => filled += read(stream, &mut input[filled..])?,
            Ok(Some(head)) => break Ok(head),
            Err(error) => break Err(error),
        }
    };
    let answered = head.and_then(|head| Ok((head, accept(&input[..head], output)?)));
    match answered {
        Ok((head, length)) => {
            stream.write_all(&output[..length])?;
            input.copy_within(head..filled, 0);
            Ok(filled - head)
        }
        Err(error) => {
            let length = error.rejection().write(output)?;
            stream.write_all(&output[..length])?;
            Err(error.into())
        }
    }
}

fn accept(head: &[u8], output: &mut [u8]) -> Result<usize, HandshakeError> {
    let mut slots = [Slot::EMPTY; 64];
    // Any origin: an echo server has no secrets that another page could ask for.
    let upgrade = Request::parse(head, &mut slots)?.check(&OriginPolicy::Any)?;
    let protocol = upgrade.request().protocols().next();
    // The names of subprotocols are part of a head that is shorter than the output.
    Ok(upgrade.accept(&Acceptance { protocol, ..Acceptance::default() }, output).unwrap_or_default())
}

/// The loop: decode what is there, send what has to be sent, read more.
fn echo(
    stream: &mut TcpStream,
    input: &mut [u8],
    mut filled: usize,
    output: &mut [u8],
) -> Result<(), Box<dyn Error>> {
    let mut connection = Connection::server();
    // Nothing is collected here, so a message may be as long as it likes.
    let limits = Limits::UNLIMITED;
    loop {
        let mut unread = &mut input[..filled];
        let mut out = Output::new(output);
        loop {
            match connection.decode(&mut unread, &mut out, &limits) {
                Ok(Step::Event(Event::Data(chunk))) => {
                    if out.room() < chunk.payload.len() + HEAD_MAX {
                        stream.write_all(out.written())?;
                        out = Output::new(output);
                    }
                    if !connection.outbound().is_closed() {
                        connection.fragment(chunk.kind, chunk.payload, chunk.last, &mut out)?;
                    }
                }
                // Pongs and the answer to Close are in the output already.
                Ok(Step::Event(_)) => {}
                Ok(Step::NeedInput) => break,
                Ok(Step::NeedOutput(_)) => {
                    stream.write_all(out.written())?;
                    out = Output::new(output);
                }
                Err(violation) => {
                    // The Close frame that says why is in the output.
                    stream.write_all(out.written())?;
                    return Err(violation.into());
                }
            }
        }
        // Everything that one read brought is answered by one write.
        let left = unread.len();
        stream.write_all(out.written())?;
        if connection.is_finished() {
            return Ok(());
        }
        // Fewer than 131 octets: the beginning of a frame.
        input.copy_within(filled - left..filled, 0);
        filled = left + read(stream, &mut input[left..])?;
    }
}

/// Reads at least one octet.
fn read(stream: &mut TcpStream, space: &mut [u8]) -> io::Result<usize> {
    match stream.read(space)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        octets => Ok(octets),
    }
}

fn arguments() -> Result<(String, usize), Box<dyn Error>> {
    let (mut address, mut connections) = ("127.0.0.1:9001".to_owned(), usize::MAX);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--connections" => connections = arguments.next().ok_or(USAGE)?.parse()?,
            flag if flag.starts_with('-') => return Err(USAGE.into()),
            _ => address = argument,
        }
    }
    Ok((address, connections))
}
