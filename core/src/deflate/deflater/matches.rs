//! Looking for octets that have been before: a table of where each four octets were last.
//!
//! What stands in the table is only ever a hint. A match counts when its octets are the same, lie within the
//! window and do not lie before the first octet that may be referred to. So the table needs no clearing
//! between messages, and one that holds the traces of another connection does no harm.

use crate::deflate::effort::Level;

/// The longest match. RFC 1951 3.2.5.
pub(super) const LONGEST: usize = 258;

/// The shortest match that is looked for: the table knows four octets at once.
pub(super) const SHORTEST: usize = 4;

/// Places in the buffer, and what is known of them.
pub(super) struct Search<'c> {
    /// The octets up to the last one taken in.
    pub(super) octets: &'c [u8],
    /// The last place of each hash, a power of two of them.
    pub(super) heads: &'c mut [u16],
    /// How far a hash of 32 bits is shifted to fit them.
    pub(super) shift: u32,
    /// For each place the one before it with the same hash, by its lowest bits; empty without chains.
    pub(super) chain: &'c mut [u16],
    /// The first place that may be referred to; at least 1, as 0 is the place of nothing.
    pub(super) floor: usize,
    /// The size of the window.
    pub(super) window: usize,
}

/// A match of `length` octets, `distance` back. A length of 0 is none.
#[derive(Clone, Copy, Default)]
pub(super) struct Match {
    pub(super) length: usize,
    pub(super) distance: usize,
}

/// How far a level looks.
pub(super) struct Tuning {
    /// Places looked at for a match, at most.
    depth: u32,
    /// A match this long is good enough.
    nice: usize,
    /// A match shorter than this is held against one that begins an octet later.
    pub(super) lazy: usize,
}

impl Tuning {
    pub(super) const fn of(level: Level) -> Self {
        match level {
            Level::Fastest | Level::Fast => Self { depth: 1, nice: LONGEST, lazy: 0 },
            Level::Balanced => Self { depth: 24, nice: 64, lazy: 24 },
            Level::Best => Self { depth: 256, nice: LONGEST, lazy: LONGEST },
        }
    }
}

impl Search<'_> {
    /// Where in the table the four octets belong.
    #[inline(always)]
    pub(super) fn hash(&self, four: [u8; 4]) -> usize {
        let mixed = u32::from_le_bytes(four).wrapping_mul(0x9E37_79B1);
        (mixed >> self.shift) as usize
    }

    /// The four octets at a place.
    #[inline(always)]
    pub(super) fn four(&self, at: usize) -> Option<[u8; 4]> {
        self.octets.get(at..)?.first_chunk().copied()
    }

    /// Notes a place.
    #[inline(always)]
    pub(super) fn insert(&mut self, at: usize) {
        let Some(four) = self.four(at) else { return };
        let hash = self.hash(four);
        let Some(head) = self.heads.get_mut(hash) else { return };
        let mask = self.chain.len().wrapping_sub(1);
        if let Some(before) = self.chain.get_mut(at & mask) {
            *before = *head;
        }
        // A place is below 2^16, the size of the largest buffer.
        *head = at as u16;
    }

    /// The best match at a place that is longer than `than`.
    #[inline(always)]
    pub(super) fn best(&self, at: usize, than: usize, tuning: &Tuning) -> Match {
        let mut best = Match { length: than, distance: 0 };
        let Some(four) = self.four(at) else { return Match::default() };
        let most = (self.octets.len() - at).min(LONGEST);
        let lowest = self.floor.max(at.saturating_sub(self.window));
        let mut place = self.heads.get(self.hash(four)).copied().unwrap_or_default().into();
        let mut above = at;
        let mask = self.chain.len().wrapping_sub(1);
        for _ in 0..tuning.depth {
            // Places on a chain fall. One that does not is left from what was here before.
            if place < lowest || place >= above {
                break;
            }
            let may_be_longer = best.length < SHORTEST
                || self.octets.get(place + best.length) == self.octets.get(at + best.length);
            if may_be_longer && self.four(place) == Some(four) {
                let length = self.common(place, at, most);
                if length > best.length {
                    best = Match { length, distance: at - place };
                    if length >= tuning.nice || length == most {
                        break;
                    }
                }
            }
            above = place;
            place = match self.chain.get(place & mask) {
                Some(&before) => before.into(),
                None => break,
            };
        }
        if best.distance == 0 { Match::default() } else { best }
    }

    /// How many octets are the same at two places whose first four are.
    #[inline(always)]
    pub(super) fn common(&self, earlier: usize, later: usize, most: usize) -> usize {
        let (Some(earlier), Some(later)) =
            (self.octets.get(earlier..earlier + most), self.octets.get(later..later + most))
        else {
            return 0;
        };
        let mut length = 0;
        let (eights, rest) = earlier.as_chunks::<8>();
        let (others, other_rest) = later.as_chunks::<8>();
        for (eight, other) in eights.iter().zip(others) {
            let different = u64::from_le_bytes(*eight) ^ u64::from_le_bytes(*other);
            if different != 0 {
                return length + (different.trailing_zeros() / 8) as usize;
            }
            length += 8;
        }
        length + rest.iter().zip(other_rest).take_while(|(octet, other)| octet == other).count()
    }
}
