//! What an application asks and says of compression on a connection.

use crate::error::Error;
use crate::halves::{Reader, Writer};
use crate::sender::Sender;
use crate::sending::Transfer;
use crate::transport::{SplitTransport, Transport, WriteTransport};
use crate::websocket::{TransportError, WebSocket};
use tightwire::deflate::{Agreement, Effort, Terms};
use tightwire::{Message, Role};

impl<T: Transport, R: Role> WebSocket<T, R> {
    /// The compression that was agreed on in the opening handshake (RFC 7692 7.1).
    pub fn compression(&self) -> Option<Agreement> {
        let received = self.receiving.inbound.compression()?;
        let sent = self.outlet.sending.outbound.compression()?;
        let (server, client) = if R::IS_CLIENT { (received, sent) } else { (sent, received) };
        Some(Agreement { server, client })
    }

    /// Which messages are compressed from now on, and how hard to try, on this connection.
    pub fn set_effort(&mut self, effort: Effort) {
        self.outlet.sending.set_effort(&self.outlet.config, effort);
    }

    /// Queues a message as it is, whatever was agreed: see [`feed`](Self::feed). For what is compressed already, and
    /// for secrets that are not to be compressed together with what a stranger chose.
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub async fn feed_uncompressed<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<(), Error<TransportError<T>>> {
        self.sender().feed_uncompressed(message).await
    }

    /// Sends a message as it is: see [`feed_uncompressed`](Self::feed_uncompressed) and [`send`](Self::send).
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub async fn send_uncompressed<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<(), Error<TransportError<T>>> {
        self.sender().send_uncompressed(message).await
    }
}

impl<T: WriteTransport, R: Role> Sender<'_, T, R> {
    /// Queues a message as it is: see [`WebSocket::feed_uncompressed`](crate::WebSocket::feed_uncompressed).
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub fn feed_uncompressed<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> impl Future<Output = Result<(), Error<T::Error>>> {
        self.transmit(Some(Transfer::message(message.into()).uncompressed()), false)
    }

    /// Sends a message as it is: see [`WebSocket::send_uncompressed`](crate::WebSocket::send_uncompressed).
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub fn send_uncompressed<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> impl Future<Output = Result<(), Error<T::Error>>> {
        self.transmit(Some(Transfer::message(message.into()).uncompressed()), true)
    }
}

impl<T: SplitTransport, R: Role> Reader<T, R> {
    /// What was agreed for the compressed messages that arrive.
    pub fn compression(&self) -> Option<Terms> {
        self.receiving.inbound.compression()
    }
}

impl<T: SplitTransport, R: Role> Writer<T, R> {
    /// What was agreed for the compressed messages that are sent.
    pub fn compression(&mut self) -> Option<Terms> {
        self.with_sending(|sending, _| sending.outbound.compression())
    }

    /// Which messages are compressed from now on, and how hard to try, on this connection.
    pub fn set_effort(&mut self, effort: Effort) {
        self.with_sending(|sending, config| sending.set_effort(config, effort));
    }

    /// Queues a message as it is: see [`WebSocket::feed_uncompressed`](crate::WebSocket::feed_uncompressed).
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub async fn feed_uncompressed<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<(), Error<TransportError<T>>> {
        self.transmit(Some(Transfer::message(message.into()).uncompressed()), false).await
    }

    /// Sends a message as it is: see [`WebSocket::send_uncompressed`](crate::WebSocket::send_uncompressed).
    ///
    /// Cancel safe, as there.
    ///
    /// # Errors
    /// As there.
    pub async fn send_uncompressed<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<(), Error<TransportError<T>>> {
        self.transmit(Some(Transfer::message(message.into()).uncompressed()), true).await
    }
}
