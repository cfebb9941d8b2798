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
