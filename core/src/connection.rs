//! Both halves of a connection: automatic replies and the closing handshake.

mod resting;

use crate::close::CloseFrame;
use crate::deflate::{Agreement, Compress, Flush};
use crate::error::{SendError, Violation};
use crate::event::{Event, Step};
use crate::inbound::Inbound;
use crate::inbox::Decode;
use crate::limits::Limits;
use crate::message::{Kind, Message};
use crate::outbound::{Masker, Outbound};
use crate::output::Output;
use crate::prepared::Prepared;
use crate::role::{Client, KeySource, Role, Server};
pub use resting::Resting;

/// A WebSocket connection after its opening handshake: both halves, which answer each other's needs.
///
/// It holds no buffer, clock or socket: a server is 32 octets, and 3 while it is [at rest](Self::rest).
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

    /// The same connection with compression agreed on (RFC 7692). It stays as small as it was, and holds
    /// nothing of the codec: see [`deflate`](crate::deflate).
    #[must_use]
    pub fn with_compression(self, agreement: Agreement) -> Self {
        Self {
            inbound: self.inbound.with_compression(agreement.received_by::<R>()),
            outbound: self.outbound.with_compression(agreement.sent_by::<R>()),
            ..self
        }
    }

    /// Takes the next event off the front of `input` and appends the reply that it wants to `out`.
    ///
    /// Call until it gives [`Step::NeedInput`]; what then stays in `input` is to be presented again in front of
    /// the next octets. [`Step::NeedOutput`] is given before anything of the frame that wants a reply was consumed,
    /// or before a violation is given; with 131 octets of room it is never given.
    ///
    /// # Errors
    /// A [`Violation`]. The Close frame that it demands is in `out` (unless replies are manual), to be sent
    /// before the transport is closed. Every later call gives the same violation.
    #[inline(always)]
    pub fn decode<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        out: &mut Output<'_>,
        limits: &Limits,
    ) -> Result<Step<'i>, Violation> {
        match self.inbound.whole_message(input, limits) {
            Some(chunk) => Ok(Step::Event(Event::Data(chunk))),
            None => self.decode_any(input, out, limits),
        }
    }

    #[inline(never)]
    fn decode_any<'i>(
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
        match self.inbound.decode_any(input, limits) {
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

    /// Writes a whole message compressed, if that makes it smaller: see [`Outbound::encode_compressed`].
    ///
    /// # Errors
    /// As [`Outbound::encode_compressed`].
    pub fn encode_compressed<'a, C: Compress + ?Sized>(
        &mut self,
        message: impl Into<Message<'a>>,
        codec: &mut C,
        out: &mut Output<'_>,
    ) -> Result<bool, SendError> {
        self.outbound.encode_compressed(message, codec, out)
    }

    /// Writes a frame of a compressed message: see [`Outbound::fragment_compressed`].
    ///
    /// # Errors
    /// As [`Outbound::fragment_compressed`].
    pub fn fragment_compressed<C: Compress + ?Sized>(
        &mut self,
        kind: Kind,
        payload: &mut &[u8],
        flush: Flush,
        codec: &mut C,
        out: &mut Output<'_>,
    ) -> Result<bool, SendError> {
        self.outbound.fragment_compressed(kind, payload, flush, codec, out)
    }

    /// Writes only the head of a frame whose payload is compressed: see [`Outbound::head_compressed`].
    ///
    /// # Errors
    /// As [`Outbound::head_compressed`].
    pub fn head_compressed(
        &mut self,
        kind: Kind,
        length: u64,
        fin: bool,
        out: &mut Output<'_>,
    ) -> Result<Masker, SendError> {
        self.outbound.head_compressed(kind, length, fin, out)
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
    #[inline(always)]
    fn decode<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Step<'i>, Violation> {
        self.connection.decode(input, self.out, self.limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::close::CloseCode;
    use crate::deflate::{Terms, WindowBits};
    use std::vec::Vec;

    const LIMITS: Limits = Limits::DEFAULT;

    type Zeros = fn() -> [u8; 4];

    fn client() -> Connection<Client<Zeros>> {
        Connection::client(|| [0; 4])
    }

    /// One call: what it gave, how much input it left and what it wrote into `room` octets.
    fn step<R: Role>(
        connection: &mut Connection<R>,
        wire: &[u8],
        room: usize,
    ) -> (Result<std::string::String, Violation>, usize, Vec<u8>) {
        let (mut memory, mut output) = (wire.to_vec(), std::vec![0; room]);
        let (mut input, mut out) = (&mut memory[..], Output::new(&mut output));
        let step = connection.decode(&mut input, &mut out, &LIMITS).map(|step| std::format!("{step:?}"));
        (step, input.len(), out.written().to_vec())
    }

    fn gave<R: Role>(
        connection: &mut Connection<R>,
        wire: &[u8],
        room: usize,
    ) -> (std::string::String, usize, Vec<u8>) {
        let (step, left, written) = step(connection, wire, room);
        (step.unwrap(), left, written)
    }

    #[test]
    fn a_server_is_32_octets() {
        assert_eq!(size_of::<Connection<Server>>(), 32);
    }

    // Law 4: a reply without room consumes nothing, and the room asked for is enough
    #[test]
    fn a_ping_without_room_stays() {
        let ping = b"\x89\x03abc";
        let mut connection = client();
        for room in 0..9 {
            assert_eq!(gave(&mut connection, ping, room), ("NeedOutput(9)".into(), 5, Vec::new()));
        }
        let (step, left, written) = gave(&mut connection, ping, 9);
        assert_eq!((step, left), ("Event(Ping([97, 98, 99]))".into(), 0));
        assert_eq!(written, b"\x8a\x83\0\0\0\0abc");
        // Nothing else needs room: events and unfinished frames pass a full output.
        assert_eq!(gave(&mut connection, b"\x8a\x00", 0).0, "Event(Pong([]))");
        assert_eq!(gave(&mut connection, b"\x89\x03ab", 0), ("NeedInput".into(), 4, Vec::new()));
        assert!(gave(&mut connection, b"\x82\x01a", 0).0.contains("last: true"));
    }

    // Law 4: also a Close frame and its answer
    #[test]
    fn a_close_without_room_stays() {
        let close = b"\x88\x05\x03\xe8bye";
        let mut connection = client();
        for room in 0..8 {
            assert_eq!(gave(&mut connection, close, room), ("NeedOutput(8)".into(), 7, Vec::new()));
            assert!(!connection.inbound().is_closed());
        }
        let (step, left, written) = gave(&mut connection, close, 8);
        assert_eq!((step.contains("\"bye\""), left), (true, 0));
        assert_eq!(written, b"\x88\x82\0\0\0\0\x03\xe8");
        assert!(connection.is_finished());
        let mut connection = client();
        assert_eq!(gave(&mut connection, b"\x88\x00", 5).0, "NeedOutput(6)");
        assert_eq!(gave(&mut connection, b"\x88\x00", 6).2, b"\x88\x80\0\0\0\0");
    }

    // RFC 6455 7.1.7: a violation is told to the peer, as soon as there is room, once
    #[test]
    fn a_violation_waits_for_room() {
        for bad in
            [&b"\xFF"[..], b"\x88\x01x", b"\x81\x01\xFF", b"\x81\x01\xE2", b"\x80\x00", b"\x88\x02\x03\xed"]
        {
            let mut connection = client();
            for room in 0..8 {
                assert_eq!(gave(&mut connection, bad, room).0, "NeedOutput(8)", "{bad:x?} {room}");
                assert!(!connection.is_finished());
            }
            let (failed, _, written) = step(&mut connection, bad, 8);
            let violation = failed.unwrap_err();
            let [high, low] = violation.close_code().number().to_be_bytes();
            assert_eq!(written, [0x88, 0x82, 0, 0, 0, 0, high, low]);
            assert!(connection.is_finished());
            // Law 8: failure sticks
            assert_eq!(step(&mut connection, b"\x81\x00", 8), (Err(violation), 2, Vec::new()));
            assert_eq!(connection.ping(b"", &mut Output::new(&mut [0; 9])), Err(SendError::Closed));
        }
    }

    // RFC 6455 5.5.1: the Close that answers ours is not answered again
    #[test]
    fn after_our_close_nothing_is_answered() {
        let mut connection = client();
        let mut memory = [0; 16];
        let mut out = Output::new(&mut memory);
        let frame = CloseFrame { code: CloseCode::NORMAL, reason: "" };
        connection.close(Some(frame), &mut out).unwrap();
        assert!(!connection.is_finished());
        // The peer may still be sending.
        assert!(gave(&mut connection, b"\x82\x01a", 0).0.contains("last: true"));
        assert_eq!(gave(&mut connection, b"\x89\x00", 0), ("Event(Ping([]))".into(), 0, Vec::new()));
        assert_eq!(gave(&mut connection, b"\x88\x02\x03\xe8", 0).2, b"");
        assert!(connection.is_finished());
        // RFC 6455 1.4: after both Close frames everything is dropped
        assert_eq!(gave(&mut connection, b"\x81\x01a", 0), ("NeedInput".into(), 0, Vec::new()));
    }

    #[test]
    fn manual_replies_are_the_callers() {
        let mut connection = client().with_manual_replies();
        assert_eq!(gave(&mut connection, b"\x89\x01a", 64).2, b"");
        let (step, _, written) = gave(&mut connection, b"\x88\x00", 64);
        assert_eq!(
            (step, written, connection.is_finished()),
            ("Event(Close(None))".into(), Vec::new(), false)
        );
        let mut memory = [0; 16];
        let mut out = Output::new(&mut memory);
        connection.outbound_mut().reply(&Event::Close(None), &mut out).unwrap();
        assert_eq!((out.written(), connection.is_finished()), (&b"\x88\x80\0\0\0\0"[..], true));

        let mut connection = client().with_manual_replies();
        let (failed, _, written) = self::step(&mut connection, b"\x80\x00", 64);
        assert_eq!((failed, written), (Err(Violation::UnexpectedContinuation), Vec::new()));
        assert!(!connection.is_finished());
    }

    // RFC 7692 7.2.2: a fault found while inflating fails the connection like any other
    #[test]
    fn a_fault_from_outside_is_told_to_the_peer() {
        let terms = Terms::new(WindowBits::MAX, false);
        let mut connection = client().with_compression(Agreement { server: terms, client: terms });
        connection.inbound_mut().fail(Violation::InvalidCompression);
        let (failed, _, written) = step(&mut connection, b"", 64);
        assert_eq!(failed, Err(Violation::InvalidCompression));
        assert_eq!(written, b"\x88\x82\0\0\0\0\x03\xef");
    }

    #[test]
    fn halves_are_joined_again() {
        let mut connection = client();
        assert!(gave(&mut connection, b"\x01\x01a", 0).0.contains("first: true"));
        let (inbound, outbound) = connection.split();
        let mut connection = Connection::join(inbound, outbound);
        assert!(gave(&mut connection, b"\x80\x01b", 0).0.contains("first: false, last: true"));
    }
}
