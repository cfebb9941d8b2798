//! What a runtime supplies: octets in, octets out, and time.

use crate::config::TICKS_PER_SECOND;
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Context, Poll};
use core::time::Duration;

/// The receiving direction of a transport.
pub trait ReadTransport {
    /// What goes wrong in the transport.
    type Error;

    /// Reads into the front of `buffer` and returns how many octets; 0 at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Self::Error>>;
}

/// The sending direction of a transport, and the clock of its runtime.
pub trait WriteTransport {
    /// What goes wrong in the transport.
    type Error;
    /// The timer of the runtime.
    type Timer: Timer;

    /// Writes from the front of `octets` and returns how many were taken, at least one.
    fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<Result<usize, Self::Error>>;

    /// Writes from two slices in order and returns how many octets were taken from both together. Transports
    /// without vectored writes take from the first that is not empty.
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: [&[u8]; 2],
    ) -> Poll<Result<usize, Self::Error>> {
        let [first, second] = slices;
        self.poll_write(cx, if first.is_empty() { second } else { first })
    }

    /// Passes on what the transport itself has buffered (as TLS does).
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// Ends the sending direction: for TCP a FIN.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;
}

/// A transport in both directions.
pub trait Transport: ReadTransport<Error = <Self as WriteTransport>::Error> + WriteTransport {}

impl<T: ReadTransport<Error = <T as WriteTransport>::Error> + WriteTransport> Transport for T {}

/// A transport whose directions can live in two tasks.
pub trait SplitTransport: Transport + Sized {
    /// The receiving direction.
    type ReadHalf: ReadTransport<Error = <Self as WriteTransport>::Error>;
    /// The sending direction.
    type WriteHalf: WriteTransport<Error = <Self as WriteTransport>::Error, Timer = <Self as WriteTransport>::Timer>;

    /// Takes the directions apart.
    fn split(self) -> (Self::ReadHalf, Self::WriteHalf);

    /// Puts two halves together again.
    ///
    /// # Errors
    /// Gives both back if they are of two transports.
    fn join(read: Self::ReadHalf, write: Self::WriteHalf) -> Result<Self, (Self::ReadHalf, Self::WriteHalf)>;
}

/// A clock, and one alarm set by it. Created without being armed, so `default` should be cheap.
pub trait Timer: Default {
    /// The time since some fixed moment. Never goes back.
    fn now() -> Duration;

    /// Ready once it is `at` or later. A later call with another time moves the alarm.
    fn poll_until(&mut self, cx: &mut Context<'_>, at: Duration) -> Poll<()>;

    /// The same for the time that was last given, without looking at the clock; pending for ever if none was.
    fn poll_armed(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// What `future` gives within so many [`ticks`](crate::ticks), without end for `None`; `None` if that is too late.
pub async fn within<T: Timer, F: Future>(ticks: Option<u32>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut timer = T::default();
    let tick = Duration::from_millis(1000 / u64::from(TICKS_PER_SECOND));
    let limit = ticks.map(|ticks| T::now().saturating_add(tick.saturating_mul(ticks)));
    poll_fn(|cx| match (future.as_mut().poll(cx), limit) {
        (Poll::Ready(output), _) => Poll::Ready(Some(output)),
        (Poll::Pending, Some(limit)) => timer.poll_until(cx, limit).map(|()| None),
        (Poll::Pending, None) => Poll::Pending,
    })
    .await
}
