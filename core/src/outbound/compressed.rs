//! Compressed messages to octets (RFC 7692 6.1): the heads that mark them, around what a lent codec writes.
//!
//! It holds nothing of a codec. What a frame's payload comes to is known only when it is compressed, so it is
//! compressed behind a place that is kept for the head.

use super::{Masker, Open, Outbound, first_opcode};
use crate::deflate::{Compress, Flush, Status};
use crate::error::SendError;
use crate::frame::{HEAD_MAX, Head, OpCode};
use crate::mask;
use crate::message::{Kind, Message};
use crate::output::Output;
use crate::role::Role;

/// The least room that a frame of a compressed message is begun with: a head and some payload.
const FRAGMENT_ROOM: usize = HEAD_MAX + 16;

impl<R: Role> Outbound<R> {
    /// Writes a whole message as one frame, compressed if that makes it smaller, else as
    /// [`encode`](Self::encode) does. Returns whether it went compressed. RFC 7692 6.1.
    ///
    /// Whether compressing is worth the time is for the caller to decide, such as by an
    /// [`Effort`](crate::deflate::Effort). The message is compressed straight into the output. With room for the
    /// message uncompressed and 14 octets nothing is ever compressed in vain.
    ///
    /// # Errors
    /// As [`may_begin`](Self::may_begin), [`SendError::CompressionNotAgreed`] if the terms of `codec` are not
    /// within those agreed, or [`SendError::NeedsSpace`]. Nothing is written then, and the codec has taken the
    /// message back.
    pub fn encode_compressed<'a, C: Compress + ?Sized>(
        &mut self,
        message: impl Into<Message<'a>>,
        codec: &mut C,
        out: &mut Output<'_>,
    ) -> Result<bool, SendError> {
        let message = message.into();
        self.frame_compressed(message.kind(), message.octets(), codec, out)
    }

    /// The same for a message that was taken apart: that text is UTF-8 is for the caller to see to.
    ///
    /// # Errors
    /// As [`encode_compressed`](Self::encode_compressed).
    pub fn frame_compressed<C: Compress + ?Sized>(
        &mut self,
        kind: Kind,
        payload: &[u8],
        codec: &mut C,
        out: &mut Output<'_>,
    ) -> Result<bool, SendError> {
        self.may_begin()?;
        self.may_compress(codec)?;
        let mut head = Head {
            fin: true,
            rsv1: true,
            opcode: first_opcode(kind),
            key: None,
            length: payload.len().saturating_sub(1) as u64,
        };
        let kept = head.encoded_len() + Self::KEY_LEN;
        let room = out.spare().get_mut(kept..).unwrap_or_default();
        match codec.message(payload, room) {
            Some(length) => {
                head.length = length as u64;
                self.put_head(head, kept, out)?;
                Ok(true)
            }
            None => self.fragment(kind, payload, true, out).map(|()| false),
        }
    }

    /// Writes one frame of a compressed message: compresses `payload`, takes what has gone in off its front, and
    /// returns whether all of it has. If not, the output is full: send what it holds and call again with the
    /// rest. RFC 7692 6.1.
    ///
    /// With [`Flush::No`] the codec may hold octets back, and then perhaps no frame is written. [`Flush::Sync`]
    /// writes what lets the peer have all of it now; [`Flush::Last`] ends the message. Control frames may be
    /// written between the calls, and nothing else may use the codec until the message has ended.
    ///
    /// # Errors
    /// [`SendError::Closed`], [`SendError::MessageOpen`] if a message of the other kind or one that is not
    /// compressed is open, [`SendError::CompressionNotAgreed`], or [`SendError::NeedsSpace`] with less than some
    /// 30 octets of room. Nothing is written then, and nothing has gone into the codec.
    pub fn fragment_compressed<C: Compress + ?Sized>(
        &mut self,
        kind: Kind,
        payload: &mut &[u8],
        flush: Flush,
        codec: &mut C,
        out: &mut Output<'_>,
    ) -> Result<bool, SendError> {
        let (opcode, rsv1) = self.next_compressed(kind)?;
        self.may_compress(codec)?;
        if out.room() < FRAGMENT_ROOM {
            return Err(SendError::NeedsSpace(FRAGMENT_ROOM));
        }
        let mut head = Head { fin: false, rsv1, opcode, key: None, length: out.room() as u64 };
        let kept = head.encoded_len() + Self::KEY_LEN;
        let room = out.spare().get_mut(kept..).unwrap_or_default();
        let coded = codec.compress(payload, room, flush);
        *payload = payload.get(coded.consumed..).unwrap_or_default();
        head.fin = coded.status == Status::End;
        head.length = coded.produced as u64;
        if coded.produced > 0 || head.fin {
            self.put_head(head, kept, out)?;
            self.open = if head.fin { Open::NOTHING } else { Open::new(Open::COMPRESSED, kind) };
        } else if rsv1 {
            self.open = Open::new(Open::HELD, kind);
        }
        Ok(coded.status != Status::NeedOutput)
    }

    /// Writes only the head of a frame whose `length` payload octets are already compressed: see
    /// [`head`](Self::head). The payload of a whole message must have been made on the terms agreed; frames of
    /// one message carry what the codec wrote, cut anywhere. RFC 7692 6.1.
    ///
    /// # Errors
    /// As [`head`](Self::head), or [`SendError::CompressionNotAgreed`]. Nothing is written then.
    pub fn head_compressed(
        &mut self,
        kind: Kind,
        length: u64,
        fin: bool,
        out: &mut Output<'_>,
    ) -> Result<Masker, SendError> {
        let (opcode, rsv1) = self.next_compressed(kind)?;
        if self.compression.is_none() {
            return Err(SendError::CompressionNotAgreed);
        }
        let masker = self.only_head(Head { fin, rsv1, opcode, key: None, length }, out)?;
        self.open = if fin { Open::NOTHING } else { Open::new(Open::COMPRESSED, kind) };
        Ok(masker)
    }

    /// The opcode of the next frame of a compressed message, and whether RSV1 is set on it.
    fn next_compressed(&self, kind: Kind) -> Result<(OpCode, bool), SendError> {
        if self.closed {
            return Err(SendError::Closed);
        }
        match self.open.stage(kind) {
            // RFC 7692 6: RSV1 marks the first frame of a message and no other
            _ if self.open == Open::NOTHING => Ok((first_opcode(kind), true)),
            Open::HELD => Ok((first_opcode(kind), true)),
            Open::COMPRESSED => Ok((OpCode::Continuation, false)),
            _ => Err(SendError::MessageOpen),
        }
    }

    /// RFC 7692 6.1: only on the terms that were agreed on.
    fn may_compress<C: Compress + ?Sized>(&self, codec: &C) -> Result<(), SendError> {
        match self.compression {
            Some(agreed) if codec.terms().fits(agreed) => Ok(()),
            _ => Err(SendError::CompressionNotAgreed),
        }
    }

    /// Writes the head in front of a payload that lies behind `kept` octets of room, and masks the payload.
    fn put_head(&mut self, mut head: Head, kept: usize, out: &mut Output<'_>) -> Result<(), SendError> {
        let length = head.length as usize;
        let room = out.spare();
        let front = head.encoded_len() + Self::KEY_LEN;
        // RFC 6455 5.2: the length is written in the fewest octets, so a shorter head moves the payload
        let by = kept.saturating_sub(front);
        if let Some(both) = room.get_mut(front..kept.saturating_add(length))
            && by > 0
            && by <= both.len()
        {
            both.copy_within(by.., 0);
        }
        let memory = out.take(front.saturating_add(length))?;
        head.key = self.role.mask_key();
        head.write(memory)?;
        if let Some(key) = head.key {
            mask::mask(key, 0, memory.get_mut(front..).unwrap_or_default());
        }
        Ok(())
    }
}
