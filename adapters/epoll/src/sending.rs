//! From frames to the socket: the shared output of a thread, the queue of a connection that is full, and the
//! mark that bounds it.
//!
//! While the event of one connection is handled, its frames collect in the thread's shared output and leave
//! in one write. Frames for other connections collect in their queues until the end of the turn.

#[cfg(feature = "deflate")]
use crate::compression::Choice;
use crate::entry::{Entry, Extras, Flags, NO_EXTRA};
use crate::peer::Peer;
use crate::poller::{Interest, Mode};
use crate::queue::SLICES;
use crate::reactor::Reactor;
use crate::slab::Token;
use crate::socket::{self, Put};
use std::fmt;
use std::io::IoSlice;
use tightwire::frame::HEAD_MAX;
use tightwire::{CloseCode, CloseFrame, Message, Output, SendError};

/// Payloads over this are written from where they lie, smaller ones are copied.
pub(crate) const LARGE: usize = 16 * 1024;

/// What became of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way, or leaves at the end of this event.
    Sent,
    /// It waits because the socket is full: so many octets do, this message included.
    /// [`Handler::drained`](crate::Handler::drained) will tell when none do.
    Buffered(usize),
}

/// Why a message was not sent. Nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// More octets wait than the mark allows: the peer reads too slowly.
    Full,
    /// The connection is gone or not open.
    Gone,
    /// What was asked for is not allowed now, or at all.
    Invalid(SendError),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("too much output waits for this peer"),
            Self::Gone => f.write_str("the connection is gone"),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

impl From<SendError> for Refused {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Closed => Self::Gone,
            error => Self::Invalid(error),
        }
    }
}

/// What happens when a message meets the mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The message is refused, and the sender is told.
    #[default]
    Refuse,
    /// The message is refused and the connection ends with close code 1013.
    Close,
}

impl<S> Reactor<S> {
    /// Sends a whole message.
    #[inline]
    pub(crate) fn send(&mut self, token: Token, message: Message<'_>) -> Result<Sent, Refused> {
        #[cfg(feature = "deflate")]
        if self.codecs.is_on()
            && let Some(sent) = self.send_compressed(token, message, Choice::Worth)
        {
            return sent;
        }
        self.send_plain(token, message)
    }

    /// Sends a whole message as it is.
    #[inline]
    pub(crate) fn send_plain(&mut self, token: Token, message: Message<'_>) -> Result<Sent, Refused> {
        // The short way: the answer to what is being handled.
        if message.len() <= LARGE
            && self.current == Some(token)
            && self.topics.pending.is_empty()
            && let Some(entry) = self.slab.get_mut(token)
            && !has_waiting(entry.extra, &mut self.extras)
            && is_sendable(entry)
        {
            let mut out = Output::with_written(&mut self.out, self.out_len);
            if entry.encode(&mut self.extras, message, &mut out).is_ok() {
                self.out_len = out.len();
                self.counters.messages_sent.add(1);
                return Ok(Sent::Sent);
            }
        }
        self.send_any(token, message)
    }

    /// The long way.
    #[inline(never)]
    fn send_any(&mut self, token: Token, message: Message<'_>) -> Result<Sent, Refused> {
        let length = message.len();
        // When as much again was read with this message, answers to it may follow: to copy them together costs
        // less than a write for each.
        let alone = length > self.ahead || length > self.out.len() / 4;
        let sent = if length > LARGE && alone && self.is_direct(token) {
            self.send_large(token, message)?
        } else {
            self.put(token, length, true, |peer, out| peer.encode(message, out))?
        };
        self.counters.messages_sent.add(1);
        Ok(sent)
    }

    /// Appends one frame with a payload of `length` to the output of a connection. `marked` frames are
    /// refused when too much output waits.
    pub(crate) fn put(
        &mut self,
        token: Token,
        length: usize,
        marked: bool,
        write: impl Fn(&mut Peer, &mut Output<'_>) -> Result<(), SendError>,
    ) -> Result<Sent, Refused> {
        self.flush_topics_before(token);
        if self.current == Some(token) {
            for _ in 0..2 {
                let Some(entry) = self.slab.get_mut(token) else { return Err(Refused::Gone) };
                if has_waiting(entry.extra, &mut self.extras) {
                    break;
                }
                if !is_sendable(entry) {
                    return Err(Refused::Gone);
                }
                let mut out = Output::with_written(&mut self.out, self.out_len);
                let written = entry.with_peer(&mut self.extras, |peer| write(peer, &mut out));
                match written.unwrap_or(Err(SendError::Closed)) {
                    Ok(()) => {
                        self.out_len = out.len();
                        return Ok(Sent::Sent);
                    }
                    // There is no room behind what is there: that leaves first. Or there never is.
                    Err(SendError::NeedsSpace(_)) if self.out_len > 0 => self.flush(token),
                    Err(SendError::NeedsSpace(_)) => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        self.put_behind(token, length, marked, write)
    }

    /// Appends one frame to the queue of a connection.
    fn put_behind(
        &mut self,
        token: Token,
        length: usize,
        marked: bool,
        write: impl Fn(&mut Peer, &mut Output<'_>) -> Result<(), SendError>,
    ) -> Result<Sent, Refused> {
        if !self.slab.get(token).is_some_and(is_sendable) {
            return Err(Refused::Gone);
        }
        if marked {
            self.check_mark(token)?;
        }
        let Some(entry) = self.slab.get_mut(token) else { return Err(Refused::Gone) };
        let Some(mut peer) = entry.take_peer(&mut self.extras) else { return Err(Refused::Gone) };
        let written = match self.extras.need(&mut entry.extra) {
            Some(extra) => {
                let memory = extra.output.room(&mut self.pool, length.saturating_add(HEAD_MAX));
                let mut out = Output::new(memory);
                let written = write(&mut peer, &mut out);
                let octets = out.len();
                extra.output.commit(octets);
                written.map_err(Refused::from)
            }
            None => Err(Refused::Full),
        };
        entry.give_peer(&mut self.extras, peer);
        written?;
        Ok(self.queued(token))
    }

    /// Refuses a message if more waits for the connection than the mark allows.
    pub(crate) fn check_mark(&mut self, token: Token) -> Result<(), Refused> {
        if self.waiting(token) <= self.config.mark {
            return Ok(());
        }
        // The peer may have read in the meantime: only the socket knows.
        if self.slab.get(token).is_some_and(|entry| !entry.flags.has(Flags::BLOCKED)) {
            self.write_queue(token);
        }
        if self.waiting(token) > self.config.mark { Err(self.refuse(token)) } else { Ok(()) }
    }

    /// What became of a message that was put into the queue of a connection.
    pub(crate) fn queued(&mut self, token: Token) -> Sent {
        if self.slab.get(token).is_some_and(|entry| entry.flags.has(Flags::BLOCKED)) {
            return self.buffered(token);
        }
        self.mark_dirty(token);
        Sent::Sent
    }

    /// Whether a payload can be written from where it lies: to the connection that is being handled, as a
    /// server (a client has to mask), with nothing waiting in front.
    fn is_direct(&mut self, token: Token) -> bool {
        let Some(entry) = self.slab.get_mut(token) else { return false };
        self.current == Some(token) && !entry.is_client() && !has_waiting(entry.extra, &mut self.extras)
    }

    /// Writes the shared output, a head and a payload at once. What the socket does not take waits.
    fn send_large(&mut self, token: Token, message: Message<'_>) -> Result<Sent, Refused> {
        self.flush_topics_before(token);
        let payload = message.octets();
        if self.out.len() - self.out_len < HEAD_MAX {
            self.flush(token);
        }
        let Some(entry) = self.slab.get_mut(token) else { return Err(Refused::Gone) };
        if !is_sendable(entry) {
            return Err(Refused::Gone);
        }
        entry.may_begin(&self.extras)?;
        let mut out = Output::with_written(&mut self.out, self.out_len);
        let head = entry.with_peer(&mut self.extras, |peer| {
            peer.head(message.kind(), payload.len() as u64, true, &mut out)
        });
        // Only a server's connection comes here, and a server masks nothing (RFC 6455 5.1).
        let _masker = head.unwrap_or(Err(SendError::Closed))?;
        let front = out.len();
        self.out_len = 0;
        if has_waiting(entry.extra, &mut self.extras) {
            // The flush above filled the socket.
            self.keep(token, 0..front, payload);
            return Ok(self.buffered(token));
        }
        let slices = [IoSlice::new(out.written()), IoSlice::new(payload)];
        let taken = match socket::write_all_of(&entry.fd, &slices) {
            Put::Octets(taken) => taken,
            Put::Broken => {
                self.break_off(token);
                return Err(Refused::Gone);
            }
        };
        self.counters.octets_sent.add(taken as u64);
        if taken == front + payload.len() {
            return Ok(Sent::Sent);
        }
        let rest = payload.get(taken.saturating_sub(front)..).unwrap_or_default();
        self.keep(token, taken.min(front)..front, rest);
        self.block(token);
        Ok(self.buffered(token))
    }

    /// Puts a part of the shared output, and a payload, into the queue of a connection.
    fn keep(&mut self, token: Token, part: core::ops::Range<usize>, payload: &[u8]) {
        let Some(entry) = self.slab.get_mut(token) else { return };
        let Some(extra) = self.extras.need(&mut entry.extra) else { return };
        extra.output.push(&mut self.pool, self.out.get(part).unwrap_or_default());
        extra.output.push(&mut self.pool, payload);
    }

    fn buffered(&mut self, token: Token) -> Sent {
        if let Some(entry) = self.slab.get_mut(token) {
            entry.flags.set(Flags::TELL_DRAINED);
        }
        Sent::Buffered(self.waiting(token))
    }

    /// Octets that wait in the queue of a connection.
    pub(crate) fn waiting(&mut self, token: Token) -> usize {
        let Some(entry) = self.slab.get(token) else { return 0 };
        self.extras.get(entry.extra).map_or(0, |extra| extra.output.len())
    }

    /// Sends the shared output, which belongs to this connection, behind what waits.
    pub(crate) fn flush(&mut self, token: Token) {
        let length = core::mem::take(&mut self.out_len);
        let Some(entry) = self.slab.get_mut(token) else { return };
        let octets = self.out.get(..length).unwrap_or_default();
        if length > 0 && !has_waiting(entry.extra, &mut self.extras) {
            let taken = match socket::write(&entry.fd, octets) {
                Put::Octets(taken) => taken,
                Put::Broken => return self.break_off(token),
            };
            self.counters.octets_sent.add(taken as u64);
            if taken < length {
                self.keep(token, taken..length, &[]);
                self.block(token);
            }
            return;
        }
        if length > 0 {
            self.keep(token, 0..length, &[]);
        }
        self.write_queue(token);
    }

    /// Writes what waits, as far as the socket takes it.
    pub(crate) fn write_queue(&mut self, token: Token) {
        loop {
            let Some(entry) = self.slab.get_mut(token) else { return };
            let Some(extra) = self.extras.get(entry.extra) else { return };
            if extra.output.is_empty() {
                break;
            }
            if entry.flags.has(Flags::BLOCKED) {
                return;
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = extra.output.slices(&mut slices);
            let offered: usize = slices.iter().map(|slice| slice.len()).sum();
            match socket::write_all_of(&entry.fd, slices.get(..count).unwrap_or_default()) {
                Put::Octets(taken) => {
                    self.counters.octets_sent.add(taken as u64);
                    extra.output.consume(&mut self.pool, taken);
                    if taken > 0 {
                        entry.deadlines.write_progress(self.now);
                    }
                    if taken < offered {
                        return self.block(token);
                    }
                }
                Put::Broken => return self.break_off(token),
            }
        }
        let Some(entry) = self.slab.get_mut(token) else { return };
        entry.deadlines.write_done(self.now);
        self.extras.settle(&mut entry.extra, &mut self.pool);
    }

    /// Notes that the socket of a connection is full, and has the poller tell when it is not.
    pub(crate) fn block(&mut self, token: Token) {
        let Some(entry) = self.slab.get_mut(token) else { return };
        entry.flags.set(Flags::BLOCKED);
        entry.deadlines.write_blocked(self.now);
        if !entry.flags.has(Flags::WRITE_ARMED) {
            entry.flags.set(Flags::WRITE_ARMED);
            if self.poller.modify(&entry.fd, token.to_bits(), Interest::BOTH, Mode::Edge).is_err() {
                return self.break_off(token);
            }
        }
        self.rearm(token);
    }

    /// Reads no more from a peer that does not read: what it sends might want answers too.
    pub(crate) fn hold_back(&mut self, token: Token) {
        if self.slab.get(token).is_some_and(|entry| entry.flags.has(Flags::BLOCKED))
            && self.waiting(token) > self.config.mark
            && let Some(entry) = self.slab.get_mut(token)
        {
            entry.flags.set(Flags::STALLED);
        }
    }

    /// Notes that the transport of a connection is broken.
    pub(crate) fn break_off(&mut self, token: Token) {
        if self.current == Some(token) {
            // The shared output is for the connection at work, which may be another.
            self.out_len = 0;
        }
        if let Some(entry) = self.slab.get_mut(token) {
            if let Some(extra) = self.extras.get(entry.extra) {
                extra.output.clear(&mut self.pool);
            }
            entry.flags.set(Flags::DOOMED);
            self.go_on(token);
        }
    }

    /// What the mark does to a message.
    pub(crate) fn refuse(&mut self, token: Token) -> Refused {
        self.counters.refused_messages.add(1);
        if let Some(entry) = self.slab.get_mut(token) {
            entry.flags.set(Flags::TELL_DRAINED);
        }
        if self.config.when_full == WhenFull::Close {
            let frame = Some(CloseFrame { code: CloseCode::TRY_AGAIN_LATER, reason: "" });
            if self.put_behind(token, 2, false, |peer, out| peer.close(frame, out)).is_ok() {
                self.begin_close(token);
            }
        }
        Refused::Full
    }

    /// Has what waits for a connection written at the end of the turn.
    pub(crate) fn mark_dirty(&mut self, token: Token) {
        if let Some(entry) = self.slab.get_mut(token)
            && !entry.flags.has(Flags::DIRTY)
        {
            entry.flags.set(Flags::DIRTY);
            self.dirty.push(token);
        }
    }
}

/// Whether something may still be sent on a connection.
#[inline]
pub(crate) fn is_sendable<S>(entry: &Entry<S>) -> bool {
    entry.is_opened() && !entry.flags.has(Flags::LINGERING.or(Flags::DOOMED))
}

/// Whether output of a connection waits.
#[inline]
pub(crate) fn has_waiting(extra: u32, extras: &mut Extras) -> bool {
    extra != NO_EXTRA && extras.get(extra).is_some_and(|extra| !extra.output.is_empty())
}
