//! The opening handshake as the handler of a server sees it.

use crate::pool::{Buffer, Pool};
use rustix::fd::BorrowedFd;
use std::fmt;
use std::net::SocketAddr;
use tightwire::deflate::{Agreement, Policy};
use tightwire::handshake::server::{Acceptance, Request, Response, ResponseError, Upgrade};
use tightwire::handshake::{HandshakeError, OriginPolicy};

/// A request that wants an answer: an upgrade to WebSocket, or plain HTTP.
pub struct Opening<'a, S> {
    pub(crate) request: Request<'a, 'a>,
    pub(crate) session: &'a mut S,
    pub(crate) fd: BorrowedFd<'a>,
    pub(crate) writer: Writer<'a>,
    /// What may be agreed on of compression.
    pub(crate) policy: Option<Policy>,
}

/// The answer to a request. Only an [`Opening`] makes one.
#[derive(Debug)]
pub struct Answer {
    pub(crate) accepted: bool,
    /// The compression that was agreed on.
    pub(crate) agreement: Option<Agreement>,
    pub(crate) written: Written,
}

/// Where the response is.
#[derive(Debug)]
pub(crate) enum Written {
    /// So many octets behind what was in the shared output.
    Shared(usize),
    /// So many octets in a buffer: the response was larger than the shared output.
    Buffer(Buffer, usize),
}

/// Memory for a response.
pub(crate) struct Writer<'a> {
    pub(crate) shared: &'a mut [u8],
    pub(crate) pool: &'a mut Pool,
}

impl<'a, S> Opening<'a, S> {
    /// The request.
    pub const fn request(&self) -> &Request<'a, 'a> {
        &self.request
    }

    /// What the application will keep for the connection if it is accepted.
    pub fn session(&mut self) -> &mut S {
        self.session
    }

    /// The client's address; nothing for a Unix socket.
    pub fn remote(&self) -> Option<SocketAddr> {
        rustix::net::getpeername(self.fd).ok()??.try_into().ok()
    }

    /// The same request, with no compression on the connection though the configuration allows it.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn without_compression(mut self) -> Self {
        self.policy = None;
        self
    }

    /// Opens the connection if the request is a proper handshake from an origin that `policy` allows, and
    /// refuses it with the status that says why if not.
    ///
    /// A subprotocol or extension that was not offered, or a header that cannot be sent, is answered with
    /// status 500: use [`try_accept`](Self::try_accept) to see such a mistake.
    pub fn accept(self, policy: &OriginPolicy<'_>, acceptance: &Acceptance<'_>) -> Answer {
        self.try_accept(policy, acceptance)
            .unwrap_or_else(|(opening, _)| opening.respond(&Response::new(500)))
    }

    /// As [`accept`](Self::accept), but gives the request back with the caller's mistake.
    ///
    /// # Errors
    /// [`ResponseError`]; nothing has been answered then.
    pub fn try_accept(
        mut self,
        policy: &OriginPolicy<'_>,
        acceptance: &Acceptance<'_>,
    ) -> Result<Answer, (Self, ResponseError)> {
        let upgrade: Upgrade<'_, '_> = match self.request.check(policy) {
            Ok(upgrade) => upgrade,
            Err(error) => return Ok(self.writer.reject(error)),
        };
        // What is malformed was refused above, so there is an answer or no offer that can be met.
        let values = self.request.values("Sec-WebSocket-Extensions");
        let agreed = self.policy.and_then(|policy| policy.answer(values).ok().flatten());
        let joined;
        let mut acceptance = *acceptance;
        acceptance.extensions = match (acceptance.extensions, &agreed) {
            (Some(others), Some(agreed)) => {
                joined = format!("{others}, {}", agreed.header);
                Some(&joined)
            }
            (others, agreed) => others.or(agreed.as_ref().map(|agreed| agreed.header.as_str())),
        };
        match self.writer.write(|out| upgrade.accept(&acceptance, out)) {
            Ok(written) => {
                let agreement = agreed.map(|agreed| agreed.agreement);
                Ok(Answer { accepted: true, agreement, written })
            }
            Err(error) => Err((self, error)),
        }
    }

    /// Refuses the request with the status and text of an error.
    pub fn reject(mut self, error: HandshakeError) -> Answer {
        self.writer.reject(error)
    }

    /// Answers with plain HTTP. The connection ends after it.
    ///
    /// A response that cannot be sent, such as one with a malformed header, becomes a status of 500.
    pub fn respond(mut self, response: &Response<'_>) -> Answer {
        self.writer.respond(&response.answering(self.request.method()))
    }
}

impl<S> fmt::Debug for Opening<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("target", &self.request.target()).finish_non_exhaustive()
    }
}

impl Writer<'_> {
    pub(crate) fn reject(&mut self, error: HandshakeError) -> Answer {
        self.respond(&error.rejection())
    }

    pub(crate) fn respond(&mut self, response: &Response<'_>) -> Answer {
        let written = self
            .write(|out| response.write(out))
            .or_else(|_| self.write(|out| Response::new(500).write(out)))
            .unwrap_or(Written::Shared(0));
        Answer { accepted: false, agreement: None, written }
    }

    fn write(
        &mut self,
        write: impl Fn(&mut [u8]) -> Result<usize, ResponseError>,
    ) -> Result<Written, ResponseError> {
        match write(self.shared) {
            Ok(octets) => Ok(Written::Shared(octets)),
            Err(ResponseError::NeedsSpace(octets)) => {
                let mut buffer = self.pool.take(octets);
                match write(&mut buffer) {
                    Ok(octets) => Ok(Written::Buffer(buffer, octets)),
                    Err(error) => {
                        self.pool.give(buffer);
                        Err(error)
                    }
                }
            }
            Err(error) => Err(error),
        }
    }
}
