//! Tokio's clock, and alarms by one timer for each thread of a runtime.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tightwire_async::alarms::{self, Alarms, Runtime};
use tightwire_async::transport::Timer;
use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, Sleep, sleep_until};

/// One alarm.
pub(crate) type Alarm = alarms::Alarm<Tokio>;

/// Tokio, whose alarms are rung by a task: it lives as long as a connection of its thread has set one.
#[derive(Debug)]
pub struct Tokio;

thread_local! {
    static ALARMS: RefCell<Option<(Id, Weak<Alarms>)>> = const { RefCell::new(None) };
}

impl Runtime for Tokio {
    type Timer = Single;

    fn alarms() -> Arc<Alarms> {
        let handle = Handle::current();
        ALARMS.with_borrow_mut(|slot| {
            let known = slot.as_ref().filter(|(id, _)| *id == handle.id());
            if let Some(alarms) = known.and_then(|(_, alarms)| alarms.upgrade()) {
                return alarms;
            }
            // A runtime without a timer is found out here, not in the task.
            drop(tokio::time::sleep(Duration::ZERO));
            let (alarms, keeper) = Alarms::new::<Single>();
            handle.spawn(keeper);
            *slot = Some((handle.id(), Arc::downgrade(&alarms)));
            alarms
        })
    }
}

/// A timer of tokio's. It takes memory once it is first set.
#[derive(Default)]
pub struct Single(Option<Pin<Box<Sleep>>>);

fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

impl Timer for Single {
    fn now() -> Duration {
        Instant::now().saturating_duration_since(origin())
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Duration) -> Poll<()> {
        let at = origin() + at;
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }

    fn poll_armed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().map_or(Poll::Pending, |sleep| sleep.as_mut().poll(cx))
    }
}

impl fmt::Debug for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Single").field(&self.0.as_ref().map(|sleep| sleep.deadline())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    async fn until(alarm: &mut Alarm, at: Duration) {
        poll_fn(|cx| alarm.poll_until(cx, at)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn alarms_go_off_in_order_and_never_early() {
        let start = Alarm::now();
        let tasks: Vec<_> = (0..500_u64)
            .map(|number| {
                tokio::spawn(async move {
                    let mut alarm = Alarm::default();
                    for round in 1..4 {
                        let at = start + Duration::from_millis(number * 131 % 50_000 * round);
                        until(&mut alarm, at).await;
                        assert!(Alarm::now() >= at);
                        assert!(Alarm::now() < at + Duration::from_millis(70), "{number}");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }

    #[test]
    fn a_runtime_after_another_has_alarms_of_its_own() {
        for _ in 0..3 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut alarm = Alarm::default();
                until(&mut alarm, Alarm::now() + Duration::from_millis(1)).await;
                // The task that rings ends with the last alarm.
                assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 1);
                drop(alarm);
                tokio::task::yield_now().await;
                assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
            });
        }
    }

    /// A connection over a stream that belongs to no runtime outlives the runtime that it was made on.
    #[test]
    fn alarms_outlive_the_runtime_that_they_were_set_on() {
        let build = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (first, second) = (build(), build());
        let mut alarm = Alarm::default();
        let at = Alarm::now() + Duration::from_millis(100);
        first.block_on(poll_fn(|cx| {
            assert!(alarm.poll_until(cx, at).is_pending());
            Poll::Ready(())
        }));
        // It waits on the second one while the first one is shut down.
        let waiting = second.spawn(async move {
            poll_fn(|cx| alarm.poll_armed(cx)).await;
            until(&mut alarm, at).await;
            assert!(Alarm::now() >= at);
        });
        second.block_on(tokio::task::yield_now());
        drop(first);
        second
            .block_on(async { tokio::time::timeout(Duration::from_secs(20), waiting).await })
            .unwrap()
            .unwrap();
    }

    #[test]
    fn an_alarm_rings_on_another_runtime_than_it_was_set_on() {
        let build =
            || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (first, second) = (build(), build());
        for _ in 0..20 {
            let set = first.spawn(async move {
                let mut alarm = Alarm::default();
                loop {
                    // On a busy machine the time may have come before it is set.
                    let at = Alarm::now() + Duration::from_millis(1);
                    if poll_fn(|cx| Poll::Ready(alarm.poll_until(cx, at))).await.is_pending() {
                        return (alarm, at);
                    }
                }
            });
            let (mut alarm, at) = first.block_on(set).unwrap();
            let waiting = second.spawn(async move {
                poll_fn(|cx| alarm.poll_armed(cx)).await;
                assert!(Alarm::now() >= at);
            });
            let limit = async { tokio::time::timeout(Duration::from_secs(20), waiting).await };
            second.block_on(limit).unwrap().unwrap();
        }
    }
}
