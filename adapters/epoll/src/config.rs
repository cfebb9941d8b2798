//! How reactor threads treat their connections: limits, timeouts, buffers.

#[cfg(feature = "deflate")]
use crate::compression::{Backend, Effort, Policy};
use crate::sending::WhenFull;
use tightwire::handshake::HeadLimits;
use tightwire::{Limits, Timeouts};

/// Ticks of [`Config::timeouts`] in a second.
pub const TICKS_PER_SECOND: u32 = 10;

/// How a reactor thread treats its connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What a peer may send. Default: messages of 1 MiB in 1024 frames.
    pub limits: Limits,
    /// How large the head of a request or response may be. Default: 8 KiB, 64 headers.
    pub head_limits: HeadLimits,
    /// How long things may take, in [ticks](TICKS_PER_SECOND). Default: see [`Timeouts`].
    pub timeouts: Timeouts,
    /// Octets of output that may wait for a peer when one more message is taken. So what waits is at most this
    /// and one message, or one output buffer if that is more. Default: 64 KiB.
    pub mark: usize,
    /// What happens to a message that meets the mark. Default: it is refused.
    pub when_full: WhenFull,
    /// Octets of the read buffer that all connections of a thread share. Default: 516 KiB, which is half a MiB of
    /// payload with the heads of its frames.
    pub read_buffer: usize,
    /// Octets of the output buffer that all connections of a thread share: what one event can send in one
    /// write. Default: 516 KiB, so that the answers to what was read together leave together.
    pub output_buffer: usize,
    /// The most octets of unused buffers that a thread keeps. What nobody needs for some seconds goes back to
    /// the allocator all the same. Default: 32 MiB.
    pub pool: usize,
    /// The most connections of a thread. Default: 2^30.
    pub connections: u32,
    /// Sockets that one wait can report. Default: 1024.
    pub events: usize,
    /// Messages from other threads that may wait. Default: 65,536.
    pub mailbox: usize,
    /// What is agreed on of permessage-deflate (RFC 7692), accepted by servers and offered by clients. Default:
    /// nothing, messages go as they are.
    #[cfg(feature = "deflate")]
    pub compression: Option<Policy>,
    /// Which messages are compressed where that was agreed on, and how hard is tried. Default: those of 128 octets
    /// and more, at the fastest level. With takeover a threshold of 16 octets is a better one.
    #[cfg(feature = "deflate")]
    pub effort: Effort,
    /// The most octets of windows that the connections of a thread with context takeover may hold. Beyond it
    /// connections are agreed without takeover, and windows of what was sent are dropped for those of what is
    /// received. Default: 64 MiB, for a thousand connections with two windows of 2^15 octets each.
    #[cfg(feature = "deflate")]
    pub windows: usize,
    /// Which codec does the work. Default: our own.
    #[cfg(feature = "deflate")]
    pub backend: Backend,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::DEFAULT,
            head_limits: HeadLimits::DEFAULT,
            timeouts: Timeouts::new(TICKS_PER_SECOND),
            mark: 64 * 1024,
            when_full: WhenFull::Refuse,
            read_buffer: 516 * 1024,
            output_buffer: 516 * 1024,
            pool: 32 * 1024 * 1024,
            connections: crate::slab::CAPACITY_MAX,
            events: 1024,
            mailbox: 65_536,
            #[cfg(feature = "deflate")]
            compression: None,
            #[cfg(feature = "deflate")]
            effort: Effort::DEFAULT,
            #[cfg(feature = "deflate")]
            windows: 64 * 1024 * 1024,
            #[cfg(feature = "deflate")]
            backend: Backend::Own,
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

    /// The same with another bound on the head of a request or a response.
    #[must_use]
    pub fn with_head_limits(mut self, head_limits: HeadLimits) -> Self {
        self.head_limits = head_limits;
        self
    }

    /// The same with other timeouts, in [ticks](TICKS_PER_SECOND).
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The same with another mark: octets of output that may wait when one more message is taken.
    #[must_use]
    pub fn with_mark(mut self, octets: usize) -> Self {
        self.mark = octets;
        self
    }

    /// The same with another answer to a message that meets the mark.
    #[must_use]
    pub fn with_when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// The same with a shared read buffer of so many octets, at least 1024.
    #[must_use]
    pub fn with_read_buffer(mut self, octets: usize) -> Self {
        self.read_buffer = octets;
        self
    }

    /// The same with a shared output buffer of so many octets, at least 1024.
    #[must_use]
    pub fn with_output_buffer(mut self, octets: usize) -> Self {
        self.output_buffer = octets;
        self
    }

    /// The same with so many octets of unused buffers that a thread may keep.
    #[must_use]
    pub fn with_pool(mut self, octets: usize) -> Self {
        self.pool = octets;
        self
    }

    /// The same with so many connections of a thread at most.
    #[must_use]
    pub fn with_connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// The same with so many sockets that one wait can report, at least one.
    #[must_use]
    pub fn with_events(mut self, events: usize) -> Self {
        self.events = events;
        self
    }

    /// The same with so many messages from other threads that may wait, at least one.
    #[must_use]
    pub fn with_mailbox(mut self, letters: usize) -> Self {
        self.mailbox = letters;
        self
    }

    /// The same with compression (RFC 7692), as far as this policy and the peer allow it.
    ///
    /// [`Policy::DEFAULT`] agrees on no context takeover: an idle connection then holds nothing more than without
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

    /// The same with another bound on the windows of connections with context takeover, in octets for a thread.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_windows(mut self, octets: usize) -> Self {
        self.windows = octets;
        self
    }

    /// The same with another codec.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_changes_its_own_field() {
        let config = Config::default()
            .with_limits(Limits::DEFAULT.with_message(1))
            .with_head_limits(HeadLimits::DEFAULT)
            .with_timeouts(Timeouts::NONE)
            .with_mark(2)
            .with_when_full(WhenFull::Close)
            .with_read_buffer(3)
            .with_output_buffer(4)
            .with_pool(5)
            .with_connections(6)
            .with_events(7)
            .with_mailbox(8);
        assert_eq!((config.limits, config.timeouts), (Limits::DEFAULT.with_message(1), Timeouts::NONE));
        assert_eq!((config.mark, config.when_full), (2, WhenFull::Close));
        assert_eq!((config.read_buffer, config.output_buffer, config.pool), (3, 4, 5));
        assert_eq!((config.connections, config.events, config.mailbox), (6, 7, 8));
    }
}
