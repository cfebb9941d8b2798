//! Alarms of many connections by one timer of their runtime.
//!
//! A timer of a runtime takes some hundred octets; an alarm here takes 32. Alarms ring in steps of 64 ms, never
//! early. Who drives them, a task or the waker of the timer, is the runtime's choice: see [`Keeper`].

use crate::lock::Lock;
use crate::transport::Timer;
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec;
use alloc::vec::Vec;
use atomic_waker::AtomicWaker;
use core::fmt;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

/// The alarms of one thread of a runtime.
pub struct Alarms {
    wheel: Lock<Wheel>,
    keeper: AtomicWaker,
}

impl Alarms {
    /// Alarms without one set, and the future that rings them, which has to be polled whenever it asks for it.
    pub fn new<T: Timer>() -> (Arc<Self>, Keeper<T>) {
        let alarms = Arc::new(Self { wheel: Lock::new(Wheel::new()), keeper: AtomicWaker::new() });
        let keeper = Keeper { alarms: Arc::downgrade(&alarms), timer: T::default() };
        (alarms, keeper)
    }

    /// Sets an alarm, a new one for [`NONE`], and gives its index.
    fn set(&self, index: u32, due: u32, waker: &Waker) -> u32 {
        let (index, earlier, old) = self.wheel.with(|wheel| {
            let index = if index == NONE { wheel.add() } else { index };
            wheel.set(index, due);
            let earlier = due < wheel.armed;
            wheel.armed = wheel.armed.min(due);
            (index, earlier, wheel.watch(index, waker).1)
        });
        // A waker may be the last thing that holds a task: it is dropped outside of the lock.
        drop(old);
        if earlier {
            self.keeper.wake();
        }
        index
    }
}

impl Drop for Alarms {
    /// The keeper sees that nobody is left.
    fn drop(&mut self) {
        self.keeper.wake();
    }
}

impl fmt::Debug for Alarms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarms").finish_non_exhaustive()
    }
}

/// Rings the alarms when they are due. It ends when no connection has one any more. Dropped before (its runtime
/// was shut down), it rings all of them: those whose connections live on are set anew, by the alarms of the
/// thread that the connections are on then.
pub struct Keeper<T> {
    alarms: Weak<Alarms>,
    timer: T,
}

impl<T: Timer + Unpin> Future for Keeper<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { alarms, timer } = self.get_mut();
        loop {
            let Some(alarms) = alarms.upgrade() else {
                // A timer that is still set would hold on to the waker.
                *timer = T::default();
                return Poll::Ready(());
            };
            alarms.keeper.register(cx.waker());
            let mut due = Vec::new();
            let next = alarms.wheel.with(|wheel| {
                wheel.advance(step_of(T::now()), &mut due);
                wheel.armed = wheel.next().unwrap_or(u32::MAX);
                wheel.armed
            });
            due.into_iter().for_each(Waker::wake);
            if next == u32::MAX || timer.poll_until(cx, time_of(next)).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl<T> Drop for Keeper<T> {
    fn drop(&mut self) {
        let Some(alarms) = self.alarms.upgrade() else { return };
        let rung = alarms.wheel.with(Wheel::abandon);
        rung.into_iter().for_each(Waker::wake);
    }
}

impl<T> fmt::Debug for Keeper<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

/// Where a runtime has its alarms.
pub trait Runtime: 'static {
    /// The timer of the runtime, and its clock.
    type Timer: Timer;

    /// The alarms of this thread.
    fn alarms() -> Arc<Alarms>;
}

/// One alarm, by the alarms that the thread has when it is first set.
pub struct Alarm<R> {
    alarms: Option<Arc<Alarms>>,
    index: u32,
    runtime: PhantomData<fn() -> R>,
}

impl<R> Default for Alarm<R> {
    fn default() -> Self {
        Self { alarms: None, index: NONE, runtime: PhantomData }
    }
}

impl<R: Runtime> Timer for Alarm<R> {
    fn now() -> Duration {
        R::Timer::now()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Duration) -> Poll<()> {
        if at <= Self::now() {
            return Poll::Ready(());
        }
        if self.alarms.as_ref().is_some_and(|alarms| alarms.wheel.with(|wheel| wheel.abandoned)) {
            *self = Self::default();
        }
        let alarms = self.alarms.get_or_insert_with(R::alarms);
        self.index = alarms.set(self.index, step_after(at), cx.waker());
        Poll::Pending
    }

    fn poll_armed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(alarms) = &self.alarms else { return Poll::Pending };
        let (state, old) = alarms.wheel.with(|wheel| wheel.watch(self.index, cx.waker()));
        drop(old);
        if state == State::Rung { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<R> Drop for Alarm<R> {
    fn drop(&mut self) {
        if let Some(alarms) = &self.alarms {
            drop(alarms.wheel.with(|wheel| wheel.remove(self.index)));
        }
    }
}

impl<R> fmt::Debug for Alarm<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").field("set", &self.alarms.is_some()).finish()
    }
}

const STEP: Duration = Duration::from_millis(64);
/// 32 s until the wheel has turned: few deadlines lie further ahead.
const STEPS: u32 = 512;
const PAGE: usize = 256;
const NONE: u32 = u32::MAX;

/// The step that a time falls in.
fn step_of(time: Duration) -> u32 {
    u32::try_from(time.as_nanos() / STEP.as_nanos()).unwrap_or(NONE - 1)
}

/// The first step that begins at `time` or later.
fn step_after(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(STEP.as_nanos())).unwrap_or(NONE - 1)
}

fn time_of(step: u32) -> Duration {
    STEP * step
}

struct Entry {
    waker: Option<Waker>,
    due: u32,
    next: u32,
    prev: u32,
    state: State,
}

const _: () = assert!(size_of::<Entry>() <= 32);

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Set,
    Rung,
}

/// A list of alarms for each step, modulo the turns that the wheel has yet to make for them.
struct Wheel {
    lists: Box<[u32]>,
    /// In pages, so that growing moves nothing and leaves little unused.
    pages: Vec<Vec<Entry>>,
    free: u32,
    /// The last step whose alarms have rung.
    passed: u32,
    /// The step that the keeper waits for; [`NONE`] if for none.
    armed: u32,
    /// The keeper is gone: nothing rings any more.
    abandoned: bool,
}

impl Wheel {
    fn new() -> Self {
        let lists = vec![NONE; STEPS as usize].into_boxed_slice();
        Self { lists, pages: Vec::new(), free: NONE, passed: 0, armed: NONE, abandoned: false }
    }

    /// Rings what is set, and nothing ever after.
    fn abandon(&mut self) -> Vec<Waker> {
        self.abandoned = true;
        let mut rung = Vec::new();
        for index in 0..(self.pages.len() * PAGE) as u32 {
            if let Some(entry) = self.entry(index)
                && entry.state == State::Set
            {
                rung.extend(entry.waker.take());
                self.unlink(index);
            }
        }
        rung
    }

    fn entry(&mut self, index: u32) -> Option<&mut Entry> {
        let index = index as usize;
        self.pages.get_mut(index / PAGE)?.get_mut(index % PAGE)
    }

    fn list(&mut self, step: u32) -> Option<&mut u32> {
        self.lists.get_mut((step % STEPS) as usize)
    }

    fn set(&mut self, index: u32, due: u32) {
        // What is due already rings with the next step.
        let due = due.max(self.passed.saturating_add(1));
        if self.entry(index).is_some_and(|entry| entry.state != State::Set || entry.due != due) {
            self.unlink(index);
            self.link(index, due);
        }
    }

    /// Whom an alarm wakes. Gives back whom it would have woken before.
    fn watch(&mut self, index: u32, waker: &Waker) -> (State, Option<Waker>) {
        let Some(entry) = self.entry(index) else { return (State::Free, None) };
        let held = entry.waker.as_ref().is_some_and(|held| held.will_wake(waker));
        (entry.state, if held { None } else { entry.waker.replace(waker.clone()) })
    }

    /// An unset alarm.
    fn add(&mut self) -> u32 {
        let index = self.free;
        if let Some(entry) = self.entry(index) {
            let next = entry.next;
            self.free = next;
            return index;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let pages = self.pages.len();
        let Some(page) = self.pages.last_mut() else { return NONE };
        page.push(Entry { waker: None, due: 0, next: NONE, prev: NONE, state: State::Free });
        ((pages - 1) * PAGE + page.len() - 1) as u32
    }

    fn remove(&mut self, index: u32) -> Option<Waker> {
        self.unlink(index);
        let free = self.free;
        let entry = self.entry(index)?;
        (entry.state, entry.next) = (State::Free, free);
        let waker = entry.waker.take();
        self.free = index;
        waker
    }

    fn link(&mut self, index: u32, due: u32) {
        let Some(list) = self.list(due) else { return };
        let next = core::mem::replace(list, index);
        if let Some(entry) = self.entry(next) {
            entry.prev = index;
        }
        if let Some(entry) = self.entry(index) {
            (entry.due, entry.next, entry.prev, entry.state) = (due, next, NONE, State::Set);
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(entry) = self.entry(index) else { return };
        if entry.state != State::Set {
            return;
        }
        entry.state = State::Rung;
        let (due, next, prev) = (entry.due, entry.next, entry.prev);
        if let Some(entry) = self.entry(next) {
            entry.prev = prev;
        }
        if let Some(entry) = self.entry(prev) {
            entry.next = next;
        } else if let Some(list) = self.list(due) {
            *list = next;
        }
    }

    /// Rings what is due up to the step `now`.
    fn advance(&mut self, now: u32, rung: &mut Vec<Waker>) {
        let steps = now.saturating_sub(self.passed).min(STEPS);
        self.passed = self.passed.max(now);
        for step in now - steps..now {
            let mut index = self.list(step + 1).map_or(NONE, |list| *list);
            while let Some(entry) = self.entry(index) {
                let next = entry.next;
                if entry.due <= now {
                    rung.extend(entry.waker.take());
                    self.unlink(index);
                }
                index = next;
            }
        }
    }

    /// The step at which the keeper has to look again.
    fn next(&mut self) -> Option<u32> {
        let passed = self.passed;
        let mut far = None;
        for step in 1..=STEPS {
            let step = passed.saturating_add(step);
            let mut index = self.list(step).map_or(NONE, |list| *list);
            while let Some(entry) = self.entry(index) {
                if entry.due == step {
                    return Some(step);
                }
                far = Some(passed.saturating_add(STEPS));
                index = entry.next;
            }
        }
        far
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::task::Wake;
    use core::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Numbers that look random (xorshift).
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: u32) -> u32 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 33) as u32 % end
        }
    }

    /// Alarms in a plain list, looked through at each step.
    #[test]
    fn a_wheel_rings_as_a_list_does() {
        let mut random = Random(0x2545_F491_4F6C_DD1D);
        let mut wheel = Wheel::new();
        let mut plain: Vec<(u32, Option<u32>, Arc<Count>, usize)> = Vec::new();
        let mut now = 10_000;
        wheel.advance(now, &mut Vec::new());
        for _ in 0..20_000 {
            match random.below(10) {
                0..3 => {
                    let due = now + random.below(3 * STEPS);
                    let count = Arc::<Count>::default();
                    let index = wheel.add();
                    wheel.set(index, due);
                    assert!(wheel.watch(index, &count.clone().into()).1.is_none());
                    plain.push((index, Some(due.max(now + 1)), count, 0));
                }
                3..6 if !plain.is_empty() => {
                    let at = random.below(plain.len() as u32) as usize;
                    let due = now + random.below(2 * STEPS);
                    let (index, set, count, _) = &mut plain[at];
                    wheel.set(*index, due);
                    wheel.watch(*index, &count.clone().into());
                    *set = Some(due.max(now + 1));
                }
                6 if !plain.is_empty() => {
                    let at = random.below(plain.len() as u32) as usize;
                    wheel.remove(plain.swap_remove(at).0);
                }
                7.. => {
                    let most = if random.below(50) == 0 { 2 * STEPS } else { 40 };
                    now += random.below(most);
                    let mut rung = Vec::new();
                    wheel.advance(now, &mut rung);
                    rung.into_iter().for_each(Waker::wake);
                    for (_, set, _, expected) in &mut plain {
                        *expected += usize::from(set.take_if(|due| *due <= now).is_some());
                    }
                }
                _ => {}
            }
            for (index, set, count, expected) in &plain {
                assert_eq!(count.0.load(Ordering::Relaxed), *expected);
                let rung = wheel.entry(*index).map(|entry| entry.state == State::Rung);
                assert_eq!(rung, Some(set.is_none()));
            }
            // The keeper never sleeps past an alarm, and does not look for nothing.
            let first = plain.iter().filter_map(|(_, set, ..)| *set).min();
            match (first, wheel.next()) {
                (None, next) => assert_eq!(next, None),
                (Some(first), next) => assert_eq!(next, Some(first.min(now + STEPS))),
            }
        }
        assert!(plain.iter().any(|(.., expected)| *expected > 1));
    }

    #[test]
    fn memory_of_removed_alarms_is_used_again() {
        let mut wheel = Wheel::new();
        let first: Vec<_> = (0..1000).map(|_| wheel.add()).collect();
        for &index in &first {
            wheel.set(index, 9);
        }
        first.iter().for_each(|&index| drop(wheel.remove(index)));
        let mut again: Vec<_> = (0..1000).map(|_| wheel.add()).collect();
        again.sort_unstable();
        assert_eq!(again, first);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn steps_are_never_early() {
        for nanos in [0, 1, 63_999_999, 64_000_000, 64_000_001, 5_000_000_000] {
            let time = Duration::from_nanos(nanos);
            let step = step_after(time);
            assert!(time_of(step) >= time && time_of(step) < time + STEP);
            assert!(step_of(time_of(step)) == step);
        }
    }
}
