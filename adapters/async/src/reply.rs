//! The server's opening handshake where an HTTP library reads the request and writes the response.

use crate::answer::Answer;
use crate::config::Config;
use crate::opening::OpenError;
use crate::transport::Transport;
use crate::websocket::WebSocket;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use tightwire::deflate::Agreement;
use tightwire::handshake::server::{Request, Response, ResponseError};
use tightwire::handshake::{HandshakeError, OriginPolicy};
use tightwire::{Connection, Server};

/// A response for an HTTP library to write, which says the length of the body and the end of the connection itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status: 101, or one that says why not.
    pub status: u16,
    /// Name and value of each header.
    pub headers: Vec<(String, String)>,
    /// The body of a refusal.
    pub body: Vec<u8>,
}

/// A request that was accepted: a connection once its 101 is written.
pub struct Upgrading {
    config: Arc<Config>,
    agreement: Option<Agreement>,
}

/// Decides on a request that an HTTP library has read: the response to write, whatever it is, and what comes after
/// it. The rules are those of [`accept_with`](crate::accept_with).
///
/// The request is one of [`Request::from_parts`], or what the library knows to be wrong with it. `decide` sees it
/// unless it is malformed.
///
/// # Errors
/// [`OpenError::Request`], [`OpenError::Refused`] or [`OpenError::Response`], each beside the response that says so.
pub fn reply<E>(
    request: Result<Request<'_, '_>, HandshakeError>,
    config: Arc<Config>,
    origins: &OriginPolicy<'_>,
    decide: impl FnOnce(&Request<'_, '_>) -> Answer,
) -> (Reply, Result<Upgrading, OpenError<E>>) {
    let answer = request.as_ref().map(decide).unwrap_or_default();
    let mut headers = Vec::new();
    let judged = answer.judge(request, &config, origins, |upgrade, acceptance| {
        upgrade.answer(acceptance, |name, value| headers.push((name.into(), value.into())))
    });
    match judged {
        Ok(((), agreement)) => {
            let reply = Reply { status: 101, headers, body: Vec::new() };
            (reply, Ok(Upgrading { config, agreement }))
        }
        Err(error) => {
            let told = Reply::from_response(&answer.refusal(&error, &answer.headers()));
            // A refusal that the application shaped wrongly is still a refusal.
            (told.unwrap_or(Reply { status: 500, headers, body: Vec::new() }), Err(error))
        }
    }
}

impl Reply {
    fn from_response(response: &Response<'_>) -> Result<Self, ResponseError> {
        let mut headers = Vec::new();
        response.answer(|name, value| headers.push((name.into(), value.into())))?;
        Ok(Self { status: response.status(), headers, body: response.body().into() })
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Header values may be cookies, so they are not printed.
        f.debug_struct("Reply").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Upgrading {
    /// The connection over the transport that the request came by. `leftover` are the octets that the HTTP library
    /// has read behind the request.
    pub fn open<T: Transport>(self, io: T, leftover: &[u8]) -> WebSocket<T, Server> {
        let connection = match self.agreement {
            Some(agreement) => Connection::server().with_compression(agreement),
            None => Connection::server(),
        };
        WebSocket::new(io, connection, leftover, self.config)
    }
}

impl fmt::Debug for Upgrading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrading").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use core::convert::Infallible;

    const HEADERS: [(&str, &[u8]); 6] = [
        ("host", b"a.example"),
        ("upgrade", b"websocket"),
        ("connection", b"upgrade"),
        ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", b"13"),
        ("origin", b"http://a.example"),
    ];

    fn reply_to(
        origins: &OriginPolicy<'_>,
        decide: impl FnOnce(&Request<'_, '_>) -> Answer,
    ) -> (Reply, Result<Upgrading, OpenError<Infallible>>) {
        reply(Request::from_parts("GET", "/", &HEADERS), Arc::default(), origins, decide)
    }

    #[test]
    fn what_is_accepted_is_answered_with_101() {
        let (reply, upgrading) = reply_to(&OriginPolicy::SameHost, |request| {
            assert_eq!(request.origin(), Some("http://a.example"));
            Answer::accept().with_header("X-A", "b")
        });
        assert!(upgrading.is_ok());
        assert_eq!(reply.status, 101);
        assert_eq!(reply.headers.len(), 4);
        assert!(reply.headers.contains(&("X-A".into(), "b".into())));
    }

    #[test]
    fn what_is_refused_is_answered_with_the_reason() {
        let (reply, error) = reply_to(&OriginPolicy::AllowList(&[]), |_| Answer::accept());
        assert!(matches!(error, Err(OpenError::Request(HandshakeError::OriginRefused))), "{error:?}");
        assert_eq!((reply.status, &reply.body[..]), (403, &b"this origin is not allowed\n"[..]));

        let answer = Answer::refuse(401).with_header("WWW-Authenticate", "Basic").with_body("who?");
        let (reply, error) = reply_to(&OriginPolicy::Any, |_| answer);
        assert!(matches!(error, Err(OpenError::Refused(401))), "{error:?}");
        let text = ("Content-Type".into(), "text/plain; charset=utf-8".into());
        let headers = vec![("WWW-Authenticate".into(), "Basic".into()), text];
        assert_eq!(reply, Reply { status: 401, headers, body: b"who?".into() });
    }

    #[test]
    fn what_cannot_be_sent_is_answered_with_500() {
        for answer in [
            Answer::accept().with_protocol(Some("not offered")),
            Answer::accept().with_header("A", "b\r\nC: d"),
            Answer::refuse(401).with_header("A", "b\r\nC: d"),
            Answer::refuse(1000),
        ] {
            let (reply, error) = reply_to(&OriginPolicy::Any, |_| answer.clone());
            assert!(error.is_err());
            assert_eq!(reply, Reply { status: 500, headers: vec![], body: vec![] }, "{answer:?}");
        }
    }

    #[test]
    fn what_the_library_knows_to_be_wrong_is_not_decided_on() {
        let wrong = Err(HandshakeError::UnsupportedHttpVersion);
        let (reply, error) =
            reply::<Infallible>(wrong, Arc::default(), &OriginPolicy::Any, |_| panic!("asked"));
        assert!(matches!(error, Err(OpenError::Request(HandshakeError::UnsupportedHttpVersion))));
        assert_eq!(reply.status, 505);
    }
}
