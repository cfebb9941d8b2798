//! Errors split by fault: the peer broke the protocol, or the caller asked for what cannot be done.

use crate::close::CloseCode;
use core::fmt;

/// What a peer did that the protocol does not allow. Its connection fails and stays failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[repr(u8)]
pub enum Violation {
    /// A reserved bit was set that no agreed extension defines (RFC 6455 5.2).
    ReservedBits = 1,
    /// An opcode that RFC 6455 11.8 does not register.
    ReservedOpcode,
    /// The length was not written in the fewest octets (RFC 6455 5.2).
    LengthNotMinimal,
    /// A 64-bit length with its top bit set (RFC 6455 5.2).
    LengthTooLarge,
    /// A control frame with more than 125 octets of payload (RFC 6455 5.5).
    ControlTooLong,
    /// A control frame without FIN (RFC 6455 5.5).
    ControlFragmented,
    /// A server masked a frame (RFC 6455 5.1).
    Masked,
    /// A client did not mask a frame (RFC 6455 5.1).
    NotMasked,
    /// A continuation frame with no message to continue (RFC 6455 5.4).
    UnexpectedContinuation,
    /// A new message began before the last one ended (RFC 6455 5.4).
    ExpectedContinuation,
    /// A text message or a close reason that is not UTF-8 (RFC 6455 8.1).
    InvalidUtf8,
    /// A Close frame with a payload of one octet (RFC 6455 5.5.1).
    CloseTooShort,
    /// A close code that must not be sent (RFC 6455 7.4).
    InvalidCloseCode,
    /// A data frame larger than the limit.
    FrameTooLarge,
    /// A message larger than the limit.
    MessageTooLarge,
    /// A message in more frames than the limit.
    TooManyFragments,
    /// Compressed octets that do not inflate (RFC 7692 7.2.2).
    InvalidCompression,
    /// A message that inflates to more times its compressed size than the limit.
    RatioTooLarge,
}

impl Violation {
    /// The close code that this violation is answered with.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidCompression => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooLarge | Self::MessageTooLarge | Self::TooManyFragments | Self::RatioTooLarge => {
                CloseCode::TOO_BIG
            }
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReservedBits => "the peer set a reserved bit that no agreed extension defines",
            Self::ReservedOpcode => "the peer used a reserved opcode",
            Self::LengthNotMinimal => "the peer wrote a payload length in more octets than it needs",
            Self::LengthTooLarge => "the peer set the top bit of a payload length",
            Self::ControlTooLong => "the peer sent a control frame over 125 octets",
            Self::ControlFragmented => "the peer fragmented a control frame",
            Self::Masked => "the server masked a frame",
            Self::NotMasked => "the client did not mask a frame",
            Self::UnexpectedContinuation => "the peer continued a message that was never begun",
            Self::ExpectedContinuation => "the peer began a message inside another one",
            Self::InvalidUtf8 => "the peer sent text that is not UTF-8",
            Self::CloseTooShort => "the peer sent a Close frame with half a close code",
            Self::InvalidCloseCode => "the peer sent a close code that must not be sent",
            Self::FrameTooLarge => "the peer sent a frame over the limit",
            Self::MessageTooLarge => "the peer sent a message over the limit",
            Self::TooManyFragments => "the peer sent a message in more frames than the limit",
            Self::InvalidCompression => "the peer sent compressed octets that do not inflate",
            Self::RatioTooLarge => "the peer sent a message that inflates to too many times its size",
        })
    }
}

impl core::error::Error for Violation {}

/// Why something could not be sent. Nothing was written and nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SendError {
    /// The output lent has too little room: lend this many octets and call again.
    NeedsSpace(usize),
    /// A Close frame has been sent or the connection has failed: nothing may follow.
    Closed,
    /// A message in fragments is not finished: finish it before the next one.
    MessageOpen,
    /// A control payload over 125 octets, or a close reason over 123.
    ControlTooLong,
    /// A close code that must not be sent.
    InvalidCloseCode,
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// A frame of 2^63 octets or more.
    LengthTooLarge,
    /// The message is compressed, and compression was not agreed on or not on these terms: another window, or
    /// context takeover.
    CompressionNotAgreed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsSpace(octets) => write!(f, "the output needs {octets} octets of room"),
            Self::Closed => f.write_str("nothing may be sent after a Close frame"),
            Self::MessageOpen => f.write_str("a message in fragments is not finished"),
            Self::ControlTooLong => f.write_str("a control frame carries at most 125 octets"),
            Self::InvalidCloseCode => f.write_str("this close code must not be sent"),
            Self::InvalidUtf8 => f.write_str("a text message must be UTF-8"),
            Self::LengthTooLarge => f.write_str("a frame carries less than 2^63 octets"),
            Self::CompressionNotAgreed => {
                f.write_str("the message is compressed in a way that was not agreed on")
            }
        }
    }
}

impl core::error::Error for SendError {}
