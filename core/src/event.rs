//! What decoding gives: events that borrow the input, never the connection.

use crate::close::CloseFrame;
use crate::message::{Kind, Message, Text};

/// One step of decoding.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'i> {
    /// Something arrived. Call again: the input may hold more.
    Event(Event<'i>),
    /// The input holds no further event. What is left of it is an incomplete head or control frame of fewer
    /// than 131 octets: present it again in front of the next octets.
    NeedInput,
    /// A reply needs this many octets of room in the output. Nothing of the frame that asks for it was
    /// consumed: send what the output holds, lend more and call again.
    NeedOutput(usize),
}

/// Something that the peer sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'i> {
    /// Octets of a message.
    Data(Chunk<'i>),
    /// A Ping and its payload of at most 125 octets.
    Ping(&'i [u8]),
    /// A Pong and its payload of at most 125 octets.
    Pong(&'i [u8]),
    /// The peer's Close frame: nothing follows it. `None` if it carried no code.
    Close(Option<CloseFrame<'i>>),
}

/// Octets of a message as they arrived: unmasked, validated and within the limits.
///
/// A frame is as many chunks as it takes reads to arrive, so chunks say nothing about frames. Text in a
/// chunk may end inside a code point; all chunks of a message together are valid UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub struct Chunk<'i> {
    /// Text or binary, the same for all chunks of a message.
    pub kind: Kind,
    /// The octets. They may be empty.
    pub payload: &'i mut [u8],
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
    /// Whether the message is compressed, so that text is not validated yet (RFC 7692 6).
    pub compressed: bool,
}

impl<'i> Chunk<'i> {
    /// The whole message, if this one chunk is all of it and it is not compressed.
    #[inline]
    pub fn into_message(self) -> Option<Message<'i>> {
        if !(self.first && self.last) || self.compressed {
            return None;
        }
        Some(match self.kind {
            Kind::Text => Message::Text(Text::validated(self.payload)),
            Kind::Binary => Message::Binary(self.payload),
        })
    }
}
