//! What a receiver is given: messages, or pieces of those that are larger than the storage.

use tightwire::{Kind, Message};

/// What arrived, lent until the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A whole message.
    Message(Message<'a>),
    /// A piece of a message that is larger than the receive storage, as large as the storage and the rest of its frame
    /// allow. The other pieces follow in order, and no other message between them.
    Chunk(Chunk<'a>),
}

impl<'a> Received<'a> {
    /// Whether this is text or binary.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Message(message) => message.kind(),
            Self::Chunk(chunk) => chunk.kind,
        }
    }

    /// The octets, of a message or of a piece.
    pub const fn octets(&self) -> &'a [u8] {
        match self {
            Self::Message(message) => message.octets(),
            Self::Chunk(chunk) => chunk.octets,
        }
    }

    /// Whether a message ends here: so does every whole one.
    pub const fn is_last(&self) -> bool {
        match self {
            Self::Message(_) => true,
            Self::Chunk(chunk) => chunk.last,
        }
    }
}

/// A piece of a message. Its text is validated, but may end inside a code point; all pieces together are valid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Text or binary, the same for all pieces of a message.
    pub kind: Kind,
    /// The octets. They may be empty.
    pub octets: &'a [u8],
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
    /// Whether the octets are compressed, so that they are not validated yet: only if compression was agreed on, and
    /// only from `recv`; `recv_inflated` gives none.
    pub compressed: bool,
}
