//! The clock, and the timer of async-io.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tightwire_async::transport::Timer;

/// One alarm. It takes memory once it is first set.
#[derive(Default)]
pub struct Alarm(Option<Box<Set>>);

struct Set {
    timer: async_io::Timer,
    /// When the timer goes off; far away if it has.
    at: Duration,
}

fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

impl Timer for Alarm {
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

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarm").field(&self.0.as_ref().map(|set| set.at)).finish()
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
