//! Messages of any size in constant memory: read as they arrive, written in fragments as they are made.

use crate::config::Config;
use crate::error::Error;
use crate::halves::{Reader, WriteSide, Writer};
use crate::receiving::Want;
use crate::sender::{Hand, Whole};
use crate::sending::SendSide;
use crate::transport::{SplitTransport, Transport, WriteTransport};
use crate::websocket::{TransportError, WebSocket};
use alloc::boxed::Box;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use tightwire::deflate::Flush;
use tightwire::frame::HEAD_MAX;
use tightwire::utf8::Validator;
use tightwire::{CloseCode, CloseFrame, Kind, Progress, Role};

#[cfg(feature = "deflate")]
mod compressed;
#[cfg(any(feature = "tokio-io", feature = "futures-io"))]
mod io;

/// A connection that messages can be streamed from: [`WebSocket`] or [`Reader`].
pub trait Chunks: sealed::Chunks {}
impl<C: sealed::Chunks> Chunks for C {}

pub(crate) mod sealed {
    use super::*;

    pub trait Chunks {
        type Error;

        fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Progress>, Error<Self::Error>>>;
        fn chunk(&self) -> &[u8];
        fn discard(&mut self);
    }
}

impl<T: Transport, R: Role> sealed::Chunks for WebSocket<T, R> {
    type Error = TransportError<T>;

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Progress>, Error<Self::Error>>> {
        self.poll_progress(cx, Want::Chunks)
    }

    fn chunk(&self) -> &[u8] {
        self.receiving.chunk()
    }

    fn discard(&mut self) {
        self.receiving.discard();
    }
}

impl<T: SplitTransport, R: Role> sealed::Chunks for Reader<T, R> {
    type Error = TransportError<T>;

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Progress>, Error<Self::Error>>> {
        self.poll_progress(cx, Want::Chunks)
    }

    fn chunk(&self) -> &[u8] {
        self.receiving.chunk()
    }

    fn discard(&mut self) {
        self.receiving.discard();
    }
}

/// One message as a stream of octets, validated as they arrive; text may be cut inside a code point.
///
/// Read it with [`chunk`](Self::chunk), or through `AsyncRead` (features `tokio-io`, `futures-io`). Dropped
/// before its end, the rest of the message is discarded as it arrives.
pub struct MessageReader<'a, C: Chunks> {
    connection: &'a mut C,
    kind: Kind,
    /// Octets of the current chunk that were taken.
    taken: usize,
    /// The current chunk is the last.
    last: bool,
    /// Nothing is left, or the connection failed.
    done: bool,
}

impl<'a, C: Chunks> MessageReader<'a, C> {
    async fn begin(connection: &'a mut C) -> Result<Option<Self>, Error<C::Error>> {
        loop {
            match poll_fn(|cx| connection.poll_chunk(cx)).await? {
                Some(Progress::Chunk { kind, first: true, last, .. }) => {
                    return Ok(Some(Self { connection, kind, taken: 0, last, done: false }));
                }
                // The middle of a message that nobody wants any more.
                Some(_) => connection.discard(),
                None => return Ok(None),
            }
        }
    }

    /// Whether the message is text or binary.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The next octets of the message, never empty; `None` at its end.
    ///
    /// Cancel safe: a dropped future loses nothing.
    ///
    /// # Errors
    /// As [`WebSocket::recv`]. The message then has no end.
    pub async fn chunk(&mut self) -> Result<Option<&[u8]>, Error<C::Error>> {
        let some = poll_fn(|cx| self.poll_fill(cx)).await?;
        if !some {
            return Ok(None);
        }
        let taken = self.taken;
        let chunk = self.connection.chunk();
        self.taken = chunk.len();
        Ok(Some(chunk.get(taken..).unwrap_or_default()))
    }

    /// Ready once there are octets in [`rest`](Self::rest), with `false` at the end of the message.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error<C::Error>>> {
        while self.rest().is_empty() {
            if self.last || self.done {
                self.done = true;
                return Poll::Ready(Ok(false));
            }
            match ready!(self.connection.poll_chunk(cx)) {
                Ok(Some(Progress::Chunk { last, .. })) => (self.taken, self.last) = (0, last),
                // RFC 6455 7.1.4: a connection that ends inside a message gives no message
                Ok(_) => {
                    self.done = true;
                    return Poll::Ready(Err(Error::Ended));
                }
                Err(error) => {
                    self.done = true;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(true))
    }

    fn rest(&self) -> &[u8] {
        if self.done { &[] } else { self.connection.chunk().get(self.taken..).unwrap_or_default() }
    }

    /// Copies the next octets into `buffer` and returns how many; 0 at the end of the message.
    #[cfg(any(feature = "tokio-io", feature = "futures-io"))]
    fn poll_copy(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Error<C::Error>>> {
        if buffer.is_empty() || !ready!(self.poll_fill(cx))? {
            return Poll::Ready(Ok(0));
        }
        let rest = self.rest();
        let copied = rest.len().min(buffer.len());
        if let (Some(buffer), Some(rest)) = (buffer.get_mut(..copied), rest.get(..copied)) {
            buffer.copy_from_slice(rest);
        }
        self.taken += copied;
        Poll::Ready(Ok(copied))
    }
}

impl<C: Chunks> Drop for MessageReader<'_, C> {
    fn drop(&mut self) {
        if !self.last && !self.done {
            self.connection.discard();
        }
    }
}

impl<C: Chunks> fmt::Debug for MessageReader<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// One message that is written in fragments, as octets are given to it.
///
/// Write it with [`write`](Self::write), or through `AsyncWrite` (features `tokio-io`, `futures-io`), whose
/// shutdown finishes it. A fragment leaves when a buffer is full or [`flush`](Self::flush) is called. Dropped
/// after something was written and before [`finish`](Self::finish), it closes the connection with code 1011:
/// half a message is never passed off as a whole one.
pub struct MessageWriter<'a, S: SendSide<R>, R: Role> {
    side: S,
    timer: &'a mut <S::Write as WriteTransport>::Timer,
    config: &'a Config,
    kind: Kind,
    text: Validator,
    /// Room for a head, then payload.
    buffer: Box<[u8]>,
    length: usize,
    state: State,
    #[cfg(feature = "deflate")]
    compression: compressed::Compression,
    role: core::marker::PhantomData<fn() -> R>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was written.
    Untouched,
    /// Something was.
    Begun,
    /// The last fragment is in the output.
    Finished,
    /// The connection failed or is closed.
    Failed,
}

/// The streaming writer of a whole connection.
pub type WebSocketWriter<'a, T, R> = MessageWriter<'a, Whole<'a, T, R>, R>;

/// The streaming writer of a sending half.
pub type HalfWriter<'a, T, R> = MessageWriter<'a, WriteSide<'a, <T as SplitTransport>::WriteHalf, R>, R>;

type WriteError<S, R> = Error<<<S as SendSide<R>>::Write as WriteTransport>::Error>;

impl<'a, S: SendSide<R>, R: Role> MessageWriter<'a, S, R> {
    fn begin(
        mut side: S,
        timer: &'a mut <S::Write as WriteTransport>::Timer,
        config: &'a Config,
        kind: Kind,
    ) -> Result<Self, WriteError<S, R>> {
        side.with(|sending| sending.outbound.may_begin())?;
        #[cfg(feature = "deflate")]
        let compression = compressed::Compression::new(side.with(|sending| sending.outbound.compression()));
        Ok(Self {
            side,
            timer,
            config,
            kind,
            text: Validator::new(),
            buffer: Box::default(),
            length: 0,
            state: State::Untouched,
            #[cfg(feature = "deflate")]
            compression,
            role: core::marker::PhantomData,
        })
    }

    /// Takes octets of the message, at least one, and returns how many. They leave with a full buffer.
    ///
    /// Cancel safe: a dropped future has taken nothing.
    ///
    /// # Errors
    /// [`Error::Send`] with [`SendError::Closed`](tightwire::SendError::Closed) once the connection is closed,
    /// or a failure of the connection. Text that is not UTF-8 is
    /// [`SendError::InvalidUtf8`](tightwire::SendError::InvalidUtf8), and nothing of it is taken.
    pub async fn write(&mut self, octets: &[u8]) -> Result<usize, WriteError<S, R>> {
        poll_fn(|cx| self.poll_write(cx, octets)).await
    }

    /// Takes all of `octets`.
    ///
    /// Not cancel safe: a dropped future may have taken some of them.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_all(&mut self, mut octets: &[u8]) -> Result<(), WriteError<S, R>> {
        while !octets.is_empty() {
            let taken = self.write(octets).await?;
            octets = octets.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Sends what was written so far as a fragment.
    ///
    /// Cancel safe: called again, it goes on.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn flush(&mut self) -> Result<(), WriteError<S, R>> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Ends the message and sends what is left of it.
    ///
    /// Not cancel safe: a dropped future drops the writer.
    ///
    /// # Errors
    /// As [`write`](Self::write), also for text that ends inside a code point.
    pub async fn finish(mut self) -> Result<(), WriteError<S, R>> {
        poll_fn(|cx| self.poll_finish(cx)).await
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<Result<usize, WriteError<S, R>>> {
        if matches!(self.state, State::Finished | State::Failed) {
            return Poll::Ready(Err(Error::Send(tightwire::SendError::Closed)));
        }
        if self.buffer.is_empty() {
            self.buffer = self.config.pool.take(0);
        }
        // What the pool gives has room for a control frame behind it.
        let room = self.config.pool.payload_size().saturating_sub(self.length);
        if room == 0 {
            ready!(self.poll_fragment(cx, Flush::No))?;
            return self.poll_write(cx, octets);
        }
        let octets = octets.get(..room).unwrap_or(octets);
        if self.kind == Kind::Text {
            self.text.feed(octets).map_err(|_| Error::Send(tightwire::SendError::InvalidUtf8))?;
        }
        let start = HEAD_MAX + self.length;
        if let Some(target) = self.buffer.get_mut(start..start + octets.len()) {
            target.copy_from_slice(octets);
        }
        self.length += octets.len();
        if self.state == State::Untouched {
            self.state = State::Begun;
        }
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError<S, R>>> {
        #[cfg(feature = "deflate")]
        let is_held_back = self.compression.is_held_back();
        #[cfg(not(feature = "deflate"))]
        let is_held_back = false;
        if self.length > 0 || is_held_back {
            ready!(self.poll_fragment(cx, Flush::Sync))?;
        }
        self.poll_out(cx)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError<S, R>>> {
        if self.state == State::Failed {
            return Poll::Ready(Err(Error::Send(tightwire::SendError::Closed)));
        }
        if self.state != State::Finished {
            if !self.text.is_complete() {
                return Poll::Ready(Err(Error::Send(tightwire::SendError::InvalidUtf8)));
            }
            if self.buffer.is_empty() {
                self.buffer = self.config.pool.take(0);
            }
            ready!(self.poll_fragment(cx, Flush::Last))?;
            self.state = State::Finished;
        }
        self.poll_out(cx)
    }

    /// Makes what the buffer holds the output, once that is empty.
    fn poll_fragment(&mut self, cx: &mut Context<'_>, flush: Flush) -> Poll<Result<(), WriteError<S, R>>> {
        #[cfg(feature = "deflate")]
        if self.compression.is_on() {
            return self.poll_compressed(cx, flush);
        }
        let fin = flush == Flush::Last;
        let Self { side, config, kind, buffer, length, .. } = self;
        // In one go: between the two a reader might append a reply.
        let polled = side.sending(cx, |sending, cx| {
            ready!(sending.poll_write_out(cx, config))?;
            sending.check(config)?;
            Poll::Ready(Ok(sending.adopt(*kind, buffer, *length, fin)?))
        });
        ready!(self.resolve(cx, polled))?;
        self.length = 0;
        if self.buffer.is_empty() && !fin {
            self.buffer = self.config.pool.take(0);
        }
        Poll::Ready(Ok(()))
    }

    /// Empties the output and the transport's own buffer.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError<S, R>>> {
        let config = self.config;
        let polled = self.side.sending(cx, |sending, cx| sending.poll_flush(cx, config));
        self.resolve(cx, polled)
    }

    /// Keeps the deadlines while something has to wait, and takes note of a failure.
    fn resolve(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<Result<(), WriteError<S, R>>>,
    ) -> Poll<Result<(), WriteError<S, R>>> {
        let Self { side, timer, config, state, .. } = self;
        let result = match polled {
            Poll::Ready(result) => result,
            Poll::Pending => {
                let timeout = ready!(side.sending(cx, |sending, cx| sending.poll_deadline(
                    cx,
                    config,
                    timer,
                    S::TIMER
                )));
                Err(Error::Timeout(timeout))
            }
        };
        if result.is_err() {
            *state = State::Failed;
        }
        Poll::Ready(result)
    }
}

impl<S: SendSide<R>, R: Role> Unpin for MessageWriter<'_, S, R> {}

impl<S: SendSide<R>, R: Role> Drop for MessageWriter<'_, S, R> {
    fn drop(&mut self) {
        let config = self.config;
        config.pool.give(core::mem::take(&mut self.buffer));
        if self.state == State::Begun {
            let frame = CloseFrame { code: CloseCode::INTERNAL_ERROR, reason: "message abandoned" };
            // An error: closed already.
            let _ = self.side.with(|sending| {
                #[cfg(feature = "deflate")]
                sending.drop_codec();
                sending.start_close_for_sure(config, frame)
            });
        }
    }
}

impl<S: SendSide<R>, R: Role> fmt::Debug for MessageWriter<'_, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter")
            .field("kind", &self.kind)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl<T: Transport, R: Role> WebSocket<T, R> {
    /// Waits for the next message and gives it as a stream of octets; `None` once the connection was closed in
    /// good order. The limit on messages holds for it too: raise or lift it in the configuration.
    ///
    /// Cancel safe: a dropped future loses nothing. A reader that is dropped discards the rest of its message.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn recv_reader(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error<TransportError<T>>> {
        MessageReader::begin(self).await
    }

    /// Begins a message that is written in fragments.
    ///
    /// # Errors
    /// [`Error::Send`] after a Close frame or inside another message in fragments.
    pub fn writer(&mut self, kind: Kind) -> Result<WebSocketWriter<'_, T, R>, Error<TransportError<T>>> {
        let (side, timer, config) = self.outlet.parts();
        MessageWriter::begin(side, timer, config, kind)
    }
}

impl<T: SplitTransport, R: Role> Reader<T, R> {
    /// Waits for the next message and gives it as a stream of octets: see [`WebSocket::recv_reader`].
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub async fn recv_reader(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error<TransportError<T>>> {
        MessageReader::begin(self).await
    }
}

impl<T: SplitTransport, R: Role> Writer<T, R> {
    /// Begins a message that is written in fragments: see [`WebSocket::writer`].
    ///
    /// # Errors
    /// As there.
    pub fn writer(&mut self, kind: Kind) -> Result<HalfWriter<'_, T, R>, Error<TransportError<T>>> {
        let (side, timer, config) = self.parts();
        MessageWriter::begin(side, timer, config, kind)
    }
}
