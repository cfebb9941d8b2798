//! A table of inline entries whose tokens carry a generation.
//!
//! It grows by whole chunks, so an entry never moves and growth never copies. A vacant slot is used again
//! without allocating, under a new generation: a token that outlived its entry finds nothing, never the
//! entry that came after it.

use std::fmt;

/// Entries in one chunk.
const CHUNK: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 9;

/// The end of the list of vacant slots.
const NONE: u32 = u32::MAX;

/// The most entries that a slab holds. Tokens with a higher index are never given out.
pub const CAPACITY_MAX: u32 = 1 << 30;

/// Names one entry of a slab: its index and the generation of its slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(u64);

impl Token {
    /// The token with this index and generation.
    pub const fn new(index: u32, generation: u32) -> Self {
        Self((generation as u64) << 32 | index as u64)
    }

    /// The token as one number, such as epoll carries.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The token that [`to_bits`](Self::to_bits) gave.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Where the entry stands. Entries that are in the slab at the same time have different indices.
    pub const fn index(self) -> u32 {
        self.0 as u32
    }

    /// How many entries the slot had before this one, modulo 2^32.
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}v{}", self.index(), self.generation())
    }
}

/// The table.
pub struct Slab<T> {
    /// Arrays, so that it is known that every index modulo their length is in them.
    chunks: Vec<Box<[Slot<T>; CHUNK]>>,
    /// The first vacant slot.
    vacant: u32,
    len: u32,
    limit: u32,
}

struct Slot<T> {
    generation: u32,
    state: State<T>,
}

enum State<T> {
    Vacant { next: u32 },
    Taken(T),
}

impl<T> Slab<T> {
    /// An empty slab that holds at most `limit` entries, and never more than [`CAPACITY_MAX`].
    pub const fn new(limit: u32) -> Self {
        let limit = if limit > CAPACITY_MAX { CAPACITY_MAX } else { limit };
        Self { chunks: Vec::new(), vacant: NONE, len: 0, limit }
    }

    /// Puts `value` in. Allocates one chunk when no slot is vacant.
    ///
    /// # Errors
    /// Gives the value back when the slab is full.
    pub fn insert(&mut self, value: T) -> Result<Token, T> {
        if self.len >= self.limit {
            return Err(value);
        }
        if self.vacant == NONE {
            self.grow();
        }
        let index = self.vacant;
        let Some(slot) = slot_mut(&mut self.chunks, index) else { return Err(value) };
        let State::Vacant { next } = slot.state else { return Err(value) };
        slot.state = State::Taken(value);
        self.vacant = next;
        self.len += 1;
        Ok(Token::new(index, slot.generation))
    }

    /// Takes the entry out, or nothing when the token is stale.
    pub fn remove(&mut self, token: Token) -> Option<T> {
        let slot = slot_mut(&mut self.chunks, token.index())?;
        if slot.generation != token.generation() || matches!(slot.state, State::Vacant { .. }) {
            return None;
        }
        let state = core::mem::replace(&mut slot.state, State::Vacant { next: self.vacant });
        slot.generation = slot.generation.wrapping_add(1);
        self.vacant = token.index();
        self.len -= 1;
        match state {
            State::Taken(value) => Some(value),
            State::Vacant { .. } => None,
        }
    }

    /// The entry of a token, or nothing when the token is stale.
    #[inline]
    pub fn get(&self, token: Token) -> Option<&T> {
        let slot = self.slot(token.index())?;
        match &slot.state {
            State::Taken(value) if slot.generation == token.generation() => Some(value),
            _ => None,
        }
    }

    /// The entry of a token, or nothing when the token is stale.
    #[inline]
    pub fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        let slot = slot_mut(&mut self.chunks, token.index())?;
        match &mut slot.state {
            State::Taken(value) if slot.generation == token.generation() => Some(value),
            _ => None,
        }
    }

    /// The entry that stands at `index` now, whatever its generation.
    #[inline]
    pub fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        match &mut slot_mut(&mut self.chunks, index)?.state {
            State::Taken(value) => Some(value),
            State::Vacant { .. } => None,
        }
    }

    /// The token of the entry that stands at `index` now.
    pub fn token(&self, index: u32) -> Option<Token> {
        let slot = self.slot(index)?;
        matches!(slot.state, State::Taken(_)).then(|| Token::new(index, slot.generation))
    }

    /// The entries with their tokens, in order of index.
    pub fn iter(&self) -> impl Iterator<Item = (Token, &T)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).enumerate().filter_map(|(index, slot)| match &slot
            .state
        {
            State::Taken(value) => Some((Token::new(index as u32, slot.generation), value)),
            State::Vacant { .. } => None,
        })
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is no entry.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// For how many entries memory has been taken.
    pub fn capacity(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    /// The octets of one entry with everything that the slab keeps beside it.
    pub const fn entry_size() -> usize {
        size_of::<Slot<T>>()
    }

    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        self.chunks.get((index >> CHUNK_BITS) as usize)?.get(index as usize % CHUNK)
    }

    fn grow(&mut self) {
        let first = (self.chunks.len() * CHUNK) as u32;
        let last = first + CHUNK as u32 - 1;
        // In order, so that the entries of a young slab lie side by side.
        let chunk = (first..=last).map(|index| Slot {
            generation: 0,
            state: State::Vacant { next: if index == last { self.vacant } else { index + 1 } },
        });
        if let Ok(chunk) = chunk.collect::<Box<[_]>>().try_into() {
            self.chunks.push(chunk);
            self.vacant = first;
        }
    }
}

impl<T> fmt::Debug for Slab<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slab").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

#[inline]
fn slot_mut<T>(chunks: &mut [Box<[Slot<T>; CHUNK]>], index: u32) -> Option<&mut Slot<T>> {
    chunks.get_mut((index >> CHUNK_BITS) as usize)?.get_mut(index as usize % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn a_stale_token_finds_nothing() {
        let mut slab = Slab::new(10);
        let first = slab.insert("first").unwrap();
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second").unwrap();
        assert_eq!(first.index(), second.index());
        assert_ne!(first, second);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(slab.token(second.index()), Some(second));
        assert_eq!(slab.at_mut(second.index()), Some(&mut "second"));
    }

    #[test]
    fn a_full_slab_gives_the_value_back() {
        let mut slab = Slab::new(2);
        let first = slab.insert(1).unwrap();
        slab.insert(2).unwrap();
        assert_eq!(slab.insert(3), Err(3));
        slab.remove(first);
        assert!(slab.insert(3).is_ok());
    }

    #[test]
    fn entries_do_not_move_when_it_grows() {
        let mut slab = Slab::new(u32::MAX);
        let first = slab.insert(0_usize).unwrap();
        let address = std::ptr::from_ref(slab.get(first).unwrap());
        for value in 1..CHUNK * 3 {
            slab.insert(value).unwrap();
        }
        assert_eq!(slab.capacity(), CHUNK * 3);
        assert_eq!(std::ptr::from_ref(slab.get(first).unwrap()), address);
        assert_eq!(
            slab.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
            (0..CHUNK * 3).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_warm_slab_does_not_grow() {
        let mut slab = Slab::new(u32::MAX);
        let tokens: Vec<_> = (0..CHUNK).map(|value| slab.insert(value).unwrap()).collect();
        for &token in &tokens {
            slab.remove(token);
        }
        for round in 0..10 * CHUNK {
            let token = slab.insert(round).unwrap();
            assert_eq!(slab.remove(token), Some(round));
        }
        assert_eq!(slab.capacity(), CHUNK);
        assert!(slab.is_empty());
    }

    #[test]
    fn the_list_of_vacant_slots_costs_no_room() {
        // An owned descriptor is never -1, and that is where the vacancy is noted.
        type Entry = (std::os::fd::OwnedFd, u64, u32);
        assert_eq!(Slab::<Entry>::entry_size(), size_of::<Entry>() + 8);
        assert_eq!(size_of::<State<Entry>>(), size_of::<Entry>());
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_map(steps in proptest::collection::vec((any::<bool>(), 0_usize..40), 0..400)) {
            let mut slab = Slab::new(20);
            let mut map = HashMap::new();
            let mut tokens = Vec::new();
            for (at, (insert, pick)) in steps.into_iter().enumerate() {
                if insert {
                    match slab.insert(at) {
                        Ok(token) => {
                            prop_assert!(map.len() < 20);
                            prop_assert_eq!(map.insert(token, at), None);
                            tokens.push(token);
                        }
                        Err(_) => prop_assert_eq!(map.len(), 20),
                    }
                } else if let Some(token) = tokens.get(pick) {
                    prop_assert_eq!(slab.remove(*token), map.remove(token));
                }
                for token in &tokens {
                    prop_assert_eq!(slab.get(*token), map.get(token));
                }
                prop_assert_eq!(slab.len(), map.len());
                prop_assert_eq!(slab.iter().count(), map.len());
            }
        }
    }
}
