//! Octets to events: the receiving half of a connection.
//!
//! It decides what may follow what (RFC 6455 5.4), keeps to the limits, unmasks and validates. It answers
//! nothing: [`Connection`](crate::Connection) or the caller does.

use crate::close;
use crate::deflate::Terms;
use crate::error::Violation;
use crate::event::{Chunk, Event, Step};
use crate::frame::{self, Expect, Head, OpCode};
use crate::inbox::Decode;
use crate::limits::Limits;
use crate::mask;
use crate::message::Kind;
use crate::outbound::Outbound;
use crate::role::Role;
use crate::utf8::{self, Validator};
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
    /// What was agreed for the compressed messages that arrive. It lies where there would be padding.
    compression: Option<Terms>,
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
            compression: None,
            role: PhantomData,
        }
    }

    /// The same half with compression agreed on, so that RSV1 may mark messages as compressed (RFC 7692 6).
    ///
    /// `terms` are those of the messages received ([`Agreement::received_by`](crate::deflate::Agreement)).
    #[must_use]
    pub const fn with_compression(self, terms: Terms) -> Self {
        Self { compression: Some(terms), ..self }
    }

    /// A half between two messages, on these terms.
    pub(crate) const fn between(compression: Option<Terms>) -> Self {
        Self { compression, ..Self::new() }
    }

    /// Whether nothing but the terms is worth keeping.
    pub(crate) const fn is_between(&self) -> bool {
        // After a message everything else stands as it stood before the first.
        matches!(self.status, Status::Open) && self.message.0 == 0
    }

    /// The terms of the compressed messages that arrive, if compression was agreed on.
    pub const fn compression(&self) -> Option<Terms> {
        self.compression
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
    #[inline(always)]
    pub fn decode<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        limits: &Limits,
    ) -> Result<Option<Event<'i>>, Violation> {
        match self.whole_message(input, limits) {
            Some(chunk) => Ok(Some(Event::Data(chunk))),
            None => self.decode_any(input, limits),
        }
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
        Expect { masked: !R::IS_CLIENT, rsv1: self.compression.is_some() }
    }

    /// The short way for what is most frequent: a message that came whole, in one frame. The state stands after
    /// it as it stood before, and it wants no reply. `None`, with nothing changed, for everything else. Inlined
    /// everywhere: the time goes into handing the result over in memory, not into making it.
    #[inline(always)]
    pub(crate) fn whole_message<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        limits: &Limits,
    ) -> Option<Chunk<'i>> {
        if self.is_between() { whole_message::<R>(input, limits) } else { None }
    }

    /// The long way.
    #[inline(never)]
    pub(crate) fn decode_any<'i>(
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
            self.key = mask::turn(self.key, here);
        }
        self.left = Count::new(left - here as u64);
        let last = message.has(MessageState::FIN) && self.left.get() == 0;
        if last {
            self.message = MessageState(0);
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
    #[inline(always)]
    fn decode<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Step<'i>, Violation> {
        Ok(self.inbound.decode(input, self.limits)?.map_or(Step::NeedInput, Step::Event))
    }
}

/// A message that came whole, in one frame, to a half that [is between](Inbound::is_between) messages.
#[inline(always)]
pub(crate) fn whole_message<'i, R: Role>(input: &mut &'i mut [u8], limits: &Limits) -> Option<Chunk<'i>> {
    let (kind, head, taken) = frame::parse_whole(input, !R::IS_CLIENT)?;
    if head.length > limits.frame.min(limits.message) || limits.fragments == 0 {
        return None;
    }
    let end = usize::try_from(head.length).ok()?.checked_add(taken)?;
    let payload = input.get_mut(taken..end)?;
    let key = head.key.unwrap_or_default();
    if !R::IS_CLIENT {
        mask::mask(key, 0, payload);
    }
    if kind == Kind::Text && !utf8::is_valid(payload) {
        // The long way finds the fault. Masking twice is nothing.
        if !R::IS_CLIENT {
            mask::mask(key, 0, payload);
        }
        return None;
    }
    let payload = split(input, end).get_mut(taken..)?;
    Some(Chunk { kind, payload, first: true, last: true, compressed: false })
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
mod tests;
