//! Other implementations as the far end of a connection: what they deflate, in frames, and what they make of the
//! frames that a connection of ours has sent.
//!
//! It parses and masks frames itself, so that nothing of ours is asked what ours has done.

use crate::common::{frame, masked};
use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress, create_comp_flags_from_zip_params,
};
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush};
use tightwire::deflate::Terms;

/// The four octets that a sender cuts off and a receiver adds. RFC 7692 7.2.1.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// An implementation that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// zlib-rs, with any window that zlib can have.
    Zlib,
    /// miniz_oxide, whose window is always of 32 KiB.
    Miniz,
}

impl Library {
    /// The smallest window, in bits, that it keeps to when it deflates.
    pub(crate) const fn least_bits(self) -> u8 {
        match self {
            Self::Zlib => 9,
            Self::Miniz => 15,
        }
    }
}

enum Stream {
    Zlib(zlib_rs::Deflate),
    Miniz(Box<CompressorOxide>),
}

/// What deflates the messages of one direction.
pub(crate) struct Writer {
    stream: Stream,
    takeover: bool,
}

impl Writer {
    /// `level` is 0 to 9.
    pub(crate) fn new(library: Library, level: u8, terms: Terms) -> Self {
        assert!(terms.window().bits() >= library.least_bits(), "it would reach too far");
        let stream = match library {
            Library::Zlib => Stream::Zlib(zlib_rs::Deflate::new(level.into(), false, terms.window().bits())),
            Library::Miniz => {
                let flags = create_comp_flags_from_zip_params(level.into(), -15, 0);
                Stream::Miniz(Box::new(CompressorOxide::new(flags)))
            }
        };
        Self { stream, takeover: terms.takeover() }
    }

    /// The payload of a message, its tail cut off.
    pub(crate) fn message(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = vec![0; message.len() + message.len() / 8 + 200];
        let produced = match &mut self.stream {
            Stream::Zlib(stream) => {
                if !self.takeover {
                    stream.reset();
                }
                let before = (stream.total_in(), stream.total_out());
                stream.compress(message, &mut out, zlib_rs::DeflateFlush::SyncFlush).unwrap();
                assert_eq!(stream.total_in() - before.0, message.len() as u64);
                (stream.total_out() - before.1) as usize
            }
            Stream::Miniz(stream) => {
                if !self.takeover {
                    stream.reset();
                }
                let (status, consumed, produced) = compress(stream, message, &mut out, TDEFLFlush::Sync);
                assert_eq!((status, consumed), (TDEFLStatus::Okay, message.len()));
                produced
            }
        };
        assert!(produced < out.len());
        out.truncate(produced);
        // Nothing is flushed when nothing has come since the last flush. RFC 7692 7.2.3.6
        if out.is_empty() {
            return vec![0];
        }
        assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        out
    }
}

enum Source {
    Zlib(zlib_rs::Inflate),
    Miniz(Box<InflateState>),
}

/// What inflates the messages of one direction.
pub(crate) struct Reader {
    source: Source,
    terms: Terms,
    /// The output lent for each call.
    room: usize,
}

impl Reader {
    pub(crate) fn new(library: Library, terms: Terms, room: usize) -> Self {
        Self { source: Self::source(library, terms), terms, room }
    }

    fn source(library: Library, terms: Terms) -> Source {
        match library {
            Library::Zlib => Source::Zlib(zlib_rs::Inflate::new(false, terms.window().bits())),
            Library::Miniz => Source::Miniz(InflateState::new_boxed(DataFormat::Raw)),
        }
    }

    /// A message whose payload came in these pieces.
    ///
    /// # Panics
    /// If it finds a fault.
    pub(crate) fn message<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        if !self.terms.takeover() {
            let library = if matches!(self.source, Source::Zlib(_)) { Library::Zlib } else { Library::Miniz };
            self.source = Self::source(library, self.terms);
        }
        let mut all = Vec::new();
        for piece in pieces.chain([&TAIL[..]]) {
            self.piece(piece, &mut all);
        }
        all
    }

    fn piece(&mut self, mut piece: &[u8], all: &mut Vec<u8>) {
        let mut out = vec![0; self.room];
        let mut is_full = false;
        while is_full || !piece.is_empty() {
            let (consumed, produced) = match &mut self.source {
                Source::Zlib(source) => {
                    let before = (source.total_in(), source.total_out());
                    source.decompress(piece, &mut out, zlib_rs::InflateFlush::SyncFlush).unwrap();
                    ((source.total_in() - before.0) as usize, (source.total_out() - before.1) as usize)
                }
                Source::Miniz(source) => {
                    let result = inflate(source, piece, &mut out, MZFlush::None);
                    // It is asked once more than there is something to be had.
                    assert!(result.status.is_ok() || is_full, "{result:?}");
                    (result.bytes_consumed, result.bytes_written)
                }
            };
            all.extend_from_slice(&out[..produced]);
            piece = &piece[consumed..];
            is_full = produced == out.len();
            assert!(is_full || piece.is_empty(), "all input is consumed");
        }
    }
}

/// A message as the peer sends it: in frames of these sizes, a Ping behind each but the last.
///
/// With a `key` it is masked, as by a client. Returns the wire and the number of Pings.
pub(crate) fn frames(
    key: Option<[u8; 4]>,
    (opcode, compressed): (u8, bool),
    payload: &[u8],
    sizes: &[usize],
) -> (Vec<u8>, usize) {
    let one = |first: u8, payload: &[u8]| match key {
        Some(key) => masked(first, key, payload),
        None => frame(first, payload),
    };
    let (mut wire, mut rest, mut pings) = (Vec::new(), payload, 0);
    let mut first = opcode | if compressed { 0x40 } else { 0 };
    for &size in sizes {
        if size >= rest.len() {
            break;
        }
        let (front, back) = rest.split_at(size);
        wire.extend(one(first, front));
        wire.extend(one(0x89, b"ping"));
        pings += 1;
        (first, rest) = (0, back);
    }
    wire.extend(one(0x80 | first, rest));
    (wire, pings)
}

/// A data message that was sent, as it lies on the wire.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) opcode: u8,
    pub(crate) compressed: bool,
    /// The payload of each of its frames, unmasked.
    pub(crate) pieces: Vec<Vec<u8>>,
}

/// The messages that lie on a wire, and the number of Pongs between their frames.
///
/// # Panics
/// If a frame is not as the end with this role has to send it. RFC 6455 5.1 to 5.4, RFC 7692 6.
pub(crate) fn parse(mut wire: &[u8], by_client: bool) -> (Vec<Sent>, usize) {
    let (mut messages, mut open, mut pongs) = (Vec::<Sent>::new(), false, 0);
    let mut take = |count: usize| {
        let (front, back) = wire.split_at_checked(count)?;
        wire = back;
        Some(front)
    };
    while let Some(head) = take(2) {
        let (first, second) = (head[0], head[1]);
        assert_eq!(second & 0x80 != 0, by_client, "a client masks, and nobody else");
        let length = match second & 0x7F {
            126 => take(2).unwrap().iter().fold(0, |all, &octet| all << 8 | usize::from(octet)),
            127 => take(8).unwrap().iter().fold(0, |all, &octet| all << 8 | usize::from(octet)),
            short => usize::from(short),
        };
        let key: [u8; 4] = if by_client { take(4).unwrap().try_into().unwrap() } else { [0; 4] };
        let payload = take(length).unwrap().iter().zip(key.iter().cycle());
        let payload: Vec<u8> = payload.map(|(octet, key)| octet ^ key).collect();
        match first & 0x7F {
            0x0A => {
                assert!(first & 0x80 != 0);
                pongs += 1;
                continue;
            }
            0x00 => {
                assert!(open, "a message goes on that has begun");
                messages.last_mut().unwrap().pieces.push(payload);
            }
            0x01 | 0x02 | 0x41 | 0x42 => {
                assert!(!open, "one message at a time");
                let compressed = first & 0x40 != 0;
                messages.push(Sent { opcode: first & 0x0F, compressed, pieces: vec![payload] });
            }
            other => panic!("a first octet of {other:x}"),
        }
        open = first & 0x80 == 0;
    }
    assert!(wire.is_empty() && !open, "whole messages");
    (messages, pongs)
}
