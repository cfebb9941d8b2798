//! permessage-deflate (RFC 7692): messages inflated on their way in and deflated on their way out.
//!
//! It is off until [`Config::with_compression`](crate::Config::with_compression) turns it on, for what is accepted
//! and for what is dialled. Where it was agreed on, handlers get messages inflated, and messages that are worth it go
//! out compressed, by [`Conn::send`] as from other threads and to topics.
//!
//! Codecs belong to the thread. A message that comes or goes whole borrows one; one in pieces has one to itself
//! until it ends, as long as there are not too many such messages, and is collected compressed or sent as it is if
//! there are. So an idle connection without context takeover holds not one octet more than without compression.
//! With takeover it holds a window for each direction in which a compressed message has passed; see
//! [`Config::windows`](crate::Config::windows) for the bound on all of them together.

mod broadcast;
mod codecs;
mod negotiation;
mod peer;
mod receiving;
mod sending;

use crate::conn::Conn;
use crate::reactor::Reactor;
use crate::sending::{Refused, Sent};
pub(crate) use broadcast::Variants;
pub(crate) use codecs::{Codecs, Held};
pub(crate) use sending::Choice;
use tightwire::Message;
pub use tightwire::deflate::{Agreement, Effort, Level, Policy, Terms, WindowBits};

/// Which codec does the work. A feature alone changes nothing: the default is always [`Backend::Own`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// The codec of `tightwire`: little memory, every window.
    #[default]
    Own,
    /// The codec of the zlib-rs crate, for its ratio. It takes 47 KB for an inflater and 137 to 495 KB for a deflater.
    /// What is sent then never refers to earlier messages, and windows of 2^8 octets are left to the other codec.
    #[cfg(feature = "zlib-rs")]
    Zlib,
}

impl<S> Conn<'_, S> {
    /// What was agreed on in the opening handshake; nothing if no message may be compressed.
    ///
    /// For what this end sends it says what is made use of, which may be less than the peer allows.
    pub fn compression(&self) -> Option<Agreement> {
        self.reactor.slab.get(self.token)?.agreement(&self.reactor.extras)
    }

    /// Which messages are compressed, and how hard is tried. At first that of the configuration.
    pub fn effort(&self) -> Effort {
        let entry = self.reactor.slab.get(self.token);
        self.reactor.codecs.effort(entry.map_or(0, |entry| entry.flags.effort()))
    }

    /// Changes it for the messages of this connection to come; a threshold of `usize::MAX` octets is for none of
    /// them, publications included. Gives `false`, and changes nothing, when the thread already knows 16 different
    /// ones.
    pub fn set_effort(&mut self, effort: Effort) -> bool {
        let Some(place) = self.reactor.codecs.effort_place(effort) else { return false };
        if let Some(entry) = self.reactor.slab.get_mut(self.token) {
            entry.flags.set_effort(place);
        }
        true
    }

    /// As [`send`](Self::send), but never compressed: for what is compressed already, and for secrets that must not
    /// be mixed with what others choose (RFC 7692 8).
    ///
    /// # Errors
    /// [`Refused`]: nothing of the message was sent.
    pub fn send_plain<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<Sent, Refused> {
        self.reactor.send_as(self.token, message.into(), Choice::Never)
    }

    /// As [`send`](Self::send), but compressed whatever the threshold is, if that was agreed on and makes the message
    /// smaller.
    ///
    /// # Errors
    /// [`Refused`]: nothing of the message was sent.
    pub fn send_compressed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<Sent, Refused> {
        self.reactor.send_as(self.token, message.into(), Choice::Always)
    }
}

impl<S> Reactor<S> {
    /// Octets of windows that the connections of this thread with context takeover hold, or may have to.
    pub fn windows(&self) -> usize {
        self.codecs.windows()
    }

    /// Drops the windows of what was sent, for when memory is short, and returns their octets. The next message of
    /// each connection refers to nothing before it. Windows of what was received cannot be dropped.
    pub fn drop_windows(&mut self) -> usize {
        self.codecs.drop_sent(&mut self.extras, &mut self.pool, usize::MAX)
    }
}
