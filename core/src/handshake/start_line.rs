//! The first line of a head: the request line and the status line (RFC 9112 3, 4).

use super::error::HandshakeError;
use super::octet::{is_value, is_visible, split_before, split_once, token};
use super::uri::is_authority;

/// The parts of a request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine<'b> {
    pub(super) method: &'b str,
    pub(super) target: &'b str,
    version: [u8; 2],
}

impl<'b> RequestLine<'b> {
    /// Parses a line, given without its line break.
    pub(super) fn parse(line: &'b [u8]) -> Result<Self, HandshakeError> {
        Self::split(line).ok_or(HandshakeError::InvalidStartLine)
    }

    fn split(line: &'b [u8]) -> Option<Self> {
        // RFC 9112 3: method SP request-target SP HTTP-version
        let (method, rest) = split_space(line)?;
        let (target, version) = split_space(rest)?;
        let method = token(method)?;
        // RFC 9112 3.2, RFC 3986 4.3: a target is visible ASCII without a fragment
        if !target.iter().all(|&octet| is_visible(octet) && octet != b'#') {
            return None;
        }
        let target = core::str::from_utf8(target).ok()?;
        let known_form = target.starts_with('/') || absolute(target).is_some();
        // RFC 9112 3.2.3, 3.2.4: the other forms belong to CONNECT and OPTIONS
        if target.is_empty() || (method == "GET" && !known_form) {
            return None;
        }
        // RFC 9112 2.3: two digits with a dot between them
        let [b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] = *version else {
            return None;
        };
        Some(Self { method, target, version: [major, minor] })
    }

    /// Refuses another version than HTTP/1.1.
    pub(super) fn check_version(&self) -> Result<(), HandshakeError> {
        match &self.version {
            b"11" => Ok(()),
            _ => Err(HandshakeError::UnsupportedHttpVersion),
        }
    }
}

/// The authority of a target in absolute form, and the rest of it: path and query.
///
/// RFC 6455 4.2.1: the target may be an absolute HTTP or HTTPS URI.
pub(super) fn absolute(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = split_once(target, b':')?;
    let rest = rest.strip_prefix("//")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let (authority, rest) = split_before(rest, b"/?");
    is_authority(authority).then_some((authority, rest))
}

/// The parts of a status line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusLine<'b> {
    pub(super) minor_version: u8,
    pub(super) status: u16,
    pub(super) reason: &'b str,
}

impl<'b> StatusLine<'b> {
    /// Parses a line, given without its line break.
    pub(super) fn parse(line: &'b [u8]) -> Option<Self> {
        // RFC 9112 4: HTTP-version SP status-code SP [ reason-phrase ]; the second space is often left out
        let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9', b' ', rest @ ..] = line else {
            return None;
        };
        let [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = rest else {
            return None;
        };
        let reason = match rest {
            [] => rest,
            [b' ', reason @ ..] => reason,
            _ => return None,
        };
        if !reason.iter().copied().all(is_value) {
            return None;
        }
        let digit = |octet: &u8| u16::from(octet - b'0');
        Some(Self {
            minor_version: minor - b'0',
            status: digit(a) * 100 + digit(b) * 10 + digit(c),
            reason: core::str::from_utf8(reason).unwrap_or_default(),
        })
    }
}

fn split_space(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&octet| octet == b' ')?;
    let (before, after) = text.split_at_checked(at)?;
    Some((before, after.split_first()?.1))
}
