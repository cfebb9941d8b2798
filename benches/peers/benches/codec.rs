//! What codecs cost in memory: tightwire's beside those of its peers, each asked through the lowest layer that it makes
//! public. A module for each piece of work, a function for each crate; `plain` is what nobody can beat, or what the
//! standard way is. Frames and heads are counted by the thousand: microseconds of a row are nanoseconds of one.
//!
//! ```sh
//! cargo bench --manifest-path benches/peers/Cargo.toml
//! ```

use divan::{Bencher, black_box};
use futures_util::FutureExt;
use std::io::{self, Read, Write};
use tightwire::{Client, Connection, Message, Output};

const FRAMES: usize = 1000;
const PAYLOADS: [usize; 3] = [16, 128, 1024];
const BLOCKS: [usize; 4] = [128, 1 << 10, 16 << 10, 1 << 20];
const KEY: [u8; 4] = [1, 2, 3, 4];

fn main() {
    divan::main();
}

/// Masked binary frames.
fn frames(count: usize, payload: usize) -> Vec<u8> {
    let mut key = 1u32;
    let mut client = Connection::<Client<_>>::client(move || {
        key = key.wrapping_mul(0x9E37_79B9).wrapping_add(1);
        key.to_ne_bytes()
    });
    let mut memory = vec![0; count * (payload + 14)];
    let mut out = Output::new(&mut memory);
    for _ in 0..count {
        client.encode(Message::Binary(&vec![b'x'; payload]), &mut out).expect("there is room");
    }
    let length = out.len();
    memory.truncate(length);
    memory
}

/// A stream that gives octets from memory and takes everything.
struct Wire<'w>(&'w [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Parses, unmasks and hands out a thousand frames of one buffer. Every round begins with the same octets: they are
/// copied into the buffer, or read from memory by crates that only read from streams.
mod decode {
    use super::*;
    use bytes::BytesMut;
    use tightwire::{Event, Limits, Step};

    /// `round` gives the octets of payload that it found.
    fn decode(bencher: Bencher<'_, '_>, payload: usize, mut round: impl FnMut(&[u8]) -> usize) {
        let wire = frames(FRAMES, payload);
        bencher.bench_local(|| assert_eq!(round(black_box(&wire)), FRAMES * payload));
    }

    #[divan::bench(args = PAYLOADS)]
    fn tightwire(bencher: Bencher<'_, '_>, payload: usize) {
        let (mut buffer, mut server) = (Vec::new(), Connection::server());
        decode(bencher, payload, |wire| {
            buffer.clear();
            buffer.extend_from_slice(wire);
            let (mut input, mut room, mut octets) = (&mut buffer[..], [0; 131], 0);
            let mut out = Output::new(&mut room);
            while let Ok(Step::Event(Event::Data(chunk))) =
                server.decode(&mut input, &mut out, &Limits::DEFAULT)
            {
                octets += black_box(chunk.payload).len();
            }
            octets
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn websocket_sans_io(bencher: Bencher<'_, '_>, payload: usize) {
        use websocket_sans_io::{WebsocketFrameDecoder, WebsocketFrameEvent};
        let (mut buffer, mut decoder) = (Vec::new(), WebsocketFrameDecoder::new());
        decode(bencher, payload, |wire| {
            buffer.clear();
            buffer.extend_from_slice(wire);
            let (mut input, mut octets) = (&mut buffer[..], 0);
            loop {
                let Ok(added) = decoder.add_data(input);
                let (taken, rest) = input.split_at_mut(added.consumed_bytes);
                input = rest;
                match added.event {
                    Some(WebsocketFrameEvent::PayloadChunk { .. }) => octets += black_box(taken).len(),
                    None if added.consumed_bytes == 0 => break,
                    _ => {}
                }
            }
            octets
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn soketto(bencher: Bencher<'_, '_>, payload: usize) {
        use soketto::Parsing;
        use soketto::base::Codec;
        let (mut buffer, codec) = (Vec::new(), Codec::new());
        decode(bencher, payload, |wire| {
            buffer.clear();
            buffer.extend_from_slice(wire);
            let (mut input, mut octets) = (&mut buffer[..], 0);
            while let Ok(Parsing::Done { value: head, offset }) = codec.decode_header(input) {
                let (frame, rest) = input.split_at_mut(offset + head.payload_len());
                Codec::apply_mask(&head, &mut frame[offset..]);
                octets += black_box(&frame[offset..]).len();
                input = rest;
            }
            octets
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn sockudo_ws(bencher: Bencher<'_, '_>, payload: usize) {
        let (mut buffer, mut parser) = (BytesMut::new(), sockudo_ws::frame::FrameParser::new(1 << 20, true));
        decode(bencher, payload, |wire| {
            buffer.extend_from_slice(wire);
            let mut octets = 0;
            while let Ok(Some(frame)) = parser.parse(&mut buffer) {
                octets += black_box(frame.payload).len();
            }
            octets
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn fastwebsockets(bencher: Bencher<'_, '_>, payload: usize) {
        use fastwebsockets::{Role, WebSocket};
        decode(bencher, payload, |wire| {
            let stream = tokio::io::join(wire, tokio::io::sink());
            let mut socket = WebSocket::after_handshake(stream, Role::Server);
            let mut octets = 0;
            while let Some(Ok(frame)) = socket.read_frame().now_or_never() {
                octets += black_box(frame.payload).len();
            }
            octets
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn tungstenite(bencher: Bencher<'_, '_>, payload: usize) {
        use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
        decode(bencher, payload, |wire| {
            let mut socket = WebSocket::from_raw_socket(Wire(wire), Role::Server, None);
            let mut octets = 0;
            while let Ok(message) = socket.read() {
                octets += black_box(message).len();
            }
            octets
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn web_socket(bencher: Bencher<'_, '_>, payload: usize) {
        use web_socket::{Event, WebSocket};
        decode(bencher, payload, |wire| {
            let mut socket = WebSocket::server(wire);
            let mut octets = 0;
            while let Some(Ok(Event::Data { data, .. })) = socket.recv().now_or_never() {
                octets += black_box(data).len();
            }
            octets
        });
    }
}

/// Parses a thousand heads, not what follows them.
mod parse_head {
    use super::*;

    /// `parse` gives the length of the payload that a head announces.
    fn parse(bencher: Bencher<'_, '_>, payload: usize, mut parse: impl FnMut(&[u8]) -> usize) {
        let frame = frames(1, payload);
        bencher.bench_local(|| {
            for _ in 0..FRAMES {
                assert_eq!(parse(black_box(&frame)), payload);
            }
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn tightwire(bencher: Bencher<'_, '_>, payload: usize) {
        use tightwire::frame::{self, Expect};
        parse(bencher, payload, |frame| {
            let head = frame::parse(frame, Expect { masked: true, rsv1: false });
            head.ok().flatten().map_or(0, |(head, _)| black_box(head).length as usize)
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn tungstenite(bencher: Bencher<'_, '_>, payload: usize) {
        use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
        parse(bencher, payload, |frame| {
            let head = FrameHeader::parse(&mut io::Cursor::new(frame));
            head.ok().flatten().map_or(0, |head| black_box(head).1 as usize)
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn soketto(bencher: Bencher<'_, '_>, payload: usize) {
        use soketto::Parsing;
        let codec = soketto::base::Codec::new();
        parse(bencher, payload, |frame| match codec.decode_header(frame) {
            Ok(Parsing::Done { value, .. }) => black_box(value).payload_len(),
            _ => 0,
        });
    }
}

/// Masks a block in place, behind a head of six octets, as payload lies. Plain: every octet combined with the same one.
mod mask {
    use super::*;

    fn masked(bencher: Bencher<'_, '_>, octets: usize, mut apply: impl FnMut(&mut [u8])) {
        let mut memory = vec![b'x'; octets + 6];
        bencher.bench_local(|| apply(black_box(&mut memory[6..])));
    }

    #[divan::bench(args = BLOCKS)]
    fn tightwire(bencher: Bencher<'_, '_>, octets: usize) {
        masked(bencher, octets, |block| ::tightwire::mask::mask(black_box(KEY), 0, block));
    }

    #[divan::bench(args = BLOCKS)]
    fn sockudo_ws(bencher: Bencher<'_, '_>, octets: usize) {
        masked(bencher, octets, |block| ::sockudo_ws::simd::apply_mask(block, black_box(KEY)));
    }

    #[divan::bench(args = BLOCKS)]
    fn fastwebsockets(bencher: Bencher<'_, '_>, octets: usize) {
        masked(bencher, octets, |block| ::fastwebsockets::unmask(block, black_box(KEY)));
    }

    #[divan::bench(args = BLOCKS)]
    fn soketto(bencher: Bencher<'_, '_>, octets: usize) {
        use ::soketto::base::{Codec, Header, OpCode};
        let mut head = Header::new(OpCode::Binary);
        head.set_masked(true).set_mask(u32::from_be_bytes(KEY));
        masked(bencher, octets, |block| Codec::apply_mask(black_box(&head), block));
    }

    #[divan::bench(args = BLOCKS)]
    fn websocket_sans_io(bencher: Bencher<'_, '_>, octets: usize) {
        use ::websocket_sans_io::{FrameInfo, WebsocketFrameEncoder};
        let mut encoder = WebsocketFrameEncoder::new();
        masked(bencher, octets, |block| {
            encoder.start_frame(&FrameInfo { mask: Some(black_box(KEY)), ..FrameInfo::default() });
            encoder.transform_frame_payload(block);
        });
    }

    #[divan::bench(args = BLOCKS)]
    fn plain(bencher: Bencher<'_, '_>, octets: usize) {
        masked(bencher, octets, |block| {
            let key = black_box(1);
            block.iter_mut().for_each(|octet| *octet ^= key);
        });
    }
}

/// Masks a block while copying it. Plain: copying alone.
mod mask_copy {
    use super::*;

    fn copied(bencher: Bencher<'_, '_>, octets: usize, mut copy: impl FnMut(&[u8], &mut [u8])) {
        let (from, mut to) = (vec![b'x'; octets], vec![0; octets + 6]);
        bencher.bench_local(|| copy(black_box(&from), black_box(&mut to[6..])));
    }

    #[divan::bench(args = BLOCKS)]
    fn tightwire(bencher: Bencher<'_, '_>, octets: usize) {
        copied(bencher, octets, |from, to| {
            black_box(::tightwire::mask::mask_copy(black_box(KEY), 0, from, to));
        });
    }

    #[divan::bench(args = BLOCKS)]
    fn plain(bencher: Bencher<'_, '_>, octets: usize) {
        copied(bencher, octets, |from, to| to.copy_from_slice(from));
    }
}

/// Validates some 4 KiB in one stretch. Plain: the standard library.
mod utf8 {
    use super::*;

    const TEXTS: [&str; 3] = ["ascii", "german", "russian"];

    fn validated(bencher: Bencher<'_, '_>, language: &str, valid: impl Fn(&[u8]) -> bool) {
        let sample = match language {
            "ascii" => "ascii ",
            "german" => "gr\u{fc}ne \u{c4}pfel ",
            _ => "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442} ",
        };
        let text = sample.repeat(4096 / sample.len());
        bencher.bench_local(|| assert!(valid(black_box(text.as_bytes()))));
    }

    #[divan::bench(args = TEXTS)]
    fn tightwire(bencher: Bencher<'_, '_>, language: &str) {
        validated(bencher, language, |text| {
            let mut validator = ::tightwire::utf8::Validator::new();
            validator.feed(text).is_ok() && validator.is_complete()
        });
    }

    #[divan::bench(args = TEXTS)]
    fn sockudo_ws(bencher: Bencher<'_, '_>, language: &str) {
        validated(bencher, language, ::sockudo_ws::utf8::validate_utf8);
    }

    #[divan::bench(args = TEXTS)]
    fn plain(bencher: Bencher<'_, '_>, language: &str) {
        validated(bencher, language, |text| std::str::from_utf8(text).is_ok());
    }
}

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://server.example.com\r\n\
    Sec-WebSocket-Version: 13\r\nUser-Agent: a browser of some name, as they are\r\nAccept-Language: en\r\n\r\n";

/// Finds the end of the request, parses and judges it; with `answer`, writes the answer too.
mod handshake {
    use super::*;

    const STEPS: [&str; 2] = ["parse", "answer"];

    #[divan::bench(args = STEPS)]
    fn tightwire(bencher: Bencher<'_, '_>, step: &str) {
        use ::tightwire::handshake::server::{Acceptance, Request};
        use ::tightwire::handshake::{HeadLimits, HeadScanner, OriginPolicy, Slot};
        bencher.bench_local(|| {
            let length = HeadScanner::new().scan(black_box(REQUEST), &HeadLimits::DEFAULT).unwrap().unwrap();
            let (mut slots, mut out) = ([Slot::EMPTY; 64], [0; 512]);
            let request = Request::parse(&REQUEST[..length], &mut slots).unwrap();
            let upgrade = request.check(&OriginPolicy::SameHost).unwrap();
            if step == "answer" {
                black_box(upgrade.accept(&Acceptance::default(), black_box(&mut out)).unwrap());
            }
        });
    }

    #[divan::bench(args = STEPS)]
    fn sockudo_ws(bencher: Bencher<'_, '_>, step: &str) {
        use ::sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
        bencher.bench_local(|| {
            let (request, _) = parse_request(black_box(REQUEST)).unwrap().unwrap();
            if step == "answer" {
                black_box(build_response(&generate_accept_key(request.key), None, None));
            }
            black_box(request.path.len());
        });
    }

    #[divan::bench(args = ["answer"])]
    fn tungstenite(bencher: Bencher<'_, '_>, _: &str) {
        bencher.bench_local(|| {
            assert!(tokio_tungstenite::tungstenite::accept(Wire(black_box(REQUEST))).is_ok());
        });
    }
}

/// Writes a thousand frames of a server into memory. Plain: the payloads alone.
mod encode {
    use super::*;
    use bytes::{Bytes, BytesMut};

    /// `frame` writes one into memory that has room for all and is empty at first.
    fn encode(
        bencher: Bencher<'_, '_>,
        octets: usize,
        mut clear: impl FnMut(&mut Vec<u8>),
        mut frame: impl FnMut(&[u8], &mut Vec<u8>),
    ) {
        let (payload, mut memory) = (vec![b'x'; octets], Vec::with_capacity(FRAMES * (octets + 14)));
        bencher.bench_local(|| {
            clear(&mut memory);
            (0..FRAMES).for_each(|_| frame(black_box(&payload), black_box(&mut memory)));
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn tightwire(bencher: Bencher<'_, '_>, octets: usize) {
        let (payload, mut memory) = (vec![b'x'; octets], vec![0; FRAMES * (octets + 14)]);
        let mut server = Connection::server();
        bencher.bench_local(|| {
            let mut out = Output::new(black_box(&mut memory));
            for _ in 0..FRAMES {
                server.encode(black_box(&payload[..]), &mut out).expect("there is room");
            }
            black_box(out.len())
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn tungstenite(bencher: Bencher<'_, '_>, octets: usize) {
        use tokio_tungstenite::tungstenite::protocol::frame::Frame;
        use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
        let payload = Bytes::from(vec![b'x'; octets]);
        encode(bencher, octets, Vec::clear, |_, memory| {
            let frame = Frame::message(black_box(&payload).clone(), OpCode::Data(Data::Binary), true);
            frame.format(memory).expect("memory takes all");
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn fastwebsockets(bencher: Bencher<'_, '_>, octets: usize) {
        use ::fastwebsockets::{Frame, Payload};
        // It writes to the front of a buffer, one frame at a time.
        encode(
            bencher,
            octets,
            |_| {},
            |payload, memory| {
                black_box(Frame::binary(Payload::Borrowed(payload)).write(memory));
            },
        );
    }

    #[divan::bench(args = PAYLOADS)]
    fn sockudo_ws(bencher: Bencher<'_, '_>, octets: usize) {
        use ::sockudo_ws::frame::{OpCode, encode_frame};
        let mut memory = BytesMut::with_capacity(FRAMES * (octets + 14));
        let payload = vec![b'x'; octets];
        bencher.bench_local(|| {
            memory.clear();
            for _ in 0..FRAMES {
                encode_frame(black_box(&mut memory), OpCode::Binary, black_box(&payload), true, None);
            }
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn soketto(bencher: Bencher<'_, '_>, octets: usize) {
        use ::soketto::base::{Codec, Header, OpCode};
        let mut codec = Codec::new();
        encode(bencher, octets, Vec::clear, |payload, memory| {
            let mut head = Header::new(OpCode::Binary);
            head.set_payload_len(payload.len());
            memory.extend_from_slice(codec.encode_header(&head));
            memory.extend_from_slice(payload);
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn websocket_sans_io(bencher: Bencher<'_, '_>, octets: usize) {
        use ::websocket_sans_io::{FrameInfo, Opcode, WebsocketFrameEncoder};
        let mut encoder = WebsocketFrameEncoder::new();
        encode(bencher, octets, Vec::clear, |payload, memory| {
            let (opcode, payload_length) = (Opcode::Binary, payload.len() as _);
            let head = FrameInfo { opcode, payload_length, fin: true, mask: None, reserved: 0 };
            memory.extend_from_slice(&encoder.start_frame(&head));
            memory.extend_from_slice(payload);
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn web_socket(bencher: Bencher<'_, '_>, octets: usize) {
        use ::web_socket::WebSocket;
        let payload = vec![b'x'; octets];
        let mut socket = WebSocket::server(Vec::with_capacity(FRAMES * (octets + 14)));
        bencher.bench_local(|| {
            socket.stream.clear();
            for _ in 0..FRAMES {
                let sent = socket.send(black_box(&payload[..])).now_or_never();
                sent.expect("memory is ready").expect("memory takes all");
            }
        });
    }

    #[divan::bench(args = PAYLOADS)]
    fn plain(bencher: Bencher<'_, '_>, octets: usize) {
        encode(bencher, octets, Vec::clear, |payload, memory| memory.extend_from_slice(payload));
    }
}

/// Compresses and inflates a message of 1 KiB at the fastest level, without takeover. Plain: zlib-rs.
mod deflate {
    use super::*;
    use ::sockudo_ws::DeflateWindowBits;
    use ::sockudo_ws::deflate::{DeflateDecoder, DeflateEncoder};
    use ::tightwire::deflate::{
        Compress, Decompress, Deflate, Deflater, Flush, History, Inflate, Inflater, Level, Options, Terms,
        WindowBits,
    };

    const STEPS: [&str; 2] = ["deflate", "inflate"];
    const TERMS: Terms = Terms::new(WindowBits::MAX, false);

    fn message() -> Vec<u8> {
        let mut text: String =
            (0..40).map(|number| format!("{{\"id\":{},\"room\":\"hall\"}},", number * 7919)).collect();
        text.truncate(1024);
        text.into_bytes()
    }

    #[divan::bench(args = STEPS)]
    fn tightwire(bencher: Bencher<'_, '_>, step: &str) {
        let options = Options::new(Level::Fastest, WindowBits::MAX);
        let (message, mut deflated, mut inflated) = (message(), vec![0; 2048], vec![0; 2048]);
        let (mut words, mut octets) = (vec![0; options.words()], vec![0; options.octets()]);
        let mut deflater = Box::new(Deflater::new());
        let mut deflate = |out: &mut [u8]| {
            let mut codec = Deflate::new(&mut deflater, &mut words, &mut octets, options, TERMS).unwrap();
            codec.compress(black_box(&message), out, Flush::Last).produced
        };
        if step == "deflate" {
            return bencher.bench_local(|| deflate(&mut deflated));
        }
        let length = deflate(&mut deflated);
        let (mut inflater, mut history) = (Box::new(Inflater::new()), History::new());
        let mut window = vec![0; 1 << 15];
        bencher.bench_local(|| {
            let mut codec = Inflate::new(&mut inflater, &mut history, &mut window, TERMS).unwrap();
            let coded = codec.decompress(black_box(&deflated[..length]), &mut inflated, true).unwrap();
            assert_eq!(coded.produced, message.len());
        });
    }

    #[divan::bench(args = STEPS)]
    fn sockudo_ws(bencher: Bencher<'_, '_>, step: &str) {
        let message = message();
        let mut encoder = DeflateEncoder::new(DeflateWindowBits::Bits15, true, 1, 0);
        if step == "deflate" {
            return bencher.bench_local(|| encoder.compress(black_box(&message)).unwrap().unwrap().len());
        }
        let deflated = encoder.compress(&message).unwrap().unwrap();
        let mut decoder = DeflateDecoder::new(DeflateWindowBits::Bits15, true);
        bencher.bench_local(|| {
            assert_eq!(decoder.decompress(black_box(&deflated), 1 << 20).unwrap().len(), message.len());
        });
    }

    #[divan::bench(args = STEPS)]
    fn plain(bencher: Bencher<'_, '_>, step: &str) {
        use zlib_rs::{DeflateFlush, InflateFlush};
        let (message, mut deflated, mut inflated) = (message(), vec![0; 2048], vec![0; 2048]);
        let mut encoder = zlib_rs::Deflate::new(1, false, 15);
        let mut deflate = |out: &mut [u8]| {
            encoder.reset();
            encoder.compress(black_box(&message), out, DeflateFlush::SyncFlush).unwrap();
            encoder.total_out() as usize
        };
        if step == "deflate" {
            return bencher.bench_local(|| deflate(&mut deflated));
        }
        let length = deflate(&mut deflated);
        let mut decoder = zlib_rs::Inflate::new(false, 15);
        bencher.bench_local(|| {
            decoder.reset(false);
            let flush = InflateFlush::SyncFlush;
            decoder.decompress(black_box(&deflated[..length]), &mut inflated, flush).unwrap();
            assert_eq!(decoder.total_out() as usize, message.len());
        });
    }
}
