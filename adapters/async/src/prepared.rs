//! A message that is encoded once for many connections, and compressed once for each size of window among them.

use crate::config::Config;
use crate::error::Error;
use crate::halves::Writer;
use crate::lock::Lock;
use crate::owned::OwnedMessage;
use crate::sender::{Outlet, Sender};
use crate::sending::{READER_TIMER, Sending, WRITER_TIMER};
use crate::transport::{SplitTransport, Transport, WriteTransport};
use crate::websocket::{TransportError, WebSocket};
use alloc::sync::Arc;
use alloc::vec;
use bytes::Bytes;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use tightwire::deflate::Terms;
use tightwire::frame::HEAD_MAX;
use tightwire::{Prepared, SendError, Server};

/// A message for many connections of a server: each frame that they need of it is made once. Cheap to clone.
///
/// Where compression without context takeover was agreed on and the message is worth it, it goes compressed: once for
/// each size of window, when the first such connection sends it. Connections that send with takeover get it as it is,
/// because each of their peers has seen other messages.
#[derive(Clone)]
pub struct PreparedMessage(Arc<Inner>);

struct Inner {
    message: OwnedMessage,
    #[cfg(feature = "deflate")]
    config: Arc<Config>,
    /// As it is, then compressed for each size of window from 2^8 on.
    frames: Lock<[Option<Prepared<Bytes>>; 9]>,
}

impl PreparedMessage {
    /// Prepares a message. Whether it is compressed, how, and by whose codecs is as `config` says.
    pub fn new(message: impl Into<OwnedMessage>, config: &Arc<Config>) -> Self {
        #[cfg(not(feature = "deflate"))]
        let _ = config;
        Self(Arc::new(Inner {
            message: message.into(),
            #[cfg(feature = "deflate")]
            config: config.clone(),
            frames: Lock::new([const { None }; 9]),
        }))
    }

    /// The message.
    pub fn message(&self) -> &OwnedMessage {
        &self.0.message
    }

    /// The frame for a connection that has agreed on this.
    fn frame(&self, agreed: Option<Terms>) -> Result<Prepared<Bytes>, SendError> {
        #[cfg(feature = "deflate")]
        let is_worth = self.0.config.effort.is_worth(self.0.message.octets().len());
        #[cfg(not(feature = "deflate"))]
        let is_worth = false;
        let agreed = agreed.filter(|agreed| is_worth && !agreed.takeover());
        let slot = agreed.map_or(0, |agreed| usize::from(agreed.window().bits() - 7));
        // Who comes second waits rather than doing it twice.
        self.0.frames.with(|frames| {
            let slot = frames.get_mut(slot).ok_or(SendError::CompressionNotAgreed)?;
            if let Some(frame) = slot {
                return Ok(frame.clone());
            }
            let frame = self.0.encode(agreed)?;
            Ok(slot.insert(frame).clone())
        })
    }
}

impl Inner {
    fn encode(&self, agreed: Option<Terms>) -> Result<Prepared<Bytes>, SendError> {
        let mut memory = vec![0; self.message.octets().len() + HEAD_MAX];
        #[cfg(feature = "deflate")]
        if let Some(agreed) = agreed {
            return self.config.codecs.once(self.config.effort.level, agreed, |codec| {
                let prepared = Prepared::compressed(&self.message, codec, &mut memory)?;
                Ok(prepared.map(Bytes::copy_from_slice))
            });
        }
        #[cfg(not(feature = "deflate"))]
        let _ = agreed;
        let prepared = Prepared::encode(&self.message, &mut memory)?;
        Ok(prepared.map(Bytes::copy_from_slice))
    }
}

impl fmt::Debug for PreparedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PreparedMessage").field(&self.0.message).finish()
    }
}

impl<W: WriteTransport> Sending<W, Server> {
    /// Queues a prepared message, unless `queued` says that it is, and writes what is queued if `flush` says so.
    fn poll_prepared(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        prepared: &PreparedMessage,
        queued: &mut bool,
        flush: bool,
    ) -> Poll<Result<(), Error<W::Error>>> {
        if !*queued {
            self.outbound.may_begin()?;
            self.check(config)?;
            let frame = prepared.frame(self.outbound.compression())?;
            let length = frame.frame().len();
            if !self.out.is_empty() && length > self.out.room(&config.pool) {
                ready!(self.poll_write_out(cx, config))?;
            }
            let mut out = self.out.grow(&config.pool, length);
            let written = self.outbound.prepared(&frame, &mut out);
            let length = out.len();
            self.out.set_written(length);
            self.out.release(&config.pool);
            written?;
            *queued = true;
        }
        if flush { self.poll_flush(cx, config) } else { Poll::Ready(Ok(())) }
    }
}

impl<T: WriteTransport> Sender<'_, T, Server> {
    /// Queues a prepared message: see [`WebSocket::feed`](crate::WebSocket::feed).
    ///
    /// Cancel safe: dropped, the message is queued or not.
    ///
    /// # Errors
    /// As there.
    pub async fn feed_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error<T::Error>> {
        self.prepared(message, false).await
    }

    /// Sends a prepared message: see [`WebSocket::send`](crate::WebSocket::send).
    ///
    /// Cancel safe: dropped, the message is queued or not.
    ///
    /// # Errors
    /// As there.
    pub async fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error<T::Error>> {
        self.prepared(message, true).await
    }

    async fn prepared(&mut self, message: &PreparedMessage, flush: bool) -> Result<(), Error<T::Error>> {
        let mut queued = false;
        let Outlet { sending, timer, config } = &mut *self.outlet;
        poll_fn(|cx| {
            sending.poll_timed(cx, config, (timer, READER_TIMER), |sending, cx, config| {
                sending.poll_prepared(cx, config, message, &mut queued, flush)
            })
        })
        .await
    }
}

impl<T: Transport> WebSocket<T, Server> {
    /// Queues a message that was prepared for many connections: see [`feed`](Self::feed).
    ///
    /// Cancel safe: dropped, the message is queued or not.
    ///
    /// # Errors
    /// As there.
    pub async fn feed_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error<TransportError<T>>> {
        self.sender().feed_prepared(message).await
    }

    /// Sends a message that was prepared for many connections: see [`send`](Self::send).
    ///
    /// Cancel safe: dropped, the message is queued or not.
    ///
    /// # Errors
    /// As there.
    pub async fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error<TransportError<T>>> {
        self.sender().send_prepared(message).await
    }
}

impl<T: SplitTransport> Writer<T, Server> {
    /// Queues a message that was prepared for many connections: see [`WebSocket::feed_prepared`].
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub async fn feed_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error<TransportError<T>>> {
        self.prepared(message, false).await
    }

    /// Sends a message that was prepared for many connections: see [`WebSocket::send_prepared`].
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub async fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error<TransportError<T>>> {
        self.prepared(message, true).await
    }

    async fn prepared(
        &mut self,
        message: &PreparedMessage,
        flush: bool,
    ) -> Result<(), Error<TransportError<T>>> {
        let mut queued = false;
        poll_fn(|cx| {
            self.poll_sending(cx, |sending, cx, config, timer| {
                sending.poll_timed(cx, config, (timer, WRITER_TIMER), |sending, cx, config| {
                    sending.poll_prepared(cx, config, message, &mut queued, flush)
                })
            })
        })
        .await
    }
}
