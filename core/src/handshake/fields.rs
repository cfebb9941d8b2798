//! The header lines of a head, and the comma-separated lists in them (RFC 9112 5, RFC 9110 5.6.1).

use super::error::HandshakeError;
use super::extension::{Extension, Extensions, InvalidExtension};
use super::octet::{is_space, is_value, token, trim};

/// Room for one header. The caller lends an array of them: `[Slot::EMPTY; 64]`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Slot<'b> {
    name: &'b str,
    value: &'b [u8],
}

impl Slot<'_> {
    /// A slot with no header in it.
    pub const EMPTY: Self = Self { name: "", value: &[] };
}

impl core::fmt::Debug for Slot<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Values may be credentials, so they are not printed.
        f.debug_tuple("Slot").field(&self.name).finish()
    }
}

/// The headers of one head, in lent slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'b, 'h>(&'h [Slot<'b>]);

/// The first line of a complete head and the rest of it.
pub(super) fn first_line(head: &[u8]) -> Result<(&[u8], &[u8]), HandshakeError> {
    let end = head.iter().position(|&octet| matches!(octet, b'\r' | b'\n'));
    let (line, rest) =
        end.and_then(|end| head.split_at_checked(end)).ok_or(HandshakeError::InvalidStartLine)?;
    // RFC 9112 2.2: lines end with CR LF and nothing else
    let rest = rest.strip_prefix(b"\r\n").ok_or(HandshakeError::BareLineBreak)?;
    Ok((line, rest))
}

impl<'b, 'h> Fields<'b, 'h> {
    /// Parses header lines up to the empty line, with which `lines` must end.
    ///
    /// Returns `None` when there are more headers than slots; every line has been checked then, too.
    pub(super) fn parse(
        mut lines: &'b [u8],
        slots: &'h mut [Slot<'b>],
    ) -> Result<Option<Self>, HandshakeError> {
        let mut count: usize = 0;
        loop {
            let (line, rest) = first_line(lines).map_err(|error| match error {
                HandshakeError::InvalidStartLine => HandshakeError::InvalidHeader,
                other => other,
            })?;
            lines = rest;
            if line.is_empty() {
                break;
            }
            let slot = parse_line(line)?;
            if let Some(room) = slots.get_mut(count) {
                *room = slot;
            }
            count = count.saturating_add(1);
        }
        // The head ends here: a caller that passes more has cut it in the wrong place.
        if !lines.is_empty() {
            return Err(HandshakeError::InvalidHeader);
        }
        let slots: &'h [Slot<'b>] = slots;
        Ok(slots.get(..count).map(Self))
    }

    /// All headers in their order.
    pub(super) fn iter(self) -> impl Iterator<Item = (&'b str, &'b [u8])> + use<'b, 'h> {
        self.0.iter().map(|slot| (slot.name, slot.value))
    }

    /// The values of every header with this name. RFC 9110 5.1: names are case-insensitive.
    pub(super) fn values<'n>(self, name: &'n str) -> impl Iterator<Item = &'b [u8]> + use<'b, 'h, 'n> {
        self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of a header that must be there exactly once.
    pub(super) fn only(self, name: &str) -> Option<&'b [u8]> {
        let mut values = self.values(name);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// The value of the first header with this name, when it is text.
    pub(super) fn text(self, name: &str) -> Option<&'b str> {
        self.values(name).next().and_then(|value| core::str::from_utf8(value).ok())
    }

    /// Whether a list header names `word`, among others, in any of its lines and in any case.
    pub(super) fn lists(self, name: &str, word: &str) -> bool {
        self.elements(name).any(|element| element.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The elements of a list header, over all its lines. RFC 9110 5.6.1.2: empty elements are ignored.
    pub(super) fn elements<'n>(self, name: &'n str) -> impl Iterator<Item = &'b [u8]> + use<'b, 'h, 'n> {
        self.values(name)
            .flat_map(|value| value.split(|&octet| octet == b','))
            .map(trim)
            .filter(|element| !element.is_empty())
    }

    /// The elements of a list header that are tokens.
    pub(super) fn tokens<'n>(self, name: &'n str) -> impl Iterator<Item = &'b str> + use<'b, 'h, 'n> {
        self.elements(name).filter_map(token)
    }

    /// The extensions of every `Sec-WebSocket-Extensions` line.
    pub(super) fn extensions(
        self,
    ) -> impl Iterator<Item = Result<Extension<'b>, InvalidExtension>> + use<'b, 'h> {
        self.values(EXTENSIONS).flat_map(Extensions::parse)
    }
}

/// `Sec-WebSocket-Extensions`.
pub(super) const EXTENSIONS: &str = "Sec-WebSocket-Extensions";
/// `Sec-WebSocket-Protocol`.
pub(super) const PROTOCOL: &str = "Sec-WebSocket-Protocol";
/// `Sec-WebSocket-Key`.
pub(super) const KEY: &str = "Sec-WebSocket-Key";
/// `Sec-WebSocket-Version`.
pub(super) const VERSION: &str = "Sec-WebSocket-Version";
/// `Sec-WebSocket-Accept`.
pub(super) const ACCEPT: &str = "Sec-WebSocket-Accept";

/// Whether a header may be written as it is: its name a token, its value free of line breaks and controls.
pub(super) fn is_header(name: &str, value: &str) -> bool {
    token(name.as_bytes()).is_some() && value.bytes().all(is_value)
}

/// Whether the handshake itself, or the framing of HTTP, is what this header speaks about.
pub(super) fn is_reserved(name: &str) -> bool {
    let prefix = name.as_bytes().get(..14).unwrap_or_default();
    prefix.eq_ignore_ascii_case(b"Sec-WebSocket-")
        || ["Connection", "Upgrade", "Content-Length", "Transfer-Encoding"]
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
}

fn parse_line(line: &[u8]) -> Result<Slot<'_>, HandshakeError> {
    // RFC 9112 5.2: obsolete line folding is refused
    if line.first().copied().is_some_and(is_space) {
        return Err(HandshakeError::LineFolding);
    }
    let colon = line.iter().position(|&octet| octet == b':');
    let (name, value) =
        colon.and_then(|colon| line.split_at_checked(colon)).ok_or(HandshakeError::InvalidHeader)?;
    let value = value.split_first().map(|(_, value)| trim(value)).unwrap_or_default();
    let name = token(name).ok_or(HandshakeError::InvalidHeader)?;
    // RFC 9110 5.5: control characters are invalid in values
    if !value.iter().copied().all(is_value) {
        return Err(HandshakeError::ControlCharacter);
    }
    Ok(Slot { name, value })
}
