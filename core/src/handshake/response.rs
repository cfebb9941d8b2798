//! Writes the responses of a server that do not upgrade: refusals, redirects and plain answers.

use super::fields::{is_header, is_reserved};
use super::output::{Output, whole};
use core::fmt;

/// A response that ends the connection instead of upgrading it: a refusal, a redirect, or the answer to a
/// plain HTTP request such as a health check.
///
/// `Connection: close`, `Content-Length` and, if there is a body and no other type is given,
/// `Content-Type: text/plain` are written by themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    status: u16,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    head_only: bool,
}

/// A [`Response`] that refuses an upgrade.
pub type Rejection<'a> = Response<'a>;

impl<'a> Response<'a> {
    /// A response without headers and body. The status is one from 200 to 599.
    pub const fn new(status: u16) -> Self {
        Self { status, headers: &[], body: &[], head_only: false }
    }

    /// The same response with these headers and no others of the caller's.
    #[must_use]
    pub const fn with_headers(self, headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { headers, ..self }
    }

    /// The same response with this body. A status of 204 or 304 never has one, so it is left out then.
    #[must_use]
    pub const fn with_body(self, body: &'a [u8]) -> Self {
        Self { body, ..self }
    }

    /// The same response as the answer to a request with this method.
    ///
    /// RFC 9110 9.3.2: the answer to HEAD has the headers of a body, but not the body.
    #[must_use]
    pub fn answering(self, method: &str) -> Self {
        Self { head_only: method == "HEAD", ..self }
    }

    /// The status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers that the caller gave or the refusal demands.
    pub const fn headers(&self) -> &'a [(&'a str, &'a str)] {
        self.headers
    }

    /// The body.
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Writes the response into `out` and returns its length in octets.
    ///
    /// # Errors
    /// [`ResponseError`]; `out` is unchanged then.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, ResponseError> {
        self.guard()?;
        whole(out, |output| self.put(output)).map_err(ResponseError::NeedsSpace)
    }

    /// Tells the headers of the response, name and value of one after the other, for whoever writes it by other
    /// means; the length of the body and the end of the connection are for them to say.
    ///
    /// # Errors
    /// [`ResponseError`], but never for want of space; `header` was not called then.
    pub fn answer(&self, mut header: impl FnMut(&str, &str)) -> Result<(), ResponseError> {
        self.guard()?;
        // RFC 9110 7.8: a sender of Upgrade also names it in Connection
        if self.has("Upgrade") {
            header("Connection", "Upgrade");
        }
        self.each_header(header);
        Ok(())
    }

    fn guard(&self) -> Result<(), ResponseError> {
        if !(200..600).contains(&self.status) {
            return Err(ResponseError::InvalidStatus);
        }
        for (name, value) in self.headers {
            // RFC 9110 7.8: Upgrade is what a 426 has to name, so it may be given here
            if is_reserved(name) && !name.eq_ignore_ascii_case("Upgrade") && !is_version(name) {
                return Err(ResponseError::ReservedHeader);
            }
            if !is_header(name, value) {
                return Err(ResponseError::InvalidHeader);
            }
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    /// RFC 9110 15.3.5, 15.4.5: no body for 204 and 304.
    const fn is_bare(&self) -> bool {
        matches!(self.status, 204 | 304)
    }

    fn each_header(&self, mut header: impl FnMut(&str, &str)) {
        for (name, value) in self.headers {
            header(name, value);
        }
        if !self.is_bare() && !self.body.is_empty() && !self.has("Content-Type") {
            header("Content-Type", "text/plain; charset=utf-8");
        }
    }

    fn put(&self, output: &mut Output<'_>) {
        output.put("HTTP/1.1 ");
        output.put_number(usize::from(self.status));
        output.put(" ");
        output.put(reason(self.status));
        output.put("\r\n");
        // RFC 9110 7.8: a sender of Upgrade also names it in Connection
        output.put_header("Connection", if self.has("Upgrade") { "close, Upgrade" } else { "close" });
        self.each_header(|name, value| output.put_header(name, value));
        // RFC 9110 8.6: no length for 204, and none is known for 304
        if !self.is_bare() {
            output.put("Content-Length: ");
            output.put_number(self.body.len());
            output.put("\r\n");
        }
        output.put("\r\n");
        if !self.head_only && !self.is_bare() {
            output.put(self.body);
        }
    }
}

impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Header values may be cookies, so they are not printed.
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Why a response cannot be written. Nothing has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ResponseError {
    /// The output lent is too small: lend this many octets and call again.
    NeedsSpace(usize),
    /// A header name that is not a token, or a value with a line break or another control character.
    InvalidHeader,
    /// A header that the handshake or the framing of HTTP writes by itself.
    ReservedHeader,
    /// A subprotocol that the client did not offer (RFC 6455 4.2.2).
    ProtocolNotOffered,
    /// An extension that the client did not offer, or a malformed one (RFC 6455 4.2.2, 9.1).
    ExtensionNotOffered,
    /// A status outside 200 to 599.
    InvalidStatus,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsSpace(octets) => write!(f, "the output needs {octets} octets of room"),
            Self::InvalidHeader => f.write_str("a response header holds a character that it must not hold"),
            Self::ReservedHeader => {
                f.write_str("a response header is one that the handshake writes by itself")
            }
            Self::ProtocolNotOffered => f.write_str("the client did not offer this subprotocol"),
            Self::ExtensionNotOffered => f.write_str("the client did not offer this extension"),
            Self::InvalidStatus => f.write_str("the status of this response must be from 200 to 599"),
        }
    }
}

impl core::error::Error for ResponseError {}

/// RFC 6455 4.4: a refusal may list the versions that the server speaks.
fn is_version(name: &str) -> bool {
    name.eq_ignore_ascii_case(super::fields::VERSION)
}

/// The reason phrase of a status; empty when it has no common one (RFC 9110 15, RFC 6585).
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
