//! A way through an HTTP proxy by CONNECT (RFC 9110 9.3.6), and which proxy the environment names.
//!
//! How the proxy is dialled is the runtime's; what goes through the tunnel it does not know.

use crate::config::Config;
use crate::connector::ConnectError;
use crate::opening::{OpenError, Opening, SLOTS};
use crate::transport::{Transport, WriteTransport};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::net::IpAddr;
use std::io;
use tightwire::handshake::Slot;
use tightwire::handshake::client::{AnswerError, Response};
use tightwire::handshake::uri::Uri;

/// An HTTP proxy, reached in the clear, that connections go through by CONNECT.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: String,
    port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<String>,
}

/// Why there is no way through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// The URI of the proxy is malformed, or has a path.
    Uri,
    /// The proxy is not one that is spoken to by plain HTTP: its scheme is not `http`.
    Scheme,
    /// The proxy refused with this HTTP status: 407 asks for a user and a password.
    Status(u16),
    /// The answer of the proxy is malformed, or larger than [`Config::head`] allows.
    Answer(AnswerError),
    /// Octets came out of the tunnel before anything was sent into it.
    Early,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri => f.write_str("the URI of the proxy is malformed"),
            Self::Scheme => f.write_str("the proxy is not an http:// one"),
            Self::Status(status) => write!(f, "the proxy refused with status {status}"),
            Self::Answer(error) => write!(f, "the proxy's answer is refused: {error}"),
            Self::Early => f.write_str("the proxy sent octets before it was sent any"),
        }
    }
}

impl core::error::Error for ProxyError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Answer(error) => Some(error),
            _ => None,
        }
    }
}

impl Proxy {
    /// The proxy of a URI such as `http://user:password@proxy.example:3128`. Without a scheme it is `http`, without a
    /// port 80. User and password are percent-decoded and sent as Basic authentication (RFC 7617).
    ///
    /// # Errors
    /// [`ProxyError::Uri`] or [`ProxyError::Scheme`].
    pub fn parse(uri: &str) -> Result<Self, ProxyError> {
        let rest = match uri.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(ProxyError::Scheme),
            None => uri,
        };
        let (credentials, authority) = match rest.rsplit_once('@') {
            Some((credentials, authority)) => (Some(credentials), authority),
            None => (None, rest),
        };
        // Hosts and ports are those of any other URI.
        let as_websocket = format!("ws://{authority}");
        let parsed = Uri::parse(&as_websocket).map_err(|_| ProxyError::Uri)?;
        if !matches!(parsed.target(), "" | "/") {
            return Err(ProxyError::Uri);
        }
        let authorization = credentials.map(basic).transpose()?;
        Ok(Self { host: parsed.host().into(), port: parsed.port(), authorization })
    }

    /// The proxy that the environment names for a WebSocket URI, by the rules of curl: `http_proxy` for `ws` (in lower
    /// case only, since an HTTP server that runs a program sets the other one from a header), `https_proxy` or
    /// `HTTPS_PROXY` for `wss`, else `all_proxy` or `ALL_PROXY`; none for a host in `no_proxy` or `NO_PROXY`.
    ///
    /// `no_proxy` is `*` or a list of hosts, of domains, which stand for all hosts in them, and of addresses, with a
    /// prefix length or without, separated by commas or spaces.
    ///
    /// # Errors
    /// [`ProxyError`] for a variable that does not name a proxy of this kind.
    pub fn from_environment(uri: &str) -> Result<Option<Self>, ConnectError> {
        Self::from_variables(uri, |name| std::env::var(name).ok())
    }

    fn from_variables(
        uri: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ConnectError> {
        let uri = Uri::parse(uri).map_err(ConnectError::Uri)?;
        let first =
            |names: &[&str]| names.iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
        let own: &[&str] = if uri.secure() { &["https_proxy", "HTTPS_PROXY"] } else { &["http_proxy"] };
        let Some(proxy) = first(own).or_else(|| first(&["all_proxy", "ALL_PROXY"])) else { return Ok(None) };
        if first(&["no_proxy", "NO_PROXY"]).is_some_and(|list| is_exempt(uri.host(), &list)) {
            return Ok(None);
        }
        Self::parse(&proxy).map(Some).map_err(ConnectError::Proxy)
    }

    /// The host of the proxy: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port of the proxy.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Makes a tunnel to a host of `io`, a transport to the proxy.
    pub(crate) async fn tunnel<T>(
        &self,
        io: T,
        host: &str,
        port: u16,
        config: Arc<Config>,
    ) -> Result<T, ConnectError>
    where
        T: Transport + WriteTransport<Error = io::Error>,
    {
        // RFC 9110 9.3.6: the target is host and port, the port too where it is the default one
        let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(authorization) = &self.authorization {
            request.extend(["Proxy-Authorization: ", authorization.as_str(), "\r\n"]);
        }
        request.push_str("\r\n");
        let mut opening = Opening::new(io, config);
        opening.write(request.as_bytes()).await.map_err(failed)?;
        let (head, rest) = opening.answer().await.map_err(failed)?;
        let mut slots = [Slot::EMPTY; SLOTS];
        let response = Response::parse(head, &mut slots);
        let response = response.map_err(|error| ConnectError::Proxy(ProxyError::Answer(error)))?;
        // RFC 9110 9.3.6: any 2xx makes the tunnel, and what it says of a body means nothing
        match response.status() {
            200..=299 if rest.is_empty() => Ok(opening.io),
            // Client and server of TLS and of WebSocket: the client speaks first.
            200..=299 => Err(ConnectError::Proxy(ProxyError::Early)),
            status => Err(ConnectError::Proxy(ProxyError::Status(status))),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password is not printed.
        f.debug_struct("Proxy").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// What went wrong on the way to the answer of the proxy.
fn failed(error: OpenError<io::Error>) -> ConnectError {
    match error {
        OpenError::Answer(error) => ConnectError::Proxy(ProxyError::Answer(error)),
        OpenError::Ended => ConnectError::Dial(io::ErrorKind::UnexpectedEof.into()),
        OpenError::Transport(error) => ConnectError::Dial(error),
        other => ConnectError::Open(other),
    }
}

/// RFC 7617 2: user and password, with a colon between them, in base64.
fn basic(credentials: &str) -> Result<String, ProxyError> {
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let (mut octets, password) = (decoded(user)?, decoded(password)?);
    if octets.contains(&b':') {
        return Err(ProxyError::Uri);
    }
    octets.push(b':');
    octets.extend(password);
    Ok(format!("Basic {}", STANDARD.encode(octets)))
}

/// RFC 3986 2.1: octets as percent signs and two hexadecimal digits; no control characters (RFC 7617 2).
fn decoded(text: &str) -> Result<Vec<u8>, ProxyError> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let octet = match (first, others) {
            (b'%', [high, low, others @ ..]) => {
                let digit = |octet: &u8| char::from(*octet).to_digit(16);
                rest = others;
                let (high, low) = digit(high).zip(digit(low)).ok_or(ProxyError::Uri)?;
                (high * 16 + low) as u8
            }
            (b'%', _) => return Err(ProxyError::Uri),
            (octet, others) => {
                rest = others;
                *octet
            }
        };
        if octet.is_ascii_control() {
            return Err(ProxyError::Uri);
        }
        octets.push(octet);
    }
    Ok(octets)
}

/// Whether `list`, the value of `no_proxy`, names this host.
fn is_exempt(host: &str, list: &str) -> bool {
    if list.trim() == "*" {
        return true;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    list.split([',', ' ']).filter(|entry| !entry.is_empty()).any(|entry| match host.parse() {
        Ok(address) => holds_address(entry, address),
        Err(_) => {
            let domain = entry.strip_prefix('.').unwrap_or(entry);
            let domain = domain.strip_suffix('.').unwrap_or(domain);
            let front = host.len().checked_sub(domain.len());
            let parts = front.and_then(|front| host.split_at_checked(front));
            !domain.is_empty()
                && parts.is_some_and(|(front, back)| {
                    back.eq_ignore_ascii_case(domain) && (front.is_empty() || front.ends_with('.'))
                })
        }
    })
}

/// Whether `entry` is this address, or a range that it is in: `10.0.0.0/8`.
fn holds_address(entry: &str, address: IpAddr) -> bool {
    let (network, length) = match entry.split_once('/') {
        Some((network, length)) => (network, Some(length)),
        None => (entry, None),
    };
    let network = network.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(network);
    let (all, differing) = match (network.parse(), address) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(address)) => {
            (32, u128::from(network.to_bits() ^ address.to_bits()) << 96)
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(address)) => (128, network.to_bits() ^ address.to_bits()),
        _ => return false,
    };
    let length = length.map_or(Some(all), |length| length.parse().ok().filter(|&length| length <= all));
    length.is_some_and(|length| differing.leading_zeros() >= length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn proxy(host: &str, port: u16, authorization: Option<&str>) -> Proxy {
        Proxy { host: host.into(), port, authorization: authorization.map(Into::into) }
    }

    #[test]
    fn uris_are_split() {
        for (uri, expected) in [
            ("http://proxy.example:3128", proxy("proxy.example", 3128, None)),
            ("HTTP://proxy.example/", proxy("proxy.example", 80, None)),
            ("proxy.example:8080", proxy("proxy.example", 8080, None)),
            ("http://[::1]:3128", proxy("::1", 3128, None)),
            // RFC 7617 2
            ("http://Aladdin:open%20sesame@a", proxy("a", 80, Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="))),
            ("http://user@a", proxy("a", 80, Some("Basic dXNlcjo="))),
            ("http://a@b:c@d@e", proxy("e", 80, Some("Basic YUBiOmNAZA=="))),
        ] {
            assert_eq!(Proxy::parse(uri), Ok(expected), "{uri}");
        }
        for (uri, error) in [
            ("", ProxyError::Uri),
            ("http://", ProxyError::Uri),
            ("http://a/b", ProxyError::Uri),
            ("http://a:0", ProxyError::Uri),
            ("http://a b", ProxyError::Uri),
            ("http://a\r\nB: c", ProxyError::Uri),
            ("http://%@a", ProxyError::Uri),
            ("http://%4@a", ProxyError::Uri),
            ("http://%+1@a", ProxyError::Uri),
            ("http://a%0d%0ab:c@d", ProxyError::Uri),
            ("http://a%3Ab:c@d", ProxyError::Uri),
            ("https://a", ProxyError::Scheme),
            ("socks5://a", ProxyError::Scheme),
        ] {
            assert_eq!(Proxy::parse(uri), Err(error), "{uri}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let printed = format!("{:?}", Proxy::parse("http://user:secret@a").unwrap());
        assert!(
            printed.contains("\"a\"") && !printed.contains("QW") && !printed.contains("dXNl"),
            "{printed}"
        );
    }

    fn chosen(uri: &str, variables: &[(&str, &str)]) -> Option<String> {
        let value = |name: &str| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| value.to_string())
        };
        Proxy::from_variables(uri, value).unwrap().map(|proxy| proxy.host)
    }

    #[test]
    fn the_environment_names_a_proxy_for_each_scheme() {
        let all = [("http_proxy", "a"), ("https_proxy", "b"), ("all_proxy", "c")];
        assert_eq!(chosen("ws://x", &all).as_deref(), Some("a"));
        assert_eq!(chosen("wss://x", &all).as_deref(), Some("b"));
        assert_eq!(chosen("ws://x", &all[2..]).as_deref(), Some("c"));
        assert_eq!(chosen("wss://x", &[("HTTPS_PROXY", "b")]).as_deref(), Some("b"));
        assert_eq!(chosen("ws://x", &[("http_proxy", ""), ("ALL_PROXY", "c")]).as_deref(), Some("c"));
        // Whoever sends a request to a CGI program could set this one.
        assert_eq!(chosen("ws://x", &[("HTTP_PROXY", "a")]), None);
        assert_eq!(chosen("ws://x", &[]), None);
        let error = Proxy::from_variables("ws://x", |_| Some("socks5://a".into())).unwrap_err();
        assert!(matches!(error, ConnectError::Proxy(ProxyError::Scheme)), "{error:?}");
    }

    #[test]
    fn some_hosts_need_no_proxy() {
        for (host, list, exempt) in [
            ("a.example", "*", true),
            ("a.example", "a.example", true),
            ("a.example", "b, A.Example", true),
            ("a.example", "b .example", true),
            ("a.example", "example.", true),
            ("a.example.", "example", true),
            ("example", ".example", true),
            ("a.example", "b.example", false),
            ("aexample", "example", false),
            ("a.example", "xa.example", false),
            ("a.example", ", ,.", false),
            ("a.example", "*.example", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("10.1.2.3", "0.0.0.0/0", true),
            ("10.1.2.3", "10.1.2.2/31", true),
            ("10.1.2.3", "10.1.2.3/33", false),
            ("10.1.2.3", "10.1.2.0/32", false),
            ("10.1.2.3", "2.3", false),
            ("10.1.2.3", "::/0", false),
            ("::1", "[::1]", true),
            ("2001:db8::1", "2001:db8::/32", true),
            ("2001:db9::1", "2001:db8::/32", false),
        ] {
            assert_eq!(is_exempt(host, list), exempt, "{host} in {list:?}");
        }
        let variables = [("http_proxy", "a"), ("NO_PROXY", "example")];
        assert_eq!(chosen("ws://x.example", &variables), None);
        assert_eq!(chosen("ws://[::1]", &variables).as_deref(), Some("a"));
    }
}
