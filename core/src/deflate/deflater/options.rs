//! How hard to look for matches, and how much memory that takes.

use crate::deflate::effort::Level;
use crate::deflate::terms::WindowBits;

/// Symbols of literals, lengths and distances.
pub(super) const SYMBOLS: usize = 320;
/// Room for the code of the code lengths.
pub(super) const HEADER: usize = 64;

impl Level {
    /// Whether earlier octets with the same hash are kept, not only the last ones.
    pub(super) const fn has_chains(self) -> bool {
        matches!(self, Self::Balanced | Self::Best)
    }

    /// Whether codes are made for the message, so that it is looked at in blocks.
    pub(super) const fn has_tokens(self) -> bool {
        !matches!(self, Self::Fastest)
    }
}

/// What the memory of a deflater is sized by.
///
/// | octets of memory, words included | window 2^8 | 2^10 | 2^12 | 2^15 |
/// | --- | --- | --- | --- | --- |
/// | [`Level::Fastest`] | 2,048 | 5,120 | 13,312 | 69,632 |
/// | [`Level::Fast`] | 8,192 | 11,264 | 35,840 | 100,352 |
/// | [`Level::Balanced`], [`Level::Best`] | 8,704 | 13,312 | 44,032 | 215,040 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub(super) level: Level,
    pub(super) window: WindowBits,
    pub(super) table_bits: u8,
}

impl Options {
    /// For messages at this level, with matches no farther back than this window.
    ///
    /// The window is the one agreed, or a smaller one to save memory.
    pub const fn new(level: Level, window: WindowBits) -> Self {
        let most = match level {
            Level::Fastest => 11,
            Level::Fast => 13,
            Level::Balanced | Level::Best => 15,
        };
        let table_bits = if window.bits() < most { window.bits() } else { most };
        Self { level, window, table_bits }
    }

    /// The same with a table of 2^`bits` places for the octets seen, two octets each; 8 to 15.
    ///
    /// A smaller one finds fewer matches in long messages. What is out of range is brought into it.
    #[must_use]
    pub const fn with_table_bits(self, bits: u8) -> Self {
        let table_bits = match bits {
            0..8 => 8,
            8..16 => bits,
            _ => 15,
        };
        Self { table_bits, ..self }
    }

    /// How hard to look.
    pub const fn level(self) -> Level {
        self.level
    }

    /// The farthest that matches go back.
    pub const fn window(self) -> WindowBits {
        self.window
    }

    /// Words of memory that a deflater with these options must be lent.
    pub const fn words(self) -> usize {
        let block = if self.level.has_tokens() { 2 * self.tokens() + 3 * SYMBOLS + HEADER } else { 0 };
        (1 << self.table_bits) + self.chains() + block
    }

    /// Octets of memory that a deflater with these options must be lent, beside the words.
    pub const fn octets(self) -> usize {
        // Twice the window, so that it is moved once for so many octets, and what is looked ahead.
        let wanted = 2 * self.window.octets() + 1024;
        if wanted < 1 << 16 { wanted } else { 1 << 16 }
    }

    /// Literals and matches of a block, at most. Fewer make a worse code, or describe it too often.
    const fn tokens(self) -> usize {
        match self.window.bits() {
            ..10 => 1 << 10,
            12.. => 1 << 12,
            bits => 1 << bits,
        }
    }

    /// Words that hold the chains.
    pub(super) const fn chains(self) -> usize {
        if self.level.has_chains() { self.window.octets() } else { 0 }
    }

    /// The same with a window no larger than this.
    pub(super) fn within(self, window: WindowBits) -> Self {
        Self { window: self.window.min(window), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_with_level_and_window() {
        let of = |level, bits| {
            let options = Options::new(level, WindowBits::new(bits).unwrap());
            2 * options.words() + options.octets()
        };
        // What the documentation says.
        let table = [
            (Level::Fastest, [2048, 5120, 13_312, 69_632]),
            (Level::Fast, [8192, 11_264, 35_840, 100_352]),
            (Level::Balanced, [8704, 13_312, 44_032, 215_040]),
            (Level::Best, [8704, 13_312, 44_032, 215_040]),
        ];
        for (level, octets) in table {
            assert_eq!([8, 10, 12, 15].map(|bits| of(level, bits)), octets, "{level:?}");
        }
        let smallest = Options::new(Level::Fastest, WindowBits::MAX).with_table_bits(0);
        assert_eq!(2 * smallest.words(), 512);
        for bits in 8..15 {
            for (lower, higher) in [(Level::Fastest, Level::Fast), (Level::Fast, Level::Balanced)] {
                assert!(of(lower, bits) < of(higher, bits));
                assert!(of(lower, bits) < of(lower, bits + 1));
            }
        }
    }
}
