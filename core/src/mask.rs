//! Masking (RFC 6455 5.3): octet `i` of a payload is combined with octet `i mod 4` of the key.
//!
//! Pure and resumable: a payload may be masked in any pieces, each with its offset in the payload. The loops
//! work on blocks of sixteen octets that the compiler turns into vector instructions.

const BLOCK: usize = 16;

/// Masks or unmasks `octets` in place. They stand `offset` octets into the payload; only `offset mod 4`
/// matters. RFC 6455 5.3.
#[inline]
pub fn mask(key: [u8; 4], offset: usize, octets: &mut [u8]) {
    let key = repeat(key, offset);
    let (blocks, tail) = octets.as_chunks_mut::<BLOCK>();
    for block in blocks {
        *block = (u128::from_ne_bytes(*block) ^ u128::from_ne_bytes(key)).to_ne_bytes();
    }
    // A tail is walked in halves, not octet by octet: most control frames and small messages are tails.
    let tail = match tail.split_first_chunk_mut::<8>() {
        Some((half, rest)) => {
            *half = (u64::from_ne_bytes(*half) ^ u64::from_ne_bytes(first(key))).to_ne_bytes();
            rest
        }
        None => tail,
    };
    let tail = match tail.split_first_chunk_mut::<4>() {
        Some((quarter, rest)) => {
            *quarter = (u32::from_ne_bytes(*quarter) ^ u32::from_ne_bytes(first(key))).to_ne_bytes();
            rest
        }
        None => tail,
    };
    for (octet, key) in tail.iter_mut().zip(key) {
        *octet ^= key;
    }
}

/// Masks `from` while copying it to the front of `to`, and returns how many octets were copied: the length
/// of the shorter. They stand `offset` octets into the payload. RFC 6455 5.3.
#[inline]
pub fn mask_copy(key: [u8; 4], offset: usize, from: &[u8], to: &mut [u8]) -> usize {
    let length = from.len().min(to.len());
    let (Some(from), Some(to)) = (from.get(..length), to.get_mut(..length)) else { return 0 };
    let key = repeat(key, offset);
    let (from_blocks, from_tail) = from.as_chunks::<BLOCK>();
    let (to_blocks, to_tail) = to.as_chunks_mut::<BLOCK>();
    for (from, to) in from_blocks.iter().zip(to_blocks) {
        *to = (u128::from_ne_bytes(*from) ^ u128::from_ne_bytes(key)).to_ne_bytes();
    }
    for ((from, to), key) in from_tail.iter().zip(to_tail).zip(key) {
        *to = from ^ key;
    }
    length
}

/// The key as it falls on a block that begins `offset` octets into the payload.
#[inline]
fn repeat(key: [u8; 4], offset: usize) -> [u8; BLOCK] {
    let mut key = key;
    key.rotate_left(offset & 3);
    let word = u128::from(u32::from_ne_bytes(key));
    (word | word << 32 | word << 64 | word << 96).to_ne_bytes()
}

#[inline]
fn first<const N: usize>(key: [u8; BLOCK]) -> [u8; N] {
    core::array::from_fn(|index| key[index & (BLOCK - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// RFC 6455 5.3, octet by octet.
    fn naive(key: [u8; 4], offset: usize, octets: &[u8]) -> Vec<u8> {
        octets.iter().enumerate().map(|(index, octet)| octet ^ key[(offset + index) % 4]).collect()
    }

    // RFC 6455 5.7: a masked text message "Hello"
    #[test]
    fn the_example_of_the_rfc() {
        let mut octets = *b"Hello";
        mask([0x37, 0xfa, 0x21, 0x3d], 0, &mut octets);
        assert_eq!(octets, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn every_length_and_offset_as_the_naive_way() {
        let key = [0x11, 0x72, 0xA3, 0xF4];
        let octets: Vec<u8> = (0..=255).collect();
        for length in 0..=70 {
            for offset in 0..5 {
                // Each alignment, because blocks begin wherever the payload does.
                for start in 0..17 {
                    let source = &octets[start..start + length];
                    let expected = naive(key, offset, source);
                    let mut memory = octets.clone();
                    mask(key, offset, &mut memory[start..start + length]);
                    assert_eq!(memory[start..start + length], expected);
                    assert_eq!(memory[..start], octets[..start]);
                    assert_eq!(memory[start + length..], octets[start + length..]);
                    let mut copy = [0; 71];
                    assert_eq!(mask_copy(key, offset, source, &mut copy), length);
                    assert_eq!(copy[..length], expected);
                    assert!(copy[length..].iter().all(|&octet| octet == 0));
                }
            }
        }
    }

    #[test]
    fn a_copy_ends_with_the_shorter() {
        let mut short = [0; 3];
        assert_eq!(mask_copy([1, 2, 3, 4], 0, &[0; 10], &mut short), 3);
        assert_eq!(short, [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(key: [u8; 4], octets in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..300) {
            let cut = cut.min(octets.len());
            let mut masked = octets.clone();
            let (front, back) = masked.split_at_mut(cut);
            mask(key, 0, front);
            mask(key, cut, back);
            prop_assert_eq!(&masked, &naive(key, 0, &octets));
            mask(key, 0, &mut masked);
            prop_assert_eq!(masked, octets);
        }
    }
}
