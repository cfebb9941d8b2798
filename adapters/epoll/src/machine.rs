//! Where the protocol machine of a connection is: at rest in its entry, or in its extra while something is unfinished.
//!
//! Whoever works on a connection borrows the machine and gives it back. It knows nothing of what the work is.

#[cfg(feature = "deflate")]
use crate::compression::Agreement;
use crate::entry::{Entry, Extras, Flags};
use crate::peer::{Keys, Peer};
#[cfg(feature = "deflate")]
use tightwire::deflate::Terms;
use tightwire::{Chunk, Client, Limits, Message, Output, Resting, SendError, Server};

/// The machine as an entry holds it, in four octets.
pub(crate) enum Machine {
    Server(Resting<Server>),
    Client(Resting<Client<Keys>>),
    /// In the middle of a message, or at the end of the connection: the extra has it.
    Awake,
}

impl<S> Entry<S> {
    /// Whether the opening handshake is done.
    #[inline]
    pub(crate) const fn is_opened(&self) -> bool {
        self.machine.is_some()
    }

    /// Lends the machine; nothing before the opening handshake is done.
    #[inline(always)]
    pub(crate) fn with_peer<T>(
        &mut self,
        extras: &mut Extras,
        work: impl FnOnce(&mut Peer) -> T,
    ) -> Option<T> {
        let mut peer = self.take_peer(extras)?;
        let done = work(&mut peer);
        self.give_peer(extras, peer);
        Some(done)
    }

    /// Takes the next message off the front of `input` if it is there whole and the machine rests, and need not be woken
    /// for it.
    #[inline(always)]
    pub(crate) fn whole_message<'i>(&self, input: &mut &'i mut [u8], limits: &Limits) -> Option<Chunk<'i>> {
        match self.machine.as_ref()? {
            Machine::Server(resting) => resting.whole_message(input, limits),
            Machine::Client(resting) => resting.whole_message(input, limits),
            Machine::Awake => None,
        }
    }

    /// Writes a whole message.
    #[inline(always)]
    pub(crate) fn encode(
        &mut self,
        extras: &mut Extras,
        message: Message<'_>,
        out: &mut Output<'_>,
    ) -> Result<(), SendError> {
        match &mut self.machine {
            Some(Machine::Server(resting)) => resting.encode(message, out),
            Some(Machine::Client(resting)) => resting.encode(message, out),
            _ => self.with_peer(extras, |peer| peer.encode(message, out)).unwrap_or(Err(SendError::Closed)),
        }
    }

    /// Takes the machine out, to be given back.
    #[inline(always)]
    pub(crate) fn take_peer(&mut self, extras: &mut Extras) -> Option<Peer> {
        Some(match self.machine.take()? {
            Machine::Server(resting) => Peer::Server(resting.wake()),
            Machine::Client(resting) => Peer::Client(resting.wake()),
            Machine::Awake => extras.get(self.extra)?.peer.take()?,
        })
    }

    /// Gives the machine back, to rest if it can.
    #[inline(always)]
    pub(crate) fn give_peer(&mut self, extras: &mut Extras, peer: Peer) {
        let machine = match peer {
            Peer::Server(connection) => connection.rest().map(Machine::Server).map_err(Peer::Server),
            Peer::Client(connection) => connection.rest().map(Machine::Client).map_err(Peer::Client),
        };
        match machine {
            Ok(machine) => self.machine = Some(machine),
            Err(peer) => self.keep_awake(extras, peer),
        }
    }

    /// Lets the machine rest if it is awake and can.
    pub(crate) fn doze(&mut self, extras: &mut Extras) {
        if let Some(peer) = self.take_peer(extras) {
            self.give_peer(extras, peer);
        }
    }

    #[inline(never)]
    fn keep_awake(&mut self, extras: &mut Extras, peer: Peer) {
        if let Some(extra) = extras.need(&mut self.extra) {
            extra.peer = Some(peer);
            self.machine = Some(Machine::Awake);
        }
    }

    /// The machine if it is awake. All that can be said of one at rest is the same for each of them.
    #[inline]
    fn awake<'e>(&self, extras: &'e Extras) -> Option<&'e Peer> {
        match self.machine {
            Some(Machine::Awake) => extras.look(self.extra)?.peer.as_ref(),
            _ => None,
        }
    }

    /// Whether this end is the client.
    pub(crate) const fn is_client(&self) -> bool {
        self.flags.has(Flags::DIALED)
    }

    /// Whether a new message may begin.
    #[inline]
    pub(crate) fn may_begin(&self, extras: &Extras) -> Result<(), SendError> {
        let closed = match &self.machine {
            Some(Machine::Server(resting)) => resting.is_closed(),
            Some(Machine::Client(resting)) => resting.is_closed(),
            Some(Machine::Awake) => {
                return self.awake(extras).map_or(Err(SendError::Closed), Peer::may_begin);
            }
            None => true,
        };
        if closed { Err(SendError::Closed) } else { Ok(()) }
    }

    /// Whether both Close frames have passed.
    pub(crate) fn is_finished(&self, extras: &Extras) -> bool {
        self.awake(extras).is_some_and(|peer| peer.close_sent() && peer.close_received())
    }

    /// Payload octets of the frame that has begun and not ended.
    #[inline]
    pub(crate) fn frame_left(&self, extras: &Extras) -> u64 {
        self.awake(extras).map_or(0, Peer::frame_left)
    }

    /// Whether a message has begun and not ended.
    #[inline]
    pub(crate) fn is_in_message(&self, extras: &Extras) -> bool {
        self.awake(extras).is_some_and(Peer::is_in_message)
    }
}

#[cfg(feature = "deflate")]
impl<S> Entry<S> {
    /// Whether a message in fragments has begun and not ended on its way out.
    pub(crate) fn is_sending_message(&self, extras: &Extras) -> bool {
        self.awake(extras).is_some_and(Peer::is_sending_message)
    }

    /// The terms of the compressed messages that arrive.
    #[inline]
    pub(crate) fn receives_compressed(&self, extras: &Extras) -> Option<Terms> {
        match self.machine.as_ref()? {
            Machine::Server(resting) => resting.received_compression(),
            Machine::Client(resting) => resting.received_compression(),
            Machine::Awake => self.awake(extras)?.receives_compressed(),
        }
    }

    /// The terms of the messages that may be sent compressed.
    #[inline]
    pub(crate) fn sends_compressed(&self, extras: &Extras) -> Option<Terms> {
        match self.machine.as_ref()? {
            Machine::Server(resting) => resting.sent_compression(),
            Machine::Client(resting) => resting.sent_compression(),
            Machine::Awake => self.awake(extras)?.sends_compressed(),
        }
    }

    pub(crate) fn agreement(&self, extras: &Extras) -> Option<Agreement> {
        let (received, sent) = (self.receives_compressed(extras)?, self.sends_compressed(extras)?);
        Some(match self.is_client() {
            false => Agreement { server: sent, client: received },
            true => Agreement { server: received, client: sent },
        })
    }
}
