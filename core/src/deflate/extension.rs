//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 9.1): names with parameters, separated by commas.
//!
//! It decides whether a value follows the grammar, and knows no extension by name.

/// The value does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Walks one header value. Each octet is looked at once.
pub(super) struct Scanner<'v> {
    rest: &'v [u8],
}

/// The name of a parameter, and its value if it has one.
type Parameter<'v> = (&'v [u8], Option<Value<'v>>);

/// The value of a parameter, still escaped when it was quoted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'v> {
    octets: &'v [u8],
    quoted: bool,
}

impl Value<'_> {
    /// The octets that are meant, with the escapes of a quoted string undone.
    pub(super) fn octets(&self) -> impl Iterator<Item = u8> {
        let quoted = self.quoted;
        let mut escaped = false;
        self.octets.iter().copied().filter(move |&octet| {
            escaped = quoted && octet == b'\\' && !escaped;
            !escaped
        })
    }
}

impl<'v> Scanner<'v> {
    pub(super) const fn new(value: &'v [u8]) -> Self {
        Self { rest: value }
    }

    /// The name of the next extension, or nothing at the end of the value.
    ///
    /// To be called again when [`parameter`](Self::parameter) has answered with nothing.
    pub(super) fn extension(&mut self) -> Result<Option<&'v [u8]>, Malformed> {
        // RFC 2616 2.1: a list may have empty elements
        self.skip_space();
        while self.take(b',') {
            self.skip_space();
        }
        if self.rest.is_empty() { Ok(None) } else { self.token().map(Some) }
    }

    /// The next parameter of the extension, or nothing when it has no more.
    pub(super) fn parameter(&mut self) -> Result<Option<Parameter<'v>>, Malformed> {
        self.skip_space();
        if !self.take(b';') {
            return if matches!(self.rest, [] | [b',', ..]) { Ok(None) } else { Err(Malformed) };
        }
        self.skip_space();
        let name = self.token()?;
        self.skip_space();
        if !self.take(b'=') {
            return Ok(Some((name, None)));
        }
        self.skip_space();
        let value =
            if self.take(b'"') { self.quoted()? } else { Value { octets: self.token()?, quoted: false } };
        Ok(Some((name, Some(value))))
    }

    /// The rest of a quoted string, its closing quote included.
    fn quoted(&mut self) -> Result<Value<'v>, Malformed> {
        let mut escaped = false;
        let mut at_all = false;
        for (at, &octet) in self.rest.iter().enumerate() {
            match octet {
                b'\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                b'"' if !escaped && at_all => {
                    let (value, rest) = self.rest.split_at_checked(at).unwrap_or_default();
                    self.rest = rest.get(1..).unwrap_or_default();
                    return Ok(Value { octets: value, quoted: true });
                }
                // RFC 6455 9.1: what a quoted string means must be a token
                _ if is_token(octet) => at_all = true,
                _ => return Err(Malformed),
            }
            escaped = false;
        }
        Err(Malformed)
    }

    fn token(&mut self) -> Result<&'v [u8], Malformed> {
        let end = self.rest.iter().position(|&octet| !is_token(octet)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(Malformed);
        }
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(token)
    }

    fn take(&mut self, octet: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == octet => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn skip_space(&mut self) {
        while self.take(b' ') || self.take(b'\t') {}
    }
}

/// RFC 2616 2.2: visible characters that are no separators.
const fn is_token(octet: u8) -> bool {
    matches!(octet, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.'
        | b'^'..=b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{string::String, vec::Vec};

    /// The value written again in one fixed form.
    fn walk(value: &[u8]) -> Result<String, Malformed> {
        let mut scanner = Scanner::new(value);
        let mut parts: Vec<u8> = Vec::new();
        while let Some(name) = scanner.extension()? {
            parts.push(b'<');
            parts.extend(name);
            while let Some((name, value)) = scanner.parameter()? {
                parts.push(b';');
                parts.extend(name);
                if let Some(value) = value {
                    parts.push(b'=');
                    parts.extend(value.octets());
                }
            }
            parts.push(b'>');
        }
        Ok(String::from_utf8(parts).unwrap())
    }

    #[test]
    fn lists_parameters_and_quotes() {
        for (value, written) in [
            ("", ""),
            (" ,\t, ", ""),
            ("foo", "<foo>"),
            ("foo,bar ; baz = 2", "<foo><bar;baz=2>"),
            ("foo; a; b=\"10\"; c=\"1\\0\", , x", "<foo;a;b=10;c=10><x>"),
            ("`^_|~!#$%&'*+-.", "<`^_|~!#$%&'*+-.>"),
        ] {
            assert_eq!(walk(value.as_bytes()).as_deref(), Ok(written), "{value}");
        }
    }

    #[test]
    fn what_the_grammar_forbids() {
        for value in [
            ";",
            "a;",
            "a;;b",
            "a b",
            "a;b=",
            "a;b=,",
            "a;b=\"",
            "a;b=\"\"",
            "a;b=\"c",
            "a;b=\"c\\",
            "a;b=\"c\\\"",
            "a;b=\"c d\"",
            "a;b=\"c\\\"\"",
            "a;b=\"c\\\\\"",
            "a;b=\"c\"d",
            "=",
            "a=b",
            "a;=b",
            "\u{e9}",
            "a\0",
            "a/b",
        ] {
            assert_eq!(walk(value.as_bytes()), Err(Malformed), "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_end(value in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = walk(&value);
        }

        #[test]
        fn any_value_of_its_own_characters_ends(value in "[a,;=\"\\\\ \t]{0,24}") {
            let _ = walk(value.as_bytes());
        }
    }
}
