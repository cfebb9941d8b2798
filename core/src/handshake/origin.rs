//! Which web origins may open a connection: the guard against cross-site hijacking (RFC 6455 10.2).

use super::server::Request;
use super::uri::is_authority;
use crate::octet::{split_before, split_once};
use core::fmt;

/// Which origins a server accepts. There is no default: a browser sends cookies along with a handshake that
/// any web page starts, so each server has to decide.
///
/// Browsers always send `Origin`. A request without one comes from another program, which could claim any
/// origin, so only [`Check`](Self::Check) can refuse it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum OriginPolicy<'a> {
    /// The host and port in `Origin` must equal the request's host and port as written, in any case. The
    /// scheme is not compared.
    SameHost,
    /// `Origin` must equal one of these, such as `https://example.com`, in any case. `null` stands for itself.
    AllowList(&'a [&'a str]),
    /// Every origin. Only for services that identify nobody by cookies, addresses or other ambient means.
    Any,
    /// The caller looks at the request and says whether it is accepted. It is not asked about a request with
    /// two `Origin` headers or one that is not text: that is refused.
    Check(&'a (dyn Fn(&Request<'_, '_>) -> bool + Sync)),
}

impl OriginPolicy<'_> {
    /// Whether the policy accepts `request`.
    pub fn allows(&self, request: &Request<'_, '_>) -> bool {
        if matches!(self, Self::Any) {
            return true;
        }
        let mut origins = request.values("Origin").map(core::str::from_utf8);
        let origin = match (origins.next(), origins.next()) {
            (None, _) => None,
            (Some(Ok(origin)), None) => Some(origin),
            _ => return false,
        };
        match (self, origin) {
            (Self::Check(check), _) => check(request),
            (_, None) => true,
            (Self::AllowList(list), Some(origin)) => {
                list.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
            }
            (_, Some(origin)) => match (host_of(origin), request.host()) {
                (Some(theirs), Some(ours)) => theirs.eq_ignore_ascii_case(ours),
                _ => false,
            },
        }
    }
}

impl fmt::Debug for OriginPolicy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameHost => f.write_str("SameHost"),
            Self::AllowList(list) => f.debug_tuple("AllowList").field(list).finish(),
            Self::Any => f.write_str("Any"),
            Self::Check(_) => f.write_str("Check"),
        }
    }
}

/// The host and port of an origin: `example.com:8080` of `http://example.com:8080`.
fn host_of(origin: &str) -> Option<&str> {
    let (scheme, rest) = split_once(origin, b':')?;
    // RFC 3986 3.1: a scheme is a letter and then letters, digits and three signs
    let valid = scheme.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && scheme.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet));
    let (host, _) = split_before(rest.strip_prefix("//")?, b"/?#");
    (valid && is_authority(host)).then_some(host)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::handshake::Slot;
    use std::format;
    use std::string::String;

    fn allows(policy: &OriginPolicy<'_>, host: &str, origins: &[&str]) -> bool {
        let origins: String = origins.iter().map(|origin| format!("Origin: {origin}\r\n")).collect();
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{origins}\r\n");
        let mut slots = [Slot::EMPTY; 4];
        policy.allows(&Request::parse(head.as_bytes(), &mut slots).unwrap())
    }

    // S13: cross-site hijacking; G2: host and port as they are written, in any case, whatever the scheme
    #[test]
    fn the_same_host_is_host_and_port() {
        for (host, origin, allowed) in [
            ("example.com", "http://example.com", true),
            ("example.com", "https://example.com", true),
            ("example.com", "HTTPS://EXAMPLE.com", true),
            ("Example.com:8080", "http://example.com:8080", true),
            ("[::1]:80", "http://[::1]:80", true),
            ("example.com", "http://example.com/", true),
            ("example.com", "http://example.com:80", false),
            ("example.com:8080", "http://example.com", false),
            ("example.com", "http://evil.example", false),
            ("example.com", "http://example.com.evil.example", false),
            ("example.com", "http://evilexample.com", false),
            ("example.com", "http://evil.example/example.com", false),
            ("example.com", "http://evil.example#example.com", false),
            ("example.com", "http://evil.example\\example.com", false),
            ("example.com", "http://example.com@evil.example", false),
            ("example.com", "http://evil@example.com", false),
            ("example.com", "example.com", false),
            ("example.com", "://example.com", false),
            ("example.com", "1http://example.com", false),
            ("example.com", "null", false),
            ("example.com", "", false),
            ("example.com", "file://", false),
            ("example.com", "http://example.com http://evil.example", false),
        ] {
            assert_eq!(allows(&OriginPolicy::SameHost, host, &[origin]), allowed, "{host} {origin}");
        }
    }

    #[test]
    fn without_an_origin_only_the_closure_can_refuse() {
        let never = |_: &Request<'_, '_>| false;
        for policy in [OriginPolicy::SameHost, OriginPolicy::AllowList(&[]), OriginPolicy::Any] {
            assert!(allows(&policy, "example.com", &[]), "{policy:?}");
        }
        assert!(!allows(&OriginPolicy::Check(&never), "example.com", &[]));
    }

    #[test]
    fn an_allow_list_compares_whole_origins() {
        let policy = OriginPolicy::AllowList(&["https://example.com", "null"]);
        for (origin, allowed) in [
            ("https://example.com", true),
            ("HTTPS://Example.com", true),
            ("null", true),
            ("http://example.com", false),
            ("https://example.com:443", false),
            ("https://example.com.evil.example", false),
            ("", false),
        ] {
            assert_eq!(allows(&policy, "example.com", &[origin]), allowed, "{origin}");
        }
    }

    #[test]
    fn two_origins_are_none() {
        let always = |_: &Request<'_, '_>| true;
        let twice = ["http://example.com"; 2];
        for policy in [
            OriginPolicy::SameHost,
            OriginPolicy::AllowList(&["http://example.com"]),
            OriginPolicy::Check(&always),
        ] {
            assert!(allows(&policy, "example.com", &twice[..1]), "{policy:?}");
            assert!(!allows(&policy, "example.com", &twice), "{policy:?}");
        }
        assert!(allows(&OriginPolicy::Any, "example.com", &twice));
    }

    #[test]
    fn the_closure_sees_the_request() {
        let own = |request: &Request<'_, '_>| request.path() == "/" && request.origin() == Some("app://me");
        let policy = OriginPolicy::Check(&own);
        assert!(allows(&policy, "example.com", &["app://me"]));
        assert!(!allows(&policy, "example.com", &["app://you"]));
    }

    #[test]
    fn an_origin_that_is_not_text_is_not_a_missing_one() {
        let always = |_: &Request<'_, '_>| true;
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://\xff\r\n\r\n";
        let mut slots = [Slot::EMPTY; 4];
        let request = Request::parse(head, &mut slots).unwrap();
        assert_eq!(request.origin(), None);
        assert!(!OriginPolicy::SameHost.allows(&request));
        assert!(!OriginPolicy::Check(&always).allows(&request));
    }
}
