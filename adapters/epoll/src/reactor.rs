//! One reactor thread's connections and what they share.
//!
//! It knows which connections there are, what they wait for and when they are to be looked at next. The
//! protocol is core's, the order of events is the engine's.

use crate::accept::Turnstile;
use crate::compression::Codecs;
use crate::config::Config;
use crate::conn::Conn;
use crate::counters::Counters;
use crate::entry::{Entry, Extras, Flags};
use crate::mailbox::Sender;
use crate::poller::{Interest, Mode, Poller};
use crate::pool::{Buffer, LINE, Pool};
use crate::slab::{Slab, Token};
use crate::topics::Topics;
use crate::wheel::Wheel;
use rustix::fd::OwnedFd;
use std::fmt;
use std::io;
use std::sync::Arc;
use tightwire::deadline::Tick;
use tightwire::{Deadlines, Timeouts};

/// The octets in front of the shared read buffer in which a cut head or control frame is put (RFC 6455 5.2,
/// 5.5: fewer than 131), rounded up so that fresh octets begin at a cache line.
pub(crate) const HEADROOM: usize = 3 * LINE;

/// The connections of one thread.
pub struct Reactor<S> {
    pub(crate) poller: Poller,
    pub(crate) slab: Slab<Entry<S>>,
    pub(crate) extras: Extras,
    pub(crate) pool: Pool,
    pub(crate) wheel: Wheel,
    pub(crate) topics: Topics,
    pub(crate) codecs: Codecs,
    pub(crate) now: Tick,
    /// The shared output, and how much of it is to be sent to `current`.
    pub(crate) out: Buffer,
    pub(crate) out_len: usize,
    /// Octets that were read with what is being handled, and come after it.
    pub(crate) ahead: usize,
    /// The connection whose event is being handled.
    pub(crate) current: Option<Token>,
    /// Connections to go on with at the end of the turn.
    pub(crate) ready: Vec<Token>,
    /// Connections with output to write at the end of the turn.
    pub(crate) dirty: Vec<Token>,
    /// A shutdown has begun: nothing new is.
    pub(crate) shuts_down: bool,
    pub(crate) config: Config,
    /// The sets of timeouts in use; the first is that of the configuration.
    pub(crate) timeouts: Vec<Timeouts>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) turnstile: Turnstile,
    /// The ways to all reactors of the server, and which of them is this one.
    pub(crate) peers: Arc<[Sender<S>]>,
    pub(crate) place: usize,
    /// Stands in for the session of a connection that does not exist.
    pub(crate) spare: S,
}

impl<S: Default> Reactor<S> {
    pub(crate) fn new(
        config: Config,
        poller: Poller,
        turnstile: Turnstile,
        peers: Arc<[Sender<S>]>,
        place: usize,
        counters: Arc<Counters>,
        now: Tick,
    ) -> Self {
        Self {
            poller,
            slab: Slab::new(config.connections),
            extras: Extras::new(),
            pool: Pool::new(config.pool),
            wheel: Wheel::new(now),
            topics: Topics::default(),
            codecs: Codecs::new(&config),
            now,
            // A control frame, and the head of any frame, must always fit.
            out: Buffer::zeroed(config.output_buffer.max(1024)),
            out_len: 0,
            ahead: 0,
            current: None,
            ready: Vec::new(),
            dirty: Vec::new(),
            shuts_down: false,
            timeouts: vec![config.timeouts],
            config,
            counters,
            turnstile,
            peers,
            place,
            spare: S::default(),
        }
    }

    /// Takes a socket on. It waits for its first octets, or for its connect to end.
    pub(crate) fn add(&mut self, fd: OwnedFd, interest: Interest) -> io::Result<Token> {
        let entry = Entry::new(fd, Deadlines::new(self.now), S::default());
        let full = || io::Error::from(io::ErrorKind::QuotaExceeded);
        let token = self.slab.insert(entry).map_err(|_| full())?;
        let Some(entry) = self.slab.get_mut(token) else { return Err(full()) };
        if let Err(error) = self.poller.add(&entry.fd, token.to_bits(), interest, Mode::Edge) {
            self.slab.remove(token);
            return Err(error);
        }
        self.counters.open.set(self.slab.len() as u64);
        self.rearm(token);
        Ok(token)
    }
}

impl<S> Reactor<S> {
    /// A connection of this thread by its name; nothing if it is gone or not open yet.
    pub fn conn(&mut self, token: Token) -> Option<Conn<'_, S>> {
        let entry = self.slab.get(token)?;
        if !entry.flags.has(Flags::OPEN) {
            return None;
        }
        Some(Conn { reactor: self, token })
    }

    /// The open connections of this thread.
    pub fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        self.slab.iter().filter(|(_, entry)| entry.flags.has(Flags::OPEN)).map(|(token, _)| token)
    }

    /// Connections of this thread, in whatever state.
    pub const fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether this thread has no connection.
    pub const fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// A handle to this thread for other threads.
    pub fn sender(&self) -> Option<Sender<S>> {
        self.peers.get(self.place).cloned()
    }

    /// Handles to all threads of the server, this one among them.
    pub fn senders(&self) -> &[Sender<S>] {
        &self.peers
    }

    /// Has the engine look at a connection again at the end of the turn.
    pub(crate) fn go_on(&mut self, token: Token) {
        if let Some(entry) = self.slab.get_mut(token)
            && !entry.flags.has(Flags::READY)
        {
            entry.flags.set(Flags::READY);
            self.ready.push(token);
        }
    }

    /// Sets the timer of a connection to its next deadline.
    pub(crate) fn rearm(&mut self, token: Token) {
        let Some(entry) = self.slab.get_mut(token) else { return };
        let Some(timeouts) = self.timeouts.get(usize::from(entry.flags.timeouts())) else { return };
        match entry.deadlines.next_deadline(self.now, timeouts) {
            Some(tick) => self.wheel.arm(&mut self.slab, token.index(), tick),
            None => self.wheel.disarm(&mut self.slab, token.index()),
        }
    }

    /// Notes that a closing handshake has begun.
    pub(crate) fn begin_close(&mut self, token: Token) {
        if let Some(entry) = self.slab.get_mut(token) {
            entry.flags.set(Flags::CLOSING);
            entry.deadlines.close_begun(self.now);
            self.rearm(token);
        }
    }

    /// Which set of timeouts is this one, noted if it is new.
    pub(crate) fn timeouts_set(&mut self, timeouts: &Timeouts) -> Option<u8> {
        let found = self.timeouts.iter().position(|known| known == timeouts);
        let set = found.unwrap_or(self.timeouts.len());
        let index = u8::try_from(set).ok()?;
        if found.is_none() {
            self.timeouts.push(*timeouts);
        }
        Some(index)
    }

    /// Takes a connection off: timer, topics, buffers, descriptor.
    pub(crate) fn remove(&mut self, token: Token) -> Option<S> {
        self.wheel.disarm(&mut self.slab, token.index());
        self.topics.forget(token);
        self.give_up_compression(token);
        let mut entry = self.slab.remove(token)?;
        self.extras.release(&mut entry.extra, &mut self.pool);
        if !entry.flags.has(Flags::DIALED) {
            self.turnstile.leave(token);
        }
        // Closing the only descriptor takes it out of the poller, without a system call of its own.
        drop(entry.fd);
        self.poller.forget();
        self.counters.open.set(self.slab.len() as u64);
        Some(entry.session)
    }

    /// Publishes the numbers that change too often to be counted one by one.
    pub(crate) fn update_counters(&self) {
        self.counters.buffers.set(self.pool.lent() as u64);
        self.counters.buffer_octets.set(self.pool.lent_octets() as u64);
    }
}

impl<S> fmt::Debug for Reactor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("connections", &self.slab.len()).finish_non_exhaustive()
    }
}
