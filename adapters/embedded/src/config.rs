//! What is the same for many connections, and the user's clock.

use tightwire::Limits;
use tightwire::deadline::{Tick, Timeouts};
use tightwire::handshake::HeadLimits;

/// Limits and timeouts. Put one into a constant: `static CONFIG: Config = Config::new().with_limits(..);`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How much a peer may send. It is not bound to the storage: a larger message comes in chunks. Default: messages of
    /// 1 MiB, in at most 1024 frames.
    pub limits: Limits,
    /// How large the head of a request or a response may be. Its receive storage bounds it, too.
    pub head: HeadLimits,
    /// How long things may take, in ticks of the [`Clock`]. Default: the defaults of [`Timeouts`] for ticks of 1 ms.
    pub timeouts: Timeouts,
}

impl Config {
    /// The defaults.
    pub const fn new() -> Self {
        Self { limits: Limits::DEFAULT, head: HeadLimits::DEFAULT, timeouts: Timeouts::new(1000) }
    }

    /// The same with other limits on what a peer may send.
    #[must_use]
    pub const fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same with another bound on the head of a request or a response.
    #[must_use]
    pub const fn with_head(self, head: HeadLimits) -> Self {
        Self { head, ..self }
    }

    /// The same with other timeouts, in ticks of the clock.
    #[must_use]
    pub const fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// The user's clock. Every `FnMut() -> u32` is one.
pub trait Clock {
    /// Whether it ever moves. If not, what deadlines need is left out of the program.
    const RUNS: bool = true;

    /// The time now, in ticks that the user chooses, from any origin. Wraps around.
    fn now(&mut self) -> Tick;
}

impl<F: FnMut() -> Tick> Clock for F {
    fn now(&mut self) -> Tick {
        self()
    }
}

/// A clock that stands still, for those who have none: no deadline ever passes and no keepalive is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Untimed;

impl Clock for Untimed {
    const RUNS: bool = false;

    fn now(&mut self) -> Tick {
        0
    }
}
