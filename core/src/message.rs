//! What a connection carries: text or binary messages, whole or in chunks.

use crate::utf8;
use core::fmt;

/// What a message is made of (RFC 6455 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Any octets.
    Binary,
}

/// A whole message, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message<'a> {
    /// A text message.
    Text(Text<'a>),
    /// A binary message.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Whether this is text or binary.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// The payload as octets, whatever the kind.
    #[inline]
    pub const fn octets(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.octets,
            Self::Binary(octets) => octets,
        }
    }

    /// The text, or `None` for a binary message. See [`Text::as_str`].
    pub fn as_str(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            Self::Binary(_) => None,
        }
    }

    /// Payload octets.
    pub const fn len(&self) -> usize {
        self.octets().len()
    }

    /// Whether the payload is empty.
    pub const fn is_empty(&self) -> bool {
        self.octets().is_empty()
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<Text<'a>> for Message<'a> {
    fn from(text: Text<'a>) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(octets: &'a [u8]) -> Self {
        Self::Binary(octets)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(octets: &'a [u8; N]) -> Self {
        Self::Binary(octets)
    }
}

/// Octets that are known to be UTF-8: the payload of a text message.
///
/// A received text was validated as it arrived, so it can be sent on, hashed or parsed as octets at no
/// further cost.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<'a> {
    octets: &'a [u8],
}

impl<'a> Text<'a> {
    /// Octets that a [`utf8::Validator`] has accepted from end to end.
    pub(crate) const fn validated(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// Checks that `octets` are UTF-8.
    ///
    /// # Errors
    /// Names the first octet that is not.
    pub fn new(octets: &'a [u8]) -> Result<Self, utf8::InvalidUtf8> {
        utf8::text(octets).map(Self::from)
    }

    /// The text as a string slice.
    ///
    /// Safe Rust makes a `str` of octets only by looking at them, so each call walks the text once more (for
    /// ASCII at some tens of gigabytes a second). Keep the result rather than calling again.
    pub fn as_str(&self) -> &'a str {
        utf8::text(self.octets).unwrap_or_default()
    }

    /// The text as octets.
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self { octets: text.as_bytes() }
    }
}

impl AsRef<[u8]> for Text<'_> {
    fn as_ref(&self) -> &[u8] {
        self.octets
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.octets == other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.octets == other.as_bytes()
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    // RFC 6455 5.6: a text message is UTF-8
    #[test]
    fn text_is_utf8() {
        assert_eq!(Text::new("caf\u{e9}".as_bytes()).map(|text| text.as_str()), Ok("caf\u{e9}"));
        assert_eq!(Text::new(b"ab\xFF"), Err(utf8::InvalidUtf8 { valid_up_to: 2 }));
        assert_eq!(Text::new(b"ab\xE2\x82"), Err(utf8::InvalidUtf8 { valid_up_to: 2 }));
    }

    #[test]
    fn a_message_is_made_of_what_it_looks_like() {
        let text = Message::from("hi");
        assert_eq!((text.kind(), text.octets(), text.as_str()), (Kind::Text, &b"hi"[..], Some("hi")));
        let binary = Message::from(&[1, 2, 3]);
        assert_eq!((binary.kind(), binary.octets(), binary.as_str()), (Kind::Binary, &[1, 2, 3][..], None));
        assert_eq!(Message::from(&[1u8, 2, 3][..]), binary);
        assert_eq!(Message::from(Text::from("hi")), text);
        assert_eq!((text.len(), text.is_empty(), Message::from("").is_empty()), (2, false, true));
        // The same octets in another kind are another message.
        assert_ne!(Message::from("hi"), Message::from(b"hi"));
    }

    #[test]
    fn text_compares_and_prints_as_a_string() {
        let text = Text::from("a\n");
        assert!(text == "a\n" && text == *"a\n");
        assert_eq!((format!("{text}"), format!("{text:?}")), ("a\n".into(), "\"a\\n\"".into()));
        assert_eq!(text.as_ref(), b"a\n");
    }
}
