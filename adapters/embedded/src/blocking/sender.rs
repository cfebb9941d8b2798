//! The sending side of a connection over a blocking transport.

use crate::config::Clock;
use crate::error::Error;
use crate::sending::{Sending, Step};
use crate::storage::Memory;
use embedded_io::Write;
use tightwire::deflate::Compress;
use tightwire::{CloseCode, Kind, Message, Role, SendError};

/// The sending side of a connection, lent beside what was received.
pub struct Sender<'a, IO, R, O, C> {
    pub(crate) io: &'a mut IO,
    pub(crate) sending: &'a mut Sending<R, O, C>,
}

impl<IO: Write, R: Role, O: Memory, C: Clock> Sender<'_, IO, R, O, C> {
    /// Queues a message without writing it yet: it leaves with the next [`flush`](Self::flush), when a receiver has to
    /// wait, or when the storage is full. Many small messages leave in one write.
    ///
    /// A message whose frame is larger than the transmit storage leaves in fragments that fill it (RFC 6455 5.4).
    ///
    /// # Errors
    /// [`Error::Caller`] after a Close frame or inside a message in fragments; [`Error::Timeout`] if the peer does not
    /// take our output in time; [`Error::Ended`]; [`Error::Io`]. If a large message was begun by then, it is unfinished.
    pub fn feed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<IO::Error>> {
        let message = message.into();
        self.sending.may_begin()?;
        self.feed_fragment(message.kind(), message.octets(), true)
    }

    /// Sends a message and everything that was queued before it.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<IO::Error>> {
        self.feed(message)?;
        self.flush()
    }

    /// Queues one fragment of a message: the first one begins it, the one with `fin` ends it (RFC 6455 5.4). Text may be
    /// cut anywhere; that all of it together is UTF-8 is for the caller to see to.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub fn feed_fragment(
        &mut self,
        kind: Kind,
        mut payload: &[u8],
        fin: bool,
    ) -> Result<(), Error<IO::Error>> {
        while !self.sending.feed(kind, &mut payload, fin)? {
            self.write_out(false)?;
        }
        Ok(())
    }

    /// Queues a message that goes compressed, in fragments as the transmit storage has room (RFC 7692 7.2.1). `codec`
    /// works in memory that the caller lends to it, on the terms that were agreed on. Whether a message is worth it is
    /// for the caller to say; most under 100 octets are not.
    ///
    /// # Errors
    /// As [`feed`](Self::feed), and [`Error::Caller`] if no compression was agreed on, or not on these terms.
    pub fn feed_compressed<'m, D: Compress + ?Sized>(
        &mut self,
        message: impl Into<Message<'m>>,
        codec: &mut D,
    ) -> Result<(), Error<IO::Error>> {
        let message = message.into();
        self.sending.may_begin()?;
        let mut payload = message.octets();
        while !self.sending.feed_compressed(message.kind(), &mut payload, codec)? {
            self.write_out(false)?;
        }
        Ok(())
    }

    /// Sends a Ping with at most 125 octets of payload (RFC 6455 5.5.2). Keepalive sends its own.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error<IO::Error>> {
        self.control(|sending| sending.ping(payload))
    }

    /// Sends a Pong that nobody asked for (RFC 6455 5.5.3). Pings are answered without it.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), Error<IO::Error>> {
        self.control(|sending| sending.pong(payload))
    }

    /// Sends a Close frame and does not wait for the peer's. Nothing can be sent after it; receiving goes on, until the
    /// end. [`CloseCode::NO_STATUS`] stands for a frame without code and reason.
    ///
    /// # Errors
    /// [`Error::Caller`] for a code or a reason that must not be sent, or after a Close frame; else as
    /// [`feed`](Self::feed).
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error<IO::Error>> {
        self.control(|sending| sending.close(code, reason))
    }

    /// Writes everything that is queued.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Ended`] or [`Error::Io`].
    pub fn flush(&mut self) -> Result<(), Error<IO::Error>> {
        self.write_out(true)
    }

    /// Queues a control frame, at the latest when all else is written, and sends it.
    fn control(
        &mut self,
        mut queue: impl FnMut(&mut Sending<R, O, C>) -> Result<bool, SendError>,
    ) -> Result<(), Error<IO::Error>> {
        while !queue(self.sending)? {
            self.write_out(false)?;
        }
        self.flush()
    }

    pub(super) fn write_out(&mut self, flush: bool) -> Result<(), Error<IO::Error>> {
        loop {
            match self.sending.next_out(flush) {
                Step::Done(Ok(())) | Step::Read => return Ok(()),
                Step::Done(Err(outcome)) => return Err(outcome.sent()),
                Step::Write => {
                    let octets = self.io.write(self.sending.outbox.unsent()).map_err(Error::Io)?;
                    self.sending.sent(octets);
                }
                Step::Flush => {
                    self.io.flush().map_err(Error::Io)?;
                    self.sending.flushed();
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
