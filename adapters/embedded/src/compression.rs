//! Compressed messages (RFC 7692) in lent memory: what of a message has been inflated and what has been given.
//!
//! It decides how much is inflated at once. The codec, its memory and its terms are the caller's.

use crate::config::Clock;
use crate::received::{Chunk, Received};
use crate::receiving::Machine;
use crate::storage::{Memory, Storage};
use tightwire::deflate::{Agreement, Collector, Decompress, Status};
use tightwire::{Kind, Limits, Progress, Role, Violation};

/// Storage for inflated messages, and how far the current one has come. It belongs to one connection.
///
/// Messages up to its length come whole, larger ones in pieces.
#[derive(Debug)]
pub struct Inflation<S> {
    collector: Collector<S>,
    /// The chunk that lies in the receive storage: octets of it that were taken, and whether it is the last.
    chunk: Option<(usize, bool)>,
    /// What was collected was given to the caller.
    given: bool,
    /// The message ends with it.
    ended: bool,
}

impl<S: Memory> Inflation<S> {
    /// Storage of any kind and any length but none.
    pub const fn new(storage: S) -> Self {
        Self { collector: Collector::new(Kind::Binary, storage), chunk: None, given: false, ended: false }
    }

    /// Whether what was received is to be inflated: a compressed chunk that now lies in the receive storage.
    pub(crate) fn takes(&mut self, progress: Progress) -> bool {
        let Progress::Chunk { kind, first, last, compressed: true } = progress else { return false };
        if first {
            self.collector.restart(kind);
            self.given = false;
        }
        self.chunk = Some((0, last));
        true
    }

    /// Inflates the chunk in the receive storage: whether there is something to give.
    ///
    /// # Errors
    /// The violation; the connection does not know of it yet.
    fn inflate<D: Decompress + ?Sized>(
        &mut self,
        chunk: &[u8],
        codec: &mut D,
        limits: &Limits,
    ) -> Result<bool, Violation> {
        let Some((taken, last)) = self.chunk.take() else { return Ok(false) };
        if self.given {
            self.collector.clear();
        }
        let mut input = chunk.get(taken..).unwrap_or_default();
        let status = self.collector.inflate(&mut input, last, codec, limits)?;
        if status == Status::NeedOutput {
            self.chunk = Some((chunk.len() - input.len(), last));
        }
        self.given = status != Status::NeedInput;
        self.ended = status == Status::End;
        Ok(self.given)
    }

    /// What there is to give.
    pub(crate) fn received(&self) -> Received<'_> {
        let Self { collector, ended, .. } = self;
        let (kind, octets, first) = (collector.kind(), collector.octets(), !collector.is_part());
        match collector.message() {
            Some(message) => Received::Message(message),
            None => Received::Chunk(Chunk { kind, octets, first, last: *ended, compressed: false }),
        }
    }
}

impl<R: Role, B: Storage, C: Clock> Machine<R, B, C> {
    /// The same connection with compression agreed on.
    pub(crate) fn with_compression(self, agreement: Agreement) -> Self {
        let Self { mut receiving, sending } = self;
        receiving.inbound = receiving.inbound.with_compression(agreement.received_by::<R>());
        Self { receiving, sending: sending.with_compression(agreement) }
    }

    /// Inflates what the last poll gave: whether there is something to give. A fault fails the connection, so the next
    /// poll tells of it.
    pub(crate) fn inflate<S: Memory, D: Decompress + ?Sized>(
        &mut self,
        inflation: &mut Inflation<S>,
        codec: &mut D,
    ) -> bool {
        let Self { receiving, sending } = self;
        let inflated = inflation.inflate(receiving.inbox.chunk(), codec, &sending.config.limits);
        inflated.unwrap_or_else(|violation| {
            receiving.inbound.fail(violation);
            false
        })
    }
}
