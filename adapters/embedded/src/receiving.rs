//! The receiving side without a transport, and both sides together: what to read, what to answer, what came.
//!
//! It decides in which order things are done. It does no I/O: blocking and async code ask what to do next and tell what
//! was done.

use crate::config::{Clock, Config};
use crate::outbox::Outbox;
use crate::received::{Chunk, Received};
use crate::sending::{Answer, Outcome, Sending, Step};
use crate::storage::{Memory, Storage};
use crate::time::Time;
use tightwire::{CloseCode, CloseFrame, Connection, Inbound, Inbox, Limits, Progress, Role, Violation};

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

    /// The reply that is owed.
    pub(crate) fn answer(&self) -> Option<Answer<'_>> {
        match self.owed {
            Owed::Nothing => None,
            Owed::Pong => Some(Answer::Pong(self.inbox.control())),
            Owed::Close => Some(Answer::Close(self.inbox.close_frame().map(|frame| frame.code))),
            Owed::Violation(violation) => Some(Answer::Violation(violation)),
        }
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
pub(crate) struct Machine<R, B: Storage, C> {
    pub(crate) receiving: Receiving<R, B::Receive>,
    pub(crate) sending: Sending<R, B::Transmit, C>,
}

impl<R: Role, B: Storage, C: Clock> Machine<R, B, C> {
    pub(crate) fn new(
        connection: Connection<R>,
        inbox: Inbox<B::Receive>,
        outbox: Outbox<B::Transmit>,
        time: Time<C>,
        config: &'static Config,
    ) -> Self {
        let (inbound, outbound) = connection.split();
        Self {
            receiving: Receiving::new(inbound, inbox),
            sending: Sending::new(outbound, outbox, time, config),
        }
    }

    /// What to do next to receive something. Everything that one read brought is handled before what answers it is
    /// written.
    pub(crate) fn next(&mut self) -> Step<Result<Progress, Outcome>> {
        loop {
            if !self.sending.is_open() || !self.reply() {
                match self.sending.next_end().done() {
                    Ok(Some(outcome)) => return Step::Done(Err(outcome)),
                    // A reply that found no room has it now.
                    Ok(None) => continue,
                    Err(step) => return step,
                }
            }
            let Self { receiving, sending } = self;
            match receiving.poll(&sending.config.limits) {
                Ok(progress @ (Progress::Message | Progress::Chunk { .. })) => {
                    return Step::Done(Ok(progress));
                }
                Ok(Progress::Ping) => receiving.owed = Owed::Pong,
                Ok(Progress::Pong) => sending.pong_received(),
                Ok(Progress::Close) => receiving.owed = Owed::Close,
                Ok(Progress::NeedInput | Progress::NeedOutput(_)) => {
                    let unfinished = receiving.is_unfinished();
                    sending.time.note(|deadlines, now| match unfinished {
                        true => deadlines.frame_begun(now),
                        false => deadlines.frame_done(),
                    });
                    match sending.next_out(true).done() {
                        // Something may have become due: look at everything again.
                        Ok(Ok(())) if sending.check_time() => {}
                        Ok(Ok(())) => return Step::Read,
                        Ok(Err(outcome)) => return Step::Done(Err(outcome)),
                        Err(step) => return step,
                    }
                }
                Err(violation) => receiving.owed = Owed::Violation(violation),
            }
        }
    }

    /// Notes that the transport gave octets; none means that it has ended.
    pub(crate) fn read(&mut self, octets: usize) {
        if octets == 0 {
            self.sending.end_now(Outcome::Abnormal);
            return;
        }
        self.receiving.commit(octets);
        self.sending.time.note(|deadlines, now| {
            deadlines.received(now);
            deadlines.frame_progress(now);
        });
    }

    /// Tries to pay the reply that is owed.
    fn reply(&mut self) -> bool {
        let Self { receiving, sending } = self;
        let Some(answer) = receiving.answer() else { return true };
        if sending.answer(answer) == Ok(false) {
            return false;
        }
        receiving.owed = Owed::Nothing;
        sending.is_open()
    }
}
