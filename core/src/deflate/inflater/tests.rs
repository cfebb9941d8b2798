use super::*;
use crate::deflate::terms::WindowBits;
use crate::deflate::testing::{self, BitWriter, sizes};
use proptest::prelude::*;
use std::{boxed::Box, vec, vec::Vec};

const BAD: Violation = Violation::InvalidCompression;

/// A connection's receiving half with memory of its own.
struct Receiver {
    inflater: Box<Inflater>,
    history: History,
    window: Vec<u8>,
    terms: Terms,
}

impl Receiver {
    fn new(window_bits: u8, takeover: bool) -> Self {
        let window = WindowBits::new(window_bits).unwrap();
        Self {
            inflater: Box::new(Inflater::new()),
            history: History::new(),
            window: vec![0xEE; window.octets()],
            terms: Terms::new(window, takeover),
        }
    }

    /// A message in stretches of the given sizes, over and over.
    fn message(&mut self, payload: &[u8], inputs: &[usize], outputs: &[usize]) -> Result<Vec<u8>, Violation> {
        let Self { inflater, history, window, terms } = self;
        let inflated = testing::drive(payload, inputs, outputs, |input, output, last| {
            Inflate::new(inflater, history, window, *terms).unwrap().decompress(input, output, last)
        });
        assert!(!inflater.is_within_message());
        inflated
    }

    fn whole(&mut self, payload: &[u8]) -> Result<Vec<u8>, Violation> {
        self.message(payload, &[usize::MAX], &[1 << 18])
    }
}

/// The messages inflate to these texts, in every cut of input and output.
fn inflate_to(takeover: bool, messages: &[(&[u8], &str)]) {
    for input in 1..24 {
        for output in [1, 2, 3, 4, 5, 7, 300, 400] {
            let mut receiver = Receiver::new(8, takeover);
            for &(payload, text) in messages {
                let inflated = receiver.message(payload, &[input], &[output]);
                assert_eq!(inflated.as_deref(), Ok(text.as_bytes()), "{payload:x?} by {input}, {output}");
            }
        }
    }
}

#[test]
fn examples_of_the_rfc() {
    // RFC 7692 7.2.3.1
    inflate_to(false, &[(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], "Hello")]);
    // RFC 7692 7.2.3.2
    inflate_to(
        true,
        &[(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], "Hello"), (&[0xf2, 0x00, 0x11, 0x00, 0x00], "Hello")],
    );
    // RFC 7692 7.2.3.3
    inflate_to(false, &[(&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], "Hello")]);
    // RFC 7692 7.2.3.4
    inflate_to(false, &[(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], "Hello")]);
    // RFC 7692 7.2.3.5
    inflate_to(
        false,
        &[(&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00], "Hello")],
    );
    // RFC 7692 7.2.3.6
    inflate_to(false, &[(&[0x00], "")]);
}

#[test]
fn a_final_block_keeps_the_window() {
    // RFC 7692 7.2.3.4: a message may hold several streams, and the next one may refer to them
    let hello_final = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let hello_again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    inflate_to(true, &[(&hello_final, "Hello"), (&hello_again, "Hello")]);
    let both = [&hello_final[..7], &hello_again].concat();
    inflate_to(false, &[(&both, "HelloHello"), (&both, "HelloHello")]);
}

#[test]
fn a_message_must_end_as_its_sender_has_to_end_it() {
    for payload in [
        // nothing at all, which leaves the tail inside a stored block
        &[][..],
        // a block that has not ended
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9],
        // the tail not cut off
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff],
        // a final block without what must follow it
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        // a stored block that would take the tail for its contents
        &[0x00, 0x04, 0x00, 0xfb, 0xff],
    ] {
        for input in 1..13 {
            let mut receiver = Receiver::new(15, true);
            assert_eq!(receiver.message(payload, &[input], &[9]), Err(BAD), "{payload:x?}");
            // The codec is fit for another connection at once.
            receiver.history = History::new();
            assert_eq!(receiver.whole(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]).unwrap(), b"Hello");
        }
    }
}

#[test]
fn malformed_blocks() {
    let dynamic = |literals: u32, distances: u32, lengths: u32| {
        BitWriter::default().bits(0b100, 3).bits(literals, 5).bits(distances, 5).bits(lengths, 4)
    };
    // RFC 1951 3.2.7 in the order 16, 17, 18, 0, 8, ...: codes for 18 and 0 of one bit each
    let simple = |literals: u32| dynamic(literals, 0, 0).bits(0, 6).bits(1, 3).bits(1, 3);
    for (fault, stream) in [
        ("block type 3", BitWriter::default().bits(0b110, 3)),
        ("a stored length without its complement", BitWriter::default().bits(0, 8).bits(5, 32)),
        ("287 literals and lengths", dynamic(30, 0, 0)),
        ("31 distances", dynamic(0, 30, 0)),
        ("no code lengths", dynamic(0, 0, 0).bits(0, 12)),
        ("one code length", dynamic(0, 0, 0).bits(1, 12)),
        ("too many code lengths", dynamic(0, 0, 0).bits(0b001_001_001, 12)),
        ("a repeat of nothing", dynamic(0, 0, 0).bits(0b001_000_000_001, 12).code(1, 1).bits(0, 2)),
        ("too long a repeat", simple(0).code(1, 1).bits(127, 7).code(1, 1).bits(127, 7)),
        ("no code for the end", simple(0).code(1, 1).bits(127, 7).code(1, 1).bits(109, 7)),
        ("symbol 286", BitWriter::default().bits(0b010, 3).code(0b1100_0110, 8)),
        ("symbol 287", BitWriter::default().bits(0b010, 3).code(0b1100_0111, 8)),
        ("distance symbol 30", BitWriter::default().bits(0b010, 3).code(0x30, 8).code(1, 7).code(30, 5)),
        ("distance symbol 31", BitWriter::default().bits(0b010, 3).code(0x30, 8).code(1, 7).code(31, 5)),
    ] {
        for filler in [0x00, 0xFF, 0x55] {
            let mut payload = stream.octets.clone();
            payload.extend([filler; 40]);
            for input in [1, 2, 3, 100] {
                let mut receiver = Receiver::new(15, false);
                let result = receiver.message(&payload, &[input], &[400]);
                assert_eq!(result, Err(BAD), "{fault}, {filler:x}");
            }
        }
    }
}

/// A dynamic block's description, with codes of these bits. RFC 1951 3.2.7.
fn described(literals: &[(usize, u32)], distances: &[u32]) -> BitWriter {
    let most = distances.len() as u32 - 1;
    let mut stream = BitWriter::default().bits(0b100, 3).bits(0, 5).bits(most, 5).bits(15, 4);
    // Four bits for each code length, none for repeats.
    stream = stream.bits(0, 9);
    for _ in 0..16 {
        stream = stream.bits(4, 3);
    }
    for symbol in 0..257 {
        let bits = literals.iter().find(|literal| literal.0 == symbol).map_or(0, |literal| literal.1);
        stream = stream.code(bits, 4);
    }
    distances.iter().fold(stream, |stream, &bits| stream.code(bits, 4))
}

#[test]
fn codes_must_be_codes() {
    for (fine, literals, distances) in [
        (true, &[(0, 1), (256, 1)][..], &[1, 1][..]),
        // A single code, and none at all where no distance is used
        (true, &[(256, 1)], &[1]),
        (true, &[(256, 1)], &[0]),
        // No end, too few, too many
        (false, &[(0, 1), (1, 1)], &[1]),
        (false, &[(256, 2)], &[1]),
        (false, &[(0, 1), (256, 2)], &[1]),
        (false, &[(0, 1), (1, 1), (256, 1)], &[1]),
        (false, &[(0, 1), (256, 1)], &[2]),
        (false, &[(0, 1), (256, 1)], &[1, 2]),
        (false, &[(0, 1), (256, 1)], &[1, 1, 15]),
    ] {
        let mut receiver = Receiver::new(15, false);
        // Judged as soon as they are there, before anything is written.
        let payload = described(literals, distances).bits(0, 7).octets;
        let mut codec =
            Inflate::new(&mut receiver.inflater, &mut receiver.history, &mut receiver.window, receiver.terms)
                .unwrap();
        let result = codec.decompress(&payload, &mut [], false);
        assert_eq!(result.is_ok(), fine, "{literals:?} {distances:?}");
    }
    // The code of the code lengths itself, with one symbol or with two of two bits
    for lengths in [0b001_000_000_000, 0b010_010] {
        let payload = BitWriter::default().bits(0b100, 3).bits(0, 14).bits(lengths, 12).octets;
        let mut receiver = Receiver::new(15, false);
        let mut codec =
            Inflate::new(&mut receiver.inflater, &mut receiver.history, &mut receiver.window, receiver.terms)
                .unwrap();
        assert_eq!(codec.decompress(&payload, &mut [], false), Err(BAD));
    }
}

/// A block of `length` literals, then a match of three octets at `distance`, then more literals.
fn reaching_back(length: usize, distance: u32) -> Vec<u8> {
    let mut stream = BitWriter::default().bits(0b010, 3);
    for octet in 0..length {
        stream = stream.code(0x30 + octet as u32 % 100, 8);
    }
    // Enough behind the match that the fast loop meets it.
    stream = stream.three_octets_from(distance);
    for _ in 0..20 {
        stream = stream.code(0x30, 8);
    }
    stream.code(0, 7).bits(0, 3).octets
}

#[test]
fn no_farther_than_the_window_and_not_before_the_start() {
    for bits in 8..=15u8 {
        let size = 1u32 << bits;
        for input in [1, 5, usize::MAX] {
            for output in [1, 100, 1 << 16] {
                // RFC 7692 7.1.2: no farther than the agreed window
                for (distance, fits) in [(size - 1, true), (size, true), (size + 1, false)] {
                    if distance > 32768 || (output == 1 && bits > 10) {
                        continue;
                    }
                    let mut receiver = Receiver::new(bits, false);
                    let payload = reaching_back(size as usize + 10, distance);
                    let result = receiver.message(&payload, &[input], &[output]);
                    assert_eq!(result.is_ok(), fits, "2^{bits} {distance} by {input}, {output}");
                }
            }
        }
        // RFC 1951 3.2.3: not before the first octet, whatever stands in the memory there
        for (length, distance, fits) in [(0, 1, false), (9, 9, true), (9, 10, false), (200, 201, false)] {
            let mut receiver = Receiver::new(bits, true);
            assert_eq!(receiver.whole(&reaching_back(length, distance)).is_ok(), fits);
        }
    }
}

#[test]
fn a_message_reaches_into_the_one_before_only_with_takeover() {
    // In one call or in many, which keep what they have written.
    for output in [400, 7] {
        for takeover in [false, true] {
            for (distance, fits) in [(48, true), (49, false)] {
                let mut receiver = Receiver::new(8, takeover);
                let message = receiver.message(&reaching_back(20, 1), &[3], &[output]).unwrap();
                assert_eq!(message.len(), 43);
                let result = receiver.whole(&reaching_back(5, distance));
                assert_eq!(result.is_ok(), takeover && fits, "{output} {takeover} {distance}");
            }
        }
    }
}

#[test]
fn full_output_at_the_very_end_needs_no_more() {
    // So a limit of exactly the message's size does not fail it.
    let payload = &testing::zlib_deflate(&[vec![7; 1000]], 6, 15, false)[0];
    let mut receiver = Receiver::new(15, false);
    let mut output = [0; 1000];
    let mut codec =
        Inflate::new(&mut receiver.inflater, &mut receiver.history, &mut receiver.window, receiver.terms)
            .unwrap();
    let coded = codec.decompress(payload, &mut output, true).unwrap();
    assert_eq!(coded, Coded { consumed: payload.len(), produced: 1000, status: Status::End });
    assert_eq!(output, [7; 1000]);
}

#[test]
fn a_bomb_stops_at_the_output() {
    let payload = &testing::zlib_deflate(&[vec![0; 200_000]], 9, 15, false)[0];
    let mut receiver = Receiver::new(15, false);
    let mut output = [0; 4096];
    let mut at = 0;
    for _ in 0..10 {
        let mut codec =
            Inflate::new(&mut receiver.inflater, &mut receiver.history, &mut receiver.window, receiver.terms)
                .unwrap();
        let coded = codec.decompress(&payload[at..], &mut output, true).unwrap();
        assert_eq!((coded.produced, coded.status), (4096, Status::NeedOutput));
        at += coded.consumed;
    }
    // Given up half-way, the codec serves the next connection.
    receiver.inflater.reset();
    assert_eq!(receiver.whole(payload).unwrap(), vec![0; 200_000]);
}

#[test]
fn too_small_a_window() {
    let mut receiver = Receiver::new(9, true);
    let short = &mut receiver.window[..511];
    let refused = Inflate::new(&mut receiver.inflater, &mut receiver.history, short, receiver.terms);
    assert_eq!(refused.err(), Some(MemoryTooSmall));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_zlib_deflates_we_inflate(
        messages in proptest::collection::vec(testing::octets(6000), 1..4),
        level in 0..=9i32,
        window_bits in 9..=15u8,
        takeover: bool,
        inputs in sizes(),
        outputs in sizes(),
    ) {
        let mut receiver = Receiver::new(window_bits, takeover);
        let deflated = testing::zlib_deflate(&messages, level, window_bits, takeover);
        for (message, payload) in messages.iter().zip(&deflated) {
            let inflated = receiver.message(payload, &inputs, &outputs);
            prop_assert!(inflated.as_deref() == Ok(message), "{level} {window_bits} {inputs:?} {outputs:?}");
        }
    }

    #[test]
    fn what_miniz_deflates_we_inflate(message in testing::octets(20_000), level in 0..=10u8, outputs in sizes()) {
        let mut payload = miniz_oxide::deflate::compress_to_vec(&message, level);
        // One final block, so an empty stored block must follow. RFC 7692 7.2.3.4
        payload.push(0);
        let inflated = Receiver::new(15, false).message(&payload, &[usize::MAX], &outputs);
        prop_assert!(inflated.as_deref() == Ok(&message));
    }
}

proptest! {
    /// Damaged messages are judged as zlib judges them, and every cut gives the same.
    #[test]
    fn damaged_octets_never_panic(
        message in testing::octets(3000),
        level in 1..=9i32,
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3),
        inputs in sizes(),
        outputs in sizes(),
    ) {
        let mut payload = testing::zlib_deflate(&[message], level, 15, false).remove(0);
        for (at, octet) in damage {
            let at = at.index(payload.len());
            payload[at] ^= octet;
        }
        let whole = Receiver::new(15, false).whole(&payload);
        let cut = Receiver::new(15, false).message(&payload, &inputs, &outputs);
        prop_assert!(whole == cut);
        if let Ok(inflated) = whole {
            // Where we find no fault, neither does zlib, unless it stops at a final block.
            if let Some(theirs) = testing::zlib_inflate(&[payload], 15, false) {
                prop_assert!(theirs[0] == inflated);
            }
        }
    }

    #[test]
    fn arbitrary_octets_never_panic(
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        inputs in sizes(),
        outputs in sizes(),
    ) {
        let whole = Receiver::new(8, false).whole(&payload);
        prop_assert!(whole == Receiver::new(8, false).message(&payload, &inputs, &outputs));
    }

    /// Memory that other connections have used shows through nowhere.
    #[test]
    fn a_used_window_makes_no_difference(payload in proptest::collection::vec(any::<u8>(), 0..300), used: u8) {
        let mut fresh = Receiver::new(9, true);
        let mut pooled = Receiver::new(9, true);
        pooled.window.fill(used);
        prop_assert!(fresh.message(&payload, &[7], &[50]) == pooled.message(&payload, &[7], &[50]));
    }
}
