//! The negotiation of permessage-deflate (RFC 7692 5 and 7.1), from both ends.
//!
//! It decides what is offered, what is accepted and what an answer must hold. It reads and writes values
//! of `Sec-WebSocket-Extensions` and does not know the handshake that carries them.

use super::terms::{Agreement, Terms, WindowBits};
use crate::extension::{Extensions, InvalidExtension, Param, ParamValue};
use core::fmt;

/// The name that RFC 7692 7 registers.
const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// What this end allows each direction, whichever end it is.
///
/// Takeover makes small messages much smaller, and makes the sender keep a window and an index of it, and
/// the receiver a window, for as long as the connection lives. The default spends nothing on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Whether the server's messages may refer to earlier ones. Default: no.
    pub server_takeover: bool,
    /// Whether the client's messages may refer to earlier ones. Default: no.
    pub client_takeover: bool,
    /// The largest window for the server's messages. Default: 15, and smaller when the peer asks.
    pub server_window: WindowBits,
    /// The largest window for the client's messages. Default: 15, and smaller when the peer asks.
    ///
    /// A client that does not offer `client_max_window_bits` cannot be bound to less than 15 (RFC 7692
    /// 7.1.2.2), so a server with a smaller bound declines such an offer.
    pub client_window: WindowBits,
}

impl Policy {
    /// No takeover in either direction, windows of at most 2^15 octets.
    pub const DEFAULT: Self = Self {
        server_takeover: false,
        client_takeover: false,
        server_window: WindowBits::MAX,
        client_window: WindowBits::MAX,
    };

    /// The same policy, with takeover allowed or not for each end's messages.
    #[must_use]
    pub const fn with_takeover(self, server: bool, client: bool) -> Self {
        Self { server_takeover: server, client_takeover: client, ..self }
    }

    /// The same policy with other bounds on the windows for each end's messages.
    #[must_use]
    pub const fn with_windows(self, server: WindowBits, client: WindowBits) -> Self {
        Self { server_window: server, client_window: client, ..self }
    }

    /// Server: chooses among the offers of a request.
    ///
    /// `values` are the values of all `Sec-WebSocket-Extensions` fields in their order. The first offer
    /// that can be met is accepted, and its answer belongs in the response; `None` when there is none, and
    /// the connection goes on without compression. An offer with an unknown, repeated or ill-valued
    /// parameter is declined, and the next one is tried (RFC 7692 7.1).
    ///
    /// # Errors
    /// [`NegotiationError::Malformed`] when a value does not follow the grammar, whichever extension it
    /// speaks of: the handshake must fail (RFC 6455 9.1).
    pub fn answer<V: AsRef<[u8]>>(
        &self,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Option<Answer>, NegotiationError> {
        let mut answer = None;
        for_each_extension(values, |name, parameters| {
            // RFC 7692 5: offers stand in the order of the client's preference
            if name == NAME && answer.is_none() {
                answer = parameters.and_then(|parameters| self.accept(parameters));
            }
            Ok(())
        })?;
        Ok(answer)
    }

    /// Client: the offer for the request.
    ///
    /// It always lets the server bound the client's window.
    pub fn offer(&self) -> HeaderValue {
        Parameters {
            server_no_context_takeover: !self.server_takeover,
            client_no_context_takeover: !self.client_takeover,
            server_max_window_bits: (self.server_window < WindowBits::MAX).then_some(self.server_window),
            client_max_window_bits: Some(
                (self.client_window < WindowBits::MAX).then_some(self.client_window),
            ),
        }
        .write()
    }

    /// Client: judges the response to what [`offer`](Self::offer) has offered.
    ///
    /// `values` are the values of all `Sec-WebSocket-Extensions` fields of the response. `None` when the
    /// server has declined. That extensions of other names were offered at all is for
    /// [`Offer::verify`](crate::handshake::client::Offer::verify) to see.
    ///
    /// # Errors
    /// The answer breaks the grammar or does not fit the offer: the connection must fail (RFC 6455 9.1,
    /// RFC 7692 7.1).
    pub fn verify<V: AsRef<[u8]>>(
        &self,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Option<Agreement>, NegotiationError> {
        let mut agreement = None;
        for_each_extension(values, |name, parameters| {
            if name != NAME {
                return Ok(());
            }
            if agreement.is_some() {
                return Err(NegotiationError::Repeated);
            }
            let accepted = parameters.and_then(|parameters| self.accepted(parameters));
            agreement = Some(accepted.ok_or(NegotiationError::BadParameter)?);
            Ok(())
        })?;
        Ok(agreement)
    }

    /// The answer to an offer, if it can be met.
    fn accept(&self, offer: Parameters) -> Option<Answer> {
        let server_takeover = self.server_takeover && !offer.server_no_context_takeover;
        let client_takeover = self.client_takeover && !offer.client_no_context_takeover;

        // RFC 7692 7.1.2.1: an offered bound is answered with the same or a smaller one
        let server_window = self.server_window.min(offer.server_max_window_bits.unwrap_or(WindowBits::MAX));
        let bind_server = offer.server_max_window_bits.is_some() || server_window < WindowBits::MAX;

        // RFC 7692 7.1.2.2: only a client that offers it can be bound
        let (client_window, bind_client) = match offer.client_max_window_bits {
            None if self.client_window < WindowBits::MAX => return None,
            None => (WindowBits::MAX, false),
            Some(None) => (self.client_window, self.client_window < WindowBits::MAX),
            Some(Some(hint)) => (self.client_window.min(hint), true),
        };

        let header = Parameters {
            // RFC 7692 7.1.1: either may be answered without having been offered
            server_no_context_takeover: !server_takeover,
            client_no_context_takeover: !client_takeover,
            server_max_window_bits: bind_server.then_some(server_window),
            client_max_window_bits: bind_client.then_some(Some(client_window)),
        };
        let agreement = Agreement {
            server: Terms::new(server_window, server_takeover),
            client: Terms::new(client_window, client_takeover),
        };
        Some(Answer { agreement, header: header.write() })
    }

    /// What a server's answer comes to, if it fits the offer.
    fn accepted(&self, answer: Parameters) -> Option<Agreement> {
        // RFC 7692 7.1.1.1: a server accepts an offer of this parameter by answering with it
        if !self.server_takeover && !answer.server_no_context_takeover {
            return None;
        }
        // RFC 7692 7.1.2.1: the same or a smaller bound, so none at all only where none was offered
        let server_window = answer.server_max_window_bits.unwrap_or(WindowBits::MAX);
        if server_window > self.server_window {
            return None;
        }
        let client_window = match answer.client_max_window_bits {
            None => WindowBits::MAX,
            // RFC 7692 7.1.2.2: in a response it has a value
            Some(None) => return None,
            Some(Some(bound)) => bound,
        };
        // What the client has offered of its own messages was a hint, so it holds whatever the answer is.
        Some(Agreement {
            server: Terms::new(server_window, !answer.server_no_context_takeover),
            client: Terms::new(
                client_window.min(self.client_window),
                self.client_takeover && !answer.client_no_context_takeover,
            ),
        })
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A server's acceptance of an offer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// What holds from now on.
    pub agreement: Agreement,
    /// The value of the `Sec-WebSocket-Extensions` field of the response.
    pub header: HeaderValue,
}

/// Why a negotiation fails the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NegotiationError {
    /// A value does not follow the grammar of RFC 6455 9.1.
    Malformed,
    /// The server accepted permessage-deflate more than once (RFC 7692 5).
    Repeated,
    /// The server's answer has a parameter that is unknown, repeated or ill-valued, or that does not fit
    /// the offer (RFC 7692 7.1).
    BadParameter,
}

impl From<InvalidExtension> for NegotiationError {
    fn from(_: InvalidExtension) -> Self {
        Self::Malformed
    }
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the extensions header does not follow its grammar",
            Self::Repeated => "the server accepted permessage-deflate more than once",
            Self::BadParameter => "the server's permessage-deflate answer does not fit the offer",
        })
    }
}

impl core::error::Error for NegotiationError {}

/// A value for a `Sec-WebSocket-Extensions` field, held inline.
#[derive(Clone, Copy)]
pub struct HeaderValue {
    octets: [u8; Self::CAPACITY],
    length: u8,
}

impl HeaderValue {
    /// The octets of the longest value.
    pub const CAPACITY: usize = 128;

    /// The value as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The value as octets, all of them ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }

    fn push(&mut self, text: &str) {
        let from = usize::from(self.length);
        // The longest value fits, which a test shows, so nothing is ever cut.
        if let Some(room) = self.octets.get_mut(from..from + text.len()) {
            room.copy_from_slice(text.as_bytes());
            self.length += text.len() as u8;
        }
    }
}

impl AsRef<[u8]> for HeaderValue {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The parameters of one offer or answer.
#[derive(Clone, Copy, Debug, Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<WindowBits>,
    /// The outer level is whether the parameter is there, the inner whether it has a value.
    client_max_window_bits: Option<Option<WindowBits>>,
}

impl Parameters {
    /// Takes one more parameter; nothing when it is unknown, repeated or ill-valued. RFC 7692 7.1.
    fn with(mut self, param: Param<'_>) -> Option<Self> {
        let value = param.value;
        let repeated = match param.name {
            SERVER_NO_CONTEXT_TAKEOVER if value.is_none() => {
                core::mem::replace(&mut self.server_no_context_takeover, true)
            }
            CLIENT_NO_CONTEXT_TAKEOVER if value.is_none() => {
                core::mem::replace(&mut self.client_no_context_takeover, true)
            }
            SERVER_MAX_WINDOW_BITS => self.server_max_window_bits.replace(window_bits(value?)?).is_some(),
            CLIENT_MAX_WINDOW_BITS => {
                let bits = match value {
                    None => None,
                    Some(value) => Some(window_bits(value)?),
                };
                self.client_max_window_bits.replace(bits).is_some()
            }
            _ => return None,
        };
        (!repeated).then_some(self)
    }

    fn write(self) -> HeaderValue {
        let mut header = HeaderValue { octets: [0; HeaderValue::CAPACITY], length: 0 };
        header.push(NAME);
        let window = |bits: WindowBits| match bits.bits() {
            8 => "=8",
            9 => "=9",
            10 => "=10",
            11 => "=11",
            12 => "=12",
            13 => "=13",
            14 => "=14",
            _ => "=15",
        };
        let parameters = [
            (SERVER_NO_CONTEXT_TAKEOVER, self.server_no_context_takeover.then_some("")),
            (CLIENT_NO_CONTEXT_TAKEOVER, self.client_no_context_takeover.then_some("")),
            (SERVER_MAX_WINDOW_BITS, self.server_max_window_bits.map(window)),
            (CLIENT_MAX_WINDOW_BITS, self.client_max_window_bits.map(|bits| bits.map_or("", window))),
        ];
        for (name, value) in parameters {
            if let Some(value) = value {
                header.push("; ");
                header.push(name);
                header.push(value);
            }
        }
        header
    }
}

/// A whole number from 8 to 15 without a leading zero. RFC 7692 7.1.2.
fn window_bits(value: ParamValue<'_>) -> Option<WindowBits> {
    let mut octets = value.octets();
    let bits = match (octets.next()?, octets.next(), octets.next()) {
        (digit @ b'8'..=b'9', None, _) => digit - b'0',
        (b'1', Some(digit @ b'0'..=b'5'), None) => 10 + digit - b'0',
        _ => return None,
    };
    WindowBits::new(bits)
}

/// Gives `visit` every extension of every value; no parameters when one of them is bad.
fn for_each_extension<V: AsRef<[u8]>>(
    values: impl IntoIterator<Item = V>,
    mut visit: impl FnMut(&str, Option<Parameters>) -> Result<(), NegotiationError>,
) -> Result<(), NegotiationError> {
    for value in values {
        for extension in Extensions::parse(value.as_ref()) {
            let extension = extension?;
            visit(extension.name(), extension.params().try_fold(Parameters::default(), Parameters::with))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
