//! The time of a connection: the user's clock, and what it is asked for. Decides nothing about what is done when a
//! deadline has passed.

use crate::config::{Clock, Untimed};
use tightwire::deadline::{Action, Deadlines, Tick, Timeouts};

/// A clock and the deadlines that it is read for.
pub(crate) struct Time<C> {
    pub(crate) clock: C,
    deadlines: Deadlines,
}

impl Time<Untimed> {
    pub(crate) const NONE: Self = Self { clock: Untimed, deadlines: Deadlines::new(0) };
}

impl<C: Clock> Time<C> {
    /// The time of a connection that begins now.
    pub(crate) fn new(mut clock: C) -> Self {
        Self { deadlines: Deadlines::new(clock.now()), clock }
    }

    /// Notes that something has happened, now.
    pub(crate) fn note<X>(&mut self, fact: impl FnOnce(&mut Deadlines, Tick) -> X) -> Option<X> {
        C::RUNS.then(|| fact(&mut self.deadlines, self.clock.now()))
    }

    /// What is due.
    pub(crate) fn due(&mut self, timeouts: &Timeouts) -> Option<Action> {
        self.note(|deadlines, now| deadlines.on_time(now, timeouts)).flatten()
    }

    pub(crate) fn next_deadline(&mut self, timeouts: &Timeouts) -> Option<Tick> {
        self.note(|deadlines, now| deadlines.next_deadline(now, timeouts)).flatten()
    }
}
