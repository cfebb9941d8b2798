//! A message encoded once, to be sent by a server to many peers.

use crate::error::SendError;
use crate::message::Message;
use crate::outbound::Outbound;
use crate::output::Output;
use crate::role::Server;

/// The frame of a message, encoded once in storage of the caller's (`Vec<u8>`, `Arc<[u8]>`, `Bytes`, a slice).
///
/// Only servers can send it: [`Outbound::prepared`] or, in a vectored or shared write, the octets of
/// [`frame`](Self::frame) after [`Outbound::may_begin`] has agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepared<B> {
    frame: B,
}

impl<B: AsRef<[u8]>> Prepared<B> {
    /// The whole frame, head and payload.
    pub fn frame(&self) -> &[u8] {
        self.frame.as_ref()
    }

    /// The storage of the frame.
    pub fn into_inner(self) -> B {
        self.frame
    }

    /// The same frame in other storage, such as a shared one.
    pub fn map<C: AsRef<[u8]>>(self, move_frame: impl FnOnce(B) -> C) -> Prepared<C> {
        Prepared { frame: move_frame(self.frame) }
    }
}

impl<'b> Prepared<&'b [u8]> {
    /// Encodes `message` at the front of `memory`: the payload and at most 10 octets.
    ///
    /// # Errors
    /// [`SendError::NeedsSpace`].
    pub fn encode<'a>(message: impl Into<Message<'a>>, memory: &'b mut [u8]) -> Result<Self, SendError> {
        let mut out = Output::new(memory);
        Outbound::new(Server).encode(message, &mut out)?;
        let length = out.len();
        Ok(Self { frame: memory.get(..length).unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_prepared_frame_is_the_frame_that_encode_writes() {
        for length in [0, 1, 125, 126, 0xFFFF, 0x1_0000] {
            let payload: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let mut memory = std::vec![0; length + 10];
            let prepared = Prepared::encode(&payload[..], &mut memory).unwrap();
            let mut expected = std::vec![0; length + 10];
            let mut out = Output::new(&mut expected);
            Outbound::new(Server).encode(&payload[..], &mut out).unwrap();
            assert_eq!(prepared.frame(), out.written());
            let shared = prepared.map(Vec::from);
            let mut sent = std::vec![0; length + 10];
            let mut sent = Output::new(&mut sent);
            Outbound::new(Server).prepared(&shared, &mut sent).unwrap();
            assert_eq!(sent.written(), out.written());
            assert_eq!(shared.into_inner(), out.written());
        }
    }

    #[test]
    fn memory_too_short_is_left_alone() {
        let mut memory = [0xEE; 4];
        assert_eq!(Prepared::encode("abc", &mut memory).err(), Some(SendError::NeedsSpace(5)));
        assert_eq!(memory, [0xEE; 4]);
    }

    #[test]
    fn a_prepared_message_keeps_to_the_order_of_frames() {
        let mut memory = [0; 8];
        let prepared = Prepared::encode("abc", &mut memory).unwrap();
        let mut memory = [0; 16];
        let mut out = Output::new(&mut memory);
        let mut outbound = Outbound::new(Server);
        outbound.fragment(crate::Kind::Text, b"x", false, &mut out).unwrap();
        // RFC 6455 5.4: the fragments of one message are not interleaved with those of another
        assert_eq!(outbound.prepared(&prepared, &mut out), Err(SendError::MessageOpen));
        outbound.fragment(crate::Kind::Text, b"", true, &mut out).unwrap();
        outbound.prepared(&prepared, &mut out).unwrap();
        assert_eq!(out.written(), b"\x01\x01x\x80\x00\x81\x03abc");
        outbound.close(None, &mut out).unwrap();
        // RFC 6455 5.5.1: nothing is sent after a Close frame
        assert_eq!(outbound.prepared(&prepared, &mut out), Err(SendError::Closed));
        let mut full = Output::new(&mut []);
        assert_eq!(Outbound::new(Server).prepared(&prepared, &mut full), Err(SendError::NeedsSpace(5)));
    }
}
