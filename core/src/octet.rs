//! Which octets HTTP allows where (RFC 9110 5.5, 5.6.2). Knows single octets, not lines.

const TOKEN: u8 = 1;
const VALUE: u8 = 2;
const VISIBLE: u8 = 4;

static CLASSES: [u8; 256] = classes();

/// RFC 9110 5.6.2: an octet of a token, such as a method, a header name or a subprotocol.
pub(crate) fn is_token(octet: u8) -> bool {
    CLASSES[usize::from(octet)] & TOKEN != 0
}

/// RFC 9110 5.5: an octet of a header value. Values are opaque above ASCII.
pub(crate) fn is_value(octet: u8) -> bool {
    CLASSES[usize::from(octet)] & VALUE != 0
}

/// A visible ASCII character.
pub(crate) fn is_visible(octet: u8) -> bool {
    CLASSES[usize::from(octet)] & VISIBLE != 0
}

/// RFC 9110 5.6.3: a space or a horizontal tab.
pub(crate) fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// `text` without the spaces and tabs at its ends.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The text before and after the first `octet`, which is ASCII.
///
/// Unlike the method of `str` it leaves no panic for the compiler to prove away.
pub(crate) fn split_once(text: &str, octet: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|other| other == octet)?;
    let (before, after) = text.split_at_checked(at)?;
    Some((before, after.get(1..)?))
}

/// The text before the first octet of `ends`, all of them ASCII, and the rest with that octet.
pub(crate) fn split_before<'a>(text: &'a str, ends: &[u8]) -> (&'a str, &'a str) {
    let at = text.bytes().position(|octet| ends.contains(&octet)).unwrap_or(text.len());
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// `text` as a token: not empty and nothing but token octets.
pub(crate) fn token(text: &[u8]) -> Option<&str> {
    if text.is_empty() || !text.iter().copied().all(is_token) {
        return None;
    }
    core::str::from_utf8(text).ok()
}

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let c = octet as u8;
        let mut class = 0;
        if c.is_ascii_alphanumeric()
            || matches!(c, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        {
            class |= TOKEN;
        }
        if c == b'\t' || (c >= b' ' && c != 0x7f) {
            class |= VALUE;
        }
        if c.is_ascii_graphic() {
            class |= VISIBLE;
        }
        classes[octet] = class;
        octet += 1;
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9110 5.6.2: any visible character except delimiters
    #[test]
    fn tokens_are_visible_characters_without_delimiters() {
        for octet in 0..=255_u8 {
            let delimiter = br#""(),/:;<=>?@[\]{}"#.contains(&octet);
            assert_eq!(is_token(octet), octet.is_ascii_graphic() && !delimiter, "{octet}");
            assert_eq!(is_visible(octet), (0x21..=0x7e).contains(&octet), "{octet}");
        }
        assert_eq!(token(b""), None);
        assert_eq!(token(b"a b"), None);
        assert_eq!(token(b"permessage-deflate"), Some("permessage-deflate"));
    }

    // RFC 9110 5.5: no control characters but the tab
    #[test]
    fn values_hold_no_control_characters() {
        for octet in 0..=255_u8 {
            assert_eq!(is_value(octet), octet == b'\t' || !octet.is_ascii_control(), "{octet}");
        }
    }

    #[test]
    fn text_is_split_at_octets() {
        assert_eq!(split_once("a:b:c", b':'), Some(("a", "b:c")));
        assert_eq!(split_once("\u{e9}:", b':'), Some(("\u{e9}", "")));
        assert_eq!(split_once("abc", b':'), None);
        assert_eq!(split_before("a/b?c", b"?/"), ("a", "/b?c"));
        assert_eq!(split_before("abc", b"?/"), ("abc", ""));
    }

    #[test]
    fn spaces_are_trimmed_at_both_ends_only() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t "), b"");
    }
}
