//! The sending side without a transport: what waits to be sent, how the connection ends, and its time.
//!
//! It decides what is to be written and when the end has come. It does no I/O: blocking and async code ask it what to
//! do next and tell it what was done, so a call that stops anywhere leaves it as it was.

use crate::config::{Clock, Config, Untimed};
use crate::error::Error;
use crate::outbox::Outbox;
use crate::storage::Memory;
use crate::time::Time;
use tightwire::deadline::{Action, Deadlines, Tick, Timeout};
use tightwire::deflate::{Agreement, Compress, Flush};
use tightwire::{CloseCode, CloseFrame, Event, Kind, Outbound, Output, Role, SendError, Violation};

/// What the transport is to do next, or that there is nothing more for it to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<T> {
    /// Read into the space.
    Read,
    /// Write what is unsent.
    Write,
    /// Flush.
    Flush,
    Done(T),
}

impl<T> Step<T> {
    /// What is done, or what is left to do.
    pub(crate) fn done<U>(self) -> Result<T, Step<U>> {
        match self {
            Self::Done(done) => Ok(done),
            Self::Read => Err(Step::Read),
            Self::Write => Err(Step::Write),
            Self::Flush => Err(Step::Flush),
        }
    }
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The last Close frame is on its way, because of this.
    Ending(Outcome),
    Ended(Outcome),
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Clean,
    Violation(Violation),
    Timeout(Timeout),
    Abnormal,
}

impl Outcome {
    /// What a receiver is told.
    pub(crate) fn received<X, E>(self) -> Result<Option<X>, Error<E>> {
        match self {
            Self::Clean => Ok(None),
            Self::Violation(violation) => Err(Error::Peer(violation)),
            Self::Timeout(timeout) => Err(Error::Timeout(timeout)),
            Self::Abnormal => Err(Error::Ended),
        }
    }

    /// What a sender is told.
    pub(crate) fn sent<E>(self) -> Error<E> {
        match self.received::<(), E>() {
            Err(error) => error,
            Ok(_) => Error::Caller(SendError::Closed),
        }
    }
}

/// What the peer is owed for something that it sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer<'a> {
    Pong(&'a [u8]),
    Close(Option<CloseCode>),
    Violation(Violation),
}

pub(crate) struct Sending<R, O, C> {
    outbound: Outbound<R>,
    pub(crate) outbox: Outbox<O>,
    pub(crate) time: Time<C>,
    pub(crate) config: &'static Config,
    phase: Phase,
    round_trip: Option<u32>,
}

impl<R: Role, O: Memory, C: Clock> Sending<R, O, C> {
    pub(crate) const fn new(
        outbound: Outbound<R>,
        outbox: Outbox<O>,
        time: Time<C>,
        config: &'static Config,
    ) -> Self {
        Self { outbound, outbox, time, config, phase: Phase::Open, round_trip: None }
    }

    /// The same without a clock.
    pub(crate) fn untimed(self) -> Sending<R, O, Untimed> {
        let Self { outbound, outbox, config, phase, round_trip, .. } = self;
        Sending { outbound, outbox, time: Time::NONE, config, phase, round_trip }
    }

    /// What has to be done before everything is with the transport; up to `flushed` or only to the last write.
    pub(crate) fn next_out(&mut self, flushed: bool) -> Step<Result<(), Outcome>> {
        if let Phase::Ended(outcome) = self.phase {
            return Step::Done(Err(outcome));
        }
        let step = if !self.outbox.is_empty() {
            Step::Write
        } else if flushed && !self.outbox.is_flushed() {
            Step::Flush
        } else {
            return Step::Done(Ok(()));
        };
        self.time.note(Deadlines::write_blocked);
        self.check_time();
        match self.phase {
            Phase::Ended(outcome) => Step::Done(Err(outcome)),
            _ => step,
        }
    }

    /// As [`next_out`](Self::next_out), for a receiver: where the connection stands once nothing is left to send.
    pub(crate) fn next_end(&mut self) -> Step<Option<Outcome>> {
        match (self.next_out(true).done(), self.phase) {
            (Err(step), _) => step,
            (Ok(Err(outcome)), _) => Step::Done(Some(outcome)),
            (Ok(Ok(())), Phase::Ending(outcome)) => {
                self.phase = Phase::Ended(outcome);
                Step::Done(Some(outcome))
            }
            (Ok(Ok(())), _) => Step::Done(None),
        }
    }

    /// Notes that the transport took octets. A transport that takes none of several takes none any more.
    pub(crate) fn sent(&mut self, octets: usize) {
        if octets == 0 {
            self.end_now(Outcome::Abnormal);
        }
        self.outbox.sent(octets);
        let done = self.outbox.is_empty();
        self.time.note(if done { Deadlines::write_done } else { Deadlines::write_progress });
    }

    pub(crate) fn flushed(&mut self) {
        self.outbox.flushed();
        self.time.note(Deadlines::write_done);
    }

    /// Notes that the transport failed to write. While the connection was ending that is the end of it, for the reason
    /// that it was ending for; else it is an error.
    pub(crate) fn write_failed<E>(&mut self, error: E) -> Result<(), Error<E>> {
        let Phase::Ending(outcome) = self.phase else { return Err(Error::Io(error)) };
        self.phase = Phase::Ended(outcome);
        Ok(())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// Why the connection ends or has ended.
    pub(crate) const fn outcome(&self) -> Option<Outcome> {
        match self.phase {
            Phase::Open => None,
            Phase::Ending(outcome) | Phase::Ended(outcome) => Some(outcome),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.outbound.is_closed()
    }

    pub(crate) fn open_message(&self) -> Option<Kind> {
        self.outbound.open_message()
    }

    pub(crate) const fn round_trip(&self) -> Option<u32> {
        self.round_trip
    }

    /// Lets the outbound half append to what waits: whether there was room.
    fn write(
        &mut self,
        write: impl FnOnce(&mut Outbound<R>, &mut Output<'_>) -> Result<(), SendError>,
    ) -> Result<bool, SendError> {
        let Self { outbound, outbox, .. } = self;
        match outbox.write(|out| write(outbound, out)) {
            Ok(()) => Ok(true),
            Err(SendError::NeedsSpace(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a message may begin.
    pub(crate) const fn may_begin(&self) -> Result<(), SendError> {
        self.outbound.may_begin()
    }

    /// Queues as much of a frame as there is room for, in frames as large as the storage allows, and takes it off the
    /// front of `payload`; whether that was all. If not, what waits is to be written first: so it is with all of these.
    pub(crate) fn feed(&mut self, kind: Kind, payload: &mut &[u8], fin: bool) -> Result<bool, SendError> {
        let largest = largest_payload::<R>(self.outbox.capacity());
        loop {
            let (front, rest) = payload.split_at_checked(largest).unwrap_or((payload, &[]));
            let last = rest.is_empty();
            if !self.write(|outbound, out| outbound.fragment(kind, front, fin && last, out))? {
                return Ok(false);
            }
            *payload = rest;
            if last {
                return Ok(true);
            }
        }
    }

    /// As [`feed`](Self::feed), for the rest of a message that goes compressed.
    pub(crate) fn feed_compressed<D: Compress + ?Sized>(
        &mut self,
        kind: Kind,
        payload: &mut &[u8],
        codec: &mut D,
    ) -> Result<bool, SendError> {
        let mut all = false;
        self.write(|outbound, out| {
            all = outbound.fragment_compressed(kind, payload, Flush::Last, codec, out)?;
            Ok(())
        })?;
        Ok(all)
    }

    /// Agrees on how this end compresses.
    pub(crate) fn with_compression(self, agreement: Agreement) -> Self {
        let terms = agreement.sent_by::<R>();
        Self { outbound: self.outbound.with_compression(terms), ..self }
    }

    pub(crate) fn ping(&mut self, payload: &[u8]) -> Result<bool, SendError> {
        let queued = self.write(|outbound, out| outbound.ping(payload, out))?;
        if queued {
            self.time.note(Deadlines::ping_sent);
        }
        Ok(queued)
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) -> Result<bool, SendError> {
        self.write(|outbound, out| outbound.pong(payload, out))
    }

    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) -> Result<bool, SendError> {
        // RFC 6455 7.4.1: 1005 stands for a Close frame without a code
        let frame = (code != CloseCode::NO_STATUS).then_some(CloseFrame { code, reason });
        let queued = self.write(|outbound, out| outbound.close(frame, out))?;
        if queued {
            self.time.note(Deadlines::close_begun);
        }
        Ok(queued)
    }

    /// Queues what the peer is owed. Nothing can be sent behind a Close frame, and nothing is owed then.
    pub(crate) fn answer(&mut self, answer: Answer<'_>) -> Result<bool, SendError> {
        let queued = self.write(|outbound, out| match answer {
            Answer::Pong(payload) => outbound.reply(&Event::Ping(payload), out),
            Answer::Close(code) => {
                outbound.reply(&Event::Close(code.map(|code| CloseFrame { code, reason: "" })), out)
            }
            Answer::Violation(violation) => outbound.fail(violation, out),
        })?;
        match answer {
            Answer::Close(_) if queued => self.end(Outcome::Clean),
            Answer::Violation(violation) if queued => self.end(Outcome::Violation(violation)),
            _ => {}
        }
        Ok(queued)
    }

    /// Notes a Pong.
    pub(crate) fn pong_received(&mut self) {
        if let Some(Some(ticks)) = self.time.note(Deadlines::pong_received) {
            self.round_trip = Some(ticks);
        }
    }

    /// Ends the connection once everything is sent.
    fn end(&mut self, outcome: Outcome) {
        self.time.note(Deadlines::close_begun);
        self.phase = Phase::Ending(outcome);
    }

    /// Ends the connection as it is.
    pub(crate) fn end_now(&mut self, outcome: Outcome) {
        self.phase = Phase::Ended(outcome);
    }

    /// Does what the time asks for: queues a Ping, or begins the end. Whether it did something.
    pub(crate) fn check_time(&mut self) -> bool {
        let Some(action) = self.time.due(&self.config.timeouts) else { return false };
        match (action, self.phase) {
            (Action::Ping, _) => {
                // Nothing waits when a Ping is due, so there is room for it.
                let _ = self.write(|outbound, out| outbound.ping(b"", out));
            }
            (Action::Fail(_), Phase::Ending(outcome)) => self.end_now(outcome),
            (Action::Fail(timeout), _) => {
                let told = timeout.close_code().is_some_and(|code| {
                    self.write(|outbound, out| outbound.close_with(code, out)) == Ok(true)
                });
                self.end(Outcome::Timeout(timeout));
                if !told {
                    self.end_now(Outcome::Timeout(timeout));
                }
            }
        }
        true
    }

    /// When to look at the time again.
    pub(crate) fn next_deadline(&mut self) -> Option<Tick> {
        self.time.next_deadline(&self.config.timeouts)
    }
}

/// The largest payload whose frame fits `capacity` octets, which are at least 131.
const fn largest_payload<R: Role>(capacity: usize) -> usize {
    // RFC 6455 5.2: two octets of head, four from 126 on, ten from 65536 on; 5.3: and a mask key
    let capacity = capacity - if R::IS_CLIENT { 4 } else { 0 };
    if capacity > 0xFFFF + 10 {
        capacity - 10
    } else if capacity > 0xFFFF + 4 {
        0xFFFF
    } else if capacity > 125 + 4 {
        capacity - 4
    } else if capacity > 125 + 2 {
        125
    } else {
        capacity - 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use tightwire::{Client, Server};

    type Zeros = fn() -> [u8; 4];

    fn fits<R: Role>(mut outbound: Outbound<R>, capacity: usize, payload: usize) -> bool {
        let mut memory = vec![0; capacity];
        let payload = vec![0; payload];
        outbound.encode(&payload[..], &mut Output::new(&mut memory)).is_ok()
    }

    #[test]
    fn the_largest_payload_fits_and_no_larger_one() {
        for capacity in (131..150).chain(65530..65560) {
            let server = largest_payload::<Server>(capacity);
            assert!(fits(Outbound::new(Server), capacity, server), "{capacity}");
            assert!(!fits(Outbound::new(Server), capacity, server + 1), "{capacity}");
            let client = largest_payload::<Client<Zeros>>(capacity);
            let new = || Outbound::new(Client::new((|| [0; 4]) as Zeros));
            assert!(fits(new(), capacity, client), "{capacity}");
            assert!(!fits(new(), capacity, client + 1), "{capacity}");
        }
    }
}
