//! A single-threaded executor over a virtual clock. It polls what was woken and nothing else, so a lost wake-up
//! is a test that is stuck.

use super::Random;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tightwire_async::transport::Timer;

thread_local! {
    static CLOCK: RefCell<Clock> = const { RefCell::new(Clock { now: START, next: 0, alarms: BTreeMap::new() }) };
}

/// In the middle of a tick, as real clocks are.
const START: Duration = Duration::from_millis(1_000_033);
/// More polls than this without a pause are a loop that never ends.
const POLLS_MAX: usize = 5_000_000;

struct Clock {
    now: Duration,
    next: u64,
    alarms: BTreeMap<u64, (Duration, Waker)>,
}

/// An alarm of the virtual clock.
#[derive(Debug, Default)]
pub struct Alarm {
    id: Option<u64>,
    at: Option<Duration>,
}

impl Timer for Alarm {
    fn now() -> Duration {
        CLOCK.with_borrow(|clock| clock.now)
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Duration) -> Poll<()> {
        self.at = Some(at);
        self.poll_armed(cx)
    }

    fn poll_armed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        CLOCK.with_borrow_mut(|clock| {
            let id = *self.id.get_or_insert_with(|| {
                clock.next += 1;
                clock.next
            });
            if at <= clock.now {
                clock.alarms.remove(&id);
                return Poll::Ready(());
            }
            clock.alarms.insert(id, (at, cx.waker().clone()));
            Poll::Pending
        })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let _ = CLOCK.try_with(|clock| clock.borrow_mut().alarms.remove(&id));
        }
    }
}

/// Moves the clock and wakes whose alarm has come.
pub fn advance(by: Duration) {
    let woken = CLOCK.with_borrow_mut(|clock| {
        clock.now += by;
        let now = clock.now;
        let due: Vec<_> = clock.alarms.iter().filter(|(_, (at, _))| *at <= now).map(|(id, _)| *id).collect();
        due.into_iter().filter_map(|id| clock.alarms.remove(&id)).collect::<Vec<_>>()
    });
    for (_, waker) in woken {
        waker.wake();
    }
}

/// Moves the clock to the next alarm; `false` if there is none.
fn advance_to_alarm() -> bool {
    let next = CLOCK.with_borrow(|clock| {
        clock.alarms.values().map(|(at, _)| *at).min().map(|at| at.saturating_sub(clock.now))
    });
    next.map(advance).is_some()
}

pub struct Flag(AtomicBool);

impl Flag {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs one future. When it waits, the clock goes on.
///
/// # Panics
/// It waits for something that never comes.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = settle(future.as_mut()) {
            return output;
        }
        assert!(advance_to_alarm(), "stuck: nothing will wake this future");
    }
}

/// Polls a future until it waits for something from outside. The clock stands still.
pub fn settle<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    let flag = Flag::new();
    let waker = Waker::from(flag.clone());
    for _ in 0..POLLS_MAX {
        if !flag.take() {
            return Poll::Pending;
        }
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Poll::Ready(output);
        }
    }
    panic!("a future wakes itself for ever");
}

/// Several tasks, polled in random order.
pub struct Executor {
    tasks: Vec<Task>,
    random: Random,
}

struct Task {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    flag: Arc<Flag>,
}

/// What a task came to.
pub struct Handle<X>(Rc<RefCell<Option<X>>>);

impl<X> Handle<X> {
    /// # Panics
    /// The task is not done.
    pub fn output(self) -> X {
        self.0.borrow_mut().take().expect("the task is not done")
    }

    pub fn is_done(&self) -> bool {
        self.0.borrow().is_some()
    }
}

impl Executor {
    pub fn new(seed: u64) -> Self {
        Self { tasks: Vec::new(), random: Random::new(seed) }
    }

    pub fn spawn<F: Future + 'static>(&mut self, future: F) -> Handle<F::Output> {
        let slot = Rc::new(RefCell::new(None));
        let output = slot.clone();
        let future = Box::pin(async move { *output.borrow_mut() = Some(future.await) });
        self.tasks.push(Task { future: Some(future), flag: Flag::new() });
        Handle(slot)
    }

    /// Polls tasks until none is woken. The clock stands still.
    pub fn settle(&mut self) {
        for _ in 0..POLLS_MAX {
            let woken: Vec<_> = (0..self.tasks.len())
                .filter(|&at| self.tasks[at].future.is_some() && self.tasks[at].flag.0.load(Ordering::SeqCst))
                .collect();
            if woken.is_empty() {
                return;
            }
            let task = &mut self.tasks[woken[self.random.below(woken.len())]];
            task.flag.take();
            let waker = Waker::from(task.flag.clone());
            let Some(future) = &mut task.future else { continue };
            if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                task.future = None;
            }
        }
        panic!("the tasks wake each other for ever");
    }

    /// Runs all tasks to their end. When all wait, the clock goes on.
    ///
    /// # Panics
    /// Some wait for what never comes.
    pub fn run(&mut self) {
        loop {
            self.settle();
            let left: Vec<_> = (0..self.tasks.len()).filter(|&at| self.tasks[at].future.is_some()).collect();
            if left.is_empty() {
                return;
            }
            assert!(advance_to_alarm(), "stuck: tasks {left:?} will not be woken");
        }
    }
}
