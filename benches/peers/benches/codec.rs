//! What the codecs of peers cost in memory, beside tightwire's: a thousand masked frames from one buffer (microseconds
//! of a row are nanoseconds of a frame), unmasking, UTF-8 and the opening handshake. Each crate is asked through the
//! lowest layer that it makes public.
//!
//! Every round begins with the same octets: they are copied into the buffer that is decoded, or read from a stream in
//! memory by crates that only read from streams.
//!
//! ```sh
//! cargo bench --manifest-path benches/peers/Cargo.toml
//! ```

use bytes::BytesMut;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use futures_util::FutureExt;
use std::io::{self, Read, Write};
use tightwire::{Client, Connection, Event, Limits, Message, Output, Step, mask, utf8};

const FRAMES: usize = 1000;
const PAYLOADS: [usize; 3] = [16, 128, 1024];
const BLOCKS: [usize; 4] = [128, 1 << 10, 16 << 10, 1 << 20];

fn main() {
    divan::main();
}

/// A thousand masked binary frames.
fn frames(payload: usize) -> Vec<u8> {
    let mut key = 1u32;
    let mut client = Connection::<Client<_>>::client(move || {
        key = key.wrapping_mul(0x9E37_79B9).wrapping_add(1);
        key.to_ne_bytes()
    });
    let mut memory = vec![0; FRAMES * (payload + 14)];
    let mut out = Output::new(&mut memory);
    for _ in 0..FRAMES {
        client.encode(Message::Binary(&vec![b'x'; payload]), &mut out).expect("there is room");
    }
    let length = out.len();
    memory.truncate(length);
    memory
}

/// Runs `round` on the wire, which returns the octets of payload that it found.
fn decode(bencher: Bencher<'_, '_>, payload: usize, mut round: impl FnMut(&[u8]) -> usize) {
    let wire = frames(payload);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        assert_eq!(round(black_box(&wire)), FRAMES * payload);
    });
}

#[divan::bench(args = PAYLOADS)]
fn decode_1_tightwire(bencher: Bencher<'_, '_>, payload: usize) {
    let (mut buffer, mut server) = (Vec::new(), Connection::server());
    decode(bencher, payload, |wire| {
        buffer.clear();
        buffer.extend_from_slice(wire);
        let (mut input, mut room, mut octets) = (&mut buffer[..], [0; 131], 0);
        let mut out = Output::new(&mut room);
        while let Ok(Step::Event(Event::Data(chunk))) = server.decode(&mut input, &mut out, &Limits::DEFAULT)
        {
            octets += black_box(chunk.payload).len();
        }
        octets
    });
}

#[divan::bench(args = PAYLOADS)]
fn decode_2_websocket_sans_io(bencher: Bencher<'_, '_>, payload: usize) {
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
fn decode_3_soketto(bencher: Bencher<'_, '_>, payload: usize) {
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
fn decode_4_sockudo(bencher: Bencher<'_, '_>, payload: usize) {
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
fn decode_5_fastwebsockets(bencher: Bencher<'_, '_>, payload: usize) {
    use fastwebsockets::{Role, WebSocket};
    decode(bencher, payload, |wire| {
        let mut socket = WebSocket::after_handshake(tokio::io::join(wire, tokio::io::sink()), Role::Server);
        let mut octets = 0;
        while let Some(Ok(frame)) = socket.read_frame().now_or_never() {
            octets += black_box(frame.payload).len();
        }
        octets
    });
}

#[divan::bench(args = PAYLOADS)]
fn decode_6_tungstenite(bencher: Bencher<'_, '_>, payload: usize) {
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
fn decode_7_web_socket(bencher: Bencher<'_, '_>, payload: usize) {
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

/// Masks a block behind a head of six octets, as payload lies.
fn masked(bencher: Bencher<'_, '_>, octets: usize, mut apply: impl FnMut(&mut [u8])) {
    let mut memory = vec![b'x'; octets + 6];
    bencher.counter(BytesCount::new(octets)).bench_local(|| apply(black_box(&mut memory[6..])));
}

#[divan::bench(args = BLOCKS)]
fn mask_1_tightwire(bencher: Bencher<'_, '_>, octets: usize) {
    masked(bencher, octets, |block| mask::mask(black_box([1, 2, 3, 4]), 0, block));
}

#[divan::bench(args = BLOCKS)]
fn mask_2_sockudo(bencher: Bencher<'_, '_>, octets: usize) {
    masked(bencher, octets, |block| sockudo_ws::simd::apply_mask(block, black_box([1, 2, 3, 4])));
}

#[divan::bench(args = BLOCKS)]
fn mask_3_fastwebsockets(bencher: Bencher<'_, '_>, octets: usize) {
    masked(bencher, octets, |block| fastwebsockets::unmask(block, black_box([1, 2, 3, 4])));
}

#[divan::bench(args = BLOCKS)]
fn mask_4_plain_xor(bencher: Bencher<'_, '_>, octets: usize) {
    masked(bencher, octets, |block| {
        let key = black_box(1);
        block.iter_mut().for_each(|octet| *octet ^= key);
    });
}

const TEXTS: [&str; 3] = ["ascii ", "gr\u{fc}ne \u{c4}pfel ", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}"];

fn validated(bencher: Bencher<'_, '_>, sample: &str, valid: impl Fn(&[u8]) -> bool) {
    let text = sample.repeat(4096 / sample.len());
    bencher.counter(BytesCount::new(text.len())).bench_local(|| assert!(valid(black_box(text.as_bytes()))));
}

#[divan::bench(args = TEXTS)]
fn utf8_1_tightwire(bencher: Bencher<'_, '_>, sample: &str) {
    validated(bencher, sample, |text| {
        let mut validator = utf8::Validator::new();
        validator.feed(text).is_ok() && validator.is_complete()
    });
}

#[divan::bench(args = TEXTS)]
fn utf8_2_sockudo(bencher: Bencher<'_, '_>, sample: &str) {
    validated(bencher, sample, sockudo_ws::utf8::validate_utf8);
}

#[divan::bench(args = TEXTS)]
fn utf8_3_std(bencher: Bencher<'_, '_>, sample: &str) {
    validated(bencher, sample, |text| std::str::from_utf8(text).is_ok());
}

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://server.example.com\r\n\
    Sec-WebSocket-Version: 13\r\nUser-Agent: a browser of some name, as they are\r\nAccept-Language: en\r\n\r\n";

/// Finds the end of the request, parses and judges it, writes the answer.
#[divan::bench]
fn handshake_1_tightwire(bencher: Bencher<'_, '_>) {
    use tightwire::handshake::server::{Acceptance, Request};
    use tightwire::handshake::{HeadLimits, HeadScanner, OriginPolicy, Slot};
    bencher.bench_local(|| {
        let length = HeadScanner::new().scan(black_box(REQUEST), &HeadLimits::DEFAULT).unwrap().unwrap();
        let (mut slots, mut out) = ([Slot::EMPTY; 64], [0; 512]);
        let request = Request::parse(&REQUEST[..length], &mut slots).unwrap();
        let upgrade = request.check(&OriginPolicy::SameHost).unwrap();
        upgrade.accept(&Acceptance::default(), black_box(&mut out)).unwrap()
    });
}

#[divan::bench]
fn handshake_2_sockudo(bencher: Bencher<'_, '_>) {
    use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
    bencher.bench_local(|| {
        let (request, _) = parse_request(black_box(REQUEST)).unwrap().unwrap();
        black_box(build_response(&generate_accept_key(request.key), None, None)).len()
    });
}

#[divan::bench]
fn handshake_3_tungstenite(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| {
        assert!(tokio_tungstenite::tungstenite::accept(Wire(black_box(REQUEST))).is_ok());
    });
}
