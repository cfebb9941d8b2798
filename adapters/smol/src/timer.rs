//! The clock, and alarms by one timer of async-io for each thread.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, TryLockError, Weak};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::{Duration, Instant};
use tightwire_async::alarms::{self, Alarms, Keeper, Runtime};
use tightwire_async::transport::Timer;

/// One alarm.
pub(crate) type Alarm = alarms::Alarm<Smol>;

/// Async-io, whose alarms are rung where its timers are: there is no executor that one could count on.
#[derive(Debug)]
pub struct Smol;

thread_local! {
    static ALARMS: RefCell<Weak<Alarms>> = const { RefCell::new(Weak::new()) };
}

impl Runtime for Smol {
    type Timer = Single;

    fn alarms() -> Arc<Alarms> {
        ALARMS.with_borrow_mut(|slot| {
            slot.upgrade().unwrap_or_else(|| {
                let (alarms, keeper) = Alarms::new::<Single>();
                Arc::new(Ringer { keeper: Mutex::new(keeper), wanted: AtomicBool::new(false) }).wake_by_ref();
                *slot = Arc::downgrade(&alarms);
                alarms
            })
        })
    }
}

/// Polls the keeper of the alarms whenever it is woken.
struct Ringer {
    keeper: Mutex<Keeper<Single>>,
    wanted: AtomicBool,
}

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wanted.store(true, Ordering::SeqCst);
        while self.wanted.load(Ordering::SeqCst) {
            let mut keeper = match self.keeper.try_lock() {
                Ok(keeper) => keeper,
                Err(TryLockError::Poisoned(keeper)) => keeper.into_inner(),
                // Whoever polls it now looks again before it is done.
                Err(TryLockError::WouldBlock) => return,
            };
            while self.wanted.swap(false, Ordering::SeqCst) {
                let waker = Waker::from(self.clone());
                let _ = Pin::new(&mut *keeper).poll(&mut Context::from_waker(&waker));
            }
        }
    }
}

/// A timer of async-io's. It takes memory once it is first set.
#[derive(Default)]
pub struct Single(Option<Box<Set>>);

struct Set {
    timer: async_io::Timer,
    /// When the timer goes off; far away if it has.
    at: Duration,
}

fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

impl Timer for Single {
    fn now() -> Duration {
        Instant::now().saturating_duration_since(origin())
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Duration) -> Poll<()> {
        let set =
            self.0.get_or_insert_with(|| Box::new(Set { timer: async_io::Timer::at(origin() + at), at }));
        // Deadlines are put off far more often than they pass, and each setting is a system call: a timer that
        // goes off before it needs to is left as it is, and set anew when it has gone off.
        if at < set.at {
            set.set(at);
        }
        loop {
            ready!(Pin::new(&mut set.timer).poll(cx));
            if at <= Self::now() {
                // A timer that has gone off stays silent until it is set again.
                set.at = Duration::MAX;
                return Poll::Ready(());
            }
            set.set(at);
        }
    }

    fn poll_armed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(set) = &mut self.0 else { return Poll::Pending };
        ready!(Pin::new(&mut set.timer).poll(cx));
        set.at = Duration::MAX;
        Poll::Ready(())
    }
}

impl Set {
    fn set(&mut self, at: Duration) {
        self.timer.set_at(origin() + at);
        self.at = at;
    }
}

impl fmt::Debug for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Single").field(&self.0.as_ref().map(|set| set.at)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Waker;

    fn until(alarm: &mut Alarm, at: Duration) {
        async_io::block_on(poll_fn(|cx| alarm.poll_until(cx, at)));
    }

    #[test]
    fn an_alarm_goes_off_no_earlier_than_it_is_set_to_and_can_be_set_again() {
        let mut alarm = Alarm::default();
        for _ in 0..3 {
            let at = Alarm::now() + Duration::from_millis(5);
            until(&mut alarm, at);
            assert!(Alarm::now() >= at);
        }
        // One that has passed is ready at once.
        let mut cx = Context::from_waker(Waker::noop());
        assert!(alarm.poll_until(&mut cx, Duration::ZERO).is_ready());
    }

    #[test]
    fn alarms_ring_on_every_thread() {
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                std::thread::spawn(move || {
                    let start = Alarm::now();
                    let mut alarms: Vec<_> = (0..50_u64)
                        .map(|number| {
                            (Alarm::default(), start + Duration::from_millis(number * 37 % 300 + thread))
                        })
                        .collect();
                    async_io::block_on(poll_fn(|cx| {
                        alarms.retain_mut(|(alarm, at)| {
                            let rung = alarm.poll_until(cx, *at).is_ready();
                            assert!(!rung || Alarm::now() >= *at);
                            !rung
                        });
                        if alarms.is_empty() { Poll::Ready(()) } else { Poll::Pending }
                    }));
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn an_alarm_can_be_put_off_and_brought_forward() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut alarm = Alarm::default();
        let start = Alarm::now();
        let soon = start + Duration::from_millis(5);
        let later = start + Duration::from_millis(20);
        assert!(alarm.poll_until(&mut cx, soon).is_pending());
        until(&mut alarm, later);
        assert!(Alarm::now() >= later);
        let far = Alarm::now() + Duration::from_secs(3600);
        assert!(alarm.poll_until(&mut cx, far).is_pending());
        until(&mut alarm, Alarm::now() + Duration::from_millis(5));
        assert!(Alarm::now() < far);
    }
}
