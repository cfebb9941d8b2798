//! The client's dialer.

use crate::accept::default_config;
use crate::{Agreed, ClientSocket, Config, Io, OpenError, SystemKeys};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tightwire_async::tightwire::handshake::client::Offer;
use tightwire_async::tightwire::handshake::uri::{Uri, UriError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Why a client has no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URI is not one of a WebSocket.
    Uri(UriError),
    /// The URI asks for TLS (`wss`): bring a TLS stream to [`Connector::open`].
    Tls,
    /// The host was not found or did not take the connection.
    Dial(io::Error),
    /// The opening handshake failed.
    Open(OpenError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(error) => error.fmt(f),
            Self::Tls => f.write_str("wss needs a TLS stream: open the connection over one"),
            Self::Dial(error) => write!(f, "cannot connect: {error}"),
            Self::Open(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Uri(error) => Some(error),
            Self::Tls => None,
            Self::Dial(error) => Some(error),
            Self::Open(error) => Some(error),
        }
    }
}

/// Connects to a `ws://` URI with the defaults of a [`Connector`].
///
/// Not cancel safe: a dropped future ends the attempt.
///
/// # Errors
/// Every [`ConnectError`].
pub async fn connect(uri: &str) -> Result<ClientSocket, ConnectError> {
    Connector::new().connect(uri).await.map(|(socket, _)| socket)
}

/// What a client asks for.
#[derive(Clone, Debug, Default)]
pub struct Connector {
    config: Option<Arc<Config>>,
    origin: Option<String>,
    protocols: Vec<String>,
    headers: Vec<(String, String)>,
}

impl Connector {
    /// A connector that asks for nothing beyond a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits, timeouts and buffers. The timeout of the handshake covers dialling too.
    #[must_use]
    pub fn with_config(mut self, config: Arc<Config>) -> Self {
        self.config = Some(config);
        self
    }

    /// The `Origin` to send, as browsers do.
    #[must_use]
    pub fn with_origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Offers one more subprotocol, liked less than those before it.
    #[must_use]
    pub fn with_protocol(mut self, protocol: impl Into<String>) -> Self {
        self.protocols.push(protocol.into());
        self
    }

    /// Sends one more header: `Authorization`, `Cookie` and the like.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Dials the host of a `ws://` URI and opens a connection.
    ///
    /// Not cancel safe: a dropped future ends the attempt.
    ///
    /// # Errors
    /// Every [`ConnectError`].
    pub async fn connect(&self, uri: &str) -> Result<(ClientSocket, Agreed), ConnectError> {
        let parsed = Uri::parse(uri).map_err(ConnectError::Uri)?;
        if parsed.secure() {
            return Err(ConnectError::Tls);
        }
        let host = parsed.host().trim_start_matches('[').trim_end_matches(']');
        let dial = async {
            let stream = TcpStream::connect((host, parsed.port())).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let timeout = self.config().timeouts.handshake;
        let dialled = match timeout {
            Some(ticks) => {
                let limit = Duration::from_millis(u64::from(ticks) * 100);
                tokio::time::timeout(limit, dial)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            None => dial.await,
        };
        self.open(dialled.map_err(ConnectError::Dial)?, uri).await
    }

    /// Opens a connection over a stream that is already there: one through TLS or a proxy, say.
    ///
    /// Not cancel safe: a dropped future ends the stream.
    ///
    /// # Errors
    /// [`ConnectError::Uri`] or [`ConnectError::Open`].
    pub async fn open<S>(&self, stream: S, uri: &str) -> Result<(ClientSocket<S>, Agreed), ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let uri = Uri::parse(uri).map_err(ConnectError::Uri)?;
        let protocols: Vec<_> = self.protocols.iter().map(String::as_str).collect();
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut offer =
            Offer::new(uri.authority(), uri.target()).with_protocols(&protocols).with_headers(&headers);
        offer.origin = self.origin.as_deref();
        tightwire_async::open(Io(stream), self.config(), &offer, SystemKeys::nonce(), SystemKeys)
            .await
            .map_err(ConnectError::Open)
    }

    fn config(&self) -> Arc<Config> {
        self.config.clone().unwrap_or_else(default_config)
    }
}
