//! The client's connector: what to ask a server for, and the way from a URI to a connection.
//!
//! How a host is dialled is the runtime's, behind [`Dial`].

use crate::config::Config;
use crate::keys::SystemKeys;
use crate::opening::{Agreed, OpenError, open};
use crate::transport::{Transport, WriteTransport, within};
use crate::websocket::WebSocket;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use std::io;
use tightwire::Client;
use tightwire::handshake::client::Offer;
use tightwire::handshake::uri::{Uri, UriError};

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
    /// The operating system gives no random octets, which mask keys are made of (RFC 6455 10.3).
    Keys(io::Error),
    /// The opening handshake failed.
    Open(OpenError<io::Error>),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(error) => error.fmt(f),
            Self::Tls => f.write_str("wss needs a TLS stream: open the connection over one"),
            Self::Dial(error) => write!(f, "cannot connect: {error}"),
            Self::Keys(error) => write!(f, "no random octets: {error}"),
            Self::Open(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Uri(error) => Some(error),
            Self::Tls => None,
            Self::Dial(error) | Self::Keys(error) => Some(error),
            Self::Open(error) => Some(error),
        }
    }
}

/// How a runtime reaches a host.
pub trait Dial {
    /// What it reaches the host by.
    type Transport: Transport + WriteTransport<Error = io::Error>;

    /// Connects to a host: a name, or an address without brackets. Dropped, it ends the attempt.
    ///
    /// # Errors
    /// The host was not found or did not take the connection.
    fn dial(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Self::Transport>>;
}

/// What a client asks for.
#[derive(Clone, Debug, Default)]
pub struct Connector<D> {
    dialer: D,
    config: Option<Arc<Config>>,
    origin: Option<String>,
    protocols: Vec<String>,
    headers: Vec<(String, String)>,
}

type Opened<T> = (WebSocket<T, Client<SystemKeys>>, Agreed);

impl<D: Default> Connector<D> {
    /// A connector that asks for nothing beyond a connection.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<D> Connector<D> {
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
    pub async fn connect(&self, uri: &str) -> Result<Opened<D::Transport>, ConnectError>
    where
        D: Dial,
    {
        let parsed = Uri::parse(uri).map_err(ConnectError::Uri)?;
        if parsed.secure() {
            return Err(ConnectError::Tls);
        }
        let timeout = self.config().timeouts.handshake;
        let dial = self.dialer.dial(parsed.host(), parsed.port());
        let io = within::<TimerOf<D>, _>(timeout, dial).await;
        let io = io.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())).map_err(ConnectError::Dial)?;
        self.open(io, uri).await
    }

    /// Opens a connection over a transport that is already there: one through TLS or a proxy, say.
    ///
    /// Not cancel safe: a dropped future ends the transport.
    ///
    /// # Errors
    /// [`ConnectError::Uri`], [`ConnectError::Keys`] or [`ConnectError::Open`].
    pub async fn open<T>(&self, io: T, uri: &str) -> Result<Opened<T>, ConnectError>
    where
        T: Transport + WriteTransport<Error = io::Error>,
    {
        let uri = Uri::parse(uri).map_err(ConnectError::Uri)?;
        let protocols: Vec<_> = self.protocols.iter().map(String::as_str).collect();
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut offer =
            Offer::new(uri.authority(), uri.target()).with_protocols(&protocols).with_headers(&headers);
        offer.origin = self.origin.as_deref();
        let keys = SystemKeys::new().map_err(ConnectError::Keys)?;
        open(io, self.config(), &offer, keys.nonce(), keys).await.map_err(ConnectError::Open)
    }

    fn config(&self) -> Arc<Config> {
        self.config.clone().unwrap_or_else(Config::shared_default)
    }
}

type TimerOf<D> = <<D as Dial>::Transport as WriteTransport>::Timer;
