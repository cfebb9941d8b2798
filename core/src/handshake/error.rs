//! Why a request is refused, and the HTTP status that says so.

use super::server::Response;
use core::fmt;

/// What is wrong with a request, in the order in which a server looks (RFC 6455 4.2.1, 4.2.2).
///
/// The faults of a head as such (the first ones, up to [`TargetTooLong`](Self::TargetTooLong)) are also what
/// a client can find in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[repr(u8)]
pub enum HandshakeError {
    /// 400: the first line is not a request line, or its target is not of a form that HTTP knows
    /// (RFC 9112 3).
    InvalidStartLine,
    /// 400: a header line without a colon, or a name that is not a token (RFC 9112 5.1).
    InvalidHeader,
    /// 400: a carriage return without a line feed or a line feed without a carriage return (RFC 9112 2.2).
    BareLineBreak,
    /// 400: a header line that begins with a space: obsolete line folding (RFC 9112 5.2).
    LineFolding,
    /// 400: a control character, NUL among them (RFC 9110 5.5).
    ControlCharacter,
    /// 505: a version of HTTP other than 1.1 (RFC 9110 15.6.6).
    UnsupportedHttpVersion,
    /// 431: the head is larger than the limit (RFC 6585 5).
    HeadTooLarge,
    /// 431: more header lines than the limit or than the slots lent (RFC 6585 5).
    TooManyHeaders,
    /// 414: the request target is longer than the limit (RFC 9110 15.5.15).
    TargetTooLong,
    /// 405: the method is not GET (RFC 6455 4.2.1).
    MethodNotGet,
    /// 400: `Connection` does not list `upgrade` (RFC 6455 4.2.1).
    NoConnectionUpgrade,
    /// 426: `Upgrade` does not list `websocket` (RFC 6455 4.2.1).
    NoUpgradeWebSocket,
    /// 426: `Sec-WebSocket-Version` is not 13 (RFC 6455 4.2.2, 4.4).
    UnsupportedVersion,
    /// 400: `Sec-WebSocket-Version` is missing or given twice (RFC 6455 4.2.1, 11.3.5).
    InvalidVersion,
    /// 400: `Host` is missing, given twice or not an authority (RFC 9112 3.2).
    InvalidHost,
    /// 400: `Sec-WebSocket-Key` is missing, given twice or not the base64 of 16 octets (RFC 6455 4.2.1).
    InvalidKey,
    /// 400: a request body is announced: `Content-Length` other than 0 or any `Transfer-Encoding`.
    RequestBody,
    /// 400: `Sec-WebSocket-Protocol` is not a list of tokens (RFC 6455 4.3).
    InvalidProtocols,
    /// 400: `Sec-WebSocket-Extensions` is not a list of extensions (RFC 6455 9.1).
    InvalidExtensions,
    /// 403: the [`OriginPolicy`](super::OriginPolicy) refuses the origin (RFC 6455 10.2).
    OriginRefused,
}

impl HandshakeError {
    /// The HTTP status that answers it.
    pub const fn status(self) -> u16 {
        match self {
            Self::UnsupportedHttpVersion => 505,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::TargetTooLong => 414,
            Self::MethodNotGet => 405,
            Self::NoUpgradeWebSocket | Self::UnsupportedVersion => 426,
            Self::OriginRefused => 403,
            Self::InvalidStartLine
            | Self::InvalidHeader
            | Self::BareLineBreak
            | Self::LineFolding
            | Self::ControlCharacter
            | Self::NoConnectionUpgrade
            | Self::InvalidVersion
            | Self::InvalidHost
            | Self::InvalidKey
            | Self::RequestBody
            | Self::InvalidProtocols
            | Self::InvalidExtensions => 400,
        }
    }

    /// The whole answer: the status, the headers that it demands and a line of plain text that says why.
    pub const fn rejection(self) -> Response<'static> {
        // RFC 9110 15.5.6: a 405 names the methods that are allowed
        const ALLOW: &[(&str, &str)] = &[("Allow", "GET")];
        // RFC 9110 15.5.22: a 426 names the protocol; RFC 6455 4.4: and the version that the server speaks
        const UPGRADE: &[(&str, &str)] = &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];
        let headers = match self.status() {
            405 => ALLOW,
            426 => UPGRADE,
            _ => &[],
        };
        Response::new(self.status()).with_headers(headers).with_body(self.text().as_bytes())
    }

    const fn text(self) -> &'static str {
        match self {
            Self::InvalidStartLine => "the first line is malformed\n",
            Self::InvalidHeader => "a header line is malformed\n",
            Self::BareLineBreak => "a line does not end with CR LF\n",
            Self::LineFolding => "a header line begins with a space\n",
            Self::ControlCharacter => "the head contains a control character\n",
            Self::UnsupportedHttpVersion => "the version of HTTP must be 1.1\n",
            Self::HeadTooLarge => "the head is too large\n",
            Self::TooManyHeaders => "there are too many headers\n",
            Self::TargetTooLong => "the request target is too long\n",
            Self::MethodNotGet => "the method of a WebSocket handshake must be GET\n",
            Self::NoConnectionUpgrade => "the Connection header does not list upgrade\n",
            Self::NoUpgradeWebSocket => "the Upgrade header does not list websocket\n",
            Self::UnsupportedVersion => "Sec-WebSocket-Version must be 13\n",
            Self::InvalidVersion => "exactly one Sec-WebSocket-Version is needed\n",
            Self::InvalidHost => "exactly one valid Host is needed\n",
            Self::InvalidKey => "exactly one Sec-WebSocket-Key, the base64 of 16 octets, is needed\n",
            Self::RequestBody => "a WebSocket handshake must not have a body\n",
            Self::InvalidProtocols => "Sec-WebSocket-Protocol is malformed\n",
            Self::InvalidExtensions => "Sec-WebSocket-Extensions is malformed\n",
            Self::OriginRefused => "this origin is not allowed\n",
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().trim_ascii_end())
    }
}

impl core::error::Error for HandshakeError {}
