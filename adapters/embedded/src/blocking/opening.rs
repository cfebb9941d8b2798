//! Opening handshakes over a blocking transport.

use super::WebSocket;
use crate::config::Clock;
use crate::error::OpenError;
use crate::opening::{Answered, Event, Handshake, Opening, Responder, nonce};
use crate::sending::Step;
use crate::storage::{Storage, TooSmall};
use embedded_io::{ErrorType, Read, Write};
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
/// # Errors
/// As [`accept_with`].
pub fn accept<IO: Read + Write, B: Storage, C: Clock>(
    opening: Opening<'_, IO, B, C>,
    origins: &OriginPolicy<'_>,
) -> Accepted<IO, B, C> {
    accept_with(opening, origins, |_, responder| responder.accept(&Acceptance::default()))
}

/// Reads a request, lets `decide` answer it, and opens the connection if it was accepted. Every request that is not is
/// answered with the HTTP status that says why.
///
/// # Errors
/// [`OpenError::Request`], [`OpenError::Refused`], [`OpenError::Response`], [`OpenError::Timeout`],
/// [`OpenError::Ended`] or [`OpenError::Io`].
pub fn accept_with<IO: Read + Write, B: Storage, C: Clock>(
    opening: Opening<'_, IO, B, C>,
    origins: &OriginPolicy<'_>,
    decide: impl FnOnce(&Request<'_, '_>, Responder<'_>) -> Answered,
) -> Accepted<IO, B, C> {
    let (mut io, slots, mut handshake) = opening.begin();
    if let Event::Head(head) = drive(&mut io, &mut handshake)? {
        handshake.answer(head, slots, origins, decide);
        drive(&mut io, &mut handshake)?;
    }
    Ok(WebSocket::new(io, handshake.open(Connection::server())))
}

/// Opens a connection as a client: sends `offer`, verifies the answer, and gives the subprotocol that the server chose.
/// The nonce is drawn from `keys`.
///
/// # Errors
/// As [`connect_with`].
pub fn connect<'o, IO: Read + Write, B: Storage, C: Clock, K: KeySource>(
    opening: Opening<'_, IO, B, C>,
    offer: &Offer<'o>,
    keys: K,
) -> Connected<'o, IO, K, B, C> {
    connect_with(opening, offer, keys, |_| {})
}

/// As [`connect`], with a look at the response, whatever it is: the headers of an accepted connection, where a redirect
/// leads to.
///
/// # Errors
/// [`OpenError::Offer`], [`OpenError::Answer`], [`OpenError::Timeout`], [`OpenError::Ended`] or [`OpenError::Io`].
pub fn connect_with<'o, IO: Read + Write, B: Storage, C: Clock, K: KeySource>(
    opening: Opening<'_, IO, B, C>,
    offer: &Offer<'o>,
    mut keys: K,
    look: impl FnOnce(&Response<'_, '_>),
) -> Connected<'o, IO, K, B, C> {
    let (mut io, slots, mut handshake) = opening.begin();
    let nonce = nonce(&mut keys);
    handshake.offer(offer, nonce)?;
    let mut protocol = None;
    if let Event::Head(head) = drive(&mut io, &mut handshake)? {
        protocol = handshake.verify(head, slots, offer, nonce, look).map_err(OpenError::Answer)?;
    }
    Ok((WebSocket::new(io, handshake.open(Connection::client(keys))), protocol))
}

/// Takes over a connection whose opening handshake was done elsewhere. `leftover` are the octets that arrived behind the
/// handshake.
///
/// # Errors
/// [`TooSmall::Receive`] if they do not fit the receive storage.
pub fn adopt<IO: Read + Write, R: Role, B: Storage, C: Clock>(
    opening: Opening<'_, IO, B, C>,
    connection: Connection<R>,
    leftover: &[u8],
) -> Result<WebSocket<IO, R, B, C>, TooSmall> {
    let (io, _, handshake) = opening.begin();
    Ok(WebSocket::new(io, handshake.adopt(connection, leftover)?))
}

/// Reads and writes until a head has arrived or the handshake is over.
fn drive<IO: Read + Write, B: Storage, C: Clock>(
    io: &mut IO,
    handshake: &mut Handshake<B, C>,
) -> Result<Event, OpenError<IO::Error>> {
    loop {
        match handshake.next() {
            Step::Read => {
                let octets = io.read(handshake.space()).map_err(OpenError::Io)?;
                handshake.read(octets);
            }
            Step::Write => {
                let octets = io.write(handshake.outbox.unsent()).map_err(OpenError::Io)?;
                handshake.sent(octets);
            }
            Step::Flush => {
                io.flush().map_err(OpenError::Io)?;
                handshake.flushed();
            }
            Step::Done(Event::Over(Err(refusal))) => return Err(refusal.error()),
            Step::Done(event) => return Ok(event),
        }
    }
}
