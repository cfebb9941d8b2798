//! Time and ratio of the permessage-deflate codec, beside zlib-rs and miniz_oxide.
//!
//! `cargo bench -p tightwire-benches --bench deflate`. One round compresses or inflates one message without takeover:
//! small and large ones of a feed, and large ones of other kinds. The ratios are printed first.

use divan::{Bencher, counter::BytesCount};
use std::cell::RefCell;
use tightwire::deflate::{
    Compress, Decompress, Deflate, Deflater, Flush, History, Inflate, Inflater, Level, Options, Status,
    Terms, WindowBits,
};
use zlib_rs::{DeflateFlush, InflateFlush};

const SIZES: [usize; 3] = [64, 1024, 65536];

/// Messages as a feed would send them: objects with words, numbers and names that come back.
fn message(size: usize, mut seed: u64) -> Vec<u8> {
    const WORDS: &str = "the of and to in is that for it as was with be by on not he his but at are this have \
        from or had an they which one you were all her she there would their we him been has when who will \
        no more if out so up said what its about than into them can only other time new some could these";
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) % below
    };
    let mut text = String::new();
    while text.len() < size {
        let user = next(40);
        text +=
            &format!("{{\"id\":{},\"user\":\"user{user}\",\"room\":{},\"text\":\"", next(1 << 32), next(9));
        for _ in 0..3 + next(12) {
            let most = words.len() as u64;
            text += words[(next(most) * next(most) / most) as usize];
            text.push(' ');
        }
        text += &format!("\",\"at\":17{:08},\"seen\":{}}},", next(100_000_000), next(2) == 0);
    }
    text.truncate(size);
    text.into_bytes()
}

/// Many messages, so that no one is learnt by heart.
fn messages(size: usize) -> Vec<Vec<u8>> {
    (0..(1 << 20) / size.max(4096)).map(|seed| message(size, seed as u64)).collect()
}

fn zlib_deflate(stream: &mut zlib_rs::Deflate, message: &[u8], out: &mut [u8]) -> usize {
    stream.reset();
    stream.compress(message, out, DeflateFlush::SyncFlush).unwrap();
    stream.total_out() as usize
}

fn deflated(messages: &[Vec<u8>], level: i32) -> Vec<Vec<u8>> {
    let mut stream = zlib_rs::Deflate::new(level, false, 15);
    let deflated = messages.iter().map(|message| {
        let mut out = vec![0; 2 * message.len() + 200];
        let length = zlib_deflate(&mut stream, message, &mut out);
        out.truncate(length);
        out
    });
    deflated.collect()
}

/// Large messages of one kind: files of this project, its own program, and octets that nobody makes smaller.
fn kind(name: &str) -> Vec<Vec<u8>> {
    let octets = match name {
        "json" => include_bytes!("../results/results.json").to_vec(),
        "prose" => [
            include_str!("../../LICENSE-APACHE"),
            include_str!("../../README.md"),
            include_str!("../../CHANGELOG.md"),
            include_str!("../../docs/architecture.md"),
            include_str!("../../docs/embedding.md"),
            include_str!("../../docs/million.md"),
            include_str!("../../adapters/epoll/README.md"),
            include_str!("../../adapters/embedded/README.md"),
            include_str!("../results/results.md"),
        ]
        .concat()
        .into_bytes(),
        "source" => [
            include_str!("../../core/src/handshake/tests/server.rs"),
            include_str!("../../core/src/connection.rs"),
            include_str!("../../core/src/inbox.rs"),
            include_str!("../../core/src/outbound.rs"),
            include_str!("../../core/src/inbound.rs"),
        ]
        .concat()
        .into_bytes(),
        "program" => std::fs::read(std::env::current_exe().unwrap()).unwrap(),
        _ => {
            let mut state = 0x9E37_79B9_7F4A_7C15_u64;
            let octet = |_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            };
            (0..SIZES[2]).map(octet).collect()
        }
    };
    // From the middle: the beginning of a program is mostly zeros.
    octets.chunks_exact(SIZES[2].min(octets.len())).rev().take(8).map(<[u8]>::to_vec).collect()
}

const KINDS: [&str; 5] = ["json", "prose", "source", "program", "noise"];

/// A miniz_oxide compressor that is used again for each message.
fn miniz_deflate(
    stream: &mut miniz_oxide::deflate::core::CompressorOxide,
    message: &[u8],
    out: &mut [u8],
) -> usize {
    stream.reset();
    let result = miniz_oxide::deflate::stream::deflate(stream, message, out, miniz_oxide::MZFlush::Sync);
    result.bytes_written
}

fn miniz(level: u8) -> Box<miniz_oxide::deflate::core::CompressorOxide> {
    let mut stream = Box::<miniz_oxide::deflate::core::CompressorOxide>::default();
    stream.set_format_and_level(miniz_oxide::DataFormat::Raw, level);
    stream
}

const LEVELS: [Level; 4] = [Level::Fastest, Level::Fast, Level::Balanced, Level::Best];
const TERMS: Terms = Terms::new(WindowBits::MAX, false);

/// A deflater with its memory.
struct Sender(Deflater, Vec<u16>, Vec<u8>, Options);

impl Sender {
    fn new(options: Options) -> Self {
        Self(Deflater::new(), vec![0; options.words()], vec![0; options.octets()], options)
    }

    fn deflate(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let mut codec = Deflate::new(&mut self.0, &mut self.1, &mut self.2, self.3, TERMS).unwrap();
        let coded = codec.compress(message, out, Flush::Last);
        assert_eq!(coded.status, Status::End);
        coded.produced
    }
}

/// Prints what becomes of the messages at every level of everyone.
fn print_ratios(name: &str, messages: &[Vec<u8>]) {
    let sum: usize = messages.iter().map(Vec::len).sum();
    let longest = messages.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = vec![0; 2 * longest + 200];
    let show = |what: String, octets: usize| {
        println!("{name:>8}, {what}: {:.1} %", 100.0 * octets as f64 / sum as f64);
    };
    for level in [1, 2, 3, 6, 9] {
        show(
            format!("zlib-rs level {level}"),
            deflated(messages, level).iter().map(|out| out.len() - 4).sum(),
        );
    }
    for level in [1, 6] {
        let mut stream = miniz(level);
        let each = messages.iter().map(|message| miniz_deflate(&mut stream, message, &mut out) - 4);
        show(format!("miniz_oxide level {level}"), each.sum());
    }
    for level in LEVELS {
        let mut sender = Sender::new(Options::new(level, WindowBits::MAX));
        let each = messages.iter().map(|message| sender.deflate(message, &mut out));
        show(format!("ours {level:?}"), each.sum());
    }
    for (bits, window) in [(8, WindowBits::MAX), (13, WindowBits::MAX), (8, WindowBits::MIN)] {
        let mut sender = Sender::new(Options::new(Level::Fastest, window).with_table_bits(bits));
        let each = messages.iter().map(|message| sender.deflate(message, &mut out));
        show(format!("ours Fastest, 2^{bits} places, window {}", window.bits()), each.sum());
    }
}

fn main() {
    for size in SIZES {
        print_ratios(&size.to_string(), &messages(size));
    }
    for name in KINDS {
        print_ratios(name, &kind(name));
    }
    divan::main();
}

fn bench_inflate_zlib(bencher: Bencher, messages: &[Vec<u8>], level: i32) {
    let deflated = deflated(messages, level);
    let mut streams = deflated.iter().cycle();
    let longest = messages[0].len();
    let mut out = vec![0; longest + 64];
    let mut stream = zlib_rs::Inflate::new(false, 15);
    bencher.counter(BytesCount::new(longest)).bench_local(|| {
        stream.reset(false);
        stream.decompress(streams.next().unwrap(), &mut out, InflateFlush::SyncFlush).unwrap();
        assert_eq!(stream.total_out() as usize, longest);
    });
}

fn bench_inflate_miniz(bencher: Bencher, messages: &[Vec<u8>], level: i32) {
    let deflated = deflated(messages, level);
    let mut streams = deflated.iter().cycle();
    let longest = messages[0].len();
    let mut out = vec![0; longest + 64];
    let mut state = miniz_oxide::inflate::stream::InflateState::new_boxed(miniz_oxide::DataFormat::Raw);
    bencher.counter(BytesCount::new(longest)).bench_local(|| {
        state.reset(miniz_oxide::DataFormat::Raw);
        let flush = miniz_oxide::MZFlush::Sync;
        let result =
            miniz_oxide::inflate::stream::inflate(&mut state, streams.next().unwrap(), &mut out, flush);
        assert_eq!(result.bytes_written, longest);
    });
}

fn bench_inflate_ours(bencher: Bencher, messages: &[Vec<u8>], level: i32) {
    let deflated = deflated(messages, level);
    let mut streams = deflated.iter().cycle();
    let longest = messages[0].len();
    let mut out = vec![0; longest + 64];
    let pool = RefCell::new((Box::new(Inflater::new()), History::new(), vec![0; 1 << 15]));
    bencher.counter(BytesCount::new(longest)).bench_local(|| {
        let payload = streams.next().unwrap();
        let payload = &payload[..payload.len() - 4];
        let (inflater, history, window) = &mut *pool.borrow_mut();
        let mut codec = Inflate::new(inflater, history, window, TERMS).unwrap();
        let coded = codec.decompress(payload, &mut out, true).unwrap();
        assert_eq!(coded.produced, longest);
    });
}

fn bench_deflate(bencher: Bencher, messages: &[Vec<u8>], mut deflate: impl FnMut(&[u8], &mut [u8]) -> usize) {
    let longest = messages[0].len();
    let mut messages = messages.iter().cycle();
    let mut out = vec![0; 2 * longest + 64];
    bencher.counter(BytesCount::new(longest)).bench_local(|| deflate(messages.next().unwrap(), &mut out));
}

fn zlib_at(level: i32) -> impl FnMut(&[u8], &mut [u8]) -> usize {
    let mut stream = zlib_rs::Deflate::new(level, false, 15);
    move |message, out| zlib_deflate(&mut stream, message, out)
}

fn miniz_at(level: i32) -> impl FnMut(&[u8], &mut [u8]) -> usize {
    let mut stream = miniz(level as u8);
    move |message, out| miniz_deflate(&mut stream, message, out)
}

fn ours_at(level: usize) -> impl FnMut(&[u8], &mut [u8]) -> usize {
    let mut sender = Sender::new(Options::new(LEVELS[level], WindowBits::MAX));
    move |message, out| sender.deflate(message, out)
}

/// Messages of a feed.
mod feed {
    use super::*;

    #[divan::bench(args = SIZES, consts = [1, 6])]
    fn inflate_zlib<const LEVEL: i32>(bencher: Bencher, size: usize) {
        bench_inflate_zlib(bencher, &messages(size), LEVEL);
    }

    #[divan::bench(args = SIZES, consts = [1, 6])]
    fn inflate_miniz<const LEVEL: i32>(bencher: Bencher, size: usize) {
        bench_inflate_miniz(bencher, &messages(size), LEVEL);
    }

    #[divan::bench(args = SIZES, consts = [1, 6])]
    fn inflate_ours<const LEVEL: i32>(bencher: Bencher, size: usize) {
        bench_inflate_ours(bencher, &messages(size), LEVEL);
    }

    #[divan::bench(args = SIZES, consts = [1, 2, 6, 9])]
    fn deflate_zlib<const LEVEL: i32>(bencher: Bencher, size: usize) {
        bench_deflate(bencher, &messages(size), zlib_at(LEVEL));
    }

    #[divan::bench(args = SIZES, consts = [1, 6])]
    fn deflate_miniz<const LEVEL: i32>(bencher: Bencher, size: usize) {
        bench_deflate(bencher, &messages(size), miniz_at(LEVEL));
    }

    #[divan::bench(args = SIZES, consts = [0, 1, 2, 3])]
    fn deflate_ours<const LEVEL: usize>(bencher: Bencher, size: usize) {
        bench_deflate(bencher, &messages(size), ours_at(LEVEL));
    }
}

/// Large messages of other kinds.
mod kinds {
    use super::*;

    #[divan::bench(args = KINDS, consts = [1, 6])]
    fn inflate_zlib<const LEVEL: i32>(bencher: Bencher, name: &str) {
        bench_inflate_zlib(bencher, &kind(name), LEVEL);
    }

    #[divan::bench(args = KINDS, consts = [1, 6])]
    fn inflate_ours<const LEVEL: i32>(bencher: Bencher, name: &str) {
        bench_inflate_ours(bencher, &kind(name), LEVEL);
    }

    #[divan::bench(args = KINDS, consts = [1, 2, 6, 9])]
    fn deflate_zlib<const LEVEL: i32>(bencher: Bencher, name: &str) {
        bench_deflate(bencher, &kind(name), zlib_at(LEVEL));
    }

    #[divan::bench(args = KINDS, consts = [0, 1, 2, 3])]
    fn deflate_ours<const LEVEL: usize>(bencher: Bencher, name: &str) {
        bench_deflate(bencher, &kind(name), ours_at(LEVEL));
    }
}
