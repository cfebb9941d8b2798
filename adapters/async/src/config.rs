//! What is the same for many connections, shared by reference.

#[cfg(feature = "deflate")]
use crate::compression::Codecs;
use crate::pool::Pool;
use alloc::sync::Arc;
use core::time::Duration;
use tightwire::Limits;
use tightwire::deadline::{Tick, Timeouts};
#[cfg(feature = "deflate")]
use tightwire::deflate::{Effort, Policy};
use tightwire::handshake::HeadLimits;

/// Limits, timeouts and buffers of a set of connections. Build one, wrap it in an `Arc` and share it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// How much a peer may send. Default: messages of 1 MiB, in at most 1024 frames.
    pub limits: Limits,
    /// How long things may take, in ticks of 100 ms: see [`ticks`].
    pub timeouts: Timeouts,
    /// How large the head of a request or a response may be.
    pub head: HeadLimits,
    /// Messages with more payload octets than this are sent in fragments of this many, so that control frames
    /// can pass between them. Default: 1 MiB.
    pub fragment: usize,
    /// Where buffers come from. Default: a pool of its own, of buffers of 64 KiB.
    pub pool: Arc<Pool>,
    /// What is agreed on of permessage-deflate (RFC 7692), offered by clients and accepted by servers. Default:
    /// nothing, messages go as they are.
    #[cfg(feature = "deflate")]
    pub compression: Option<Policy>,
    /// Which messages are compressed where that was agreed on, and how hard to try. Default: those of 128 octets and
    /// more, at the fastest level. With takeover a threshold of 16 octets is a better one.
    #[cfg(feature = "deflate")]
    pub effort: Effort,
    /// Where codecs come from. Default: a pool of its own.
    #[cfg(feature = "deflate")]
    pub codecs: Arc<Codecs>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::DEFAULT,
            timeouts: Timeouts::new(TICKS_PER_SECOND),
            head: HeadLimits::default(),
            fragment: 1 << 20,
            pool: Arc::default(),
            #[cfg(feature = "deflate")]
            compression: None,
            #[cfg(feature = "deflate")]
            effort: Effort::DEFAULT,
            #[cfg(feature = "deflate")]
            codecs: Arc::default(),
        }
    }
}

impl Config {
    /// The same with other limits on what a peer may send.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with other timeouts, in ticks of 100 ms: see [`ticks`].
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The same with another bound on the head of a request or a response.
    #[must_use]
    pub fn with_head(mut self, head: HeadLimits) -> Self {
        self.head = head;
        self
    }

    /// The same with fragments of another size for what is sent.
    #[must_use]
    pub fn with_fragment(mut self, octets: usize) -> Self {
        self.fragment = octets;
        self
    }

    /// The same with buffers from another pool.
    #[must_use]
    pub fn with_pool(mut self, pool: Arc<Pool>) -> Self {
        self.pool = pool;
        self
    }

    /// The same with compression (RFC 7692), as far as this policy and the peer allow it.
    ///
    /// [`Policy::DEFAULT`] agrees on no context takeover, and an idle connection then holds nothing more than without
    /// compression.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_compression(mut self, policy: Policy) -> Self {
        self.compression = Some(policy);
        self
    }

    /// The same with another threshold or level for what is compressed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_effort(mut self, effort: Effort) -> Self {
        self.effort = effort;
        self
    }

    /// The same with codecs from another pool.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_codecs(mut self, codecs: Arc<Codecs>) -> Self {
        self.codecs = codecs;
        self
    }

    /// The configuration of those who bring none: one for all of them, so that they share a pool.
    #[cfg(feature = "std")]
    pub fn shared_default() -> Arc<Self> {
        static DEFAULT: std::sync::OnceLock<Arc<Config>> = std::sync::OnceLock::new();
        DEFAULT.get_or_init(Arc::default).clone()
    }
}

pub(crate) const TICKS_PER_SECOND: u32 = 10;

/// A duration in the ticks of [`Config::timeouts`], 100 ms each, rounded up.
pub const fn ticks(duration: Duration) -> u32 {
    let millis = duration.as_millis();
    let ticks = millis.div_ceil(1000 / TICKS_PER_SECOND as u128);
    if ticks > u32::MAX as u128 { u32::MAX } else { ticks as u32 }
}

/// The tick that a time of the clock falls in. Ticks wrap around.
pub(crate) const fn tick(now: Duration) -> Tick {
    let within = now.subsec_millis() / (1000 / TICKS_PER_SECOND);
    (now.as_secs() as Tick).wrapping_mul(TICKS_PER_SECOND).wrapping_add(within)
}

/// The first time that is `tick` or later, for a tick that is not before the one of `now`.
pub(crate) fn time(tick_wanted: Tick, now: Duration) -> Duration {
    let ahead = tick_wanted.wrapping_sub(tick(now));
    now + Duration::from_millis(u64::from(ahead) * u64::from(1000 / TICKS_PER_SECOND))
}
