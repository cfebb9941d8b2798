//! TLS for clients, by rustls: whom to trust, and the handshake over TCP.

use crate::stream::Stream;
use std::io;
use std::sync::{Arc, OnceLock};
use tightwire_async::ConnectError;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// The TLS configuration of those who bring none, shared: trusts what Mozilla trusts (`webpki-roots`), shows no
/// certificate, offers TLS 1.2 and 1.3 and `http/1.1` by ALPN.
///
/// # Errors
/// [`ConnectError::Tls`] if the TLS library refuses its own defaults.
pub fn tls_config() -> Result<Arc<ClientConfig>, ConnectError> {
    static DEFAULT: OnceLock<Result<Arc<ClientConfig>, rustls::Error>> = OnceLock::new();
    let config = DEFAULT.get_or_init(|| {
        let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    });
    config.clone().map_err(|error| ConnectError::Tls(io::Error::other(error)))
}

/// Begins TLS with the server `host`, which its certificate must be for.
pub(crate) async fn secure(
    stream: Stream,
    host: &str,
    config: Option<Arc<ClientConfig>>,
) -> Result<Stream, ConnectError> {
    let config = config.map_or_else(tls_config, Ok)?;
    let invalid = |error| ConnectError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error));
    // RFC 6066 3: a name is sent along (SNI), an address is not; either is looked for in the certificate
    let name = ServerName::try_from(host.to_owned()).map_err(|error| invalid(error.to_string()))?;
    let tcp = stream.into_tcp().ok_or_else(|| invalid("there is TLS on it already".to_owned()))?;
    let stream = TlsConnector::from(config).connect(name, tcp).await.map_err(sorted)?;
    Ok(stream.into())
}

/// Tells whose certificate is not trusted from what else goes wrong.
fn sorted(error: io::Error) -> ConnectError {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            ConnectError::Certificate(error)
        }
        _ => ConnectError::Tls(error),
    }
}
