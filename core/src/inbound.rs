//! Octets to events: the receiving half of a connection.
//!
//! It decides what may follow what (RFC 6455 5.4), keeps to the limits, unmasks and validates. It answers
//! nothing: [`Connection`](crate::Connection) or the caller does.

use crate::close;
use crate::error::Violation;
use crate::event::{Chunk, Event, Step};
use crate::frame::{self, Expect, Head, OpCode};
use crate::inbox::Decode;
use crate::limits::Limits;
use crate::mask;
use crate::message::Kind;
use crate::outbound::Outbound;
use crate::role::Role;
use crate::utf8::Validator;
use core::marker::PhantomData;

/// The receiving half: 28 octets, whatever the role.
pub struct Inbound<R> {
    /// Payload octets of the current data frame that are still to come.
    left: Count,
    /// Payload octets of the current message, announced by the heads so far.
    announced: Count,
    /// The mask key, turned so that its first octet falls on the next octet of payload.
    key: [u8; 4],
    /// Frames of the current message so far.
    fragments: u32,
    text: Validator,
    status: Status,
    message: MessageState,
    role: PhantomData<fn() -> R>,
}

/// What happened to the direction as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Open,
    /// The peer's Close frame has been delivered.
    Closed,
    /// Failure sticks.
    Failed(Violation),
}

/// Where in a message the next octet stands, in one octet of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct MessageState(u8);

impl MessageState {
    /// A message has begun and not ended.
    const OPEN: u8 = 1;
    const TEXT: u8 = 2;
    /// The current frame is the last of its message.
    const FIN: u8 = 4;
    /// A chunk of the message has been delivered.
    const BEGUN: u8 = 8;
    const COMPRESSED: u8 = 16;
    /// Compression was agreed on. The only bit that outlives a message.
    const COMPRESSION: u8 = 32;

    const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    const fn kind(self) -> Kind {
        if self.has(Self::TEXT) { Kind::Text } else { Kind::Binary }
    }
}

/// A `u64` that is aligned to four octets, which keeps a server connection at 32 octets.
#[derive(Clone, Copy, Default)]
struct Count([u32; 2]);

impl Count {
    const fn get(self) -> u64 {
        self.0[0] as u64 | (self.0[1] as u64) << 32
    }

    const fn new(value: u64) -> Self {
        Self([value as u32, (value >> 32) as u32])
    }
}

impl<R: Role> Default for Inbound<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Role> Inbound<R> {
    /// The receiving half of a connection whose opening handshake is done.
    pub const fn new() -> Self {
        Self {
            left: Count([0; 2]),
            announced: Count([0; 2]),
            key: [0; 4],
            fragments: 0,
            text: Validator::new(),
            status: Status::Open,
            message: MessageState(0),
            role: PhantomData,
        }
    }

    /// The same half with compression agreed on, so that RSV1 may mark messages as compressed (RFC 7692 6).
    #[must_use]
    pub const fn with_compression(mut self) -> Self {
        self.message.0 |= MessageState::COMPRESSION;
        self
    }

    /// Takes the next event off the front of `input`, unmasking in place; `None` when more octets are needed.
    ///
    /// What stays in `input` is an incomplete head or control frame of fewer than 131 octets: present it again
    /// in front of the next octets. After the peer's Close frame everything is taken and nothing delivered
    /// (RFC 6455 5.5.1).
    ///
    /// # Errors
    /// A [`Violation`]: the peer broke the protocol or passed a limit. The good events in front of it have been
    /// delivered, the good octets of a text message too, and every later call gives the same violation. What
    /// is left in `input` is of no use then.
    #[inline]
    pub fn decode<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        limits: &Limits,
    ) -> Result<Option<Event<'i>>, Violation> {
        match self.status {
            Status::Open => {}
            Status::Closed => {
                *input = &mut [];
                return Ok(None);
            }
            Status::Failed(violation) => return Err(violation),
        }
        let step = self.next(input, limits);
        if let Err(violation) = step {
            self.status = Status::Failed(violation);
        }
        step
    }

    /// The octets of output room that the automatic reply to the next event in `input` needs: 0 if there is
    /// none to give, also if the event is not complete yet.
    pub fn reply_room(&self, input: &[u8]) -> usize {
        if self.status != Status::Open || self.left.get() > 0 {
            return 0;
        }
        let Ok(Some((head, taken))) = frame::parse(input, self.expect()) else { return 0 };
        let payload = head.length as usize;
        if !head.opcode.is_control() || input.len() < taken + payload {
            return 0;
        }
        let reply = match head.opcode {
            OpCode::Ping => payload,
            // RFC 6455 5.5.1: the answer is a code, the peer's or that of the fault in its frame
            OpCode::Close if payload > 0 => 2,
            OpCode::Close => 0,
            _ => return 0,
        };
        2 + Outbound::<R>::KEY_LEN + reply
    }

    /// Payload octets of the current data frame that are still to come: how much the next read is good for.
    pub const fn frame_left(&self) -> u64 {
        self.left.get()
    }

    /// The message that has begun and not ended.
    pub const fn open_message(&self) -> Option<Kind> {
        if self.message.has(MessageState::OPEN) { Some(self.message.kind()) } else { None }
    }

    /// Whether the peer's Close frame has been delivered.
    pub const fn is_closed(&self) -> bool {
        matches!(self.status, Status::Closed)
    }

    /// The violation that failed this half, if one did.
    pub const fn violation(&self) -> Option<Violation> {
        match self.status {
            Status::Failed(violation) => Some(violation),
            _ => None,
        }
    }

    /// Fails this half for a fault that was found outside, such as compressed octets that do not inflate.
    pub const fn fail(&mut self, violation: Violation) {
        if matches!(self.status, Status::Open) {
            self.status = Status::Failed(violation);
        }
    }

    /// This half as an [`Inbox`](crate::inbox::Inbox) drives it, without replies.
    pub const fn decoder<'a>(&'a mut self, limits: &'a Limits) -> Decoder<'a, R> {
        Decoder { inbound: self, limits }
    }

    const fn expect(&self) -> Expect {
        Expect { masked: !R::IS_CLIENT, rsv1: self.message.has(MessageState::COMPRESSION) }
    }

    #[inline]
    fn next<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        limits: &Limits,
    ) -> Result<Option<Event<'i>>, Violation> {
        if self.left.get() > 0 {
            return self.chunk(input);
        }
        let Some((head, taken)) = frame::parse(input, self.expect())? else { return Ok(None) };
        if head.opcode.is_control() {
            return self.control(head, taken, input);
        }
        self.begin(head, limits)?;
        split(input, taken);
        self.chunk(input)
    }

    /// A control frame is taken only when all of it is there.
    fn control<'i>(
        &mut self,
        head: Head,
        taken: usize,
        input: &mut &'i mut [u8],
    ) -> Result<Option<Event<'i>>, Violation> {
        // RFC 6455 5.5: at most 125 octets, as the head was checked for
        let whole = taken + head.length as usize;
        if input.len() < whole {
            return Ok(None);
        }
        let payload = split(input, whole).get_mut(taken..).unwrap_or_default();
        if let Some(key) = head.key {
            mask::mask(key, 0, payload);
        }
        let payload = &*payload;
        Ok(Some(match head.opcode {
            OpCode::Ping => Event::Ping(payload),
            OpCode::Pong => Event::Pong(payload),
            _ => {
                let frame = close::parse(payload)?;
                self.status = Status::Closed;
                Event::Close(frame)
            }
        }))
    }

    /// Judges the head of a data frame before any of its payload is looked at.
    #[inline]
    fn begin(&mut self, head: Head, limits: &Limits) -> Result<(), Violation> {
        let mut message = self.message.0 & !MessageState::FIN;
        if head.opcode == OpCode::Continuation {
            // RFC 6455 5.4: a continuation needs a message to continue
            if message & MessageState::OPEN == 0 {
                return Err(Violation::UnexpectedContinuation);
            }
        } else {
            // RFC 6455 5.4: the fragments of one message are not interleaved with those of another
            if message & MessageState::OPEN != 0 {
                return Err(Violation::ExpectedContinuation);
            }
            message |= MessageState::OPEN;
            if head.opcode == OpCode::Text {
                message |= MessageState::TEXT;
            }
            if head.rsv1 {
                message |= MessageState::COMPRESSED;
            }
        }
        if head.length > limits.frame {
            return Err(Violation::FrameTooLarge);
        }
        let announced = self.announced.get().saturating_add(head.length);
        if announced > limits.message {
            return Err(Violation::MessageTooLarge);
        }
        // Empty frames count too, or they would be free for ever.
        let fragments = self.fragments.saturating_add(1);
        if fragments > limits.fragments {
            return Err(Violation::TooManyFragments);
        }
        if head.fin {
            message |= MessageState::FIN;
        }
        self.message = MessageState(message);
        self.fragments = fragments;
        self.announced = Count::new(announced);
        self.left = Count::new(head.length);
        self.key = head.key.unwrap_or_default();
        Ok(())
    }

    /// Takes what is there of the current frame, all of it or the good octets in front of a fault.
    #[inline]
    fn chunk<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Option<Event<'i>>, Violation> {
        let left = self.left.get();
        let mut here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        if here == 0 && left > 0 {
            return Ok(None);
        }
        let payload = input.get_mut(..here).unwrap_or_default();
        if !R::IS_CLIENT {
            mask::mask(self.key, 0, payload);
        }
        let message = self.message;
        let compressed = message.has(MessageState::COMPRESSED);
        let ends = message.has(MessageState::FIN) && left == here as u64;
        if message.has(MessageState::TEXT) && !compressed {
            // RFC 6455 8.1: text that is not UTF-8 fails the connection, at once
            if let Some(good) = self.text_fault(payload, ends) {
                if good == 0 {
                    return Err(Violation::InvalidUtf8);
                }
                // As if the good octets had arrived alone: how the input is cut makes no difference.
                self.status = Status::Failed(Violation::InvalidUtf8);
                here = good;
            }
        }
        if !R::IS_CLIENT {
            self.key.rotate_left(here & 3);
        }
        self.left = Count::new(left - here as u64);
        let last = message.has(MessageState::FIN) && self.left.get() == 0;
        if last {
            self.message = MessageState(message.0 & MessageState::COMPRESSION);
            self.announced = Count::default();
            self.fragments = 0;
        } else {
            self.message = MessageState(message.0 | MessageState::BEGUN);
        }
        let first = !message.has(MessageState::BEGUN);
        let payload = split(input, here);
        Ok(Some(Event::Data(Chunk { kind: message.kind(), payload, first, last, compressed })))
    }

    /// Validates octets of text. If they are bad, how many octets stand in front of the one that shows it;
    /// for a message that ends inside a code point, that is its last one.
    #[inline]
    fn text_fault(&mut self, payload: &[u8], ends: bool) -> Option<usize> {
        match self.text.feed(payload) {
            Ok(()) if ends && !self.text.is_complete() => Some(payload.len().saturating_sub(1)),
            Ok(()) => None,
            Err(fault) => Some(fault.valid_up_to),
        }
    }
}

impl<R> core::fmt::Debug for Inbound<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Not the mask key.
        f.debug_struct("Inbound")
            .field("status", &self.status)
            .field("message", &self.message)
            .field("frame_left", &self.left.get())
            .finish_non_exhaustive()
    }
}

/// An [`Inbound`] with its limits, as an [`Inbox`](crate::inbox::Inbox) drives it.
#[derive(Debug)]
pub struct Decoder<'a, R> {
    inbound: &'a mut Inbound<R>,
    limits: &'a Limits,
}

impl<R: Role> Decode for Decoder<'_, R> {
    fn decode<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Step<'i>, Violation> {
        Ok(self.inbound.decode(input, self.limits)?.map_or(Step::NeedInput, Step::Event))
    }
}

/// Takes `octets` off the front of `input`.
#[inline]
fn split<'i>(input: &mut &'i mut [u8], octets: usize) -> &'i mut [u8] {
    match core::mem::take(input).split_at_mut_checked(octets) {
        Some((front, rest)) => {
            *input = rest;
            front
        }
        None => &mut [],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use crate::role::{Client, Server};

    type FromServer = Client<fn() -> [u8; 4]>;
    const DEFAULT: Limits = Limits::DEFAULT;

    /// What one call gives, and how many octets it leaves.
    fn step<R: Role>(
        half: &mut Inbound<R>,
        wire: &[u8],
        limits: &Limits,
    ) -> (Result<Option<std::string::String>, Violation>, usize) {
        let mut memory = wire.to_vec();
        let mut input = &mut memory[..];
        let event = half.decode(&mut input, limits).map(|event| event.map(|event| std::format!("{event:?}")));
        let left = input.len();
        (event, left)
    }

    fn violation(wire: &[u8], limits: &Limits) -> Option<Violation> {
        let mut half = Inbound::<FromServer>::new();
        let mut memory = wire.to_vec();
        let mut input = &mut memory[..];
        loop {
            match half.decode(&mut input, limits) {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(violation) => {
                    assert_eq!(half.violation(), Some(violation));
                    // Law 8: failure sticks, whatever comes
                    assert_eq!(half.decode(&mut &mut [0x81, 0x00][..], limits), Err(violation));
                    return Some(violation);
                }
            }
        }
    }

    #[test]
    fn a_receiving_half_is_28_octets() {
        assert_eq!(size_of::<Inbound<Server>>(), 28);
        assert_eq!(size_of::<Inbound<FromServer>>(), 28);
    }

    #[test]
    fn a_count_keeps_every_value() {
        for value in [0, 1, u64::from(u32::MAX), 1 << 32, 0x0123_4567_89AB_CDEF, u64::MAX] {
            assert_eq!(Count::new(value).get(), value);
        }
        assert_eq!(align_of::<Count>(), 4);
    }

    // Law 1: several events of one buffer live at once, and none of them borrows the half
    #[test]
    fn events_borrow_the_input() {
        let mut half = Inbound::<FromServer>::new();
        let mut memory = *b"\x81\x02ab\x89\x01c\x82\x01d";
        let mut input = &mut memory[..];
        let first = half.decode(&mut input, &DEFAULT).unwrap().unwrap();
        let second = half.decode(&mut input, &DEFAULT).unwrap().unwrap();
        let third = half.decode(&mut input, &DEFAULT).unwrap().unwrap();
        assert_eq!(half.decode(&mut input, &DEFAULT), Ok(None));
        let Event::Data(first) = first else { panic!("data") };
        assert_eq!(first.into_message(), Some(Message::from("ab")));
        assert_eq!(second, Event::Ping(b"c"));
        let Event::Data(third) = third else { panic!("data") };
        assert_eq!(third.into_message(), Some(Message::from(b"d")));
    }

    // Law 2: what is left is an incomplete head or control frame; payload is never left
    #[test]
    fn payload_is_taken_as_it_comes() {
        let mut half = Inbound::<FromServer>::new();
        assert_eq!(step(&mut half, b"\x82", &DEFAULT), (Ok(None), 1));
        assert_eq!(step(&mut half, b"\x82\x03", &DEFAULT), (Ok(None), 0));
        assert_eq!((half.frame_left(), half.open_message()), (3, Some(Kind::Binary)));
        let (event, left) = step(&mut half, b"ab", &DEFAULT);
        assert!(event.unwrap().unwrap().contains("first: true, last: false"));
        assert_eq!((left, half.frame_left()), (0, 1));
        assert_eq!(step(&mut half, b"", &DEFAULT), (Ok(None), 0));
        let (event, left) = step(&mut half, b"c\x89\x02x", &DEFAULT);
        assert!(event.unwrap().unwrap().contains("first: false, last: true"));
        assert_eq!((left, half.open_message()), (3, None));
        assert_eq!(step(&mut half, b"\x89\x02x", &DEFAULT), (Ok(None), 3));
    }

    // RFC 6455 5.4: what may follow what
    #[test]
    fn messages_do_not_interleave() {
        assert_eq!(violation(b"\x80\x00", &DEFAULT), Some(Violation::UnexpectedContinuation));
        assert_eq!(violation(b"\x82\x00\x80\x00", &DEFAULT), Some(Violation::UnexpectedContinuation));
        for second in [0x81, 0x82, 0x01, 0x02] {
            assert_eq!(violation(&[0x01, 0, second, 0], &DEFAULT), Some(Violation::ExpectedContinuation));
        }
        assert_eq!(violation(b"\x01\x00\x89\x00\x00\x00\x8a\x00\x80\x00\x82\x00", &DEFAULT), None);
    }

    // Law 3: limits are judged by the head, before any payload is there
    #[test]
    fn limits_are_judged_by_what_is_announced() {
        let limits = Limits::DEFAULT.with_message(4).with_frame(3).with_fragments(3);
        assert_eq!(violation(b"\x82\x03", &limits), None);
        assert_eq!(violation(b"\x82\x04", &limits), Some(Violation::FrameTooLarge));
        assert_eq!(violation(b"\x02\x03abc\x80\x01", &limits), None);
        assert_eq!(violation(b"\x02\x03abc\x80\x02", &limits), Some(Violation::MessageTooLarge));
        // Empty fragments count.
        assert_eq!(violation(b"\x02\x00\x00\x00\x80\x00", &limits), None);
        assert_eq!(
            violation(b"\x02\x00\x00\x00\x00\x00\x00\x00", &limits),
            Some(Violation::TooManyFragments)
        );
        // Each message starts from nothing, and control frames are not part of one.
        assert_eq!(
            violation(b"\x02\x03abc\x80\x00\x82\x03abc\x02\x00\x89\x03abc\x00\x03abc\x80\x01", &limits),
            None
        );
        // RFC 6455 5.2: the largest frame there is
        let largest = b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(violation(largest, &DEFAULT), Some(Violation::FrameTooLarge));
        assert_eq!(violation(largest, &Limits::UNLIMITED), None);
    }

    #[test]
    fn lifted_limits_do_not_overflow() {
        let mut half = Inbound::<FromServer>::new();
        // Three frames of 2^63-1 octets, the middle of each skipped, announce more than a u64 holds.
        for first in [0x02, 0x00, 0x00] {
            let wire = [first, 0x7f, 0x7f, 255, 255, 255, 255, 255, 255, 255];
            assert_eq!(step(&mut half, &wire, &Limits::UNLIMITED), (Ok(None), 0));
            assert_eq!(half.frame_left(), (1 << 63) - 1);
            half.left = Count::new(1);
            assert!(step(&mut half, b"x", &Limits::UNLIMITED).0.unwrap().is_some());
        }
        assert_eq!(half.announced.get(), u64::MAX);
        half.fragments = u32::MAX;
        assert!(step(&mut half, b"\x80\x00", &Limits::UNLIMITED).0.unwrap().is_some());
        assert_eq!((half.announced.get(), half.fragments, half.open_message()), (0, 0, None));
    }

    // RFC 6455 8.1: text is valid from frame to frame, and the good octets in front of a fault are delivered
    #[test]
    fn text_fails_at_the_first_bad_octet() {
        let mut half = Inbound::<FromServer>::new();
        let (event, left) = step(&mut half, b"\x81\x06ab\xFFcde", &DEFAULT);
        assert_eq!(
            event.unwrap().unwrap(),
            "Data(Chunk { kind: Text, payload: [97, 98], first: true, last: false, compressed: false })"
        );
        assert_eq!(left, 4);
        assert_eq!(half.violation(), Some(Violation::InvalidUtf8));
        assert_eq!(step(&mut half, b"", &DEFAULT), (Err(Violation::InvalidUtf8), 0));
        // At once, not at the end of the frame or of the message.
        assert_eq!(violation(b"\x01\x7d\xFF", &DEFAULT), Some(Violation::InvalidUtf8));
        assert_eq!(violation(b"\x01\x02\xF4\x90", &DEFAULT), Some(Violation::InvalidUtf8));
        assert_eq!(violation(b"\x01\x01\xE2\x00\x01\x82\x80\x01\xAC", &DEFAULT), None);
        // A message that ends inside a code point
        assert_eq!(violation(b"\x81\x02\xE2\x82", &DEFAULT), Some(Violation::InvalidUtf8));
        assert_eq!(violation(b"\x01\x01\xE2\x80\x00", &DEFAULT), Some(Violation::InvalidUtf8));
        // Binary messages are any octets.
        assert_eq!(violation(b"\x82\x02\xFF\xFE", &DEFAULT), None);
    }

    // RFC 7692 6: RSV1 marks the first frame of a compressed message, whose text is not text yet
    #[test]
    fn compressed_messages_are_marked() {
        let mut half = Inbound::<FromServer>::new().with_compression();
        let (event, _) = step(&mut half, b"\x41\x01\xFF", &DEFAULT);
        assert!(event.unwrap().unwrap().contains("compressed: true"));
        let (event, _) = step(&mut half, b"\x80\x01\xFF", &DEFAULT);
        assert!(event.unwrap().unwrap().contains("last: true, compressed: true"));
        // The next message is not compressed, but the agreement stands.
        let (event, _) = step(&mut half, b"\x81\x01a", &DEFAULT);
        assert!(event.unwrap().unwrap().contains("compressed: false"));
        assert!(step(&mut half, b"\xC2\x01\xFF", &DEFAULT).0.is_ok());
        assert_eq!(step(&mut half, b"\xC9\x00", &DEFAULT).0, Err(Violation::ReservedBits));
        assert_eq!(violation(b"\xC1\x00", &DEFAULT), Some(Violation::ReservedBits));
    }

    // RFC 6455 5.5.1: nothing is delivered after Close
    #[test]
    fn everything_after_close_is_dropped() {
        let mut half = Inbound::<FromServer>::new();
        let (event, left) = step(&mut half, b"\x88\x00\x81\x01a", &DEFAULT);
        assert_eq!((event.unwrap().unwrap(), left, half.is_closed()), ("Close(None)".into(), 3, true));
        assert_eq!(step(&mut half, b"\x81\x01a\xFF\xFF", &DEFAULT), (Ok(None), 0));
        half.fail(Violation::Masked);
        assert_eq!((half.violation(), half.is_closed()), (None, true));
    }

    #[test]
    fn a_fault_from_outside_sticks() {
        let mut half = Inbound::<FromServer>::new();
        half.fail(Violation::InvalidCompression);
        half.fail(Violation::Masked);
        assert_eq!(step(&mut half, b"\x81\x00", &DEFAULT), (Err(Violation::InvalidCompression), 2));
    }

    // Law 4: the room for a reply is known before anything is taken
    #[test]
    fn the_room_for_a_reply() {
        let server = Inbound::<Server>::new();
        let client = Inbound::<FromServer>::new();
        assert_eq!(server.reply_room(b"\x89\x83kkkkabc"), 5);
        assert_eq!(server.reply_room(b"\x89\x83kkkkab"), 0, "not all there yet");
        assert_eq!(client.reply_room(b"\x89\x03abc\x89\x00"), 9);
        assert_eq!(client.reply_room(b"\x88\x05\x03\xe8abc"), 8);
        assert_eq!(client.reply_room(b"\x88\x00"), 6);
        assert_eq!(client.reply_room(b"\x88\x01x"), 8, "the Close that this violation demands");
        assert_eq!(client.reply_room(b"\x8a\x00"), 0);
        assert_eq!(client.reply_room(b"\x82\x01a"), 0);
        assert_eq!(client.reply_room(b"\xFF"), 0);
        let mut inside = Inbound::<FromServer>::new();
        assert!(step(&mut inside, b"\x82\x05\x89", &DEFAULT).0.is_ok());
        assert_eq!(inside.reply_room(b"\x89\x00"), 0, "these octets are payload");
    }
}
