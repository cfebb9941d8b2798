//! The life of connections as events of `tracing`, at debug level. Without the feature there is nothing here.
//!
//! A few events for each connection, none for a message. Their target is `tightwire_epoll`, and each names the
//! thread and the token.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "said to nobody"))]

use crate::ConnectError;
use crate::handler::Closed;
use crate::slab::Token;
use rustix::fd::AsFd;
use std::fmt;
use tightwire::deadline::Timeout;

/// Says one event, if the feature is on.
macro_rules! event {
    ($($event:tt)*) => {
        #[cfg(feature = "tracing")]
        tracing::debug!(target: "tightwire_epoll", $($event)*)
    };
}

/// A socket was accepted. The opening handshake is to come.
pub(crate) fn accepted(thread: usize, token: Token, fd: impl AsFd) {
    event!(thread, connection = ?token, remote = %Remote(fd), "accepted");
}

/// A socket was accepted and closed at once, because of a limit.
pub(crate) fn turned_away(thread: usize) {
    event!(thread, "turned away: too many connections");
}

/// Nothing is accepted for a while.
pub(crate) fn accepts_pause(thread: usize, why: &impl fmt::Display) {
    event!(thread, %why, "accepting pauses");
}

/// The opening handshake is done.
pub(crate) fn opened(thread: usize, token: Token, is_client: bool) {
    event!(thread, connection = ?token, role = if is_client { "client" } else { "server" }, "opened");
}

/// A request was answered with anything but 101.
pub(crate) fn not_opened(thread: usize, token: Token) {
    event!(thread, connection = ?token, "answered without opening");
}

/// A connection that this end began could not be opened.
pub(crate) fn failed(thread: usize, token: Token, failure: ConnectError) {
    event!(thread, connection = ?token, %failure, "failed");
}

/// A deadline passed.
pub(crate) fn timed_out(thread: usize, token: Token, timeout: Timeout) {
    event!(thread, connection = ?token, ?timeout, "timed out");
}

/// An open connection has ended.
pub(crate) fn closed(thread: usize, token: Token, closed: &Closed<'_>) {
    event!(
        thread,
        connection = ?token,
        code = closed.code.number(),
        reason = ?closed.reason,
        cause = ?closed.cause,
        "closed"
    );
}

/// The thread stops accepting and closes its connections.
pub(crate) fn shutting_down(thread: usize, connections: usize) {
    event!(thread, connections, "shutting down");
}

/// The other end of a socket. Asks the kernel only when somebody listens.
#[cfg(feature = "tracing")]
struct Remote<F>(F);

#[cfg(feature = "tracing")]
impl<F: AsFd> fmt::Display for Remote<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = rustix::net::getpeername(&self.0).ok().flatten();
        match address.and_then(|address| std::net::SocketAddr::try_from(address).ok()) {
            Some(address) => address.fmt(f),
            None => f.write_str("unnamed"),
        }
    }
}
