//! A connection over an asynchronous transport.

use super::Sender;
use super::timer::{Timer, within};
use crate::compression::Inflation;
use crate::config::Untimed;
use crate::error::Error;
use crate::received::Received;
use crate::receiving::Machine;
use crate::sending::Step;
use crate::storage::{Memory, Storage};
use embedded_io_async::{Read, Write};
use tightwire::deadline::Tick;
use tightwire::deflate::{Agreement, Decompress};
use tightwire::{CloseCode, CloseFrame, Kind, Message, Progress, Role};

/// A WebSocket connection over an asynchronous transport, after its opening handshake.
///
/// Pings and the peer's Close frame are answered, keepalive is kept and deadlines are watched while it receives.
pub struct WebSocket<IO, R, B: Storage, C = Untimed> {
    io: IO,
    machine: Machine<R, B, C>,
}

impl<IO: Read + Write, R: Role, B: Storage, C: Timer> WebSocket<IO, R, B, C> {
    pub(crate) const fn new(io: IO, machine: Machine<R, B, C>) -> Self {
        Self { io, machine }
    }

    /// Receives the next message, or the next piece of one that is larger than the storage, lent until the next call;
    /// `None` once the connection was closed in good order, after which [`closed`](Self::closed) tells how.
    ///
    /// What was queued, and the replies to Pings, are written before this waits for the peer.
    ///
    /// Cancel safe: a dropped future loses nothing.
    ///
    /// # Errors
    /// [`Error::Peer`], [`Error::Timeout`] or [`Error::Ended`], again and again: the connection is at its end. After
    /// [`Error::Io`] the call may be made again.
    pub async fn recv(&mut self) -> Result<Option<Received<'_>>, Error<IO::Error>> {
        let progress = self.progress().await?;
        Ok(progress.and_then(|progress| self.machine.receiving.received(progress)))
    }

    /// As [`recv`](Self::recv), and lends the sending side beside what was received, so that it can be answered or sent
    /// back without a copy.
    ///
    /// Cancel safe: a dropped future loses nothing.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[allow(clippy::type_complexity)] // a pair
    pub async fn recv_with_sender(
        &mut self,
    ) -> Result<Option<(Received<'_>, Sender<'_, IO, R, B::Transmit, C>)>, Error<IO::Error>> {
        let progress = self.progress().await?;
        let Self { io, machine: Machine { receiving, sending } } = self;
        let received = progress.and_then(|progress| receiving.received(progress));
        Ok(received.map(|received| (received, Sender { io, sending })))
    }

    /// The same connection with compression agreed on (RFC 7692): the agreement that
    /// [`Policy::answer`](tightwire::deflate::Policy::answer) or [`Policy::verify`](tightwire::deflate::Policy::verify)
    /// gave during the handshake. From then on receive with [`recv_inflated`](Self::recv_inflated).
    #[must_use]
    pub fn with_compression(self, agreement: Agreement) -> Self {
        Self { io: self.io, machine: self.machine.with_compression(agreement) }
    }

    /// As [`recv`](Self::recv), and inflates what is compressed into the storage of `inflation`. `codec` works in memory
    /// that the caller lends to it, on the terms that were agreed on, and is the same one for the whole of a message.
    ///
    /// Cancel safe: a dropped future loses nothing.
    ///
    /// # Errors
    /// As [`recv`](Self::recv). After [`Error::Peer`] a codec that other connections use, too, must be reset.
    pub async fn recv_inflated<'a, S: Memory, D: Decompress + ?Sized>(
        &'a mut self,
        inflation: &'a mut Inflation<S>,
        codec: &mut D,
    ) -> Result<Option<Received<'a>>, Error<IO::Error>> {
        loop {
            if self.machine.inflate(inflation, codec) {
                return Ok(Some(inflation.received()));
            }
            let Some(progress) = self.progress().await? else { return Ok(None) };
            if !inflation.takes(progress) {
                return Ok(self.machine.receiving.received(progress));
            }
        }
    }

    /// The sending side by itself.
    pub fn sender(&mut self) -> Sender<'_, IO, R, B::Transmit, C> {
        Sender { io: &mut self.io, sending: &mut self.machine.sending }
    }

    /// Queues a message without writing it yet: see [`Sender::feed`].
    ///
    /// Cancel safe as that.
    ///
    /// # Errors
    /// As [`Sender::feed`].
    pub async fn feed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<IO::Error>> {
        self.sender().feed(message).await
    }

    /// Sends a message and everything that was queued before it: see [`Sender::send`].
    ///
    /// Cancel safe as that.
    ///
    /// # Errors
    /// As [`Sender::feed`].
    pub async fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<IO::Error>> {
        self.sender().send(message).await
    }

    /// Queues one fragment of a message: see [`Sender::feed_fragment`].
    ///
    /// Cancel safe as that.
    ///
    /// # Errors
    /// As [`Sender::feed`].
    pub async fn feed_fragment(
        &mut self,
        kind: Kind,
        payload: &[u8],
        fin: bool,
    ) -> Result<(), Error<IO::Error>> {
        self.sender().feed_fragment(kind, payload, fin).await
    }

    /// Sends a Ping with at most 125 octets of payload (RFC 6455 5.5.2). Keepalive sends its own.
    ///
    /// Cancel safe: a dropped future has queued the frame or not.
    ///
    /// # Errors
    /// As [`Sender::feed`].
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error<IO::Error>> {
        self.sender().ping(payload).await
    }

    /// Sends a Pong that nobody asked for (RFC 6455 5.5.3). Pings are answered without it.
    ///
    /// Cancel safe: a dropped future has queued the frame or not.
    ///
    /// # Errors
    /// As [`Sender::feed`].
    pub async fn pong(&mut self, payload: &[u8]) -> Result<(), Error<IO::Error>> {
        self.sender().pong(payload).await
    }

    /// Writes everything that is queued.
    ///
    /// Cancel safe: the next call goes on.
    ///
    /// # Errors
    /// As [`Sender::flush`].
    pub async fn flush(&mut self) -> Result<(), Error<IO::Error>> {
        self.sender().flush().await
    }

    /// Sends a Close frame and does not wait for the peer's: see [`Sender::start_close`].
    ///
    /// Cancel safe as that.
    ///
    /// # Errors
    /// As [`Sender::start_close`].
    pub async fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error<IO::Error>> {
        self.sender().start_close(code, reason).await
    }

    /// Closes the connection: sends a Close frame, unless one was sent, and waits for the peer's. Messages that still
    /// arrive are dropped; to have them, call [`start_close`](Self::start_close) and go on receiving until `None`.
    ///
    /// The transport is the caller's to end: a server does so at once, a client lets the server be the first
    /// (RFC 6455 7.1.1).
    ///
    /// Cancel safe: called again it goes on.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), and as [`start_close`](Self::start_close).
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error<IO::Error>> {
        if !self.machine.sending.is_closed() && !self.machine.sending.is_ended() {
            self.start_close(code, reason).await?;
        }
        while self.progress().await?.is_some() {}
        Ok(())
    }

    /// What the peer's Close frame said, once the connection was closed: 1005 if it gave no code.
    pub fn closed(&self) -> Option<CloseFrame<'_>> {
        self.machine.receiving.closed()
    }

    /// The last round trip of a Ping and its Pong, in ticks of the clock.
    pub const fn round_trip(&self) -> Option<u32> {
        self.machine.sending.round_trip()
    }

    /// The kind of the message in fragments that this end has begun and not ended.
    pub fn open_message(&self) -> Option<Kind> {
        self.machine.sending.open_message()
    }

    /// When a deadline passes next, in ticks of the clock. `None` if none runs. Receiving waits for it by itself.
    pub fn next_deadline(&mut self) -> Option<Tick> {
        self.machine.sending.next_deadline()
    }

    /// The transport.
    pub const fn transport(&mut self) -> &mut IO {
        &mut self.io
    }

    /// Gives the transport back.
    pub fn into_transport(self) -> IO {
        self.io
    }

    async fn progress(&mut self) -> Result<Option<Progress>, Error<IO::Error>> {
        let Self { io, machine } = self;
        loop {
            let step = machine.next();
            let deadline = machine.sending.next_deadline();
            let Machine { receiving, sending } = machine;
            let timer = &mut sending.time.clock;
            match step {
                Step::Done(Ok(progress)) => return Ok(Some(progress)),
                Step::Done(Err(outcome)) => return outcome.received(),
                Step::Read => {
                    if let Some(read) = within(io.read(receiving.space()), timer, deadline).await {
                        machine.read(read.map_err(Error::Io)?);
                    }
                }
                Step::Write => match within(io.write(sending.outbox.unsent()), timer, deadline).await {
                    Some(Ok(octets)) => sending.sent(octets),
                    Some(Err(error)) => sending.write_failed(error)?,
                    None => {}
                },
                Step::Flush => match within(io.flush(), timer, deadline).await {
                    Some(Ok(())) => sending.flushed(),
                    Some(Err(error)) => sending.write_failed(error)?,
                    None => {}
                },
            }
        }
    }
}

impl<IO, R, B: Storage, C> WebSocket<IO, R, B, C> {
    pub(super) fn into_parts(self) -> (IO, Machine<R, B, C>) {
        (self.io, self.machine)
    }
}

impl<IO, R, B: Storage, C> core::fmt::Debug for WebSocket<IO, R, B, C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}
