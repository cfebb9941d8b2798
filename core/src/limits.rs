//! How much a peer may send: finite defaults, each of which can be raised or lifted.
//!
//! Limits are plain data that many connections share by reference.

/// The most that a peer may send before its connection fails with close code 1009.
///
/// Every limit counts what has been announced or received, so a limit is reached before the memory for it
/// is. `u64::MAX` or `u32::MAX` lifts a limit; a machine with lifted limits is still safe, because nothing
/// in it allocates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Payload octets of one data frame. Default: 1 MiB.
    pub frame: u64,
    /// Payload octets of one message, all its fragments together. Default: 1 MiB.
    ///
    /// Of a compressed message both the octets received and the octets they inflate to.
    pub message: u64,
    /// Frames of one message, empty ones included. Default: 1024.
    pub fragments: u32,
    /// Octets that a compressed message may inflate to for each octet received of it; `u32::MAX` for any.
    ///
    /// What is received counts in kibibytes begun, so a message of up to `ratio` KiB is never refused, and how
    /// it is cut into frames and reads makes no difference. DEFLATE reaches 1032. Default: any, because
    /// `message` bounds memory and time already, and honest text of repeated octets comes near 1032. It is for
    /// servers that take large messages, and want each paid for in octets sent: 100 is more than text and
    /// JSON reach.
    pub ratio: u32,
}

impl Limits {
    /// The defaults: message 1 MiB, frame 1 MiB, 1024 fragments, any ratio.
    pub const DEFAULT: Self = Self { frame: 1 << 20, message: 1 << 20, fragments: 1024, ratio: u32::MAX };

    /// No limit at all. For peers that are trusted, or consumers that stream and count by themselves.
    pub const UNLIMITED: Self =
        Self { frame: u64::MAX, message: u64::MAX, fragments: u32::MAX, ratio: u32::MAX };

    /// The same limits with another bound on frame and message, in payload octets.
    #[must_use]
    pub const fn with_message(self, octets: u64) -> Self {
        Self { frame: octets, message: octets, ..self }
    }

    /// The same limits with another bound on one frame, in payload octets.
    #[must_use]
    pub const fn with_frame(self, octets: u64) -> Self {
        Self { frame: octets, ..self }
    }

    /// The same limits with another bound on the frames of one message.
    #[must_use]
    pub const fn with_fragments(self, frames: u32) -> Self {
        Self { fragments: frames, ..self }
    }

    /// The same limits with another bound on what a compressed message may inflate to for each octet received.
    #[must_use]
    pub const fn with_ratio(self, octets: u32) -> Self {
        Self { ratio: octets, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
