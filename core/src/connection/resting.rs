//! What of a connection outlives a message: a few octets, for embedders with very many idle connections.
//!
//! It knows when nothing else is worth keeping. Where the octets lie meanwhile is the embedder's affair.

use super::Connection;
use crate::deflate::Terms;
use crate::error::SendError;
use crate::event::Chunk;
use crate::inbound::{self, Inbound};
use crate::limits::Limits;
use crate::message::Message;
use crate::outbound::{self, Outbound};
use crate::output::Output;
use crate::role::{Role, Server};

/// A [`Connection`] on which nothing is unfinished: 3 octets on a server, where the connection itself has 32.
///
/// [`Connection::rest`] gives it and [`wake`](Self::wake) gives the connection back, just as it was. Neither takes more
/// than some instructions, so a server with very many connections can keep this form of each, wake the connection that
/// has something to do, and let it rest again. Like the connection it cannot be copied.
#[derive(Debug)]
pub struct Resting<R> {
    role: R,
    received: Option<Terms>,
    sent: Option<Terms>,
    bits: u8,
}

/// Replies are the caller's.
const MANUAL: u8 = 1;
/// A Close frame has been sent.
const CLOSED: u8 = 2;

// What a million connections multiply, if they rest.
const _: () = assert!(size_of::<Resting<Server>>() == 3);

impl<R: Role> Connection<R> {
    /// The connection as it is kept between messages.
    ///
    /// Octets that [`decode`](Self::decode) left in its input are not part of it: they are presented again after
    /// [`wake`](Resting::wake), as always.
    ///
    /// # Errors
    /// Gives the connection back if a message is unfinished in either direction, if the peer's Close frame has come or
    /// if the connection has failed. A Close frame of our own alone does not keep it awake: the peer may take its time.
    #[inline]
    pub fn rest(self) -> Result<Resting<R>, Self> {
        if !self.is_at_rest() {
            return Err(self);
        }
        let Self { inbound, outbound, manual } = self;
        let (received, sent) = (inbound.compression(), outbound.compression());
        let bits = if manual { MANUAL } else { 0 } | if outbound.is_closed() { CLOSED } else { 0 };
        Ok(Resting { role: outbound.into_role(), received, sent, bits })
    }

    /// Whether [`rest`](Self::rest) would succeed.
    #[inline]
    pub const fn is_at_rest(&self) -> bool {
        self.inbound.is_between() && self.outbound.is_between()
    }
}

impl<R: Role> Resting<R> {
    /// The connection again.
    #[inline]
    pub fn wake(self) -> Connection<R> {
        let (closed, manual) = (self.is_closed(), self.bits & MANUAL != 0);
        let outbound = Outbound::between(self.role, closed, self.sent);
        Connection { inbound: Inbound::between(self.received), outbound, manual }
    }

    /// Takes the next message off the front of `input` if it is there whole, in one frame and uncompressed, which leaves
    /// the connection at rest. `None`, with nothing changed, for everything else: [`wake`](Self::wake) it to decode that.
    #[inline(always)]
    pub fn whole_message<'i>(&self, input: &mut &'i mut [u8], limits: &Limits) -> Option<Chunk<'i>> {
        inbound::whole_message::<R>(input, limits)
    }

    /// Writes a whole message as one frame, which leaves the connection at rest: see [`Outbound::encode`].
    ///
    /// # Errors
    /// [`SendError::Closed`] or [`SendError::NeedsSpace`]. Nothing is written then.
    #[inline]
    pub fn encode<'a>(
        &mut self,
        message: impl Into<Message<'a>>,
        out: &mut Output<'_>,
    ) -> Result<(), SendError> {
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        outbound::whole_message(&mut self.role, message.into(), out)
    }

    /// Whether a Close frame has been sent. Nothing can follow it (RFC 6455 5.5.1).
    #[inline]
    pub const fn is_closed(&self) -> bool {
        self.bits & CLOSED != 0
    }

    /// The terms of the compressed messages that arrive, if compression was agreed on.
    pub const fn received_compression(&self) -> Option<Terms> {
        self.received
    }

    /// The terms of the messages that may be sent compressed, if compression was agreed on.
    pub const fn sent_compression(&self) -> Option<Terms> {
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deflate::{Agreement, WindowBits};
    use crate::{CloseCode, CloseFrame, Event, Kind, Step, Violation};

    fn feed<R: Role>(connection: &mut Connection<R>, mut wire: impl AsMut<[u8]>) -> Result<(), Violation> {
        let (mut input, mut memory) = (wire.as_mut(), [0; 131]);
        while let Step::Event(_) =
            connection.decode(&mut input, &mut Output::new(&mut memory), &Limits::DEFAULT)?
        {}
        Ok(())
    }

    fn send<R: Role, T>(
        connection: &mut Connection<R>,
        send: impl FnOnce(&mut Connection<R>, &mut Output<'_>) -> Result<T, SendError>,
    ) -> std::vec::Vec<u8> {
        let mut memory = [0; 131];
        let mut out = Output::new(&mut memory);
        send(connection, &mut out).unwrap();
        out.written().to_vec()
    }

    #[test]
    fn what_is_unfinished_does_not_rest() {
        let mut connection = Connection::client(|| [0; 4]);
        for (wire, rests) in [
            (&b""[..], true),
            (b"\x82\x01a", true),
            // A frame cut in its head has taken nothing, one cut in its payload has.
            (b"\x82\x7e", true),
            (b"\x82\x02a", false),
            (b"a", true),
            // RFC 6455 5.4: between the fragments of a message, with control frames among them
            (b"\x01\x00", false),
            (b"\x89\x00", false),
            (b"\x80\x00", true),
            (b"\x89\x01a\x8a\x00", true),
            (b"\x88\x00", false),
        ] {
            feed(&mut connection, wire.to_vec()).unwrap();
            assert_eq!(connection.is_at_rest(), rests, "after {wire:x?}");
            connection = match connection.rest() {
                Ok(resting) => resting.wake(),
                Err(connection) => connection,
            };
        }
        assert!(connection.is_finished());

        let mut connection = Connection::client(|| [0; 4]);
        send(&mut connection, |end, out| end.fragment(Kind::Text, b"a", false, out));
        assert!(!connection.is_at_rest());
        send(&mut connection, |end, out| end.fragment(Kind::Text, b"a", true, out));
        assert!(connection.is_at_rest());
        let frame = CloseFrame { code: CloseCode::NORMAL, reason: "" };
        send(&mut connection, |end, out| end.close(Some(frame), out));
        // RFC 6455 5.5.1: the peer may send on until it answers
        let resting = connection.rest().unwrap();
        assert!(resting.is_closed());
        let mut connection = resting.wake();
        assert!(connection.outbound().is_closed() && !connection.is_finished());
        feed(&mut connection, *b"\x82\x01a\x88\x02\x03\xe8").unwrap();
        assert!(connection.is_finished() && connection.rest().is_err());

        let mut connection = Connection::server();
        assert_eq!(feed(&mut connection, *b"\xff"), Err(Violation::ReservedOpcode));
        assert!(connection.rest().is_err());
    }

    /// A message is written and taken asleep as it is awake.
    #[test]
    fn messages_pass_while_it_rests() {
        let keys = || [1, 2, 3, 4];
        let large = std::vec![7; 126];
        for message in [Message::from(""), Message::from("text"), Message::from(&large[..])] {
            let (mut memory, mut memory_awake) = ([0; 140], [0; 140]);
            let (mut out, mut out_awake) = (Output::new(&mut memory), Output::new(&mut memory_awake));
            let mut resting = Connection::client(keys).rest().unwrap();
            resting.encode(message, &mut out).unwrap();
            Connection::client(keys).encode(message, &mut out_awake).unwrap();
            assert_eq!(out.written(), out_awake.written());
            let length = out.len();
            let short = resting.encode(message, &mut Output::new(&mut memory_awake[..length - 1]));
            assert_eq!(short, Err(SendError::NeedsSpace(length)));

            let server = Connection::server().rest().unwrap();
            assert!(
                server.whole_message(&mut &mut memory.to_vec()[..length - 1], &Limits::DEFAULT).is_none()
            );
            let mut input = &mut memory[..length];
            let chunk = server.whole_message(&mut input, &Limits::DEFAULT).unwrap();
            assert_eq!((chunk.first, chunk.last, chunk.into_message()), (true, true, Some(message)));
            assert!(input.is_empty());
        }
        let mut connection = Connection::server();
        send(&mut connection, |end, out| end.close(None, out));
        let mut resting = connection.rest().unwrap();
        assert_eq!(resting.encode("", &mut Output::new(&mut [0; 9])), Err(SendError::Closed));
        assert!(
            resting.whole_message(&mut &mut b"\x82\x80\0\0\0\0".to_vec()[..], &Limits::DEFAULT).is_some()
        );
    }

    #[test]
    fn what_was_agreed_outlives_rest() {
        let agreement = Agreement {
            server: Terms::new(WindowBits::MIN, true),
            client: Terms::new(WindowBits::MAX, false),
        };
        let mut key = 0;
        let keys = move || {
            key += 1;
            [key; 4]
        };
        let mut connection = Connection::client(keys).with_manual_replies().with_compression(agreement);
        for expected in 1..4 {
            // RFC 6455 5.3: no key twice
            assert_eq!(send(&mut connection, |end, out| end.encode("", out))[2..], [expected; 4]);
            let resting = connection.rest().unwrap();
            assert!(!resting.is_closed());
            assert_eq!(resting.received_compression(), Some(agreement.server));
            assert_eq!(resting.sent_compression(), Some(agreement.client));
            connection = resting.wake();
            assert_eq!(connection.inbound().compression(), Some(agreement.server));
            assert_eq!(connection.outbound().compression(), Some(agreement.client));
        }
        let (mut wire, mut memory) = (*b"\x89\x00", [0; 131]);
        let mut out = Output::new(&mut memory);
        let step = connection.decode(&mut &mut wire[..], &mut out, &Limits::DEFAULT);
        assert_eq!((step, out.is_empty()), (Ok(Step::Event(Event::Ping(&[]))), true));
    }
}
