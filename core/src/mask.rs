//! Masking (RFC 6455 5.3): octet `i` of a payload is combined with octet `i mod 4` of the key.
//!
//! Pure and resumable: a payload may be masked in any pieces, each with its offset in the payload. The loops go
//! over blocks, which the compiler turns into vector instructions: large ones, so that long payloads take few
//! steps, then small ones, so that short payloads do too.

const WORD: usize = 4;

/// Masks or unmasks `octets` in place. They stand `offset` octets into the payload; only `offset mod 4`
/// matters. RFC 6455 5.3.
#[inline]
pub fn mask(key: [u8; 4], offset: usize, octets: &mut [u8]) {
    let key = turn(key, offset);
    let (blocks, rest) = octets.as_chunks_mut::<64>();
    for block in blocks {
        mask_words(block, key);
    }
    let (blocks, rest) = rest.as_chunks_mut::<16>();
    for block in blocks {
        mask_words(block, key);
    }
    // At most 15 octets are left: no loop over so few is worth its beginning.
    let rest = front::<8>(rest, key);
    let rest = front::<4>(rest, key);
    let [a, b, c, _] = key;
    if let Some((pair, last)) = rest.split_first_chunk_mut() {
        let [first, second] = *pair;
        *pair = [first ^ a, second ^ b];
        if let Some(octet) = last.first_mut() {
            *octet ^= c;
        }
    } else if let Some(octet) = rest.first_mut() {
        *octet ^= a;
    }
}

/// Masks `from` while copying it to the front of `to`, and returns how many octets were copied: the length
/// of the shorter. They stand `offset` octets into the payload. RFC 6455 5.3.
#[inline]
pub fn mask_copy(key: [u8; 4], offset: usize, from: &[u8], to: &mut [u8]) -> usize {
    let length = from.len().min(to.len());
    let (Some(from), Some(to)) = (from.get(..length), to.get_mut(..length)) else { return 0 };
    let key = turn(key, offset);
    let (from_words, from_tail) = from.as_chunks::<WORD>();
    let (to_words, to_tail) = to.as_chunks_mut::<WORD>();
    for (from, to) in from_words.iter().zip(to_words) {
        *to = combine(*from, key);
    }
    for ((from, to), key) in from_tail.iter().zip(to_tail).zip(key) {
        *to = from ^ key;
    }
    length
}

/// The key as it falls on a word that begins `offset` octets into the payload.
#[inline]
pub(crate) const fn turn(key: [u8; 4], offset: usize) -> [u8; 4] {
    // The first octet is the lowest, so it leaves to the right and comes back at the left.
    u32::from_le_bytes(key).rotate_right(8 * (offset & 3) as u32).to_le_bytes()
}

/// Masks octets that are whole words.
#[inline(always)]
fn mask_words<const N: usize>(octets: &mut [u8; N], key: [u8; 4]) {
    for word in octets.as_chunks_mut::<WORD>().0 {
        *word = combine(*word, key);
    }
}

/// Masks the first `N` octets, whole words, if there are so many, and gives what is left.
#[inline(always)]
fn front<const N: usize>(octets: &mut [u8], key: [u8; 4]) -> &mut [u8] {
    if octets.len() < N {
        return octets;
    }
    match octets.split_first_chunk_mut::<N>() {
        Some((front, rest)) => {
            mask_words(front, key);
            rest
        }
        None => &mut [],
    }
}

#[inline]
const fn combine(word: [u8; WORD], key: [u8; WORD]) -> [u8; WORD] {
    (u32::from_ne_bytes(word) ^ u32::from_ne_bytes(key)).to_ne_bytes()
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
        for length in 0..=210 {
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
                    let mut copy = [0; 211];
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
