//! Symbols and their Huffman codes (RFC 1951 3.2.5 and 3.2.6).

/// Symbols of literals and lengths. RFC 1951 3.2.5.
pub(super) const LITERALS: usize = 286;
/// Symbols of distances.
pub(super) const DISTANCES: usize = 30;
/// The symbol that ends a block.
pub(super) const END: usize = 256;

/// A symbol, and the extra bits that stand behind its code.
#[derive(Clone, Copy)]
pub(super) struct Symbol {
    pub(super) symbol: u16,
    pub(super) extra: u16,
    pub(super) extra_bits: u32,
}

/// The symbol of each length, less three. RFC 1951 3.2.5.
const LENGTH_SYMBOLS: [u8; 256] = {
    let mut symbols = [0; 256];
    let mut at = 0;
    let mut symbol = 0;
    while symbol < 28 {
        let mut some = 1 << length_bits(symbol);
        while some > 0 && at < 256 {
            symbols[at] = symbol;
            at += 1;
            some -= 1;
        }
        symbol += 1;
    }
    // 258 has a symbol of its own.
    symbols[255] = 28;
    symbols
};

/// The extra bits of a length symbol, less 257.
const fn length_bits(symbol: u8) -> u32 {
    match symbol {
        0..8 | 28.. => 0,
        _ => symbol as u32 / 4 - 1,
    }
}

/// The symbol of a length, less three.
#[inline(always)]
pub(super) const fn length_symbol(length_less_three: u8) -> Symbol {
    let symbol = LENGTH_SYMBOLS[length_less_three as usize];
    let extra_bits = length_bits(symbol);
    // Bases are multiples of what the extra bits count up to, from 8 on.
    let extra = length_less_three as u16 & ((1 << extra_bits) - 1);
    Symbol { symbol: 257 + symbol as u16, extra, extra_bits }
}

/// The symbol of a distance, 1 to 32,768.
#[inline(always)]
pub(super) const fn distance_symbol(distance: u16) -> Symbol {
    let less_one = distance.wrapping_sub(1);
    if less_one < 4 {
        return Symbol { symbol: less_one, extra: 0, extra_bits: 0 };
    }
    // The first bit and the one after it make the symbol, the others are extra.
    let extra_bits = 14 - less_one.leading_zeros();
    Symbol {
        symbol: 2 * extra_bits as u16 + (less_one >> extra_bits),
        extra: less_one & ((1 << extra_bits) - 1),
        extra_bits,
    }
}

/// Bits of a fixed code for a literal or length. RFC 1951 3.2.6.
pub(super) const fn fixed_length(symbol: usize) -> u16 {
    match symbol {
        0..144 | 280.. => 8,
        144..256 => 9,
        256..280 => 7,
    }
}

/// The fixed code of a literal or length symbol, first bit lowest.
pub(super) const fn fixed_code(symbol: usize) -> u16 {
    let code = match symbol {
        0..144 => 0x30 + symbol,
        144..256 => 0x190 + symbol - 144,
        256..280 => symbol - 256,
        _ => 0xC0 + symbol - 280,
    };
    (code as u16).reverse_bits() >> (16 - fixed_length(symbol))
}

/// The fixed code of a distance symbol, first bit lowest. Five bits.
pub(super) const fn fixed_distance_code(symbol: u16) -> u16 {
    symbol.reverse_bits() >> 11
}

/// Turns how often each symbol occurs into the bits of its code, `most` at most; 0 where it has none.
///
/// At least two symbols get a code, so that the code is complete whatever occurs.
pub(super) fn lengths(counts: &mut [u16], most: usize) {
    // Rarest first: the count above, the symbol below.
    let mut sorted = [0u32; LITERALS + 2];
    let mut used = 0;
    let mut take = |count: u16, symbol: usize| {
        if let Some(place) = sorted.get_mut(used) {
            *place = u32::from(count) << 16 | symbol as u32;
            used += 1;
        }
    };
    for (symbol, &count) in counts.iter().enumerate() {
        if count > 0 {
            take(count, symbol);
        }
    }
    let occurring = counts.iter().filter(|&&count| count > 0).count();
    for (symbol, _) in
        counts.iter().enumerate().filter(|&(_, &count)| count == 0).take(2usize.saturating_sub(occurring))
    {
        take(1, symbol);
    }
    let sorted = sorted.get_mut(..used).unwrap_or_default();
    sort(sorted);

    let mut with_length = depths(sorted);
    limit(&mut with_length, most);

    // The rarest have the longest codes.
    counts.fill(0);
    let mut symbols = sorted.iter();
    for (length, &many) in with_length.iter().enumerate().rev() {
        for &symbol in symbols.by_ref().take(many.into()) {
            if let Some(place) = counts.get_mut((symbol & 0xFFFF) as usize) {
                *place = length as u16;
            }
        }
    }
}

/// Sorts by the count, first by its lower half, then by the upper one. A count is below 2^14.
fn sort(leaves: &mut [u32]) {
    for shift in [16, 23] {
        let half = |leaf: u32| (leaf >> shift & 0x7F) as usize;
        let mut starts = [0u16; 128];
        for &leaf in &*leaves {
            starts[half(leaf)] += 1;
        }
        let mut start = 0;
        for place in &mut starts {
            start += core::mem::replace(place, start);
        }
        let mut sorted = [0; LITERALS + 2];
        for &leaf in &*leaves {
            let place = &mut starts[half(leaf)];
            if let Some(sorted) = sorted.get_mut(usize::from(*place)) {
                *sorted = leaf;
            }
            *place += 1;
        }
        for (leaf, sorted) in leaves.iter_mut().zip(sorted) {
            *leaf = sorted;
        }
    }
}

/// How many leaves of the Huffman tree are at each depth. The deepest of 4,400 occurrences is below 20.
fn depths(sorted: &[u32]) -> [u16; 32] {
    #[derive(Clone, Copy, Default)]
    struct Node {
        weight: u32,
        parent: u16,
        leaves: u8,
        depth: u8,
    }
    // Leaves and nodes both come in rising order, so the two lightest are always at a front.
    let mut nodes = [Node::default(); LITERALS + 2];
    let mut leaves = sorted.iter().map(|&leaf| leaf >> 16).peekable();
    let mut front = 0;
    let count = sorted.len().saturating_sub(1).min(nodes.len());
    for new in 0..count {
        for _ in 0..2 {
            let node = nodes.get(front).filter(|_| front < new).map(|node| node.weight);
            let (weight, is_leaf) = match (leaves.peek(), node) {
                (Some(&leaf), Some(node)) if leaf > node => (node, false),
                (Some(&leaf), _) => (leaf, true),
                (None, Some(node)) => (node, false),
                (None, None) => break,
            };
            if is_leaf {
                leaves.next();
            } else if let Some(child) = nodes.get_mut(front) {
                child.parent = new as u16;
                front += 1;
            }
            if let Some(node) = nodes.get_mut(new) {
                node.weight += weight;
                node.leaves += u8::from(is_leaf);
            }
        }
    }
    let mut at_depth = [0; 32];
    for at in (0..count).rev() {
        let Some(&node) = nodes.get(at) else { continue };
        let above = if at + 1 == count { None } else { nodes.get(usize::from(node.parent)) };
        let depth = above.map_or(0, |above| above.depth + 1).min(30);
        if let Some(node) = nodes.get_mut(at) {
            node.depth = depth;
        }
        at_depth[(usize::from(depth) + 1) & 31] += u16::from(node.leaves);
    }
    at_depth
}

/// Brings codes that are too long to `most` bits, and makes room for them elsewhere.
fn limit(with_length: &mut [u16; 32], most: usize) {
    let (fine, long) = with_length.split_at_mut(most + 1);
    let folded: u16 = long.iter().sum();
    long.fill(0);
    if let Some(longest) = fine.last_mut() {
        *longest += folded;
    }
    // The share of all numbers of `most` bits that the codes take. Each turn frees one of them: a code
    // grows by a bit and takes one of the longest codes for its sibling.
    let taken: u32 = fine.iter().enumerate().map(|(length, &many)| u32::from(many) << (most - length)).sum();
    for _ in 1 << most..taken {
        let Some((longest, shorter)) = fine.split_last_mut() else { return };
        let Some(at) = shorter.iter().rposition(|&many| many > 0) else { return };
        *longest = longest.saturating_sub(1);
        shorter[at] -= 1;
        *shorter.get_mut(at + 1).unwrap_or(longest) += 2;
    }
}

/// Gives each symbol its code, first bit lowest, by the bits of the codes. RFC 1951 3.2.2.
pub(super) fn assign(lengths: &[u16], codes: &mut [u16]) {
    let mut next = [0u16; 16];
    let mut counts = [0u16; 16];
    for &length in lengths {
        counts[usize::from(length & 15)] += 1;
    }
    counts[0] = 0;
    let mut code = 0u16;
    for length in 1..16 {
        code = code.wrapping_add(counts[length - 1]) << 1;
        next[length] = code;
    }
    for (&length, code) in lengths.iter().zip(codes) {
        if length > 0 {
            let next = &mut next[usize::from(length & 15)];
            *code = next.reverse_bits() >> (16 - (length & 15));
            *next = next.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn every_length_and_distance_has_its_symbol() {
        // RFC 1951 3.2.5, counted up one by one
        let mut length = 3;
        for symbol in 257..285u16 {
            let extra_bits = if symbol < 265 { 0 } else { u32::from(symbol - 261) / 4 };
            for extra in 0..1 << extra_bits {
                if length < 258 {
                    let found = length_symbol((length - 3) as u8);
                    assert_eq!((found.symbol, found.extra, found.extra_bits), (symbol, extra, extra_bits));
                }
                length += 1;
            }
        }
        let found = length_symbol(255);
        assert_eq!((found.symbol, found.extra, found.extra_bits), (285, 0, 0));

        let mut distance = 1;
        for symbol in 0..30u16 {
            let extra_bits = u32::from(symbol / 2).saturating_sub(1);
            for extra in 0..1 << extra_bits {
                let found = distance_symbol(distance);
                assert_eq!((found.symbol, found.extra, found.extra_bits), (symbol, extra, extra_bits));
                distance += 1;
            }
        }
        assert_eq!(distance, 32769);
    }

    /// The bits of the best code, found the slow way: the two lightest are joined again and again.
    fn best_bits(counts: &[u16]) -> u64 {
        let mut weights: Vec<u64> = counts.iter().filter(|&&count| count > 0).map(|&c| c.into()).collect();
        let mut bits = 0;
        while weights.len() > 1 {
            weights.sort_unstable_by(|a, b| b.cmp(a));
            let joined = weights.pop().unwrap() + weights.pop().unwrap();
            bits += joined;
            weights.push(joined);
        }
        bits
    }

    proptest! {
        #[test]
        fn lengths_make_a_complete_code(
            counts in prop_oneof![
                proptest::collection::vec(0..20u16, 2..287),
                proptest::collection::vec(0..2u16, 2..31),
                proptest::collection::vec(prop_oneof![Just(0), 1..4u16, 100..4000u16], 2..31),
                // Fibonacci's numbers make the deepest tree.
                (2..19usize).prop_map(|many| {
                    let mut numbers = std::vec![1u16, 1];
                    while numbers.len() < many {
                        numbers.push(numbers[numbers.len() - 1] + numbers[numbers.len() - 2]);
                    }
                    numbers
                }),
            ],
            most in prop_oneof![Just(15usize), Just(9)],
        ) {
            let mut bits = counts.clone();
            lengths(&mut bits, most);
            let mut taken = 0;
            let mut sum = 0;
            for (&count, &length) in counts.iter().zip(&bits) {
                prop_assert!(usize::from(length) <= most);
                prop_assert!(count == 0 || length > 0);
                if length > 0 {
                    taken += 1 << (most - usize::from(length));
                    sum += u64::from(count) * u64::from(length);
                }
            }
            prop_assert_eq!(taken, 1 << most);
            let occurring = counts.iter().filter(|&&count| count > 0).count();
            if occurring > 1 && usize::from(*bits.iter().max().unwrap()) < most {
                prop_assert_eq!(sum, best_bits(&counts));
            }
        }
    }
}
