//! Output on its way to the transport: a pooled buffer that is held only while octets are in it.

use crate::pool::Pool;
use alloc::boxed::Box;
use tightwire::{Output, SendError};

#[derive(Default)]
pub(crate) struct Outgoing {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Outgoing {
    /// The octets to be sent.
    pub(crate) fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Lets `write` append whole frames, and says whether it did.
    #[inline]
    pub(crate) fn append(
        &mut self,
        pool: &Pool,
        write: impl FnOnce(&mut Output<'_>) -> Result<(), SendError>,
    ) -> bool {
        if self.buffer.is_empty() {
            self.buffer = pool.take(0);
        }
        let mut out = Output::with_written(&mut self.buffer, self.end);
        let written = write(&mut out).is_ok();
        self.end = out.len();
        self.release(pool);
        written
    }

    /// Lets `write` append whole frames. If they need more room than there is, the front is tidied up first
    /// when that is cheap.
    pub(crate) fn write<X>(
        &mut self,
        pool: &Pool,
        mut write: impl FnMut(&mut Output<'_>) -> Result<X, SendError>,
    ) -> Result<X, SendError> {
        if self.buffer.is_empty() {
            self.buffer = pool.take(0);
        }
        let mut out = Output::with_written(&mut self.buffer, self.end);
        let mut result = write(&mut out);
        self.end = out.len();
        // Moving no more than was sent since the last move keeps the work linear.
        if matches!(result, Err(SendError::NeedsSpace(_)))
            && self.start >= self.end - self.start
            && self.start > 0
        {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            let mut out = Output::with_written(&mut self.buffer, self.end);
            result = write(&mut out);
            self.end = out.len();
        }
        self.release(pool);
        result
    }

    /// The room behind what is to be sent, or in the buffer that the next frame would have.
    pub(crate) fn room(&self, pool: &Pool) -> usize {
        if self.buffer.is_empty() { pool.smallest() } else { self.buffer.len() - self.end }
    }

    /// Takes `octets` off the front: they were sent.
    pub(crate) fn sent(&mut self, octets: usize) {
        self.start = (self.start + octets).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Makes room for `octets` more, whatever the size of the pool's buffers, and lends it.
    pub(crate) fn grow(&mut self, pool: &Pool, octets: usize) -> Output<'_> {
        if self.buffer.len() - self.end < octets {
            let pending = self.pending().len();
            let mut larger = pool.take(pending + octets);
            if let Some(front) = larger.get_mut(..pending) {
                front.copy_from_slice(self.pending());
            }
            pool.give(core::mem::replace(&mut self.buffer, larger));
            (self.start, self.end) = (0, pending);
        }
        Output::with_written(&mut self.buffer, self.end)
    }

    /// Takes over a buffer whose octets from `start` to `end` are to be sent, and leaves the one before in its
    /// place. To be called when nothing is pending.
    pub(crate) fn swap(&mut self, buffer: &mut Box<[u8]>, start: usize, end: usize) {
        (self.start, self.end) = (start, end.min(buffer.len()));
        core::mem::swap(&mut self.buffer, buffer);
    }

    /// Counts octets that were written through [`grow`](Self::grow).
    pub(crate) fn set_written(&mut self, length: usize) {
        self.end = length.min(self.buffer.len());
    }

    /// Forgets what is pending.
    pub(crate) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Gives the buffer back if nothing is in it.
    #[inline]
    pub(crate) fn release(&mut self, pool: &Pool) {
        if self.is_empty() && !self.buffer.is_empty() {
            pool.give(core::mem::take(&mut self.buffer));
        }
    }
}
