//! What one connection is made of: a slab entry, and more only while it has something unfinished.

use crate::compression::Held;
use crate::dial::Dial;
use crate::machine::Machine;
use crate::peer::Peer;
use crate::pool::{Buffer, Pool};
use crate::queue::Queue;
use crate::slab::Slab;
use crate::wheel::{Link, Links};
use rustix::fd::OwnedFd;
use tightwire::handshake::HeadScanner;
use tightwire::{Deadlines, Kind};

/// No [`Extra`].
pub(crate) const NO_EXTRA: u32 = u32::MAX;

/// A connection. All that an idle one has, in octets:
///
/// | field | octets | what it is |
/// | --- | --: | --- |
/// | `fd` | 4 | its -1, which no descriptor is, marks a vacant slot |
/// | `machine` | 4 | the machine at rest, 3, and whether it is a server's, a client's, none yet or awake elsewhere |
/// | `deadlines` | 16 | five instants and what they stand for |
/// | `timer` | 8 | the neighbours in the wheel |
/// | `extra` | 4 | where the rest is, if there is any |
/// | `flags` | 4 | with the set of timeouts |
/// | generation | 4 | the slab's, so that a token names one connection for ever |
/// | all | 44 | and the session |
pub(crate) struct Entry<S> {
    pub(crate) fd: OwnedFd,
    /// The protocol machine; nothing before the opening handshake is done.
    pub(crate) machine: Option<Machine>,
    pub(crate) deadlines: Deadlines,
    pub(crate) timer: Link,
    /// Where in [`Extras`] the rest is.
    pub(crate) extra: u32,
    pub(crate) flags: Flags,
    pub(crate) session: S,
}

// The budget of an idle connection is 96 octets in all.
const _: () = assert!(Slab::<Entry<()>>::entry_size() <= 44);

impl<S> Entry<S> {
    pub(crate) fn new(fd: OwnedFd, deadlines: Deadlines, session: S) -> Self {
        Self {
            fd,
            machine: None,
            deadlines,
            timer: Link::new(),
            extra: NO_EXTRA,
            flags: Flags::default(),
            session,
        }
    }
}

impl<S> Links for Slab<Entry<S>> {
    #[inline]
    fn link(&mut self, index: u32) -> Option<&mut Link> {
        self.at_mut(index).map(|entry| &mut entry.timer)
    }
}

/// Facts about a connection, in the highest octet which of the thread's sets of timeouts holds, and in the
/// four bits below which effort at compression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u32);

impl Flags {
    /// The handler saw `open` and has yet to see `close`.
    pub(crate) const OPEN: Self = Self(1);
    /// The socket may have octets: an edge was seen, and no read came back short since.
    pub(crate) const READABLE: Self = Self(1 << 1);
    /// The peer has ended its direction, or the socket is broken: read until the end.
    pub(crate) const ENDING: Self = Self(1 << 2);
    /// The end of the peer's direction was read.
    pub(crate) const ENDED: Self = Self(1 << 3);
    /// The handler does not want messages now.
    pub(crate) const PAUSED: Self = Self(1 << 4);
    /// Nothing is decoded until waiting output is gone.
    pub(crate) const STALLED: Self = Self(1 << 5);
    /// Octets in `rest` may decode to something.
    pub(crate) const UNREAD: Self = Self(1 << 6);
    /// The socket takes nothing now.
    pub(crate) const BLOCKED: Self = Self(1 << 7);
    /// The poller reports when it does again.
    pub(crate) const WRITE_ARMED: Self = Self(1 << 8);
    /// It is in the list of connections to go on with.
    pub(crate) const READY: Self = Self(1 << 9);
    /// It is in the list of connections with output to write.
    pub(crate) const DIRTY: Self = Self(1 << 10);
    /// What the peer still sends is thrown away, and nothing but waiting output is sent.
    pub(crate) const LINGERING: Self = Self(1 << 11);
    /// Our direction is shut down.
    pub(crate) const SHUT: Self = Self(1 << 12);
    /// It is to be dropped as soon as nobody is at work on it.
    pub(crate) const DOOMED: Self = Self(1 << 13);
    /// It is subscribed to topics.
    pub(crate) const SUBSCRIBED: Self = Self(1 << 14);
    /// The handler was told that output waits, and is to hear when it is gone.
    pub(crate) const TELL_DRAINED: Self = Self(1 << 15);
    /// This end began it.
    pub(crate) const DIALED: Self = Self(1 << 16);
    /// The application wants it dropped.
    pub(crate) const DROPPED: Self = Self(1 << 17);
    /// A closing handshake has begun.
    pub(crate) const CLOSING: Self = Self(1 << 18);

    #[inline]
    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    #[inline]
    pub(crate) const fn set(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    #[inline]
    pub(crate) const fn clear(&mut self, flag: Self) {
        self.0 &= !flag.0;
    }

    /// Which of the thread's efforts at compression holds.
    #[cfg(feature = "deflate")]
    pub(crate) const fn effort(self) -> u8 {
        (self.0 >> 20) as u8 & 0x0F
    }

    #[cfg(feature = "deflate")]
    pub(crate) const fn set_effort(&mut self, place: u8) {
        self.0 = self.0 & 0xFF0F_FFFF | (place as u32 & 0x0F) << 20;
    }

    pub(crate) const fn timeouts(self) -> u8 {
        (self.0 >> 24) as u8
    }

    pub(crate) const fn set_timeouts(&mut self, set: u8) {
        self.0 = self.0 & 0x00FF_FFFF | (set as u32) << 24;
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a connection has only while something of it is unfinished.
#[derive(Default)]
pub(crate) struct Extra {
    /// The protocol machine, unless it rests.
    pub(crate) peer: Option<Peer>,
    /// Octets that are not decoded: a cut head, a cut request, or more while reading is held up.
    pub(crate) rest: Buffer,
    /// Where in `rest` they begin, and how many they are.
    pub(crate) rest_start: usize,
    pub(crate) rest_len: usize,
    /// How far the head of the opening handshake was looked at.
    pub(crate) scanner: HeadScanner,
    /// The message so far.
    pub(crate) message: Buffer,
    pub(crate) message_len: usize,
    pub(crate) kind: Option<Kind>,
    /// Output that the socket did not take yet.
    pub(crate) output: Queue,
    /// What was offered in a handshake of ours that is not answered.
    pub(crate) dial: Option<Box<Dial>>,
    /// Codecs and windows.
    pub(crate) compression: Held,
}

impl Extra {
    /// The octets that are not decoded.
    pub(crate) fn unread(&self) -> Option<&[u8]> {
        self.rest.get(self.rest_start..self.rest_start + self.rest_len)
    }

    fn is_needed(&self) -> bool {
        self.peer.is_some()
            || self.rest_len > 0
            || self.kind.is_some()
            || !self.output.is_empty()
            || self.dial.is_some()
            || self.compression.is_needed()
    }

    fn clear(&mut self, pool: &mut Pool) {
        self.peer = None;
        pool.give(core::mem::take(&mut self.rest));
        pool.give(core::mem::take(&mut self.message));
        self.output.clear(pool);
        (self.rest_start, self.rest_len, self.message_len, self.kind) = (0, 0, 0, None);
        self.scanner = HeadScanner::new();
        self.dial = None;
        self.compression = Held::default();
    }
}

/// Extras that are kept though nobody needs them.
const SPARE: usize = 64;

/// The extras of one thread. One that is not needed waits for the next connection that needs one, so that
/// nothing is allocated when warm; what nobody needs for a while goes back to the allocator.
pub(crate) struct Extras {
    /// By the place that the entry names.
    places: Vec<Option<Box<Extra>>>,
    vacant: Vec<u32>,
    #[allow(clippy::vec_box, reason = "the boxes move in and out, what they hold stays where it is")]
    spare: Vec<Box<Extra>>,
    /// The fewest spare ones at any time since [`Extras::age`].
    unused: usize,
}

impl Extras {
    pub(crate) const fn new() -> Self {
        Self { places: Vec::new(), vacant: Vec::new(), spare: Vec::new(), unused: 0 }
    }

    #[inline]
    pub(crate) fn get(&mut self, index: u32) -> Option<&mut Extra> {
        self.places.get_mut(index as usize)?.as_deref_mut()
    }

    #[inline]
    pub(crate) fn look(&self, index: u32) -> Option<&Extra> {
        self.places.get(index as usize)?.as_deref()
    }

    /// All that there are.
    #[cfg(feature = "deflate")]
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Extra> {
        self.places.iter_mut().filter_map(Option::as_deref_mut)
    }

    /// The extra of `slot`, made if there is none.
    pub(crate) fn need(&mut self, slot: &mut u32) -> Option<&mut Extra> {
        if *slot == NO_EXTRA {
            let extra = self.spare.pop().unwrap_or_default();
            self.unused = self.unused.min(self.spare.len());
            *slot = match self.vacant.pop() {
                Some(index) => index,
                None => {
                    self.places.push(None);
                    u32::try_from(self.places.len() - 1).ok()?
                }
            };
            *self.places.get_mut(*slot as usize)? = Some(extra);
        }
        self.get(*slot)
    }

    /// Takes the extra of `slot` back if it holds nothing.
    #[inline]
    pub(crate) fn settle(&mut self, slot: &mut u32, pool: &mut Pool) {
        if *slot != NO_EXTRA && self.get(*slot).is_some_and(|extra| !extra.is_needed()) {
            self.release(slot, pool);
        }
    }

    /// Takes the extra of `slot` back with all that it holds.
    pub(crate) fn release(&mut self, slot: &mut u32, pool: &mut Pool) {
        if let Some(mut extra) = self.places.get_mut(*slot as usize).and_then(Option::take) {
            extra.clear(pool);
            self.spare.push(extra);
            self.vacant.push(*slot);
        }
        *slot = NO_EXTRA;
    }

    /// Whether [`age`](Self::age) may have something to give back.
    pub(crate) fn has_surplus(&self) -> bool {
        self.spare.len() > SPARE
    }

    /// Gives back what nobody needed since the last call.
    pub(crate) fn age(&mut self) {
        let keep = (self.spare.len() - self.unused.min(self.spare.len())).max(SPARE);
        self.spare.truncate(keep);
        self.unused = self.spare.len();
        self.spare.shrink_to(self.unused.max(SPARE) * 2);
        let used = self.places.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        if used.max(SPARE) < self.places.len() / 2 {
            self.places.truncate(used);
            self.vacant.retain(|&place| (place as usize) < used);
            self.places.shrink_to(used.max(SPARE) * 2);
            self.vacant.shrink_to(used.max(SPARE) * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_go_back_when_nobody_needs_them() {
        let (mut extras, mut pool) = (Extras::new(), Pool::new(0));
        let mut slots = [NO_EXTRA; 5000];
        for slot in &mut slots {
            extras.need(slot).unwrap().rest_len = 1;
        }
        // Kept for as long as they were in use a moment ago.
        for slot in slots.iter_mut().skip(100) {
            extras.release(slot, &mut pool);
            assert_eq!(*slot, NO_EXTRA);
        }
        extras.age();
        assert_eq!((extras.spare.len(), extras.unused), (4900, 4900));
        extras.age();
        assert_eq!(extras.spare.len(), SPARE);
        assert!(extras.spare.capacity() <= 2 * SPARE && extras.places.capacity() <= 200);
        // Who has one keeps it, and places are used again.
        let mut late = [NO_EXTRA; 200];
        for slot in &mut late {
            assert_eq!(extras.need(slot).unwrap().rest_len, 0);
        }
        let mut all: Vec<_> = slots[..100].iter().chain(&late).copied().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 300);
        assert!(slots[..100].iter().all(|&slot| extras.get(slot).unwrap().rest_len == 1));
        assert_eq!(extras.places.len(), 300);
    }
}
