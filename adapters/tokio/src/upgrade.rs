//! The server's opening handshake where hyper, or a framework on it such as axum, has read the request. The rules are
//! core's; it only carries headers to and fro.

use crate::timer::Alarm;
use crate::{Answer, Config, Io, OpenError, OriginPolicy, Request, WebSocket};
use http::header::{HeaderName, HeaderValue};
use http::{StatusCode, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tightwire_async::tightwire::handshake::HandshakeError;
use tightwire_async::transport::within;
use tightwire_async::{Reply, reply};

/// A connection over what hyper gives up of one of its own.
pub type UpgradedSocket = WebSocket<TokioIo<Upgraded>>;

/// The rest of an opening handshake: see [`upgrade`].
pub type Opening = Pin<Box<dyn Future<Output = Result<UpgradedSocket, OpenError>> + Send>>;

/// Answers a request that hyper has read, as [`accept_with`](crate::accept_with) answers one that it reads itself: by
/// the same rules, with the same statuses.
///
/// Send this response and no other, whatever it is, and run the future in a task of its own: it gives the connection
/// once hyper has written the response, within the deadline for the handshake. Octets that the client has sent behind its request
/// are not lost. What became of a request that was not accepted, the future says at once.
///
/// The server must let go of upgraded connections: axum's does, and hyper's with `with_upgrades`. It also sets
/// `TCP_NODELAY`, which it should. Any body will do that can be made from octets: `axum::body::Body`,
/// `http_body_util::Full`.
///
/// ```
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use hyper::body::{Bytes, Incoming};
/// use std::sync::Arc;
/// use tightwire_tokio::{Answer, Config, OpenError, OriginPolicy, upgrade};
///
/// fn chat(mut request: Request<Incoming>, config: Arc<Config>) -> Response<Full<Bytes>> {
///     let (response, opening) = upgrade(&mut request, config, &OriginPolicy::SameHost, |request| {
///         Answer::accept().with_protocol(request.client_choice(&["chat"]))
///     });
///     tokio::spawn(async move {
///         let mut socket = opening.await?;
///         socket.send("welcome").await?;
///         Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
///     });
///     response
/// }
/// ```
///
/// # Errors
/// Those of the future: [`OpenError::Request`], [`OpenError::Refused`] and [`OpenError::Response`] beside a response
/// that refuses; [`OpenError::Timeout`], or [`OpenError::Transport`] if hyper does not give the connection up.
pub fn upgrade<B, R: From<Vec<u8>>>(
    request: &mut http::Request<B>,
    config: Arc<Config>,
    origins: &OriginPolicy<'_>,
    decide: impl FnOnce(&Request<'_, '_>) -> Answer,
) -> (http::Response<R>, Opening) {
    let timeout = config.timeouts.handshake;
    let (reply, upgrading) = judge(request, config, origins, decide);
    let upgraded = hyper::upgrade::on(request);
    let opening = Box::pin(async move {
        let upgrading = upgrading?;
        let io = within::<Alarm, _>(timeout, upgraded).await.ok_or(OpenError::Timeout)?;
        let io = io.map_err(|error| OpenError::Transport(io::Error::other(error)))?;
        // What has been read behind the request is still to be read from `io`.
        Ok(upgrading.open(Io(TokioIo::new(io)), &[]))
    });
    (response(reply), opening)
}

/// The reply to a request by the rules of core, which sees it as if it had read it.
fn judge<B>(
    request: &http::Request<B>,
    config: Arc<Config>,
    origins: &OriginPolicy<'_>,
    decide: impl FnOnce(&Request<'_, '_>) -> Answer,
) -> (Reply, Result<tightwire_async::Upgrading, OpenError>) {
    let target = request.uri().to_string();
    let headers: Vec<_> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let seen = match request.version() {
        Version::HTTP_11 => Request::from_parts(request.method().as_str(), &target, &headers),
        _ => Err(HandshakeError::UnsupportedHttpVersion),
    };
    let judged = reply(seen, config, origins, decide);
    if judged.1.is_ok() && request.extensions().get::<OnUpgrade>().is_none() {
        let error =
            io::Error::new(io::ErrorKind::Unsupported, "the HTTP server does not upgrade connections");
        let reply = Reply { status: 500, headers: Vec::new(), body: Vec::new() };
        return (reply, Err(OpenError::Transport(error)));
    }
    judged
}

fn response<R: From<Vec<u8>>>(reply: Reply) -> http::Response<R> {
    let mut response = http::Response::new(R::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        // Core has checked them already, so none is lost here.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}
