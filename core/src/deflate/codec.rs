//! What a codec does for one direction of a connection, call by call.
//!
//! A codec is borrowed for a call. What is behind it may belong to the connection, come from a pool for the
//! length of a message, or be shared by all connections of a thread: the connection cannot tell.

use super::terms::Terms;
use crate::error::Violation;

/// How far one call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coded {
    /// Octets taken off the front of the input. The rest is to be presented again.
    pub consumed: usize,
    /// Octets written to the front of the output.
    pub produced: usize,
    /// What the next call needs.
    pub status: Status,
}

/// What a codec needs to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All of the input is consumed. What it gave is written, but for what a compressor may hold back.
    NeedInput,
    /// The output is full and at least one more octet is to be written. From a decompressor also when a fault
    /// lies behind the octets that it has just given: the next call gives the fault.
    NeedOutput,
    /// The message has ended. The next call begins the next message.
    End,
}

/// How much of its input a compressor must have written when it asks for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// More of the message follows; octets may be held back.
    No,
    /// More follows, but the peer must be able to inflate all that has been put in so far.
    ///
    /// To be repeated with what is left of the input until the status is [`Status::NeedInput`].
    Sync,
    /// The input ends the message.
    ///
    /// To be repeated with what is left of the input until the status is [`Status::End`].
    Last,
}

/// Inflates the messages of one direction, one after the other.
pub trait Decompress {
    /// Inflates a stretch of a message's compressed payload.
    ///
    /// `last` says that `input` ends the message; it is to be repeated with what is left of the input until
    /// the status is [`Status::End`]. The four octets that the sender has cut off (RFC 7692 7.2.1) are added
    /// here. [`Status::NeedOutput`] is the answer to an empty output only if there is an octet to be written, so
    /// a limit is kept by lending no more output than it leaves.
    ///
    /// # Errors
    /// [`Violation::InvalidCompression`] when the payload does not inflate, refers to octets that it must
    /// not refer to, or does not end where RFC 7692 7.2.1 wants it to. The octets in front of the fault have
    /// been given by earlier calls, and the next call begins a message.
    fn decompress(&mut self, input: &[u8], output: &mut [u8], last: bool) -> Result<Coded, Violation>;
}

/// Deflates the messages of one direction, one after the other.
pub trait Compress {
    /// The terms that its messages keep to: how far back they refer, and whether to earlier messages.
    fn terms(&self) -> Terms;

    /// Deflates a stretch of a message, without the four octets that end it (RFC 7692 7.2.1).
    fn compress(&mut self, input: &[u8], output: &mut [u8], flush: Flush) -> Coded;

    /// Takes back the message that has begun, whatever has been written of it.
    ///
    /// For a message that is sent uncompressed after all, of which nothing compressed has been sent: later
    /// messages will refer to nothing in it.
    fn take_back(&mut self);

    /// Deflates a whole message if it becomes smaller and fits into the output; `None` if not.
    ///
    /// Then it has been taken back, and is to be sent as it is. To be called between messages.
    fn message(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        let most = output.len().min(input.len().saturating_sub(1));
        let coded = self.compress(input, output.get_mut(..most)?, Flush::Last);
        if coded.status == Status::End {
            return Some(coded.produced);
        }
        self.take_back();
        None
    }
}

/// Memory that a codec was lent is smaller than its terms or options need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryTooSmall;

impl core::fmt::Display for MemoryTooSmall {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the memory lent to the codec is smaller than its terms need")
    }
}

impl core::error::Error for MemoryTooSmall {}
