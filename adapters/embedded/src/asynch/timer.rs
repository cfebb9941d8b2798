//! Time for asynchronous code: a clock that can be waited for.

use crate::config::{Clock, Untimed};
use core::future::{pending, poll_fn};
use core::pin::pin;
use core::task::Poll;
use tightwire::deadline::Tick;

/// The user's clock, and how to wait for it.
pub trait Timer: Clock {
    /// Waits until it is `tick` or later; ticks wrap around, and `tick` is less than 2^31 ahead.
    ///
    /// It is dropped before it is done whenever something else happens first.
    #[allow(async_fn_in_trait)] // whether a future moves between threads is for the user's executor to ask
    async fn wait_until(&mut self, tick: Tick);
}

impl Timer for Untimed {
    async fn wait_until(&mut self, _: Tick) {
        pending().await
    }
}

/// What `future` gives, or `None` once it is `deadline`; `future` is dropped then.
pub(super) async fn within<F: Future>(
    future: F,
    timer: &mut impl Timer,
    deadline: Option<Tick>,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let Some(deadline) = deadline else { return Some(future.await) };
    let mut wait = pin!(timer.wait_until(deadline));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => wait.as_mut().poll(cx).map(|()| None),
    })
    .await
}
