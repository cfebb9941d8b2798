//! The client's side of the handshake: writes a request and verifies the response (RFC 6455 4.1).
//!
//! ```
//! use tightwire::handshake::Slot;
//! use tightwire::handshake::client::{Offer, Response};
//! use tightwire::handshake::uri::Uri;
//!
//! let uri = Uri::parse("ws://server.example.com/chat").expect("a WebSocket URI");
//! let offer = Offer::new(uri.authority(), uri.target()).with_protocols(&["chat", "superchat"]);
//! let nonce = *b"the sample nonce"; // 16 random octets, fresh for each connection
//! let mut out = [0; 512];
//! let length = offer.write(nonce, &mut out).expect("a valid offer and room for it");
//! assert!(out[..length].starts_with(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"));
//!
//! // A `HeadScanner` finds the end of the answer.
//! let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
//! let mut slots = [Slot::EMPTY; 64];
//! let response = Response::parse(head, &mut slots).expect("an HTTP response");
//! let accepted = offer.verify(&response, nonce).expect("an open connection");
//! assert_eq!(accepted.protocol(), Some("chat"));
//! ```

use super::error::HandshakeError;
use super::fields::{self, Fields, Slot, is_header, is_reserved};
use super::head::check_head;
use super::key::{accept_key, key_of};
use super::output::whole;
use super::uri::is_authority;
use crate::extension::{Extension, Extensions};
use crate::octet::{is_visible, token};
use core::fmt;
use httparse::{Error, Status};

/// What a client asks for.
#[derive(Clone, Copy)]
pub struct Offer<'a> {
    /// The value of `Host`: the host, and the port unless it is the default of the scheme.
    pub host: &'a str,
    /// Path and query, percent-encoded. An empty path stands for `/`.
    pub target: &'a str,
    /// The value of `Origin`. Browsers have one; other programs rarely need it.
    pub origin: Option<&'a str>,
    /// The subprotocols, the preferred one first.
    pub protocols: &'a [&'a str],
    /// The value of `Sec-WebSocket-Extensions`.
    pub extensions: Option<&'a str>,
    /// More headers, such as `Cookie` and `Authorization`.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Offer<'a> {
    /// An offer of neither subprotocols nor extensions.
    pub const fn new(host: &'a str, target: &'a str) -> Self {
        Self { host, target, origin: None, protocols: &[], extensions: None, headers: &[] }
    }

    /// The same offer with this `Origin`.
    #[must_use]
    pub const fn with_origin(self, origin: &'a str) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// The same offer with these subprotocols, the preferred one first.
    #[must_use]
    pub const fn with_protocols(self, protocols: &'a [&'a str]) -> Self {
        Self { protocols, ..self }
    }

    /// The same offer with these extensions, as in `Sec-WebSocket-Extensions`.
    #[must_use]
    pub const fn with_extensions(self, extensions: &'a str) -> Self {
        Self { extensions: Some(extensions), ..self }
    }

    /// The same offer with these headers besides those of the handshake.
    #[must_use]
    pub const fn with_headers(self, headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { headers, ..self }
    }

    /// Writes the request into `out` and returns its length in octets.
    ///
    /// `nonce` is random and fresh for each connection (RFC 6455 4.1, step 7). [`verify`](Self::verify) wants
    /// it again.
    ///
    /// # Errors
    /// [`OfferError`]; `out` is unchanged then.
    pub fn write(&self, nonce: [u8; 16], out: &mut [u8]) -> Result<usize, OfferError> {
        self.check()?;
        let key = key_of(nonce);
        whole(out, |output| {
            // RFC 6455 4.1: the requirements for the client's opening handshake
            output.put("GET ");
            if !self.target.starts_with('/') {
                output.put("/");
            }
            output.put(self.target);
            output.put(" HTTP/1.1\r\n");
            output.put_header("Host", self.host);
            output.put("Upgrade: websocket\r\nConnection: Upgrade\r\n");
            output.put_header(fields::KEY, key);
            output.put_header(fields::VERSION, "13");
            if let Some(origin) = self.origin {
                output.put_header("Origin", origin);
            }
            if let Some((first, others)) = self.protocols.split_first() {
                output.put(fields::PROTOCOL);
                output.put(": ");
                output.put(first);
                for protocol in others {
                    output.put(", ");
                    output.put(protocol);
                }
                output.put("\r\n");
            }
            if let Some(extensions) = self.extensions {
                output.put_header(fields::EXTENSIONS, extensions);
            }
            for (name, value) in self.headers {
                output.put_header(name, value);
            }
            output.put("\r\n");
        })
        .map_err(OfferError::NeedsSpace)
    }

    /// Judges the response to this offer, which was written with the same `nonce`.
    ///
    /// # Errors
    /// The first fault, in the order of RFC 6455 4.1. After [`AnswerError::Status`] the response says more:
    /// its headers, and the start of the body in what follows the head.
    pub fn verify<'b, 'h>(
        &self,
        response: &Response<'b, 'h>,
        nonce: [u8; 16],
    ) -> Result<Accepted<'b, 'h>, AnswerError> {
        let fields = response.fields;
        // RFC 6455 4.1, item 1: any status but 101 is handled as HTTP says
        if response.status != 101 {
            return Err(AnswerError::Status(response.status));
        }
        // RFC 9110 15.2: HTTP/1.0 knows no status of 1xx
        if response.minor_version == 0 {
            return Err(AnswerError::HttpVersion);
        }
        // RFC 6455 4.1, item 2: Upgrade is "websocket", in any case
        if !fields.lists("Upgrade", "websocket") {
            return Err(AnswerError::NoUpgradeWebSocket);
        }
        // RFC 6455 4.1, item 3: Connection includes the token "Upgrade", in any case
        if !fields.lists("Connection", "upgrade") {
            return Err(AnswerError::NoConnectionUpgrade);
        }
        // RFC 6455 4.1, item 4: the answer to our key, once
        let accept = fields.only(fields::ACCEPT);
        if accept != Some(accept_key(&key_of(nonce)).as_bytes().as_slice()) {
            return Err(AnswerError::InvalidAccept);
        }
        // RFC 6455 4.1, item 5: no extension that was not offered
        self.verify_extensions(fields)?;
        // RFC 6455 4.1, item 6: no subprotocol that was not offered; 11.3.4: at most one, in one header
        let protocol = match fields.values(fields::PROTOCOL).next() {
            None => None,
            Some(_) => {
                let protocol = fields.only(fields::PROTOCOL).and_then(|text| core::str::from_utf8(text).ok());
                let offered = |protocol: &&str| self.protocols.contains(protocol);
                Some(protocol.filter(offered).ok_or(AnswerError::ProtocolNotOffered)?)
            }
        };
        Ok(Accepted { response: *response, protocol })
    }

    fn verify_extensions(&self, fields: Fields<'_, '_>) -> Result<(), AnswerError> {
        let offers = |name: &str| self.offered_extensions().any(|offered| offered.name() == name);
        for (index, extension) in fields.extensions().enumerate() {
            let extension = extension.map_err(|_| AnswerError::InvalidExtensions)?;
            if !offers(extension.name()) {
                return Err(AnswerError::ExtensionNotOffered);
            }
            // An extension is accepted once. The answer up to here is as short as the offer, so this is, too.
            let mut earlier = fields.extensions().take(index).map_while(Result::ok);
            if earlier.any(|earlier| earlier.name() == extension.name()) {
                return Err(AnswerError::InvalidExtensions);
            }
        }
        Ok(())
    }

    fn offered_extensions(&self) -> impl Iterator<Item = Extension<'a>> + use<'a> {
        Extensions::parse(self.extensions.unwrap_or_default().as_bytes()).map_while(Result::ok)
    }

    fn check(&self) -> Result<(), OfferError> {
        if !is_authority(self.host) {
            return Err(OfferError::InvalidHost);
        }
        // RFC 6455 3, RFC 9112 3.2.1: path and query without a fragment
        let visible = self.target.bytes().all(|octet| is_visible(octet) && octet != b'#');
        if !visible || !(self.target.is_empty() || self.target.starts_with(['/', '?'])) {
            return Err(OfferError::InvalidTarget);
        }
        if self.origin.is_some_and(|origin| origin.is_empty() || !is_header("Origin", origin)) {
            return Err(OfferError::InvalidOrigin);
        }
        // RFC 6455 4.1, step 10: tokens, each of them once
        for (index, protocol) in self.protocols.iter().enumerate() {
            let earlier = self.protocols.get(..index).unwrap_or_default();
            if token(protocol.as_bytes()).is_none() || earlier.contains(protocol) {
                return Err(OfferError::InvalidProtocol);
            }
        }
        if let Some(extensions) = self.extensions {
            let mut extensions = Extensions::parse(extensions.as_bytes()).peekable();
            if extensions.peek().is_none() || extensions.any(|extension| extension.is_err()) {
                return Err(OfferError::InvalidExtensions);
            }
        }
        for (name, value) in self.headers {
            let reserved =
                is_reserved(name) || ["Host", "Origin"].iter().any(|r| name.eq_ignore_ascii_case(r));
            if reserved {
                return Err(OfferError::ReservedHeader);
            }
            if !is_header(name, value) {
                return Err(OfferError::InvalidHeader);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Offer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Targets and header values may be credentials, so they are not printed.
        f.debug_struct("Offer").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Why an offer cannot be written. Nothing has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OfferError {
    /// The output lent is too small: lend this many octets and call again.
    NeedsSpace(usize),
    /// The host is not a host with or without a port.
    InvalidHost,
    /// The target is not a path and query, or holds a space, a control character or a fragment.
    InvalidTarget,
    /// The origin is empty or holds a control character.
    InvalidOrigin,
    /// A subprotocol is not a token or is given twice.
    InvalidProtocol,
    /// The extensions do not follow the grammar of RFC 6455 9.1.
    InvalidExtensions,
    /// A header name that is not a token, or a value with a line break or another control character.
    InvalidHeader,
    /// A header that the handshake or the framing of HTTP writes by itself.
    ReservedHeader,
}

impl fmt::Display for OfferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeedsSpace(octets) => return write!(f, "the output needs {octets} octets of room"),
            Self::InvalidHost => "the host is malformed",
            Self::InvalidTarget => "the target is not a path and query",
            Self::InvalidOrigin => "the origin is malformed",
            Self::InvalidProtocol => "a subprotocol is not a token or is given twice",
            Self::InvalidExtensions => "the extensions are malformed",
            Self::InvalidHeader => "a request header holds a character that it must not hold",
            Self::ReservedHeader => "a request header is one that the handshake writes by itself",
        })
    }
}

impl core::error::Error for OfferError {}

/// A response whose head is well-formed. Text and values borrow from the head.
#[derive(Clone, Copy, Debug)]
pub struct Response<'b, 'h> {
    minor_version: u8,
    status: u16,
    reason: &'b str,
    fields: Fields<'b, 'h>,
}

impl<'b, 'h> Response<'b, 'h> {
    /// Parses `head`: exactly the octets of the head, as [`HeadScanner`](super::HeadScanner) found them.
    ///
    /// One slot is needed for each header, and there may be 128 of them. While it runs it takes stack: half a
    /// KiB if up to 16 slots are lent, 2 KiB up to 64, else 4 KiB (half as much on a 32-bit machine).
    ///
    /// # Errors
    /// [`AnswerError::Head`] for a malformed head, another version than HTTP/1.0 or HTTP/1.1, too few slots or
    /// more than 128 headers.
    pub fn parse(head: &'b [u8], slots: &'h mut [Slot]) -> Result<Self, AnswerError> {
        check_head(head)?;
        fields::with_headers(slots.len(), |headers| {
            let mut response = httparse::Response::new(headers);
            let parsed = response.parse(head);
            // RFC 9110 15: a status is from 100 on
            let status = response.code.filter(|&status| status >= 100);
            let (Some(minor_version), Some(status)) = (response.version, status) else {
                return Err(HandshakeError::InvalidStartLine.into());
            };
            match parsed {
                Ok(Status::Complete(_)) => {}
                Err(Error::TooManyHeaders) => return Err(HandshakeError::TooManyHeaders.into()),
                _ => return Err(HandshakeError::InvalidStartLine.into()),
            }
            let reason = response.reason.filter(|reason| !reason.is_empty());
            let reason = reason.unwrap_or_else(|| reason_beyond_ascii(head));
            Ok(Self { minor_version, status, reason, fields: Fields::note(head, response.headers, slots)? })
        })
    }

    /// The status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase; empty if there is none or it is not text.
    pub const fn reason(&self) -> &'b str {
        self.reason
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
}

/// A response that opens the connection. What follows its head is the first frame.
#[derive(Clone, Copy, Debug)]
pub struct Accepted<'b, 'h> {
    response: Response<'b, 'h>,
    protocol: Option<&'b str>,
}

impl<'b, 'h> Accepted<'b, 'h> {
    /// The response.
    pub const fn response(&self) -> &Response<'b, 'h> {
        &self.response
    }

    /// The subprotocol that the server chose. A client that cannot do without closes when there is none.
    pub const fn protocol(&self) -> Option<&'b str> {
        self.protocol
    }

    /// The extensions that the server accepted. Whether their parameters are acceptable is for the extension
    /// to say.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'b>> + use<'b, 'h> {
        self.response.fields.extensions().map_while(Result::ok)
    }
}

/// What is wrong with a server's answer. The connection is not open (RFC 6455 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum AnswerError {
    /// The head is malformed or larger than the limits.
    Head(HandshakeError),
    /// Another status than 101: the server refuses, redirects or asks for credentials.
    Status(u16),
    /// A 101 that is not of HTTP/1.1.
    HttpVersion,
    /// `Upgrade` does not list `websocket`.
    NoUpgradeWebSocket,
    /// `Connection` does not list `upgrade`.
    NoConnectionUpgrade,
    /// `Sec-WebSocket-Accept` is missing, repeated or not the answer to the key.
    InvalidAccept,
    /// A subprotocol that was not offered, or more than one.
    ProtocolNotOffered,
    /// An extension that was not offered.
    ExtensionNotOffered,
    /// `Sec-WebSocket-Extensions` is malformed or names an extension twice.
    InvalidExtensions,
}

impl From<HandshakeError> for AnswerError {
    fn from(error: HandshakeError) -> Self {
        Self::Head(error)
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head(error) => return write!(f, "the head of the server's answer is refused: {error}"),
            Self::Status(status) => return write!(f, "the server answered with status {status}"),
            Self::HttpVersion => "the server answered 101 in another version than HTTP/1.1",
            Self::NoUpgradeWebSocket => "the server's Upgrade header does not list websocket",
            Self::NoConnectionUpgrade => "the server's Connection header does not list upgrade",
            Self::InvalidAccept => "the server's Sec-WebSocket-Accept does not answer the key",
            Self::ProtocolNotOffered => "the server chose a subprotocol that was not offered",
            Self::ExtensionNotOffered => "the server chose an extension that was not offered",
            Self::InvalidExtensions => "the server's Sec-WebSocket-Extensions is malformed",
        })
    }
}

impl core::error::Error for AnswerError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Head(error) => Some(error),
            _ => None,
        }
    }
}

/// The reason phrase of a well-formed head, when it is text. httparse leaves out one with octets above ASCII.
fn reason_beyond_ascii(head: &[u8]) -> &str {
    // RFC 9112 4: version, status and two spaces are 13 octets
    let reason = head.get(13..).and_then(|rest| rest.split(|&octet| octet == b'\r').next());
    let reason = reason.filter(|_| head.get(12) == Some(&b' '));
    reason.and_then(|reason| core::str::from_utf8(reason).ok()).unwrap_or_default()
}
