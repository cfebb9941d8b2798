//! The two halves of a connection without their transports: they share nothing, so what the peer wants answered is
//! handed over by the caller, through whatever channel connects the two tasks.

use crate::config::{Clock, Config, Untimed};
use crate::received::Received;
use crate::receiving::{Machine, Owed, Receiving};
use crate::sending::{Answer, Outcome, Sending, Step};
use crate::storage::{Memory, Storage};
use tightwire::{CloseCode, Progress, Role, Violation};

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
pub struct Reply(Owned);

/// An [`Answer`] that borrows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owned {
    Pong { payload: [u8; CONTROL_MAX], length: u8 },
    Close(Option<CloseCode>),
    Violation(Violation),
}

impl Reply {
    /// Whether nothing can be sent after it.
    pub const fn is_close(&self) -> bool {
        !matches!(self.0, Owned::Pong { .. })
    }

    fn new(answer: Answer<'_>) -> Self {
        Self(match answer {
            Answer::Pong(octets) => {
                let mut payload = [0; CONTROL_MAX];
                for (to, from) in payload.iter_mut().zip(octets) {
                    *to = *from;
                }
                Owned::Pong { payload, length: octets.len() as u8 }
            }
            Answer::Close(code) => Owned::Close(code),
            Answer::Violation(violation) => Owned::Violation(violation),
        })
    }

    pub(crate) fn answer(&self) -> Answer<'_> {
        match &self.0 {
            Owned::Pong { payload, length } => {
                Answer::Pong(payload.get(..usize::from(*length)).unwrap_or_default())
            }
            Owned::Close(code) => Answer::Close(*code),
            Owned::Violation(violation) => Answer::Violation(*violation),
        }
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
    config: &'static Config,
    ended: Option<Outcome>,
}

impl<R: Role, I: Memory> ReceivingHalf<R, I> {
    /// What to do next: there is nothing to write.
    pub(crate) fn next(&mut self) -> Step<Result<Taken, Outcome>> {
        loop {
            let receiving = &mut self.receiving;
            if let Some(answer) = receiving.answer() {
                match answer {
                    Answer::Pong(_) => {}
                    Answer::Close(_) => self.ended = Some(Outcome::Clean),
                    Answer::Violation(violation) => self.ended = Some(Outcome::Violation(violation)),
                }
                let reply = Reply::new(answer);
                receiving.owed = Owed::Nothing;
                return Step::Done(Ok(Taken::Reply(reply)));
            }
            if let Some(outcome) = self.ended {
                return Step::Done(Err(outcome));
            }
            match receiving.poll(&self.config.limits) {
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

impl<R: Role, B: Storage, C: Clock> Machine<R, B, C> {
    /// The halves. Deadlines need both of them, so these keep none.
    #[allow(clippy::type_complexity)] // a pair
    pub(crate) fn split(self) -> (ReceivingHalf<R, B::Receive>, Sending<R, B::Transmit, Untimed>) {
        let Self { receiving, sending } = self;
        let half = ReceivingHalf { receiving, config: sending.config, ended: sending.outcome() };
        (half, sending.untimed())
    }
}
