//! Errors by fault: the peer, the caller, the transport, or time.

use core::fmt;
use tightwire::deadline::Timeout;
use tightwire::{CloseCode, SendError, Violation};

/// Why an operation on a connection failed. `E` is the error of the transport.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error<E> {
    /// The peer broke the protocol or passed a limit. It was sent a Close frame that says so.
    Violation(Violation),
    /// The peer missed a deadline. Where it could still read it was sent a Close frame.
    Timeout(Timeout),
    /// The transport ended without a Close frame (close code 1006).
    Ended,
    /// The transport failed.
    Transport(E),
    /// The caller asked for what cannot be sent. The connection is as it was.
    Send(SendError),
}

impl<E> Error<E> {
    /// The close code that stands for this end of the connection: that of the Close frame that was sent to the
    /// peer, or 1006. `None` if the connection lives on.
    pub fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Violation(violation) => Some(violation.close_code()),
            Self::Timeout(timeout) => Some(timeout.close_code().unwrap_or(CloseCode::ABNORMAL)),
            Self::Ended | Self::Transport(_) => Some(CloseCode::ABNORMAL),
            Self::Send(_) => None,
        }
    }

    /// Whether the fault is the peer's: a violation of the protocol or of a limit.
    pub const fn is_peer(&self) -> bool {
        matches!(self, Self::Violation(_))
    }

    /// Whether the fault is the caller's, and the connection lives on unless it was closed before.
    pub const fn is_caller(&self) -> bool {
        matches!(self, Self::Send(_))
    }

    /// Whether the connection ended without a closing handshake: close code 1006.
    pub fn is_abnormal(&self) -> bool {
        self.close_code() == Some(CloseCode::ABNORMAL)
    }

    /// Whether a deadline was missed.
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }
}

impl<E> From<SendError> for Error<E> {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => write!(f, "{violation} (closed with {})", violation.close_code()),
            Self::Timeout(timeout) => timeout.fmt(f),
            Self::Ended => f.write_str("the connection ended without a Close frame"),
            Self::Transport(error) => write!(f, "the transport failed: {error}"),
            Self::Send(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Violation(error) => Some(error),
            Self::Timeout(_) | Self::Ended => None,
            Self::Transport(error) => Some(error),
            Self::Send(error) => Some(error),
        }
    }
}
