//! tightwire in an event loop on mio: an echo server for many connections on one thread.
//!
//! ```sh
//! cargo run --release -p tightwire-docs --example mio -- [ADDRESS]
//! ```
//!
//! One buffer for what arrives and one for what leaves, shared by all connections. A connection keeps octets
//! only of a frame that has arrived in part or of output that its peer does not take.

#[path = "../../core/examples/embed/session.rs"]
mod session;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use session::{Session, TICKS_PER_SECOND, output_for};
use std::collections::HashMap;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};
use tightwire::deadline::Tick;

const LISTENER: Token = Token(0);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
const INPUT: usize = 64 << 10;
/// Reads of one connection before it is another one's turn.
const ROUNDS: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let mut listener = TcpListener::bind(address.parse()?)?;
    println!("echo server on ws://{}", listener.local_addr()?);

    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1024));
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut peers = HashMap::new();
    let mut next = LISTENER.0;
    let mut buffers = Buffers { input: vec![0; INPUT], output: vec![0; output_for(INPUT)] };
    let start = Instant::now();
    let now = || (start.elapsed().as_millis() / u128::from(1000 / TICKS_PER_SECOND)) as Tick;
    let mut swept = now();
    loop {
        match poll.poll(&mut events, Some(Duration::from_secs(1))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, poll.registry(), &mut peers, &mut next, now());
            } else if let Some(peer) = peers.get_mut(&event.token())
                && !peer.ready(event, poll.registry(), &mut buffers, now()).unwrap_or(false)
            {
                peers.remove(&event.token());
            }
        }
        // A look at every connection once in a second. For very many a timer wheel is better.
        if now().wrapping_sub(swept) >= TICKS_PER_SECOND {
            swept = now();
            peers.retain(|_, peer| peer.on_time(&mut buffers.output, swept).unwrap_or(false));
        }
    }
}

/// What all connections share.
struct Buffers {
    input: Vec<u8>,
    output: Vec<u8>,
}

struct Peer {
    stream: TcpStream,
    token: Token,
    session: Session,
    /// Octets of a head or a control frame that has not arrived whole.
    held: Vec<u8>,
    /// Output that the transport did not take. While there is some, nothing is read: it cannot grow.
    unsent: Vec<u8>,
}

fn accept(
    listener: &TcpListener,
    registry: &Registry,
    peers: &mut HashMap<Token, Peer>,
    next: &mut usize,
    now: Tick,
) {
    // Until there is nobody left, or no descriptor: mio tells of each only once.
    while let Ok((mut stream, _)) = listener.accept() {
        *next += 1;
        let token = Token(*next);
        if stream.set_nodelay(true).is_ok() && registry.register(&mut stream, token, BOTH).is_ok() {
            let (held, unsent) = (Vec::new(), Vec::new());
            peers.insert(token, Peer { stream, token, session: Session::new(now), held, unsent });
        }
    }
}

impl Peer {
    /// Carries octets both ways until the transport has no more to give or to take. `false` is the end.
    fn ready(
        &mut self,
        event: &Event,
        registry: &Registry,
        buffers: &mut Buffers,
        now: Tick,
    ) -> io::Result<bool> {
        if event.is_error() {
            return Ok(false);
        }
        for _ in 0..ROUNDS {
            if !self.flush(now)? {
                return Ok(true);
            }
            let held = self.held.len();
            buffers.input[..held].copy_from_slice(&self.held);
            let filled = match self.stream.read(&mut buffers.input[held..]) {
                Ok(0) => return Ok(false),
                Ok(octets) => held + octets,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let turn = self
                .session
                .receive(now, &mut buffers.input[..filled], &mut buffers.output)
                .map_err(io::Error::other)?;
            self.held.clear();
            self.held.extend_from_slice(&buffers.input[turn.taken..filled]);
            if self.held.is_empty() {
                self.held = Vec::new();
            }
            self.send(&buffers.output[..turn.written], now)?;
        }
        // More may be there, and mio would not tell again by itself.
        registry.reregister(&mut self.stream, self.token, BOTH)?;
        Ok(true)
    }

    fn on_time(&mut self, output: &mut [u8], now: Tick) -> io::Result<bool> {
        let Some(octets) = self.session.on_time(now, output) else { return Ok(false) };
        self.send(&output[..octets], now)?;
        Ok(true)
    }

    /// Sends all of it or keeps the rest.
    fn send(&mut self, octets: &[u8], now: Tick) -> io::Result<()> {
        self.unsent.extend_from_slice(octets);
        self.flush(now).map(drop)
    }

    /// Whether everything that was to be sent has been sent.
    fn flush(&mut self, now: Tick) -> io::Result<bool> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(octets) => {
                    self.unsent.drain(..octets);
                    self.session.deadlines.write_progress(now);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.session.deadlines.write_blocked(now);
                    return Ok(false);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unsent = Vec::new();
        self.session.deadlines.write_done(now);
        if self.session.is_over() {
            // Said again it changes nothing.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        Ok(true)
    }
}
