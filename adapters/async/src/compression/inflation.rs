//! Compressed messages on receipt: inflated out of the read buffer into a buffer of their own.
//!
//! It decides where inflated octets lie and how long. When a whole message is wanted it collects all of it; for a
//! reader it inflates a buffer at a time, so that a message of any size takes constant memory.

use super::codecs::Hold;
use super::sets::{InflateSet, Ring};
use crate::config::Config;
use crate::receiving::{Receiving, Want};
use alloc::boxed::Box;
use alloc::vec;
use tightwire::deflate::{Collector, Status};
use tightwire::{Kind, Message, Progress, Role};

/// What a receiving side has of compressed messages.
#[derive(Default)]
pub(crate) struct Inflation {
    current: Option<Current>,
    /// With takeover: what later messages refer back to, for as long as the connection lives.
    window: Option<(Ring, Hold)>,
}

/// The message that is being inflated, or lent.
struct Current {
    kind: Kind,
    collector: Collector<Box<[u8]>>,
    /// Gone once the message has ended or failed.
    set: Option<Box<InflateSet>>,
    /// The chunk in the inbox: how much of it has gone in, and whether it is the last. `None` once all of it has.
    chunk: Option<(usize, bool)>,
    /// What the collector holds was given to the application as a chunk, and is taken by the next call.
    given: bool,
    /// The beginning of the message was given as a chunk.
    begun: bool,
}

impl Inflation {
    pub(crate) const fn is_blank(&self) -> bool {
        self.current.is_none() && self.window.is_none()
    }

    /// The message that was inflated to its end.
    pub(crate) fn message(&self) -> Option<Message<'_>> {
        self.current.as_ref()?.collector.message()
    }

    /// The part of a message that was given last.
    pub(crate) fn chunk(&self) -> Option<&[u8]> {
        Some(self.current.as_ref()?.collector.octets())
    }
}

impl<R: Role> Receiving<R> {
    /// Has room for what was agreed counted, if messages may refer to earlier ones.
    pub(crate) fn reserve_window(&mut self, config: &Config) {
        let Some(terms) = self.inbound.compression().filter(|terms| terms.takeover()) else { return };
        let rare = self.rare.get_or_insert_with(|| config.codecs.receiving());
        if rare.inflation.window.is_none() {
            rare.inflation.window = Some((Ring::default(), config.codecs.hold(terms.window().octets())));
        }
    }

    /// Takes note of a chunk of a compressed message, which lies in the inbox.
    pub(crate) fn compressed_chunk(&mut self, config: &Config, kind: Kind, last: bool) {
        self.reserve_window(config);
        let rare = self.rare.get_or_insert_with(|| config.codecs.receiving());
        let current = rare.inflation.current.get_or_insert_with(|| Current {
            kind,
            collector: Collector::new(kind, Box::default()),
            set: Some(config.codecs.inflater()),
            chunk: None,
            given: false,
            begun: false,
        });
        current.chunk = Some((0, last));
    }

    /// Goes on with the message that is being inflated. `None` if there is none or it needs the next chunk, and when
    /// it has failed: the connection has then, too.
    pub(crate) fn inflate(&mut self, config: &Config, want: Want) -> Option<Progress> {
        let rare = self.rare.as_deref_mut()?;
        let current = rare.inflation.current.as_mut()?;
        let Some(set) = &mut current.set else {
            self.settle(config);
            return None;
        };
        if core::mem::take(&mut current.given) {
            current.collector.clear();
        }
        let chunks = want == Want::Chunks && !self.discard;
        let mut give = |current: &mut Current, last: bool| {
            current.given = true;
            self.streaming = !last;
            let first = !core::mem::replace(&mut current.begun, true);
            Some(Progress::Chunk { kind: current.kind, first, last, compressed: true })
        };
        // The beginning that was collected before somebody wanted chunks.
        if chunks && !current.collector.is_empty() {
            return give(current, false);
        }
        let (mut taken, last) = current.chunk?;
        let terms = self.inbound.compression()?;
        loop {
            let chunk = self.inbox.chunk();
            let mut input = chunk.get(taken..).unwrap_or_default();
            let ring = rare.inflation.window.as_mut().map(|(ring, _)| ring);
            let status = set.inflate(ring, terms, &mut current.collector, (&mut input, last), &config.limits);
            taken = chunk.len() - input.len();
            let filled = current.collector.len();
            match status {
                Ok(Status::NeedOutput) if chunks && filled > 0 => {
                    current.chunk = Some((taken, last));
                    return give(current, false);
                }
                Ok(Status::NeedOutput) if self.discard && filled > 0 => current.collector.clear(),
                Ok(Status::NeedOutput) => {
                    let larger = config.pool.take(filled + filled / 2 + 1);
                    match current.collector.replace(larger) {
                        Ok(old) | Err(old) => config.pool.give(old),
                    }
                }
                Ok(Status::NeedInput) => {
                    current.chunk = None;
                    if chunks && filled > 0 {
                        return give(current, false);
                    }
                    if self.discard {
                        current.collector.clear();
                    }
                    return None;
                }
                Ok(Status::End) => {
                    if let Some(set) = current.set.take() {
                        config.codecs.give_inflater(set);
                    }
                    if chunks {
                        return give(current, true);
                    }
                    if self.discard {
                        self.discard = false;
                        self.streaming = false;
                        self.settle(config);
                        return None;
                    }
                    return Some(Progress::Message);
                }
                Err(violation) => {
                    // The Close frame follows when the inbox is polled for more.
                    self.inbound.fail(violation);
                    current.set = None;
                    if chunks && filled > 0 {
                        return give(current, false);
                    }
                    self.settle(config);
                    return None;
                }
            }
        }
    }

    /// Gives back what a message was lent from.
    fn settle(&mut self, config: &Config) {
        let Some(rare) = &mut self.rare else { return };
        if let Some(current) = rare.inflation.current.take() {
            config.pool.give(current.collector.into_storage());
        }
        self.release_rare(config);
    }

    /// Gives back what a connection that waits does not need: of a message in the making it keeps right-sized
    /// memory for what there is of it, and the codec that is in the middle of it.
    pub(crate) fn release_inflation(&mut self, config: &Config) {
        if self.is_ended() {
            if let Some(rare) = &mut self.rare {
                rare.inflation.window = None;
            }
            return self.settle(config);
        }
        let Some(rare) = &mut self.rare else { return };
        let Some(current) = &mut rare.inflation.current else { return };
        if current.set.is_none() {
            return self.settle(config);
        }
        if core::mem::take(&mut current.given) {
            current.collector.clear();
        }
        let filled = current.collector.len();
        if filled < current.collector.storage().len() / 4 {
            match current.collector.replace(vec![0; filled].into_boxed_slice()) {
                Ok(old) | Err(old) => config.pool.give(old),
            }
        }
    }

    /// Gives the box back if nothing is in it.
    fn release_rare(&mut self, config: &Config) {
        if let Some(rare) = self.rare.take_if(|rare| rare.closed.is_none() && rare.inflation.is_blank()) {
            config.codecs.give_receiving(rare);
        }
    }
}
