//! The first line of a head: what a request line (RFC 9112 3) and a status line (RFC 9112 4) may look like.

use super::error::HandshakeError;
use super::octet::{is_visible, split_before, split_once, token};
use super::uri::is_authority;

/// Checks a request line, given without its line break.
pub(super) fn check_request_line(line: &[u8]) -> Result<(), HandshakeError> {
    request_line(line).map(|_| ())
}

/// Method and target of a request line, given without its line break.
pub(super) fn request_line(line: &[u8]) -> Result<(&str, &str), HandshakeError> {
    match split_request_line(line).ok_or(HandshakeError::InvalidStartLine)? {
        (method, target, b"1.1") => Ok((method, target)),
        _ => Err(HandshakeError::UnsupportedHttpVersion),
    }
}

/// What a status line says.
pub(super) struct StatusLine<'b> {
    pub(super) minor_version: u8,
    pub(super) status: u16,
    /// Empty if there is none or it is not text.
    pub(super) reason: &'b str,
}

/// A status line, given without its line break.
pub(super) fn status_line(line: &[u8]) -> Option<StatusLine<'_>> {
    // RFC 9112 4: HTTP-version SP status-code SP [ reason-phrase ]
    let (version, rest) = line.split_first_chunk::<9>()?;
    let minor_version = match version {
        b"HTTP/1.1 " => 1,
        b"HTTP/1.0 " => 0,
        _ => return None,
    };
    // RFC 9110 15: three digits, from 100 on
    let (digits, rest) = rest.split_first_chunk::<3>()?;
    if !digits.iter().all(u8::is_ascii_digit) || digits[0] == b'0' {
        return None;
    }
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    // Some servers leave out the last space with the reason. What else there is was found to be a value.
    let reason = match rest {
        [] => &[],
        [b' ', reason @ ..] => reason,
        _ => return None,
    };
    // RFC 9112 4: a reason is opaque above ASCII
    Some(StatusLine { minor_version, status, reason: core::str::from_utf8(reason).unwrap_or_default() })
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

/// Method, target and the version of HTTP, if the request line is well-formed.
fn split_request_line(line: &[u8]) -> Option<(&str, &str, &[u8; 3])> {
    // RFC 9112 3: method SP request-target SP HTTP-version
    let mut parts = line.split(|&octet| octet == b' ');
    let (method, target, version) = (token(parts.next()?)?, parts.next()?, parts.next()?);
    // RFC 9112 3.2, RFC 3986 4.3: a target is visible ASCII without a fragment
    if target.is_empty() || !target.iter().all(|&octet| is_visible(octet) && octet != b'#') {
        return None;
    }
    // RFC 9112 3.2.3, 3.2.4: the other forms belong to CONNECT and OPTIONS
    let target = core::str::from_utf8(target).ok()?;
    if method == "GET" && !target.starts_with('/') && absolute(target).is_none() {
        return None;
    }
    // RFC 9112 2.3: two digits with a dot between them
    let version = <&[u8; 3]>::try_from(version.strip_prefix(b"HTTP/")?).ok()?;
    let well_formed = matches!(version, [b'0'..=b'9', b'.', b'0'..=b'9']) && parts.next().is_none();
    well_formed.then_some((method, target, version))
}
