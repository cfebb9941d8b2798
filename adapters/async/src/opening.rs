//! The opening handshake over a transport, in both roles: octets, time and refusals.

use crate::answer::Answer;
#[cfg(feature = "deflate")]
use crate::compression;
use crate::config::{Config, tick, time};
use crate::receiving::Receiving;
use crate::sender::Outlet;
use crate::sending::Sending;
use crate::transport::{Timer, Transport, WriteTransport};
use crate::websocket::{TransportError, WebSocket};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use tightwire::deadline::{Action, Deadlines};
use tightwire::deflate::{Agreement, NegotiationError};
use tightwire::handshake::client::{AnswerError, Offer, OfferError};
use tightwire::handshake::server::{Request, Response, ResponseError};
use tightwire::handshake::{HandshakeError, HeadScanner, OriginPolicy, Slot, client};
use tightwire::{Client, Connection, Inbox, KeySource, Role, Server};

/// What a server's opening handshake ends in.
pub type Accepted<T> = Result<WebSocket<T, Server>, OpenError<TransportError<T>>>;

/// What a client's opening handshake ends in.
pub type Opened<T, K> = Result<(WebSocket<T, Client<K>>, Agreed), OpenError<TransportError<T>>>;

/// Why an opening handshake did not end in a connection. `E` is the error of the transport.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError<E> {
    /// The request was not one that can be accepted. It was answered with the HTTP status that says why.
    Request(HandshakeError),
    /// The application refused the request with this HTTP status.
    Refused(u16),
    /// The application's answer cannot be sent. The request was answered with status 500.
    Response(ResponseError),
    /// The request that the application wants to send cannot be sent.
    Offer(OfferError),
    /// The server's answer breaks the handshake.
    Answer(AnswerError),
    /// What the server's answer says of compression does not fit what was offered (RFC 7692 7.1).
    Compression(NegotiationError),
    /// The server refused the request.
    Rejected(Box<Rejected>),
    /// The handshake took too long. A server has answered with status 408.
    Timeout,
    /// The transport ended before the handshake did.
    Ended,
    /// The transport failed.
    Transport(E),
}

impl<E: fmt::Display> fmt::Display for OpenError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => write!(f, "{error} (answered with status {})", error.status()),
            Self::Refused(status) => write!(f, "the application refused the request with status {status}"),
            Self::Response(error) => error.fmt(f),
            Self::Offer(error) => error.fmt(f),
            Self::Answer(error) => error.fmt(f),
            Self::Compression(error) => error.fmt(f),
            Self::Rejected(rejected) => write!(f, "the server refused with status {}", rejected.status),
            Self::Timeout => f.write_str("the opening handshake took too long"),
            Self::Ended => f.write_str("the transport ended before the opening handshake did"),
            Self::Transport(error) => write!(f, "the transport failed: {error}"),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for OpenError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Request(error) => Some(error),
            Self::Response(error) => Some(error),
            Self::Offer(error) => Some(error),
            Self::Answer(error) => Some(error),
            Self::Compression(error) => Some(error),
            Self::Transport(error) => Some(error),
            Self::Refused(_) | Self::Rejected(_) | Self::Timeout | Self::Ended => None,
        }
    }
}

/// A server's refusal as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The HTTP status.
    pub status: u16,
    /// Name and value of each header, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The start of the body, at most 1,024 octets.
    pub body: Vec<u8>,
}

impl Rejected {
    /// The value of the first header with this name, in any case: `Location` of a redirect, say.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

/// What a server agreed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// The subprotocol that the server selected of those offered.
    pub protocol: Option<String>,
    /// Name and value of each response header, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The compression that was agreed on.
    pub compression: Option<Agreement>,
}

/// The most headers that are looked at, whatever the configuration says: their slots lie on the stack.
pub(crate) const SLOTS: usize = 128;
const BODY_MAX: usize = 1024;
/// A refused client that never stops sending is cut off after this many reads.
const READS_AFTER_REFUSAL: usize = 1024;

/// A request that has arrived and is not answered yet.
///
/// For servers that must wait for something (a session store, say) before they can answer; else
/// [`accept_with`] is simpler. Dropped, it ends the transport without an answer.
pub struct Incoming<T: WriteTransport> {
    opening: Opening<T>,
    head: usize,
}

impl<T: Transport> Incoming<T> {
    /// Reads the request. One that is malformed or too large is answered here.
    ///
    /// Not cancel safe: a dropped future ends the transport.
    ///
    /// # Errors
    /// [`OpenError::Request`], [`OpenError::Timeout`], [`OpenError::Ended`] or [`OpenError::Transport`].
    pub async fn read(io: T, config: Arc<Config>) -> Result<Self, OpenError<TransportError<T>>> {
        let mut opening = Opening::new(io, config);
        match opening.head().await {
            Ok(head) => Ok(Self { opening, head }),
            Err(HeadError::Malformed(error)) => Err(opening.refuse(error).await),
            Err(HeadError::Open(OpenError::Timeout)) => {
                opening.respond(&Response::new(408)).await;
                Err(OpenError::Timeout)
            }
            Err(HeadError::Open(error)) => Err(error),
        }
    }

    /// Looks at the request.
    ///
    /// # Errors
    /// The [`HandshakeError`] of a malformed request; [`answer`](Self::answer) then answers with it.
    pub fn request<X>(&self, look: impl FnOnce(&Request<'_, '_>) -> X) -> Result<X, HandshakeError> {
        let mut slots = [Slot::EMPTY; SLOTS];
        let head = self.opening.arrived.inbox.unread().get(..self.head).unwrap_or_default();
        Ok(look(&Request::parse(head, &mut slots)?))
    }

    /// Answers the request: with 101 if the application accepts it and it is one for a WebSocket connection
    /// from an allowed origin, else with the status that says why not.
    ///
    /// Not cancel safe: a dropped future ends the transport.
    ///
    /// # Errors
    /// [`OpenError::Request`], [`OpenError::Refused`], [`OpenError::Response`], or as [`read`](Self::read).
    pub async fn answer(
        self,
        origins: &OriginPolicy<'_>,
        answer: &Answer,
    ) -> Result<WebSocket<T, Server>, OpenError<TransportError<T>>> {
        let Self { mut opening, head } = self;
        let octets = opening.arrived.inbox.unread().get(..head).unwrap_or_default();
        match respond(octets, &opening.arrived.config, origins, answer) {
            Ok((response, agreement)) => {
                opening.write(&response).await?;
                opening.arrived.inbox.skip(head);
                Ok(opening.open(Connection::server(), agreement))
            }
            Err(error) => {
                opening.respond(&answer.refusal(&error, &answer.headers())).await;
                Err(error)
            }
        }
    }
}

impl<T: WriteTransport> fmt::Debug for Incoming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

/// The octets of a 101 and the compression that they agree on, or why there is none.
fn respond<E>(
    head: &[u8],
    config: &Config,
    origins: &OriginPolicy<'_>,
    answer: &Answer,
) -> Result<(Vec<u8>, Option<Agreement>), OpenError<E>> {
    let mut slots = [Slot::EMPTY; SLOTS];
    answer.judge(Request::parse(head, &mut slots), config, origins, |upgrade, acceptance| {
        let mut response = vec![0; 256];
        loop {
            match upgrade.accept(acceptance, &mut response) {
                Ok(length) => {
                    response.truncate(length);
                    return Ok(response);
                }
                Err(ResponseError::NeedsSpace(octets)) => response.resize(octets, 0),
                Err(error) => return Err(error),
            }
        }
    })
}

/// Accepts a connection from an allowed origin, as a server, without a look at the request: see
/// [`accept_with`].
///
/// Not cancel safe: a dropped future ends the transport.
///
/// # Errors
/// As [`accept_with`].
pub fn accept<T: Transport>(
    io: T,
    config: Arc<Config>,
    origins: &OriginPolicy<'_>,
) -> impl Future<Output = Accepted<T>> {
    accept_with(io, config, origins, |_| Answer::accept())
}

/// Reads a request, lets the application decide, and answers. Every request that is not accepted is answered
/// with the HTTP status that says why, within the deadline for the handshake.
///
/// Not cancel safe: a dropped future ends the transport.
///
/// # Errors
/// [`OpenError::Request`], [`OpenError::Refused`], [`OpenError::Response`], [`OpenError::Timeout`],
/// [`OpenError::Ended`] or [`OpenError::Transport`].
pub fn accept_with<T: Transport>(
    io: T,
    config: Arc<Config>,
    origins: &OriginPolicy<'_>,
    decide: impl FnOnce(&Request<'_, '_>) -> Answer,
) -> impl Future<Output = Accepted<T>> {
    // A task keeps the room of its largest future for life: a connection that idles for days should not pay
    // for its handshake. So the handshake has memory of its own.
    Box::pin(async move {
        let incoming = Incoming::read(io, config).await?;
        // A request that does not parse is refused by the answer, whatever it is.
        let answer = incoming.request(decide).unwrap_or_default();
        incoming.answer(origins, &answer).await
    })
}

/// Opens a connection as a client: sends `offer`, verifies the answer.
///
/// `nonce` are 16 random octets, fresh for each connection (RFC 6455 4.1).
///
/// Not cancel safe: a dropped future ends the transport.
///
/// # Errors
/// [`OpenError::Offer`], [`OpenError::Answer`], [`OpenError::Rejected`], [`OpenError::Timeout`],
/// [`OpenError::Ended`] or [`OpenError::Transport`].
pub fn open<T: Transport, K: KeySource>(
    io: T,
    config: Arc<Config>,
    offer: &Offer<'_>,
    nonce: [u8; 16],
    keys: K,
) -> impl Future<Output = Opened<T, K>> {
    Box::pin(async move {
        #[cfg(feature = "deflate")]
        let offering = compression::Offering::new(&config, offer);
        #[cfg(feature = "deflate")]
        let offer = &offering.offer(offer);
        let mut request = vec![0; 512];
        let length = loop {
            match offer.write(nonce, &mut request) {
                Ok(length) => break length,
                Err(OfferError::NeedsSpace(octets)) => request.resize(octets, 0),
                Err(error) => return Err(OpenError::Offer(error)),
            }
        };
        let mut opening = Opening::new(io, config);
        opening.write(request.get(..length).unwrap_or_default()).await?;
        let head = match opening.head().await {
            Ok(head) => head,
            Err(HeadError::Malformed(error)) => return Err(OpenError::Answer(AnswerError::Head(error))),
            Err(HeadError::Open(error)) => return Err(error),
        };
        let octets = opening.arrived.inbox.unread().get(..head).unwrap_or_default();
        #[cfg(feature = "deflate")]
        let verdict = verify(offer, nonce, octets, |response| offering.verify(response));
        #[cfg(not(feature = "deflate"))]
        let verdict = verify(offer, nonce, octets, |_| Ok(None));
        opening.arrived.inbox.skip(head);
        match verdict {
            Ok(agreed) => Ok((opening.open(Connection::client(keys), agreed.compression), agreed)),
            Err(OpenError::Rejected(mut rejected)) => {
                rejected.body = opening.body(&rejected).await;
                Err(OpenError::Rejected(rejected))
            }
            Err(error) => Err(error),
        }
    })
}

fn verify<E>(
    offer: &Offer<'_>,
    nonce: [u8; 16],
    head: &[u8],
    judge: impl FnOnce(&client::Response<'_, '_>) -> Result<Option<Agreement>, NegotiationError>,
) -> Result<Agreed, OpenError<E>> {
    let mut slots = [Slot::EMPTY; SLOTS];
    let response = client::Response::parse(head, &mut slots).map_err(OpenError::Answer)?;
    let headers = response.headers().map(|(name, value)| (name.into(), value.into())).collect();
    match offer.verify(&response, nonce) {
        Ok(accepted) => {
            // RFC 7692 7.1: an answer that does not fit the offer fails the connection
            let compression = judge(&response).map_err(OpenError::Compression)?;
            Ok(Agreed { protocol: accepted.protocol().map(Into::into), headers, compression })
        }
        Err(AnswerError::Status(status)) => {
            Err(OpenError::Rejected(Box::new(Rejected { status, headers, body: Vec::new() })))
        }
        Err(error) => Err(OpenError::Answer(error)),
    }
}

/// A response other than 101.
fn encode(response: &Response<'_>) -> Vec<u8> {
    let mut octets = vec![0; 512];
    loop {
        match response.write(&mut octets) {
            Ok(length) => {
                octets.truncate(length);
                return octets;
            }
            Err(ResponseError::NeedsSpace(length)) => octets.resize(length, 0),
            // A refusal that the application shaped wrongly is still a refusal.
            Err(_) => return b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into(),
        }
    }
}

enum HeadError<E> {
    Malformed(HandshakeError),
    Open(OpenError<E>),
}

/// What has arrived, in a buffer that goes back to the pool however the handshake ends.
struct Arrived {
    inbox: Inbox<Box<[u8]>>,
    config: Arc<Config>,
}

impl Arrived {
    fn take(&mut self) -> Inbox<Box<[u8]>> {
        core::mem::replace(&mut self.inbox, Inbox::new(Box::default()))
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        let storage = self.take().into_storage();
        self.config.pool.give(storage);
    }
}

/// A transport whose handshake is not done.
pub(crate) struct Opening<T: WriteTransport> {
    pub(crate) io: T,
    arrived: Arrived,
    deadlines: Deadlines,
    timer: T::Timer,
}

impl<T: Transport> Opening<T> {
    pub(crate) fn new(io: T, config: Arc<Config>) -> Self {
        Self {
            io,
            arrived: Arrived { inbox: Inbox::new(Box::default()), config },
            deadlines: Deadlines::new(tick(T::Timer::now())),
            timer: T::Timer::default(),
        }
    }

    fn open<R: Role>(mut self, connection: Connection<R>, agreement: Option<Agreement>) -> WebSocket<T, R> {
        self.deadlines.opened(tick(T::Timer::now()));
        let connection = match agreement {
            Some(agreement) => connection.with_compression(agreement),
            None => connection,
        };
        let (inbound, outbound) = connection.split();
        let config = self.arrived.config.clone();
        let mut receiving = Receiving::new(inbound, self.arrived.take());
        #[cfg(feature = "deflate")]
        receiving.reserve_window(&config);
        // The connection may first be received from much later.
        receiving.release(&config);
        let sending = Box::new(Sending::new(self.io, outbound, self.deadlines));
        WebSocket { receiving, outlet: Outlet { sending, timer: self.timer, config }, wakers: None }
    }

    /// Reads up to the end of the head and gives its length.
    async fn head(&mut self) -> Result<usize, HeadError<TransportError<T>>> {
        let mut scanner = HeadScanner::new();
        loop {
            let scanned = scanner
                .scan(self.arrived.inbox.unread(), &self.arrived.config.head)
                .map_err(HeadError::Malformed)?;
            if let Some(length) = scanned {
                return Ok(length);
            }
            if poll_fn(|cx| self.poll_read(cx)).await.map_err(HeadError::Open)? == 0 {
                return Err(HeadError::Open(OpenError::Ended));
            }
        }
    }

    /// Reads up to the end of the head of a response, and gives it and what has come behind it.
    #[cfg(feature = "proxy")]
    pub(crate) async fn answer(&mut self) -> Result<(&[u8], &[u8]), OpenError<TransportError<T>>> {
        let length = match self.head().await {
            Ok(length) => length,
            Err(HeadError::Malformed(error)) => return Err(OpenError::Answer(AnswerError::Head(error))),
            Err(HeadError::Open(error)) => return Err(error),
        };
        Ok(self.arrived.inbox.unread().split_at_checked(length).unwrap_or_default())
    }

    /// Reads more, holding no more memory while it waits than what has arrived needs.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, OpenError<TransportError<T>>>> {
        let pool = &self.arrived.config.pool;
        if self.arrived.inbox.space().is_empty() {
            let larger = pool.take(self.arrived.inbox.len() + self.arrived.inbox.len() / 2 + 1);
            if let Ok(old) = self.arrived.inbox.replace(larger) {
                pool.give(old);
            }
        }
        match self.io.poll_read(cx, self.arrived.inbox.space()) {
            Poll::Ready(Ok(octets)) => {
                self.arrived.inbox.commit(octets);
                Poll::Ready(Ok(octets))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(OpenError::Transport(error))),
            Poll::Pending => {
                let exact = vec![0; self.arrived.inbox.len()].into_boxed_slice();
                if let Ok(old) = self.arrived.inbox.replace(exact) {
                    pool.give(old);
                }
                self.poll_deadline(cx).map(|()| Err(OpenError::Timeout))
            }
        }
    }

    /// Ready once the handshake, or the linger after a refusal, has taken too long.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = T::Timer::now();
            if let Some(Action::Fail(_)) = self.deadlines.on_time(tick(now), &self.arrived.config.timeouts) {
                return Poll::Ready(());
            }
            match self.deadlines.next_deadline(tick(now), &self.arrived.config.timeouts) {
                Some(at) => ready!(self.timer.poll_until(cx, time(at, now))),
                None => return Poll::Pending,
            }
        }
    }

    pub(crate) async fn write(&mut self, mut octets: &[u8]) -> Result<(), OpenError<TransportError<T>>> {
        poll_fn(|cx| {
            loop {
                let polled = if octets.is_empty() {
                    self.io.poll_flush(cx).map_ok(|()| None)
                } else {
                    self.io.poll_write(cx, octets).map_ok(Some)
                };
                match polled {
                    Poll::Ready(Ok(Some(written))) => octets = octets.get(written..).unwrap_or_default(),
                    Poll::Ready(Ok(None)) => return Poll::Ready(Ok(())),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(OpenError::Transport(error))),
                    Poll::Pending => {
                        ready!(self.poll_deadline(cx));
                        return Poll::Ready(Err(OpenError::Timeout));
                    }
                }
            }
        })
        .await
    }

    async fn refuse(&mut self, error: HandshakeError) -> OpenError<TransportError<T>> {
        self.respond(&error.rejection()).await;
        OpenError::Request(error)
    }

    /// Writes a response other than 101 and sees it through to the peer: closing with unread octets would
    /// reset the connection, and the peer might never read the response.
    async fn respond(&mut self, response: &Response<'_>) {
        self.deadlines.close_begun(tick(T::Timer::now()));
        if self.write(&encode(response)).await.is_err() {
            return;
        }
        poll_fn(|cx| match self.io.poll_close(cx) {
            Poll::Pending => self.poll_deadline(cx),
            Poll::Ready(_) => Poll::Ready(()),
        })
        .await;
        for _ in 0..READS_AFTER_REFUSAL {
            self.arrived.inbox.skip(usize::MAX);
            if !matches!(poll_fn(|cx| self.poll_read(cx)).await, Ok(1..)) {
                break;
            }
        }
    }

    /// The start of the body of a refusal, as far as it comes in time.
    async fn body(&mut self, rejected: &Rejected) -> Vec<u8> {
        let declared = rejected
            .header("Content-Length")
            .and_then(|value| core::str::from_utf8(value).ok()?.parse::<usize>().ok())
            .unwrap_or(BODY_MAX);
        let wanted = declared.min(BODY_MAX);
        while self.arrived.inbox.len() < wanted {
            match poll_fn(|cx| self.poll_read(cx)).await {
                Ok(1..) => {}
                _ => break,
            }
        }
        let body = self.arrived.inbox.unread();
        body.get(..wanted.min(body.len())).unwrap_or_default().into()
    }
}
