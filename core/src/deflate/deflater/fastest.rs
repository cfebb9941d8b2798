//! The fastest level: the first match found goes straight to the output, in a block with fixed codes.

use super::Deflater;
use super::bits::{Bits, Out};
use super::codes::{END, distance_symbol, fixed_code, fixed_distance_code, fixed_length, length_symbol};
use super::matches::{LONGEST, SHORTEST, Search};

/// Bits and how many: the bits below, the count in the highest octet.
const fn code(bits: u32, count: u32) -> u32 {
    bits | count << 24
}

const LITERALS: [u32; 256] = {
    let mut codes = [0; 256];
    let mut literal = 0;
    while literal < 256 {
        codes[literal] = code(fixed_code(literal) as u32, fixed_length(literal) as u32);
        literal += 1;
    }
    codes
};

/// By the length, less three; with the extra bits.
const LENGTHS: [u32; 256] = {
    let mut codes = [0; 256];
    let mut length = 0;
    while length < 256 {
        let symbol = length_symbol(length as u8);
        let bits = fixed_length(symbol.symbol as usize) as u32;
        codes[length] = code(
            fixed_code(symbol.symbol as usize) as u32 | (symbol.extra as u32) << bits,
            bits + symbol.extra_bits,
        );
        length += 1;
    }
    codes
};

/// Opens a block with fixed codes, after [`Bits::drain`] has found room. RFC 1951 3.2.3.
pub(super) fn open(bits: &mut Bits) {
    bits.push(0b010, 3);
}

/// Closes it, after [`Bits::drain`] has found room.
pub(super) fn close(bits: &mut Bits) {
    bits.push(fixed_code(END).into(), fixed_length(END).into());
}

impl Deflater {
    /// Deflates the octets up to `limit` or a few more; `false` when the output is full.
    pub(super) fn deflate_fastest(
        &mut self,
        search: &mut Search<'_>,
        limit: usize,
        out: &mut Out<'_>,
    ) -> bool {
        let mut bits = self.bits;
        let mut at = self.at;
        let fits = loop {
            if at >= limit {
                break true;
            }
            if !bits.drain(out) {
                break false;
            }
            if let Some((length, distance)) = find(search, at) {
                let coded = LENGTHS[usize::from((length - 3) as u8)];
                bits.push((coded & 0xFF_FFFF).into(), coded >> 24);
                let symbol = distance_symbol(distance as u16);
                let code = fixed_distance_code(symbol.symbol);
                bits.push(u64::from(code) | u64::from(symbol.extra) << 5, 5 + symbol.extra_bits);
                // The places within a match are not noted, but for one near its end.
                search.insert(at + length - 2);
                at += length;
                self.misses = 0;
                continue;
            }
            // Octets that do not become smaller are looked at less and less often. Five literals take 45
            // bits at most.
            self.misses += 1;
            let many = (1 + self.misses / 32).min(5).min(search.octets.len() - at);
            for &octet in search.octets.get(at..at + many).unwrap_or_default() {
                let coded = LITERALS[usize::from(octet)];
                bits.push((coded & 0xFF_FFFF).into(), coded >> 24);
            }
            at += many;
        };
        self.bits = bits;
        self.at = at;
        fits
    }
}

/// Notes the place and finds a match of at least four octets there.
#[inline(always)]
fn find(search: &mut Search<'_>, at: usize) -> Option<(usize, usize)> {
    let four = search.four(at)?;
    let hash = search.hash(four);
    let head = search.heads.get_mut(hash)?;
    let place = usize::from(*head);
    *head = at as u16;
    if place < search.floor || place >= at || at - place > search.window || search.four(place)? != four {
        return None;
    }
    let most = (search.octets.len() - at).min(LONGEST);
    let length = search.common(place, at, most);
    (length >= SHORTEST).then_some((length, at - place))
}
