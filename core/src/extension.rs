//! The syntax of `Sec-WebSocket-Extensions` (RFC 6455 9.1). What an extension means is not known here.

use crate::octet::{is_space, is_token, token};
use core::fmt;

/// The extensions of one `Sec-WebSocket-Extensions` value, in order.
///
/// Each item is an extension; the first malformed octet gives one error, and nothing follows it.
#[derive(Clone, Debug)]
pub struct Extensions<'b> {
    cursor: Cursor<'b>,
}

impl<'b> Extensions<'b> {
    /// Reads the value of a header. A header that stands on several lines has one value on each.
    pub const fn parse(value: &'b [u8]) -> Self {
        Self { cursor: Cursor(value) }
    }
}

impl<'b> Iterator for Extensions<'b> {
    type Item = Result<Extension<'b>, InvalidExtension>;

    fn next(&mut self) -> Option<Self::Item> {
        // RFC 9110 5.6.1.2: empty elements are ignored
        self.cursor.skip_space();
        while self.cursor.eat(b',') {
            self.cursor.skip_space();
        }
        if self.cursor.0.is_empty() {
            return None;
        }
        let extension = self.cursor.extension();
        if extension.is_none() {
            self.cursor = Cursor(&[]);
        }
        Some(extension.ok_or(InvalidExtension))
    }
}

/// One extension that a client offers or a server accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'b> {
    name: &'b str,
    params: &'b [u8],
}

impl<'b> Extension<'b> {
    /// The registered name, such as `permessage-deflate`.
    pub const fn name(self) -> &'b str {
        self.name
    }

    /// The parameters in their order, repeated ones included.
    pub fn params(self) -> impl Iterator<Item = Param<'b>> + use<'b> {
        let mut cursor = Cursor(self.params);
        core::iter::from_fn(move || cursor.param().flatten())
    }
}

/// One parameter of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'b> {
    /// The name, such as `client_max_window_bits`.
    pub name: &'b str,
    /// The value, if one was given.
    pub value: Option<ParamValue<'b>>,
}

/// The value of a parameter, with or without quotes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamValue<'b> {
    /// Without the quotes, with the backslashes of a quoted string.
    raw: &'b [u8],
}

impl<'b> ParamValue<'b> {
    /// The octets of the value, a token, with quotes and backslashes taken away.
    pub fn octets(self) -> impl Iterator<Item = u8> + use<'b> {
        // A backslash is no token octet, so each one left is an escape.
        self.raw.iter().copied().filter(|&octet| octet != b'\\')
    }

    /// Whether the value is `text`.
    pub fn is(self, text: &str) -> bool {
        self.octets().eq(text.bytes())
    }
}

/// A value that does not follow the grammar of `Sec-WebSocket-Extensions` (RFC 6455 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InvalidExtension;

impl fmt::Display for InvalidExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sec-WebSocket-Extensions is malformed")
    }
}

impl core::error::Error for InvalidExtension {}

/// What is left to read.
#[derive(Clone, Copy, Debug)]
struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    /// An extension and the comma or the end behind it.
    fn extension(&mut self) -> Option<Extension<'b>> {
        // RFC 6455 9.1: extension = extension-token *( ";" extension-param )
        let name = self.token()?;
        let start = self.0;
        while self.param()?.is_some() {}
        let params = start.get(..start.len().checked_sub(self.0.len())?)?;
        (self.0.is_empty() || self.0.starts_with(b",")).then_some(Extension { name, params })
    }

    /// A parameter with the semicolon before it: `None` when malformed, `Some(None)` when there is none.
    fn param(&mut self) -> Option<Option<Param<'b>>> {
        self.skip_space();
        if !self.eat(b';') {
            return Some(None);
        }
        self.skip_space();
        let name = self.token()?;
        self.skip_space();
        if !self.eat(b'=') {
            return Some(Some(Param { name, value: None }));
        }
        self.skip_space();
        let raw = if self.eat(b'"') { self.quoted()? } else { self.token()?.as_bytes() };
        Some(Some(Param { name, value: Some(ParamValue { raw }) }))
    }

    fn token(&mut self) -> Option<&'b str> {
        let end = self.0.iter().position(|&octet| !is_token(octet)).unwrap_or(self.0.len());
        let (front, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        token(front)
    }

    /// A quoted string up to its closing quote, which is taken.
    ///
    /// RFC 6455 9.1: the value must be a token once it is unescaped.
    fn quoted(&mut self) -> Option<&'b [u8]> {
        let start = self.0;
        loop {
            match self.0 {
                [b'"', rest @ ..] => {
                    let raw = start.get(..start.len().checked_sub(self.0.len())?)?;
                    self.0 = rest;
                    return (!raw.is_empty()).then_some(raw);
                }
                [b'\\', octet, rest @ ..] if is_token(*octet) => self.0 = rest,
                [octet, rest @ ..] if is_token(*octet) => self.0 = rest,
                _ => return None,
            }
        }
    }

    fn eat(&mut self, octet: u8) -> bool {
        match self.0 {
            [first, rest @ ..] if *first == octet => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn skip_space(&mut self) {
        while let [first, rest @ ..] = self.0
            && is_space(*first)
        {
            self.0 = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    type Parsed = Vec<(String, Vec<(String, Option<String>)>)>;

    fn read(value: &str) -> Result<Parsed, InvalidExtension> {
        let text = |value: ParamValue<'_>| value.octets().map(char::from).collect();
        let param = |param: Param<'_>| (param.name.into(), param.value.map(text));
        Extensions::parse(value.as_bytes())
            .map(|extension| {
                extension.map(|extension| (extension.name().into(), extension.params().map(param).collect()))
            })
            .collect()
    }

    fn written(extensions: &Parsed) -> String {
        let mut text = String::new();
        for (name, params) in extensions {
            text += name;
            for (name, value) in params {
                text += ";";
                text += name;
                if let Some(value) = value {
                    text += "=";
                    text += value;
                }
            }
            text += ",";
        }
        text
    }

    // RFC 6455 9.1: the grammar and its examples
    #[test]
    fn lists_are_read() {
        for (value, expected) in [
            ("", ""),
            (" ,, ", ""),
            ("foo", "foo,"),
            ("foo, bar; baz=2", "foo,bar;baz=2,"),
            ("bar; baz=2,foo", "bar;baz=2,foo,"),
            ("deflate-stream", "deflate-stream,"),
            (
                "mux; max-channels=4; flow-control, deflate-stream",
                "mux;max-channels=4;flow-control,deflate-stream,",
            ),
            ("private-extension", "private-extension,"),
            ("a;b=\"c\"", "a;b=c,"),
            ("a;b=\"\\c\\1\"", "a;b=c1,"),
            ("a \t; b = 1 ; c\t, ,d ", "a;b=1;c,d,"),
            ("a;b;b=1;b", "a;b;b=1;b,"),
        ] {
            assert_eq!(read(value).as_ref().map(written).as_deref(), Ok(expected), "{value}");
        }
    }

    // RFC 6455 9.1: a value that does not conform fails the connection
    #[test]
    fn malformed_lists_are_refused() {
        for value in [
            ";",
            "=",
            "a;",
            "a;;b",
            "a;,b",
            "a;b=",
            "a;b=,c",
            "a=b",
            "a b",
            "a;b c",
            "a;b=c d",
            "a;b=\"",
            "a;b=\"c",
            "a;b=\"c\\",
            "a;b=\"c\\\"",
            "a;b=\"\"",
            "a;b=\"c,d\"",
            "a;b=\"c d\"",
            "a;b=\"c\"d",
            "a;b=\"\\\"\"",
            "\"a\"",
            "a;\"b\"",
            "a;b=\u{e9}",
            "x, a/b",
        ] {
            assert_eq!(read(value), Err(InvalidExtension), "{value}");
        }
    }

    #[test]
    fn one_error_ends_the_list() {
        let mut list = Extensions::parse(b"a, b c, d");
        assert!(list.next().is_some_and(|first| first.is_ok_and(|first| first.name() == "a")));
        assert_eq!(list.next(), Some(Err(InvalidExtension)));
        assert_eq!(list.next(), None);
    }

    #[test]
    fn values_are_compared_unescaped() {
        let value = |raw: &'static str| ParamValue { raw: raw.as_bytes() };
        assert!(value("15").is("15"));
        assert!(value("\\15").is("15"));
        assert!(!value("15").is("1"));
        assert!(!value("1").is("15"));
    }
}
