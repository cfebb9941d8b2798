//! Time and ratio of the permessage-deflate codec, beside zlib-rs at levels 1 and 6.
//!
//! `cargo bench -p tightwire-benches --bench deflate`. One round compresses or inflates one
//! message without takeover. The ratios are printed first.

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
        let mut out = vec![0; message.len() + 200];
        let length = zlib_deflate(&mut stream, message, &mut out);
        out.truncate(length);
        out
    });
    deflated.collect()
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

fn main() {
    for size in SIZES {
        let messages = messages(size);
        let sum: usize = messages.iter().map(Vec::len).sum();
        for level in [1, 2, 3, 6, 9] {
            let out: usize = deflated(&messages, level).iter().map(|out| out.len() - 4).sum();
            println!("{size:>6} octets, zlib-rs level {level}: {:.1} %", 100.0 * out as f64 / sum as f64);
        }
        let mut out = vec![0; 2 * size + 64];
        let mut print = |options: Options, note: &str| {
            let mut sender = Sender::new(options);
            let out: usize = messages.iter().map(|message| sender.deflate(message, &mut out)).sum();
            println!(
                "{size:>6} octets, ours {:?}{note}: {:.1} %",
                options.level(),
                100.0 * out as f64 / sum as f64
            );
        };
        for level in LEVELS {
            print(Options::new(level, WindowBits::MAX), "");
        }
        for bits in [8, 10, 13] {
            let options = Options::new(Level::Fastest, WindowBits::MAX).with_table_bits(bits);
            print(options, &format!(", 2^{bits} places"));
        }
        print(Options::new(Level::Fastest, WindowBits::MIN), ", window 8");
    }
    divan::main();
}

#[divan::bench(args = SIZES, consts = [1, 6])]
fn inflate_zlib<const LEVEL: i32>(bencher: Bencher, size: usize) {
    let deflated = deflated(&messages(size), LEVEL);
    let mut streams = deflated.iter().cycle();
    let mut out = vec![0; size + 64];
    let mut stream = zlib_rs::Inflate::new(false, 15);
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        stream.reset(false);
        stream.decompress(streams.next().unwrap(), &mut out, InflateFlush::SyncFlush).unwrap();
        assert_eq!(stream.total_out() as usize, size);
    });
}

#[divan::bench(args = SIZES, consts = [1, 6])]
fn inflate_ours<const LEVEL: i32>(bencher: Bencher, size: usize) {
    let deflated = deflated(&messages(size), LEVEL);
    let mut streams = deflated.iter().cycle();
    let mut out = vec![0; size + 64];
    let pool = RefCell::new((Box::new(Inflater::new()), History::new(), vec![0; 1 << 15]));
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        let payload = streams.next().unwrap();
        let payload = &payload[..payload.len() - 4];
        let (inflater, history, window) = &mut *pool.borrow_mut();
        let mut codec = Inflate::new(inflater, history, window, Terms::new(WindowBits::MAX, false)).unwrap();
        let coded = codec.decompress(payload, &mut out, true).unwrap();
        assert_eq!(coded.produced, size);
    });
}

#[divan::bench(args = SIZES, consts = [1, 6])]
fn deflate_zlib<const LEVEL: i32>(bencher: Bencher, size: usize) {
    let messages = messages(size);
    let mut messages = messages.iter().cycle();
    let mut out = vec![0; 2 * size + 64];
    let mut stream = zlib_rs::Deflate::new(LEVEL, false, 15);
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| zlib_deflate(&mut stream, messages.next().unwrap(), &mut out));
}

#[divan::bench(args = SIZES, consts = [0, 1, 2, 3])]
fn deflate_ours<const LEVEL: usize>(bencher: Bencher, size: usize) {
    let messages = messages(size);
    let mut messages = messages.iter().cycle();
    let mut out = vec![0; 2 * size + 64];
    let mut sender = Sender::new(Options::new(LEVELS[LEVEL], WindowBits::MAX));
    bencher.counter(BytesCount::new(size)).bench_local(|| sender.deflate(messages.next().unwrap(), &mut out));
}
