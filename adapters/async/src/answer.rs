//! What a server's application answers to a request, and what becomes of it by the rules of the handshake.
//!
//! It knows requests that are read and answers that are not written yet; no octets and no transport.

#[cfg(feature = "deflate")]
use crate::compression;
use crate::config::Config;
use crate::opening::OpenError;
use alloc::string::String;
use alloc::vec::Vec;
use tightwire::deflate::Agreement;
use tightwire::handshake::server::{Acceptance, Request, Response, ResponseError, Upgrade};
use tightwire::handshake::{HandshakeError, OriginPolicy};

/// What an application answers to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status of a refusal; `None` accepts.
    status: Option<u16>,
    protocol: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// Accepts the request, if it is one for a WebSocket connection that the origin policy allows.
    pub fn accept() -> Self {
        Self::default()
    }

    /// Refuses the request, or answers a plain HTTP request, with this status.
    pub fn refuse(status: u16) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// Selects a subprotocol that the client offered; `None` selects none.
    #[must_use]
    pub fn with_protocol(mut self, protocol: Option<&str>) -> Self {
        self.protocol = protocol.map(Into::into);
        self
    }

    /// Adds a response header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a body to a refusal.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (&**name, &**value)).collect()
    }

    /// Lets `write` write a 101 if this answer and the rules accept the request; gives what it wrote and the
    /// compression that was agreed on.
    pub(crate) fn judge<X, E>(
        &self,
        request: Result<Request<'_, '_>, HandshakeError>,
        config: &Config,
        origins: &OriginPolicy<'_>,
        write: impl FnOnce(&Upgrade<'_, '_>, &Acceptance<'_>) -> Result<X, ResponseError>,
    ) -> Result<(X, Option<Agreement>), OpenError<E>> {
        if let Some(status) = self.status {
            return Err(OpenError::Refused(status));
        }
        let upgrade = request.and_then(|request| request.check(origins)).map_err(OpenError::Request)?;
        #[cfg(feature = "deflate")]
        let compression = compression::answer(config, upgrade.request());
        #[cfg(not(feature = "deflate"))]
        let (compression, _) = (None::<tightwire::deflate::Answer>, config);
        let acceptance = Acceptance {
            protocol: self.protocol.as_deref(),
            extensions: compression.as_ref().map(|compression| compression.header.as_str()),
            headers: &self.headers(),
        };
        let written = write(&upgrade, &acceptance).map_err(OpenError::Response)?;
        Ok((written, compression.map(|compression| compression.agreement)))
    }

    /// The response to a request that was not accepted because of `error`.
    pub(crate) fn refusal<'a, E>(
        &'a self,
        error: &OpenError<E>,
        headers: &'a [(&'a str, &'a str)],
    ) -> Response<'a> {
        match error {
            OpenError::Request(error) => error.rejection(),
            OpenError::Refused(status) => Response::new(*status).with_headers(headers).with_body(&self.body),
            _ => Response::new(500),
        }
    }
}
