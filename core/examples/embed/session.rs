//! One connection of an echo server: octets in, octets out, and the time as a number.
//!
//! It knows no socket, no buffer and no clock, so any event loop can carry it. The loop in `main.rs` beside it
//! is the smallest one.

use std::error::Error;
use tightwire::deadline::{Action, Tick};
use tightwire::frame::HEAD_MAX;
use tightwire::handshake::server::{Acceptance, Request, ResponseError};
use tightwire::handshake::{HandshakeError, HeadLimits, HeadScanner, OriginPolicy, Slot};
use tightwire::{Connection, Deadlines, Event, Limits, Output, SendError, Server, Step, Timeouts};

/// Ticks of the deadlines in a second.
pub(crate) const TICKS_PER_SECOND: u32 = 10;

/// The loop lent too little output.
pub(crate) type Fault = Box<dyn Error + Send + Sync>;

pub(crate) const TIMEOUTS: Timeouts = Timeouts::new(TICKS_PER_SECOND);
/// Nothing is collected here, so a message may be as long as it likes.
const LIMITS: Limits = Limits::UNLIMITED;

/// How much output [`Session::receive`] may need for so many octets of input: an answer is never longer than
/// what it answers, but for the head of a frame whose own head came earlier and the answer to a bad request.
pub(crate) const fn output_for(input: usize) -> usize {
    input + 256 + HEAD_MAX
}

/// What came of some input: octets taken off its front, and octets of the output that are to be sent.
pub(crate) struct Turn {
    pub(crate) taken: usize,
    pub(crate) written: usize,
}

pub(crate) struct Session {
    state: State,
    /// The loop asks here for the next one, and reports when output is blocked and when it moves again.
    pub(crate) deadlines: Deadlines,
}

enum State {
    Handshake(HeadScanner),
    Open(Connection<Server>),
    /// All has been said. What still arrives is read and dropped, so that our last words are not taken back.
    Over,
}

impl Session {
    pub(crate) const fn new(now: Tick) -> Self {
        Self { state: State::Handshake(HeadScanner::new()), deadlines: Deadlines::new(now) }
    }

    /// Handles what has arrived. What is not taken is to be presented again in front of the next octets.
    ///
    /// # Errors
    /// `output` is shorter than [`output_for`] says.
    pub(crate) fn receive(&mut self, now: Tick, input: &mut [u8], output: &mut [u8]) -> Result<Turn, Fault> {
        self.deadlines.received(now);
        let mut turn = Turn { taken: 0, written: 0 };
        if let State::Handshake(scanner) = &mut self.state {
            match scanner.scan(input, &HeadLimits::DEFAULT) {
                Ok(None) => return Ok(turn),
                Ok(Some(head)) => {
                    turn.taken = head;
                    let mut slots = [Slot::EMPTY; 64];
                    // Any origin: an echo server has no secrets that another page could ask for.
                    let request = Request::parse(&input[..head], &mut slots);
                    match request.and_then(|request| request.check(&OriginPolicy::Any)) {
                        Ok(upgrade) => {
                            let protocol = upgrade.request().protocols().next();
                            let acceptance = Acceptance { protocol, ..Acceptance::default() };
                            turn.written = upgrade.accept(&acceptance, output)?;
                            self.state = State::Open(Connection::server());
                            self.deadlines.opened(now);
                        }
                        Err(error) => turn.written = self.refuse(now, error, output)?,
                    }
                }
                Err(error) => turn.written = self.refuse(now, error, output)?,
            }
        }
        if let State::Open(connection) = &mut self.state {
            let mut unread = &mut input[turn.taken..];
            let mut out = Output::new(&mut output[turn.written..]);
            let over = echo(connection, &mut unread, &mut out)?;
            let left = unread.len();
            turn.written += out.len();
            if left > 0 || connection.inbound().open_message().is_some() {
                // Only the end of a message or frame is progress: so a peer cannot hold one open for ever.
                self.deadlines.frame_begun(now);
            } else {
                self.deadlines.frame_done();
            }
            turn.taken = input.len() - left;
            if over {
                self.end(now);
            }
        }
        if self.is_over() {
            turn.taken = input.len();
        }
        Ok(turn)
    }

    /// Does what the time demands: octets of `output` to be sent, or `None` if the connection is to be dropped.
    pub(crate) fn on_time(&mut self, now: Tick, output: &mut [u8]) -> Option<usize> {
        let State::Open(connection) = &mut self.state else {
            return self.deadlines.on_time(now, &TIMEOUTS).is_none().then_some(0);
        };
        let mut out = Output::new(output);
        match self.deadlines.on_time(now, &TIMEOUTS) {
            None => {}
            Some(Action::Ping) => connection.ping(b"", &mut out).ok()?,
            Some(Action::Fail(timeout)) => {
                connection.outbound_mut().close_with(timeout.close_code()?, &mut out).ok()?;
                self.deadlines.close_begun(now);
            }
        }
        Some(out.len())
    }

    /// Whether nothing follows what has been written. Then the sending side of the transport is shut
    /// (RFC 6455 7.1.1: the server closes first), and what still arrives is read until the peer closes too.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn refuse(
        &mut self,
        now: Tick,
        error: HandshakeError,
        output: &mut [u8],
    ) -> Result<usize, ResponseError> {
        self.end(now);
        error.rejection().write(output)
    }

    fn end(&mut self, now: Tick) {
        self.state = State::Over;
        self.deadlines.close_begun(now);
    }
}

/// Decodes what is there and sends it back, piece by piece. Says whether the connection is over.
fn echo(
    connection: &mut Connection<Server>,
    unread: &mut &mut [u8],
    out: &mut Output<'_>,
) -> Result<bool, SendError> {
    loop {
        match connection.decode(unread, out, &LIMITS) {
            Ok(Step::Event(Event::Data(chunk))) => {
                match connection.fragment(chunk.kind, chunk.payload, chunk.last, out) {
                    // Behind our Close the peer may still be sending.
                    Ok(()) | Err(SendError::Closed) => {}
                    Err(error) => return Err(error),
                }
            }
            // Pongs and the answer to Close are in the output already.
            Ok(Step::Event(_)) => {}
            Ok(Step::NeedInput) => return Ok(connection.is_finished()),
            Ok(Step::NeedOutput(octets)) => return Err(SendError::NeedsSpace(octets)),
            // The Close frame that says why is in the output.
            Err(_) => return Ok(true),
        }
    }
}
