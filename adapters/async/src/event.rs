//! What a peer sends, for applications that look at control frames, too.

use crate::receiving::Receiving;
use tightwire::{Message, Progress, Role};

/// What [`WebSocket::recv_event`](crate::WebSocket::recv_event) gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole message.
    Message(Message<'a>),
    /// A Ping with its payload, at most 125 octets. The Pong that answers it is on its way already.
    Ping(&'a [u8]),
    /// A Pong with its payload, at most 125 octets. Keepalive has Pongs of its own among them.
    Pong(&'a [u8]),
}

impl<'a> Event<'a> {
    /// What polling for events came to.
    pub(crate) fn of<R: Role>(receiving: &'a Receiving<R>, progress: Progress) -> Option<Self> {
        match progress {
            Progress::Ping => Some(Self::Ping(receiving.inbox.control())),
            Progress::Pong => Some(Self::Pong(receiving.inbox.control())),
            _ => receiving.message().map(Self::Message),
        }
    }
}
