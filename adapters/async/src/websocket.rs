//! A whole connection in one hand.

use crate::config::{Config, tick};
use crate::error::Error;
use crate::event::Event;
use crate::receiving::{Closed, Link, Receiving, Want};
use crate::sender::{Control, Hand, Outlet, Sender, Whole};
use crate::sending::Sending;
use crate::transport::{Timer, Transport, WriteTransport};
use crate::wakers::Wakers;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use tightwire::deadline::Deadlines;
use tightwire::{CloseCode, CloseFrame, Connection, Inbox, Kind, Message, Progress, Role};

pub(crate) type TransportError<T> = <T as WriteTransport>::Error;
type Received<'a, T, R> = Result<Option<(Message<'a>, Sender<'a, T, R>)>, Error<TransportError<T>>>;

/// A WebSocket connection over a transport, after its opening handshake.
///
/// Pings are answered, keepalive is kept and deadlines are watched while one of its futures is polled, above
/// all [`recv`](Self::recv). An idle connection holds no buffer.
pub struct WebSocket<T: WriteTransport, R> {
    pub(crate) receiving: Receiving<R>,
    pub(crate) outlet: Outlet<T, R>,
    /// The tasks of a `Stream` and a `Sink`, which may be two.
    pub(crate) wakers: Option<Arc<Wakers>>,
}

impl<T: Transport, R: Role> WebSocket<T, R> {
    /// A connection whose opening handshake was done elsewhere (by an HTTP framework, say). `leftover` are the
    /// octets that arrived behind the handshake.
    pub fn new(io: T, connection: Connection<R>, leftover: &[u8], config: Arc<Config>) -> Self {
        let now = tick(T::Timer::now());
        let mut deadlines = Deadlines::new(now);
        deadlines.opened(now);
        let (inbound, outbound) = connection.split();
        let mut inbox = Inbox::new(vec![0; leftover.len()].into_boxed_slice());
        inbox.extend(leftover);
        #[cfg_attr(not(feature = "deflate"), allow(unused_mut))]
        let mut receiving = Receiving::new(inbound, inbox);
        #[cfg(feature = "deflate")]
        receiving.reserve_window(&config);
        let sending = Box::new(Sending::new(io, outbound, deadlines));
        Self { receiving, outlet: Outlet { sending, timer: T::Timer::default(), config }, wakers: None }
    }

    /// Receives the next message, lent until the next call; `None` once the connection was closed in good
    /// order, after which [`closed`](Self::closed) tells how.
    ///
    /// What was queued by [`feed`](Self::feed), and the replies to Pings, are written before this waits for
    /// the peer. So all messages that one read brought are handled before one write answers them.
    ///
    /// Cancel safe: a dropped future loses nothing.
    ///
    /// # Errors
    /// [`Error::Violation`], [`Error::Timeout`], [`Error::Ended`] or [`Error::Transport`]. The connection is
    /// at its end then.
    #[inline]
    pub async fn recv(&mut self) -> Result<Option<Message<'_>>, Error<TransportError<T>>> {
        poll_fn(|cx| self.poll_recv(cx)).await?;
        Ok(self.receiving.message())
    }

    /// As [`recv`](Self::recv), and gives Pings and Pongs, too, as they come, those between the fragments of a
    /// message before the message. Nothing has to be done about them.
    ///
    /// Cancel safe, as [`recv`](Self::recv).
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn recv_event(&mut self) -> Result<Option<Event<'_>>, Error<TransportError<T>>> {
        let progress = poll_fn(|cx| self.poll_progress(cx, Want::Events)).await?;
        Ok(progress.and_then(|progress| Event::of(&self.receiving, progress)))
    }

    /// As [`recv`](Self::recv), and lends the sending side beside the message, so that it can be answered or
    /// sent back without a copy.
    ///
    /// Cancel safe, as [`recv`](Self::recv).
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn recv_with_sender(&mut self) -> impl Future<Output = Received<'_, T, R>> {
        // Not an async function: that would take a place of its own for the message, in every task.
        let mut socket = Some(self);
        poll_fn(move |cx| {
            let Some(receiving) = &mut socket else { return Poll::Pending };
            match ready!(receiving.poll_recv(cx)) {
                Ok(_) => Poll::Ready(Ok(socket.take().and_then(Self::lend))),
                Err(error) => failed(error),
            }
        })
    }

    /// The message beside the sending side.
    #[inline]
    fn lend(&mut self) -> Option<(Message<'_>, Sender<'_, T, R>)> {
        let Self { receiving, outlet, .. } = self;
        receiving.message().map(|message| (message, Sender { outlet }))
    }

    /// The poll behind [`recv`](Self::recv). Ready with `true` once [`message`](Self::message) lends a
    /// message, with `false` once the connection was closed in good order.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error<TransportError<T>>>> {
        let Self { receiving, outlet: Outlet { sending, timer, config }, .. } = self;
        receiving.poll_message(cx, config, &mut Whole { sending }, timer)
    }

    /// The message that the last [`poll_recv`](Self::poll_recv) made ready.
    pub fn message(&self) -> Option<Message<'_>> {
        self.receiving.message()
    }

    pub(crate) fn poll_progress(
        &mut self,
        cx: &mut Context<'_>,
        want: Want,
    ) -> Poll<Result<Option<Progress>, Error<TransportError<T>>>> {
        let Self { receiving, outlet: Outlet { sending, timer, config }, .. } = self;
        receiving.poll_progress(cx, config, &mut Whole { sending }, timer, want, None)
    }

    /// Queues a message without writing it yet: it leaves with the next [`flush`](Self::flush), or when
    /// [`recv`](Self::recv) has to wait, or when the output is full. Many small messages leave in one write.
    ///
    /// Payloads over 4 KiB are not queued but written from where they lie, so this may wait for the peer.
    /// Those over [`Config::fragment`] are sent in fragments.
    ///
    /// Cancel safe: a dropped future has sent nothing of the message, or all of it will be sent (what is left
    /// of it is copied into the output then).
    ///
    /// # Errors
    /// [`Error::Send`] after a Close frame or inside a message in fragments; [`Error::Timeout`] if the peer
    /// does not take our output; [`Error::Transport`].
    pub async fn feed<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<(), Error<TransportError<T>>> {
        self.sender().feed(message).await
    }

    /// Sends a message and everything that was queued before it.
    ///
    /// Cancel safe, as [`feed`](Self::feed).
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub async fn send<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<(), Error<TransportError<T>>> {
        self.sender().send(message).await
    }

    /// Queues one fragment of a message: the first one begins it, the one with `fin` ends it (RFC 6455 5.4).
    /// Text may be cut anywhere; that all of it together is UTF-8 is for the caller to see to.
    ///
    /// Cancel safe, as [`feed`](Self::feed).
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub async fn feed_fragment(
        &mut self,
        kind: Kind,
        payload: &[u8],
        fin: bool,
    ) -> Result<(), Error<TransportError<T>>> {
        self.sender().feed_fragment(kind, payload, fin).await
    }

    /// Writes everything that is queued.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// [`Error::Timeout`] if the peer does not take our output, or [`Error::Transport`].
    pub async fn flush(&mut self) -> Result<(), Error<TransportError<T>>> {
        self.sender().flush().await
    }

    /// Sends a Ping with at most 125 octets of payload (RFC 6455 5.5.2). Keepalive sends its own.
    ///
    /// Cancel safe: dropped, the Ping is queued or not.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error<TransportError<T>>> {
        self.sender().ping(payload).await
    }

    /// The sending side by itself.
    pub const fn sender(&mut self) -> Sender<'_, T, R> {
        Sender { outlet: &mut self.outlet }
    }

    /// Closes the connection: sends a Close frame, waits for the peer's, and ends the transport, the server
    /// first (RFC 6455 7.1.1). Messages that still arrive are dropped; to have them, send the Close frame with
    /// [`start_close`](Self::start_close) and go on receiving until `None`.
    ///
    /// If the connection is already closed, it only sees the ending through. Cancel safe: called again, it
    /// goes on.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), and [`Error::Send`] for a code or a reason that must not be sent.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error<TransportError<T>>> {
        if !self.outlet.sending.outbound.is_closed() {
            self.start_close(code, reason).await?;
        }
        poll_fn(|cx| {
            while ready!(self.poll_progress(cx, Want::Chunks))?.is_some() {}
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Sends a Close frame, behind everything that was queued, and does not wait for the peer's. Nothing can
    /// be sent after it; receiving goes on, until `None`.
    ///
    /// Cancel safe: dropped, the frame is queued or not.
    ///
    /// # Errors
    /// [`Error::Send`] for a code or a reason that must not be sent or inside a closed connection;
    /// [`Error::Timeout`] or [`Error::Transport`].
    pub async fn start_close(
        &mut self,
        code: CloseCode,
        reason: &str,
    ) -> Result<(), Error<TransportError<T>>> {
        let (side, timer, config) = self.outlet.parts();
        Control {
            side,
            timer,
            config,
            write: Some(|sending: &mut Sending<T, R>| {
                sending.start_close(config, Some(CloseFrame { code, reason }))
            }),
        }
        .await
    }

    /// What the peer's Close frame said, once it has arrived.
    pub fn closed(&self) -> Option<&Closed> {
        self.receiving.closed()
    }

    /// Whether the connection has ended: nothing can be received any more.
    pub const fn is_ended(&self) -> bool {
        self.receiving.is_ended()
    }

    /// The last round trip that keepalive measured.
    pub fn round_trip(&self) -> Option<Duration> {
        self.outlet.sending.round_trip()
    }

    /// The transport, for its addresses and options.
    pub fn get_ref(&self) -> &T {
        &self.outlet.sending.io
    }
}

/// Out of the way: results that are built together are built octet by octet.
#[cold]
#[inline(never)]
const fn failed<X, E>(error: E) -> Poll<Result<X, E>> {
    Poll::Ready(Err(error))
}

impl<T: Transport, R> Link<R> for Whole<'_, T, R> {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, TransportError<T>>> {
        self.sending.io.poll_read(cx, buffer)
    }
}

impl<T: WriteTransport, R> core::fmt::Debug for WebSocket<T, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}
