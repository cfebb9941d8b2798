//! Publications, compressed once for all subscribers that agreed on the same window.
//!
//! Frames of a turn are collected uncompressed, since nobody knows who will be subscribed. When they are written, the
//! first subscriber with a window that none before had makes them be compressed for it.

use super::Terms;
use crate::pool::{Buffer, Pool};
use crate::reactor::Reactor;
use crate::slab::Token;
use crate::topics::Shared;
use tightwire::deflate::Compress;
use tightwire::frame::{self, Expect, Head};

/// Windows of 2^8 to 2^15 octets.
const WINDOWS: usize = 8;

/// One batch of frames, compressed for each window that somebody has.
#[derive(Default)]
pub(crate) struct Variants([Option<Variant>; WINDOWS]);

struct Variant {
    frames: Buffer,
    length: usize,
    /// The same for sockets that are full.
    shared: Shared,
}

impl Variants {
    /// Gives the memory back.
    pub(crate) fn give(self, pool: &mut Pool) {
        for variant in self.0.into_iter().flatten() {
            pool.give(variant.frames);
        }
    }
}

impl<S> Reactor<S> {
    /// The batch as this subscriber gets it, if that is not as it is.
    #[inline]
    pub(crate) fn variant<'v>(
        &mut self,
        token: Token,
        batch: &[u8],
        variants: &'v mut Variants,
    ) -> Option<(&'v [u8], &'v mut Shared)> {
        let entry = self.slab.get(token)?;
        // RFC 7692 7.1.1: what is the same for all can refer to nothing that one of them got, and would have to be
        // in the window of one whose messages refer to earlier ones.
        let terms = entry.sends_compressed(&self.extras).filter(|terms| !terms.takeover())?;
        if self.codecs.effort(entry.flags.effort()).threshold == usize::MAX {
            return None;
        }
        let place = usize::from(terms.window().bits() - 8);
        let slot = variants.0.get_mut(place)?;
        let variant = slot.get_or_insert_with(|| self.compress(batch, terms));
        Some((variant.frames.get(..variant.length)?, &mut variant.shared))
    }

    #[inline(never)]
    fn compress(&mut self, batch: &[u8], terms: Terms) -> Variant {
        let effort = self.codecs.effort(0);
        let mut frames = self.pool.take(batch.len());
        let mut length = 0;
        let mut deflation = self.codecs.deflation(effort.level, terms);
        deflation.lend(|codec| {
            each_frame(batch, |head, payload, whole| {
                let room = frames.get_mut(length..).unwrap_or_default();
                let compressed =
                    if effort.is_worth(payload.len()) { put(head, payload, codec, room) } else { None };
                length += compressed.unwrap_or_else(|| copy(whole, room));
            });
        });
        self.codecs.give_deflation(deflation);
        Variant { frames, length, shared: None }
    }
}

/// Calls `each` with the head, the payload and all octets of each frame of a batch, which we have encoded.
fn each_frame(mut batch: &[u8], mut each: impl FnMut(Head, &[u8], &[u8])) {
    let expect = Expect { masked: false, rsv1: false };
    while let Ok(Some((head, taken))) = frame::parse(batch, expect) {
        let end = taken.saturating_add(usize::try_from(head.length).unwrap_or(usize::MAX));
        let Some((whole, rest)) = batch.split_at_checked(end) else { return };
        each(head, whole.get(taken..).unwrap_or_default(), whole);
        batch = rest;
    }
}

/// Writes a frame compressed, if that makes it smaller, and gives its length.
fn put(mut head: Head, payload: &[u8], codec: &mut dyn Compress, room: &mut [u8]) -> Option<usize> {
    // Where the payload begins if it does not become smaller.
    let front = head.encoded_len();
    let length = codec.message(payload, room.get_mut(front..)?)?;
    (head.rsv1, head.length) = (true, length as u64);
    let taken = head.encoded_len();
    if taken < front {
        room.get_mut(taken..front + length)?.copy_within(front - taken.., 0);
    }
    head.write(room).ok()?;
    Some(taken + length)
}

fn copy(octets: &[u8], room: &mut [u8]) -> usize {
    room.get_mut(..octets.len()).map_or(0, |room| {
        room.copy_from_slice(octets);
        octets.len()
    })
}
