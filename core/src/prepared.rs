//! A message encoded once, compressed or not, to be sent by a server to many peers.

use crate::deflate::{Compress, Terms};
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
    /// What it takes to inflate it, if it is compressed.
    compression: Option<Terms>,
}

impl<B: AsRef<[u8]>> Prepared<B> {
    /// The whole frame, head and payload.
    pub fn frame(&self) -> &[u8] {
        self.frame.as_ref()
    }

    /// The terms of the compression, which a connection must have agreed on; `None` if it is not compressed.
    pub const fn compression(&self) -> Option<Terms> {
        self.compression
    }

    /// The storage of the frame.
    pub fn into_inner(self) -> B {
        self.frame
    }

    /// The same frame in other storage, such as a shared one.
    pub fn map<C: AsRef<[u8]>>(self, move_frame: impl FnOnce(B) -> C) -> Prepared<C> {
        Prepared { frame: move_frame(self.frame), compression: self.compression }
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
        Ok(Self { frame: memory.get(..length).unwrap_or_default(), compression: None })
    }

    /// Encodes `message` at the front of `memory`, compressed if that makes it smaller: for all connections that
    /// agreed on at least the window of `codec`, without context takeover. It takes the payload and at most 10
    /// octets. RFC 7692 6.1.
    ///
    /// Encode it once for each set of terms among the connections; the smallest window serves them all.
    ///
    /// # Errors
    /// [`SendError::CompressionNotAgreed`] if the messages of `codec` refer to earlier ones, or
    /// [`SendError::NeedsSpace`].
    pub fn compressed<'a, C: Compress + ?Sized>(
        message: impl Into<Message<'a>>,
        codec: &mut C,
        memory: &'b mut [u8],
    ) -> Result<Self, SendError> {
        let terms = codec.terms();
        // RFC 7692 7.1.1: each peer has seen other messages, so it can refer to none of them
        if terms.takeover() {
            return Err(SendError::CompressionNotAgreed);
        }
        let mut out = Output::new(memory);
        let compressed =
            Outbound::new(Server).with_compression(terms).encode_compressed(message, codec, &mut out)?;
        let length = out.len();
        let compression = if compressed { Some(terms) } else { None };
        Ok(Self { frame: memory.get(..length).unwrap_or_default(), compression })
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
