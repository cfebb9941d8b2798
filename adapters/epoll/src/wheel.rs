//! A hashed timer wheel: at most one timer per entry, eight octets each, in coarse ticks.
//!
//! The lists run through the entries themselves, so the wheel allocates nothing after it was made. It knows
//! nothing of clocks: a tick is a number that grows. Arming is cheap but need not happen at every change: a
//! deadline that moved away is found too early once and armed again (lazy re-arm).

use std::fmt;

/// The end of a list, and "in no list".
const NONE: u32 = u32::MAX;
/// Marks a `previous` that names a slot of the wheel, not an entry.
const SLOT: u32 = 1 << 31;
const SLOTS: u32 = 512;

/// The two links that an entry lends to the wheel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Link {
    next: u32,
    previous: u32,
}

impl Link {
    /// The link of an entry without a timer.
    pub const fn new() -> Self {
        Self { next: NONE, previous: NONE }
    }

    /// Whether the entry has a timer.
    pub const fn is_armed(self) -> bool {
        self.previous != NONE
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_armed() { "Armed" } else { "Idle" })
    }
}

/// Where the links of the entries are.
pub trait Links {
    /// The link of the entry at `index`, below 2^31; nothing when there is no such entry.
    fn link(&mut self, index: u32) -> Option<&mut Link>;
}

/// The wheel.
pub struct Wheel {
    /// The first entry of each slot.
    heads: Box<[u32; SLOTS as usize]>,
    /// One bit for each slot with an entry.
    used: [u64; SLOTS as usize / 64],
    /// The next tick to look at. Every entry is in one of the `SLOTS` ticks from here on.
    cursor: u32,
    /// The latest tick that `expire` was asked for. What is armed is never found before the one after it.
    now: u32,
}

impl Wheel {
    /// How far ahead an entry is noted, in ticks. What is due later is found at this distance and armed again.
    pub const REACH: u32 = SLOTS - 1;

    /// A wheel without timers that looks at the ticks after `now`.
    pub fn new(now: u32) -> Self {
        Self { heads: Box::new([NONE; SLOTS as usize]), used: [0; _], cursor: now.saturating_add(1), now }
    }

    /// Sets the timer of the entry at `index` to `tick`; a timer that it had is replaced.
    ///
    /// A tick that is over becomes the next one. A tick beyond [`REACH`](Self::REACH) is found earlier.
    pub fn arm(&mut self, links: &mut impl Links, index: u32, tick: u32) {
        self.disarm(links, index);
        let tick = tick.max(self.now.saturating_add(1));
        let ahead = tick.saturating_sub(self.cursor).min(Self::REACH);
        let slot = self.cursor.wrapping_add(ahead) % SLOTS;
        let head = self.head(slot);
        let Some(link) = links.link(index) else { return };
        *link = Link { next: head, previous: SLOT | slot };
        if let Some(after) = links.link(head) {
            after.previous = index;
        }
        self.set_head(slot, index);
    }

    /// Takes the timer of the entry at `index` off. Must be done before the entry goes away.
    pub fn disarm(&mut self, links: &mut impl Links, index: u32) {
        let Some(link) = links.link(index) else { return };
        let Link { next, previous } = core::mem::take(link);
        if previous == NONE {
            return;
        }
        if previous & SLOT != 0 {
            self.set_head(previous & !SLOT, next);
        } else if let Some(before) = links.link(previous) {
            before.next = next;
        }
        if let Some(after) = links.link(next) {
            after.previous = previous;
        }
    }

    /// Takes off and gives one entry whose tick is `now` or earlier. Call until it gives nothing.
    ///
    /// The caller looks at the entry's own deadline: it may have moved away since, and is then armed again.
    /// What is armed between two calls is found at a later tick than the one that is looked at now, so the
    /// loop ends.
    pub fn expire(&mut self, links: &mut impl Links, now: u32) -> Option<u32> {
        self.now = self.now.max(now);
        let due = self.next().filter(|&tick| tick <= now);
        self.cursor = due.unwrap_or(self.cursor.max(now.saturating_add(1)));
        due?;
        let index = self.head(self.cursor % SLOTS);
        self.disarm(links, index);
        Some(index)
    }

    /// The tick at which [`expire`](Self::expire) will next have something to give.
    pub fn next(&self) -> Option<u32> {
        self.next_used(self.cursor).map(|ahead| self.cursor.saturating_add(ahead))
    }

    fn head(&self, slot: u32) -> u32 {
        self.heads.get(slot as usize).copied().unwrap_or(NONE)
    }

    fn set_head(&mut self, slot: u32, index: u32) {
        if let Some(head) = self.heads.get_mut(slot as usize) {
            *head = index;
        }
        if let Some(word) = self.used.get_mut(slot as usize / 64) {
            let bit = 1 << (slot % 64);
            *word = if index == NONE { *word & !bit } else { *word | bit };
        }
    }

    /// How many ticks from `tick` on to the first slot with an entry.
    fn next_used(&self, tick: u32) -> Option<u32> {
        let words = self.used.len();
        let (first, shift) = ((tick % SLOTS) as usize / 64, tick % 64);
        // The word of the start is looked at twice: first above the start, at last below it.
        for step in 0..=words {
            let at = (first + step) % words;
            let mut word = self.used.get(at).copied().unwrap_or(0);
            if step == 0 {
                word &= !0 << shift;
            } else if step == words {
                word &= !(!0 << shift);
            }
            if word != 0 {
                let slot = at as u32 * 64 + word.trailing_zeros();
                return Some((slot + SLOTS - tick % SLOTS) % SLOTS);
            }
        }
        None
    }
}

impl fmt::Debug for Wheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel").field("cursor", &self.cursor).field("next", &self.next()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Links for Vec<Link> {
        fn link(&mut self, index: u32) -> Option<&mut Link> {
            self.get_mut(index as usize)
        }
    }

    fn expired(wheel: &mut Wheel, links: &mut Vec<Link>, now: u32) -> Vec<u32> {
        let mut found: Vec<_> = std::iter::from_fn(|| wheel.expire(links, now)).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn a_link_is_eight_octets() {
        assert_eq!(size_of::<Link>(), 8);
    }

    #[test]
    fn a_timer_is_found_at_its_tick() {
        for start in [0, 1, 500, 511, 512, 1_000_003] {
            for delay in 1..=Wheel::REACH {
                let mut wheel = Wheel::new(start);
                let mut links = vec![Link::new()];
                assert_eq!(wheel.next(), None);
                wheel.arm(&mut links, 0, start + delay);
                assert_eq!(wheel.next(), Some(start + delay));
                assert_eq!(expired(&mut wheel, &mut links, start + delay - 1), []);
                assert_eq!(wheel.next(), Some(start + delay));
                assert_eq!(expired(&mut wheel, &mut links, start + delay), [0]);
                assert!(!links[0].is_armed());
                assert_eq!(wheel.next(), None);
            }
        }
    }

    #[test]
    fn a_timer_beyond_reach_is_found_early_and_armed_again() {
        let mut wheel = Wheel::new(0);
        let mut links = vec![Link::new()];
        wheel.arm(&mut links, 0, 5000);
        let mut visits = 0;
        for now in 0..=5000 {
            while let Some(index) = wheel.expire(&mut links, now) {
                visits += 1;
                if now < 5000 {
                    wheel.arm(&mut links, index, 5000);
                }
            }
        }
        assert!(!links[0].is_armed());
        assert_eq!(visits, 5000_u32.div_ceil(Wheel::REACH));
    }

    #[test]
    fn a_jump_of_the_clock_finds_everything_once() {
        let mut wheel = Wheel::new(0);
        let mut links = vec![Link::new(); 600];
        for index in 0..600 {
            wheel.arm(&mut links, index, index + 1);
        }
        assert_eq!(expired(&mut wheel, &mut links, 1_000_000), (0..600).collect::<Vec<_>>());
        wheel.arm(&mut links, 3, 1_000_001);
        assert_eq!(wheel.next(), Some(1_000_001));
    }

    #[test]
    fn arming_in_the_past_while_expiring_ends() {
        let mut wheel = Wheel::new(10);
        let mut links = vec![Link::new(); 2];
        wheel.arm(&mut links, 0, 11);
        wheel.arm(&mut links, 1, 11);
        let mut found = Vec::new();
        while let Some(index) = wheel.expire(&mut links, 15) {
            found.push(index);
            wheel.arm(&mut links, index, 0);
        }
        found.sort_unstable();
        assert_eq!(found, [0, 1]);
        assert_eq!(wheel.next(), Some(16));
    }

    #[test]
    fn the_clock_may_stand_still_or_go_back() {
        let mut wheel = Wheel::new(10);
        let mut links = vec![Link::new()];
        assert_eq!(wheel.expire(&mut links, 20), None);
        wheel.arm(&mut links, 0, 15);
        assert_eq!(wheel.expire(&mut links, 20), None);
        assert_eq!(wheel.expire(&mut links, 5), None);
        assert_eq!(wheel.expire(&mut links, 21), Some(0));
    }

    proptest! {
        // The oracle is a plain list of deadlines.
        #[test]
        fn it_agrees_with_a_list(
            steps in proptest::collection::vec((0_u32..3, 0_usize..12, 0_u32..Wheel::REACH), 0..300),
            start in 0_u32..3000,
        ) {
            let mut now = start;
            let mut wheel = Wheel::new(now);
            let mut links = vec![Link::new(); 12];
            let mut list: [Option<u32>; 12] = [None; 12];
            for (step, index, delay) in steps {
                match step {
                    0 => {
                        wheel.arm(&mut links, index as u32, now + delay);
                        list[index] = Some((now + delay).max(now + 1));
                    }
                    1 => {
                        wheel.disarm(&mut links, index as u32);
                        list[index] = None;
                    }
                    _ => {
                        now += delay / 4;
                        let due: Vec<_> = (0..12).filter(|&at| list[at as usize].is_some_and(|tick| tick <= now)).collect();
                        prop_assert_eq!(expired(&mut wheel, &mut links, now), due.clone());
                        due.iter().for_each(|&at| list[at as usize] = None);
                    }
                }
                prop_assert_eq!(wheel.next(), list.iter().flatten().min().copied());
                for (link, deadline) in links.iter().zip(list) {
                    prop_assert_eq!(link.is_armed(), deadline.is_some());
                }
            }
        }
    }
}
