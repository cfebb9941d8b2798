//! Decoding tables for Huffman codes (RFC 1951 3.2).
//!
//! A code is looked up by the next bits of the input, first in a table of 2^root entries and, if it is
//! longer, in a second one behind it. An entry says all that follows from its code, so that the number of
//! extra bits and what they are added to need no look-up of their own.

/// Bits of the first look-up of a literal or length.
pub(super) const LITERAL_BITS: u32 = 10;
/// Bits of the first look-up of a distance.
pub(super) const DISTANCE_BITS: u32 = 8;
/// Bits of the only look-up of a code length.
pub(super) const LENGTH_BITS: u32 = 7;

/// The most entries that any complete code of 288 symbols and 15 bits takes after a first look-up of 10.
const LITERAL_ENTRIES: usize = 1334;
/// The same for 32 symbols after a first look-up of 8.
const DISTANCE_ENTRIES: usize = 402;

/// What a code of a table stands for.
///
/// Bits 0 to 4: the bits of the code and its extra bits together. Bits 8 to 11: those of the code alone.
/// Bits 12 to 15: the flags. Bits 16 to 31: a literal, a symbol, or what the extra bits are added to.
/// In an entry that leads to a second table these are: the bits of its index, the bits of the first index,
/// the flag, where it begins.
#[derive(Clone, Copy)]
pub(super) struct Entry(u32);

const LITERAL: u32 = 1 << 12;
const END: u32 = 1 << 13;
const SECOND: u32 = 1 << 14;
const INVALID: u32 = 1 << 15;

impl Entry {
    /// A code that is not in use; one bit is enough to know it.
    const UNUSED: Self = Self(INVALID | 1 << 8 | 1);

    const fn value_with_extra(value: u16, extra_bits: u8) -> Self {
        Self((value as u32) << 16 | extra_bits as u32)
    }

    /// The same entry with a code of this many bits.
    const fn coded_in(self, bits: u32) -> Self {
        Self(self.0 + bits + (bits << 8))
    }

    pub(super) const fn is_literal(self) -> bool {
        self.0 & LITERAL != 0
    }

    /// Whether it is a literal, or a length with its extra bits.
    pub(super) const fn is_plain(self) -> bool {
        self.0 & (END | INVALID) == 0
    }

    /// Whether it leads to a second table.
    pub(super) const fn leads_on(self) -> bool {
        self.0 & SECOND != 0
    }

    pub(super) const fn is_end(self) -> bool {
        self.0 & END != 0
    }

    pub(super) const fn is_invalid(self) -> bool {
        self.0 & INVALID != 0
    }

    /// The bits that the code and its extra bits take.
    pub(super) const fn bits(self) -> u32 {
        self.0 & 31
    }

    /// The literal or symbol.
    pub(super) const fn value(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The length or distance, with the extra bits that stand in `bits` behind the code.
    pub(super) const fn sum(self, bits: u64) -> usize {
        let extra = (bits & ((1 << (self.0 & 31)) - 1)) >> (self.0 >> 8 & 15);
        (self.0 >> 16) as usize + extra as usize
    }
}

/// The two tables of a block.
pub(super) struct Tables {
    literals: [Entry; LITERAL_ENTRIES],
    distances: [Entry; DISTANCE_ENTRIES],
}

impl Tables {
    pub(super) const fn new() -> Self {
        Self { literals: [Entry::UNUSED; LITERAL_ENTRIES], distances: [Entry::UNUSED; DISTANCE_ENTRIES] }
    }

    /// The tables of a block with fixed codes. RFC 1951 3.2.6.
    pub(super) const FIXED: &'static Self = &Self::fixed();

    const fn fixed() -> Self {
        let mut tables = Self::new();
        let mut index = 0;
        while index < 1 << LITERAL_BITS {
            let code = (index as u32).reverse_bits();
            let (symbol, bits) = match code >> 25 {
                seven @ 0..24 => (256 + seven, 7),
                24..96 => ((code >> 24) - 48, 8),
                96..100 => ((code >> 24) - 192 + 280, 8),
                _ => ((code >> 23) - 400 + 144, 9),
            };
            tables.literals[index] = literal_entry(symbol as usize).coded_in(bits);
            index += 1;
        }
        let mut index = 0;
        while index < 1 << DISTANCE_BITS {
            let symbol = (index as u32).reverse_bits() >> 27;
            tables.distances[index] = distance_entry(symbol as usize).coded_in(5);
            index += 1;
        }
        tables
    }

    /// What the literal or length code at the front of `bits` stands for.
    #[inline(always)]
    pub(super) fn literal(&self, bits: u64) -> Entry {
        look_up(&self.literals, LITERAL_BITS, bits)
    }

    /// The same by the first look-up alone, which may lead on.
    #[inline(always)]
    pub(super) fn first_literal(&self, bits: u64) -> Entry {
        first(&self.literals, LITERAL_BITS, bits)
    }

    /// The second look-up, where the first one leads.
    #[inline(always)]
    pub(super) fn second_literal(&self, entry: Entry, bits: u64) -> Entry {
        second(&self.literals, LITERAL_BITS, entry, bits)
    }

    /// What the distance code at the front of `bits` stands for.
    #[inline(always)]
    pub(super) fn distance(&self, bits: u64) -> Entry {
        look_up(&self.distances, DISTANCE_BITS, bits)
    }

    /// Which symbol the code length code at the front of `bits` stands for.
    pub(super) fn length_symbol(&self, bits: u64) -> Entry {
        look_up(&self.distances, LENGTH_BITS, bits)
    }

    /// Takes the codes of a block; `None` when they are no codes.
    pub(super) fn set(&mut self, literal_lengths: &[u8], distance_lengths: &[u8]) -> Option<()> {
        build(&mut self.literals, LITERAL_BITS, literal_lengths, literal_entry)?;
        build(&mut self.distances, DISTANCE_BITS, distance_lengths, distance_entry)
    }

    /// Takes the code of the code lengths, which stands where the distances go later.
    pub(super) fn set_lengths(&mut self, lengths: &[u8; 19]) -> Option<()> {
        // Unlike the others this code must be complete even when it has but one symbol.
        let room: u32 = lengths.iter().filter(|&&length| length > 0).map(|&length| 128 >> length).sum();
        if room != 128 {
            return None;
        }
        build(&mut self.distances, LENGTH_BITS, lengths, |symbol| Entry::value_with_extra(symbol as u16, 0))
    }
}

#[inline(always)]
fn look_up<const N: usize>(table: &[Entry; N], root: u32, bits: u64) -> Entry {
    let entry = first(table, root, bits);
    if entry.leads_on() { second(table, root, entry, bits) } else { entry }
}

#[inline(always)]
fn first<const N: usize>(table: &[Entry; N], root: u32, bits: u64) -> Entry {
    table.get((bits & ((1 << root) - 1)) as usize).copied().unwrap_or(Entry::UNUSED)
}

#[inline(always)]
fn second<const N: usize>(table: &[Entry; N], root: u32, entry: Entry, bits: u64) -> Entry {
    let behind = bits >> root & ((1 << entry.bits()) - 1);
    table.get(usize::from(entry.value()) + behind as usize).copied().unwrap_or(Entry::UNUSED)
}

/// Fills a table for the canonical code with these lengths, 0 for an unused symbol. RFC 1951 3.2.2.
///
/// `None` when there are more codes than bits for them, or fewer, except for a single code of one bit or
/// none at all.
fn build(table: &mut [Entry], root: u32, lengths: &[u8], entry: impl Fn(usize) -> Entry) -> Option<()> {
    let mut counts = [0u16; 16];
    for &length in lengths {
        counts[usize::from(length & 15)] += 1;
    }
    let used = lengths.len() - usize::from(counts[0]);
    counts[0] = 0;

    // The share of all 15-bit numbers that the codes take.
    let taken: u32 = counts.iter().zip(0..).map(|(&count, length)| u32::from(count) << 15 >> length).sum();
    let is_complete = taken == 1 << 15;
    if !is_complete {
        if used > 1 || (used == 1 && counts[1] == 0) {
            return None;
        }
        table.get_mut(..1 << root)?.fill(Entry::UNUSED);
    }

    // Symbols by the length of their code.
    let mut starts = [0u16; 16];
    for length in 1..15 {
        starts[length + 1] = starts[length] + counts[length];
    }
    let mut sorted = [0u16; 288];
    for (symbol, &length) in lengths.iter().enumerate() {
        if length > 0 {
            let place = &mut starts[usize::from(length & 15)];
            *sorted.get_mut(usize::from(*place))? = symbol as u16;
            *place += 1;
        }
    }
    let mut symbols = sorted.get(..used)?.iter().map(|&symbol| usize::from(symbol));

    // A table of codes up to n bits is one of codes up to n-1 bits, twice, with the n-bit codes put in.
    let mut code = 0usize;
    let mut filled = 1;
    for length in 1..=root.min(15) {
        if is_complete {
            let half = filled;
            filled = 1 << length;
            let (done, open) = table.get_mut(..filled)?.split_at_mut_checked(half)?;
            open.iter_mut().zip(done).for_each(|(open, done)| *open = *done);
        } else {
            filled = 1 << root;
        }
        for symbol in symbols.by_ref().take(counts[length as usize].into()) {
            let coded = entry(symbol).coded_in(length);
            if is_complete {
                *table.get_mut(code)? = coded;
            } else {
                table.get_mut(..filled)?.iter_mut().step_by(2).for_each(|even| *even = coded);
            }
            code = next_code(code, length);
        }
    }

    // Longer codes: a second table for each group with the same first bits.
    let mut room = 1usize << root;
    let mut prefix = usize::MAX;
    let mut second = 0;
    let mut second_bits = 0;
    for length in root + 1..=15 {
        for nth in 0..counts[length as usize] {
            let symbol = symbols.next()?;
            let first = code & ((1 << root) - 1);
            if first != prefix {
                prefix = first;
                second = room;
                second_bits = length - root;
                // It is complete when the codes left, of this length and longer ones, fill it.
                let mut open = (1i32 << second_bits) - i32::from(counts[length as usize] - nth);
                while open > 0 && root + second_bits < 15 {
                    second_bits += 1;
                    open = 2 * open - i32::from(counts[(root + second_bits) as usize]);
                }
                room += 1 << second_bits;
                let leads = Entry((second as u32) << 16 | SECOND | root << 8 | second_bits);
                *table.get_mut(first)? = leads;
            }
            let coded = entry(symbol).coded_in(length);
            let group = table.get_mut(second..second + (1 << second_bits))?;
            group.get_mut(code >> root..)?.iter_mut().step_by(1 << (length - root)).for_each(|e| *e = coded);
            code = next_code(code, length);
        }
    }
    Some(())
}

/// The code after `code`, which has its first bit lowest.
fn next_code(code: usize, length: u32) -> usize {
    // Counting with the highest bit last: the run of ones at the top falls, the zero below it rises.
    let ones = ((!code) << (usize::BITS - length)).leading_zeros().min(length);
    if ones == length {
        return 0;
    }
    let rising = 1 << (length - 1 - ones);
    (code & (rising - 1)) | rising
}

/// What a literal or length symbol means. RFC 1951 3.2.5.
const fn literal_entry(symbol: usize) -> Entry {
    const BASES: [u16; 29] = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163,
        195, 227, 258,
    ];
    const EXTRA: [u8; 29] =
        [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
    match symbol {
        0..256 => Entry((symbol as u32) << 16 | LITERAL),
        256 => Entry(END),
        257..286 => Entry::value_with_extra(BASES[symbol - 257], EXTRA[symbol - 257]),
        _ => Entry(INVALID),
    }
}

/// What a distance symbol means. RFC 1951 3.2.5.
const fn distance_entry(symbol: usize) -> Entry {
    match symbol {
        0..4 => Entry::value_with_extra(symbol as u16 + 1, 0),
        4..30 => {
            let extra = symbol as u32 / 2 - 1;
            Entry::value_with_extra((((2 + symbol as u32 % 2) << extra) + 1) as u16, extra as u8)
        }
        _ => Entry(INVALID),
    }
}
