//! Compressed messages (RFC 7692) in lent memory: what of a message has been inflated and what has been given.
//!
//! It decides how much is inflated at once. The codec, its memory and its terms are the caller's.

use crate::received::{Chunk, Received};
use crate::receiving::{Machine, Receiving};
use crate::storage::{Memory, Storage};
use tightwire::deflate::{Agreement, Decompress, Inflating, Status};
use tightwire::{Kind, Limits, Message, Progress, Role, Text, Violation};

/// Storage for inflated messages, and how far the current one has come. It belongs to one connection.
///
/// Messages up to its length come whole, larger ones in pieces.
#[derive(Debug)]
pub struct Inflation<S> {
    storage: S,
    filled: usize,
    /// What is in the storage was given to the caller.
    given: bool,
    /// A piece of the message was given.
    begun: bool,
    message: Option<Inflating>,
    /// The chunk that lies in the receive storage: octets of it that were taken, and whether it is the last.
    chunk: Option<(usize, bool)>,
}

impl<S: Memory> Inflation<S> {
    /// Storage of any kind and any length but none.
    pub const fn new(storage: S) -> Self {
        Self { storage, filled: 0, given: false, begun: false, message: None, chunk: None }
    }

    /// Takes note of a compressed chunk that now lies in the receive storage.
    pub(crate) fn begin(&mut self, kind: Kind, first: bool, last: bool) {
        if first {
            (self.message, self.begun, self.filled) = (Some(Inflating::new(kind)), false, 0);
        }
        self.chunk = Some((0, last));
    }

    /// Inflates the chunk in the receive storage: whether there is something to give.
    ///
    /// # Errors
    /// The violation; the connection does not know of it yet.
    pub(crate) fn inflate<D: Decompress + ?Sized>(
        &mut self,
        chunk: &[u8],
        codec: &mut D,
        limits: &Limits,
    ) -> Result<Option<Piece>, Violation> {
        let (Some((taken, last)), Some(message)) = (self.chunk, &mut self.message) else { return Ok(None) };
        if core::mem::take(&mut self.given) {
            self.filled = 0;
        }
        let mut input = chunk.get(taken..).unwrap_or_default();
        let room = self.storage.as_mut().get_mut(self.filled..).unwrap_or_default();
        let inflated = message.inflate(&mut input, last, room, codec, limits);
        let inflated = match inflated {
            Ok(inflated) => inflated,
            Err(violation) => {
                (self.message, self.chunk) = (None, None);
                return Err(violation);
            }
        };
        self.filled += inflated.octets;
        self.chunk = Some((chunk.len() - input.len(), last));
        if inflated.status == Status::NeedInput {
            self.chunk = None;
            return Ok(None);
        }
        let piece = Piece { kind: message.kind(), first: !self.begun, last: inflated.status == Status::End };
        (self.given, self.begun) = (true, true);
        if piece.last {
            (self.message, self.chunk) = (None, None);
        }
        Ok(Some(piece))
    }

    /// What the last call of [`inflate`](Self::inflate) had to give.
    pub(crate) fn received(&self, piece: Piece) -> Received<'_> {
        let octets = self.storage.as_ref().get(..self.filled).unwrap_or_default();
        let Piece { kind, first, last } = piece;
        match (kind, Text::new(octets)) {
            (Kind::Binary, _) if first && last => Received::Message(Message::Binary(octets)),
            (Kind::Text, Ok(text)) if first && last => Received::Message(Message::Text(text)),
            _ => Received::Chunk(Chunk { kind, octets, first, last, compressed: false }),
        }
    }

    /// Whether a chunk lies in the receive storage that is not all inflated.
    pub(crate) const fn has_chunk(&self) -> bool {
        self.chunk.is_some()
    }
}

/// What there is to give of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    kind: Kind,
    first: bool,
    last: bool,
}

impl<R: Role, I: Memory> Receiving<R, I> {
    /// Inflates what the last poll gave. A fault fails the connection, so the next poll tells of it.
    pub(crate) fn inflate<S: Memory, D: Decompress + ?Sized>(
        &mut self,
        inflation: &mut Inflation<S>,
        codec: &mut D,
        limits: &Limits,
    ) -> Option<Piece> {
        inflation.inflate(self.inbox.chunk(), codec, limits).unwrap_or_else(|violation| {
            self.inbound.fail(violation);
            None
        })
    }
}

impl<S: Memory> Inflation<S> {
    /// Whether what was received is to be inflated; it is noted then.
    pub(crate) fn takes(&mut self, progress: Progress) -> bool {
        match progress {
            Progress::Chunk { kind, first, last, compressed: true } => {
                self.begin(kind, first, last);
                true
            }
            _ => false,
        }
    }
}

impl<R: Role, B: Storage> Machine<R, B> {
    /// The same connection with compression agreed on.
    pub(crate) fn with_compression(self, agreement: Agreement) -> Self {
        let Self { mut receiving, sending } = self;
        receiving.inbound = receiving.inbound.with_compression(agreement.received_by::<R>());
        Self { receiving, sending: sending.with_compression(agreement) }
    }
}
