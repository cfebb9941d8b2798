//! The server's opening handshake.

use crate::{Answer, Config, Io, OpenError, OriginPolicy, Request, TcpStream, WebSocket};
use futures_io::{AsyncRead, AsyncWrite};
use std::sync::Arc;

/// A request that has arrived and is not answered yet: see [`tightwire_async::Incoming`].
pub type Incoming<S = TcpStream> = tightwire_async::Incoming<Io<S>>;

/// Accepts a WebSocket connection on `stream`, with the default [`Config`].
///
/// A browser sends the origin of the page that connects; `origins` says which are let in. Every request that
/// is not accepted is answered with the HTTP status that says why. A stream that is not from a
/// [`Listener`](crate::Listener) should have `TCP_NODELAY` set.
///
/// Not cancel safe: a dropped future ends the stream.
///
/// # Errors
/// Every [`OpenError`] of a server.
pub fn accept<S>(
    stream: S,
    origins: &OriginPolicy<'_>,
) -> impl Future<Output = Result<WebSocket<S>, OpenError>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tightwire_async::accept(Io(stream), Config::shared_default(), origins)
}

/// Accepts a WebSocket connection on `stream` if the application, having seen the request, wants it; it also
/// chooses subprotocol and headers.
///
/// Not cancel safe: a dropped future ends the stream.
///
/// # Errors
/// Every [`OpenError`] of a server.
pub fn accept_with<S>(
    stream: S,
    config: Arc<Config>,
    origins: &OriginPolicy<'_>,
    decide: impl FnOnce(&Request<'_, '_>) -> Answer,
) -> impl Future<Output = Result<WebSocket<S>, OpenError>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tightwire_async::accept_with(Io(stream), config, origins, decide)
}
