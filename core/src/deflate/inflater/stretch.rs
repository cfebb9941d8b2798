//! The input and output of one call, and copying within what has been written.

use crate::deflate::history::History;
use crate::error::Violation;

/// What a call reads, writes and refers back to.
pub(super) struct Stretch<'c> {
    pub(super) input: &'c [u8],
    /// Octets taken off the front of the input.
    pub(super) taken: usize,
    pub(super) output: &'c mut [u8],
    /// Octets written to the front of the output.
    pub(super) written: usize,
    /// What earlier calls have written.
    pub(super) history: History,
    /// The memory of the history, of the agreed size.
    pub(super) ring: &'c [u8],
}

/// Octets that a copy may write past its end.
pub(super) const SLACK: usize = 16;

impl Stretch<'_> {
    /// Whether a match may reach so far back.
    #[inline(always)]
    pub(super) fn check(&self, distance: usize) -> Result<(), Violation> {
        // RFC 7692 7.1.2: no farther than the agreed window. RFC 1951 3.2.3: not before the first octet.
        if distance <= self.ring.len() && distance <= self.written + self.history.filled() {
            Ok(())
        } else {
            Err(Violation::InvalidCompression)
        }
    }

    /// Copies a checked match as far as the output has room, and says how many octets that was.
    pub(super) fn copy(&mut self, distance: usize, length: usize) -> usize {
        let length = length.min(self.output.len() - self.written);
        let end = self.written + length;
        if let Some(back) = distance.checked_sub(self.written) {
            self.copy_history(back, length);
        }
        if distance <= self.written && self.output.len() - end >= SLACK {
            self.written = copy_within(self.output, self.written, distance, end - self.written);
        }
        while let Some(rest) = end.checked_sub(self.written).filter(|&rest| rest > 0) {
            // A match may run into what it writes itself: then it repeats.
            let at_once = rest.min(distance);
            let Some((done, room)) = self.output.split_at_mut_checked(self.written) else { break };
            let from = done.len().saturating_sub(distance);
            if let (Some(room), Some(done)) = (room.get_mut(..at_once), done.get(from..from + at_once)) {
                room.copy_from_slice(done);
            }
            self.written += at_once;
        }
        length
    }

    /// Copies what of a match lies before this call's output, `back` octets before it at first.
    #[cold]
    fn copy_history(&mut self, back: usize, length: usize) {
        let length = length.min(back);
        for piece in self.history.recall(self.ring, back, length).unwrap_or_default() {
            if let Some(room) = self.output.get_mut(self.written..self.written + piece.len()) {
                room.copy_from_slice(piece);
                self.written += piece.len();
            }
        }
    }
}

/// Copies a match within `output` and says where it ends, having overwritten up to [`SLACK`] octets more.
///
/// Works by whole chunks, which is what makes it fast.
#[inline(always)]
pub(super) fn copy_within(output: &mut [u8], mut at: usize, distance: usize, length: usize) -> usize {
    let end = at + length;
    if distance >= 16 {
        loop {
            copy_chunk::<16>(output, at - distance, at);
            at += 16;
            if at >= end {
                break;
            }
        }
    } else if distance >= 8 {
        while at < end {
            copy_chunk::<8>(output, at - distance, at);
            at += 8;
        }
    } else {
        repeat(output, at, distance, end);
    }
    end
}

/// Writes a short pattern again and again.
#[inline(never)]
fn repeat(output: &mut [u8], mut at: usize, distance: usize, end: usize) {
    let Some(pattern) = output.get(at - distance..at) else { return };
    let mut chunk = [0; 16];
    if let [one] = pattern {
        chunk = [*one; 16];
    } else {
        for (octet, &pattern) in chunk.iter_mut().zip(pattern.iter().cycle()) {
            *octet = pattern;
        }
    }
    // The last pattern in the chunk may be cut, so the next chunk begins where it does.
    let step = 16 - 16 % pattern.len().max(1);
    while at < end {
        if let Some(room) = output.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *room = chunk;
        }
        at += step;
    }
}

#[inline(always)]
fn copy_chunk<const N: usize>(output: &mut [u8], from: usize, to: usize) {
    let Some(&chunk) = output.get(from..).and_then(|rest| rest.first_chunk::<N>()) else { return };
    if let Some(room) = output.get_mut(to..).and_then(|rest| rest.first_chunk_mut()) {
        *room = chunk;
    }
}
