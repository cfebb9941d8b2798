//! What a request line may look like (RFC 9112 3). To split it is for httparse, once the whole head is there.

use super::error::HandshakeError;
use super::uri::is_authority;
use crate::octet::{is_visible, split_before, split_once, token};

/// Checks a request line, given without its line break.
pub(super) fn check_request_line(line: &[u8]) -> Result<(), HandshakeError> {
    match version(line).ok_or(HandshakeError::InvalidStartLine)? {
        b"1.1" => Ok(()),
        _ => Err(HandshakeError::UnsupportedHttpVersion),
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

/// Whether a request with this method may have this target.
pub(super) fn is_target(method: &str, target: &str) -> bool {
    // RFC 9112 3.2, RFC 3986 4.3: a target is visible ASCII without a fragment
    let visible = !target.is_empty() && target.bytes().all(|octet| is_visible(octet) && octet != b'#');
    // RFC 9112 3.2.3, 3.2.4: the other forms belong to CONNECT and OPTIONS
    visible && (method != "GET" || target.starts_with('/') || absolute(target).is_some())
}

/// The version of HTTP that a well-formed request line names.
fn version(line: &[u8]) -> Option<&[u8; 3]> {
    // RFC 9112 3: method SP request-target SP HTTP-version
    let mut parts = line.split(|&octet| octet == b' ');
    let (method, target, version) = (token(parts.next()?)?, parts.next()?, parts.next()?);
    if !is_target(method, core::str::from_utf8(target).ok()?) {
        return None;
    }
    // RFC 9112 2.3: two digits with a dot between them
    let version = <&[u8; 3]>::try_from(version.strip_prefix(b"HTTP/")?).ok()?;
    let well_formed = matches!(version, [b'0'..=b'9', b'.', b'0'..=b'9']) && parts.next().is_none();
    well_formed.then_some(version)
}
