//! Errors by origin: the transport, the peer, the caller, time or space.

use core::fmt;
use tightwire::deadline::Timeout;
use tightwire::handshake::HandshakeError;
use tightwire::handshake::client::{AnswerError, OfferError};
use tightwire::handshake::server::ResponseError;
use tightwire::{CloseCode, SendError, Violation};

/// Why an operation on a connection failed. `E` is the error of the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error<E> {
    /// The transport failed. Nothing is lost by it: if the transport recovers (from a read that timed out, say), the
    /// same call goes on where it stopped.
    Io(E),
    /// The transport ended without a Close frame (close code 1006).
    Ended,
    /// The peer broke the protocol or passed a limit. The Close frame that says so was sent first, if the transport
    /// still took it.
    Peer(Violation),
    /// The peer missed a deadline. Where it could still read it was sent a Close frame.
    Timeout(Timeout),
    /// The caller asked for what cannot be sent. The connection is as it was.
    Caller(SendError),
}

impl<E> Error<E> {
    /// The close code that stands for this end of the connection: that of the Close frame that was sent to the peer, or
    /// 1006. `None` if the connection lives on.
    pub fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Peer(violation) => Some(violation.close_code()),
            Self::Timeout(timeout) => Some(timeout.close_code().unwrap_or(CloseCode::ABNORMAL)),
            Self::Ended => Some(CloseCode::ABNORMAL),
            Self::Io(_) | Self::Caller(_) => None,
        }
    }
}

impl<E> From<SendError> for Error<E> {
    fn from(error: SendError) -> Self {
        Self::Caller(error)
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the transport failed: {error}"),
            Self::Ended => f.write_str("the connection ended without a Close frame"),
            Self::Peer(violation) => write!(f, "{violation} (closed with {})", violation.close_code()),
            Self::Timeout(timeout) => timeout.fmt(f),
            Self::Caller(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Ended => None,
            Self::Peer(error) => Some(error),
            Self::Timeout(error) => Some(error),
            Self::Caller(error) => Some(error),
        }
    }
}

/// Why an opening handshake did not end in a connection. `E` is the error of the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OpenError<E> {
    /// The transport failed.
    Io(E),
    /// The transport ended before the handshake did.
    Ended,
    /// The request is not one that can be accepted. It was answered with the HTTP status that says why. A head that
    /// does not fit the receive storage or the slots is one of them (431).
    Request(HandshakeError),
    /// The server's answer breaks the handshake, or is a refusal.
    Answer(AnswerError),
    /// The handshake took too long. A server has answered with status 408.
    Timeout,
    /// The application refused the request with this HTTP status.
    Refused(u16),
    /// The application's answer cannot be sent; [`ResponseError::NeedsSpace`] if the transmit storage is too small for
    /// it. The request was answered with status 500.
    Response(ResponseError),
    /// The request that the application wants to send cannot be sent; [`OfferError::NeedsSpace`] if the transmit
    /// storage is too small for it. Nothing was sent.
    Offer(OfferError),
}

impl<E: fmt::Display> fmt::Display for OpenError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the transport failed: {error}"),
            Self::Ended => f.write_str("the transport ended before the opening handshake did"),
            Self::Request(error) => write!(f, "{error} (answered with status {})", error.status()),
            Self::Answer(error) => error.fmt(f),
            Self::Timeout => f.write_str("the opening handshake took too long"),
            Self::Refused(status) => write!(f, "the application refused the request with status {status}"),
            Self::Response(error) => error.fmt(f),
            Self::Offer(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for OpenError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Request(error) => Some(error),
            Self::Answer(error) => Some(error),
            Self::Response(error) => Some(error),
            Self::Offer(error) => Some(error),
            Self::Ended | Self::Timeout | Self::Refused(_) => None,
        }
    }
}
