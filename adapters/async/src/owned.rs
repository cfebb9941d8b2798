//! Messages that own their payload, for `Stream` and `Sink` and the ecosystem around them.

use crate::error::Error;
use crate::halves::{Reader, Writer};
use crate::receiving::Want;
use crate::sender::Outlet;
use crate::sending::{READER_TIMER, Sending, WRITER_TIMER};
use crate::transport::{SplitTransport, Transport};
use crate::wakers::Wakers;
use crate::websocket::{TransportError, WebSocket};
use alloc::string::String;
use alloc::vec::Vec;
use atomic_waker::AtomicWaker;
use bytes::Bytes;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use futures_core::Stream;
use futures_sink::Sink;
use tightwire::utf8::InvalidUtf8;
use tightwire::{CloseCode, CloseFrame, Kind, Message, Role, Text};

/// A message that owns its payload. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OwnedMessage {
    /// A text message.
    Text(OwnedText),
    /// A binary message.
    Binary(Bytes),
}

impl OwnedMessage {
    /// Whether this is text or binary.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// The payload as octets, whatever the kind.
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Text(text) => &text.0,
            Self::Binary(octets) => octets,
        }
    }

    /// The text, or `None` for a binary message.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            Self::Binary(_) => None,
        }
    }

    /// The message, borrowed: what the methods that send take.
    pub fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text.as_text()),
            Self::Binary(octets) => Message::Binary(octets),
        }
    }
}

impl From<Message<'_>> for OwnedMessage {
    fn from(message: Message<'_>) -> Self {
        let octets = Bytes::copy_from_slice(message.octets());
        match message.kind() {
            // Validated on receipt, or text from the start.
            Kind::Text => Self::Text(OwnedText(octets)),
            Kind::Binary => Self::Binary(octets),
        }
    }
}

impl From<String> for OwnedMessage {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&str> for OwnedMessage {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<OwnedText> for OwnedMessage {
    fn from(text: OwnedText) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for OwnedMessage {
    fn from(octets: Bytes) -> Self {
        Self::Binary(octets)
    }
}

impl From<Vec<u8>> for OwnedMessage {
    fn from(octets: Vec<u8>) -> Self {
        Self::Binary(octets.into())
    }
}

impl<'a> From<&'a OwnedMessage> for Message<'a> {
    fn from(message: &'a OwnedMessage) -> Self {
        message.as_message()
    }
}

/// Octets that are known to be UTF-8, owned and cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OwnedText(Bytes);

impl OwnedText {
    /// The text, borrowed.
    pub fn as_text(&self) -> Text<'_> {
        self.as_str().into()
    }

    /// The text as a string slice: see [`Text::as_str`].
    pub fn as_str(&self) -> &str {
        tightwire::utf8::text(&self.0).unwrap_or_default()
    }

    /// The text as octets.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl From<String> for OwnedText {
    fn from(text: String) -> Self {
        Self(text.into_bytes().into())
    }
}

impl From<&str> for OwnedText {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl TryFrom<Bytes> for OwnedText {
    type Error = InvalidUtf8;

    fn try_from(octets: Bytes) -> Result<Self, InvalidUtf8> {
        Text::new(&octets)?;
        Ok(Self(octets))
    }
}

impl fmt::Display for OwnedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for OwnedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

type Received<T> = Option<Result<OwnedMessage, Error<TransportError<T>>>>;

/// The two tasks that may have a connection between them, as futures' `StreamExt::split` gives it to them.
impl<T: Transport, R: Role> WebSocket<T, R> {
    fn poll_as<X>(
        &mut self,
        cx: &mut Context<'_>,
        side: fn(&Wakers) -> [&AtomicWaker; 2],
        poll: impl FnOnce(&mut Self, &mut Context<'_>) -> X,
    ) -> X {
        let wakers = self.wakers.get_or_insert_default().clone();
        let [own, other] = side(&wakers);
        own.register(cx.waker());
        let both = Waker::from(wakers.clone());
        let polled = poll(self, &mut Context::from_waker(&both));
        if core::mem::take(&mut self.outlet.sending.news) {
            other.wake();
        }
        polled
    }
}

const STREAM: fn(&Wakers) -> [&AtomicWaker; 2] = |wakers| [&wakers.reader, &wakers.writer];
const SINK: fn(&Wakers) -> [&AtomicWaker; 2] = |wakers| [&wakers.writer, &wakers.reader];

/// Messages until the connection is closed in good order. An error ends the stream too.
impl<T: Transport + Unpin, R: Role + Unpin> Stream for WebSocket<T, R>
where
    T::Timer: Unpin,
{
    type Item = Result<OwnedMessage, Error<TransportError<T>>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Received<T>> {
        let this = self.get_mut();
        if this.is_ended() {
            return Poll::Ready(None);
        }
        let received = ready!(this.poll_as(cx, STREAM, Self::poll_recv));
        Poll::Ready(received.map(|_| this.message().map(Into::into)).transpose())
    }
}

/// Messages until the connection is closed in good order. An error ends the stream too.
impl<T: SplitTransport, R: Role> Stream for Reader<T, R>
where
    Self: Unpin,
{
    type Item = Result<OwnedMessage, Error<TransportError<T>>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Received<T>> {
        let this = self.get_mut();
        if this.receiving.is_ended() {
            return Poll::Ready(None);
        }
        let received = ready!(this.poll_recv(cx));
        Poll::Ready(received.map(|_| this.message().map(Into::into)).transpose())
    }
}

const NORMAL: CloseFrame<'_> = CloseFrame { code: CloseCode::NORMAL, reason: "" };

/// Sends messages. At most one buffer and one message are queued before the sink is not ready. Closing it is
/// the closing handshake with code 1000.
impl<T: Transport + Unpin, R: Role + Unpin> Sink<OwnedMessage> for WebSocket<T, R>
where
    T::Timer: Unpin,
{
    type Error = Error<TransportError<T>>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_as(cx, SINK, |this, cx| {
            let Outlet { sending, timer, config } = &mut this.outlet;
            sending.poll_timed(cx, config, (timer, READER_TIMER), Sending::poll_room)
        })
    }

    fn start_send(self: Pin<&mut Self>, message: OwnedMessage) -> Result<(), Self::Error> {
        let Outlet { sending, config, .. } = &mut self.get_mut().outlet;
        sending.queue(config, message.as_message())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_as(cx, SINK, |this, cx| {
            let Outlet { sending, timer, config } = &mut this.outlet;
            sending.poll_timed(cx, config, (timer, READER_TIMER), Sending::poll_flush)
        })
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_as(cx, SINK, |this, cx| {
            let Outlet { sending, timer, config } = &mut this.outlet;
            if !sending.outbound.is_closed() {
                ready!(sending.poll_timed(cx, config, (timer, READER_TIMER), Sending::poll_write_out))?;
                sending.start_close(config, Some(NORMAL))?;
            }
            while ready!(this.poll_progress(cx, Want::Chunks))?.is_some() {}
            Poll::Ready(Ok(()))
        })
    }
}

/// Sends messages, as the sink of a whole connection does. Closing it sends a Close frame with code 1000; the
/// reader sees the closing handshake through.
impl<T: SplitTransport, R: Role> Sink<OwnedMessage> for Writer<T, R>
where
    Self: Unpin,
{
    type Error = Error<TransportError<T>>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_sending(cx, |sending, cx, config, timer| {
            sending.poll_timed(cx, config, (timer, WRITER_TIMER), Sending::poll_room)
        })
    }

    fn start_send(self: Pin<&mut Self>, message: OwnedMessage) -> Result<(), Self::Error> {
        self.get_mut().with_sending(|sending, config| sending.queue(config, message.as_message()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_sending(cx, |sending, cx, config, timer| {
            sending.poll_timed(cx, config, (timer, WRITER_TIMER), Sending::poll_flush)
        })
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_sending(cx, |sending, cx, config, timer| {
            if !sending.outbound.is_closed() {
                ready!(sending.poll_timed(cx, config, (timer, WRITER_TIMER), Sending::poll_write_out))?;
                sending.start_close(config, Some(NORMAL))?;
            }
            sending.poll_timed(cx, config, (timer, WRITER_TIMER), Sending::poll_flush)
        })
    }
}
