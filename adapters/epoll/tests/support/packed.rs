//! A client that compresses, made of a socket and core's codec.
#![allow(dead_code, reason = "each test file uses a part of it")]

use crate::support::{Peer, REQUEST, frame};
use std::net::SocketAddr;
use tightwire_epoll::tightwire::deflate::{
    Agreement, Compress, Decompress, Deflate, Deflater, Flush, History, Inflate, Inflater, Level, Options,
    Policy, Status, Terms, WindowBits,
};

/// The largest message that comes back.
const LARGEST: usize = 4 << 20;

pub(crate) struct Packed {
    pub(crate) peer: Peer,
    pub(crate) agreed: Option<Agreement>,
    pub(crate) codec: Codec,
}

/// A codec for each direction, as the client has it.
pub(crate) struct Codec {
    sent: Terms,
    received: Terms,
    deflater: Deflater,
    deflating: (Vec<u16>, Vec<u8>, Options),
    inflater: Box<Inflater>,
    history: History,
    window: Vec<u8>,
}

/// The same both ways.
pub(crate) fn policy(bits: u8, takeover: bool) -> Policy {
    let window = WindowBits::new(bits).unwrap();
    Policy::DEFAULT.with_takeover(takeover, takeover).with_windows(window, window)
}

impl Codec {
    pub(crate) fn new(sent: Terms, received: Terms) -> Self {
        let options = Options::new(Level::Balanced, WindowBits::MAX);
        Self {
            sent,
            received,
            deflater: Deflater::new(),
            deflating: (vec![0; options.words()], vec![0; options.octets()], options),
            inflater: Box::default(),
            history: History::new(),
            window: vec![0; received.window().octets()],
        }
    }

    pub(crate) fn deflate(&mut self, message: &[u8]) -> Vec<u8> {
        let (words, octets, options) = &mut self.deflating;
        let mut codec = Deflate::new(&mut self.deflater, words, octets, *options, self.sent).unwrap();
        let mut output = vec![0; message.len() + 1000];
        let coded = codec.compress(message, &mut output, Flush::Last);
        assert_eq!(coded.status, Status::End);
        output.truncate(coded.produced);
        output
    }

    pub(crate) fn inflate(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut codec =
            Inflate::new(&mut self.inflater, &mut self.history, &mut self.window, self.received).unwrap();
        let mut output = vec![0; LARGEST];
        let coded = codec.decompress(payload, &mut output, true).unwrap();
        assert_eq!(coded.status, Status::End);
        output.truncate(coded.produced);
        output
    }
}

impl Packed {
    /// Offers compression. Whether it was agreed on is in the answer.
    pub(crate) fn open(address: SocketAddr, policy: Policy) -> Self {
        Self::open_at(address, policy, "/chat")
    }

    pub(crate) fn open_at(address: SocketAddr, policy: Policy, path: &str) -> Self {
        let (peer, agreed) = offering(address, policy, path);
        let none = Terms::new(WindowBits::MAX, false);
        let codec = Codec::new(agreed.map_or(none, |it| it.client), agreed.map_or(none, |it| it.server));
        Self { peer, agreed, codec }
    }

    /// The frame of a compressed message.
    pub(crate) fn packed(&mut self, first: u8, message: &[u8]) -> Vec<u8> {
        frame(first | 0x40, &self.codec.deflate(message))
    }

    pub(crate) fn send(&mut self, first: u8, message: &[u8]) {
        let octets = self.packed(first, message);
        self.peer.write(&octets);
    }

    /// The next message: its first octet, the octets that it took, and what it is. In any number of frames.
    pub(crate) fn message(&mut self) -> (u8, usize, Vec<u8>) {
        let (first, mut payload) = self.peer.frame().expect("a frame");
        let mut last = first;
        while last & 0x80 == 0 {
            let (next, more) = self.peer.frame().expect("a frame");
            assert_eq!(next & 0x7F, 0, "RSV1 only on the first frame");
            last = next;
            payload.extend(more);
        }
        let length = payload.len();
        let message = if first & 0x40 == 0 { payload } else { self.codec.inflate(&payload) };
        (first | 0x80, length, message)
    }
}

/// An open connection on which compression was offered, without a codec; and what was agreed on.
pub(crate) fn offering(address: SocketAddr, policy: Policy, path: &str) -> (Peer, Option<Agreement>) {
    let mut peer = Peer::connect(address);
    let offer = format!("\r\nSec-WebSocket-Extensions: {}\r\n\r\n", policy.offer());
    peer.write(REQUEST.replace("/chat", path).replace("\r\n\r\n", &offer).as_bytes());
    let head = peer.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let name = "Sec-WebSocket-Extensions: ";
    let values = head.lines().filter_map(|line| line.strip_prefix(name));
    (peer, policy.verify(values).unwrap())
}

/// Text that compresses as JSON does.
pub(crate) fn text(octets: usize, seed: usize) -> String {
    let mut text = String::new();
    let mut at = seed;
    while text.len() < octets {
        at = at.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7FFF_FFFF;
        text.push_str(&format!(
            "{{\"id\":{},\"name\":\"user {}\",\"on\":{}}},",
            at % 100_000,
            at % 97,
            at.is_multiple_of(2)
        ));
    }
    text.truncate(octets);
    text
}

/// Octets that do not compress.
pub(crate) fn noise(octets: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    (0..octets)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}
