//! Opening handshakes over an asynchronous transport.
//!
//! No `async fn`, whose future keeps room for its arguments besides what becomes of them: storage that lies in an
//! [`Opening`] would be there twice.

use super::WebSocket;
use super::timer::{Timer, within};
use crate::error::OpenError;
use crate::opening::{Answered, Event, Handshake, Opening, Responder, nonce};
use crate::sending::Step;
use crate::storage::{Storage, TooSmall};
use embedded_io_async::{ErrorType, Read, Write};
use tightwire::handshake::OriginPolicy;
use tightwire::handshake::client::{Offer, Response};
use tightwire::handshake::server::{Acceptance, Request};
use tightwire::{Client, Connection, KeySource, Role, Server};

/// What a server's opening handshake ends in.
pub type Accepted<IO, B, C> = Result<WebSocket<IO, Server, B, C>, OpenError<<IO as ErrorType>::Error>>;

/// What a client's opening handshake ends in: a connection and the subprotocol that the server chose.
pub type Connected<'o, IO, K, B, C> =
    Result<(WebSocket<IO, Client<K>, B, C>, Option<&'o str>), OpenError<<IO as ErrorType>::Error>>;

/// Accepts a connection from an allowed origin, as a server, without a look at the request: see [`accept_with`].
///
/// Not cancel safe: with a dropped future what the peer has sent is lost, and a part of our head may be on the wire. A
/// lent transport is to be ended then, not used again.
///
/// # Errors
/// As [`accept_with`].
pub fn accept<IO: Read + Write, B: Storage, C: Timer>(
    opening: Opening<'_, IO, B, C>,
    origins: &OriginPolicy<'_>,
) -> impl Future<Output = Accepted<IO, B, C>> {
    accept_with(opening, origins, |_, responder| responder.accept(&Acceptance::default()))
}

/// Reads a request, lets `decide` answer it, and opens the connection if it was accepted. Every request that is not is
/// answered with the HTTP status that says why. The time that it may take runs from this call.
///
/// Not cancel safe: with a dropped future what the peer has sent is lost, and a part of our head may be on the wire. A
/// lent transport is to be ended then, not used again.
///
/// # Errors
/// [`OpenError::Request`], [`OpenError::Refused`], [`OpenError::Response`], [`OpenError::Timeout`],
/// [`OpenError::Ended`] or [`OpenError::Io`].
pub fn accept_with<IO: Read + Write, B: Storage, C: Timer>(
    opening: Opening<'_, IO, B, C>,
    origins: &OriginPolicy<'_>,
    decide: impl FnOnce(&Request<'_, '_>, Responder<'_>) -> Answered,
) -> impl Future<Output = Accepted<IO, B, C>> {
    let (mut io, slots, mut handshake) = opening.begin();
    async move {
        if let Event::Head(head) = drive(&mut io, &mut handshake).await? {
            handshake.answer(head, slots, origins, decide);
            drive(&mut io, &mut handshake).await?;
        }
        Ok(WebSocket::new(io, handshake.open(Connection::server())))
    }
}

/// Opens a connection as a client: sends `offer`, verifies the answer, and gives the subprotocol that the server chose.
/// The nonce is drawn from `keys`.
///
/// Not cancel safe: with a dropped future what the peer has sent is lost, and a part of our head may be on the wire. A
/// lent transport is to be ended then, not used again.
///
/// # Errors
/// As [`connect_with`].
pub fn connect<'o, IO: Read + Write, B: Storage, C: Timer, K: KeySource>(
    opening: Opening<'_, IO, B, C>,
    offer: &Offer<'o>,
    keys: K,
) -> impl Future<Output = Connected<'o, IO, K, B, C>> {
    connect_with(opening, offer, keys, |_| {})
}

/// As [`connect`], with a look at the response, whatever it is: the headers of an accepted connection, where a redirect
/// leads to.
///
/// Not cancel safe: with a dropped future what the peer has sent is lost, and a part of our head may be on the wire. A
/// lent transport is to be ended then, not used again.
///
/// # Errors
/// [`OpenError::Offer`], [`OpenError::Answer`], [`OpenError::Timeout`], [`OpenError::Ended`] or [`OpenError::Io`].
pub fn connect_with<'o, IO: Read + Write, B: Storage, C: Timer, K: KeySource>(
    opening: Opening<'_, IO, B, C>,
    offer: &Offer<'o>,
    mut keys: K,
    look: impl FnOnce(&Response<'_, '_>),
) -> impl Future<Output = Connected<'o, IO, K, B, C>> {
    let (mut io, slots, mut handshake) = opening.begin();
    let nonce = nonce(&mut keys);
    async move {
        handshake.offer(offer, nonce)?;
        let mut protocol = None;
        if let Event::Head(head) = drive(&mut io, &mut handshake).await? {
            protocol = handshake.verify(head, slots, offer, nonce, look).map_err(OpenError::Answer)?;
        }
        Ok((WebSocket::new(io, handshake.open(Connection::client(keys))), protocol))
    }
}

/// Takes over a connection whose opening handshake was done elsewhere. `leftover` are the octets that arrived behind the
/// handshake.
///
/// # Errors
/// [`TooSmall::Receive`] if they do not fit the receive storage.
pub fn adopt<IO: Read + Write, R: Role, B: Storage, C: Timer>(
    opening: Opening<'_, IO, B, C>,
    connection: Connection<R>,
    leftover: &[u8],
) -> Result<WebSocket<IO, R, B, C>, TooSmall> {
    let (io, _, handshake) = opening.begin();
    Ok(WebSocket::new(io, handshake.adopt(connection, leftover)?))
}

/// Reads and writes until a head has arrived or the handshake is over.
async fn drive<IO: Read + Write, B: Storage, C: Timer>(
    io: &mut IO,
    handshake: &mut Handshake<B, C>,
) -> Result<Event, OpenError<IO::Error>> {
    loop {
        let step = handshake.next();
        let deadline = handshake.next_deadline();
        let Handshake { inbox, outbox, time, .. } = handshake;
        match step {
            Step::Read => {
                if let Some(read) = within(io.read(inbox.space()), &mut time.clock, deadline).await {
                    handshake.read(read.map_err(OpenError::Io)?);
                }
            }
            Step::Write => {
                if let Some(written) = within(io.write(outbox.unsent()), &mut time.clock, deadline).await {
                    handshake.sent(written.map_err(OpenError::Io)?);
                }
            }
            Step::Flush => {
                if let Some(flushed) = within(io.flush(), &mut time.clock, deadline).await {
                    flushed.map_err(OpenError::Io)?;
                    handshake.flushed();
                }
            }
            Step::Done(Event::Over(Err(refusal))) => return Err(refusal.error()),
            Step::Done(event) => return Ok(event),
        }
    }
}
