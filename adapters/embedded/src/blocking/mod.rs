//! Over embedded-io: each call waits until it is done.
//!
//! A read that blocks cannot be interrupted, so deadlines are looked at whenever a read or a write returns, in vain or
//! not. For them to be kept, give the connection a [`Clock`](crate::Clock) and let the transport's reads and writes end
//! after some time with an error (of kind [`TimedOut`](embedded_io::ErrorKind::TimedOut), say): the call returns
//! [`Error::Io`](crate::Error::Io) with that error, nothing is lost, and the next call looks at the deadlines first.

mod halves;
mod opening;
mod sender;
mod websocket;

pub use halves::{Halves, Receiver, Transmitter};
pub use opening::{Accepted, Connected, accept, accept_with, adopt, connect, connect_with};
pub use sender::Sender;
pub use websocket::WebSocket;
