use super::*;
use crate::deflate::codec::Decompress;
use crate::deflate::history::History;
use crate::deflate::inflater::{Inflate, Inflater};
use crate::deflate::testing::{self, sizes};
use core::convert::Infallible;
use proptest::prelude::*;
use std::{boxed::Box, vec, vec::Vec};

const LEVELS: [Level; 4] = [Level::Fastest, Level::Fast, Level::Balanced, Level::Best];

/// A connection's sending half with memory of its own, and how large that is.
struct Sender {
    deflater: Deflater,
    words: Vec<u16>,
    octets: Vec<u8>,
    options: Options,
    terms: Terms,
}

impl Sender {
    fn new(level: Level, window_bits: u8, takeover: bool) -> Self {
        let window = WindowBits::new(window_bits).unwrap();
        Self::with(Options::new(level, window), takeover)
    }

    fn with(options: Options, takeover: bool) -> Self {
        Self {
            deflater: Deflater::new(),
            // Whatever has been there before must not matter.
            words: (0..options.words()).map(|word| word as u16).collect(),
            octets: vec![0xEE; options.octets()],
            options,
            terms: Terms::new(options.window(), takeover),
        }
    }

    fn codec(&mut self) -> Deflate<'_> {
        Deflate::new(&mut self.deflater, &mut self.words, &mut self.octets, self.options, self.terms).unwrap()
    }

    /// A message in stretches of the given sizes, over and over, each flushed in this way.
    fn message(&mut self, message: &[u8], inputs: &[usize], outputs: &[usize], flush: Flush) -> Vec<u8> {
        let deflated = testing::drive(message, inputs, outputs, |input, output, last| {
            let flush = if last { Flush::Last } else { flush };
            Ok::<_, Infallible>(self.codec().compress(input, output, flush))
        });
        assert!(!self.deflater.is_within_message());
        deflated.unwrap()
    }

    fn whole(&mut self, message: &[u8]) -> Vec<u8> {
        let most = message.len() + message.len() / 8 + 100;
        self.message(message, &[usize::MAX], &[most], Flush::No)
    }
}

/// Our own inflater, which checks the window strictly.
struct Receiver(Box<Inflater>, History, Vec<u8>, Terms);

impl Receiver {
    fn new(terms: Terms) -> Self {
        Self(Box::default(), History::new(), vec![0; 1 << 15], terms)
    }

    fn whole(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut output = vec![0; 1 << 18];
        let mut codec = Inflate::new(&mut self.0, &mut self.1, &mut self.2, self.3).unwrap();
        let coded = codec.decompress(payload, &mut output, true).unwrap();
        assert_eq!((coded.consumed, coded.status), (payload.len(), Status::End));
        output.truncate(coded.produced);
        output
    }
}

#[test]
fn examples_of_the_rfc() {
    for level in LEVELS {
        let mut sender = Sender::new(level, 15, true);
        // RFC 7692 7.2.3.1
        assert_eq!(sender.whole(b"Hello"), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
        // RFC 7692 7.2.3.2: the RFC's own is as short, by a match of five octets after a literal
        assert!(sender.whole(b"Hello").len() <= 5);
        // RFC 7692 7.2.3.6
        assert_eq!(sender.whole(b""), [0x00]);
        assert_eq!(sender.message(b"", &[1], &[0, 1], Flush::Sync), [0x00]);
    }
}

#[test]
fn a_flush_makes_all_readable_and_repeats_nothing() {
    for level in LEVELS {
        let mut sender = Sender::new(level, 15, false);
        let mut receiver = Receiver::new(sender.terms);
        let mut out = [0; 100];
        let mut back = [0; 100];
        let coded = sender.codec().compress(b"first, first", &mut out, Flush::Sync);
        assert_eq!((coded.consumed, coded.status), (12, Status::NeedInput));
        assert!(out[..coded.produced].ends_with(&testing::TAIL));
        let mut codec = Inflate::new(&mut receiver.0, &mut receiver.1, &mut receiver.2, receiver.3).unwrap();
        let read = codec.decompress(&out[..coded.produced], &mut back, false).unwrap();
        assert_eq!(&back[..read.produced], b"first, first");
        // Nothing new, so nothing to flush.
        let coded = sender.codec().compress(b"", &mut out, Flush::Sync);
        assert_eq!(coded, Coded { consumed: 0, produced: 0, status: Status::NeedInput });
        let coded = sender.codec().compress(b"", &mut out, Flush::Last);
        assert_eq!((&out[..coded.produced], coded.status), (&[0x00][..], Status::End));
    }
}

/// Octets that no one makes smaller.
fn noise(octets: usize) -> Vec<u8> {
    let mut seed = 1u64;
    let step = |_| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 40) as u8
    };
    (0..octets).map(step).collect()
}

#[test]
fn a_message_that_does_not_shrink_leaves_no_trace() {
    let long_noise = noise(70_000);
    let noise = &long_noise[..200];
    for level in LEVELS {
        for takeover in [false, true] {
            let mut sender = Sender::new(level, 10, takeover);
            let mut receiver = Receiver::new(sender.terms);
            let mut out = vec![0; 100_000];
            let text = b"one message after another, one message after another";
            for (message, shrinks) in [
                (&text[..], true),
                (noise, false),
                (&text[..], true),
                (&noise[..20], false),
                (b"", false),
                (&long_noise, false),
                (&text[..], true),
                (noise, false),
            ] {
                let length = sender.codec().message(message, &mut out);
                assert_eq!(length.is_some(), shrinks, "{level:?} {}", message.len());
                if let Some(length) = length {
                    assert!(length < message.len());
                    // The receiver has seen only what was compressed.
                    assert_eq!(receiver.whole(&out[..length]), message);
                }
            }
        }
    }
}

#[test]
fn a_message_taken_back_half_way_leaves_no_trace() {
    for level in LEVELS {
        let mut sender = Sender::new(level, 9, true);
        let mut receiver = Receiver::new(sender.terms);
        let text = b"one message after another, one message after another";
        assert_eq!(receiver.whole(&sender.whole(text)), text);
        for octets in [10, 3000] {
            let mut output = [0; 40];
            let half: Vec<u8> = (0..octets).map(|at| (at % 251 + at / 100) as u8).collect();
            sender.codec().compress(&half, &mut output, Flush::No);
            assert!(sender.deflater.is_within_message());
            sender.deflater.take_back();
            assert_eq!(receiver.whole(&sender.whole(text)), text);
            assert_eq!(receiver.whole(&sender.whole(&half)), half);
        }
    }
}

#[test]
fn takeover_makes_a_repeated_message_tiny() {
    for level in LEVELS {
        for bits in [8, 9, 12, 15] {
            for takeover in [false, true] {
                let mut sender = Sender::new(level, bits, takeover);
                let mut receiver = Receiver::new(sender.terms);
                let text = b"a message that is not like itself in any part of it, 0123456789";
                for nth in 0..500 {
                    let payload = sender.whole(text);
                    if nth % 100 < 2 || payload.len() > 40 {
                        assert_eq!(receiver.whole(&payload), text);
                    } else {
                        receiver.whole(&payload);
                    }
                    assert_eq!(payload.len() < 12, takeover && nth > 0, "{level:?} {bits} {nth}");
                }
            }
        }
    }
}

#[test]
fn a_pooled_deflater_refers_to_the_connections_own_messages() {
    let text = b"a message that is not like itself in any part of it, 0123456789";
    for level in LEVELS {
        let mut pool = Sender::new(level, 9, true);
        let mut windows = [(History::new(), [0; 512]), (History::new(), [0; 512])];
        for nth in 0..20 {
            for (history, window) in &mut windows {
                let mut out = [0; 100];
                let mut codec = pool.codec().with_window(history, window).unwrap();
                let length = codec.compress(text, &mut out, Flush::Last).produced;
                // A message taken back leaves the window as it was.
                codec.compress(b"0123456789", &mut out, Flush::No);
                codec.take_back();
                assert_eq!(length < 12, nth > 0, "{level:?} {nth}");
            }
        }
        let (history, window) = &mut windows[0];
        assert!(pool.codec().with_window(history, &mut window[..511]).is_err());
    }
}

#[test]
fn matches_reach_as_far_as_the_window_and_no_farther() {
    for level in LEVELS {
        for bits in 8..=14 {
            let options = Options::new(level, WindowBits::new(bits).unwrap()).with_table_bits(15);
            let mut sender = Sender::with(options, false);
            // Sixteen octets that come again after just a window, and after one octet more. What is between
            // repeats nothing of four octets.
            let size = sender.terms.window().octets();
            for (distance, reached) in [(size, true), (size + 1, false)] {
                let mut message: Vec<u8> = b"0123456789abcdef".to_vec();
                let mut filler = (0..=u16::MAX).flat_map(|word| [b'x' ^ (word >> 8) as u8, word as u8]);
                while message.len() < distance {
                    message.extend(filler.next());
                }
                let without = sender.whole(&message).len();
                message.extend_from_slice(b"0123456789abcdef");
                let payload = sender.whole(&message);
                assert_eq!(payload.len() < without + 9, reached, "{level:?} {bits} {distance}");
                assert_eq!(Receiver::new(sender.terms).whole(&payload), message);
            }
        }
    }
}

#[test]
fn the_agreed_window_binds_larger_options() {
    let twice = [noise(300), noise(300)].concat();
    for level in LEVELS {
        let mut sender = Sender::new(level, 15, false);
        assert!(sender.whole(&twice).len() < 400);
        sender.terms = Terms::new(WindowBits::MIN, false);
        let payload = sender.whole(&twice);
        assert!(payload.len() > 500);
        assert_eq!(Receiver::new(sender.terms).whole(&payload), twice);
    }
}

#[test]
fn codes_are_made_for_a_message_where_that_is_worth_it() {
    let digits: Vec<u8> =
        noise(3000).iter().map(|octet| b"0123456789abcdef"[usize::from(octet % 16)]).collect();
    let few = &noise(100)[..];
    for level in LEVELS {
        let mut sender = Sender::new(level, 15, false);
        // Four bits for each digit if codes are made for them.
        assert_eq!(sender.whole(&digits).len() < 1600, level > Level::Fastest, "{level:?}");
        // Codes for a hundred different octets take more to describe than they save.
        assert!(sender.whole(few).len() < 110);
    }
}

#[test]
fn too_little_memory() {
    for level in LEVELS {
        let Sender { mut deflater, mut words, mut octets, options, terms } = Sender::new(level, 12, true);
        let one_less = words.len() - 1;
        assert!(Deflate::new(&mut deflater, &mut words[..one_less], &mut octets, options, terms).is_err());
        let one_less = octets.len() - 1;
        assert!(Deflate::new(&mut deflater, &mut words, &mut octets[..one_less], options, terms).is_err());
        assert!(Deflate::new(&mut deflater, &mut words, &mut octets, options, terms).is_ok());
    }
}

#[test]
fn messages_much_longer_than_the_buffer() {
    let noise = noise(3000);
    let mut message = Vec::new();
    for nth in 0..60usize {
        message.extend_from_slice(&noise[nth * 13..][..1000 + nth]);
        message.extend_from_slice(&noise[nth * 31 % 997..][..2000]);
        message.extend(std::iter::repeat_n(nth as u8, 700));
    }
    for level in LEVELS {
        for bits in [8, 9, 11, 14, 15] {
            for takeover in [false, true] {
                let mut sender = Sender::new(level, bits, takeover);
                let mut receiver = Receiver::new(sender.terms);
                let whole = sender.whole(&message);
                assert_eq!(receiver.whole(&whole), message);
                assert_eq!(
                    whole,
                    Sender::new(level, bits, takeover).message(&message, &[999], &[77], Flush::No)
                );
                let again = sender.whole(&message);
                assert_eq!(receiver.whole(&again), message);
                assert_eq!(
                    testing::zlib_inflate(&[whole, again], bits, takeover).unwrap(),
                    [&message[..]; 2]
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_we_deflate_others_inflate(
        messages in proptest::collection::vec(testing::octets(9000), 1..5),
        level in proptest::sample::select(&LEVELS[..]),
        bits in 8..=15u8,
        table_bits in 8..=15u8,
        takeover: bool,
        inputs in sizes(),
        outputs in sizes(),
        flush in proptest::sample::select(vec![Flush::No, Flush::Sync]),
    ) {
        let options = Options::new(level, WindowBits::new(bits).unwrap()).with_table_bits(table_bits);
        let mut sender = Sender::with(options, takeover);
        let payloads: Vec<_> =
            messages.iter().map(|message| sender.message(message, &inputs, &outputs, flush)).collect();
        // RFC 7692 7.1.2: no farther than the agreed window, which ours checks strictly
        let mut receiver = Receiver::new(sender.terms);
        for (message, payload) in messages.iter().zip(&payloads) {
            prop_assert!(&receiver.whole(payload) == message);
        }
        prop_assert!(testing::zlib_inflate(&payloads, bits, takeover).as_ref() == Some(&messages));
        if !takeover {
            for (message, payload) in messages.iter().zip(payloads) {
                let whole = [&payload[..], &testing::TAIL, &[0x03, 0x00]].concat();
                let inflated = miniz_oxide::inflate::decompress_to_vec(&whole);
                prop_assert!(inflated.as_ref().ok() == Some(message));
            }
        }
    }

    /// How a message is cut makes no difference to what is sent.
    #[test]
    fn every_cut_gives_the_same(
        messages in proptest::collection::vec(testing::octets(5000), 1..4),
        level in proptest::sample::select(&LEVELS[..]),
        bits in 8..=15u8,
        takeover: bool,
        inputs in sizes(),
        outputs in sizes(),
    ) {
        let mut whole = Sender::new(level, bits, takeover);
        let mut cut = Sender::new(level, bits, takeover);
        for message in &messages {
            prop_assert!(whole.whole(message) == cut.message(message, &inputs, &outputs, Flush::No));
        }
    }

    /// One deflater for many connections: what it did for the others shows nowhere.
    #[test]
    fn a_used_deflater_makes_no_difference(
        before in proptest::collection::vec(testing::octets(3000), 1..6),
        message in testing::octets(3000),
        level in proptest::sample::select(&LEVELS[..]),
        bits in 8..=15u8,
    ) {
        let mut fresh = Sender::new(level, bits, false);
        fresh.words.fill(0);
        let mut used = Sender::new(level, bits, false);
        used.words.fill(0);
        for message in &before {
            used.whole(message);
        }
        prop_assert!(fresh.whole(&message) == used.whole(&message));
    }

    /// Connections that share a deflater and keep a window each.
    #[test]
    fn pooled_with_takeover(
        messages in proptest::collection::vec((0..3usize, testing::octets(1500)), 1..12),
        long in (0..12usize, 0..100_000usize),
        level in proptest::sample::select(&LEVELS[..]),
        bits in 8..=15u8,
        outputs in sizes(),
    ) {
        let mut pool = Sender::new(level, bits, true);
        let mut connections: Vec<_> = (0..3).map(|_| {
            (History::new(), vec![0xEE; pool.terms.window().octets()], Receiver::new(pool.terms))
        }).collect();
        for (nth, (which, message)) in messages.iter().enumerate() {
            let (history, window, receiver) = &mut connections[*which];
            let mut message = message.clone();
            if long.0 == nth {
                message.extend(noise(long.1));
            }
            let mut payload = Vec::new();
            let mut rest = &message[..];
            for room in outputs.iter().copied().cycle() {
                let mut out = vec![0; room];
                let coded = pool.codec().with_window(history, window).unwrap()
                    .compress(rest, &mut out, Flush::Last);
                payload.extend_from_slice(&out[..coded.produced]);
                rest = &rest[coded.consumed..];
                if coded.status == Status::End {
                    break;
                }
            }
            prop_assert!(receiver.whole(&payload) == message);
        }
    }

    /// Level and window may change between messages.
    #[test]
    fn levels_may_change_between_messages(
        messages in proptest::collection::vec((testing::octets(3000), 0..4usize, 8..=12u8), 1..8),
        takeover: bool,
    ) {
        let most = Options::new(Level::Best, WindowBits::new(12).unwrap());
        let mut sender = Sender::with(most, takeover);
        let mut receiver = Receiver::new(sender.terms);
        for (message, level, bits) in &messages {
            sender.options = Options::new(LEVELS[*level], WindowBits::new(*bits).unwrap());
            let payload = sender.message(message, &[1000], &[100], Flush::No);
            prop_assert!(&receiver.whole(&payload) == message);
        }
    }
}
