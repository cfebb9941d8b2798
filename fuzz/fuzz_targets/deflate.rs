//! The deflater against two inflaters, ours with exactly the window that was agreed on and zlib-rs: any messages, level,
//! window and table, any cut, any room, any flush, with messages taken back in between.
#![no_main]

use libfuzzer_sys::{arbitrary, fuzz_target};
use tightwire::deflate::{
    Compress, Decompress, Deflate, Deflater, Flush, History, Inflate, Inflater, Inflating, Level, Options,
    Status, Terms, WindowBits, ZlibInflate, ZlibInflater,
};
use tightwire::{Kind, Limits};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    bits: u8,
    takeover: bool,
    /// The deflater comes from a pool and finds the connection's window.
    pooled: bool,
    table_bits: u8,
    messages: Vec<Message<'a>>,
}

#[derive(arbitrary::Arbitrary, Debug)]
struct Message<'a> {
    level: u8,
    pieces: Vec<Piece<'a>>,
    way: Way,
}

#[derive(arbitrary::Arbitrary, Debug)]
enum Piece<'a> {
    Octets(&'a [u8]),
    Run(u8, u16),
    /// What was so many octets earlier in the message.
    Again(u16, u8),
}

#[derive(arbitrary::Arbitrary, Debug)]
enum Way {
    /// Whole, if it becomes smaller and fits.
    Whole { room: u16 },
    /// In pieces, flushed after some of them; taken back after so many, if that comes first.
    Pieces { cuts: Vec<(u16, bool)>, rooms: Vec<u8>, keep: Option<u8> },
}

const LEVELS: [Level; 4] = [Level::Fastest, Level::Fast, Level::Balanced, Level::Best];

fuzz_target!(|input: Input<'_>| {
    let window = WindowBits::new(8 + input.bits % 8).unwrap_or(WindowBits::MAX);
    let terms = Terms::new(window, input.takeover);
    let options = |level| Options::new(level, window).with_table_bits(input.table_bits);
    // What lies in lent memory at first is of no account.
    let mut words = vec![0xA5A5; LEVELS.map(|level| options(level).words()).into_iter().max().unwrap_or(0)];
    let mut octets = vec![0x5A; LEVELS.map(|level| options(level).octets()).into_iter().max().unwrap_or(0)];
    let (mut deflater, mut sent, mut sent_ring) =
        (Deflater::new(), History::new(), vec![0xEE; window.octets()]);

    let (mut inflater, mut history, mut ring) =
        (Inflater::new(), History::new(), vec![0x11; window.octets()]);
    let (mut zlib, mut zlib_history, mut zlib_ring) =
        (ZlibInflater::new(), History::new(), vec![0; window.octets()]);

    for message in &input.messages {
        let plain = spell(&message.pieces);
        let level = LEVELS[usize::from(message.level) % LEVELS.len()];
        let mut codec = Deflate::new(&mut deflater, &mut words, &mut octets, options(level), terms).unwrap();
        if input.pooled {
            codec = codec.with_window(&mut sent, &mut sent_ring).unwrap();
        }
        let Some(wire) = deflate(&mut codec, &plain, &message.way) else { continue };

        let mut ours = Inflate::new(&mut inflater, &mut history, &mut ring, terms).unwrap();
        assert_eq!(inflate(&mut ours, &wire), plain);
        let mut theirs = ZlibInflate::new(&mut zlib, &mut zlib_history, &mut zlib_ring, terms).unwrap();
        assert_eq!(inflate(&mut theirs, &wire), plain);
    }
});

fn spell(pieces: &[Piece<'_>]) -> Vec<u8> {
    let mut all = Vec::new();
    for piece in pieces {
        match *piece {
            Piece::Octets(octets) => all.extend_from_slice(octets),
            Piece::Run(octet, length) => all.extend(std::iter::repeat_n(octet, usize::from(length))),
            Piece::Again(distance, length) => {
                let distance = usize::from(distance).min(all.len());
                for _ in 0..if distance > 0 { usize::from(length) } else { 0 } {
                    all.push(all[all.len() - distance]);
                }
            }
        }
        all.truncate(100_000);
    }
    all
}

/// The compressed payload, if the message was not taken back.
fn deflate(codec: &mut Deflate<'_>, plain: &[u8], way: &Way) -> Option<Vec<u8>> {
    match way {
        Way::Whole { room } => {
            let mut output = vec![0; usize::from(*room)];
            let length = codec.message(plain, &mut output)?;
            assert!(length < plain.len());
            output.truncate(length);
            Some(output)
        }
        Way::Pieces { cuts, rooms, keep } => {
            let (mut wire, mut rest) = (Vec::new(), plain);
            let mut rooms = rooms.iter().map(|&room| usize::from(room).max(1)).cycle();
            for (index, &(cut, flush)) in cuts.iter().enumerate() {
                if keep.is_some_and(|keep| index >= usize::from(keep)) {
                    codec.take_back();
                    return None;
                }
                let (piece, after) = rest.split_at(usize::from(cut).min(rest.len()));
                rest = after;
                put(codec, piece, if flush { Flush::Sync } else { Flush::No }, &mut rooms, &mut wire);
            }
            put(codec, rest, Flush::Last, &mut rooms, &mut wire);
            Some(wire)
        }
    }
}

/// Puts a piece in, and takes out what comes.
fn put(
    codec: &mut Deflate<'_>,
    mut piece: &[u8],
    flush: Flush,
    rooms: &mut impl Iterator<Item = usize>,
    wire: &mut Vec<u8>,
) {
    loop {
        let mut output = vec![0; rooms.next().unwrap_or(4096)];
        let coded = codec.compress(piece, &mut output, flush);
        piece = &piece[coded.consumed..];
        wire.extend_from_slice(&output[..coded.produced]);
        match coded.status {
            Status::NeedOutput => assert_eq!(coded.produced, output.len(), "room was left"),
            Status::NeedInput => return assert!(piece.is_empty() && flush != Flush::Last),
            Status::End => return assert!(piece.is_empty() && flush == Flush::Last),
        }
    }
}

fn inflate(codec: &mut dyn Decompress, mut wire: &[u8]) -> Vec<u8> {
    let (mut inflating, mut octets) = (Inflating::new(Kind::Binary), Vec::new());
    loop {
        let mut output = [0; 4096];
        let inflated = inflating.inflate(&mut wire, true, &mut output, codec, &Limits::UNLIMITED).unwrap();
        octets.extend_from_slice(&output[..inflated.octets]);
        if inflated.status == Status::End {
            return octets;
        }
    }
}
