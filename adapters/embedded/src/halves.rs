//! The two halves of a connection without their transports: they share nothing, so what the peer wants answered is
//! handed over by the caller, through whatever channel connects the two tasks.

use crate::config::Config;
use crate::received::Received;
use crate::receiving::{Machine, Owed, Receiving};
use crate::sending::{Outcome, Sending, Step};
use crate::storage::{Memory, Storage};
use tightwire::deadline::Timeouts;
use tightwire::{CloseCode, CloseFrame, Event, Limits, Progress, Role, SendError, Violation};

/// The most octets of a control frame's payload (RFC 6455 5.5).
const CONTROL_MAX: usize = 125;

/// What a receiving half was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A message, or a piece of one, lent until the next call.
    Received(Received<'a>),
    /// Something that the peer wants answered: hand it to the transmitting half.
    Reply(Reply),
}

/// What a transmitting half is to answer: a Pong, a Close frame, or the Close frame that a violation demands. 128 octets
/// that may be sent through a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply(Answer);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Pong { payload: [u8; CONTROL_MAX], length: u8 },
    Close(Option<CloseCode>),
    Violation(Violation),
}

impl Reply {
    /// Whether nothing can be sent after it.
    pub const fn is_close(&self) -> bool {
        !matches!(self.0, Answer::Pong { .. })
    }

    fn pong(payload: &[u8]) -> Self {
        let mut octets = [0; CONTROL_MAX];
        for (to, from) in octets.iter_mut().zip(payload) {
            *to = *from;
        }
        Self(Answer::Pong { payload: octets, length: payload.len() as u8 })
    }
}

/// What a receiving half came to. It borrows nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taken {
    Progress(Progress),
    Reply(Reply),
}

pub(crate) struct ReceivingHalf<R, I> {
    pub(crate) receiving: Receiving<R, I>,
    limits: Limits,
    ended: Option<Outcome>,
}

impl<R: Role, I: Memory> ReceivingHalf<R, I> {
    /// What to do next: there is nothing to write.
    pub(crate) fn next(&mut self) -> Step<Result<Taken, Outcome>> {
        loop {
            let receiving = &mut self.receiving;
            let reply = match core::mem::replace(&mut receiving.owed, Owed::Nothing) {
                Owed::Nothing => None,
                Owed::Pong => Some(Reply::pong(receiving.control())),
                Owed::Close => {
                    self.ended = Some(Outcome::Clean);
                    let code = receiving.closed().map(|frame| frame.code);
                    Some(Reply(Answer::Close(code.filter(|code| *code != CloseCode::NO_STATUS))))
                }
                Owed::Violation(violation) => {
                    self.ended = Some(Outcome::Violation(violation));
                    Some(Reply(Answer::Violation(violation)))
                }
            };
            if let Some(reply) = reply {
                return Step::Done(Ok(Taken::Reply(reply)));
            }
            if let Some(outcome) = self.ended {
                return Step::Done(Err(outcome));
            }
            match receiving.poll(&self.limits) {
                Ok(progress @ (Progress::Message | Progress::Chunk { .. })) => {
                    return Step::Done(Ok(Taken::Progress(progress)));
                }
                Ok(Progress::NeedInput | Progress::NeedOutput(_)) => return Step::Read,
                Ok(Progress::Pong) => {}
                Ok(Progress::Ping) => receiving.owed = Owed::Pong,
                Ok(Progress::Close) => receiving.owed = Owed::Close,
                Err(violation) => receiving.owed = Owed::Violation(violation),
            }
        }
    }

    /// Notes that the transport gave octets; none means that it has ended.
    pub(crate) fn read(&mut self, octets: usize) {
        if octets == 0 {
            self.ended = Some(Outcome::Abnormal);
        }
        self.receiving.commit(octets);
    }

    pub(crate) fn incoming(&self, taken: Taken) -> Option<Incoming<'_>> {
        match taken {
            Taken::Progress(progress) => self.receiving.received(progress).map(Incoming::Received),
            Taken::Reply(reply) => Some(Incoming::Reply(reply)),
        }
    }
}

impl<R: Role, B: Storage> Machine<R, B> {
    /// The halves. Deadlines need both of them, so these keep none.
    pub(crate) fn split(self) -> (ReceivingHalf<R, B::Receive>, Sending<R, B::Transmit>) {
        static UNTIMED: Config = Config::new().with_timeouts(Timeouts::NONE);
        let Self { receiving, mut sending } = self;
        let (limits, ended) = (sending.config.limits, sending.outcome());
        sending.config = &UNTIMED;
        (ReceivingHalf { receiving, limits, ended }, sending)
    }
}

impl<R: Role, O: Memory> Sending<R, O> {
    /// Queues an answer; an error if there is no room for it.
    pub(crate) fn answer(&mut self, reply: &Reply) -> Result<(), SendError> {
        match &reply.0 {
            Answer::Pong { payload, length } => {
                let payload = payload.get(..usize::from(*length)).unwrap_or_default();
                self.reply(&Event::Ping(payload))
            }
            Answer::Close(code) => {
                let frame = code.map(|code| CloseFrame { code, reason: "" });
                self.reply(&Event::Close(frame))?;
                self.end(Outcome::Clean, 0);
                Ok(())
            }
            Answer::Violation(violation) => {
                self.fail(*violation)?;
                self.end(Outcome::Violation(*violation), 0);
                Ok(())
            }
        }
    }
}
