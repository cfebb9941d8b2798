//! Buffers that connections take only while octets are in them.

use crate::lock::Lock;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use tightwire::frame::{CONTROL_FRAME_MAX, HEAD_MAX};

/// A pool of buffers, shared by as many connections as wish.
///
/// An idle connection holds none of them. The buffers come in classes, each four times the one before, so
/// that a message that outgrows its buffer is moved a few times at most. What is given back is kept up to a
/// bound, last in first out, so that the hot buffers stay in the cache.
pub struct Pool {
    size: usize,
    keep: usize,
    free: Lock<Free>,
}

#[derive(Default)]
struct Free {
    classes: [Vec<Box<[u8]>>; CLASSES],
    octets: usize,
}

const CLASSES: usize = 6;

/// Room that each buffer has above its class for heads and leftovers, so that a message of a round size fits.
const SLACK: usize = 256;

impl Pool {
    /// The octets of a buffer by default: 64 KiB.
    pub const DEFAULT_SIZE: usize = 64 << 10;
    /// The octets of free buffers that are kept by default: 8 MiB.
    pub const DEFAULT_KEEP: usize = 8 << 20;

    /// A pool of buffers of `size` octets and more (at least 256), that keeps at most `keep` octets of free
    /// ones. Nothing is allocated yet.
    pub fn new(size: usize, keep: usize) -> Self {
        Self { size: size.max(256), keep, free: Lock::new(Free::default()) }
    }

    /// The octets of free buffers that are kept now.
    pub fn kept(&self) -> usize {
        self.free.with(|free| free.octets)
    }

    /// A buffer of at least `octets` octets, and of at least the pool's size.
    pub(crate) fn take(&self, octets: usize) -> Box<[u8]> {
        // Zeroed once in its life, not for each read.
        self.take_kept(octets).unwrap_or_else(|| vec![0; self.length(octets)].into_boxed_slice())
    }

    /// The same, but only if it is free and kept: what a peer announces may be read into memory that is there,
    /// and is not a reason to take more.
    pub(crate) fn take_kept(&self, octets: usize) -> Option<Box<[u8]>> {
        let class = (0..CLASSES).find(|&class| octets <= self.class(class))?;
        self.free.with(|free| {
            let buffer = free.classes.get_mut(class)?.pop()?;
            free.octets -= buffer.len();
            Some(buffer)
        })
    }

    /// The octets of a new buffer for so many.
    fn length(&self, octets: usize) -> usize {
        (0..CLASSES).map(|class| self.class(class)).find(|&length| octets <= length).unwrap_or(octets)
    }

    /// Gives a buffer back; one that no class has, or that is too much to keep, is freed.
    pub(crate) fn give(&self, buffer: Box<[u8]>) {
        if buffer.is_empty() {
            return;
        }
        let Some(class) = (0..CLASSES).find(|&class| self.class(class) == buffer.len()) else { return };
        // What is not kept is freed outside of the lock.
        let _ = self.free.with(|free| match free.classes.get_mut(class) {
            Some(class) if free.octets + buffer.len() <= self.keep => {
                free.octets += buffer.len();
                class.push(buffer);
                None
            }
            _ => Some(buffer),
        });
    }

    /// The octets of the smallest buffer.
    pub(crate) fn smallest(&self) -> usize {
        self.class(0)
    }

    /// The payload octets that the smallest buffer has room for, with a head in front and a control frame
    /// behind.
    pub(crate) fn payload_size(&self) -> usize {
        self.smallest() - HEAD_MAX - CONTROL_FRAME_MAX
    }

    fn class(&self, class: usize) -> usize {
        (self.size << (2 * class)) + SLACK
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new(Self::DEFAULT_SIZE, Self::DEFAULT_KEEP)
    }
}

impl core::fmt::Debug for Pool {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pool").field("size", &self.size).field("keep", &self.keep).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_as_it_went() {
        let pool = Pool::new(1024, 1 << 20);
        let buffer = pool.take(1);
        let (at, length) = (buffer.as_ptr(), buffer.len());
        assert!(length >= 1024);
        pool.give(buffer);
        assert_eq!(pool.kept(), length);
        let again = pool.take(1);
        assert_eq!((again.as_ptr(), again.len()), (at, length));
        assert_eq!(pool.kept(), 0);
    }

    #[test]
    fn a_larger_buffer_is_of_the_next_class() {
        let pool = Pool::new(1024, 1 << 20);
        for octets in [1, 1024, 1025, 4096, 5000, 1 << 20, (1 << 20) + 1, 1 << 22] {
            let buffer = pool.take(octets);
            assert!(buffer.len() >= octets);
            assert!(buffer.len() <= (4 * octets).max(1024) + SLACK, "{octets}");
            pool.give(buffer);
        }
    }

    #[test]
    fn what_is_not_kept_is_not_made() {
        let pool = Pool::new(1024, 1 << 20);
        assert_eq!(pool.take_kept(4000), None);
        let buffer = pool.take(4000);
        let (at, length) = (buffer.as_ptr(), buffer.len());
        pool.give(buffer);
        assert_eq!((pool.take_kept(1), pool.take_kept(5000), pool.take_kept(usize::MAX)), (None, None, None));
        let again = pool.take_kept(4000).unwrap();
        assert_eq!((again.as_ptr(), again.len()), (at, length));
    }

    #[test]
    fn no_more_is_kept_than_the_bound() {
        let pool = Pool::new(1024, 3000);
        let buffers: Vec<_> = (0..5).map(|_| pool.take(1)).collect();
        for buffer in buffers {
            pool.give(buffer);
        }
        assert_eq!(pool.kept(), 2 * (1024 + SLACK));
    }
}
