//! Sending as futures that can be dropped at any time without harm.

use crate::config::Config;
use crate::error::Error;
use crate::sending::{READER_TIMER, SendSide, Sending, Transfer};
use crate::transport::WriteTransport;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use tightwire::{Kind, Message, Role, SendError};

/// The sending side of a whole connection, apart from its receiving side: so a message that was received can
/// be answered, or sent back, while it is still borrowed. See
/// [`WebSocket::recv_with_sender`](crate::WebSocket::recv_with_sender).
pub struct Sender<'a, T: WriteTransport, R> {
    pub(crate) outlet: &'a mut Outlet<T, R>,
}

/// A sending side in the same hand, with what it waits by and what it keeps to.
///
/// The side lies in memory of its own: a task is rounded up to the next 128 octets by its runtime.
pub(crate) struct Outlet<T: WriteTransport, R> {
    pub(crate) sending: Box<Sending<T, R>>,
    pub(crate) timer: T::Timer,
    pub(crate) config: Arc<Config>,
}

impl<T: WriteTransport, R: Role> Sender<'_, T, R> {
    /// Queues a message: see [`WebSocket::feed`](crate::WebSocket::feed).
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub fn feed<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> impl Future<Output = Result<(), Error<T::Error>>> {
        self.transmit(Some(Transfer::message(message.into())), false)
    }

    /// Sends a message: see [`WebSocket::send`](crate::WebSocket::send).
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub fn send<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> impl Future<Output = Result<(), Error<T::Error>>> {
        self.transmit(Some(Transfer::message(message.into())), true)
    }

    /// Queues one fragment: see [`WebSocket::feed_fragment`](crate::WebSocket::feed_fragment).
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub fn feed_fragment(
        &mut self,
        kind: Kind,
        payload: &[u8],
        fin: bool,
    ) -> impl Future<Output = Result<(), Error<T::Error>>> {
        self.transmit(Some(Transfer::fragment(kind, payload, fin)), false)
    }

    /// Writes what is queued: see [`WebSocket::flush`](crate::WebSocket::flush).
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub fn flush(&mut self) -> impl Future<Output = Result<(), Error<T::Error>>> {
        self.transmit(None, true)
    }

    /// Sends a Ping: see [`WebSocket::ping`](crate::WebSocket::ping).
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error<T::Error>> {
        let (side, timer, config) = self.outlet.parts();
        Control {
            side,
            timer,
            config,
            write: Some(|sending: &mut Sending<T, R>| {
                sending.control(config, |outbound, out| outbound.ping(payload, out))
            }),
        }
        .await
    }

    pub(crate) fn transmit<'m>(
        &mut self,
        transfer: Option<Transfer<'m>>,
        flush: bool,
    ) -> Transmit<'_, 'm, Outlet<T, R>> {
        Transmit { hand: self.outlet, transfer, flush }
    }
}

impl<T: WriteTransport, R> core::fmt::Debug for Sender<'_, T, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T, R> core::fmt::Debug for Whole<'_, T, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Whole").finish_non_exhaustive()
    }
}

/// A sending side in the same hand.
pub struct Whole<'a, T, R> {
    pub(crate) sending: &'a mut Sending<T, R>,
}

impl<T: WriteTransport, R> SendSide<R> for Whole<'_, T, R> {
    type Write = T;
    const TIMER: u8 = READER_TIMER;

    fn with<X>(&mut self, use_it: impl FnOnce(&mut Sending<T, R>) -> X) -> X {
        use_it(self.sending)
    }

    fn sending<X>(
        &mut self,
        cx: &mut Context<'_>,
        use_it: impl FnOnce(&mut Sending<T, R>, &mut Context<'_>) -> X,
    ) -> X {
        use_it(self.sending, cx)
    }
}

/// Who sends: a whole connection or a writer.
pub(crate) trait Hand {
    type Role: Role;
    type Write: WriteTransport;
    type Side<'a>: SendSide<Self::Role, Write = Self::Write>
    where
        Self: 'a;

    /// The sending side, and what it waits by and keeps to.
    fn parts(&mut self) -> (Self::Side<'_>, &mut <Self::Write as WriteTransport>::Timer, &Config);
}

impl<T: WriteTransport, R: Role> Hand for Outlet<T, R> {
    type Role = R;
    type Write = T;
    type Side<'a>
        = Whole<'a, T, R>
    where
        Self: 'a;

    #[inline]
    fn parts(&mut self) -> (Whole<'_, T, R>, &mut T::Timer, &Config) {
        (Whole { sending: &mut self.sending }, &mut self.timer, &self.config)
    }
}

/// A message on its way into the output, and the output on its way out.
///
/// Dropped before the message has begun, nothing of it is sent. Dropped later, what is left of it is copied
/// into the output and goes out with whatever is sent next: a message is never cut.
pub(crate) struct Transmit<'s, 'm, H: Hand> {
    pub(crate) hand: &'s mut H,
    pub(crate) transfer: Option<Transfer<'m>>,
    pub(crate) flush: bool,
}

impl<H: Hand> Unpin for Transmit<'_, '_, H> {}

impl<H: Hand> Future for Transmit<'_, '_, H> {
    type Output = Result<(), Error<<H::Write as WriteTransport>::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { hand, transfer, flush } = self.get_mut();
        let (mut side, timer, config) = hand.parts();
        let polled = side.sending(cx, |sending, cx| {
            if let Some(moving) = transfer {
                // What most sending comes to.
                if !*flush && sending.try_feed(config, moving) {
                    return Poll::Ready(Ok(()));
                }
                ready!(sending.poll_transfer(cx, config, moving))?;
                *transfer = None;
            }
            if *flush { sending.poll_flush(cx, config) } else { Poll::Ready(Ok(())) }
        });
        match polled {
            Poll::Ready(result) => {
                *transfer = None;
                Poll::Ready(result)
            }
            Poll::Pending => {
                let timeout = ready!(side.poll_deadline(cx, config, timer));
                side.with(|sending| match transfer.take() {
                    // A Close frame follows: it needs the end of the frame that was begun.
                    Some(mut moving) if timeout.close_code().is_some() => {
                        sending.abandon(config, &mut moving)
                    }
                    Some(_) => sending.cut(config),
                    None => {}
                });
                Poll::Ready(Err(Error::Timeout(timeout)))
            }
        }
    }
}

impl<H: Hand> Drop for Transmit<'_, '_, H> {
    #[inline]
    fn drop(&mut self) {
        if let Some(transfer) = &mut self.transfer {
            let (mut side, _, config) = self.hand.parts();
            side.with(|sending| sending.abandon(config, transfer));
        }
    }
}

/// A control frame that waits for room, then goes out at once.
pub(crate) struct Control<'s, S: SendSide<R>, R, F> {
    pub(crate) side: S,
    pub(crate) timer: &'s mut <S::Write as WriteTransport>::Timer,
    pub(crate) config: &'s Config,
    /// Writes the frame; gone once it is written.
    pub(crate) write: Option<F>,
}

impl<S: SendSide<R>, R, F> Unpin for Control<'_, S, R, F> {}

impl<S, R, F> Future for Control<'_, S, R, F>
where
    S: SendSide<R>,
    R: Role,
    F: FnMut(&mut Sending<S::Write, R>) -> Result<(), SendError>,
{
    type Output = Result<(), Error<<S::Write as WriteTransport>::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { side, timer, config, write } = self.get_mut();
        let config = *config;
        let polled = side.sending(cx, |sending, cx| {
            if write.is_some() {
                sending.check(config)?;
            }
            while let Some(attempt) = write {
                match attempt(sending) {
                    Ok(()) => *write = None,
                    Err(SendError::NeedsSpace(_)) => ready!(sending.poll_write_out(cx, config))?,
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
            }
            sending.poll_flush(cx, config)
        });
        match polled {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => {
                let timeout = ready!(side.poll_deadline(cx, config, timer));
                Poll::Ready(Err(Error::Timeout(timeout)))
            }
        }
    }
}
