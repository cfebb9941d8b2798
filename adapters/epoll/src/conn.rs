//! One connection, as a handler sees it.

use crate::entry::{Entry, Flags};
use crate::reactor::Reactor;
use crate::sending::{Refused, Sent};
use crate::slab::{Slab, Token};
use std::net::SocketAddr;
use tightwire::{CloseCode, CloseFrame, Kind, Message, SendError, Timeouts};

/// A connection of this reactor thread.
#[derive(Debug)]
pub struct Conn<'a, S> {
    pub(crate) reactor: &'a mut Reactor<S>,
    pub(crate) token: Token,
}

impl<S> Conn<'_, S> {
    /// The octets of user space that an idle connection takes, its session included.
    pub const IDLE_OCTETS: usize = Slab::<Entry<S>>::entry_size();

    /// The name of the connection, never used again for another one of this thread.
    pub const fn token(&self) -> Token {
        self.token
    }

    /// What the application keeps for this connection.
    pub fn session(&mut self) -> &mut S {
        let Reactor { slab, spare, .. } = &mut *self.reactor;
        // The entry is there for as long as anyone is at work on it.
        slab.get_mut(self.token).map_or(spare, |entry| &mut entry.session)
    }

    /// The other end's address; nothing for a Unix socket or when the connection is broken.
    pub fn remote(&self) -> Option<SocketAddr> {
        let entry = self.reactor.slab.get(self.token)?;
        rustix::net::getpeername(&entry.fd).ok()??.try_into().ok()
    }

    /// Whether this end is the client.
    pub fn is_client(&self) -> bool {
        self.reactor.slab.get(self.token).is_some_and(Entry::is_client)
    }

    /// Sends a whole message as one frame.
    ///
    /// Everything that is sent while one event is handled leaves in one write at its end (large payloads
    /// leave at once, from where they lie). What the socket does not take waits in memory up to the mark.
    ///
    /// # Errors
    /// [`Refused`]: nothing of the message was sent.
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<Sent, Refused> {
        self.reactor.send(self.token, message.into())
    }

    /// Sends a part of a message: the first begins it, the one with `fin` ends it (RFC 6455 5.4).
    ///
    /// It is one frame. Where compression was agreed on, the message goes compressed if its first part is worth it,
    /// and then a part is as many frames as it takes, which the peer can inflate without waiting for the next.
    ///
    /// # Errors
    /// [`Refused`]: nothing of the fragment was sent, and the message goes on where it was.
    pub fn send_fragment(&mut self, kind: Kind, payload: &[u8], fin: bool) -> Result<Sent, Refused> {
        #[cfg(feature = "deflate")]
        if self.reactor.codecs.is_on()
            && let Some(sent) = self.reactor.send_fragment_compressed(self.token, kind, payload, fin)
        {
            return sent;
        }
        let counters = self.reactor.counters.clone();
        let sent = self
            .reactor
            .put(self.token, payload.len(), true, |peer, out| peer.fragment(kind, payload, fin, out))?;
        counters.messages_sent.add(1);
        Ok(sent)
    }

    /// Sends a Ping with at most 125 octets of payload.
    ///
    /// # Errors
    /// [`Refused`]: nothing was sent.
    pub fn ping(&mut self, payload: &[u8]) -> Result<Sent, Refused> {
        let sent = self.reactor.put(self.token, payload.len(), true, |peer, out| peer.ping(payload, out))?;
        let now = self.reactor.now;
        if let Some(entry) = self.reactor.slab.get_mut(self.token) {
            entry.deadlines.ping_sent(now);
        }
        self.reactor.rearm(self.token);
        Ok(sent)
    }

    /// Sends a Pong that answers no Ping. Pings are answered without this.
    ///
    /// # Errors
    /// [`Refused`]: nothing was sent.
    pub fn pong(&mut self, payload: &[u8]) -> Result<Sent, Refused> {
        self.reactor.put(self.token, payload.len(), true, |peer, out| peer.pong(payload, out))
    }

    /// Begins the closing handshake. Messages may still arrive until the peer's Close frame does.
    ///
    /// The reason has at most 123 octets. Output that waits is sent first.
    ///
    /// # Errors
    /// [`Refused`]: no Close frame was sent, because of the code, the reason or an earlier one.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<Sent, Refused> {
        let sent = self.reactor.put(self.token, 2 + reason.len(), false, |peer, out| {
            peer.close(Some(CloseFrame { code, reason }), out)
        })?;
        self.reactor.begin_close(self.token);
        Ok(sent)
    }

    /// Ends the connection without a closing handshake, as soon as the handler returns. Output that waits is
    /// lost.
    pub fn drop_now(&mut self) {
        if let Some(entry) = self.reactor.slab.get_mut(self.token) {
            entry.flags.set(Flags::DOOMED.or(Flags::DROPPED));
            self.reactor.go_on(self.token);
        }
    }

    /// Reads no more messages until [`resume`](Self::resume). The message that is being handled is the last;
    /// octets that were read with it are kept.
    pub fn pause(&mut self) {
        if let Some(entry) = self.reactor.slab.get_mut(self.token) {
            entry.flags.set(Flags::PAUSED);
        }
    }

    /// Reads again after [`pause`](Self::pause).
    pub fn resume(&mut self) {
        if let Some(entry) = self.reactor.slab.get_mut(self.token)
            && entry.flags.has(Flags::PAUSED)
        {
            entry.flags.clear(Flags::PAUSED);
            self.reactor.go_on(self.token);
        }
    }

    /// Whether reading is paused.
    pub fn is_paused(&self) -> bool {
        self.reactor.slab.get(self.token).is_some_and(|entry| entry.flags.has(Flags::PAUSED))
    }

    /// Octets of output that wait because the socket does not take them.
    pub fn buffered(&mut self) -> usize {
        self.reactor.waiting(self.token)
    }

    /// Changes the deadlines of this connection, in [ticks](crate::TICKS_PER_SECOND). Gives `false`, and
    /// changes nothing, when the thread already knows 256 different sets of timeouts.
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) -> bool {
        let Some(set) = self.reactor.timeouts_set(timeouts) else { return false };
        if let Some(entry) = self.reactor.slab.get_mut(self.token) {
            entry.flags.set_timeouts(set);
        }
        self.reactor.rearm(self.token);
        true
    }

    /// The reactor thread, to reach other connections.
    pub fn reactor(&mut self) -> &mut Reactor<S> {
        self.reactor
    }

    /// Whether messages can still be sent.
    ///
    /// # Errors
    /// [`SendError::Closed`] after a Close frame, [`SendError::MessageOpen`] inside a message in fragments.
    pub fn may_send(&self) -> Result<(), SendError> {
        let entry = self.reactor.slab.get(self.token);
        entry.map_or(Err(SendError::Closed), |entry| entry.may_begin(&self.reactor.extras))
    }
}
