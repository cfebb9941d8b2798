//! What of a connection outlives a message: a few octets, for embedders with very many idle connections.
//!
//! It knows when nothing else is worth keeping. Where the octets lie meanwhile is the embedder's affair.

use super::Connection;
use crate::deflate::Terms;
use crate::inbound::Inbound;
use crate::outbound::Outbound;
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
    manual: bool,
}

// What a million connections multiply, if they rest.
const _: () = assert!(size_of::<Resting<Server>>() == 3 && size_of::<Option<Resting<Server>>>() == 3);

impl<R: Role> Connection<R> {
    /// The connection as it is kept between messages.
    ///
    /// Octets that [`decode`](Self::decode) left in its input are not part of it: they are presented again after
    /// [`wake`](Resting::wake), as always.
    ///
    /// # Errors
    /// Gives the connection back unless it is between messages in both directions, open in both and not failed.
    #[inline]
    pub fn rest(self) -> Result<Resting<R>, Self> {
        if !self.is_at_rest() {
            return Err(self);
        }
        let Self { inbound, outbound, manual } = self;
        let (received, sent) = (inbound.compression(), outbound.compression());
        Ok(Resting { role: outbound.into_role(), received, sent, manual })
    }

    /// Whether [`rest`](Self::rest) would succeed.
    #[inline]
    pub const fn is_at_rest(&self) -> bool {
        self.inbound.is_between() && self.outbound.may_begin().is_ok()
    }
}

impl<R: Role> Resting<R> {
    /// The connection again.
    #[inline]
    pub fn wake(self) -> Connection<R> {
        let Self { role, received, sent, manual } = self;
        Connection { inbound: Inbound::between(received), outbound: Outbound::between(role, sent), manual }
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
    use crate::{CloseCode, CloseFrame, Event, Kind, Limits, Output, SendError, Step, Violation};

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
        assert!(connection.rest().is_err());

        let mut connection = Connection::server();
        assert_eq!(feed(&mut connection, *b"\xff"), Err(Violation::ReservedOpcode));
        assert!(connection.rest().is_err());
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
