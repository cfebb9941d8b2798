//! Sending as futures that can be dropped at any time without harm.

use crate::config::Config;
use crate::error::Error;
use crate::sending::{READER_TIMER, SendSide, Sending, Transfer};
use crate::transport::WriteTransport;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use tightwire::{Kind, Message, Role, SendError};

/// The sending side of a whole connection, apart from its receiving side: so a message that was received can
/// be answered, or sent back, while it is still borrowed. See
/// [`WebSocket::recv_with_sender`](crate::WebSocket::recv_with_sender).
pub struct Sender<'a, T: WriteTransport, R> {
    pub(crate) sending: &'a mut Sending<T, R>,
    pub(crate) timer: &'a mut T::Timer,
    pub(crate) config: &'a Config,
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
        let config = self.config;
        Control {
            side: Whole { sending: self.sending },
            timer: self.timer,
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
    ) -> Transmit<'_, 'm, Whole<'_, T, R>, R> {
        Transmit {
            side: Whole { sending: self.sending },
            timer: self.timer,
            config: self.config,
            transfer,
            flush,
        }
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

/// A message on its way into the output, and the output on its way out.
///
/// Dropped before the message has begun, nothing of it is sent. Dropped later, what is left of it is copied
/// into the output and goes out with whatever is sent next: a message is never cut.
pub(crate) struct Transmit<'s, 'm, S: SendSide<R>, R: Role> {
    pub(crate) side: S,
    pub(crate) timer: &'s mut <S::Write as WriteTransport>::Timer,
    pub(crate) config: &'s Config,
    pub(crate) transfer: Option<Transfer<'m>>,
    pub(crate) flush: bool,
}

impl<S: SendSide<R>, R: Role> Unpin for Transmit<'_, '_, S, R> {}

impl<S: SendSide<R>, R: Role> Future for Transmit<'_, '_, S, R> {
    type Output = Result<(), Error<<S::Write as WriteTransport>::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { side, timer, config, transfer, flush } = self.get_mut();
        let config = *config;
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
                let timeout = ready!(side.sending(cx, |sending, cx| sending.poll_deadline(
                    cx,
                    config,
                    timer,
                    S::TIMER
                )));
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

impl<S: SendSide<R>, R: Role> Drop for Transmit<'_, '_, S, R> {
    fn drop(&mut self) {
        if let Some(transfer) = &mut self.transfer {
            let config = self.config;
            self.side.with(|sending| sending.abandon(config, transfer));
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
                let timeout = ready!(side.sending(cx, |sending, cx| sending.poll_deadline(
                    cx,
                    config,
                    timer,
                    S::TIMER
                )));
                Poll::Ready(Err(Error::Timeout(timeout)))
            }
        }
    }
}
