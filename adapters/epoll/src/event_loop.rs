//! The turns of one reactor thread: wait, handle what happened, go on with what is unfinished, write.

use crate::accept::Listener;
use crate::clock;
use crate::config::TICKS_PER_SECOND;
use crate::engine::Engine;
use crate::entry::Flags;
use crate::handler::{Cause, Handler};
use crate::mailbox::{Letter, Mailbox};
use crate::poller::Events;
use crate::pool::Buffer;
use crate::reactor::{HEADROOM, Reactor};
use crate::slab::Token;
use crate::trace;
use rustix::fd::OwnedFd;
use std::io;
use std::time::Duration;
use tightwire::deadline::Tick;

/// Connections that a shutdown closes in one turn.
const CLOSE_BATCH: u32 = 4096;
/// Ticks after which memory that nobody needed meanwhile goes back to the allocator.
const AGE: u32 = 2 * TICKS_PER_SECOND;
/// Octets of buffers that are kept though nobody needs them.
const KEEP: usize = 64 * 1024;
/// Turns with a full list of events after which timers are looked at all the same.
const TURNS: u32 = 16;

/// One reactor thread.
pub(crate) struct Loop<H: Handler> {
    engine: Engine<H>,
    mailbox: Mailbox<H::Session>,
    listeners: Vec<Listener>,
    events: Events,
    /// The shared read buffer, with room in front for what was left of the read before.
    input: Buffer,
    ending: Option<Ending>,
    busy_turns: u32,
    /// When memory was last looked at for what nobody needs.
    aged: Tick,
}

/// A shutdown that is going on.
struct Ending {
    /// The next connection to close.
    cursor: u32,
    /// When what is left is dropped.
    until: Tick,
}

/// What a shutdown came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Connections that were there when it began.
    pub connections: u64,
    /// Connections that were dropped because they did not end in time.
    pub dropped: u64,
}

impl<H: Handler> Loop<H> {
    pub(crate) fn new(
        mut reactor: Reactor<H::Session>,
        handler: H,
        mailbox: Mailbox<H::Session>,
        listeners: Vec<OwnedFd>,
    ) -> io::Result<Self> {
        let mut list = Vec::with_capacity(listeners.len());
        for (place, fd) in listeners.into_iter().enumerate() {
            list.push(Listener::new(&mut reactor, fd, place as u32)?);
        }
        let input = Buffer::zeroed(HEADROOM + reactor.config.read_buffer.max(1024));
        let events = Events::with_capacity(reactor.config.events);
        Ok(Self {
            engine: Engine { reactor, handler },
            mailbox,
            listeners: list,
            events,
            input,
            ending: None,
            busy_turns: 0,
            aged: clock::now(),
        })
    }

    /// Turns until a shutdown has ended.
    pub(crate) fn run(mut self) -> io::Result<Report> {
        let mut report = Report::default();
        loop {
            let timeout = self.timeout();
            self.engine.reactor.poller.wait_once(&mut self.events, timeout)?;
            self.engine.reactor.now = clock::now();
            self.turn(&mut report);
            if let Some(ending) = &self.ending
                && self.engine.reactor.is_empty()
                && ending.cursor == u32::MAX
            {
                return Ok(report);
            }
        }
    }

    /// How long there is nothing to do unless something happens.
    fn timeout(&self) -> Option<Duration> {
        let reactor = &self.engine.reactor;
        if !reactor.ready.is_empty() || self.ending.as_ref().is_some_and(|ending| ending.cursor != u32::MAX) {
            return Some(Duration::ZERO);
        }
        let listeners = self.listeners.iter().filter_map(Listener::resumes);
        let ending = self.ending.as_ref().map(|ending| ending.until);
        let surplus =
            reactor.pool.kept_octets() > KEEP || reactor.extras.has_surplus() || reactor.codecs.has_surplus();
        let age = surplus.then(|| self.aged.wrapping_add(AGE));
        let ticks = reactor.wheel.next().into_iter().chain(listeners).chain(ending).chain(age);
        ticks.map(clock::until).min()
    }

    fn turn(&mut self, report: &mut Report) {
        for at in 0..self.events.len() {
            if let Some(event) = self.events.get(at) {
                self.event(event);
            }
        }
        if self.events.woken() {
            self.letters(report);
        }
        self.ready();
        // A peer is judged only when all that has arrived was looked at.
        let full = self.events.len() >= self.engine.reactor.config.events;
        self.busy_turns = if full { self.busy_turns + 1 } else { 0 };
        if self.busy_turns.is_multiple_of(TURNS) {
            self.timers();
        }
        if self.ending.is_some() {
            self.end(report);
        }
        self.flush();
        self.engine.reactor.update_counters();
    }

    fn event(&mut self, event: crate::poller::Event) {
        let token = Token::from_bits(event.token());
        if let Some(place) = Listener::place(token) {
            if let Some(listener) = self.listeners.get_mut(place) {
                listener.accept(&mut self.engine.reactor);
            }
            return;
        }
        // A stale token finds nothing: its descriptor belongs to nobody, or to another by now.
        let Some(entry) = self.engine.reactor.slab.get_mut(token) else { return };
        if event.readable() {
            entry.flags.set(Flags::READABLE);
        }
        if event.read_closed() {
            entry.flags.set(Flags::ENDING);
        }
        if event.broken() && entry.flags.has(Flags::PAUSED) {
            // Nobody would ever look.
            entry.flags.set(Flags::DOOMED);
        }
        if event.writable() && entry.flags.has(Flags::BLOCKED) {
            self.engine.writable(token, &mut self.input);
        } else if event.readable() {
            self.engine.readable(token, &mut self.input);
        }
    }

    /// What other threads ask for. What they ask for meanwhile is for the next turn.
    fn letters(&mut self, report: &mut Report) {
        self.mailbox.look();
        for _ in 0..self.mailbox.len() {
            let Some(letter) = self.mailbox.next() else { return };
            let reactor = &mut self.engine.reactor;
            match letter {
                Letter::Send(token, message) => {
                    // What the mark refuses is counted there.
                    let _ = reactor.send(token, message.message());
                }
                Letter::Publish(topic, frame) => {
                    reactor.publish_frame(&topic, &frame);
                }
                Letter::Run(closure) => closure(reactor),
                Letter::Shutdown(grace) => self.shut_down(grace, report),
            }
        }
    }

    /// Goes on with connections that are not done. What they leave is for the next turn.
    fn ready(&mut self) {
        let count = self.engine.reactor.ready.len();
        for at in 0..count {
            if let Some(&token) = self.engine.reactor.ready.get(at) {
                self.engine.ready(token, &mut self.input);
            }
        }
        self.engine.reactor.ready.drain(..count);
    }

    fn timers(&mut self) {
        let reactor = &mut self.engine.reactor;
        for listener in &mut self.listeners {
            listener.tick(reactor);
        }
        if reactor.now.wrapping_sub(self.aged) >= AGE {
            self.aged = reactor.now;
            reactor.pool.age(KEEP);
            reactor.extras.age();
            reactor.codecs.age();
        }
        while let Some(index) = {
            let Reactor { wheel, slab, now, .. } = &mut self.engine.reactor;
            wheel.expire(slab, *now)
        } {
            self.engine.time(index);
        }
    }

    /// Writes what was sent to connections other than those that had an event.
    fn flush(&mut self) {
        let reactor = &mut self.engine.reactor;
        reactor.flush_topics();
        while let Some(token) = reactor.dirty.pop() {
            if let Some(entry) = reactor.slab.get_mut(token) {
                entry.flags.clear(Flags::DIRTY);
                reactor.write_queue(token);
            }
        }
    }

    /// Begins a shutdown.
    fn shut_down(&mut self, grace: Duration, report: &mut Report) {
        if self.ending.is_some() {
            return;
        }
        let reactor = &mut self.engine.reactor;
        reactor.shuts_down = true;
        for listener in self.listeners.drain(..) {
            listener.close(reactor);
        }
        report.connections = reactor.len() as u64;
        trace::shutting_down(reactor.place, reactor.len());
        let ticks = grace.as_millis() * u128::from(TICKS_PER_SECOND) / 1000;
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX).min(u32::MAX / 4);
        self.ending = Some(Ending { cursor: 0, until: reactor.now.wrapping_add(ticks).wrapping_add(1) });
    }

    /// Goes on with a shutdown: closes some more connections, or drops what did not end in time.
    fn end(&mut self, report: &mut Report) {
        let Some(ending) = &mut self.ending else { return };
        let capacity = self.engine.reactor.slab.capacity() as u32;
        let now = self.engine.reactor.now;
        let late = now.wrapping_sub(ending.until) < u32::MAX / 2;
        let (first, last) = if late {
            ending.cursor = u32::MAX;
            (0, capacity)
        } else if ending.cursor < capacity {
            let first = ending.cursor;
            ending.cursor = first.saturating_add(CLOSE_BATCH);
            (first, ending.cursor.min(capacity))
        } else {
            ending.cursor = u32::MAX;
            return;
        };
        for index in first..last {
            let Some(token) = self.engine.reactor.slab.token(index) else { continue };
            if late {
                report.dropped += 1;
                self.engine.drop_now(token, Cause::Dropped);
            } else {
                self.engine.go_away(token);
            }
        }
    }
}
