//! A block of literals and matches, and its way to the output (RFC 1951 3.2.3 to 3.2.7).
//!
//! A block is gathered first, then closed: its codes are made, or the fixed ones taken if those are as good.
//! Then it is written, item by item, as far as the output has room.

use super::bits::{Bits, Out};
use super::codes::length_symbol;
use super::codes::{
    self, DISTANCES, END, LITERALS, distance_symbol, fixed_code, fixed_distance_code, fixed_length,
};
use super::matches::Match;
use super::options::{HEADER, SYMBOLS};

/// Where the distances stand behind the literals.
const DISTANCE: usize = 288;

/// Symbols of the code of the code lengths.
const LENGTHS: usize = 19;

/// Below this many tokens no code of its own is worth its description.
const FEW: usize = 64;

/// A block in memory that is lent.
pub(super) struct Block<'c> {
    /// A literal: 0 and the octet. A match: its distance, and its length less three.
    tokens: &'c mut [[u16; 2]],
    /// How often each symbol occurs; once closed, the bits of its code.
    counts: &'c mut [u16; SYMBOLS],
    /// The codes, first bit lowest.
    codes: &'c mut [u16; SYMBOLS],
    /// The code lengths as they are written: a symbol in the lowest five bits, then its extra bits.
    items: &'c mut [u16; SYMBOLS],
    /// The bits, then the codes, of the symbols of the items; then the numbers of a [`Header`].
    header: &'c mut [u16; HEADER],
}

/// What stands in front of the items.
struct Header {
    /// Whether the block has codes of its own.
    is_dynamic: bool,
    literals: u16,
    distances: u16,
    lengths: u16,
    items: u16,
}

/// The order in which the bits of the items' symbols are written. RFC 1951 3.2.7.
const ORDER: [u8; LENGTHS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl<'c> Block<'c> {
    /// A block in these words; `None` when they are too few.
    pub(super) fn new(words: &'c mut [u16]) -> Option<Self> {
        let (counts, words) = words.split_first_chunk_mut()?;
        let (codes, words) = words.split_first_chunk_mut()?;
        let (items, words) = words.split_first_chunk_mut()?;
        let (header, words) = words.split_first_chunk_mut()?;
        Some(Self { tokens: words.as_chunks_mut().0, counts, codes, items, header })
    }

    /// Empties the block. To be called once before the first token.
    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
    }

    /// How many tokens there is room for behind the first `count`.
    pub(super) fn room(&self, count: usize) -> usize {
        self.tokens.len().saturating_sub(count)
    }

    #[inline(always)]
    pub(super) fn literal(&mut self, count: &mut usize, octet: u8) {
        if let Some(token) = self.tokens.get_mut(*count) {
            *token = [0, octet.into()];
            *count += 1;
            self.counts[usize::from(octet)] += 1;
        }
    }

    #[inline(always)]
    pub(super) fn matched(&mut self, count: &mut usize, found: Match) {
        if let Some(token) = self.tokens.get_mut(*count) {
            // 3 to 258 and 1 to 32,768.
            let length = (found.length - 3) as u8;
            *token = [found.distance as u16, length.into()];
            *count += 1;
            for symbol in [
                length_symbol(length).symbol.into(),
                DISTANCE + usize::from(distance_symbol(found.distance as u16).symbol),
            ] {
                if let Some(occurs) = self.counts.get_mut(symbol) {
                    *occurs += 1;
                }
            }
        }
    }

    /// Makes the codes of a block of so many tokens.
    pub(super) fn close(&mut self, count: usize) {
        self.counts[END] += 1;
        let fixed_bits =
            3 + self.bits_of(|symbol| if symbol < DISTANCE { fixed_length(symbol).into() } else { 5 });
        let is_dynamic = count >= FEW && self.describe() < fixed_bits;
        if !is_dynamic {
            for (symbol, (bits, code)) in self.counts.iter_mut().zip(self.codes.iter_mut()).enumerate() {
                (*bits, *code) = if symbol < DISTANCE {
                    (fixed_length(symbol), fixed_code(symbol))
                } else {
                    (5, fixed_distance_code((symbol - DISTANCE) as u16))
                };
            }
        }
        self.header[2 * LENGTHS] = is_dynamic.into();
    }

    /// The bits of all tokens without their extra bits, by those of each symbol.
    fn bits_of(&self, bits: impl Fn(usize) -> u32) -> u32 {
        self.counts.iter().enumerate().map(|(symbol, &occurs)| u32::from(occurs) * bits(symbol)).sum()
    }

    /// Makes codes for this block alone and says how many bits it takes with them. RFC 1951 3.2.7.
    fn describe(&mut self) -> u32 {
        // The codes have not been made yet, so their place keeps the counts.
        self.codes.copy_from_slice(self.counts);
        let (literals, distances) = self.counts.split_at_mut(DISTANCE);
        let (literals, distances) = (&mut literals[..LITERALS], &mut distances[..DISTANCES]);
        codes::lengths(literals, 15);
        codes::lengths(distances, 15);
        let coded: u32 =
            self.codes.iter().zip(self.counts.iter()).map(|(&c, &bits)| u32::from(c) * u32::from(bits)).sum();
        let (literal_codes, distance_codes) = self.codes.split_at_mut(DISTANCE);
        let (literals, distances) = self.counts.split_at(DISTANCE);
        codes::assign(literals, literal_codes);
        codes::assign(distances, distance_codes);

        let used = |lengths: &[u16], least: usize| {
            lengths.iter().rposition(|&length| length > 0).map_or(least, |last| (last + 1).max(least))
        };
        let (literals_used, distances_used) = (used(literals, 257), used(distances, 1));
        let mut symbols = [0u16; LENGTHS];
        let mut extra = 0;
        let mut items = 0;
        let lengths =
            literals.iter().take(literals_used).chain(distances.iter().take(distances_used)).copied();
        runs(lengths, |symbol, repeat, bits| {
            if let Some(item) = self.items.get_mut(items) {
                *item = symbol | repeat << 5;
                items += 1;
            }
            if let Some(occurs) = symbols.get_mut(usize::from(symbol)) {
                *occurs += 1;
            }
            extra += bits;
        });

        let [bits, codes] =
            self.header.first_chunk_mut::<{ 2 * LENGTHS }>().map_or([&mut [][..], &mut []], |both| {
                let (bits, codes) = both.split_at_mut(LENGTHS);
                [bits, codes]
            });
        bits.copy_from_slice(&symbols);
        codes::lengths(bits, 7);
        codes::assign(bits, codes);
        let described: u32 =
            symbols.iter().zip(bits.iter()).map(|(&c, &bits)| u32::from(c) * u32::from(bits)).sum();
        let lengths_used =
            ORDER.iter().rposition(|&symbol| bits.get(usize::from(symbol)).is_some_and(|&bits| bits > 0));
        let lengths_used = lengths_used.map_or(4, |last| (last + 1).max(4));

        let numbers = [literals_used - 257, distances_used - 1, lengths_used, items];
        for (place, number) in self.header[2 * LENGTHS + 1..].iter_mut().zip(numbers) {
            *place = number as u16;
        }
        3 + 14 + 3 * lengths_used as u32 + described + extra + coded
    }

    /// Writes a closed block of `count` tokens from its item `at` on; `false` when the output is full.
    pub(super) fn write(&mut self, count: usize, at: &mut usize, bits: &mut Bits, out: &mut Out<'_>) -> bool {
        let [is_dynamic, literals, distances, lengths, items] = self
            .header
            .last_chunk::<{ HEADER - 2 * LENGTHS }>()
            .map_or([0; 5], |numbers| [numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]]);
        let header = Header { is_dynamic: is_dynamic > 0, literals, distances, lengths, items };
        let in_front = header.length();
        while *at < in_front {
            if !bits.drain(out) {
                return false;
            }
            let (item, length) = self.header_item(&header, *at);
            bits.push(item, length);
            *at += 1;
        }
        let mut held = *bits;
        let mut done = *at - in_front;
        let fits = loop {
            if !held.drain(out) {
                break false;
            }
            let Some(&[distance, value]) = self.tokens.get(done).filter(|_| done < count) else {
                break true;
            };
            done += 1;
            if distance == 0 {
                let (code, length) = self.code(value.into());
                held.push(code, length);
                continue;
            }
            let symbol = length_symbol(value as u8);
            let (code, length) = self.code(symbol.symbol.into());
            held.push(code | u64::from(symbol.extra) << length, length + symbol.extra_bits);
            let symbol = distance_symbol(distance);
            let (code, length) = self.code(DISTANCE + usize::from(symbol.symbol));
            held.push(code | u64::from(symbol.extra) << length, length + symbol.extra_bits);
        };
        *at = done + in_front;
        *bits = held;
        if fits {
            let (code, length) = self.code(END);
            bits.push(code, length);
        }
        fits
    }

    #[inline(always)]
    fn code(&self, symbol: usize) -> (u64, u32) {
        let code = self.codes.get(symbol).copied().unwrap_or_default();
        let length = self.counts.get(symbol).copied().unwrap_or_default();
        (code.into(), length.into())
    }

    /// One of the items that stand in front of the tokens: its bits and how many they are.
    fn header_item(&self, header: &Header, at: usize) -> (u64, u32) {
        if !header.is_dynamic {
            return (0b010, 3);
        }
        let Some(behind) = at.checked_sub(1) else {
            let numbers = header.literals | header.distances << 5 | (header.lengths - 4) << 10;
            return (0b100 | u64::from(numbers) << 3, 3 + 14);
        };
        if behind < usize::from(header.lengths) {
            let symbol = ORDER.get(behind).copied().unwrap_or_default();
            return (self.header[usize::from(symbol & 31)].into(), 3);
        }
        let item = self.items.get(behind - usize::from(header.lengths)).copied().unwrap_or_default();
        let (symbol, repeat) = (usize::from(item & 31), u64::from(item >> 5));
        let extra_bits = match symbol {
            16 => 2,
            17 => 3,
            18 => 7,
            _ => 0,
        };
        let length = u32::from(self.header[symbol]);
        (u64::from(self.header[LENGTHS + symbol]) | repeat << length, length + extra_bits)
    }
}

impl Header {
    /// How many items stand in front of the tokens.
    fn length(&self) -> usize {
        if self.is_dynamic { 1 + usize::from(self.lengths) + usize::from(self.items) } else { 1 }
    }
}

/// Writes code lengths as symbols, repeats and extra bits. RFC 1951 3.2.7.
fn runs(lengths: impl Iterator<Item = u16>, mut item: impl FnMut(u16, u16, u32)) {
    let mut lengths = lengths.peekable();
    while let Some(length) = lengths.next() {
        let most = if length == 0 { 138 } else { 7 };
        let mut many = 1;
        while many < most && lengths.next_if_eq(&length).is_some() {
            many += 1;
        }
        let mut left = many;
        if length > 0 {
            item(length, 0, 0);
            left -= 1;
        }
        match (length, left) {
            (0, 11..) => item(18, left - 11, 7),
            (0, 3..) => item(17, left - 3, 3),
            (1.., 3..) => item(16, left - 3, 2),
            _ => (0..left).for_each(|_| item(length, 0, 0)),
        }
    }
}
