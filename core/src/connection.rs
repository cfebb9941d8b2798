//! Both halves of a connection: automatic replies and the closing handshake.

use crate::close::CloseFrame;
use crate::error::{SendError, Violation};
use crate::event::Step;
use crate::inbound::Inbound;
use crate::inbox::Decode;
use crate::limits::Limits;
use crate::message::{Kind, Message};
use crate::outbound::{Masker, Outbound};
use crate::output::Output;
use crate::prepared::Prepared;
use crate::role::{Client, KeySource, Role, Server};

/// A WebSocket connection after its opening handshake: both halves, which answer each other's needs.
///
/// It holds no buffer, clock or socket: a server is 32 octets.
#[derive(Debug)]
pub struct Connection<R> {
    inbound: Inbound<R>,
    outbound: Outbound<R>,
    manual: bool,
}

// Law 6: what a million connections multiply.
const _: () = assert!(size_of::<Connection<Server>>() <= 32);

/// A connection moves between threads and outlives every buffer.
const _: () = {
    const fn sendable<T: Send + 'static>() {}
    sendable::<Connection<Server>>();
};

impl Connection<Server> {
    /// The server's end, from the first octet after the opening handshake, whoever did that (RFC 6455 4,
    /// RFC 8441 5). Octets that arrived behind the request are the first input.
    pub const fn server() -> Self {
        Self::join(Inbound::new(), Outbound::new(Server))
    }

    /// Writes a message that was prepared once for many connections: see [`Outbound::prepared`].
    ///
    /// # Errors
    /// As [`Outbound::prepared`].
    pub fn prepared<B: AsRef<[u8]>>(
        &mut self,
        message: &Prepared<B>,
        out: &mut Output<'_>,
    ) -> Result<(), SendError> {
        self.outbound.prepared(message, out)
    }
}

impl<K: KeySource> Connection<Client<K>> {
    /// The client's end, from the first octet after the opening handshake, masking with keys from `keys`.
    pub const fn client(keys: K) -> Self {
        Self::join(Inbound::new(), Outbound::new(Client::new(keys)))
    }
}

impl<R: Role> Connection<R> {
    /// A connection of two halves, such as [`split`](Self::split) gave.
    pub const fn join(inbound: Inbound<R>, outbound: Outbound<R>) -> Self {
        Self { inbound, outbound, manual: false }
    }

    /// The halves, which share nothing. Whoever holds the inbound half hands the events that want an answer
    /// to [`Outbound::reply`], and a violation to [`Outbound::fail`].
    pub fn split(self) -> (Inbound<R>, Outbound<R>) {
        (self.inbound, self.outbound)
    }

    /// Answers nothing by itself: Pongs, the answer to Close and the Close that a violation demands are then
    /// for the caller to write.
    #[must_use]
    pub const fn with_manual_replies(mut self) -> Self {
        self.manual = true;
        self
    }

    /// The same connection with compression agreed on: see [`Inbound::with_compression`].
    #[must_use]
    pub fn with_compression(self) -> Self {
        Self { inbound: self.inbound.with_compression(), ..self }
    }

    /// Takes the next event off the front of `input` and appends the reply that it wants to `out`.
    ///
    /// Call until it gives [`Step::NeedInput`]; what then stays in `input` is to be presented again in front of
    /// the next octets. [`Step::NeedOutput`] is given before anything of the frame concerned was consumed; with
    /// 131 octets of room it is never given.
    ///
    /// # Errors
    /// A [`Violation`]. The Close frame that it demands is in `out` (unless replies are manual), to be sent
    /// before the transport is closed. Every later call gives the same violation.
    #[inline]
    pub fn decode<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        out: &mut Output<'_>,
        limits: &Limits,
    ) -> Result<Step<'i>, Violation> {
        let answers = !self.manual && !self.outbound.is_closed();
        if answers && out.room() < crate::frame::CONTROL_FRAME_MAX {
            let needed = self.inbound.reply_room(input);
            if needed > out.room() {
                return Ok(Step::NeedOutput(needed));
            }
        }
        match self.inbound.decode(input, limits) {
            Ok(None) => Ok(Step::NeedInput),
            Ok(Some(event)) if answers => match self.outbound.reply(&event, out) {
                Err(SendError::NeedsSpace(octets)) => Ok(Step::NeedOutput(octets)),
                _ => Ok(Step::Event(event)),
            },
            Ok(Some(event)) => Ok(Step::Event(event)),
            Err(violation) if answers => match self.outbound.fail(violation, out) {
                // The half stays failed, so the next call comes here again.
                Err(SendError::NeedsSpace(octets)) => Ok(Step::NeedOutput(octets)),
                _ => Err(violation),
            },
            Err(violation) => Err(violation),
        }
    }

    /// This connection as an [`Inbox`](crate::inbox::Inbox) drives it.
    pub const fn decoder<'a, 'o>(
        &'a mut self,
        out: &'a mut Output<'o>,
        limits: &'a Limits,
    ) -> Decoder<'a, 'o, R> {
        Decoder { connection: self, out, limits }
    }

    /// Writes a whole message as one frame: see [`Outbound::encode`].
    ///
    /// # Errors
    /// As [`Outbound::encode`].
    #[inline]
    pub fn encode<'a>(
        &mut self,
        message: impl Into<Message<'a>>,
        out: &mut Output<'_>,
    ) -> Result<(), SendError> {
        self.outbound.encode(message, out)
    }

    /// Writes one frame of a message: see [`Outbound::fragment`].
    ///
    /// # Errors
    /// As [`Outbound::fragment`].
    pub fn fragment(
        &mut self,
        kind: Kind,
        payload: &[u8],
        fin: bool,
        out: &mut Output<'_>,
    ) -> Result<(), SendError> {
        self.outbound.fragment(kind, payload, fin, out)
    }

    /// Writes a message in frames of at most `size` payload octets: see [`Outbound::fragments`].
    ///
    /// # Errors
    /// As [`Outbound::fragments`].
    pub fn fragments(
        &mut self,
        kind: Kind,
        payload: &mut &[u8],
        size: usize,
        out: &mut Output<'_>,
    ) -> Result<bool, SendError> {
        self.outbound.fragments(kind, payload, size, out)
    }

    /// Writes only the head of a frame: see [`Outbound::head`].
    ///
    /// # Errors
    /// As [`Outbound::head`].
    pub fn head(
        &mut self,
        kind: Kind,
        length: u64,
        fin: bool,
        out: &mut Output<'_>,
    ) -> Result<Masker, SendError> {
        self.outbound.head(kind, length, fin, out)
    }

    /// Writes a Ping: see [`Outbound::ping`].
    ///
    /// # Errors
    /// As [`Outbound::ping`].
    pub fn ping(&mut self, payload: &[u8], out: &mut Output<'_>) -> Result<(), SendError> {
        self.outbound.ping(payload, out)
    }

    /// Writes a Pong: see [`Outbound::pong`].
    ///
    /// # Errors
    /// As [`Outbound::pong`].
    pub fn pong(&mut self, payload: &[u8], out: &mut Output<'_>) -> Result<(), SendError> {
        self.outbound.pong(payload, out)
    }

    /// Begins the closing handshake, or answers it: see [`Outbound::close`].
    ///
    /// # Errors
    /// As [`Outbound::close`].
    pub fn close(&mut self, frame: Option<CloseFrame<'_>>, out: &mut Output<'_>) -> Result<(), SendError> {
        self.outbound.close(frame, out)
    }

    /// Whether both Close frames have passed, or the connection has failed and said so. What is in the output
    /// still has to be sent; then a server closes the transport, and a client waits for the server to do so
    /// (RFC 6455 7.1.1).
    pub const fn is_finished(&self) -> bool {
        self.outbound.is_closed() && (self.inbound.is_closed() || self.inbound.violation().is_some())
    }

    /// The receiving half.
    pub const fn inbound(&self) -> &Inbound<R> {
        &self.inbound
    }

    /// The receiving half, to fail it or to decode without replies.
    pub const fn inbound_mut(&mut self) -> &mut Inbound<R> {
        &mut self.inbound
    }

    /// The sending half.
    pub const fn outbound(&self) -> &Outbound<R> {
        &self.outbound
    }

    /// The sending half.
    pub const fn outbound_mut(&mut self) -> &mut Outbound<R> {
        &mut self.outbound
    }
}

/// A [`Connection`] with its output and limits, as an [`Inbox`](crate::inbox::Inbox) drives it.
#[derive(Debug)]
pub struct Decoder<'a, 'o, R> {
    connection: &'a mut Connection<R>,
    out: &'a mut Output<'o>,
    limits: &'a Limits,
}

impl<R: Role> Decode for Decoder<'_, '_, R> {
    fn decode<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Step<'i>, Violation> {
        self.connection.decode(input, self.out, self.limits)
    }
}
