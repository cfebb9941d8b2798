//! Messages to octets: the sending half of a connection.
//!
//! It knows the order of frames and whether a Close frame has been sent. It holds no octets: each call
//! appends whole frames to the output that the caller lends, or changes nothing.

use crate::close::{self, CloseCode, CloseFrame};
use crate::error::{SendError, Violation};
use crate::event::Event;
use crate::frame::{CONTROL_PAYLOAD_MAX, Head, OpCode};
use crate::mask;
use crate::message::{Kind, Message};
use crate::output::{Output, copy};
use crate::prepared::Prepared;
use crate::role::{Role, Server};

/// The sending half. On a server two octets.
///
/// It cannot be copied: a copy could send after Close, and a client's would use its mask keys again.
#[derive(Debug)]
pub struct Outbound<R> {
    role: R,
    /// The message whose last frame has not been sent.
    open: Option<Kind>,
    closed: bool,
}

impl<R: Role> Outbound<R> {
    /// The sending half of a connection whose opening handshake is done.
    pub const fn new(role: R) -> Self {
        Self { role, open: None, closed: false }
    }

    /// Whether a Close frame has been written. Nothing can follow it (RFC 6455 5.5.1).
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// The kind of the message in fragments that is not finished, if there is one.
    pub const fn open_message(&self) -> Option<Kind> {
        self.open
    }

    /// Whether a new message may begin.
    ///
    /// # Errors
    /// [`SendError::Closed`], or [`SendError::MessageOpen`] inside a message in fragments.
    pub const fn may_begin(&self) -> Result<(), SendError> {
        if self.closed {
            Err(SendError::Closed)
        } else if self.open.is_some() {
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
    /// [`SendError::Closed`], [`SendError::MessageOpen`] if a message of the other kind is open, or
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
        self.open = if fin { None } else { Some(kind) };
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
        // RFC 6455 5.2: the most significant bit of a length must be 0
        if length >> 63 != 0 {
            return Err(SendError::LengthTooLarge);
        }
        let mut head = Head { fin, rsv1: false, opcode, key: None, length };
        let memory = out.take(head.encoded_len() + Self::KEY_LEN)?;
        head.key = self.role.mask_key();
        head.write(memory)?;
        self.open = if fin { None } else { Some(kind) };
        Ok(Masker { key: head.key, offset: 0 })
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
        match self.open {
            None if kind == Kind::Text => Ok(OpCode::Text),
            None => Ok(OpCode::Binary),
            Some(open) if open == kind => Ok(OpCode::Continuation),
            Some(_) => Err(SendError::MessageOpen),
        }
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
        let mut head = Head { fin, rsv1: false, opcode, key: None, length: payload.len() as u64 };
        let length = (head.encoded_len() + Self::KEY_LEN).saturating_add(payload.len());
        let memory = out.take(length)?;
        // The key is drawn only once nothing can fail: a key is never used twice, nor is one wasted.
        head.key = self.role.mask_key();
        let taken = head.write(memory)?;
        let memory = memory.get_mut(taken..).unwrap_or_default();
        match head.key {
            Some(key) => mask::mask_copy(key, 0, payload, memory),
            None => copy(payload, memory),
        };
        Ok(())
    }
}

impl Outbound<Server> {
    /// Writes a message that was prepared once for many connections. Only a server can: a client needs a
    /// fresh mask key for each frame (RFC 6455 5.3).
    ///
    /// # Errors
    /// As [`may_begin`](Self::may_begin), or [`SendError::NeedsSpace`]. Nothing is written then.
    pub fn prepared<B: AsRef<[u8]>>(
        &mut self,
        message: &Prepared<B>,
        out: &mut Output<'_>,
    ) -> Result<(), SendError> {
        self.may_begin()?;
        let frame = message.frame();
        copy(frame, out.take(frame.len())?);
        Ok(())
    }
}

/// Masks the payload of one frame whose head was written by [`Outbound::head`], in any pieces, in order.
/// On a server it leaves the octets as they are.
#[must_use = "the payload must go through it"]
pub struct Masker {
    key: Option<[u8; 4]>,
    offset: u8,
}

impl Masker {
    /// Whether octets must be changed at all. If not, they can be sent from where they lie.
    pub const fn is_needed(&self) -> bool {
        self.key.is_some()
    }

    /// Masks the next octets of the payload in place.
    pub fn mask(&mut self, octets: &mut [u8]) {
        if let Some(key) = self.key {
            mask::mask(key, usize::from(self.offset), octets);
            self.advance(octets.len());
        }
    }

    /// Copies the next octets of the payload to `to`, masked, and returns how many: the length of the shorter.
    pub fn copy(&mut self, from: &[u8], to: &mut [u8]) -> usize {
        let copied = mask::mask_copy(self.key.unwrap_or([0; 4]), usize::from(self.offset), from, to);
        self.advance(copied);
        copied
    }

    /// Appends the next octets of the payload to `out`, masked, as many as there is room for, and returns how
    /// many.
    pub fn append(&mut self, from: &[u8], out: &mut Output<'_>) -> usize {
        let copied = from.len().min(out.room());
        out.take(copied).map_or(0, |to| self.copy(from, to))
    }

    fn advance(&mut self, octets: usize) {
        self.offset = ((usize::from(self.offset) + (octets & 3)) & 3) as u8;
    }
}

impl core::fmt::Debug for Masker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Not the mask key.
        f.debug_struct("Masker").field("is_needed", &self.is_needed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Client;
    use std::vec::Vec;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    fn server() -> Outbound<Server> {
        Outbound::new(Server)
    }

    /// What `write` appends to 256 octets of output, and what it gave.
    fn written<R: Role, T>(
        outbound: &mut Outbound<R>,
        write: impl FnOnce(&mut Outbound<R>, &mut Output<'_>) -> T,
    ) -> (T, Vec<u8>) {
        let mut memory = [0; 256];
        let mut out = Output::new(&mut memory);
        let result = write(outbound, &mut out);
        (result, out.written().to_vec())
    }

    #[test]
    fn a_server_half_is_two_octets() {
        assert_eq!(size_of::<Outbound<Server>>(), 2);
    }

    // RFC 6455 5.7: the examples
    #[test]
    fn the_examples_of_the_rfc() {
        let hello = |half: &mut Outbound<Server>, out: &mut Output<'_>| half.encode("Hello", out);
        assert_eq!(written(&mut server(), hello), (Ok(()), b"\x81\x05Hello".to_vec()));
        let mut client = Outbound::new(Client::new(|| KEY));
        let (_, wire) = written(&mut client, |half, out| half.encode("Hello", out));
        assert_eq!(wire, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        let (_, wire) = written(&mut server(), |half, out| {
            half.fragment(Kind::Text, b"Hel", false, out).unwrap();
            half.fragment(Kind::Text, b"lo", true, out).unwrap();
            half.ping(b"Hello", out).unwrap();
        });
        assert_eq!(wire, b"\x01\x03Hel\x80\x02lo\x89\x05Hello");
        let (_, wire) = written(&mut client, |half, out| half.pong(b"Hello", out));
        assert_eq!(wire, [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    // RFC 6455 5.3: a fresh key for each frame, and none drawn for a frame that is not written
    #[test]
    fn each_frame_takes_one_key() {
        let mut drawn = 0u8;
        let mut client = Outbound::new(Client::new(|| {
            drawn += 1;
            [drawn; 4]
        }));
        let mut memory = [0; 64];
        let mut out = Output::new(&mut memory);
        assert_eq!(client.encode("ab", &mut Output::new(&mut [0; 7])), Err(SendError::NeedsSpace(8)));
        assert_eq!(client.ping(&[0; 126], &mut out), Err(SendError::ControlTooLong));
        client.encode("ab", &mut out).unwrap();
        client.ping(b"", &mut out).unwrap();
        assert!(client.head(Kind::Binary, 3, true, &mut out).unwrap().is_needed());
        client.close(None, &mut out).unwrap();
        assert_eq!(client.pong(b"", &mut out), Err(SendError::Closed));
        let keys = [&out.written()[2..6], &out.written()[10..14], &out.written()[16..20]];
        assert_eq!(keys, [&[1; 4], &[2; 4], &[3; 4]]);
        assert_eq!(drawn, 4);
    }

    // Law 5: whole frames, all or nothing, and NeedsSpace names what is enough
    #[test]
    fn every_shortage_of_room_changes_nothing() {
        type Write = fn(&mut Outbound<Client<fn() -> [u8; 4]>>, &mut Output<'_>) -> Result<(), SendError>;
        let writes: [Write; 6] = [
            |half, out| half.encode(&[7; 126], out),
            |half, out| half.fragment(Kind::Text, b"abc", false, out),
            |half, out| half.head(Kind::Binary, 1 << 40, true, out).map(drop),
            |half, out| half.ping(&[1; 125], out),
            |half, out| half.close(Some(CloseFrame { code: CloseCode::NORMAL, reason: "bye" }), out),
            |half, out| half.fail(Violation::InvalidUtf8, out),
        ];
        for (index, write) in writes.into_iter().enumerate() {
            let client = || Outbound::new(Client::new((|| KEY) as fn() -> [u8; 4]));
            let (result, whole) = written(&mut client(), write);
            assert_eq!(result, Ok(()));
            for room in 0..whole.len() {
                let mut half = client();
                let mut memory = std::vec![0xEE; room];
                let mut out = Output::new(&mut memory);
                assert_eq!(write(&mut half, &mut out), Err(SendError::NeedsSpace(whole.len())), "{index}");
                assert!(out.is_empty() && memory.iter().all(|&octet| octet == 0xEE));
                assert_eq!((half.is_closed(), half.open_message()), (false, None));
                assert_eq!(written(&mut half, write), (Ok(()), whole.clone()));
            }
        }
    }

    // RFC 6455 5.4: fragments of one message in order, control frames between them, no other message
    #[test]
    fn fragments_belong_to_one_message() {
        let (_, wire) = written(&mut server(), |half, out| {
            half.fragment(Kind::Text, b"a", false, out).unwrap();
            assert_eq!(half.open_message(), Some(Kind::Text));
            assert_eq!(half.encode("x", out), Err(SendError::MessageOpen));
            assert_eq!(half.fragment(Kind::Binary, b"x", true, out), Err(SendError::MessageOpen));
            assert_eq!(half.head(Kind::Binary, 1, true, out).err(), Some(SendError::MessageOpen));
            half.pong(b"", out).unwrap();
            assert!(!half.head(Kind::Text, 0, false, out).unwrap().is_needed());
            half.fragment(Kind::Text, b"", true, out).unwrap();
            assert_eq!(half.open_message(), None);
            half.fragment(Kind::Binary, b"", true, out).unwrap();
        });
        assert_eq!(wire, b"\x01\x01a\x8a\x00\x00\x00\x80\x00\x82\x00");
    }

    // RFC 6455 5.5.1: nothing is sent after a Close frame
    #[test]
    fn nothing_follows_close() {
        let (_, wire) = written(&mut server(), |half, out| {
            half.fragment(Kind::Text, b"a", false, out).unwrap();
            half.close(None, out).unwrap();
            assert!(half.is_closed());
            assert_eq!(half.fragment(Kind::Text, b"b", true, out), Err(SendError::Closed));
            assert_eq!(half.encode("x", out), Err(SendError::Closed));
            assert_eq!(half.head(Kind::Text, 1, true, out).err(), Some(SendError::Closed));
            assert_eq!(half.ping(b"", out), Err(SendError::Closed));
            assert_eq!(half.pong(b"", out), Err(SendError::Closed));
            assert_eq!(half.close(None, out), Err(SendError::Closed));
            // There is nothing left to answer with.
            assert_eq!(half.reply(&Event::Ping(b""), out), Ok(()));
            assert_eq!(half.reply(&Event::Close(None), out), Ok(()));
            assert_eq!(half.fail(Violation::Masked, out), Ok(()));
            assert_eq!(half.close_with(CloseCode::NORMAL, out), Ok(()));
        });
        assert_eq!(wire, b"\x01\x01a\x88\x00");
    }

    // RFC 6455 5.5, 7.4: 125 octets in a control frame, and only codes that may be sent
    #[test]
    fn what_must_not_be_sent_is_refused() {
        let reason = core::str::from_utf8(&[b'x'; 124]).unwrap();
        let (_, wire) = written(&mut server(), |half, out| {
            assert_eq!(half.ping(&[0; 126], out), Err(SendError::ControlTooLong));
            assert_eq!(half.pong(&[0; 126], out), Err(SendError::ControlTooLong));
            let long = CloseFrame { code: CloseCode::NORMAL, reason };
            assert_eq!(half.close(Some(long), out), Err(SendError::ControlTooLong));
            for number in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
                let frame = CloseFrame { code: CloseCode::new(number), reason: "" };
                assert_eq!(half.close(Some(frame), out), Err(SendError::InvalidCloseCode));
                assert_eq!(half.close_with(frame.code, out), Err(SendError::InvalidCloseCode));
            }
            // RFC 6455 5.2: the top bit of a length must be 0
            assert_eq!(half.head(Kind::Binary, 1 << 63, true, out).err(), Some(SendError::LengthTooLarge));
            assert!(!half.is_closed());
            assert_eq!(half.open_message(), None);
            half.close(Some(CloseFrame { reason: &reason[1..], ..long }), out).unwrap();
        });
        assert_eq!(wire.len(), 127);
    }

    // RFC 6455 5.5.2, 5.5.3, 5.5.1: a Pong has the payload of its Ping, a Close the code of the peer's
    #[test]
    fn replies_are_what_events_want() {
        let reply = |event: Event<'_>| {
            let mut half = server();
            let (result, wire) = written(&mut half, |half, out| half.reply(&event, out));
            assert_eq!(result, Ok(()));
            (wire, half.is_closed())
        };
        assert_eq!(reply(Event::Ping(b"abc")), (b"\x8a\x03abc".to_vec(), false));
        assert_eq!(reply(Event::Pong(b"abc")), (Vec::new(), false));
        assert_eq!(reply(Event::Close(None)), (b"\x88\x00".to_vec(), true));
        let frame = CloseFrame { code: CloseCode::new(3001), reason: "because" };
        assert_eq!(reply(Event::Close(Some(frame))), (b"\x88\x02\x0b\xb9".to_vec(), true));
    }

    // RFC 6455 5.4: the sender picks the size of its fragments
    #[test]
    fn a_message_goes_out_in_fragments_of_any_size() {
        for size in 0..=12 {
            for room in [size.max(1) + 2, 20, 64] {
                let (mut half, mut payload, mut wire) = (server(), &b"0123456789"[..], Vec::new());
                loop {
                    let mut memory = std::vec![0; room];
                    let mut out = Output::new(&mut memory);
                    let finished = half.fragments(Kind::Binary, &mut payload, size, &mut out).unwrap();
                    wire.extend_from_slice(out.written());
                    assert_eq!(half.open_message().is_none(), finished);
                    if finished {
                        break;
                    }
                }
                let mut expected = Vec::new();
                let chunks: Vec<_> = b"0123456789".chunks(size.max(1)).collect();
                for (index, chunk) in chunks.iter().enumerate() {
                    let fin = if index + 1 == chunks.len() { 0x80 } else { 0 };
                    expected.push(fin | if index == 0 { 2 } else { 0 });
                    expected.push(chunk.len() as u8);
                    expected.extend_from_slice(chunk);
                }
                assert_eq!(wire, expected, "size {size} room {room}");
                assert!(payload.is_empty());
            }
        }
        let (result, wire) =
            written(&mut server(), |half, out| half.fragments(Kind::Text, &mut &[][..], 4, out));
        assert_eq!((result, &wire[..]), (Ok(true), &b"\x81\x00"[..]));
        let mut payload = &b"abcd"[..];
        let mut half = server();
        let result = half.fragments(Kind::Text, &mut payload, 4, &mut Output::new(&mut [0; 5]));
        assert_eq!(
            (result, payload, half.open_message()),
            (Err(SendError::NeedsSpace(6)), &b"abcd"[..], None)
        );
    }

    // RFC 6455 5.3: a payload sent from where it lies is masked as one, however it is cut
    #[test]
    fn a_masker_goes_on_where_it_stopped() {
        let payload: Vec<u8> = (0..40).collect();
        let expected: Vec<u8> =
            payload.iter().zip(KEY.iter().cycle()).map(|(octet, key)| octet ^ key).collect();
        for cut in 0..=payload.len() {
            for copy in [false, true] {
                let mut memory = [0; 16];
                let mut client = Outbound::new(Client::new(|| KEY));
                let mut masker = client.head(Kind::Binary, 40, true, &mut Output::new(&mut memory)).unwrap();
                assert_eq!(memory[..6], [0x82, 0x80 | 40, 0x37, 0xfa, 0x21, 0x3d]);
                assert!(!std::format!("{masker:?}").contains("55"), "the key is not printed");
                let mut masked = payload.clone();
                let (front, back) = masked.split_at_mut(cut);
                if copy {
                    assert_eq!(masker.copy(&payload[..cut], front), cut);
                    assert_eq!(masker.copy(&payload[cut..], back), back.len());
                } else {
                    masker.mask(front);
                    masker.mask(back);
                }
                assert_eq!(masked, expected);
            }
        }
        // Appended to an output, as much as there is room for each time
        let mut client = Outbound::new(Client::new(|| KEY));
        let mut masker = client.head(Kind::Binary, 40, true, &mut Output::new(&mut [0; 6])).unwrap();
        let (mut appended, mut rest) = (Vec::new(), &payload[..]);
        while !rest.is_empty() {
            let mut memory = [0; 7];
            let mut out = Output::new(&mut memory);
            rest = &rest[masker.append(rest, &mut out)..];
            assert_eq!(masker.append(rest, &mut out), 0);
            appended.extend_from_slice(out.written());
        }
        assert_eq!(appended, expected);
        let mut octets = [1, 2, 3];
        let mut masker = server().head(Kind::Binary, 3, true, &mut Output::new(&mut [0; 2])).unwrap();
        masker.mask(&mut octets);
        assert_eq!((octets, masker.is_needed()), ([1, 2, 3], false));
        assert_eq!((masker.copy(&[4, 5, 6], &mut octets), octets), (3, [4, 5, 6]));
    }
}
