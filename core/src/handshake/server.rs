//! The server's side of the handshake: reads a request, judges it and writes the 101 (RFC 6455 4.2).
//!
//! [`Request::parse`] knows HTTP only, so that a plain request such as `GET /health` can be answered with a
//! [`Response`]. [`Request::check`] knows WebSocket.

use super::error::HandshakeError;
use super::fields::{self, Fields, Slot, is_header, is_reserved};
use super::head::check_head;
use super::key::{AcceptKey, accept_key, parse_key};
use super::origin::OriginPolicy;
use super::output::whole;
pub use super::response::{Rejection, Response, ResponseError};
use super::start_line::{absolute, is_target};
use super::uri::is_authority;
use crate::extension::{Extension, Extensions};
use crate::octet::{split_before, split_once, token};
use httparse::{Error, Status};

/// An HTTP/1.1 request whose head is well-formed. Text and values borrow from the head.
#[derive(Clone, Copy, Debug)]
pub struct Request<'b, 'h> {
    method: &'b str,
    target: &'b str,
    fields: Fields<'b, 'h>,
}

impl<'b, 'h> Request<'b, 'h> {
    /// Parses `head`: exactly the octets of the head, as [`HeadScanner`](super::HeadScanner) found them.
    ///
    /// One slot is needed for each header, and there may be 128 of them. While it runs it takes stack: half a
    /// KiB if up to 16 slots are lent, 2 KiB up to 64, else 4 KiB (half as much on a 32-bit machine).
    ///
    /// # Errors
    /// In this order: a malformed line (400), another version than HTTP/1.1 (505), too few slots or more than
    /// 128 headers (431).
    pub fn parse(head: &'b [u8], slots: &'h mut [Slot]) -> Result<Self, HandshakeError> {
        check_head(head)?;
        fields::with_headers(slots.len(), |headers| {
            let mut request = httparse::Request::new(headers);
            match (request.parse(head), request.version) {
                // RFC 9110 15.6.6: 505 for a version that is not supported; httparse knows 1.0 and 1.1 only
                (Err(Error::Version), _) | (_, Some(0)) => Err(HandshakeError::UnsupportedHttpVersion),
                (Ok(Status::Complete(_)), _) => Ok(()),
                (Err(Error::TooManyHeaders), _) => Err(HandshakeError::TooManyHeaders),
                _ => Err(HandshakeError::InvalidStartLine),
            }?;
            let fields = Fields::note(head, request.headers, slots)?;
            let (method, target) =
                request.method.zip(request.path).ok_or(HandshakeError::InvalidStartLine)?;
            Ok(Self { method, target, fields })
        })
    }

    /// A request whose head somebody else has read: an HTTP library that knows method, target and headers.
    ///
    /// The values are without the spaces around them. That the version of HTTP is 1.1 is for the caller to see
    /// to: another one is answered with
    /// [`UnsupportedHttpVersion`](HandshakeError::UnsupportedHttpVersion).
    ///
    /// ```
    /// use tightwire::handshake::server::{Acceptance, Request};
    /// use tightwire::handshake::{HandshakeError, OriginPolicy};
    ///
    /// let headers: [(&str, &[u8]); 5] = [
    ///     ("host", b"example.com"),
    ///     ("connection", b"Upgrade"),
    ///     ("upgrade", b"websocket"),
    ///     ("sec-websocket-version", b"13"),
    ///     ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    /// ];
    /// let upgrade = Request::from_parts("GET", "/chat", &headers)?.check(&OriginPolicy::SameHost)?;
    /// let mut answer = Vec::new();
    /// let mut header = |name: &str, value: &str| answer.push(format!("{name}: {value}"));
    /// upgrade.answer(&Acceptance::default(), &mut header).expect("a valid answer");
    /// assert_eq!(answer[2], "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    /// # Ok::<(), HandshakeError>(())
    /// ```
    ///
    /// # Errors
    /// What could not have stood in the head of a request: a method or a target (400), a name or a value (400).
    pub fn from_parts(
        method: &'b str,
        target: &'b str,
        headers: &'h [(&'b str, &'b [u8])],
    ) -> Result<Self, HandshakeError> {
        if token(method.as_bytes()).is_none() || !is_target(method, target) {
            return Err(HandshakeError::InvalidStartLine);
        }
        Ok(Self { method, target, fields: Fields::split(headers)? })
    }

    /// The method, such as `GET`.
    pub const fn method(&self) -> &'b str {
        self.method
    }

    /// The request target as it was sent: path and query, or an absolute URI.
    pub const fn target(&self) -> &'b str {
        self.target
    }

    /// The path, without the query. It is not decoded or normalised.
    pub fn path(&self) -> &'b str {
        let (path, _) = split_before(self.resource(), b"?");
        if path.is_empty() { "/" } else { path }
    }

    /// What follows the first `?` of the target, if there is one.
    pub fn query(&self) -> Option<&'b str> {
        split_once(self.resource(), b'?').map(|(_, query)| query)
    }

    /// Host and port that the request is meant for, from the target if it is absolute, else from `Host`.
    /// `None` if `Host` is missing, given twice or malformed.
    ///
    /// RFC 9112 3.2.2: the authority of an absolute target replaces `Host`.
    pub fn host(&self) -> Option<&'b str> {
        let host = core::str::from_utf8(self.fields.only("Host")?).ok()?;
        // RFC 9112 3.2: an invalid Host is refused like a missing one
        is_authority(host).then_some(absolute(self.target).map_or(host, |(authority, _)| authority))
    }

    /// The value of `Origin`, the first one if it is repeated; `None` also if it is not text.
    pub fn origin(&self) -> Option<&'b str> {
        self.text("Origin")
    }

    /// The value of the first header with this name, in any case, without the spaces around it.
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.fields.values(name).next()
    }

    /// Like [`header`](Self::header), as text; `None` also if it is not UTF-8.
    pub fn text(&self, name: &str) -> Option<&'b str> {
        self.fields.text(name)
    }

    /// The values of all headers with this name, in any case.
    pub fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'b [u8]> + use<'b, 'h, 'n> {
        self.fields.values(name)
    }

    /// All headers in their order, names as they were sent.
    pub fn headers(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> + use<'b, 'h> {
        self.fields.iter()
    }

    /// The subprotocols that the client offers, in its order of preference.
    pub fn protocols(&self) -> impl Iterator<Item = &'b str> + use<'b, 'h> {
        self.fields.tokens(fields::PROTOCOL)
    }

    /// The offered subprotocol that the client prefers among those that the server supports.
    pub fn client_choice(&self, supported: &[&str]) -> Option<&'b str> {
        self.protocols().find(|offered| supported.contains(offered))
    }

    /// The offered subprotocol that comes first in the server's list.
    pub fn server_choice<'s>(&self, supported: &[&'s str]) -> Option<&'s str> {
        supported.iter().copied().find(|wanted| self.protocols().any(|offered| offered == *wanted))
    }

    /// The extensions that the client offers, over all header lines. The list ends where it is malformed;
    /// [`check`](Self::check) refuses such a request.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'b>> + use<'b, 'h> {
        self.fields.extensions().map_while(Result::ok)
    }

    /// Whether the client asks for WebSocket, well or badly. If not, the request is plain HTTP.
    pub fn wants_websocket(&self) -> bool {
        self.fields.lists("Connection", "upgrade") && self.fields.lists("Upgrade", "websocket")
    }

    /// Judges the request as the opening of a WebSocket connection.
    ///
    /// # Errors
    /// The first fault, in this order: the method (405), `Connection` (400), `Upgrade` (426), the version
    /// (426; 400 if it is missing or repeated), `Host`, the key, a body, malformed subprotocols or extensions
    /// (400), the origin (403).
    pub fn check(self, policy: &OriginPolicy<'_>) -> Result<Upgrade<'b, 'h>, HandshakeError> {
        // RFC 6455 4.2.1, item 1: a GET request
        if self.method != "GET" {
            return Err(HandshakeError::MethodNotGet);
        }
        // RFC 6455 4.2.1, item 4: Connection includes the token "Upgrade", in any case
        if !self.fields.lists("Connection", "upgrade") {
            return Err(HandshakeError::NoConnectionUpgrade);
        }
        // RFC 6455 4.2.1, item 3: Upgrade includes the value "websocket", in any case
        if !self.fields.lists("Upgrade", "websocket") {
            return Err(HandshakeError::NoUpgradeWebSocket);
        }
        // RFC 6455 4.2.1, item 6, and 11.3.5: one Sec-WebSocket-Version; 4.2.2, 4.4: it is 13
        let version = self.fields.only(fields::VERSION).ok_or(HandshakeError::InvalidVersion)?;
        if version != b"13" {
            return Err(HandshakeError::UnsupportedVersion);
        }
        // RFC 6455 4.2.1, item 2, and RFC 9112 3.2: one valid Host
        if self.host().is_none() {
            return Err(HandshakeError::InvalidHost);
        }
        // RFC 6455 4.2.1, item 5: one key, the base64 of 16 octets
        let key = self.fields.only(fields::KEY).and_then(parse_key).ok_or(HandshakeError::InvalidKey)?;
        // A body would stand where the first frame is expected: the start of request smuggling
        let zero = |value: &[u8]| !value.is_empty() && value.iter().all(|&octet| octet == b'0');
        if !self.values("Content-Length").all(zero) || self.header("Transfer-Encoding").is_some() {
            return Err(HandshakeError::RequestBody);
        }
        // RFC 6455 4.2.1: what violates the grammar of the handshake is refused
        if self.fields.elements(fields::PROTOCOL).any(|element| token(element).is_none()) {
            return Err(HandshakeError::InvalidProtocols);
        }
        // RFC 6455 9.1: malformed extensions fail the connection
        if self.fields.extensions().any(|extension| extension.is_err()) {
            return Err(HandshakeError::InvalidExtensions);
        }
        // RFC 6455 4.2.2, item 4, and 10.2: 403 for an origin that is not acceptable
        if !policy.allows(&self) {
            return Err(HandshakeError::OriginRefused);
        }
        Ok(Upgrade { request: self, key })
    }

    /// Path and query.
    fn resource(&self) -> &'b str {
        absolute(self.target).map_or(self.target, |(_, resource)| resource)
    }
}

/// What the server answers to an accepted client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Acceptance<'a> {
    /// The subprotocol, one of those that the client offered.
    pub protocol: Option<&'a str>,
    /// The value of `Sec-WebSocket-Extensions`: extensions that the client offered, with their parameters.
    pub extensions: Option<&'a str>,
    /// More response headers, such as `Set-Cookie`.
    pub headers: &'a [(&'a str, &'a str)],
}

impl Acceptance<'_> {
    fn each_header(&self, accept: &AcceptKey, mut header: impl FnMut(&str, &str)) {
        // RFC 6455 4.2.2, item 5
        header("Upgrade", "websocket");
        header("Connection", "Upgrade");
        header(fields::ACCEPT, accept.as_str());
        if let Some(protocol) = self.protocol {
            header(fields::PROTOCOL, protocol);
        }
        if let Some(extensions) = self.extensions {
            header(fields::EXTENSIONS, extensions);
        }
        for (name, value) in self.headers {
            header(name, value);
        }
    }
}

/// A request that may become a WebSocket connection.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade<'b, 'h> {
    request: Request<'b, 'h>,
    key: [u8; 24],
}

impl<'b, 'h> Upgrade<'b, 'h> {
    /// The request.
    pub const fn request(&self) -> &Request<'b, 'h> {
        &self.request
    }

    /// The value of `Sec-WebSocket-Accept` for this request.
    pub fn accept_key(&self) -> AcceptKey {
        accept_key(&self.key)
    }

    /// Writes the 101 response into `out` and returns its length in octets. The connection is open once it
    /// is sent.
    ///
    /// # Errors
    /// [`ResponseError`]; `out` is unchanged then.
    pub fn accept(&self, acceptance: &Acceptance<'_>, out: &mut [u8]) -> Result<usize, ResponseError> {
        self.guard(acceptance)?;
        let accept = self.accept_key();
        whole(out, |output| {
            // RFC 6455 4.2.2, item 5
            output.put("HTTP/1.1 101 Switching Protocols\r\n");
            acceptance.each_header(&accept, |name, value| output.put_header(name, value));
            output.put("\r\n");
        })
        .map_err(ResponseError::NeedsSpace)
    }

    /// Tells the headers of the 101 response, name and value of one after the other, for whoever writes it by
    /// other means.
    ///
    /// # Errors
    /// [`ResponseError`], but never for want of space; `header` was not called then.
    pub fn answer(
        &self,
        acceptance: &Acceptance<'_>,
        header: impl FnMut(&str, &str),
    ) -> Result<(), ResponseError> {
        self.guard(acceptance)?;
        acceptance.each_header(&self.accept_key(), header);
        Ok(())
    }

    /// Checks what the application wants to answer.
    fn guard(&self, acceptance: &Acceptance<'_>) -> Result<(), ResponseError> {
        // RFC 6455 4.2.2, item 5.5: a subprotocol that the client offered
        if let Some(protocol) = acceptance.protocol
            && !self.request.protocols().any(|offered| offered == protocol)
        {
            return Err(ResponseError::ProtocolNotOffered);
        }
        // RFC 6455 4.2.2, item 5.6: extensions that the client offered
        for extension in Extensions::parse(acceptance.extensions.unwrap_or_default().as_bytes()) {
            let extension = extension.map_err(|_| ResponseError::ExtensionNotOffered)?;
            if !self.request.extensions().any(|offered| offered.name() == extension.name()) {
                return Err(ResponseError::ExtensionNotOffered);
            }
        }
        for (name, value) in acceptance.headers {
            if is_reserved(name) {
                return Err(ResponseError::ReservedHeader);
            }
            if !is_header(name, value) {
                return Err(ResponseError::InvalidHeader);
            }
        }
        Ok(())
    }
}
