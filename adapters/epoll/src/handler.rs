//! What an application implements, and what it is told.

use crate::conn::Conn;
use crate::opening::{Answer, Opening};
use tightwire::deadline::Timeout;
use tightwire::{CloseCode, Kind, Message, Violation};

/// An application on one reactor thread. Each thread has its own, so nothing needs a lock.
///
/// A handler must not block: while it runs, no other connection of the thread is served. What blocks or
/// computes for long belongs on a [`Workers`](crate::workers::Workers) pool, with a
/// [`Sender`](crate::Sender) for the way back.
pub trait Handler: Sized + 'static {
    /// What the application keeps for each connection, inside the connection's own slab entry.
    type Session: Default + 'static;

    /// Whether messages are handed over in chunks as they arrive, by [`chunk`](Self::chunk), and never
    /// collected. If not, by [`message`](Self::message).
    const CHUNKS: bool = false;

    /// A client asks to open a connection, or for something else over HTTP.
    fn handshake(&mut self, opening: Opening<'_, Self::Session>) -> Answer;

    /// A connection is open, in whichever role. Its [`close`](Self::close) will come exactly once.
    fn open(&mut self, conn: &mut Conn<'_, Self::Session>) {
        let _ = conn;
    }

    /// A whole message.
    fn message(&mut self, conn: &mut Conn<'_, Self::Session>, message: Message<'_>) {
        let _ = (conn, message);
    }

    /// A part of a message, if [`CHUNKS`](Self::CHUNKS) says so.
    fn chunk(&mut self, conn: &mut Conn<'_, Self::Session>, chunk: Part<'_>) {
        let _ = (conn, chunk);
    }

    /// A Ping. Its Pong is on its way already.
    fn ping(&mut self, conn: &mut Conn<'_, Self::Session>, payload: &[u8]) {
        let _ = (conn, payload);
    }

    /// A Pong.
    fn pong(&mut self, conn: &mut Conn<'_, Self::Session>, payload: &[u8]) {
        let _ = (conn, payload);
    }

    /// The output that waited is gone. Comes after a send that gave [`Sent::Buffered`](crate::Sent) or was
    /// refused for want of room.
    fn drained(&mut self, conn: &mut Conn<'_, Self::Session>) {
        let _ = conn;
    }

    /// A deadline has passed. The connection is about to be closed for it.
    fn timeout(&mut self, conn: &mut Conn<'_, Self::Session>, timeout: Timeout) {
        let _ = (conn, timeout);
    }

    /// The connection has ended: nothing more arrives and nothing more can be sent.
    fn close(&mut self, conn: &mut Conn<'_, Self::Session>, closed: Closed<'_>) {
        let _ = (conn, closed);
    }

    /// A connection that this end began could not be opened. It never was, so no `close` follows.
    fn failed(&mut self, conn: &mut Conn<'_, Self::Session>, failure: crate::ConnectError) {
        let _ = (conn, failure);
    }
}

/// A part of a message, in the order in which it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Text or binary. Text may be cut inside a code point; all parts together are valid UTF-8.
    pub kind: Kind,
    /// The octets, perhaps none.
    pub octets: &'a [u8],
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed<'a> {
    /// The code: the peer's, or the one that this end closed with; 1005 for a Close frame without a code,
    /// 1006 where no Close frame came (RFC 6455 7.1.5).
    pub code: CloseCode,
    /// The reason in the peer's Close frame; often empty.
    pub reason: &'a str,
    /// What ended it.
    pub cause: Cause,
}

/// What ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// A Close frame of the peer arrived: the closing handshake is done.
    Handshake,
    /// The peer broke the protocol or passed a limit.
    Violation(Violation),
    /// A deadline passed.
    Timeout(Timeout),
    /// The transport ended without a Close frame from the peer.
    Lost,
    /// This end dropped it, or the reactor was shut down.
    Dropped,
}

impl<'a> Closed<'a> {
    pub(crate) const fn new(code: CloseCode, reason: &'a str, cause: Cause) -> Self {
        Self { code, reason, cause }
    }
}
