//! What is sent, made before the clock runs, and what must come back.
//!
//! Messages repeat after a while: message `n` is frame `n` modulo the number of frames. Each frame carries its number,
//! so an echo that was lost, doubled or moved is found.

use crate::workload::{Content, Workload};
use tightwire::deflate::{Compress, Deflate, Deflater, Level, Options, Terms, WindowBits};
use tightwire::frame::{Head, OpCode};
use tightwire::{Client, Kind, Outbound, Output, Server, mask};

/// Messages come back as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// As the same octets, from a server that knows nothing of frames.
    Raw,
    /// As frames of a WebSocket server.
    Frames,
    /// As compressed messages of a WebSocket server.
    Deflate,
}

/// Octets of payload that the frames together have at most, unless the depth asks for more.
const MOST: usize = 1 << 20;
/// Terms of compression: no takeover, the largest window.
pub(super) const TERMS: Terms = Terms::new(WindowBits::MAX, false);

/// The frames of a load.
#[derive(Debug)]
pub struct Frames {
    /// What is sent: masked frames, one after the other.
    pub(super) sent: Vec<u8>,
    /// What must come back, octet for octet; nothing if that cannot be told.
    pub(super) echoed: Option<Vec<u8>>,
    /// What the messages are.
    pub(super) payloads: Vec<Vec<u8>>,
    /// Where in `sent` each frame begins, and where the last one ends.
    starts: Vec<usize>,
    /// What inflates what comes back.
    pub(super) inflating: super::peer::Inflating,
}

impl Frames {
    /// Frames for a workload: at least as many as are in flight on a connection.
    pub fn new(workload: &Workload, wire: Wire) -> Self {
        let count = (MOST / workload.size.max(1)).clamp(1, 64).max(workload.depth);
        let payloads: Vec<_> = (0..count).map(|number| payload(workload, number)).collect();
        let kind = if workload.content == Content::Binary { Kind::Binary } else { Kind::Text };
        let mut sent = Writer::new();
        match wire {
            Wire::Deflate => payloads.iter().for_each(|payload| sent.compressed(kind, payload)),
            Wire::Raw | Wire::Frames => {
                // Keys need not be unpredictable here, only different: the server works the same.
                let mut keys = 0x9E37_79B9u32;
                let mut outbound = Outbound::new(Client::new(move || {
                    keys = keys.wrapping_mul(0x9E37_79B9).wrapping_add(0x7F4A_7C15);
                    keys.to_be_bytes()
                }));
                payloads.iter().for_each(|payload| sent.frame(&mut outbound, kind, payload));
            }
        }
        let echoed = match wire {
            Wire::Raw => Some(sent.octets.clone()),
            Wire::Deflate => None,
            Wire::Frames => {
                let (mut echoed, mut outbound) = (Writer::new(), Outbound::new(Server));
                payloads.iter().for_each(|payload| echoed.frame(&mut outbound, kind, payload));
                Some(echoed.octets)
            }
        };
        Self {
            sent: sent.octets,
            echoed,
            payloads,
            starts: sent.starts,
            inflating: super::peer::Inflating::default(),
        }
    }

    /// How many frames there are.
    pub(super) fn count(&self) -> u64 {
        self.payloads.len() as u64
    }

    /// The octets from `offset` of message `first` on to the end of message `last - 1`, or to where the frames repeat,
    /// and the first message that is not among them.
    pub(super) fn slice(&self, first: u64, offset: usize, last: u64) -> (&[u8], u64) {
        let place = (first % self.count()) as usize;
        let end = self.payloads.len().min(place + (last - first) as usize);
        (&self.sent[self.starts[place] + offset..self.starts[end]], first + (end - place) as u64)
    }

    /// The octets of a message's frame.
    pub(super) fn sent_len(&self, message: u64) -> usize {
        let place = (message % self.count()) as usize;
        self.starts[place + 1] - self.starts[place]
    }
}

/// Frames one after the other.
struct Writer {
    octets: Vec<u8>,
    starts: Vec<usize>,
}

impl Writer {
    fn new() -> Self {
        Self { octets: Vec::new(), starts: vec![0] }
    }

    fn room(&mut self, octets: usize) -> &mut [u8] {
        let start = self.octets.len();
        self.octets.resize(start + octets + tightwire::frame::HEAD_MAX, 0);
        &mut self.octets[start..]
    }

    fn end(&mut self, taken: usize) {
        let start = self.starts.last().copied().unwrap_or(0);
        self.octets.truncate(start + taken);
        self.starts.push(start + taken);
    }

    fn frame<R: tightwire::Role>(&mut self, outbound: &mut Outbound<R>, kind: Kind, payload: &[u8]) {
        let mut out = Output::new(self.room(payload.len()));
        outbound.fragment(kind, payload, true, &mut out).expect("there is room");
        let taken = out.len();
        self.end(taken);
    }

    /// A compressed message from a client.
    fn compressed(&mut self, kind: Kind, payload: &[u8]) {
        let mut deflated = deflate(payload);
        let opcode = if kind == Kind::Text { OpCode::Text } else { OpCode::Binary };
        let key = (self.octets.len() as u32).to_be_bytes();
        let head = Head { fin: true, rsv1: true, opcode, key: Some(key), length: deflated.len() as u64 };
        mask::mask(key, 0, &mut deflated);
        let room = self.room(deflated.len());
        let taken = head.write(room).expect("there is room");
        room[taken..taken + deflated.len()].copy_from_slice(&deflated);
        self.end(taken + deflated.len());
    }
}

/// Compresses a message at a low level, without takeover.
fn deflate(payload: &[u8]) -> Vec<u8> {
    let options = Options::new(Level::Fast, WindowBits::MAX);
    let (mut deflater, mut out) = (Box::new(Deflater::new()), vec![0; 2 * payload.len() + 64]);
    let (mut words, mut octets) = (vec![0; options.words()], vec![0; options.octets()]);
    let mut codec =
        Deflate::new(&mut deflater, &mut words, &mut octets, options, TERMS).expect("enough memory");
    let coded = codec.compress(payload, &mut out, tightwire::deflate::Flush::Last);
    out.truncate(coded.produced);
    out
}

/// Message `number`: its number in eight letters, and then what the workload says.
fn payload(workload: &Workload, number: usize) -> Vec<u8> {
    let mut payload = format!("{number:08x}").into_bytes();
    payload.truncate(workload.size);
    match workload.content {
        Content::Binary => {
            let rest =
                (payload.len()..workload.size).map(|place| (place * 131 + (place >> 8) * 17 + 7) as u8);
            payload.extend(rest.collect::<Vec<_>>());
        }
        Content::Ascii => words(&mut payload, workload.size, number, &ENGLISH),
        Content::Cyrillic => words(&mut payload, workload.size, number, &RUSSIAN),
    }
    payload
}

const ENGLISH: [&str; 16] = [
    "\"id\":17",
    "room",
    "message",
    "the",
    "of",
    "a",
    "connection",
    "seen",
    "is",
    "42",
    "hello",
    "time",
    "user",
    "and",
    "true",
    "state",
];
const RUSSIAN: [&str; 16] = [
    "привет",
    "мир",
    "и",
    "сообщение",
    "не",
    "на",
    "я",
    "что",
    "комната",
    "время",
    "как",
    "это",
    "все",
    "она",
    "так",
    "пользователь",
];

/// Fills `payload` up to `size` octets with words, in an order that depends on `seed`.
fn words(payload: &mut Vec<u8>, size: usize, seed: usize, words: &[&str; 16]) {
    let mut state = seed as u64 + 1;
    while payload.len() < size {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let word = words[(state >> 60) as usize];
        for letter in word.chars().chain([' ']) {
            let letter = if payload.len() + letter.len_utf8() > size { '.' } else { letter };
            if payload.len() < size {
                payload.extend(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(row: &str) -> Workload {
        row.parse().unwrap()
    }

    #[test]
    fn payloads_have_their_size_and_content() {
        for size in [1, 7, 8, 9, 16, 17, 1000, 1 << 16] {
            for content in ["binary", "ascii", "cyrillic"] {
                let workload = workload(&format!("1,{size},1,{content}"));
                let payload = payload(&workload, 3);
                assert_eq!(payload.len(), size);
                assert!(content == "binary" || std::str::from_utf8(&payload).is_ok());
                assert!(size < 8 || payload.starts_with(b"00000003"));
            }
        }
    }

    #[test]
    fn frames_are_enough_and_not_too_much() {
        for (row, count) in [("1,16,1", 64), ("1,65536,1", 16), ("1,1048576,1", 1), ("1,1048576,16", 16)] {
            let frames = Frames::new(&workload(row), Wire::Frames);
            assert_eq!(frames.count(), count, "{row}");
            let length: usize = (0..count).map(|message| frames.sent_len(message)).sum();
            assert_eq!(length, frames.sent.len());
        }
    }

    #[test]
    fn a_slice_ends_where_frames_repeat() {
        let frames = Frames::new(&workload("1,16,1"), Wire::Frames);
        let length = frames.sent_len(0);
        assert_eq!(frames.slice(0, 0, 2), (&frames.sent[..2 * length], 2));
        assert_eq!(frames.slice(63, 5, 70), (&frames.sent[63 * length + 5..], 64));
        assert_eq!(frames.slice(64, 0, 65), (&frames.sent[..length], 65));
    }

    #[test]
    fn a_raw_echo_is_what_was_sent() {
        let frames = Frames::new(&workload("1,16,1"), Wire::Raw);
        assert_eq!(frames.echoed.as_deref(), Some(&*frames.sent));
        let frames = Frames::new(&workload("1,1000,1"), Wire::Frames);
        let echoed = frames.echoed.as_ref().unwrap();
        assert_eq!(echoed.len(), frames.sent.len() - 4 * frames.payloads.len(), "no keys come back");
        assert_eq!(echoed[4..1004], frames.payloads[0]);
    }
}
