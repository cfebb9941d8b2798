//! The octets that a message may refer back to, in memory that is lent for a call.
//!
//! A ring of 2^8 to 2^15 octets. What stands in the memory beyond the octets written since the last reset
//! is never read, so memory from a pool needs no clearing.

/// Where a ring of lent memory stands: what a connection keeps beside that memory. Four octets.
///
/// It is the window of the messages received, for an [`Inflate`](super::Inflate), or of those sent, for a
/// pooled [`Deflate`](super::Deflate). A sender may start a new one between any two messages and give the
/// memory back; a receiver with takeover must keep both, since it cannot know what is referred to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Where the next octet goes.
    next: u16,
    /// How many octets have been written, up to the size of the ring.
    filled: u16,
}

impl History {
    /// The history of a connection on which nothing has been sent.
    pub const fn new() -> Self {
        Self { next: 0, filled: 0 }
    }

    /// How many octets back it reaches.
    pub(super) fn filled(self) -> usize {
        usize::from(self.filled)
    }

    /// Appends `octets`. The length of `ring` is a power of two up to 2^15.
    pub(super) fn append(&mut self, ring: &mut [u8], octets: &[u8]) {
        let size = ring.len();
        let kept = octets.get(octets.len().saturating_sub(size)..).unwrap_or_default();
        let next = (usize::from(self.next) + (octets.len() - kept.len())) % size.max(1);
        let (front, back) = kept.split_at(kept.len().min(size.saturating_sub(next)));
        if let Some(room) = ring.get_mut(next..next + front.len()) {
            room.copy_from_slice(front);
        }
        if let Some(room) = ring.get_mut(..back.len()) {
            room.copy_from_slice(back);
        }
        // A ring holds at most 2^15 octets, so both fit.
        self.next = ((next + kept.len()) % size.max(1)) as u16;
        self.filled = (self.filled() + kept.len()).min(size) as u16;
    }

    /// The `length` octets that begin `back` octets before the next one, in two pieces at most.
    ///
    /// Nothing when that is beyond what has been written.
    pub(super) fn recall(self, ring: &[u8], back: usize, length: usize) -> Option<[&[u8]; 2]> {
        if back > self.filled() || length > back {
            return None;
        }
        let from = (usize::from(self.next) + ring.len()).checked_sub(back)? % ring.len().max(1);
        let rest = ring.get(from..)?;
        match rest.get(..length) {
            Some(whole) => Some([whole, &[]]),
            None => Some([rest, ring.get(..length - rest.len())?]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn a_ring_is_the_end_of_all_that_was_written(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..700), 0..8),
        ) {
            let mut ring = [0xEE; 256];
            let mut history = History::new();
            let mut all = Vec::new();
            for piece in &pieces {
                history.append(&mut ring, piece);
                all.extend_from_slice(piece);
                let filled = all.len().min(256);
                prop_assert_eq!(history.filled(), filled);
                for back in [0, 1, 100, 255, 256, 257] {
                    for length in [0, 1, 99, 255, 256] {
                        let recalled = history.recall(&ring, back, length).map(|two| two.concat());
                        let expected = (back <= filled && length <= back)
                            .then(|| all[all.len() - back..][..length].to_vec());
                        prop_assert_eq!(recalled, expected);
                    }
                }
            }
        }
    }
}
