//! Buffers by size class, lent and given back within one thread.
//!
//! Classes are powers of two. A buffer that is given back is kept for the next taker while all that is kept
//! stays under a bound; beyond it the memory goes back to the allocator, and so does, in time, what was kept
//! and not needed. The pool knows no clock and does not know what a buffer is for.
//!
//! Buffers of a page and more begin at a cache line. Processors copy several times slower when the target
//! stands a few octets further in its page than the source does, and the kernel's side of such a copy often
//! begins with a page: behind an allocator's header of 16 octets and a frame's head of up to 14, every read of
//! a long message would meet that.

use std::fmt;

/// The smallest class in octets.
const SMALLEST: usize = 32;
const CLASSES: usize = 26;

/// The largest class: bigger buffers are allocated to measure and never kept.
pub const CLASS_MAX: usize = SMALLEST << (CLASSES - 1);

/// Where large buffers begin: at a multiple of this.
pub(crate) const LINE: usize = 64;
/// The least octets of a buffer that begins at such a place.
const ALIGNED: usize = 4096;

/// A buffer from a [`Pool`]. What it holds when taken is left over from earlier use, not zeroes.
pub struct Buffer {
    memory: Box<[u8]>,
    start: usize,
    length: usize,
}

impl Buffer {
    /// A buffer of no octets, which takes no memory.
    pub fn empty() -> Self {
        Self { memory: Box::default(), start: 0, length: 0 }
    }

    /// A buffer of so many octets, all zero.
    pub(crate) fn zeroed(length: usize) -> Self {
        if length < ALIGNED {
            return Self { memory: vec![0; length].into(), start: 0, length };
        }
        let memory: Box<[u8]> = vec![0; length.saturating_add(LINE - 1)].into();
        let start = memory.as_ptr().align_offset(LINE).min(LINE - 1);
        Self { memory, start, length }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::empty()
    }
}

impl core::ops::Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.memory.get(self.start..self.start + self.length).unwrap_or_default()
    }
}

impl core::ops::DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.start..self.start + self.length).unwrap_or_default()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len()).finish()
    }
}

/// The pool.
pub struct Pool {
    kept: [Kept; CLASSES],
    kept_octets: usize,
    bound: usize,
    lent: usize,
    lent_octets: usize,
}

/// The buffers of one class that nobody has.
struct Kept {
    buffers: Vec<Buffer>,
    /// The fewest of them at any time since [`Pool::age`]: nobody needed these.
    unused: usize,
}

impl Pool {
    /// An empty pool that keeps at most `bound` octets for later.
    pub fn new(bound: usize) -> Self {
        Self {
            kept: [const { Kept { buffers: Vec::new(), unused: 0 } }; CLASSES],
            kept_octets: 0,
            bound,
            lent: 0,
            lent_octets: 0,
        }
    }

    /// A buffer of at least `octets`, of the smallest class that fits. Give it back with [`give`](Self::give).
    pub fn take(&mut self, octets: usize) -> Buffer {
        if octets == 0 {
            return Buffer::empty();
        }
        let found = class(octets).and_then(|class| {
            let kept = self.kept.get_mut(class)?;
            let buffer = kept.buffers.pop();
            kept.unused = kept.unused.min(kept.buffers.len());
            buffer
        });
        let buffer = match found {
            Some(buffer) => {
                self.kept_octets -= buffer.len();
                buffer
            }
            None => Buffer::zeroed(rounded(octets)),
        };
        self.lent += 1;
        self.lent_octets += buffer.len();
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&mut self, buffer: Buffer) {
        let octets = buffer.len();
        if octets == 0 {
            return;
        }
        self.lent = self.lent.saturating_sub(1);
        self.lent_octets = self.lent_octets.saturating_sub(octets);
        if self.kept_octets + octets > self.bound {
            return;
        }
        let Some(kept) = class(octets).and_then(|class| self.kept.get_mut(class)) else { return };
        self.kept_octets += octets;
        kept.buffers.push(buffer);
    }

    /// Changes `buffer` for one of at least `octets`, with the first `keep` octets carried over.
    pub fn grow(&mut self, buffer: &mut Buffer, keep: usize, octets: usize) {
        if octets <= buffer.len() {
            return;
        }
        let mut larger = self.take(octets);
        if let (Some(to), Some(from)) = (larger.get_mut(..keep), buffer.get(..keep)) {
            to.copy_from_slice(from);
        }
        self.give(core::mem::replace(buffer, larger));
    }

    /// A buffer that holds a copy of `octets`, in front.
    pub fn copy(&mut self, octets: &[u8]) -> Buffer {
        #[cfg(test)]
        COPIED.set(COPIED.get() + octets.len());
        let mut buffer = self.take(octets.len());
        if let Some(to) = buffer.get_mut(..octets.len()) {
            to.copy_from_slice(octets);
        }
        buffer
    }

    /// Gives the buffers that nobody needed since the last call back to the allocator, the largest first, as long
    /// as more than `keep` octets are kept. Call it now and then: what a burst needed is not held for ever, and
    /// what steady work needs stays.
    pub fn age(&mut self, keep: usize) {
        for kept in self.kept.iter_mut().rev() {
            for _ in 0..kept.unused {
                if self.kept_octets <= keep {
                    break;
                }
                self.kept_octets -= kept.buffers.pop().map_or(0, |buffer| buffer.len());
            }
            kept.unused = kept.buffers.len();
            // The list itself is as long as ever was needed.
            kept.buffers.shrink_to(kept.unused.max(64) * 2);
        }
    }

    /// How many buffers are lent.
    pub const fn lent(&self) -> usize {
        self.lent
    }

    /// How many octets the lent buffers have.
    pub const fn lent_octets(&self) -> usize {
        self.lent_octets
    }

    /// How many octets are kept for later, at most the bound.
    pub const fn kept_octets(&self) -> usize {
        self.kept_octets
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("lent", &self.lent)
            .field("lent_octets", &self.lent_octets)
            .field("kept_octets", &self.kept_octets)
            .finish()
    }
}

/// The class that has room for `octets`, or nothing when it is larger than all.
const fn class(octets: usize) -> Option<usize> {
    if octets > CLASS_MAX {
        return None;
    }
    let octets = if octets < SMALLEST { SMALLEST } else { octets };
    Some((octets.next_power_of_two() / SMALLEST).trailing_zeros() as usize)
}

/// The octets that a buffer for `octets` gets.
const fn rounded(octets: usize) -> usize {
    match class(octets) {
        Some(class) => SMALLEST << class,
        None => octets,
    }
}

#[cfg(test)]
std::thread_local! {
    /// Octets that pools of this thread have copied.
    pub(crate) static COPIED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_fit_and_waste_less_than_half() {
        assert_eq!(CLASS_MAX, 1 << 30);
        for octets in (1..5000).chain([65_535, 65_536, 65_537, CLASS_MAX - 1, CLASS_MAX]) {
            let got = rounded(octets);
            assert!(got >= octets && got.is_power_of_two());
            assert!(got == SMALLEST || got < octets * 2);
        }
        assert_eq!(rounded(CLASS_MAX + 1), CLASS_MAX + 1);
    }

    #[test]
    fn large_buffers_begin_at_a_cache_line() {
        let mut pool = Pool::new(1 << 20);
        let buffers: Vec<_> =
            [4096, 5000, 16_384, 100_000, 1 << 22, 300].map(|octets| pool.take(octets)).into();
        for buffer in &buffers {
            assert!(buffer.len() < 4096 || buffer.as_ptr().addr().is_multiple_of(LINE));
            assert_eq!(buffer.len(), rounded(buffer.len()));
            assert_eq!((buffer[0], buffer[buffer.len() - 1]), (0, 0));
        }
    }

    #[test]
    fn a_buffer_comes_back_to_the_next_taker() {
        let mut pool = Pool::new(1 << 20);
        let mut buffer = pool.take(1000);
        assert_eq!((buffer.len(), pool.lent(), pool.lent_octets()), (1024, 1, 1024));
        buffer[0] = 7;
        let address = buffer.as_ptr();
        pool.give(buffer);
        assert_eq!((pool.lent(), pool.lent_octets(), pool.kept_octets()), (0, 0, 1024));
        let again = pool.take(600);
        assert_eq!((again.as_ptr(), again[0]), (address, 7));
        assert_eq!(pool.kept_octets(), 0);
        assert_eq!(pool.take(512).len(), 512);
    }

    #[test]
    fn no_more_than_the_bound_is_kept() {
        let mut pool = Pool::new(5000);
        let lent: Vec<_> = (0..8).map(|_| pool.take(1024)).collect();
        assert_eq!(pool.lent_octets(), 8192);
        for buffer in lent {
            pool.give(buffer);
            assert!(pool.kept_octets() <= 5000);
        }
        assert_eq!((pool.kept_octets(), pool.lent()), (4096, 0));
        let large = pool.take(10_000);
        pool.give(large);
        assert_eq!(pool.kept_octets(), 4096);
    }

    #[test]
    fn what_nobody_needs_goes_back_the_largest_first() {
        let mut pool = Pool::new(1 << 20);
        let lent = [pool.take(100), pool.take(10_000), pool.take(200_000)];
        lent.into_iter().for_each(|buffer| pool.give(buffer));
        assert_eq!(pool.kept_octets(), 128 + 16_384 + 262_144);
        // All of it was in use a moment ago.
        pool.age(0);
        assert_eq!(pool.kept_octets(), 128 + 16_384 + 262_144);
        pool.age(20_000);
        assert_eq!(pool.kept_octets(), 128 + 16_384);
        pool.age(0);
        assert_eq!(pool.kept_octets(), 0);
    }

    #[test]
    fn what_steady_work_needs_stays_after_a_burst() {
        let mut pool = Pool::new(1 << 20);
        let burst: Vec<_> = (0..100).map(|_| pool.take(1000)).collect();
        burst.into_iter().for_each(|buffer| pool.give(buffer));
        for _ in 0..3 {
            let three = [pool.take(1000), pool.take(1000), pool.take(1000)];
            three.into_iter().for_each(|buffer| pool.give(buffer));
            pool.age(0);
        }
        assert_eq!(pool.kept_octets(), 3 * 1024);
    }

    #[test]
    fn no_octets_take_no_memory() {
        let mut pool = Pool::new(100);
        let buffer = pool.take(0);
        assert!(buffer.is_empty());
        assert_eq!(pool.lent(), 0);
        pool.give(buffer);
        assert_eq!(pool.lent(), 0);
    }

    #[test]
    fn growing_carries_the_front_over() {
        let mut pool = Pool::new(1 << 20);
        let mut buffer = pool.copy(b"some octets");
        assert_eq!(buffer.len(), 32);
        pool.grow(&mut buffer, 11, 20);
        assert_eq!(buffer.len(), 32);
        pool.grow(&mut buffer, 11, 100);
        assert_eq!((&buffer[..11], buffer.len()), (&b"some octets"[..], 128));
        assert_eq!((pool.lent(), pool.kept_octets()), (1, 32));
    }
}
