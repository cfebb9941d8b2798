//! The opening handshake without a transport, in both roles and in lent memory.
//!
//! It decides what is answered and when; blocking and async code only read and write for it.

use crate::config::{Clock, Config, Untimed};
use crate::error::OpenError;
use crate::outbox::Outbox;
use crate::receiving::Machine;
use crate::sending::Step;
use crate::storage::{Storage, TooSmall};
use crate::time::Time;
use tightwire::deadline::{Action, Deadlines, Tick};
use tightwire::handshake::client::{self, AnswerError, Offer};
use tightwire::handshake::server::{Acceptance, Request, Response, ResponseError};
use tightwire::handshake::{HandshakeError, HeadScanner, OriginPolicy, Slot};
use tightwire::{Connection, Inbox, KeySource, Role};

/// A connection that is to be opened: a transport, its storage, room for the headers of the peer's head, and what else
/// is not as by default. `accept` and `connect` of the modules make a `WebSocket` of it.
///
/// A transport that is needed afterwards can be lent: `&mut uart` is a transport, too. After a refused request a TCP
/// socket that is closed at once may take its answer back: lend it, then end its sending direction and read what still
/// arrives.
#[derive(Debug)]
pub struct Opening<'s, IO, B, C = Untimed> {
    pub(crate) io: IO,
    pub(crate) buffers: B,
    pub(crate) slots: &'s mut [Slot],
    pub(crate) config: &'static Config,
    pub(crate) clock: C,
}

impl<'s, IO, B: Storage> Opening<'s, IO, B> {
    /// With the default limits and without a clock. One slot is needed for each header line of the peer's: browsers
    /// send some 15. They are only used while the connection opens.
    pub const fn new(io: IO, buffers: B, slots: &'s mut [Slot]) -> Self {
        static CONFIG: Config = Config::new();
        Self { io, buffers, slots, config: &CONFIG, clock: Untimed }
    }
}

impl<'s, IO, B, C> Opening<'s, IO, B, C> {
    /// The same with other limits and timeouts.
    #[must_use]
    pub fn with_config(self, config: &'static Config) -> Self {
        Self { config, ..self }
    }

    /// The same with the user's clock, so that deadlines pass.
    #[must_use]
    pub fn with_clock<D: Clock>(self, clock: D) -> Opening<'s, IO, B, D> {
        let Self { io, buffers, slots, config, .. } = self;
        Opening { io, buffers, slots, config, clock }
    }
}

impl<'s, IO, B: Storage, C: Clock> Opening<'s, IO, B, C> {
    /// The transport, the slots and what is to be done with them.
    pub(crate) fn begin(self) -> (IO, &'s mut [Slot], Handshake<B, C>) {
        let Self { io, buffers, slots, config, clock } = self;
        let (receive, transmit) = buffers.into_parts();
        let handshake = Handshake {
            inbox: Inbox::new(receive),
            outbox: Outbox::new(transmit),
            scanner: HeadScanner::new(),
            time: Time::new(clock),
            config,
            is_client: false,
            verdict: None,
        };
        (io, slots, handshake)
    }
}

/// Answers a request: with 101, or with any other response. It writes into the transmit storage at once, so what the
/// answer is made of need not live longer.
#[derive(Debug)]
pub struct Responder<'a> {
    request: Request<'a, 'a>,
    origins: &'a OriginPolicy<'a>,
    out: &'a mut [u8],
}

impl Responder<'_> {
    /// Accepts the request, if it is one for a WebSocket connection that the origin policy allows. If not, it is
    /// answered with the status that says why.
    pub fn accept(self, acceptance: &Acceptance<'_>) -> Answered {
        let written = match self.request.check(self.origins) {
            Ok(upgrade) => upgrade.accept(acceptance, self.out).map_err(Refusal::Response),
            Err(error) => Err(Refusal::Request(error)),
        };
        Answered { written: written.map(|length| (length, None)) }
    }

    /// Refuses the request, redirects it or answers a plain HTTP request.
    pub fn refuse(self, response: &Response<'_>) -> Answered {
        let written = response.answering(self.request.method()).write(self.out).map_err(Refusal::Response);
        Answered { written: written.map(|length| (length, Some(response.status()))) }
    }
}

/// That a request was answered: what a [`Responder`] gives.
#[derive(Clone, Copy, Debug)]
#[must_use = "it is what the closure returns"]
pub struct Answered {
    /// The length of the response, and its status if it is a refusal.
    written: Result<(usize, Option<u16>), Refusal>,
}

/// Why a connection does not open, as far as no transport is involved.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    Request(HandshakeError),
    Response(ResponseError),
    Status(u16),
    Answer(AnswerError),
    Timeout,
    Ended,
}

impl Refusal {
    pub(crate) fn error<E>(self) -> OpenError<E> {
        match self {
            Self::Request(error) => OpenError::Request(error),
            Self::Response(error) => OpenError::Response(error),
            Self::Status(status) => OpenError::Refused(status),
            Self::Answer(error) => OpenError::Answer(error),
            Self::Timeout => OpenError::Timeout,
            Self::Ended => OpenError::Ended,
        }
    }
}

/// The head of the peer's, or a verdict whose answer is with the transport.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// So many octets of head have arrived.
    Head(usize),
    /// The handshake is over.
    Over(Result<(), Refusal>),
}

/// Which octets are exchanged, until the handshake is over.
pub(crate) struct Handshake<B: Storage, C> {
    pub(crate) inbox: Inbox<B::Receive>,
    pub(crate) outbox: Outbox<B::Transmit>,
    scanner: HeadScanner,
    pub(crate) time: Time<C>,
    config: &'static Config,
    is_client: bool,
    /// The head was judged: the handshake is over as soon as the answer is sent.
    verdict: Option<Result<(), Refusal>>,
}

impl<B: Storage, C: Clock> Handshake<B, C> {
    /// What to do next.
    pub(crate) fn next(&mut self) -> Step<Event> {
        let waits = !self.outbox.is_empty();
        if waits || !self.outbox.is_flushed() {
            return match self.is_late() {
                true => Step::Done(Event::Over(Err(Refusal::Timeout))),
                false if waits => Step::Write,
                false => Step::Flush,
            };
        }
        if let Some(verdict) = self.verdict {
            return Step::Done(Event::Over(verdict));
        }
        // A head has to lie in the storage as a whole.
        let storage = self.inbox.storage().as_ref().len();
        let limits = self.config.head;
        let limits = limits.with_head(limits.head.min(u32::try_from(storage).unwrap_or(u32::MAX)));
        let refusal = match self.scanner.scan(self.inbox.unread(), &limits) {
            Ok(Some(length)) => return Step::Done(Event::Head(length)),
            Ok(None) if self.is_late() => Refusal::Timeout,
            Ok(None) => return Step::Read,
            Err(error) if self.is_client => Refusal::Answer(AnswerError::Head(error)),
            Err(error) => Refusal::Request(error),
        };
        self.refuse(refusal);
        if self.outbox.is_empty() { Step::Done(Event::Over(Err(refusal))) } else { Step::Write }
    }

    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.inbox.space()
    }

    /// Notes that the transport gave octets; none means that it has ended.
    pub(crate) fn read(&mut self, octets: usize) {
        self.inbox.commit(octets);
        if octets == 0 {
            self.verdict = Some(Err(Refusal::Ended));
        }
    }

    /// Notes that the transport took octets. One that takes none of several takes none any more.
    pub(crate) fn sent(&mut self, octets: usize) {
        if octets == 0 {
            self.verdict = Some(Err(Refusal::Ended));
            self.outbox.sent(usize::MAX);
        }
        self.outbox.sent(octets);
    }

    pub(crate) fn flushed(&mut self) {
        self.outbox.flushed();
    }

    pub(crate) fn next_deadline(&mut self) -> Option<Tick> {
        self.time.next_deadline(&self.config.timeouts)
    }

    /// Answers the head of a request as `decide` says.
    pub(crate) fn answer(
        &mut self,
        head: usize,
        slots: &mut [Slot],
        origins: &OriginPolicy<'_>,
        decide: impl FnOnce(&Request<'_, '_>, Responder<'_>) -> Answered,
    ) {
        let octets = self.inbox.unread().get(..head).unwrap_or_default();
        let written = match Request::parse(octets, slots) {
            Ok(request) => {
                decide(&request, Responder { request, origins, out: self.outbox.memory() }).written
            }
            Err(error) => Err(Refusal::Request(error)),
        };
        match written {
            Ok((length, status)) => {
                self.outbox.filled(length);
                self.verdict = Some(status.map_or(Ok(()), |status| Err(Refusal::Status(status))));
                self.inbox.skip(head);
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// Writes a client's request. `nonce` is fresh.
    pub(crate) fn offer<E>(&mut self, offer: &Offer<'_>, nonce: [u8; 16]) -> Result<(), OpenError<E>> {
        self.is_client = true;
        let length = offer.write(nonce, self.outbox.memory()).map_err(OpenError::Offer)?;
        self.outbox.filled(length);
        Ok(())
    }

    /// Judges the head of a response; the subprotocol that the server chose.
    pub(crate) fn verify<'o>(
        &mut self,
        head: usize,
        slots: &mut [Slot],
        offer: &Offer<'o>,
        nonce: [u8; 16],
        look: impl FnOnce(&client::Response<'_, '_>),
    ) -> Result<Option<&'o str>, AnswerError> {
        let octets = self.inbox.unread().get(..head).unwrap_or_default();
        let response = client::Response::parse(octets, slots)?;
        look(&response);
        let protocol = offer.verify(&response, nonce)?.protocol();
        let protocol = offer.protocols.iter().copied().find(|offered| Some(*offered) == protocol);
        self.inbox.skip(head);
        Ok(protocol)
    }

    /// The connection, once the handshake is over.
    pub(crate) fn open<R: Role>(mut self, connection: Connection<R>) -> Machine<R, B, C> {
        self.time.note(Deadlines::opened);
        Machine::new(connection, self.inbox, self.outbox, self.time, self.config)
    }

    /// The connection, if the handshake was done elsewhere.
    pub(crate) fn adopt<R: Role>(
        mut self,
        connection: Connection<R>,
        leftover: &[u8],
    ) -> Result<Machine<R, B, C>, TooSmall> {
        if self.inbox.extend(leftover) < leftover.len() {
            return Err(TooSmall::Receive);
        }
        Ok(self.open(connection))
    }

    /// Prepares the response that says why there is no connection. A client has nothing to say.
    fn refuse(&mut self, refusal: Refusal) {
        self.verdict = Some(Err(refusal));
        // The response has a deadline of its own.
        self.time.note(Deadlines::close_begun);
        if self.is_client {
            return;
        }
        let response = match refusal {
            Refusal::Request(error) => error.rejection(),
            Refusal::Timeout => Response::new(408),
            Refusal::Response(_) => Response::new(500),
            Refusal::Status(_) | Refusal::Answer(_) | Refusal::Ended => return,
        };
        let memory = self.outbox.memory();
        // The least storage has room for all of them without their bodies.
        let length = response.write(memory).or_else(|_| response.with_body(&[]).write(memory));
        self.outbox.filled(length.unwrap_or_default());
    }

    fn is_late(&mut self) -> bool {
        matches!(self.time.due(&self.config.timeouts), Some(Action::Fail(_)))
    }
}

/// The nonce of a client's request (RFC 6455 4.1): 16 random octets, drawn from the source of its mask keys.
pub(crate) fn nonce(keys: &mut impl KeySource) -> [u8; 16] {
    let mut nonce = [0; 16];
    for chunk in nonce.chunks_exact_mut(4) {
        for (place, octet) in chunk.iter_mut().zip(keys.mask_key()) {
            *place = octet;
        }
    }
    nonce
}
