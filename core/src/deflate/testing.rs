//! What the tests of all codecs share: octets worth compressing, calls in any cut of input and output, and other
//! implementations as oracles.

use super::codec::{Coded, Status};
use proptest::prelude::*;
use std::{vec, vec::Vec};

/// The four octets that a sender cuts off and a receiver adds. RFC 7692 7.2.1.
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// How a piece of a message is made.
#[derive(Clone, Debug)]
enum Piece {
    /// Octets as they come.
    Any(Vec<u8>),
    /// One octet over and over.
    Run(u8, usize),
    /// Words, as in text.
    Words(Vec<u8>),
    /// What was so many octets earlier.
    Again { distance: usize, length: usize },
}

/// Octets with matches of all lengths and distances among them, up to roughly `most`.
pub(super) fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60).prop_map(Piece::Any),
        (any::<u8>(), 1..600usize).prop_map(|(octet, length)| Piece::Run(octet, length)),
        proptest::collection::vec(0..24u8, 1..60).prop_map(Piece::Words),
        (1..=most.max(2), 3..700usize).prop_map(|(distance, length)| Piece::Again { distance, length }),
        (1..40usize, 3..40usize).prop_map(|(distance, length)| Piece::Again { distance, length }),
        (prop_oneof![Just(255usize), Just(256), Just(257), Just(511), Just(512), Just(513)], 3..40usize)
            .prop_map(|(distance, length)| Piece::Again { distance, length }),
    ];
    proptest::collection::vec(piece, 0..(most / 100 + 3)).prop_map(move |pieces| {
        let mut all = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Any(octets) => all.extend(octets),
                Piece::Run(octet, length) => all.extend(std::iter::repeat_n(octet, length)),
                Piece::Words(words) => {
                    for word in words {
                        let from = usize::from(word) * 7;
                        all.extend_from_slice(&TEXT.as_bytes()[from..from + 3 + usize::from(word) % 6]);
                    }
                }
                Piece::Again { distance, length } => {
                    let distance = distance.min(all.len());
                    for _ in 0..length.min(distance * 1000) {
                        all.push(all[all.len() - distance]);
                    }
                }
            }
        }
        all.truncate(most);
        all
    })
}

const TEXT: &str = "{\"type\":\"message\",\"user\":\"ada\",\"text\":\"the quick brown fox\",\"at\":1700000000,\"room\":42, \
    \"tags\":[\"one\",\"two\",\"three\"],\"seen\":true,\"next\":null,\"and so on and so forth until the end of it\"}";

/// A message through a codec, in stretches of input and of output of the given sizes, over and over.
///
/// `call` is one call of the codec, told whether its input ends the message.
pub(super) fn drive<E>(
    message: &[u8],
    inputs: &[usize],
    outputs: &[usize],
    mut call: impl FnMut(&[u8], &mut [u8], bool) -> Result<Coded, E>,
) -> Result<Vec<u8>, E> {
    let mut all = Vec::new();
    let mut inputs = inputs.iter().copied().cycle();
    let mut outputs = outputs.iter().copied().cycle();
    let mut at = 0;
    let mut end = inputs.next().unwrap().min(message.len());
    let mut fault_is_next = false;
    loop {
        // What is behind the output must not be touched.
        let room = outputs.next().unwrap();
        let mut output = vec![0; room];
        let last = end == message.len();
        let coded = call(&message[at..end], &mut output, last)?;
        assert!(!fault_is_next, "output was left over, but not for a fault");
        all.extend_from_slice(&output[..coded.produced]);
        at += coded.consumed;
        match coded.status {
            Status::NeedInput => {
                assert!(!last && at == end, "all input is consumed");
                end = (end + inputs.next().unwrap()).min(message.len());
            }
            // The good octets come before the fault.
            Status::NeedOutput => {
                fault_is_next = coded.produced < room;
                assert!(!fault_is_next || coded.produced > 0);
            }
            Status::End => {
                assert_eq!(at, message.len());
                return Ok(all);
            }
        }
    }
}

/// Sizes of stretches: none, some octets, many.
pub(super) fn sizes() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![0..4usize, 0..40usize, 0..5000usize], 1..6)
        .prop_filter("must go on", |sizes| sizes.iter().any(|&size| size > 0))
}

/// The messages of one connection as zlib writes them, without their tails. 9 to 15 window bits.
pub(super) fn zlib_deflate(
    messages: &[Vec<u8>],
    level: i32,
    window_bits: u8,
    takeover: bool,
) -> Vec<Vec<u8>> {
    let mut stream = zlib_rs::Deflate::new(level, false, window_bits);
    let deflated = messages.iter().map(|message| {
        if !takeover {
            stream.reset();
        }
        let mut out = vec![0; message.len() + message.len() / 8 + 64];
        let before = stream.total_out();
        stream.compress(message, &mut out, zlib_rs::DeflateFlush::SyncFlush).unwrap();
        out.truncate((stream.total_out() - before) as usize);
        // zlib writes nothing when nothing has come since the last flush.
        if out.is_empty() {
            return vec![0];
        }
        assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - 4);
        out
    });
    deflated.collect()
}

/// What zlib makes of the messages of one connection; `None` where it finds a fault.
pub(super) fn zlib_inflate(messages: &[Vec<u8>], window_bits: u8, takeover: bool) -> Option<Vec<Vec<u8>>> {
    let mut stream = zlib_rs::Inflate::new(false, window_bits);
    let inflated = messages.iter().map(|message| {
        if !takeover {
            stream = zlib_rs::Inflate::new(false, window_bits);
        }
        let mut whole = message.clone();
        whole.extend(TAIL);
        let mut out = vec![0; 1 << 18];
        let before = (stream.total_in(), stream.total_out());
        stream.decompress(&whole, &mut out, zlib_rs::InflateFlush::SyncFlush).ok()?;
        if (stream.total_in() - before.0) as usize != whole.len() {
            return None;
        }
        out.truncate((stream.total_out() - before.1) as usize);
        Some(out)
    });
    inflated.collect()
}

/// Writes bits for streams that no other implementation makes.
#[derive(Default)]
pub(super) struct BitWriter {
    pub(super) octets: Vec<u8>,
    count: usize,
}

impl BitWriter {
    /// The lowest `count` bits of `bits`, lowest first.
    pub(super) fn bits(mut self, bits: u32, count: u32) -> Self {
        for at in 0..count {
            if self.count.is_multiple_of(8) {
                self.octets.push(0);
            }
            *self.octets.last_mut().unwrap() |= ((bits >> at & 1) << (self.count % 8)) as u8;
            self.count += 1;
        }
        self
    }

    /// A Huffman code, highest bit first.
    pub(super) fn code(self, code: u32, count: u32) -> Self {
        self.bits(code.reverse_bits() >> (32 - count), count)
    }

    /// A match of three octets, at any distance, in a block with fixed codes.
    pub(super) fn three_octets_from(self, distance: u32) -> Self {
        let written = self.code(1, 7);
        let symbol = (0..30).rev().find(|&symbol| base(symbol).0 <= distance).unwrap();
        let (base, extra) = base(symbol);
        written.code(symbol, 5).bits(distance - base, extra)
    }
}

/// The smallest distance of a symbol, and its extra bits. RFC 1951 3.2.5, counted up one by one.
fn base(symbol: u32) -> (u32, u32) {
    let mut at = 1;
    for earlier in 0..symbol {
        at += 1 << (earlier / 2).saturating_sub(1);
    }
    (at, (symbol / 2).saturating_sub(1))
}
