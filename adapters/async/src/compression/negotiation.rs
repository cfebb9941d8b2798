//! What the configuration has to say in an opening handshake.

use crate::config::Config;
use alloc::format;
use alloc::string::String;
use tightwire::deflate::{Agreement, Answer, NegotiationError, Policy};
use tightwire::handshake::client::{Offer, Response};
use tightwire::handshake::server::Request;

const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// A server's answer to the extensions of a request; `None` if it agrees on none.
pub(crate) fn answer(config: &Config, request: &Request<'_, '_>) -> Option<Answer> {
    let policy = config.codecs.admit(config.compression?);
    // RFC 6455 9.1: what is malformed has failed the handshake already
    policy.answer(request.values(EXTENSIONS)).unwrap_or_default()
}

/// A client's offer of compression, and what it is to be judged by.
pub(crate) struct Offering {
    policy: Option<Policy>,
    extensions: Option<String>,
}

impl Offering {
    /// Puts compression in front of the extensions that the application offers.
    pub(crate) fn new(config: &Config, offer: &Offer<'_>) -> Self {
        let policy = config.compression.map(|policy| config.codecs.admit(policy));
        let extensions = policy.map(|policy| match offer.extensions {
            Some(others) => format!("{}, {others}", policy.offer()),
            None => format!("{}", policy.offer()),
        });
        Self { policy, extensions }
    }

    /// The offer with compression.
    pub(crate) fn offer<'a>(&'a self, offer: &Offer<'a>) -> Offer<'a> {
        match &self.extensions {
            Some(extensions) => offer.with_extensions(extensions),
            None => *offer,
        }
    }

    /// What the response agrees on.
    pub(crate) fn verify(&self, response: &Response<'_, '_>) -> Result<Option<Agreement>, NegotiationError> {
        match &self.policy {
            Some(policy) => policy.verify(response.values(EXTENSIONS)),
            None => Ok(None),
        }
    }
}
