//! The client's dialer: TCP, and TLS on it with feature `rustls`.

use crate::stream::Stream;
use crate::{ClientSocket, Io};
use std::io;
#[cfg(feature = "rustls")]
use std::sync::Arc;
use tightwire_async::{ConnectError, Dial};
use tokio::net::TcpStream;
#[cfg(feature = "rustls")]
use tokio_rustls::rustls::ClientConfig;

/// What a client asks for: see [`tightwire_async::Connector`].
pub type Connector = tightwire_async::Connector<Tcp>;

/// Reaches a host by TCP, and with feature `rustls` by TLS too.
#[derive(Clone, Debug, Default)]
pub struct Tcp {
    #[cfg(feature = "rustls")]
    tls: Option<Arc<ClientConfig>>,
}

impl Tcp {
    /// Without anything of one's own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Roots of trust, certificates of the client's and the like for `wss`. Default: [`tls_config`]. The protocols of
    /// ALPN should be none or `http/1.1`.
    ///
    /// [`tls_config`]: crate::tls_config
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn with_tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }
}

impl Dial for Tcp {
    type Transport = Io<Stream>;

    async fn dial(&self, host: &str, port: u16) -> io::Result<Io<Stream>> {
        let stream = TcpStream::connect((host, port)).await?;
        // Output is batched already: another delay would only cost time.
        stream.set_nodelay(true)?;
        Ok(Io(stream.into()))
    }

    #[cfg(feature = "rustls")]
    fn has_tls(&self) -> bool {
        true
    }

    #[cfg(feature = "rustls")]
    async fn secure(&self, transport: Io<Stream>, host: &str) -> Result<Io<Stream>, ConnectError> {
        crate::tls::secure(transport.0, host, self.tls.clone()).await.map(Io)
    }
}

/// Connects to a `ws://` URI, with feature `rustls` also to a `wss://` one, with the defaults of a [`Connector`].
///
/// Not cancel safe: a dropped future ends the attempt.
///
/// # Errors
/// Every [`ConnectError`].
pub async fn connect(uri: &str) -> Result<ClientSocket, ConnectError> {
    Connector::new().connect(uri).await.map(|(socket, _)| socket)
}
