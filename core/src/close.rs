//! Close codes and the payload of a Close frame (RFC 6455 5.5.1, 7.4).

use crate::error::{SendError, Violation};
use core::fmt;

/// A close code: why a connection ends (RFC 6455 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server goes down or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that this end cannot accept.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the Close frame carried no code. Never sent.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection ended without a Close frame. Never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: the payload did not fit its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: the peer broke a rule of the application.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message too big to be handled.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: the client wanted an extension that the server did not agree to.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server met an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts (registered with IANA).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded, try again later (registered with IANA).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid answer from upstream (registered with IANA).
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never sent.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// The code with this number. Whether it may be sent is for [`may_be_sent`](Self::may_be_sent) to say.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number of the code.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Whether the code may stand in a Close frame, in either direction.
    ///
    /// RFC 6455 7.4.1, 7.4.2: the protocol's own codes that are not reserved, 3000 to 3999 (registered) and
    /// 4000 to 4999 (private).
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a Close frame says: a code and a reason in UTF-8 of at most 123 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CloseFrame<'a> {
    /// Why the connection ends.
    pub code: CloseCode,
    /// The reason in words, for people who debug; often empty.
    pub reason: &'a str,
}

/// The octets that a close reason may have: a control payload less the code.
pub const REASON_MAX: usize = 123;

/// Parses the payload of a received Close frame; `None` when it is empty (RFC 6455 5.5.1).
///
/// # Errors
/// [`Violation::CloseTooShort`], [`Violation::InvalidCloseCode`] or [`Violation::InvalidUtf8`].
pub fn parse(payload: &[u8]) -> Result<Option<CloseFrame<'_>>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        // RFC 6455 5.5.1: if there is a body, its first two octets are the code
        return if payload.is_empty() { Ok(None) } else { Err(Violation::CloseTooShort) };
    };
    let code = CloseCode(u16::from_be_bytes(*code));
    // RFC 6455 7.4.1: 1004, 1005, 1006 and 1015 must not be set by an endpoint
    if !code.may_be_sent() {
        return Err(Violation::InvalidCloseCode);
    }
    // RFC 6455 5.5.1: the reason is UTF-8; 8.1: fail the connection when it is not
    let reason = core::str::from_utf8(reason).map_err(|_| Violation::InvalidUtf8)?;
    Ok(Some(CloseFrame { code, reason }))
}

/// Checks that this end may send `frame`.
///
/// # Errors
/// [`SendError::InvalidCloseCode`] or [`SendError::ControlTooLong`].
pub fn check(frame: CloseFrame<'_>) -> Result<(), SendError> {
    if !frame.code.may_be_sent() {
        return Err(SendError::InvalidCloseCode);
    }
    if frame.reason.len() > REASON_MAX {
        return Err(SendError::ControlTooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_payload_is_no_frame() {
        assert_eq!(parse(&[]), Ok(None));
    }

    // RFC 6455 5.5.1: the first two octets of the body are the code
    #[test]
    fn one_octet_is_a_violation() {
        for octet in 0..=255 {
            assert_eq!(parse(&[octet]), Err(Violation::CloseTooShort));
        }
    }

    // RFC 6455 7.4.1 and 7.4.2, and the registry at IANA
    #[test]
    fn every_code_is_judged() {
        for number in 0..=u16::MAX {
            let sendable = match number {
                0..=999 => false,
                1000..=1003 => true,
                1004..=1006 => false,
                1007..=1014 => true,
                1015..=2999 => false,
                3000..=4999 => true,
                _ => false,
            };
            assert_eq!(CloseCode::new(number).may_be_sent(), sendable, "{number}");
            let parsed = parse(&number.to_be_bytes()).map(|frame| frame.map(|frame| frame.code.number()));
            assert_eq!(parsed, if sendable { Ok(Some(number)) } else { Err(Violation::InvalidCloseCode) });
        }
    }

    #[test]
    fn the_reason_is_utf8() {
        assert_eq!(
            parse(b"\x03\xe8caf\xc3\xa9"),
            Ok(Some(CloseFrame { code: CloseCode::NORMAL, reason: "caf\u{e9}" }))
        );
        // RFC 6455 8.1: a reason that is not UTF-8 fails the connection, also when it is only cut short
        assert_eq!(parse(b"\x03\xe8caf\xc3"), Err(Violation::InvalidUtf8));
        assert_eq!(parse(b"\x03\xe8\xff"), Err(Violation::InvalidUtf8));
    }

    #[test]
    fn a_reason_too_long_is_refused() {
        let reason = core::str::from_utf8(&[b'x'; 124]).unwrap_or("");
        let frame = CloseFrame { code: CloseCode::NORMAL, reason };
        assert_eq!(check(frame), Err(SendError::ControlTooLong));
        assert_eq!(check(CloseFrame { reason: &reason[1..], ..frame }), Ok(()));
        assert_eq!(
            check(CloseFrame { code: CloseCode::NO_STATUS, reason: "" }),
            Err(SendError::InvalidCloseCode)
        );
    }
}
