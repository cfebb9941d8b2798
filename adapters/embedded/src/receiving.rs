//! The receiving side without a transport, and both sides together: what to read, what to answer, what came.
//!
//! It decides in which order things are done. It does no I/O: blocking and async code ask what to do next and tell what
//! was done.

use crate::config::Config;
use crate::outbox::Outbox;
use crate::received::{Chunk, Received};
use crate::sending::{Outcome, Sending, Step};
use crate::storage::{Memory, Storage};
use tightwire::deadline::{Deadlines, Tick};
use tightwire::{
    CloseCode, CloseFrame, Connection, Event, Inbound, Inbox, Limits, Progress, Role, SendError, Violation,
};

/// The inbound half and its storage.
pub(crate) struct Receiving<R, I> {
    pub(crate) inbound: Inbound<R>,
    pub(crate) inbox: Inbox<I>,
    pub(crate) owed: Owed,
    /// A piece of a message was given, and it was not the last one.
    within: bool,
}

/// A reply that found no room yet. What it answers still lies in the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    Nothing,
    Pong,
    Close,
    Violation(Violation),
}

impl<R: Role, I: Memory> Receiving<R, I> {
    pub(crate) const fn new(inbound: Inbound<R>, inbox: Inbox<I>) -> Self {
        Self { inbound, inbox, owed: Owed::Nothing, within: false }
    }

    /// The next thing that the octets hold. A message that fills the storage comes in chunks.
    pub(crate) fn poll(&mut self, limits: &Limits) -> Result<Progress, Violation> {
        // Pieces are as large as the storage and the frame allow, however few octets a read brings.
        let more = self.inbound.frame_left() > self.inbox.unread().len() as u64;
        let good = self.inbound.violation().is_none();
        if self.within && good && more && !self.inbox.space().is_empty() {
            return Ok(Progress::NeedInput);
        }
        let mut progress = self.inbox.poll(&mut self.inbound.decoder(limits))?;
        // While a message is collected there is space, or nothing could ever follow.
        if progress == Progress::NeedInput && self.inbox.space().is_empty() {
            progress = self.inbox.poll_chunk(&mut self.inbound.decoder(limits))?;
        }
        if let Progress::Chunk { last, .. } = progress {
            self.within = !last;
        }
        Ok(progress)
    }

    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.inbox.space()
    }

    /// Takes over octets that were read into the space.
    pub(crate) fn commit(&mut self, octets: usize) {
        self.inbox.commit(octets);
    }

    /// What the last poll gave, if it was a message or a chunk.
    pub(crate) fn received(&self, progress: Progress) -> Option<Received<'_>> {
        match progress {
            Progress::Message => self.inbox.message().map(Received::Message),
            Progress::Chunk { kind, first, last, compressed } => {
                Some(Received::Chunk(Chunk { kind, octets: self.inbox.chunk(), first, last, compressed }))
            }
            _ => None,
        }
    }

    /// The payload of the control frame that the last poll gave.
    pub(crate) fn control(&self) -> &[u8] {
        self.inbox.control()
    }

    /// What the peer's Close frame said, if it has arrived.
    pub(crate) fn closed(&self) -> Option<CloseFrame<'_>> {
        const NO_STATUS: CloseFrame<'static> = CloseFrame { code: CloseCode::NO_STATUS, reason: "" };
        // After it nothing is decoded any more, so it is still there.
        self.inbound.is_closed().then(|| self.inbox.close_frame().unwrap_or(NO_STATUS))
    }

    /// Whether a head, frame or message is unfinished.
    fn is_unfinished(&self) -> bool {
        !self.inbox.is_empty() || self.inbound.open_message().is_some()
    }
}

/// Both sides of a connection.
pub(crate) struct Machine<R, B: Storage> {
    pub(crate) receiving: Receiving<R, B::Receive>,
    pub(crate) sending: Sending<R, B::Transmit>,
}

impl<R: Role, B: Storage> Machine<R, B> {
    pub(crate) fn new(
        connection: Connection<R>,
        inbox: Inbox<B::Receive>,
        outbox: Outbox<B::Transmit>,
        deadlines: Deadlines,
        config: &'static Config,
    ) -> Self {
        let (inbound, outbound) = connection.split();
        Self {
            receiving: Receiving::new(inbound, inbox),
            sending: Sending::new(outbound, outbox, deadlines, config),
        }
    }

    /// What to do next to receive something. Everything that one read brought is handled before what answers it is
    /// written.
    pub(crate) fn next(&mut self, now: Tick) -> Step<Result<Progress, Outcome>> {
        loop {
            if !self.sending.is_open() || !self.reply(now) {
                match self.sending.next_end(now) {
                    Step::Done(Some(outcome)) => return Step::Done(Err(outcome)),
                    // A reply that found no room has it now.
                    Step::Done(None) => continue,
                    Step::Read => return Step::Read,
                    Step::Write => return Step::Write,
                    Step::Flush => return Step::Flush,
                }
            }
            let Self { receiving, sending } = self;
            match receiving.poll(&sending.config.limits) {
                Ok(progress @ (Progress::Message | Progress::Chunk { .. })) => {
                    return Step::Done(Ok(progress));
                }
                Ok(Progress::Ping) => receiving.owed = Owed::Pong,
                Ok(Progress::Pong) => sending.pong_received(now),
                Ok(Progress::Close) => receiving.owed = Owed::Close,
                Ok(Progress::NeedInput | Progress::NeedOutput(_)) => {
                    if receiving.is_unfinished() {
                        sending.deadlines.frame_begun(now);
                    } else {
                        sending.deadlines.frame_done();
                    }
                    match sending.next_out(now, true) {
                        // Something may have become due: look at everything again.
                        Step::Done(Ok(())) if sending.check_time(now) => {}
                        Step::Done(Ok(())) | Step::Read => return Step::Read,
                        Step::Done(Err(outcome)) => return Step::Done(Err(outcome)),
                        Step::Write => return Step::Write,
                        Step::Flush => return Step::Flush,
                    }
                }
                Err(violation) => receiving.owed = Owed::Violation(violation),
            }
        }
    }

    /// Notes that the transport gave octets; none means that it has ended.
    pub(crate) fn read(&mut self, octets: usize, now: Tick) {
        if octets == 0 {
            self.sending.end_now(Outcome::Abnormal);
            return;
        }
        self.receiving.commit(octets);
        self.sending.deadlines.received(now);
        self.sending.deadlines.frame_progress(now);
    }

    /// Tries to pay the reply that is owed.
    fn reply(&mut self, now: Tick) -> bool {
        let Self { receiving, sending } = self;
        let paid = match receiving.owed {
            Owed::Nothing => return true,
            Owed::Pong => sending.reply(&Event::Ping(receiving.inbox.control())),
            Owed::Close => sending.reply(&Event::Close(receiving.inbox.close_frame())),
            Owed::Violation(violation) => sending.fail(violation),
        };
        if matches!(paid, Err(SendError::NeedsSpace(_))) {
            return false;
        }
        match receiving.owed {
            Owed::Close => sending.end(Outcome::Clean, now),
            Owed::Violation(violation) => sending.end(Outcome::Violation(violation), now),
            Owed::Nothing | Owed::Pong => {}
        }
        receiving.owed = Owed::Nothing;
        sending.is_open()
    }
}
