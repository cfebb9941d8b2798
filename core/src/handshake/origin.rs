//! Which web origins may open a connection: the guard against cross-site hijacking (RFC 6455 10.2).

use super::server::Request;
use super::uri::is_authority;
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
    let (scheme, rest) = origin.split_once("://")?;
    // RFC 3986 3.1: a scheme is a letter and then letters, digits and three signs
    let valid = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet));
    let host = rest.split(['/', '?', '#']).next()?;
    (valid && is_authority(host)).then_some(host)
}
