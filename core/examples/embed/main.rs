//! tightwire in an event loop of your own: an echo server over `std::net::TcpStream`, with one buffer for what
//! arrives and one for what leaves, lent to one connection after the other.
//!
//! ```sh
//! cargo run --release -p tightwire --example embed -- [ADDRESS] [--connections N]
//! ```
//!
//! Messages of any size pass through: each piece is sent back as a fragment as soon as it has arrived. All that
//! is WebSocket stands in `session.rs`; what is here is the loop.

mod session;

use session::{Fault, Session, TICKS_PER_SECOND, TIMEOUTS, output_for};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const USAGE: &str = "usage: embed [ADDRESS] [--connections N]   (default: 127.0.0.1:9001, no end)";
/// Longer than the longest head of a request, so that one always fits.
const INPUT: usize = 16 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let (address, connections) = arguments()?;
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    println!("echo server on ws://{address}, for one connection at a time");
    println!("try it: open the console of a browser and enter");
    println!(
        "  s = new WebSocket('ws://{address}'); s.onmessage = e => console.log(e.data); s.onopen = () => s.send('hi')"
    );

    let (mut input, mut output) = (vec![0; INPUT], vec![0; output_for(INPUT)]);
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

/// One connection from its first octet to its last: read, let the session decide, write.
fn serve(mut stream: TcpStream, input: &mut [u8], output: &mut [u8]) -> Result<(), Fault> {
    let start = Instant::now();
    let now = || start.elapsed().as_millis() as u32 / (1000 / TICKS_PER_SECOND);
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    stream.set_nodelay(true)?;

    let (mut session, mut filled, mut shut) = (Session::new(now()), 0, false);
    loop {
        if let Some(tick) = session.deadlines.next_deadline(now(), &TIMEOUTS) {
            // A timeout of zero would mean none at all.
            let ticks = tick.wrapping_sub(now()).max(1);
            stream.set_read_timeout(Some(Duration::from_millis(
                u64::from(ticks) * 1000 / u64::from(TICKS_PER_SECOND),
            )))?;
        }
        match stream.read(&mut input[filled..]) {
            Ok(0) if filled > 0 && !session.is_over() => return Err("the peer left within a frame".into()),
            Ok(0) => return Ok(()),
            Ok(octets) => {
                filled += octets;
                let turn = session.receive(now(), &mut input[..filled], output)?;
                // Everything that one read brought is answered by one write.
                stream.write_all(&output[..turn.written])?;
                // What is left is the beginning of a frame, fewer than 131 octets, or of the request.
                input.copy_within(turn.taken..filled, 0);
                filled -= turn.taken;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        match session.on_time(now(), output) {
            Some(octets) => stream.write_all(&output[..octets])?,
            None => return Err("the peer was too slow".into()),
        }
        if session.is_over() && !shut {
            stream.shutdown(Shutdown::Write)?;
            shut = true;
        }
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
