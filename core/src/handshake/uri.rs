//! Splits `ws` and `wss` URIs (RFC 6455 3, RFC 3986). It resolves and normalises nothing.

use crate::octet::{split_before, split_once};
use core::fmt;

/// A WebSocket URI in its parts, which borrow from the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    secure: bool,
    host: &'a str,
    port: u16,
    authority: &'a str,
    target: &'a str,
}

impl<'a> Uri<'a> {
    /// Parses an absolute URI such as `wss://example.com:8443/chat?room=1`.
    ///
    /// # Errors
    /// [`UriError`] says which part is wrong.
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        // RFC 6455 3: "ws:" "//" host [ ":" port ] path [ "?" query ]
        let (scheme, rest) = split_once(text, b':').ok_or(UriError::Scheme)?;
        let rest = rest.strip_prefix("//").ok_or(UriError::Scheme)?;
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => false,
            _ if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(UriError::Scheme),
        };
        let (authority, target) = split_before(rest, b"/?#");
        // RFC 6455 3: there is no userinfo in the grammar; credentials in a URI leak
        if authority.as_bytes().contains(&b'@') {
            return Err(UriError::UserInfo);
        }
        // RFC 6455 3: fragment identifiers must not be used
        if target.as_bytes().contains(&b'#') {
            return Err(UriError::Fragment);
        }
        let (host, digits) = split_authority(authority).ok_or(UriError::Host)?;
        let default = if secure { 443 } else { 80 };
        let port = match digits {
            None | Some("") => default,
            Some(digits) => parse_port(digits).ok_or(UriError::Port)?,
        };
        if !is_text(target.as_bytes(), b":@/?") {
            return Err(UriError::Path);
        }
        // RFC 6455 4.1, step 4: the port is named only when it is not the default
        let authority = if port == default { host } else { authority };
        Ok(Self { secure, host, port, authority, target })
    }

    /// Whether the scheme is `wss`.
    pub const fn secure(self) -> bool {
        self.secure
    }

    /// The host to connect to, without the brackets of an IPv6 address.
    pub fn host(self) -> &'a str {
        self.host.strip_prefix("[").and_then(|host| host.strip_suffix("]")).unwrap_or(self.host)
    }

    /// The port to connect to: 80 or 443 when the URI names none.
    pub const fn port(self) -> u16 {
        self.port
    }

    /// The value of `Host`: the host, and the port unless it is the default of the scheme.
    pub const fn authority(self) -> &'a str {
        self.authority
    }

    /// Path and query as written; it may be empty or begin with `?`. [`Offer`](super::client::Offer) takes it
    /// as it is.
    pub const fn target(self) -> &'a str {
        self.target
    }
}

/// Which part of a URI is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UriError {
    /// Neither `ws://` nor `wss://`.
    Scheme,
    /// A user name or password.
    UserInfo,
    /// The host is empty or malformed.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// The path or query holds a character that must be percent-encoded.
    Path,
    /// A fragment.
    Fragment,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the URI does not begin with ws:// or wss://",
            Self::UserInfo => "a WebSocket URI must not hold a user name or password",
            Self::Host => "the host in the URI is malformed",
            Self::Port => "the port in the URI is not a number from 1 to 65535",
            Self::Path => "the path or query of the URI holds a character that must be percent-encoded",
            Self::Fragment => "a WebSocket URI must not have a fragment",
        })
    }
}

impl core::error::Error for UriError {}

/// Whether `text` is a host with or without a port, as in `Host` and `Origin`.
pub(super) fn is_authority(text: &str) -> bool {
    split_authority(text)
        .is_some_and(|(_, port)| port.is_none_or(|port| port.is_empty() || parse_port(port).is_some()))
}

/// Host and port of an authority, the host checked and the port not.
fn split_authority(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix("[") {
        // RFC 3986 3.2.2: an IPv6 address stands in brackets
        let (address, rest) = split_once(rest, b']')?;
        if !is_ipv6(address.as_bytes()) {
            return None;
        }
        let host = text.get(..address.len() + 2)?;
        return match rest {
            "" => Some((host, None)),
            _ => Some((host, Some(rest.strip_prefix(":")?))),
        };
    }
    let (host, port) = match split_once(text, b':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    (!host.is_empty() && is_text(host.as_bytes(), b"")).then_some((host, port))
}

fn parse_port(digits: &str) -> Option<u16> {
    let valid = digits.len() <= 5 && digits.bytes().all(|octet| octet.is_ascii_digit());
    digits.parse().ok().filter(|&port: &u16| valid && port != 0)
}

/// RFC 3986 3.2.2: eight groups of hexadecimal digits; one `::` stands for one group of zeros or more, and an
/// IPv4 address may stand for the last two.
fn is_ipv6(text: &[u8]) -> bool {
    match text.windows(2).position(|two| two == b"::").and_then(|at| text.split_at_checked(at)) {
        None => groups(text, true) == Some(8),
        Some((front, back)) => {
            let back = back.get(2..).unwrap_or_default();
            let count = |part: &[u8], last| if part.is_empty() { Some(0) } else { groups(part, last) };
            matches!((count(front, false), count(back, true)), (Some(front), Some(back)) if front + back < 8)
        }
    }
}

/// The number of 16-bit groups in `text`; at the end of an address an IPv4 address counts as two.
fn groups(text: &[u8], last: bool) -> Option<usize> {
    let mut count: usize = 0;
    let mut pieces = text.split(|&octet| octet == b':').peekable();
    while let Some(piece) = pieces.next() {
        let hexadecimal = (1..=4).contains(&piece.len()) && piece.iter().all(u8::is_ascii_hexdigit);
        count = count.saturating_add(match hexadecimal {
            true => 1,
            false if last && pieces.peek().is_none() && is_ipv4(piece) => 2,
            false => return None,
        });
    }
    Some(count)
}

/// RFC 3986 3.2.2: four numbers up to 255 without leading zeros.
fn is_ipv4(text: &[u8]) -> bool {
    let number = |piece: &[u8]| {
        let short = matches!(piece, [b'0'..=b'9'] | [b'1'..=b'9', b'0'..=b'9']);
        let long = matches!(
            piece,
            [b'1', b'0'..=b'9', b'0'..=b'9'] | [b'2', b'0'..=b'4', b'0'..=b'9'] | [b'2', b'5', b'0'..=b'5']
        );
        short || long
    };
    let mut pieces = text.split(|&octet| octet == b'.');
    pieces.by_ref().take(4).filter(|piece| number(piece)).count() == 4 && pieces.next().is_none()
}

/// Whether `text` consists of unreserved and percent-encoded characters, delimiters and those in `more`.
fn is_text(mut text: &[u8], more: &[u8]) -> bool {
    loop {
        text = match text {
            [] => return true,
            // RFC 3986 2.1: a percent sign and two hexadecimal digits
            [b'%', a, b, rest @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest,
            // RFC 3986 2.2, 2.3: sub-delims and unreserved
            [octet, rest @ ..]
                if octet.is_ascii_alphanumeric()
                    || b"-._~!$&'()*+,;=".contains(octet)
                    || more.contains(octet) =>
            {
                rest
            }
            _ => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    // RFC 6455 3: ws and wss URIs and their default ports
    #[test]
    fn uris_are_split() {
        for (text, secure, host, port, authority, target) in [
            ("ws://example.com/chat", false, "example.com", 80, "example.com", "/chat"),
            ("wss://example.com", true, "example.com", 443, "example.com", ""),
            (
                "WSS://Example.COM:8443/a/b?c=d/e?f",
                true,
                "Example.COM",
                8443,
                "Example.COM:8443",
                "/a/b?c=d/e?f",
            ),
            ("ws://example.com?a", false, "example.com", 80, "example.com", "?a"),
            ("ws://example.com:80/", false, "example.com", 80, "example.com", "/"),
            ("ws://example.com:443/", false, "example.com", 443, "example.com:443", "/"),
            ("wss://example.com:443/", true, "example.com", 443, "example.com", "/"),
            ("wss://example.com:/", true, "example.com", 443, "example.com", "/"),
            ("ws://127.0.0.1:9001", false, "127.0.0.1", 9001, "127.0.0.1:9001", ""),
            ("ws://[::1]", false, "::1", 80, "[::1]", ""),
            ("ws://[2001:db8::1]:9001/", false, "2001:db8::1", 9001, "[2001:db8::1]:9001", "/"),
            ("ws://a_b.example/%C3%A9;p=1,2/@:", false, "a_b.example", 80, "a_b.example", "/%C3%A9;p=1,2/@:"),
        ] {
            let uri = Uri::parse(text).unwrap();
            assert_eq!(
                (uri.secure(), uri.host(), uri.port(), uri.authority(), uri.target()),
                (secure, host, port, authority, target),
                "{text}"
            );
        }
    }

    #[test]
    fn wrong_uris_are_refused() {
        for (text, error) in [
            ("", UriError::Scheme),
            ("http://example.com", UriError::Scheme),
            ("example.com", UriError::Scheme),
            ("ws:example.com", UriError::Scheme),
            ("ws:/example.com", UriError::Scheme),
            (" ws://example.com", UriError::Scheme),
            ("ws://user@example.com", UriError::UserInfo),
            ("ws://user:secret@example.com/", UriError::UserInfo),
            ("ws://@example.com/", UriError::UserInfo),
            ("ws://", UriError::Host),
            ("ws:///chat", UriError::Host),
            ("ws://:80", UriError::Host),
            ("ws://exam ple.com", UriError::Host),
            ("ws://ex\u{e4}mple.com", UriError::Host),
            ("ws://example.com\r\n", UriError::Host),
            ("ws://example%zz.com", UriError::Host),
            ("ws://::1/", UriError::Host),
            ("ws://[::1", UriError::Host),
            ("ws://[::1]a", UriError::Host),
            ("ws://[1.2.3.4]", UriError::Host),
            ("ws://[fe80::1%25eth0]", UriError::Host),
            ("ws://[]", UriError::Host),
            ("ws://example.com:0", UriError::Port),
            ("ws://example.com:65536", UriError::Port),
            ("ws://example.com:000080", UriError::Port),
            ("ws://example.com:+80", UriError::Port),
            ("ws://example.com:8o", UriError::Port),
            ("ws://a:1:2", UriError::Port),
            ("ws://example.com/a b", UriError::Path),
            ("ws://example.com/%", UriError::Path),
            ("ws://example.com/?a|b", UriError::Path),
            ("ws://example.com/\u{e9}", UriError::Path),
            ("ws://example.com/a#b", UriError::Fragment),
            ("ws://example.com#", UriError::Fragment),
        ] {
            assert_eq!(Uri::parse(text), Err(error), "{text}");
        }
    }

    // RFC 4291 2.2: the forms of an IPv6 address
    #[test]
    fn addresses_are_checked() {
        for (text, good) in [
            ("::", true),
            ("::1", true),
            ("1::", true),
            ("1:2:3:4:5:6:7:8", true),
            ("1:2:3:4:5:6:7::", true),
            ("::2:3:4:5:6:7:8", true),
            ("1:2:3:4:5:6:1.2.3.4", true),
            ("::ffff:255.249.99.0", true),
            ("", false),
            (":", false),
            (":::", false),
            ("1::2::3", false),
            ("1:2:3:4:5:6:7", false),
            ("1:2:3:4:5:6:7:8:9", false),
            ("1:2:3:4::5:6:7:8", false),
            ("12345::", false),
            ("g::", false),
            (":1::", false),
            ("::1:", false),
            ("1.2.3.4::", false),
            ("::1.2.3", false),
            ("::1.2.3.4.5", false),
            ("::1.2.3.256", false),
            ("::1.2.3.04", false),
            ("::1.2.3.4:1", false),
        ] {
            assert_eq!(is_ipv6(text.as_bytes()), good, "{text}");
            assert_eq!(text.parse::<core::net::Ipv6Addr>().is_ok(), good, "{text}");
        }
    }

    proptest! {
        // The standard library's reading of the same grammar
        #[test]
        fn addresses_are_those_of_the_standard_library(
            text in "([0-9a-fA-F]{0,5}:{1,2}){0,9}([0-9a-f]{0,2}|[0-9]{1,3}([.][0-9]{1,3}){2,4})"
        ) {
            prop_assert_eq!(is_ipv6(text.as_bytes()), text.parse::<core::net::Ipv6Addr>().is_ok(), "{}", text);
            prop_assert_eq!(is_ipv4(text.as_bytes()), text.parse::<core::net::Ipv4Addr>().is_ok(), "{}", text);
        }

        #[test]
        fn short_addresses_are_those_of_the_standard_library(text in "[0-3f:.]{0,9}") {
            prop_assert_eq!(is_ipv6(text.as_bytes()), text.parse::<core::net::Ipv6Addr>().is_ok(), "{}", text);
            prop_assert_eq!(is_ipv4(text.as_bytes()), text.parse::<core::net::Ipv4Addr>().is_ok(), "{}", text);
        }

        // An independent reading of RFC 3986
        #[test]
        fn the_parts_are_those_of_a_general_parser(
            text in "[wW][sS]{1,2}://[a-c.%2]{0,4}(\\[[0-9a:.]{0,6}\\])?[@:]{0,2}[0-9]{0,5}[/?#@:a%2 |]{0,6}"
        ) {
            let ours = Uri::parse(&text);
            let theirs = fluent_uri::Uri::parse(text.as_str()).ok().and_then(|uri| {
                let authority = uri.authority()?;
                let known = matches!(uri.scheme().as_str().to_ascii_lowercase().as_str(), "ws" | "wss");
                let port = match authority.port() {
                    Some(port) if port.as_str().len() > 5 => return None,
                    Some(port) if !port.as_str().is_empty() => Some(port.as_str().parse::<u16>().ok()?),
                    _ => None,
                };
                let plain = authority.userinfo().is_none() && uri.fragment().is_none();
                (known && plain && port != Some(0) && !authority.host().is_empty()).then_some((uri, port))
            });
            match (ours, theirs) {
                (Ok(ours), Some((theirs, port))) => {
                    let authority = theirs.authority().unwrap();
                    let host = authority.host();
                    let target = match theirs.query() {
                        Some(query) => std::format!("{}?{}", theirs.path(), query),
                        None => theirs.path().to_string(),
                    };
                    let default = if ours.secure() { 443 } else { 80 };
                    prop_assert_eq!(ours.host(), host.trim_matches(['[', ']']));
                    prop_assert_eq!(ours.port(), port.unwrap_or(default));
                    prop_assert_eq!(ours.target(), target);
                }
                (ours, theirs) => prop_assert_eq!(ours.is_ok(), theirs.is_some(), "{}", text),
            }
        }
    }
}
