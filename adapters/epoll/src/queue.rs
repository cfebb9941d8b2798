//! Output that a socket did not take yet: segments in order, in pooled or shared memory.
//!
//! It knows nothing of frames or marks.

use crate::pool::{Buffer, Pool};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

/// The most segments that go into one write.
pub(crate) const SLICES: usize = 16;
/// The least room that a new segment for small frames has.
const SEGMENT: usize = 512;
/// The most room that is taken ahead of need.
const SEGMENT_MAX: usize = 16 * 1024;

#[derive(Default)]
pub(crate) struct Queue {
    segments: VecDeque<Segment>,
    octets: usize,
}

enum Segment {
    Own { buffer: Buffer, start: usize, end: usize },
    Shared { octets: Arc<[u8]>, start: usize },
}

impl Segment {
    fn octets(&self) -> &[u8] {
        match self {
            Self::Own { buffer, start, end } => buffer.get(*start..*end).unwrap_or_default(),
            Self::Shared { octets, start } => octets.get(*start..).unwrap_or_default(),
        }
    }
}

impl Queue {
    /// Octets that wait.
    pub(crate) const fn len(&self) -> usize {
        self.octets
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.octets == 0
    }

    /// Memory of at least `octets` behind what waits. What is written to its front is added by
    /// [`commit`](Self::commit).
    pub(crate) fn room(&mut self, pool: &mut Pool, octets: usize) -> &mut [u8] {
        let fits = match self.segments.back() {
            Some(Segment::Own { buffer, end, .. }) => buffer.len() - end >= octets,
            _ => false,
        };
        if !fits {
            let ahead = self.octets.clamp(SEGMENT, SEGMENT_MAX);
            let buffer = pool.take(octets.max(ahead));
            self.segments.push_back(Segment::Own { buffer, start: 0, end: 0 });
        }
        match self.segments.back_mut() {
            Some(Segment::Own { buffer, end, .. }) => buffer.get_mut(*end..).unwrap_or_default(),
            _ => &mut [],
        }
    }

    /// Adds the first `octets` of the memory that [`room`](Self::room) gave.
    pub(crate) fn commit(&mut self, octets: usize) {
        if let Some(Segment::Own { buffer, end, .. }) = self.segments.back_mut() {
            let octets = octets.min(buffer.len() - *end);
            *end += octets;
            self.octets += octets;
        }
    }

    /// Adds a copy of `octets`.
    pub(crate) fn push(&mut self, pool: &mut Pool, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        if let Some(memory) = self.room(pool, octets.len()).get_mut(..octets.len()) {
            memory.copy_from_slice(octets);
            self.commit(octets.len());
        }
    }

    /// Adds octets that others send too, from `start` on.
    pub(crate) fn push_shared(&mut self, octets: &Arc<[u8]>, start: usize) {
        if start < octets.len() {
            self.octets += octets.len() - start;
            self.segments.push_back(Segment::Shared { octets: octets.clone(), start });
        }
    }

    /// Adds the octets of a buffer from `start` to `end`, without a copy.
    pub(crate) fn push_buffer(&mut self, pool: &mut Pool, buffer: Buffer, start: usize, end: usize) {
        if start < end && end <= buffer.len() {
            self.octets += end - start;
            self.segments.push_back(Segment::Own { buffer, start, end });
        } else {
            pool.give(buffer);
        }
    }

    /// The front of what waits, for one write.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let waiting = self.segments.iter().map(Segment::octets).filter(|octets| !octets.is_empty());
        let mut count = 0;
        for (slice, octets) in slices.iter_mut().zip(waiting) {
            *slice = IoSlice::new(octets);
            count += 1;
        }
        count
    }

    /// Takes octets that were written off the front.
    pub(crate) fn consume(&mut self, pool: &mut Pool, mut octets: usize) {
        octets = octets.min(self.octets);
        self.octets -= octets;
        while let Some(front) = self.segments.front_mut() {
            let length = front.octets().len();
            if length > octets {
                match front {
                    Segment::Own { start, .. } | Segment::Shared { start, .. } => *start += octets,
                }
                return;
            }
            octets -= length;
            if let Some(Segment::Own { buffer, .. }) = self.segments.pop_front() {
                pool.give(buffer);
            }
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        self.consume(pool, self.octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(queue: &Queue) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = queue.slices(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    #[test]
    fn octets_leave_in_order_at_every_cut() {
        let shared: Arc<[u8]> = Arc::from(&b"0123456789"[..]);
        for first in 0..=35 {
            for second in 0..=35 {
                let mut pool = Pool::new(1 << 20);
                let mut queue = Queue::default();
                queue.push(&mut pool, b"abcdefghij");
                queue.push_shared(&shared, 4);
                queue.push(&mut pool, b"");
                queue.push(&mut pool, b"klmno");
                let buffer = pool.copy(b"..pqrst..");
                queue.push_buffer(&mut pool, buffer, 2, 7);
                queue.push(&mut pool, b"uvw");
                let all = b"abcdefghij456789klmnopqrstuvw";
                assert_eq!((queue.len(), content(&queue)), (all.len(), all.to_vec()));
                for cut in [first, second] {
                    let before = content(&queue);
                    queue.consume(&mut pool, cut);
                    assert_eq!(content(&queue), before[cut.min(before.len())..]);
                    assert_eq!(queue.len(), before.len().saturating_sub(cut));
                }
                queue.clear(&mut pool);
                assert!(queue.is_empty() && queue.segments.is_empty());
                assert_eq!(pool.lent(), 0, "every buffer was given back");
            }
        }
        assert_eq!(Arc::strong_count(&shared), 1);
    }

    #[test]
    fn small_frames_share_a_segment() {
        let mut pool = Pool::new(1 << 20);
        let mut queue = Queue::default();
        for _ in 0..100 {
            queue.push(&mut pool, &[7; 40]);
        }
        assert_eq!(queue.len(), 4000);
        assert!(queue.segments.len() < 6, "{}", queue.segments.len());
        assert!(pool.lent_octets() <= 8192, "{}", pool.lent_octets());
    }

    #[test]
    fn what_was_not_committed_is_not_sent() {
        let mut pool = Pool::new(1 << 20);
        let mut queue = Queue::default();
        queue.room(&mut pool, 100).fill(1);
        assert!(queue.is_empty());
        assert_eq!(content(&queue), []);
        queue.commit(3);
        assert_eq!(content(&queue), [1; 3]);
        queue.consume(&mut pool, 3);
        assert_eq!(pool.lent(), 0);
    }

    #[test]
    fn a_buffer_without_octets_goes_back() {
        let mut pool = Pool::new(1 << 20);
        let mut queue = Queue::default();
        let buffer = pool.take(10);
        queue.push_buffer(&mut pool, buffer, 4, 4);
        assert_eq!((queue.len(), pool.lent()), (0, 0));
    }
}
