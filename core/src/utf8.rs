//! An incremental UTF-8 validator: fails at the first octet that no valid text continues with.
//!
//! It knows nothing of frames. Whole stretches go to the standard library's validator (or, with feature
//! `simd`, to a vectorised one); only a code point cut by the end of a stretch is walked octet by octet.

/// Octets that are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8 {
    /// Octets of this stretch in front of the first one that cannot be continued.
    pub valid_up_to: usize,
}

/// Validates text that arrives in stretches. One octet of state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validator(Expect);

/// What the next octet must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
enum Expect {
    /// The first octet of a code point.
    #[default]
    Start,
    /// One, two or three octets 80..BF.
    One,
    Two,
    Three,
    /// After E0: A0..BF, then one more. Less would be overlong.
    AfterE0,
    /// After ED: 80..9F, then one more. More would be a surrogate.
    AfterEd,
    /// After F0: 90..BF, then two more. Less would be overlong.
    AfterF0,
    /// After F4: 80..8F, then two more. More would pass U+10FFFF.
    AfterF4,
}

impl Expect {
    /// The state after `octet`, or nothing when it cannot stand here. RFC 3629 4.
    const fn step(self, octet: u8) -> Option<Self> {
        match (self, octet) {
            (Self::Start, 0x00..=0x7F) | (Self::One, 0x80..=0xBF) => Some(Self::Start),
            (Self::Start, 0xC2..=0xDF)
            | (Self::Two, 0x80..=0xBF)
            | (Self::AfterE0, 0xA0..=0xBF)
            | (Self::AfterEd, 0x80..=0x9F) => Some(Self::One),
            (Self::Start, 0xE0) => Some(Self::AfterE0),
            (Self::Start, 0xED) => Some(Self::AfterEd),
            (Self::Start, 0xE1..=0xEF)
            | (Self::Three, 0x80..=0xBF)
            | (Self::AfterF0, 0x90..=0xBF)
            | (Self::AfterF4, 0x80..=0x8F) => Some(Self::Two),
            (Self::Start, 0xF0) => Some(Self::AfterF0),
            (Self::Start, 0xF1..=0xF3) => Some(Self::Three),
            (Self::Start, 0xF4) => Some(Self::AfterF4),
            _ => None,
        }
    }
}

impl Validator {
    /// A validator at the start of a text.
    pub const fn new() -> Self {
        Self(Expect::Start)
    }

    /// Whether the text so far ends between two code points.
    pub const fn is_complete(self) -> bool {
        matches!(self.0, Expect::Start)
    }

    /// Validates the next stretch of the text.
    ///
    /// # Errors
    /// Names the first octet that cannot be continued. The validator is then where it was before the call.
    #[inline]
    pub fn feed(&mut self, octets: &[u8]) -> Result<(), InvalidUtf8> {
        let mut state = self.0;
        let mut at = 0;
        // A code point that the last stretch cut has at most three octets to come.
        while state != Expect::Start {
            let Some(&octet) = octets.get(at) else {
                self.0 = state;
                return Ok(());
            };
            state = state.step(octet).ok_or(InvalidUtf8 { valid_up_to: at })?;
            at += 1;
        }
        at += valid_prefix(octets.get(at..).unwrap_or_default());
        // What is left is a code point cut short, at most three octets, or the fault.
        for &octet in octets.get(at..).unwrap_or_default() {
            state = state.step(octet).ok_or(InvalidUtf8 { valid_up_to: at })?;
            at += 1;
        }
        self.0 = state;
        Ok(())
    }
}

/// Whether the octets are UTF-8 from end to end.
#[inline]
pub(crate) fn is_valid(octets: &[u8]) -> bool {
    is_ascii(octets) || from_utf8(octets).is_ok()
}

/// Whether every octet is below 80 (hexadecimal): so are most texts, and to see it takes half a validator's time.
#[inline]
fn is_ascii(octets: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let fold = |all, word: &[u8; 8]| all | u64::from_ne_bytes(*word);
    match octets.last_chunk() {
        // The last word overlaps the one in front of it, which spares a loop over single octets.
        Some(last) => octets.as_chunks().0.iter().fold(u64::from_ne_bytes(*last), fold) & HIGH == 0,
        None => octets.iter().all(u8::is_ascii),
    }
}

/// The octets in front that are whole, valid code points.
#[inline]
fn valid_prefix(octets: &[u8]) -> usize {
    if is_ascii(octets) {
        return octets.len();
    }
    match from_utf8(octets) {
        Ok(_) => octets.len(),
        Err(valid) => valid,
    }
}

/// The octets as text, or how many in front are valid.
#[cfg(not(feature = "simd"))]
fn from_utf8(octets: &[u8]) -> Result<&str, usize> {
    core::str::from_utf8(octets).map_err(|error| error.valid_up_to())
}

/// The octets as text, or how many in front are valid.
#[cfg(feature = "simd")]
fn from_utf8(octets: &[u8]) -> Result<&str, usize> {
    // Below this the run-time choice of instructions costs more than it wins.
    if octets.len() < 64 {
        return core::str::from_utf8(octets).map_err(|error| error.valid_up_to());
    }
    simdutf8::compat::from_utf8(octets).map_err(|error| error.valid_up_to())
}

/// The octets as text if they are UTF-8 from end to end.
pub fn text(octets: &[u8]) -> Result<&str, InvalidUtf8> {
    from_utf8(octets).map_err(|valid_up_to| InvalidUtf8 { valid_up_to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The standard library's verdict on a prefix: can it still become valid text?
    fn can_continue(octets: &[u8]) -> bool {
        match core::str::from_utf8(octets) {
            Ok(_) => true,
            Err(error) => error.error_len().is_none(),
        }
    }

    fn agrees_with_the_standard_library(octets: &[u8]) {
        let bad = (1..=octets.len()).find(|&end| !can_continue(&octets[..end]));
        for cut in 0..=octets.len() {
            let mut validator = Validator::new();
            let (front, back) = octets.split_at(cut);
            let verdict = validator
                .feed(front)
                .map_err(|error| error.valid_up_to)
                .and_then(|()| validator.feed(back).map_err(|error| cut + error.valid_up_to));
            match bad {
                // RFC 6455 8.1: the failure is at the first octet that cannot be continued
                Some(end) => assert_eq!(verdict, Err(end - 1), "{octets:x?} cut at {cut}"),
                None => {
                    assert_eq!(verdict, Ok(()), "{octets:x?} cut at {cut}");
                    assert_eq!(validator.is_complete(), core::str::from_utf8(octets).is_ok());
                }
            }
        }
    }

    #[test]
    fn every_sequence_of_two_octets() {
        for first in 0..=255 {
            for second in 0..=255 {
                agrees_with_the_standard_library(&[first, second]);
            }
        }
    }

    #[test]
    fn every_border_of_three_and_four_octets() {
        const BORDERS: [u8; 14] =
            [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xF0, 0xF4];
        for first in 0xE0..=0xFF {
            for second in BORDERS {
                for third in BORDERS {
                    agrees_with_the_standard_library(&[first, second, third]);
                    for fourth in BORDERS {
                        agrees_with_the_standard_library(&[first, second, third, fourth]);
                    }
                }
            }
        }
    }

    #[test]
    fn a_failed_feed_changes_nothing() {
        let mut validator = Validator::new();
        validator.feed(b"ab\xE2\x82").unwrap();
        let before = validator;
        assert_eq!(validator.feed(b"\xACok\xFF"), Err(InvalidUtf8 { valid_up_to: 3 }));
        assert_eq!(validator, before);
    }

    #[test]
    fn one_high_octet_is_found_anywhere() {
        for length in 0..40 {
            let mut octets = [b'a'; 40];
            assert!(is_ascii(&octets[..length]));
            for at in 0..length {
                for high in [0x80, 0xC3, 0xFF] {
                    octets[at] = high;
                    assert!(!is_ascii(&octets[..length]) && !is_valid(&octets[..length]), "{at} of {length}");
                }
                octets[at] = 0x7F;
            }
            assert!(is_valid(&octets[..length]));
        }
    }

    proptest! {
        #[test]
        fn any_octets_in_any_cut(octets in proptest::collection::vec(any::<u8>(), 0..24)) {
            agrees_with_the_standard_library(&octets);
        }

        #[test]
        fn any_text_in_any_cut(text in "\\PC{0,80}") {
            agrees_with_the_standard_library(text.as_bytes());
        }
    }
}
