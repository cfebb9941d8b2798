//! A connection in two hands: a reader and a writer that live in two tasks, and handles that ping and close
//! from anywhere.
//!
//! The sending side stands behind a lock that is held for the length of a poll at most. The reader never
//! waits for the writer: it appends replies itself, behind the frame that the writer has begun.

use crate::config::Config;
use crate::error::Error;
use crate::event::Event;
use crate::lock::Lock;
use crate::receiving::{Closed, Link, Receiving, Want};
use crate::sender::{Control as ControlFrame, Hand, Outlet, Transmit};
use crate::sending::{READER_TIMER, SendSide, Sending, Transfer, WRITER_TIMER};
use crate::transport::{ReadTransport, SplitTransport, WriteTransport};
use crate::wakers::Wakers;
use crate::websocket::{TransportError, WebSocket};
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::future::poll_fn;
use core::mem::take;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use tightwire::{CloseCode, CloseFrame, Kind, Message, Progress, Role, SendError};

/// The receiving half of a connection. One task receives; the exclusive borrow sees to that.
///
/// It answers Pings and keeps the deadlines, also while the application sends nothing.
pub struct Reader<T: SplitTransport, R> {
    pub(crate) receiving: Receiving<R>,
    io: T::ReadHalf,
    timer: T::Timer,
    shared: Arc<Shared<T::WriteHalf, R>>,
}

/// The sending half of a connection. One task sends; the exclusive borrow sees to that.
pub struct Writer<T: SplitTransport, R> {
    timer: T::Timer,
    shared: Arc<Shared<T::WriteHalf, R>>,
}

/// Pings and closes a split connection from any task. Cheap to clone; it does not keep the connection open.
pub struct Control<T: SplitTransport, R> {
    shared: Weak<Shared<T::WriteHalf, R>>,
}

pub(crate) struct Shared<W, R> {
    sending: Lock<Sending<W, R>>,
    wakers: Arc<Wakers>,
    /// Wakes both halves: either may have to go on writing.
    waker: Waker,
    config: Arc<Config>,
}

impl<T: SplitTransport, R: Role> WebSocket<T, R> {
    /// Takes the connection apart into halves for two tasks.
    pub fn split(self) -> (Reader<T, R>, Writer<T, R>) {
        let Outlet { sending, timer, config } = self.outlet;
        let (sending, io) = sending.with_io(());
        let (io, write) = io.split();
        let (sending, ()) = sending.with_io(write);
        let wakers = Arc::<Wakers>::default();
        let waker = Waker::from(wakers.clone());
        let shared = Arc::new(Shared { sending: Lock::new(sending), wakers, waker, config });
        let writer = Writer { timer: T::Timer::default(), shared: shared.clone() };
        (Reader { receiving: self.receiving, io, timer, shared }, writer)
    }
}

impl<T: SplitTransport, R: Role> Reader<T, R> {
    /// Receives the next message: see [`WebSocket::recv`].
    ///
    /// Replies to Pings are written here, at once or, while the writer is in the middle of a frame, right
    /// behind it. Cancel safe: a dropped future loses nothing.
    ///
    /// # Errors
    /// As there.
    pub async fn recv(&mut self) -> Result<Option<Message<'_>>, Error<TransportError<T>>> {
        poll_fn(|cx| self.poll_recv(cx)).await?;
        Ok(self.message())
    }

    /// Receives the next message, Ping or Pong: see [`WebSocket::recv_event`]. Cancel safe, as
    /// [`recv`](Self::recv).
    ///
    /// # Errors
    /// As there.
    pub async fn recv_event(&mut self) -> Result<Option<Event<'_>>, Error<TransportError<T>>> {
        let progress = poll_fn(|cx| self.poll_progress(cx, Want::Events)).await?;
        Ok(progress.and_then(|progress| Event::of(&self.receiving, progress)))
    }

    /// The poll behind [`recv`](Self::recv): see [`WebSocket::poll_recv`].
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error<TransportError<T>>>> {
        let Self { receiving, io, timer, shared } = self;
        let shared = &**shared;
        receiving.poll_message(cx, &shared.config, &mut ReadSide { io, shared }, timer)
    }

    /// The message that the last [`poll_recv`](Self::poll_recv) made ready.
    pub fn message(&self) -> Option<Message<'_>> {
        self.receiving.message()
    }

    /// What the peer's Close frame said, once it has arrived.
    pub fn closed(&self) -> Option<&Closed> {
        self.receiving.closed()
    }

    /// The last round trip that keepalive measured.
    pub fn round_trip(&self) -> Option<Duration> {
        self.shared.sending.with(|sending| sending.round_trip())
    }

    /// A handle that pings and closes from any task.
    pub fn control(&self) -> Control<T, R> {
        Control { shared: Arc::downgrade(&self.shared) }
    }

    /// Puts the halves of one connection together again.
    ///
    /// # Errors
    /// Gives both back if they are of two connections, or if a [`Control`] is at work at this moment.
    pub fn reunite(self, writer: Writer<T, R>) -> Result<WebSocket<T, R>, (Self, Writer<T, R>)> {
        if !Arc::ptr_eq(&self.shared, &writer.shared) {
            return Err((self, writer));
        }
        let Self { receiving, io, timer, shared } = self;
        let writer_timer = writer.timer;
        drop(writer.shared);
        let (io, shared) = match Arc::try_unwrap(shared) {
            Ok(Shared { sending, wakers, waker, config }) => {
                let (sending, write) = sending.into_inner().with_io(());
                match T::join(io, write) {
                    Ok(io) => {
                        let sending = Box::new(sending.with_io(io).0);
                        return Ok(WebSocket {
                            receiving,
                            outlet: Outlet { sending, timer, config },
                            wakers: None,
                        });
                    }
                    Err((io, write)) => {
                        let sending = Lock::new(sending.with_io(write).0);
                        (io, Arc::new(Shared { sending, wakers, waker, config }))
                    }
                }
            }
            Err(shared) => (io, shared),
        };
        let writer = Writer { timer: writer_timer, shared: shared.clone() };
        Err((Self { receiving, io, timer, shared }, writer))
    }

    pub(crate) fn poll_progress(
        &mut self,
        cx: &mut Context<'_>,
        want: Want,
    ) -> Poll<Result<Option<Progress>, Error<TransportError<T>>>> {
        let Self { receiving, io, timer, shared } = self;
        let shared = &**shared;
        receiving.poll_progress(cx, &shared.config, &mut ReadSide { io, shared }, timer, want, None)
    }
}

impl<T: SplitTransport, R: Role> Writer<T, R> {
    /// Queues a message: see [`WebSocket::feed`]. It leaves with the next [`flush`](Self::flush), or when the
    /// reader has to wait for the peer.
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub async fn feed<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<(), Error<TransportError<T>>> {
        self.transmit(Some(Transfer::message(message.into())), false).await
    }

    /// Sends a message: see [`WebSocket::send`].
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub async fn send<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<(), Error<TransportError<T>>> {
        self.transmit(Some(Transfer::message(message.into())), true).await
    }

    /// Queues one fragment: see [`WebSocket::feed_fragment`].
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub async fn feed_fragment(
        &mut self,
        kind: Kind,
        payload: &[u8],
        fin: bool,
    ) -> Result<(), Error<TransportError<T>>> {
        self.transmit(Some(Transfer::fragment(kind, payload, fin)), false).await
    }

    /// Writes everything that is queued.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// As [`WebSocket::flush`].
    pub async fn flush(&mut self) -> Result<(), Error<TransportError<T>>> {
        self.transmit(None, true).await
    }

    /// Sends a Close frame, behind everything that was queued. The reader goes on to `None`, and ends the
    /// transport.
    ///
    /// Cancel safe: dropped, the frame is queued or not.
    ///
    /// # Errors
    /// As [`WebSocket::start_close`].
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error<TransportError<T>>> {
        let (side, timer, config) = self.parts();
        ControlFrame {
            side,
            timer,
            config,
            write: Some(|sending: &mut Sending<T::WriteHalf, R>| {
                sending.start_close(config, Some(CloseFrame { code, reason }))
            }),
        }
        .await
    }

    /// A handle that pings and closes from any task.
    pub fn control(&self) -> Control<T, R> {
        Control { shared: Arc::downgrade(&self.shared) }
    }

    pub(crate) fn with_sending<X>(
        &mut self,
        use_it: impl FnOnce(&mut Sending<T::WriteHalf, R>, &Config) -> X,
    ) -> X {
        self.shared.sending.with(|sending| use_it(sending, &self.shared.config))
    }

    pub(crate) fn poll_sending<X>(
        &mut self,
        cx: &mut Context<'_>,
        use_it: impl FnOnce(&mut Sending<T::WriteHalf, R>, &mut Context<'_>, &Config, &mut T::Timer) -> X,
    ) -> X {
        let Self { timer, shared } = self;
        WriteSide { shared }.sending(cx, |sending, cx| use_it(sending, cx, &shared.config, timer))
    }

    pub(crate) fn transmit<'m>(
        &mut self,
        transfer: Option<Transfer<'m>>,
        flush: bool,
    ) -> Transmit<'_, 'm, Self> {
        Transmit { hand: self, transfer, flush }
    }
}

impl<T: SplitTransport, R: Role> Hand for Writer<T, R> {
    type Role = R;
    type Write = T::WriteHalf;
    type Side<'a>
        = WriteSide<'a, T::WriteHalf, R>
    where
        Self: 'a;

    fn parts(&mut self) -> (WriteSide<'_, T::WriteHalf, R>, &mut T::Timer, &Config) {
        let Self { timer, shared } = self;
        (WriteSide { shared }, timer, &shared.config)
    }
}

impl<T: SplitTransport, R: Role> Control<T, R> {
    /// Sends a Ping with at most 125 octets of payload, behind what is queued.
    ///
    /// # Errors
    /// [`Error::Ended`] if the connection is gone; [`Error::Send`] with [`SendError::NeedsSpace`] if the
    /// output is full because the peer does not read, or another reason not to send.
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error<TransportError<T>>> {
        self.send(|sending, config| sending.control(config, |outbound, out| outbound.ping(payload, out)))
    }

    /// Sends a Close frame, behind what is queued. The reader goes on to `None`, and ends the transport.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error<TransportError<T>>> {
        self.send(|sending, config| sending.start_close(config, Some(CloseFrame { code, reason })))
    }

    fn send(
        &self,
        write: impl FnOnce(&mut Sending<T::WriteHalf, R>, &Config) -> Result<(), SendError>,
    ) -> Result<(), Error<TransportError<T>>> {
        let Some(shared) = self.shared.upgrade() else { return Err(Error::Ended) };
        let mut cx = Context::from_waker(&shared.waker);
        let result = shared.sending.with(|sending| {
            write(sending, &shared.config)?;
            sending.news = false;
            // What the transport does not take now, the halves go on with when it does.
            match sending.poll_flush(&mut cx, &shared.config) {
                Poll::Ready(Err(error)) => Err(error),
                _ => Ok(()),
            }
        });
        // Either may wait for what has just been done, or has to keep the time of it.
        shared.waker.wake_by_ref();
        result
    }
}

impl<T: SplitTransport, R> Clone for Control<T, R> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T: SplitTransport, R> fmt::Debug for Reader<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl<T: SplitTransport, R> fmt::Debug for Writer<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl<T: SplitTransport, R> fmt::Debug for Control<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

/// How the writer reaches the sending side.
pub struct WriteSide<'a, W, R> {
    pub(crate) shared: &'a Shared<W, R>,
}

impl<W, R> fmt::Debug for WriteSide<'_, W, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteSide").finish_non_exhaustive()
    }
}

impl<W: WriteTransport, R> SendSide<R> for WriteSide<'_, W, R> {
    type Write = W;
    const TIMER: u8 = WRITER_TIMER;

    fn with<X>(&mut self, use_it: impl FnOnce(&mut Sending<W, R>) -> X) -> X {
        let (result, wake) = self.shared.sending.with(|sending| {
            let result = use_it(sending);
            // What a future or a writer leaves behind when it is dropped, the reader sends.
            (result, take(&mut sending.news) || sending.reader_waits || !sending.is_flushed())
        });
        if wake {
            self.shared.wakers.reader.wake();
        }
        result
    }

    fn sending<X>(
        &mut self,
        cx: &mut Context<'_>,
        use_it: impl FnOnce(&mut Sending<W, R>, &mut Context<'_>) -> X,
    ) -> X {
        let shared = self.shared;
        shared.wakers.writer.register(cx.waker());
        let (result, wake) = shared.sending.with(|sending| {
            let result = use_it(sending, &mut Context::from_waker(&shared.waker));
            (result, take(&mut sending.news) || sending.reader_waits)
        });
        if wake {
            shared.wakers.reader.wake();
        }
        result
    }
}

/// How the reader reaches its transport and the sending side.
struct ReadSide<'a, I, W, R> {
    io: &'a mut I,
    shared: &'a Shared<W, R>,
}

impl<I, W: WriteTransport, R> SendSide<R> for ReadSide<'_, I, W, R> {
    type Write = W;
    const TIMER: u8 = READER_TIMER;

    fn with<X>(&mut self, use_it: impl FnOnce(&mut Sending<W, R>) -> X) -> X {
        self.shared.sending.with(use_it)
    }

    fn sending<X>(
        &mut self,
        cx: &mut Context<'_>,
        use_it: impl FnOnce(&mut Sending<W, R>, &mut Context<'_>) -> X,
    ) -> X {
        let shared = self.shared;
        shared.wakers.reader.register(cx.waker());
        let (result, wake) = shared.sending.with(|sending| {
            let result = use_it(sending, &mut Context::from_waker(&shared.waker));
            (result, take(&mut sending.news))
        });
        if wake {
            shared.wakers.writer.wake();
        }
        result
    }
}

impl<I, W, R> Link<R> for ReadSide<'_, I, W, R>
where
    I: ReadTransport<Error = W::Error>,
    W: WriteTransport,
{
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, W::Error>> {
        self.io.poll_read(cx, buffer)
    }
}
