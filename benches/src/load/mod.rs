//! The load: one thread that keeps messages in flight on many connections and compares every octet that comes back.
//!
//! It decides what is sent when, and counts. It knows nothing of the server: who is behind the address, and what that
//! costs, is the caller's to find out between two calls.

mod frames;
mod opening;
mod peer;

pub use frames::{Frames, Wire};
pub use opening::{churn, open};

use crate::statistics::Latencies;
use crate::workload::Workload;
use peer::{Arrival, Peer};
use rustix::time::{ClockId, clock_gettime};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tightwire_epoll::poller::{Events, Interest, Mode, Poller};

/// The most that one read takes.
const BUFFER: usize = 512 << 10;
/// A server that gives no sign of life for so long has failed.
const STALL: Duration = Duration::from_secs(5);

/// Who sends, and how often a message comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Every connection sends, and gets its own messages back.
    Echo,
    /// The first connection sends, and every connection gets the message.
    Broadcast,
}

/// Why a load ended early.
#[derive(Debug)]
pub enum LoadError {
    /// The load's own side, or the transport.
    Io(io::Error),
    /// The server answered the handshake with something else, or not in time.
    Handshake(String),
    /// What came back is not what was sent.
    Mismatch(&'static str),
    /// Nothing came back for five seconds.
    Stalled,
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "input or output: {error}"),
            Self::Handshake(answer) => write!(f, "handshake: {answer}"),
            Self::Mismatch(what) => write!(f, "the echo is not what was sent: {what}"),
            Self::Stalled => f.write_str("nothing came back for five seconds"),
        }
    }
}

impl std::error::Error for LoadError {}

/// What happened between two moments.
#[derive(Debug, Default)]
pub struct Interval {
    /// How long it was.
    pub seconds: f64,
    /// Messages that came back whole and right.
    pub messages: u64,
    /// The share of a core that the load took.
    pub own_cpu: f64,
    /// From writing a message to having all of it back.
    pub latencies: Latencies,
}

impl Interval {
    /// Messages in a second.
    pub fn rate(&self) -> f64 {
        crate::statistics::ratio(self.messages as f64, self.seconds).unwrap_or(0.0)
    }
}

/// Connections that are open, and what they send.
#[derive(Debug)]
pub struct Load {
    poller: Poller,
    events: Events,
    peers: Vec<Peer>,
    frames: Frames,
    buffer: Vec<u8>,
    pattern: Pattern,
    depth: u64,
    started: Instant,
    /// Messages that came back in all.
    delivered: u64,
    broadcast: Broadcast,
}

/// How far the messages of a broadcast have come.
#[derive(Debug, Default)]
struct Broadcast {
    /// Messages that everybody has.
    complete: u64,
    /// How many have each of the messages that follow.
    underway: VecDeque<usize>,
}

impl Broadcast {
    fn deliver(&mut self, message: u64, everybody: usize) {
        let place = (message - self.complete) as usize;
        while self.underway.len() <= place {
            self.underway.push_back(0);
        }
        self.underway[place] += 1;
        while self.underway.front() == Some(&everybody) {
            self.underway.pop_front();
            self.complete += 1;
        }
    }
}

impl Load {
    /// Opens all connections of a workload, a few at a time.
    ///
    /// # Errors
    /// When one cannot be opened, or the server does not agree to compression that the workload wants.
    pub fn open(
        address: SocketAddr,
        workload: &Workload,
        wire: Wire,
        pattern: Pattern,
    ) -> Result<Self, LoadError> {
        let frames = Frames::new(workload, wire);
        let sockets = open(address, workload.connections, wire)?;
        let mut poller = Poller::new()?;
        let mut peers = Vec::with_capacity(sockets.len());
        for (place, socket) in sockets.into_iter().enumerate() {
            poller.add(&socket, place as u64, Interest::READ, Mode::Level)?;
            peers.push(Peer::new(socket, workload.depth));
        }
        Ok(Self {
            poller,
            events: Events::with_capacity(1024),
            peers,
            frames,
            buffer: vec![0; BUFFER],
            pattern,
            depth: workload.depth as u64,
            started: Instant::now(),
            delivered: 0,
            broadcast: Broadcast::default(),
        })
    }

    /// Keeps messages in flight for `time`, at least until as many have come back as there are in flight, and leaves
    /// them in flight.
    ///
    /// # Errors
    /// [`LoadError`]: the load is of no use then.
    pub fn run(&mut self, time: Duration) -> Result<Interval, LoadError> {
        self.measure(Some(time))
    }

    /// Sends nothing more, and waits for what is in flight.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn drain(&mut self) -> Result<Interval, LoadError> {
        self.measure(None)
    }

    /// Sends one message on each connection, `batch` connections at a time, and waits for it.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn once_each(&mut self, batch: usize) -> Result<(), LoadError> {
        let mut interval = Interval::default();
        let mut begun = 0;
        while begun < self.peers.len() {
            let end = self.peers.len().min(begun + batch);
            for place in begun..end {
                let target = self.peers[place].received + 1;
                self.push(place, target)?;
            }
            let wanted = self.delivered + (end - begun) as u64;
            while self.delivered < wanted {
                self.turn(&mut interval, Goal::Reply)?;
            }
            begun = end;
        }
        Ok(())
    }

    fn measure(&mut self, time: Option<Duration>) -> Result<Interval, LoadError> {
        let (cpu, start) = (cpu_time(), Instant::now());
        let before = self.delivered;
        let mut interval = Interval::default();
        match time {
            Some(time) => {
                (0..self.senders()).try_for_each(|place| self.push(place, self.target(place)))?;
                let least = before + self.depth * self.peers.len() as u64;
                while start.elapsed() < time || self.delivered < least {
                    self.turn(&mut interval, Goal::Refill)?;
                }
            }
            None => {
                while self.in_flight() > 0 {
                    self.turn(&mut interval, Goal::Reply)?;
                }
            }
        }
        interval.seconds = start.elapsed().as_secs_f64();
        interval.messages = self.delivered - before;
        interval.own_cpu = (cpu_time() - cpu) / interval.seconds.max(1e-9);
        Ok(interval)
    }

    fn senders(&self) -> usize {
        match self.pattern {
            Pattern::Echo => self.peers.len(),
            Pattern::Broadcast => self.peers.len().min(1),
        }
    }

    fn in_flight(&self) -> u64 {
        match self.pattern {
            Pattern::Echo => self.peers.iter().map(|peer| peer.sent - peer.received).sum(),
            Pattern::Broadcast => self.peers.first().map_or(0, |peer| peer.sent) - self.broadcast.complete,
        }
    }

    /// How many messages the connection may have sent by now.
    fn target(&self, place: usize) -> u64 {
        match self.pattern {
            Pattern::Echo => self.peers[place].received + self.depth,
            Pattern::Broadcast => self.broadcast.complete + self.depth,
        }
    }

    /// Waits for something to happen and handles it.
    fn turn(&mut self, interval: &mut Interval, goal: Goal) -> Result<(), LoadError> {
        if self.poller.wait(&mut self.events, Some(STALL))? == 0 {
            return Err(LoadError::Stalled);
        }
        for at in 0..self.events.len() {
            let Some(event) = self.events.get(at) else { continue };
            let place = event.token() as usize;
            if event.readable() {
                self.receive(place, interval)?;
            }
            let sender = match self.pattern {
                Pattern::Echo => place,
                Pattern::Broadcast => 0,
            };
            match goal {
                Goal::Refill => self.push(sender, self.target(sender))?,
                // The rest of what has been begun.
                Goal::Reply => self.push(sender, self.peers[sender].sent)?,
            }
        }
        Ok(())
    }

    fn receive(&mut self, place: usize, interval: &mut Interval) -> Result<(), LoadError> {
        let peer = &mut self.peers[place];
        let Arrival::Octets(read) = peer.read(&mut self.buffer)? else { return Ok(()) };
        let now = self.started.elapsed().as_nanos() as u64;
        let messages = peer.check(&mut self.frames, &mut self.buffer[..read])?;
        self.delivered += messages;
        let received = peer.received;
        let publisher = match self.pattern {
            Pattern::Echo => &self.peers[place],
            Pattern::Broadcast => &self.peers[0],
        };
        for message in received - messages..received {
            interval.latencies.record(now.saturating_sub(publisher.sent_at(message)));
            if self.pattern == Pattern::Broadcast {
                self.broadcast.deliver(message, self.peers.len());
            }
        }
        Ok(())
    }

    /// Sends until `target` messages of the connection are on their way.
    fn push(&mut self, place: usize, target: u64) -> Result<(), LoadError> {
        let peer = &mut self.peers[place];
        if peer.sent >= target && !peer.is_within_frame() {
            return Ok(());
        }
        let waits = peer.is_waiting_to_write();
        peer.send(&self.frames, target, || self.started.elapsed().as_nanos() as u64)?;
        if peer.is_waiting_to_write() != waits {
            let interest = if waits { Interest::READ } else { Interest::BOTH };
            self.poller.modify(&peer.socket, place as u64, interest, Mode::Level)?;
        }
        Ok(())
    }
}

/// What a turn does besides reading.
#[derive(Clone, Copy)]
enum Goal {
    /// Sends as much as the depth allows.
    Refill,
    /// Only waits for replies.
    Reply,
}

/// Seconds that this thread has run.
fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
