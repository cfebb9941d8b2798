//! The client's connector: what to ask a server for, and the way from a URI to a connection.
//!
//! How a host is dialled is the runtime's, behind [`Dial`].

use crate::config::Config;
use crate::keys::SystemKeys;
use crate::opening::{Agreed, OpenError, open};
#[cfg(feature = "proxy")]
use crate::proxy::{Proxy, ProxyError};
use crate::transport::{Transport, WriteTransport, within};
use crate::websocket::WebSocket;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::ready;
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
    /// The URI asks for TLS (`wss`) and the connector has none: turn the feature of the adapter on, or bring a TLS
    /// stream to [`Connector::open`].
    NoTls,
    /// The host was not found or did not take the connection.
    Dial(io::Error),
    /// The server's certificate is not to be trusted, or is for another name. The error of the TLS library is inside.
    Certificate(io::Error),
    /// TLS was not agreed on, or the transport failed before it was. The error of the TLS library may be inside.
    Tls(io::Error),
    /// The proxy has no way to the server, or is none that can be used.
    #[cfg(feature = "proxy")]
    Proxy(ProxyError),
    /// The operating system gives no random octets, which mask keys are made of (RFC 6455 10.3).
    Keys(io::Error),
    /// The opening handshake failed.
    Open(OpenError<io::Error>),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(error) => error.fmt(f),
            Self::NoTls => f.write_str("wss needs TLS, which this connector does not have"),
            Self::Dial(error) => write!(f, "cannot connect: {error}"),
            Self::Certificate(error) => write!(f, "the server's certificate is refused: {error}"),
            Self::Tls(error) => write!(f, "no TLS connection: {error}"),
            #[cfg(feature = "proxy")]
            Self::Proxy(error) => error.fmt(f),
            Self::Keys(error) => write!(f, "no random octets: {error}"),
            Self::Open(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Uri(error) => Some(error),
            Self::NoTls => None,
            #[cfg(feature = "proxy")]
            Self::Proxy(error) => Some(error),
            Self::Dial(error) | Self::Certificate(error) | Self::Tls(error) | Self::Keys(error) => {
                Some(error)
            }
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

    /// Whether [`secure`](Self::secure) can do what it says. By default it cannot.
    fn has_tls(&self) -> bool {
        false
    }

    /// Begins TLS over `transport` with the server `host`: a name, or an address without brackets, which its
    /// certificate must be for.
    ///
    /// # Errors
    /// [`ConnectError::NoTls`], [`ConnectError::Certificate`] or [`ConnectError::Tls`].
    fn secure(
        &self,
        transport: Self::Transport,
        host: &str,
    ) -> impl Future<Output = Result<Self::Transport, ConnectError>> {
        let _ = (transport, host);
        ready(Err(ConnectError::NoTls))
    }
}

/// What a client asks for.
#[derive(Clone, Debug, Default)]
pub struct Connector<D> {
    dialer: D,
    #[cfg(feature = "proxy")]
    proxy: Option<Proxy>,
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
    /// Dials in another way, with other roots of trust for TLS, say.
    #[must_use]
    pub fn with_dialer(mut self, dialer: D) -> Self {
        self.dialer = dialer;
        self
    }

    /// Goes through this proxy; `None` for none, which is the default. The environment is not asked unless the caller
    /// does: [`Proxy::from_environment`].
    #[cfg(feature = "proxy")]
    #[must_use]
    pub fn with_proxy(mut self, proxy: impl Into<Option<Proxy>>) -> Self {
        self.proxy = proxy.into();
        self
    }

    /// Limits, timeouts and buffers. The timeout of the handshake covers dialling, proxy and TLS too.
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

    /// Dials the host of a `ws://` or `wss://` URI and opens a connection.
    ///
    /// Not cancel safe: a dropped future ends the attempt.
    ///
    /// # Errors
    /// Every [`ConnectError`]; [`OpenError::Timeout`] if all of it together takes longer than the timeout of the
    /// handshake.
    pub async fn connect(&self, uri: &str) -> Result<Opened<D::Transport>, ConnectError>
    where
        D: Dial,
    {
        let parsed = Uri::parse(uri).map_err(ConnectError::Uri)?;
        if parsed.secure() && !self.dialer.has_tls() {
            return Err(ConnectError::NoTls);
        }
        let attempt = async {
            let mut io = self.reach(parsed.host(), parsed.port()).await?;
            if parsed.secure() {
                // In memory of its own, which a task does not keep: what TLS needs on the way is much.
                io = Box::pin(self.dialer.secure(io, parsed.host())).await?;
            }
            self.open(io, uri).await
        };
        let timeout = self.config().timeouts.handshake;
        within::<TimerOf<D>, _>(timeout, attempt).await.unwrap_or(Err(ConnectError::Open(OpenError::Timeout)))
    }

    /// Connects to a host, through the proxy if there is one.
    async fn reach(&self, host: &str, port: u16) -> Result<D::Transport, ConnectError>
    where
        D: Dial,
    {
        #[cfg(feature = "proxy")]
        if let Some(proxy) = &self.proxy {
            let io = self.dialer.dial(proxy.host(), proxy.port()).await.map_err(ConnectError::Dial)?;
            return Box::pin(proxy.tunnel(io, host, port, self.config())).await;
        }
        self.dialer.dial(host, port).await.map_err(ConnectError::Dial)
    }

    /// Opens a connection over a transport that is already there: one through SOCKS or TLS of one's own, say. Of the
    /// URI only what the request says is used.
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
