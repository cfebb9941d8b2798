//! The sending side of a connection over an asynchronous transport.

use super::timer::{Timer, within};
use crate::error::Error;
use crate::sending::{Sending, Step};
use crate::storage::Memory;
use embedded_io_async::Write;
use tightwire::deflate::Compress;
use tightwire::{CloseCode, Kind, Message, Role, SendError};

/// The sending side of a connection, lent beside what was received.
pub struct Sender<'a, IO, R, O, C> {
    pub(crate) io: &'a mut IO,
    pub(crate) sending: &'a mut Sending<R, O, C>,
}

impl<IO: Write, R: Role, O: Memory, C: Timer> Sender<'_, IO, R, O, C> {
    /// Queues a message without writing it yet: it leaves with the next [`flush`](Self::flush), when a receiver has to
    /// wait, or when the storage is full. Many small messages leave in one write.
    ///
    /// A message whose frame is larger than the transmit storage leaves in fragments that fill it (RFC 6455 5.4).
    ///
    /// Cancel safe for every message whose frame fits the transmit storage: a dropped future has queued nothing, so it can
    /// be fed again. A larger one may be left unfinished: see [`WebSocket::open_message`](super::WebSocket::open_message).
    ///
    /// # Errors
    /// [`Error::Caller`] after a Close frame or inside a message in fragments; [`Error::Timeout`] if the peer does not
    /// take our output in time; [`Error::Ended`]; [`Error::Io`]. If a large message was begun by then, it is unfinished.
    pub async fn feed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<IO::Error>> {
        let message = message.into();
        self.sending.may_begin()?;
        self.feed_fragment(message.kind(), message.octets(), true).await
    }

    /// Sends a message and everything that was queued before it.
    ///
    /// Cancel safe for every message whose frame fits the transmit storage: a dropped future has queued all of it or
    /// nothing, and what was queued leaves with the next call. To know which, [`feed`](Self::feed) and then
    /// [`flush`](Self::flush).
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub async fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<IO::Error>> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Queues one fragment of a message: the first one begins it, the one with `fin` ends it (RFC 6455 5.4). Text may be
    /// cut anywhere; that all of it together is UTF-8 is for the caller to see to.
    ///
    /// Cancel safe for every fragment that fits the transmit storage: a dropped future has queued nothing, so it can be
    /// fed again.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub async fn feed_fragment(
        &mut self,
        kind: Kind,
        mut payload: &[u8],
        fin: bool,
    ) -> Result<(), Error<IO::Error>> {
        while !self.sending.feed(kind, &mut payload, fin)? {
            self.write_out(false).await?;
        }
        Ok(())
    }

    /// Queues a message that goes compressed, in fragments as the transmit storage has room (RFC 7692 7.2.1). `codec`
    /// works in memory that the caller lends to it, on the terms that were agreed on. Whether a message is worth it is
    /// for the caller to say; most under 100 octets are not.
    ///
    /// Not cancel safe: a message that was begun cannot be gone on with. It stays open
    /// ([`WebSocket::open_message`](super::WebSocket::open_message)), so that other messages are refused and only
    /// control frames and a Close can follow; the codec holds it until it is taken back.
    ///
    /// # Errors
    /// As [`feed`](Self::feed), and [`Error::Caller`] if no compression was agreed on, or not on these terms.
    pub async fn feed_compressed<'m, D: Compress + ?Sized>(
        &mut self,
        message: impl Into<Message<'m>>,
        codec: &mut D,
    ) -> Result<(), Error<IO::Error>> {
        let message = message.into();
        self.sending.may_begin()?;
        let mut payload = message.octets();
        while !self.sending.feed_compressed(message.kind(), &mut payload, codec)? {
            self.write_out(false).await?;
        }
        Ok(())
    }

    /// Sends a Ping with at most 125 octets of payload (RFC 6455 5.5.2). Keepalive sends its own.
    ///
    /// Cancel safe: a dropped future has queued the frame or not.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error<IO::Error>> {
        self.control(|sending| sending.ping(payload)).await
    }

    /// Sends a Pong that nobody asked for (RFC 6455 5.5.3). Pings are answered without it.
    ///
    /// Cancel safe: a dropped future has queued the frame or not.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub async fn pong(&mut self, payload: &[u8]) -> Result<(), Error<IO::Error>> {
        self.control(|sending| sending.pong(payload)).await
    }

    /// Sends a Close frame and does not wait for the peer's. Nothing can be sent after it; receiving goes on, until the
    /// end. [`CloseCode::NO_STATUS`] stands for a frame without code and reason.
    ///
    /// Cancel safe: a dropped future has queued the frame or not, and a second one is refused.
    ///
    /// # Errors
    /// [`Error::Caller`] for a code or a reason that must not be sent, or after a Close frame; else as
    /// [`feed`](Self::feed).
    pub async fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error<IO::Error>> {
        self.control(|sending| sending.close(code, reason)).await
    }

    /// Writes everything that is queued.
    ///
    /// Cancel safe: the next call goes on.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Ended`] or [`Error::Io`].
    pub async fn flush(&mut self) -> Result<(), Error<IO::Error>> {
        self.write_out(true).await
    }

    /// Queues a control frame, at the latest when all else is written, and sends it.
    async fn control(
        &mut self,
        mut queue: impl FnMut(&mut Sending<R, O, C>) -> Result<bool, SendError>,
    ) -> Result<(), Error<IO::Error>> {
        while !queue(self.sending)? {
            self.write_out(false).await?;
        }
        self.flush().await
    }

    pub(super) async fn write_out(&mut self, flush: bool) -> Result<(), Error<IO::Error>> {
        loop {
            let step = self.sending.next_out(flush);
            let deadline = self.sending.next_deadline();
            let Sending { outbox, time, .. } = &mut *self.sending;
            match step {
                Step::Done(Ok(())) | Step::Read => return Ok(()),
                Step::Done(Err(outcome)) => return Err(outcome.sent()),
                Step::Write => {
                    let write = self.io.write(outbox.unsent());
                    if let Some(written) = within(write, &mut time.clock, deadline).await {
                        self.sending.sent(written.map_err(Error::Io)?);
                    }
                }
                Step::Flush => {
                    if let Some(flushed) = within(self.io.flush(), &mut time.clock, deadline).await {
                        flushed.map_err(Error::Io)?;
                        self.sending.flushed();
                    }
                }
            }
        }
    }
}

impl<IO, R, O, C> core::fmt::Debug for Sender<'_, IO, R, O, C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
