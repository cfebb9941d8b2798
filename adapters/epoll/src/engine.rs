//! What happens to one connection: its opening, its timers, its end.
//!
//! Each public method handles one event of one connection from its beginning to the flush at its end.

use crate::conn::Conn;
use crate::entry::{Flags, NO_EXTRA};
use crate::handler::{Cause, Closed, Handler};
use crate::opening::{Opening, Writer, Written};
use crate::peer::Peer;
use crate::reactor::Reactor;
use crate::sending::has_waiting;
use crate::slab::Token;
use crate::trace;
use rustix::fd::AsFd;
use tightwire::deadline::{Action, Timeout};
use tightwire::deflate::Agreement;
use tightwire::handshake::server::Request;
use tightwire::handshake::{HeadScanner, Slot};
use tightwire::{CloseCode, CloseFrame, Connection};

/// Headers of a request that are looked at; more are refused before, see `HeadLimits`.
const SLOTS: usize = 128;
/// The connections of a thread and the application on it.
pub(crate) struct Engine<H: Handler> {
    pub(crate) reactor: Reactor<H::Session>,
    pub(crate) handler: H,
}

impl<H: Handler> Engine<H> {
    /// The socket has octets, or its end.
    pub(crate) fn readable(&mut self, token: Token, input: &mut [u8]) {
        self.reactor.current = Some(token);
        self.go_on(token, input);
        self.leave(token);
    }

    /// The socket takes octets again.
    pub(crate) fn writable(&mut self, token: Token, input: &mut [u8]) {
        let Some(entry) = self.reactor.slab.get_mut(token) else { return };
        if !entry.flags.has(Flags::BLOCKED) {
            return;
        }
        entry.flags.clear(Flags::BLOCKED);
        self.reactor.current = Some(token);
        if !entry.is_opened() {
            self.dial_connected(token);
        }
        self.reactor.write_queue(token);
        self.drained(token);
        self.go_on(token, input);
        self.leave(token);
    }

    /// The connection is in the list of those to go on with.
    pub(crate) fn ready(&mut self, token: Token, input: &mut [u8]) {
        let Some(entry) = self.reactor.slab.get_mut(token) else { return };
        entry.flags.clear(Flags::READY);
        self.readable(token, input);
    }

    /// The timer of the connection at `index` has come.
    pub(crate) fn time(&mut self, index: u32) {
        let Some(token) = self.reactor.slab.token(index) else { return };
        let reactor = &mut self.reactor;
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        let Some(timeouts) = reactor.timeouts.get(usize::from(entry.flags.timeouts())) else { return };
        if entry.flags.has(Flags::PAUSED) && !entry.flags.has(Flags::LINGERING) {
            // A peer to which nobody listens is not to be called silent.
            entry.deadlines.received(reactor.now);
            entry.deadlines.frame_progress(reactor.now);
        }
        let action = entry.deadlines.on_time(reactor.now, timeouts);
        match action {
            // It was put off meanwhile.
            None => self.reactor.rearm(token),
            Some(Action::Ping) => {
                self.reactor.current = Some(token);
                // A Ping that finds no room waits behind output, and that has a deadline of its own.
                let _ = self.reactor.put(token, 0, true, |peer, out| peer.ping(&[], out));
                self.leave(token);
                self.reactor.rearm(token);
            }
            Some(Action::Fail(timeout)) => {
                self.reactor.current = Some(token);
                self.time_out(token, timeout);
                self.leave(token);
            }
        }
    }

    /// Ends the connection with 1001, as a shutdown does.
    pub(crate) fn go_away(&mut self, token: Token) {
        let Some(entry) = self.reactor.slab.get_mut(token) else { return };
        if !entry.is_opened() {
            return self.drop_now(token, Cause::Dropped);
        }
        self.reactor.current = Some(token);
        let frame = CloseFrame { code: CloseCode::GOING_AWAY, reason: "" };
        if self.reactor.put(token, 2, false, |peer, out| peer.close(Some(frame), out)).is_ok() {
            self.reactor.begin_close(token);
        }
        self.leave(token);
    }

    /// The head of an opening handshake, perhaps. Gives the octets that were used up.
    pub(crate) fn open(&mut self, token: Token, octets: &[u8]) -> usize {
        let Self { reactor, handler } = self;
        let Some(entry) = reactor.slab.get_mut(token) else { return 0 };
        if reactor.extras.get(entry.extra).is_some_and(|extra| extra.dial.is_some()) {
            return self.open_client(token, octets);
        }
        let mut scanner = HeadScanner::new();
        let writer_memory = reactor.out.get_mut(reactor.out_len..).unwrap_or_default();
        let mut writer = Writer { shared: writer_memory, pool: &mut reactor.pool };
        let mut slots = [Slot::EMPTY; SLOTS];
        let policy = reactor.codecs.policy();
        let (answer, used) = match scanner.scan(octets, &reactor.config.head_limits) {
            Ok(None) => {
                let Some(extra) = reactor.extras.need(&mut entry.extra) else { return 0 };
                extra.rest = reactor.pool.copy(octets);
                extra.rest_len = octets.len();
                extra.scanner = scanner;
                return octets.len();
            }
            Ok(Some(length)) => match Request::parse(octets.get(..length).unwrap_or_default(), &mut slots) {
                Ok(request) => {
                    let (session, fd) = (&mut entry.session, entry.fd.as_fd());
                    (handler.handshake(Opening { request, session, fd, writer, policy }), length)
                }
                Err(error) => (writer.reject(error), length),
            },
            Err(error) => (writer.reject(error), octets.len()),
        };
        match answer.written {
            Written::Shared(octets) => reactor.out_len += octets,
            Written::Buffer(buffer, octets) => {
                reactor.flush(token);
                if let Some(entry) = reactor.slab.get_mut(token)
                    && let Some(extra) = reactor.extras.need(&mut entry.extra)
                {
                    extra.output.push_buffer(&mut reactor.pool, buffer, 0, octets);
                }
            }
        }
        if answer.accepted {
            self.opened(token, Peer::Server(Connection::server()), answer.agreement);
        } else {
            reactor.counters.refused_handshakes.add(1);
            trace::not_opened(reactor.place, token);
            self.linger(token);
        }
        used
    }

    /// The opening handshake is done.
    pub(crate) fn opened(&mut self, token: Token, peer: Peer, agreement: Option<Agreement>) {
        let Self { reactor, handler } = self;
        let peer = match agreement {
            Some(agreement) => reactor.agree(peer, agreement),
            None => peer,
        };
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        trace::opened(reactor.place, token, entry.is_client());
        entry.give_peer(&mut reactor.extras, peer);
        entry.flags.set(Flags::OPEN);
        entry.deadlines.opened(reactor.now);
        reactor.counters.opened.add(1);
        reactor.rearm(token);
        handler.open(&mut Conn { reactor, token });
    }

    /// A deadline has passed.
    fn time_out(&mut self, token: Token, timeout: Timeout) {
        let Self { reactor, handler } = self;
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        trace::timed_out(reactor.place, token, timeout);
        if entry.flags.has(Flags::OPEN) {
            handler.timeout(&mut Conn { reactor, token }, timeout);
        }
        match timeout.close_code() {
            Some(code) => {
                let frame = CloseFrame { code, reason: "" };
                let _ = self.reactor.put(token, 2, false, |peer, out| peer.close(Some(frame), out));
                self.end(token, code, "", Cause::Timeout(timeout));
            }
            None if timeout == Timeout::Handshake && !self.is_dial(token) => {
                // RFC 9110 15.5.9: 408 for a request that did not come in time
                let memory = self.reactor.out.get_mut(self.reactor.out_len..).unwrap_or_default();
                let response = tightwire::handshake::server::Response::new(408);
                self.reactor.out_len += response.write(memory).unwrap_or(0);
                self.reactor.counters.refused_handshakes.add(1);
                self.linger(token);
            }
            None => {
                self.dial_timed_out(token, timeout);
                let Some(entry) = self.reactor.slab.get_mut(token) else { return };
                entry.flags.set(Flags::DOOMED);
                if let Some(extra) = self.reactor.extras.get(entry.extra) {
                    extra.output.clear(&mut self.reactor.pool);
                }
                self.closed(token, Closed::new(CloseCode::ABNORMAL, "", Cause::Timeout(timeout)));
            }
        }
    }

    /// Tells the handler that waiting output is gone, if it wants to know and it is.
    fn drained(&mut self, token: Token) {
        let Self { reactor, handler } = self;
        let waiting = reactor.waiting(token);
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        if waiting > 0 || entry.flags.has(Flags::BLOCKED) {
            return;
        }
        entry.flags.clear(Flags::STALLED);
        if entry.flags.has(Flags::TELL_DRAINED) && entry.flags.has(Flags::OPEN) {
            entry.flags.clear(Flags::TELL_DRAINED);
            handler.drained(&mut Conn { reactor, token });
        }
    }

    /// Ends the connection from this side: the Close frame, if there is one to send, is in the output.
    pub(crate) fn end(&mut self, token: Token, code: CloseCode, reason: &str, cause: Cause) {
        self.closed(token, Closed::new(code, reason, cause));
        self.linger(token);
    }

    /// Sends what is to be sent, then shuts our direction down and waits for the peer to see it.
    ///
    /// RFC 9112 9.6, RFC 6455 7.1.1: closing at once while the peer still sends would reset the connection and
    /// could destroy the answer on its way.
    pub(crate) fn linger(&mut self, token: Token) {
        if let Some(entry) = self.reactor.slab.get_mut(token) {
            entry.flags.set(Flags::LINGERING);
            self.reactor.begin_close(token);
        }
    }

    /// Tells the handler, once, that the connection is closed.
    pub(crate) fn closed(&mut self, token: Token, closed: Closed<'_>) {
        let Self { reactor, handler } = self;
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        if !entry.flags.has(Flags::OPEN) {
            return;
        }
        entry.flags.clear(Flags::OPEN);
        trace::closed(reactor.place, token, &closed);
        reactor.counters.count_close(closed.code.number());
        reactor.topics.forget(token);
        handler.close(&mut Conn { reactor, token }, closed);
    }

    /// The event of a connection is handled: its output leaves, and it ends if there is nothing more to do.
    fn leave(&mut self, token: Token) {
        self.reactor.flush(token);
        self.reactor.current = None;
        self.reactor.ahead = 0;
        let busy = Flags::CLOSING.or(Flags::LINGERING).or(Flags::ENDED).or(Flags::DOOMED);
        if self.reactor.slab.get(token).is_some_and(|entry| entry.extra == NO_EXTRA && !entry.flags.has(busy))
        {
            // So it is mostly: nothing waits, nothing is kept, nothing ends.
            return;
        }
        self.reactor.hold_back(token);
        self.settle(token);
    }

    /// Ends a connection that has nothing more to do.
    pub(crate) fn settle(&mut self, token: Token) {
        let reactor = &mut self.reactor;
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        let waiting = has_waiting(entry.extra, &mut reactor.extras);
        let flags = entry.flags;
        if flags.has(Flags::DOOMED) {
            let cause = if flags.has(Flags::DROPPED) { Cause::Dropped } else { Cause::Lost };
            return self.drop_now(token, cause);
        }
        if flags.has(Flags::UNREAD) && flags.has(Flags::PAUSED.or(Flags::STALLED)) {
            // What was read is handled before the end of it is.
            return;
        }
        if flags.has(Flags::ENDED) {
            if !waiting {
                return self.drop_now(token, Cause::Lost);
            }
            // The peer may still read what waits for it, for as long as a closing handshake may take.
            self.closed(token, Closed::new(CloseCode::ABNORMAL, "", Cause::Lost));
            return self.linger(token);
        }
        let Some(entry) = self.reactor.slab.get_mut(token) else { return };
        if waiting {
            return;
        }
        if entry.is_finished(&self.reactor.extras) && !entry.is_client() {
            // RFC 6455 7.1.1: the server closes first, and there is nothing left to read
            return self.drop_now(token, Cause::Handshake);
        }
        if flags.has(Flags::LINGERING) && !flags.has(Flags::SHUT) {
            entry.flags.set(Flags::SHUT);
            let _ = rustix::net::shutdown(&entry.fd, rustix::net::Shutdown::Write);
        }
        let Self { reactor, .. } = self;
        if let Some(entry) = reactor.slab.get_mut(token) {
            reactor.extras.settle(&mut entry.extra, &mut reactor.pool);
        }
    }

    /// Takes a connection off, after the handler has heard of its end.
    pub(crate) fn drop_now(&mut self, token: Token, cause: Cause) {
        self.dial_failed(token);
        self.closed(token, Closed::new(CloseCode::ABNORMAL, "", cause));
        self.reactor.remove(token);
    }
}
