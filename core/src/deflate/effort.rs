//! How much is done to make messages smaller: data that connections share, and may change between messages.

/// How hard a compressor looks for a smaller message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// The first match found, codes fixed in advance. The least memory and by far the fastest for messages
    /// of up to some hundred octets.
    Fastest,
    /// The first match found, codes made for the message.
    Fast,
    /// The best of a few matches, codes made for the message.
    #[default]
    Balanced,
    /// The best of many matches, codes made for the message. Several times slower for about one per cent.
    Best,
}

/// Which messages are worth compressing, and how hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effort {
    /// Messages of fewer octets go out as they are. Default: 128.
    ///
    /// Without takeover a message of 64 octets becomes some 55, in a packet whose other headers take as many
    /// again, and both ends pay for it; from about 128 on most text is worth it. With takeover small messages
    /// that resemble each other become a third, so there 16 is a better value.
    pub threshold: usize,
    /// How hard to look. Default: [`Level::Fastest`], which needs the least time and memory.
    pub level: Level,
}

impl Effort {
    /// Messages of 128 octets and more, at [`Level::Fastest`].
    pub const DEFAULT: Self = Self { threshold: 128, level: Level::Fastest };

    /// The same with another threshold, in payload octets; 0 for every message that becomes smaller.
    #[must_use]
    pub const fn with_threshold(self, octets: usize) -> Self {
        Self { threshold: octets, ..self }
    }

    /// The same at another level.
    #[must_use]
    pub const fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Whether a message of so many octets is worth compressing.
    pub const fn is_worth(self, octets: usize) -> bool {
        octets >= self.threshold
    }
}

impl Default for Effort {
    fn default() -> Self {
        Self::DEFAULT
    }
}
