//! Connections that this end begins: connect, request, answer.

use crate::engine::Engine;
use crate::entry::Flags;
use crate::handler::Handler;
use crate::peer::{Keys, Peer};
use crate::poller::Interest;
use crate::reactor::Reactor;
use crate::slab::Token;
use crate::trace;
use rustix::fd::OwnedFd;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use tightwire::deflate::{Agreement, NegotiationError, Policy};
use tightwire::handshake::client::{AnswerError, Offer, OfferError, Response};
use tightwire::handshake::{HeadScanner, Slot};
use tightwire::{Connection, deadline::Timeout};

/// Headers of a response that are looked at.
const SLOTS: usize = 128;

/// What has to be remembered of a request until it is answered.
pub(crate) struct Dial {
    nonce: [u8; 16],
    host: String,
    target: String,
    protocols: Vec<String>,
    extensions: Option<String>,
    /// What was offered of compression.
    policy: Option<Policy>,
    failure: Option<ConnectError>,
}

/// Why a connection could not be opened from this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The transport could not be connected, or ended before the answer was whole.
    Transport(io::ErrorKind),
    /// The server's answer does not open a connection.
    Answer(AnswerError),
    /// What the answer says of compression does not fit what was offered (RFC 7692 7.1).
    Compression(NegotiationError),
    /// There was no whole answer in time.
    Timeout,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(kind) => write!(f, "the transport failed: {kind}"),
            Self::Answer(error) => error.fmt(f),
            Self::Compression(error) => error.fmt(f),
            Self::Timeout => f.write_str("the server did not answer in time"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// Why a connection could not even be begun.
#[derive(Debug)]
#[non_exhaustive]
pub enum DialError {
    /// The offer cannot be sent.
    Offer(OfferError),
    /// No socket could be made or connected.
    Io(io::Error),
    /// The server is being shut down.
    ShuttingDown,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offer(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::ShuttingDown => f.write_str("the server is being shut down"),
        }
    }
}

impl std::error::Error for DialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Offer(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::ShuttingDown => None,
        }
    }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<OfferError> for DialError {
    fn from(error: OfferError) -> Self {
        Self::Offer(error)
    }
}

impl<S: Default> Reactor<S> {
    /// Begins a connection to a server, as its client, from the address `source` if one is given.
    ///
    /// [`Handler::open`] follows when the handshake is done, [`Handler::failed`] if it fails; both name the
    /// token that is returned here. One source address has some 28,000 ports for each server address: to
    /// connect more, use several. With port 0 the system looks for a free one, which takes long when most are
    /// in use: who connects very many gives the ports.
    ///
    /// # Errors
    /// [`DialError`]: nothing was begun.
    pub fn connect(
        &mut self,
        server: SocketAddr,
        source: Option<SocketAddr>,
        offer: &Offer<'_>,
        session: S,
    ) -> Result<Token, DialError> {
        let socket = Socket::new(
            Domain::for_address(server),
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = source {
            // A port that was asked for may be one whose last connection is not quite forgotten.
            socket.set_reuse_address(source.port() != 0)?;
            socket.bind(&source.into())?;
        }
        self.dial(socket, &server.into(), offer, session)
    }

    /// As [`connect`](Self::connect), over a Unix socket.
    ///
    /// # Errors
    /// [`DialError`]: nothing was begun.
    pub fn connect_unix(
        &mut self,
        path: impl AsRef<std::path::Path>,
        offer: &Offer<'_>,
        session: S,
    ) -> Result<Token, DialError> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
        self.dial(socket, &SockAddr::unix(path)?, offer, session)
    }

    fn dial(
        &mut self,
        socket: Socket,
        server: &SockAddr,
        offer: &Offer<'_>,
        session: S,
    ) -> Result<Token, DialError> {
        if self.shuts_down {
            // A handler that connects again whenever a connection ends would keep the thread for ever.
            return Err(DialError::ShuttingDown);
        }
        let keys = Keys::new()?;
        let nonce = keys.nonce();
        let policy = self.codecs.policy();
        let extensions = match (offer.extensions, policy) {
            (Some(others), Some(policy)) => Some(format!("{others}, {}", policy.offer())),
            (others, policy) => others.map(str::to_owned).or(policy.map(|policy| policy.offer().to_string())),
        };
        let mut offer = *offer;
        offer.extensions = extensions.as_deref();
        let length = match offer.write(nonce, &mut []) {
            Ok(length) | Err(OfferError::NeedsSpace(length)) => length,
            Err(error) => return Err(error.into()),
        };
        let in_progress = Some(rustix::io::Errno::INPROGRESS.raw_os_error());
        match socket.connect(server) {
            Err(error) if error.raw_os_error() != in_progress => return Err(error.into()),
            _ => {}
        }
        let token = self.add(OwnedFd::from(socket), Interest::BOTH)?;
        let none = || io::Error::from(io::ErrorKind::NotFound);
        let Some(entry) = self.slab.get_mut(token) else { return Err(none().into()) };
        entry.session = session;
        // The socket takes nothing until it is connected.
        entry.flags.set(Flags::BLOCKED.or(Flags::WRITE_ARMED).or(Flags::DIALED));
        let Some(extra) = self.extras.need(&mut entry.extra) else { return Err(none().into()) };
        let written = offer.write(nonce, extra.output.room(&mut self.pool, length))?;
        extra.output.commit(written);
        extra.dial = Some(Box::new(Dial {
            nonce,
            host: offer.host.to_owned(),
            target: offer.target.to_owned(),
            protocols: offer.protocols.iter().map(|&protocol| protocol.to_owned()).collect(),
            extensions,
            policy,
            failure: None,
        }));
        if let Some(policy) = policy {
            self.promise(policy);
        }
        Ok(token)
    }
}

impl<H: Handler> Engine<H> {
    /// Looks at the answer to a request of ours. Gives the octets that were used up.
    pub(crate) fn open_client(&mut self, token: Token, octets: &[u8]) -> usize {
        let reactor = &mut self.reactor;
        let Some(entry) = reactor.slab.get_mut(token) else { return 0 };
        let Some(extra) = reactor.extras.get(entry.extra) else { return 0 };
        let Some(dial) = extra.dial.take() else { return 0 };
        let mut scanner = HeadScanner::new();
        let mut slots = [Slot::EMPTY; SLOTS];
        let judged = match scanner.scan(octets, &reactor.config.head_limits) {
            Ok(None) => {
                extra.rest = reactor.pool.copy(octets);
                (extra.rest_len, extra.scanner, extra.dial) = (octets.len(), scanner, Some(dial));
                return octets.len();
            }
            Ok(Some(length)) => {
                let head = octets.get(..length).unwrap_or_default();
                dial.verify(head, &mut slots).map(|agreement| (length, agreement))
            }
            Err(error) => Err(ConnectError::Answer(AnswerError::Head(error))),
        };
        match judged.map(|judged| (judged, Keys::new())) {
            Ok(((length, agreement), Ok(keys))) => {
                reactor.unpromise(dial.policy);
                self.opened(token, Peer::Client(Connection::client(keys)), agreement);
                length
            }
            Ok((_, Err(error))) => self.fail_dial(token, dial, ConnectError::Transport(error.kind())),
            Err(error) => self.fail_dial(token, dial, error),
        }
    }

    /// Whether the connection was begun here and is not open.
    pub(crate) fn is_dial(&mut self, token: Token) -> bool {
        let Some(entry) = self.reactor.slab.get(token) else { return false };
        self.reactor.extras.get(entry.extra).is_some_and(|extra| extra.dial.is_some())
    }

    /// The connect has ended, well or badly.
    pub(crate) fn dial_connected(&mut self, token: Token) {
        let Some(entry) = self.reactor.slab.get_mut(token) else { return };
        let Some(extra) = self.reactor.extras.get(entry.extra) else { return };
        let Some(dial) = &mut extra.dial else { return };
        if let Ok(Err(errno)) | Err(errno) = rustix::net::sockopt::socket_error(&entry.fd) {
            dial.failure = Some(ConnectError::Transport(io::Error::from(errno).kind()));
            entry.flags.set(Flags::DOOMED);
        }
    }

    /// Tells the handler if the connection that is dropped was begun here and never opened.
    pub(crate) fn dial_failed(&mut self, token: Token) {
        let Self { reactor, handler } = self;
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        let Some(extra) = reactor.extras.get(entry.extra) else { return };
        let Some(dial) = extra.dial.take() else { return };
        reactor.unpromise(dial.policy);
        let failure = dial.failure.unwrap_or(ConnectError::Transport(io::ErrorKind::ConnectionReset));
        trace::failed(reactor.place, token, failure);
        handler.failed(&mut crate::Conn { reactor, token }, failure);
    }

    /// Notes that the answer came too late.
    pub(crate) fn dial_timed_out(&mut self, token: Token, timeout: Timeout) {
        let Some(entry) = self.reactor.slab.get(token) else { return };
        if timeout == Timeout::Handshake
            && let Some(extra) = self.reactor.extras.get(entry.extra)
            && let Some(dial) = &mut extra.dial
        {
            dial.failure = Some(ConnectError::Timeout);
        }
    }

    fn fail_dial(&mut self, token: Token, mut dial: Box<Dial>, failure: ConnectError) -> usize {
        dial.failure = Some(failure);
        if let Some(entry) = self.reactor.slab.get_mut(token) {
            entry.flags.set(Flags::DOOMED);
            if let Some(extra) = self.reactor.extras.need(&mut entry.extra) {
                extra.dial = Some(dial);
            }
        }
        0
    }
}

impl Dial {
    fn verify(&self, head: &[u8], slots: &mut [Slot]) -> Result<Option<Agreement>, ConnectError> {
        let response = Response::parse(head, slots).map_err(ConnectError::Answer)?;
        let protocols: Vec<&str> = self.protocols.iter().map(String::as_str).collect();
        let mut offer = Offer::new(&self.host, &self.target).with_protocols(&protocols);
        offer.extensions = self.extensions.as_deref();
        offer.verify(&response, self.nonce).map_err(ConnectError::Answer)?;
        let Some(policy) = self.policy else { return Ok(None) };
        policy.verify(response.values("Sec-WebSocket-Extensions")).map_err(ConnectError::Compression)
    }
}
