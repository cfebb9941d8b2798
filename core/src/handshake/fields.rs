//! The header lines of a head, and the comma-separated lists in them (RFC 9112 5, RFC 9110 5.6.1).

use super::error::HandshakeError;
use crate::extension::{Extension, Extensions, InvalidExtension};
use crate::octet::{is_value, token, trim};
use httparse::{EMPTY_HEADER, Header};

/// Room for one header. The caller lends an array of them: `[Slot::EMPTY; 64]`.
///
/// It holds where the header lies in its head, 16 octets, so it may be lent from anywhere and used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    name: Place,
    value: Place,
}

impl Slot {
    /// A slot with no header in it.
    pub const EMPTY: Self =
        Self { name: Place { start: 0, length: 0 }, value: Place { start: 0, length: 0 } };
}

/// Where octets lie in a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    start: u32,
    length: u32,
}

impl Place {
    /// Where `part` lies in `head`, which it was taken from.
    fn of(part: &[u8], head: &[u8]) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(head.as_ptr().addr());
        Self { start: start as u32, length: part.len() as u32 }
    }

    fn octets(self, head: &[u8]) -> &[u8] {
        let rest = head.get(self.start as usize..).unwrap_or_default();
        rest.get(..self.length as usize).unwrap_or_default()
    }
}

/// The headers of one head.
#[derive(Clone, Copy)]
pub(super) enum Fields<'b, 'h> {
    /// Lent slots point to where they lie.
    Noted { head: &'b [u8], slots: &'h [Slot] },
    /// Somebody else has split the head.
    Split(&'h [(&'b str, &'b [u8])]),
}

/// Lends `parse` room for the headers of a head that may have as many as `slots`, and 128 at most.
///
/// httparse wants that room on the stack, 32 octets for each header on a 64-bit machine and 16 on a 32-bit one, so it is
/// no larger than it has to be.
pub(super) fn with_headers<'b, T>(slots: usize, parse: impl FnOnce(&mut [Header<'b>]) -> T) -> T {
    match slots {
        0..=16 => with_room::<16, T>(parse),
        17..=64 => with_room::<64, T>(parse),
        _ => with_room::<128, T>(parse),
    }
}

#[inline(never)] // so that the frame of a caller with few slots does not hold the room for many
fn with_room<'b, const N: usize, T>(parse: impl FnOnce(&mut [Header<'b>]) -> T) -> T {
    parse(&mut [EMPTY_HEADER; N])
}

impl<'b, 'h> Fields<'b, 'h> {
    /// Notes in the lent slots where the headers lie that httparse has found in `head`.
    pub(super) fn note(
        head: &'b [u8],
        headers: &[Header<'b>],
        slots: &'h mut [Slot],
    ) -> Result<Self, HandshakeError> {
        let slots = slots.get_mut(..headers.len()).ok_or(HandshakeError::TooManyHeaders)?;
        for (slot, header) in slots.iter_mut().zip(headers) {
            let (name, value) = (Place::of(header.name.as_bytes(), head), Place::of(header.value, head));
            *slot = Slot { name, value };
        }
        Ok(Self::Noted { head, slots })
    }

    /// Headers that somebody else has split off, if they could have stood in a head.
    pub(super) fn split(headers: &'h [(&'b str, &'b [u8])]) -> Result<Self, HandshakeError> {
        for (name, value) in headers {
            if token(name.as_bytes()).is_none() {
                return Err(HandshakeError::InvalidHeader);
            }
            if !value.iter().copied().all(is_value) {
                return Err(HandshakeError::ControlCharacter);
            }
        }
        Ok(Self::Split(headers))
    }

    /// All headers in their order.
    pub(super) fn iter(self) -> impl Iterator<Item = (&'b str, &'b [u8])> + use<'b, 'h> {
        self.pairs().map(|(name, value)| (core::str::from_utf8(name).unwrap_or_default(), value))
    }

    fn pairs(self) -> impl Iterator<Item = (&'b [u8], &'b [u8])> + use<'b, 'h> {
        let length = match self {
            Self::Noted { slots, .. } => slots.len(),
            Self::Split(headers) => headers.len(),
        };
        (0..length).filter_map(move |at| match self {
            Self::Noted { head, slots } => {
                slots.get(at).map(|slot| (slot.name.octets(head), slot.value.octets(head)))
            }
            Self::Split(headers) => headers.get(at).map(|&(name, value)| (name.as_bytes(), value)),
        })
    }

    /// The values of every header with this name. RFC 9110 5.1: names are case-insensitive.
    pub(super) fn values<'n>(self, name: &'n str) -> impl Iterator<Item = &'b [u8]> + use<'b, 'h, 'n> {
        self.pairs()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
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

impl core::fmt::Debug for Fields<'_, '_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Values may be credentials, so they are not printed.
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
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
