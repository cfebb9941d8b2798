//! Compressed messages on their way in: inflated as they arrive, and handed over whole or in parts.
//!
//! It decides where octets lie while they are inflated. What they may be is core's affair.

use super::Terms;
use super::codecs::{Inflation, Rest, Window};
use crate::conn::Conn;
use crate::engine::Engine;
use crate::entry::Flags;
use crate::handler::{Cause, Handler, Part};
use crate::slab::Token;
use tightwire::deflate::Status;
use tightwire::{Chunk, Kind, Output, Step, Violation};

/// The least memory for a message.
const MESSAGE_MIN: usize = 1024;
/// Octets of a part of a message.
const PART: usize = 16 * 1024;

impl<H: Handler> Engine<H> {
    /// A part of a compressed message.
    #[inline(never)]
    pub(crate) fn compressed(&mut self, token: Token, chunk: &Chunk<'_>) {
        let reactor = &mut self.reactor;
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        let extra = reactor.extras.get(entry.extra);
        if extra.as_ref().is_some_and(|extra| extra.compression.is_collected) {
            return self.collect(token, chunk);
        }
        let held = extra.and_then(|extra| reactor.codecs.held_inflation(&mut extra.compression));
        match held {
            Some(inflation) => self.inflate(token, inflation, chunk.payload, chunk.last),
            None if chunk.last || reactor.codecs.may_hold_inflation() => {
                self.begin(token, chunk.kind, chunk.payload, chunk.last);
            }
            None => {
                let Some(extra) = reactor.extras.need(&mut entry.extra) else { return };
                extra.compression.is_collected = true;
                self.collect(token, chunk);
            }
        }
    }

    /// A compressed message was collected as it came; here is all of it.
    pub(crate) fn collected(&mut self, token: Token, kind: Kind, payload: &[u8]) {
        self.begin(token, kind, payload, true);
    }

    /// Goes on where the handler has paused within a message. Says whether what comes after it can be decoded.
    pub(crate) fn inflate_rest(&mut self, token: Token) -> bool {
        let reactor = &mut self.reactor;
        let Some(entry) = reactor.slab.get_mut(token) else { return false };
        let Some(extra) = reactor.extras.get(entry.extra) else { return true };
        let held = &mut extra.compression;
        if held.inflation.as_ref().is_none_or(|inflation| inflation.rest.is_none()) {
            return true;
        }
        let Some(mut inflation) = reactor.codecs.held_inflation(held) else { return true };
        let Some(Rest { octets, length, last }) = inflation.rest.take() else { return true };
        self.inflate(token, inflation, octets.get(..length).unwrap_or_default(), last);
        self.reactor.pool.give(octets);
        let over = Flags::PAUSED.or(Flags::DOOMED).or(Flags::LINGERING);
        self.reactor.slab.get(token).is_some_and(|entry| !entry.flags.has(over))
    }

    /// The first octets of a message.
    fn begin(&mut self, token: Token, kind: Kind, payload: &[u8], last: bool) {
        let reactor = &mut self.reactor;
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        let Some(terms) = entry.receives_compressed(&reactor.extras) else { return };
        let mut inflation = reactor.codecs.inflation(kind);
        if terms.takeover()
            && let Some(extra) = reactor.extras.need(&mut entry.extra)
        {
            inflation.window = core::mem::take(&mut extra.compression.received);
        }
        if inflation.window.memory.is_empty() {
            inflation.window = Window::take(&mut reactor.pool, terms);
        }
        self.inflate(token, inflation, payload, last);
    }

    fn inflate(&mut self, token: Token, mut inflation: Box<Inflation>, mut input: &[u8], last: bool) {
        let reactor = &mut self.reactor;
        let entry = reactor.slab.get(token);
        let Some(terms) = entry.and_then(|entry| entry.receives_compressed(&reactor.extras)) else { return };
        let most = usize::try_from(reactor.config.limits.message).unwrap_or(usize::MAX);
        if inflation.memory.is_empty() {
            let guess = input.len().saturating_mul(4).max(MESSAGE_MIN).min(most);
            inflation.memory = reactor.pool.take(if H::CHUNKS { PART } else { guess });
        }
        loop {
            let Self { reactor, handler } = self;
            let from = inflation.length;
            let inflated = match inflation.inflate(&mut input, last, from, terms, &reactor.config.limits) {
                Ok(inflated) => inflated,
                Err(violation) => {
                    self.put_down(token, inflation, terms);
                    return self.violated(token, violation);
                }
            };
            inflation.length += inflated.octets;
            if H::CHUNKS {
                let octets = inflation.memory.get(..inflation.length).unwrap_or_default();
                let (kind, first) = (inflation.kind(), inflated.first);
                inflation.length = 0;
                if inflated.octets > 0 || inflated.last {
                    reactor.counters.messages_received.add(1);
                    let part = Part { kind, octets, first, last: inflated.last };
                    handler.chunk(&mut Conn { reactor, token }, part);
                }
                let flags = self.reactor.slab.get(token).map_or(Flags::DOOMED, |entry| entry.flags);
                if flags.has(Flags::DOOMED.or(Flags::LINGERING)) {
                    return self.put_down(token, inflation, terms);
                }
                if inflated.status == Status::NeedOutput {
                    if flags.has(Flags::PAUSED) {
                        let (octets, length) = (self.reactor.pool.copy(input), input.len());
                        inflation.rest = Some(Rest { octets, length, last });
                        return self.keep_inflation(token, inflation);
                    }
                    continue;
                }
            }
            match inflated.status {
                Status::NeedInput => return self.keep_inflation(token, inflation),
                Status::NeedOutput => {
                    let length = inflation.length;
                    if length == inflation.memory.len() && length < most {
                        // It follows what is there: nothing is to be believed about what will come.
                        let room = length.saturating_mul(2).min(most);
                        self.reactor.pool.grow(&mut inflation.memory, length, room);
                    }
                }
                Status::End if H::CHUNKS => return self.put_down(token, inflation, terms),
                Status::End => return self.hand_over(token, inflation, terms),
            }
        }
    }

    /// A message is whole.
    fn hand_over(&mut self, token: Token, mut inflation: Box<Inflation>, terms: Terms) {
        let (kind, length) = (inflation.kind(), inflation.length);
        let mut memory = core::mem::take(&mut inflation.memory);
        self.put_down(token, inflation, terms);
        let Self { reactor, handler } = self;
        reactor.counters.messages_received.add(1);
        // Every part was validated as it was inflated; this only gives the octets their type.
        let payload = memory.get_mut(..length).unwrap_or_default();
        let whole = Chunk { kind, payload, first: true, last: true, compressed: false };
        if let Some(message) = whole.into_message() {
            handler.message(&mut Conn { reactor, token }, message);
        }
        self.reactor.pool.give(memory);
    }

    /// Keeps a codec until the message goes on.
    fn keep_inflation(&mut self, token: Token, mut inflation: Box<Inflation>) {
        let reactor = &mut self.reactor;
        if H::CHUNKS {
            // All that was in it has been handed over.
            reactor.pool.give(core::mem::take(&mut inflation.memory));
        }
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        if inflation.rest.is_some() {
            entry.flags.set(Flags::UNREAD);
        }
        let Some(extra) = reactor.extras.need(&mut entry.extra) else { return };
        reactor.codecs.hold_inflation(&mut extra.compression, inflation);
    }

    /// Gives a codec back, and the window to the connection if it is to be kept.
    fn put_down(&mut self, token: Token, mut inflation: Box<Inflation>, terms: Terms) {
        let reactor = &mut self.reactor;
        if terms.takeover()
            && let Some(entry) = reactor.slab.get_mut(token)
            && let Some(extra) = reactor.extras.need(&mut entry.extra)
        {
            extra.compression.received = core::mem::take(&mut inflation.window);
        } else {
            inflation.window.give(&mut reactor.pool);
        }
        reactor.codecs.give_inflation(inflation, &mut reactor.pool);
    }

    /// Ends a connection for a fault in what it sent compressed.
    fn violated(&mut self, token: Token, violation: Violation) {
        for _ in 0..2 {
            let reactor = &mut self.reactor;
            let Some(entry) = reactor.slab.get_mut(token) else { return };
            let mut out = Output::with_written(&mut reactor.out, reactor.out_len);
            let limits = &reactor.config.limits;
            let needs_output = entry.with_peer(&mut reactor.extras, |peer| {
                peer.fail(violation);
                matches!(peer.decode(&mut &mut [][..], &mut out, limits), Ok(Step::NeedOutput(_)))
            });
            reactor.out_len = out.len();
            match needs_output {
                Some(true) => reactor.flush(token),
                _ => break,
            }
        }
        self.end(token, violation.close_code(), "", Cause::Violation(violation));
    }
}
