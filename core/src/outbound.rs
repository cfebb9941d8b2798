//! Messages to octets: the sending half of a connection.
//!
//! It knows the order of frames, whether a Close frame has been sent and what compression was agreed on. It holds
//! no octets: each call appends whole frames to the output that the caller lends, or changes nothing.

mod compressed;
mod masker;

use crate::close::{self, CloseCode, CloseFrame};
use crate::deflate::Terms;
use crate::error::{SendError, Violation};
use crate::event::Event;
use crate::frame::{CONTROL_PAYLOAD_MAX, Head, OpCode};
use crate::mask;
use crate::message::{Kind, Message};
use crate::output::{Output, copy};
use crate::prepared::Prepared;
use crate::role::{Role, Server};
pub use masker::Masker;

/// The sending half. On a server three octets.
///
/// It cannot be copied: a copy could send after Close, and a client's would use its mask keys again.
#[derive(Debug)]
pub struct Outbound<R> {
    role: R,
    /// The message whose last frame has not been sent.
    open: Open,
    closed: bool,
    /// What was agreed for the compressed messages that are sent.
    compression: Option<Terms>,
}

/// The message that has begun and not ended, if there is one, in one octet of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open(u8);

impl Open {
    const NOTHING: Self = Self(0);
    const PLAIN: u8 = 1;
    const COMPRESSED: u8 = 2;
    /// The codec has taken in the beginning of a compressed message, and no frame has been written.
    const HELD: u8 = 4;
    const TEXT: u8 = 8;

    const fn new(stage: u8, kind: Kind) -> Self {
        Self(stage | if matches!(kind, Kind::Text) { Self::TEXT } else { 0 })
    }

    /// How far the message has come, if it is of this kind.
    const fn stage(self, kind: Kind) -> u8 {
        if (self.0 & Self::TEXT != 0) == matches!(kind, Kind::Text) { self.0 & !Self::TEXT } else { 0 }
    }

    const fn kind(self) -> Option<Kind> {
        match self {
            Self::NOTHING => None,
            Self(bits) if bits & Self::TEXT != 0 => Some(Kind::Text),
            _ => Some(Kind::Binary),
        }
    }
}

impl<R: Role> Outbound<R> {
    /// The sending half of a connection whose opening handshake is done.
    pub const fn new(role: R) -> Self {
        Self::between(role, false, None)
    }

    /// The same half with compression agreed on, so that messages may be sent compressed (RFC 7692 6).
    ///
    /// `terms` are those of the messages sent ([`Agreement::sent_by`](crate::deflate::Agreement::sent_by)). A
    /// sender that was allowed takeover and does not use it may leave it out of them.
    #[must_use]
    pub fn with_compression(self, terms: Terms) -> Self {
        Self { compression: Some(terms), ..self }
    }

    /// A half between two messages.
    pub(crate) const fn between(role: R, closed: bool, compression: Option<Terms>) -> Self {
        Self { role, open: Open::NOTHING, closed, compression }
    }

    /// Whether no message is unfinished.
    pub(crate) const fn is_between(&self) -> bool {
        matches!(self.open, Open::NOTHING)
    }

    /// The role, with its source of keys.
    pub(crate) fn into_role(self) -> R {
        self.role
    }

    /// The terms of the messages that may be sent compressed, if compression was agreed on.
    pub const fn compression(&self) -> Option<Terms> {
        self.compression
    }

    /// Whether a Close frame has been written. Nothing can follow it (RFC 6455 5.5.1).
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// The kind of the message in fragments that is not finished, if there is one.
    pub const fn open_message(&self) -> Option<Kind> {
        self.open.kind()
    }

    /// Whether a new message may begin.
    ///
    /// # Errors
    /// [`SendError::Closed`], or [`SendError::MessageOpen`] inside a message in fragments.
    pub const fn may_begin(&self) -> Result<(), SendError> {
        if self.closed {
            Err(SendError::Closed)
        } else if !matches!(self.open, Open::NOTHING) {
            // RFC 6455 5.4: the fragments of one message are not interleaved with those of another
            Err(SendError::MessageOpen)
        } else {
            Ok(())
        }
    }

    /// Writes a whole message as one frame. RFC 6455 5.6.
    ///
    /// # Errors
    /// As [`may_begin`](Self::may_begin), or [`SendError::NeedsSpace`]. Nothing is written then.
    #[inline]
    pub fn encode<'a>(
        &mut self,
        message: impl Into<Message<'a>>,
        out: &mut Output<'_>,
    ) -> Result<(), SendError> {
        self.may_begin()?;
        let message = message.into();
        self.fragment(message.kind(), message.octets(), true, out)
    }

    /// Writes one frame of a message: the first one begins it, the one with `fin` ends it. RFC 6455 5.4.
    ///
    /// Control frames may be written between fragments. Text may be cut anywhere, also inside a code point;
    /// that all of it together is UTF-8 is for the caller to see to.
    ///
    /// # Errors
    /// [`SendError::Closed`], [`SendError::MessageOpen`] if a message of the other kind or a compressed one is open, or
    /// [`SendError::NeedsSpace`]. Nothing is written then.
    #[inline]
    pub fn fragment(
        &mut self,
        kind: Kind,
        payload: &[u8],
        fin: bool,
        out: &mut Output<'_>,
    ) -> Result<(), SendError> {
        let opcode = self.next_opcode(kind)?;
        self.frame(opcode, payload, fin, out)?;
        self.open = if fin { Open::NOTHING } else { Open::new(Open::PLAIN, kind) };
        Ok(())
    }

    /// Writes a message in frames of at most `size` payload octets, as many of them as the output has room
    /// for, and takes what was written off the front of `payload`. Returns whether the message is finished:
    /// if not, send what the output holds and call again with the rest. A `size` of 0 counts as 1.
    ///
    /// # Errors
    /// As [`fragment`](Self::fragment); [`SendError::NeedsSpace`] only if not one frame could be written.
    pub fn fragments(
        &mut self,
        kind: Kind,
        payload: &mut &[u8],
        size: usize,
        out: &mut Output<'_>,
    ) -> Result<bool, SendError> {
        let size = size.max(1);
        let mut progress = false;
        loop {
            let (front, rest) = payload.split_at_checked(size).unwrap_or((payload, &[]));
            match self.fragment(kind, front, rest.is_empty(), out) {
                Ok(()) => *payload = rest,
                Err(SendError::NeedsSpace(_)) if progress => return Ok(false),
                Err(error) => return Err(error),
            }
            if rest.is_empty() {
                return Ok(true);
            }
            progress = true;
        }
    }

    /// Writes only the head of a frame with `length` payload octets: for payloads that are sent from where
    /// they lie, head and payload in one vectored write. At most 14 octets.
    ///
    /// Before anything else of this connection is sent, exactly `length` octets must follow, each of them
    /// through the [`Masker`] (which does nothing on a server).
    ///
    /// # Errors
    /// As [`fragment`](Self::fragment), or [`SendError::LengthTooLarge`]. Nothing is written then.
    pub fn head(
        &mut self,
        kind: Kind,
        length: u64,
        fin: bool,
        out: &mut Output<'_>,
    ) -> Result<Masker, SendError> {
        let opcode = self.next_opcode(kind)?;
        let masker = self.only_head(Head { fin, rsv1: false, opcode, key: None, length }, out)?;
        self.open = if fin { Open::NOTHING } else { Open::new(Open::PLAIN, kind) };
        Ok(masker)
    }

    /// Writes a Ping. RFC 6455 5.5.2.
    ///
    /// # Errors
    /// [`SendError::ControlTooLong`] over 125 octets, [`SendError::Closed`] or [`SendError::NeedsSpace`].
    pub fn ping(&mut self, payload: &[u8], out: &mut Output<'_>) -> Result<(), SendError> {
        self.control(OpCode::Ping, payload, out)
    }

    /// Writes a Pong: the answer to a Ping, with its payload, or unasked. RFC 6455 5.5.3.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8], out: &mut Output<'_>) -> Result<(), SendError> {
        self.control(OpCode::Pong, payload, out)
    }

    /// Writes a Close frame, with a code and reason or empty. Nothing can be sent after it. RFC 6455 5.5.1.
    ///
    /// # Errors
    /// [`SendError::InvalidCloseCode`], [`SendError::ControlTooLong`] for a reason over 123 octets,
    /// [`SendError::Closed`] or [`SendError::NeedsSpace`].
    pub fn close(&mut self, frame: Option<CloseFrame<'_>>, out: &mut Output<'_>) -> Result<(), SendError> {
        let mut payload = [0; CONTROL_PAYLOAD_MAX];
        let mut length = 0;
        if let Some(frame) = frame {
            close::check(frame)?;
            let reason = frame.reason.as_bytes();
            for (to, from) in payload.iter_mut().zip(frame.code.number().to_be_bytes().iter().chain(reason)) {
                *to = *from;
            }
            length = 2 + reason.len();
        }
        self.control(OpCode::Close, payload.get(..length).unwrap_or_default(), out)?;
        self.closed = true;
        Ok(())
    }

    /// Writes what an event wants answered: a Pong with the payload of a Ping (RFC 6455 5.5.2), a Close frame
    /// with the code of the peer's (5.5.1). After a Close frame of our own there is nothing to answer.
    ///
    /// # Errors
    /// [`SendError::NeedsSpace`]: see [`reply_room`](crate::Inbound::reply_room) for how to rule it out.
    #[inline]
    pub fn reply(&mut self, event: &Event<'_>, out: &mut Output<'_>) -> Result<(), SendError> {
        if self.closed {
            return Ok(());
        }
        match event {
            Event::Data(_) | Event::Pong(_) => Ok(()),
            Event::Ping(payload) => self.pong(payload, out),
            Event::Close(frame) => {
                self.close(frame.map(|frame| CloseFrame { code: frame.code, reason: "" }), out)
            }
        }
    }

    /// Writes the Close frame that a violation demands (RFC 6455 7.1.7), unless one has been sent.
    ///
    /// # Errors
    /// [`SendError::NeedsSpace`].
    pub fn fail(&mut self, violation: Violation, out: &mut Output<'_>) -> Result<(), SendError> {
        self.close_with(violation.close_code(), out)
    }

    /// Writes a Close frame with this code and no reason, unless one has been sent.
    ///
    /// # Errors
    /// [`SendError::InvalidCloseCode`] or [`SendError::NeedsSpace`].
    pub fn close_with(&mut self, code: CloseCode, out: &mut Output<'_>) -> Result<(), SendError> {
        if self.closed {
            return Ok(());
        }
        self.close(Some(CloseFrame { code, reason: "" }), out)
    }

    /// What a head is longer by on a client.
    pub(crate) const KEY_LEN: usize = if R::IS_CLIENT { 4 } else { 0 };

    fn next_opcode(&self, kind: Kind) -> Result<OpCode, SendError> {
        if self.closed {
            return Err(SendError::Closed);
        }
        match self.open.stage(kind) {
            _ if self.open == Open::NOTHING => Ok(first_opcode(kind)),
            Open::PLAIN => Ok(OpCode::Continuation),
            _ => Err(SendError::MessageOpen),
        }
    }

    /// Writes a head whose payload the caller sends.
    fn only_head(&mut self, mut head: Head, out: &mut Output<'_>) -> Result<Masker, SendError> {
        // RFC 6455 5.2: the most significant bit of a length must be 0
        if head.length >> 63 != 0 {
            return Err(SendError::LengthTooLarge);
        }
        let memory = out.take(head.encoded_len() + Self::KEY_LEN)?;
        head.key = self.role.mask_key();
        head.write(memory)?;
        Ok(Masker { key: head.key, offset: 0 })
    }

    fn control(&mut self, opcode: OpCode, payload: &[u8], out: &mut Output<'_>) -> Result<(), SendError> {
        if self.closed {
            return Err(SendError::Closed);
        }
        // RFC 6455 5.5: control frames carry at most 125 octets
        if payload.len() > CONTROL_PAYLOAD_MAX {
            return Err(SendError::ControlTooLong);
        }
        self.frame(opcode, payload, true, out)
    }

    #[inline]
    fn frame(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        fin: bool,
        out: &mut Output<'_>,
    ) -> Result<(), SendError> {
        write_frame(&mut self.role, opcode, payload, fin, out)
    }
}

impl Outbound<Server> {
    /// Writes a message that was prepared once for many connections. Only a server can: a client needs a
    /// fresh mask key for each frame (RFC 6455 5.3).
    ///
    /// # Errors
    /// As [`may_begin`](Self::may_begin), or [`SendError::NeedsSpace`]; for a compressed one also
    /// [`SendError::CompressionNotAgreed`], if there was no agreement, or on a smaller window, or on context
    /// takeover: the codec that sends this connection's messages would not know what its peer has seen. Nothing
    /// is written then.
    pub fn prepared<B: AsRef<[u8]>>(
        &mut self,
        message: &Prepared<B>,
        out: &mut Output<'_>,
    ) -> Result<(), SendError> {
        self.may_begin()?;
        // RFC 7692 7.1.2: nothing refers back farther than the window that was agreed on
        let readable =
            |terms: Terms| self.compression.is_some_and(|agreed| !agreed.takeover() && terms.fits(agreed));
        if !message.compression().is_none_or(readable) {
            return Err(SendError::CompressionNotAgreed);
        }
        let frame = message.frame();
        copy(frame, out.take(frame.len())?);
        Ok(())
    }
}

/// Writes a whole message as one frame, from a half that [is between](Outbound::is_between) messages and not closed.
#[inline]
pub(crate) fn whole_message<R: Role>(
    role: &mut R,
    message: Message<'_>,
    out: &mut Output<'_>,
) -> Result<(), SendError> {
    write_frame(role, first_opcode(message.kind()), message.octets(), true, out)
}

#[inline]
fn write_frame<R: Role>(
    role: &mut R,
    opcode: OpCode,
    payload: &[u8],
    fin: bool,
    out: &mut Output<'_>,
) -> Result<(), SendError> {
    let mut head = Head { fin, rsv1: false, opcode, key: None, length: payload.len() as u64 };
    let length = (head.encoded_len() + Outbound::<R>::KEY_LEN).saturating_add(payload.len());
    let memory = out.take(length)?;
    // The key is drawn only once nothing can fail: a key is never used twice, nor is one wasted.
    head.key = role.mask_key();
    let taken = head.write(memory)?;
    let memory = memory.get_mut(taken..).unwrap_or_default();
    match head.key {
        Some(key) => mask::mask_copy(key, 0, payload, memory),
        None => copy(payload, memory),
    };
    Ok(())
}

/// RFC 6455 5.4: what the first frame of a message is.
const fn first_opcode(kind: Kind) -> OpCode {
    match kind {
        Kind::Text => OpCode::Text,
        Kind::Binary => OpCode::Binary,
    }
}

#[cfg(test)]
mod tests;
