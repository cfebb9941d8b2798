//! The halves of a connection over an asynchronous transport, for two tasks.

use super::{Sender, WebSocket};
use crate::config::{Clock, Untimed};
use crate::error::Error;
use crate::halves::{Incoming, ReceivingHalf, Reply};
use crate::sending::{Sending, Step};
use crate::storage::{Memory, Storage};
use embedded_io_async::{Read, Write};
use tightwire::{CloseFrame, Role};

/// Both halves of a connection whose transport was divided into `I` and `O`.
pub type Halves<I, O, R, B> =
    (Receiver<I, R, <B as Storage>::Receive>, Transmitter<O, R, <B as Storage>::Transmit>);

impl<IO, R: Role, B: Storage, C: Clock> WebSocket<IO, R, B, C> {
    /// Splits the connection for two tasks, if the transport can be split: `divide` gives its two directions. The halves
    /// share nothing: each [`Incoming::Reply`] of the receiving one is for the caller to hand to the transmitting one.
    ///
    /// They keep no deadlines: silence of the peer is for the caller to watch.
    pub fn split<I, O>(self, divide: impl FnOnce(IO) -> (I, O)) -> Halves<I, O, R, B> {
        let (io, machine) = self.into_parts();
        let (input, output) = divide(io);
        let (half, sending) = machine.split();
        (Receiver { io: input, half }, Transmitter { io: output, sending })
    }
}

/// The half that receives.
pub struct Receiver<I, R, M> {
    io: I,
    half: ReceivingHalf<R, M>,
}

impl<I: Read, R: Role, M: Memory> Receiver<I, R, M> {
    /// Receives the next message, piece of a message or reply to hand over; `None` once the peer has closed the
    /// connection in good order.
    ///
    /// Cancel safe: a dropped future loses nothing.
    ///
    /// # Errors
    /// [`Error::Peer`], behind the reply that tells the peer so, or [`Error::Ended`], again and again. After
    /// [`Error::Io`] the call may be made again.
    pub async fn recv(&mut self) -> Result<Option<Incoming<'_>>, Error<I::Error>> {
        let taken = loop {
            match self.half.next() {
                Step::Done(Ok(taken)) => break taken,
                Step::Done(Err(outcome)) => return outcome.received(),
                _ => {
                    let octets = self.io.read(self.half.receiving.space()).await.map_err(Error::Io)?;
                    self.half.read(octets);
                }
            }
        };
        Ok(self.half.incoming(taken))
    }

    /// What the peer's Close frame said, once it has arrived: 1005 if it gave no code.
    pub fn closed(&self) -> Option<CloseFrame<'_>> {
        self.half.receiving.closed()
    }

    /// Gives the direction of the transport back.
    pub fn into_transport(self) -> I {
        self.io
    }
}

/// The half that transmits.
pub struct Transmitter<O, R, M> {
    io: O,
    sending: Sending<R, M, Untimed>,
}

impl<O: Write, R: Role, M: Memory> Transmitter<O, R, M> {
    /// The sending side: messages, fragments, control frames and the Close frame.
    pub fn sender(&mut self) -> Sender<'_, O, R, M, Untimed> {
        Sender { io: &mut self.io, sending: &mut self.sending }
    }

    /// Sends what the receiving half wants answered, at once. Behind a Close frame there is nothing to answer.
    ///
    /// Cancel safe: a dropped future has queued the answer, or not, if there was no room yet. Given the same answer again,
    /// this may send a second Pong, which is no fault (RFC 6455 5.5.3), but never a second Close frame.
    ///
    /// # Errors
    /// [`Error::Ended`] or [`Error::Io`]; [`Error::Peer`] for a violation that was told to the peer before.
    pub async fn reply(&mut self, reply: &Reply) -> Result<(), Error<O::Error>> {
        while !self.sending.answer(reply.answer())? {
            self.sender().write_out(false).await?;
        }
        self.sender().flush().await
    }

    /// Gives the direction of the transport back.
    pub fn into_transport(self) -> O {
        self.io
    }
}

impl<I, R, M> core::fmt::Debug for Receiver<I, R, M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<O, R, M> core::fmt::Debug for Transmitter<O, R, M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Transmitter").finish_non_exhaustive()
    }
}
