//! What the codec costs, in memory. Frames are counted by the thousand: microseconds of a row are nanoseconds of a
//! frame. A handshake is counted by itself.
//!
//! ```sh
//! cargo bench -p tightwire-benches --bench codec
//! ```

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use tightwire::handshake::server::{Acceptance, Request};
use tightwire::handshake::{HeadLimits, HeadScanner, OriginPolicy, Slot};
use tightwire::{
    Client, Connection, Event, Inbox, Kind, Limits, Message, Output, Progress, Role, Step, mask, utf8,
};

const FRAMES: usize = 1000;
const PAYLOADS: [usize; 4] = [16, 125, 128, 1024];
const BLOCKS: [usize; 4] = [128, 1 << 10, 16 << 10, 1 << 20];

fn main() {
    divan::main();
}

/// Keys that cost nothing: what a generator costs is its own affair.
fn client() -> Connection<Client<impl FnMut() -> [u8; 4]>> {
    let mut key = 1u32;
    Connection::client(move || {
        key = key.wrapping_mul(0x9E37_79B9).wrapping_add(1);
        key.to_ne_bytes()
    })
}

/// A thousand frames as the connection writes them.
fn frames<R: Role>(mut connection: Connection<R>, message: Message<'_>) -> Vec<u8> {
    let mut memory = vec![0; FRAMES * (message.len() + 14)];
    let mut out = Output::new(&mut memory);
    for _ in 0..FRAMES {
        connection.encode(message, &mut out).expect("there is room");
    }
    let length = out.len();
    memory.truncate(length);
    memory
}

fn decode<R: Role>(connection: &mut Connection<R>, wire: &mut [u8]) -> usize {
    let (mut input, mut room) = (black_box(wire), [0; 131]);
    let (mut out, mut octets) = (Output::new(&mut room), 0);
    while let Ok(Step::Event(Event::Data(chunk))) = connection.decode(&mut input, &mut out, &Limits::DEFAULT)
    {
        octets += black_box(chunk.payload).len();
    }
    octets
}

/// Parses and unmasks a full buffer. (Masked again by the next round, which does no harm to binary messages.)
#[divan::bench(args = PAYLOADS)]
fn decode_masked(bencher: Bencher<'_, '_>, payload: usize) {
    let mut wire = frames(client(), Message::Binary(&vec![b'x'; payload]));
    let mut server = Connection::server();
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        assert_eq!(decode(&mut server, &mut wire), FRAMES * payload);
    });
}

/// The same for text: parses, unmasks (by a key of zeros, so that it stays text) and validates.
#[divan::bench(args = PAYLOADS)]
fn decode_masked_text(bencher: Bencher<'_, '_>, payload: usize) {
    let text = "x".repeat(payload);
    let mut wire = frames(Connection::client(|| [0; 4]), Message::from(&*text));
    let mut server = Connection::server();
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        assert_eq!(decode(&mut server, &mut wire), FRAMES * payload);
    });
}

#[divan::bench(args = PAYLOADS)]
fn decode_unmasked(bencher: Bencher<'_, '_>, payload: usize) {
    let mut wire = frames(Connection::server(), Message::Binary(&vec![b'x'; payload]));
    let mut client = client();
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        assert_eq!(decode(&mut client, &mut wire), FRAMES * payload);
    });
}

/// Whole messages through an inbox whose storage holds them all.
#[divan::bench(args = PAYLOADS)]
fn inbox_masked(bencher: Bencher<'_, '_>, payload: usize) {
    let wire = frames(client(), Message::Binary(&vec![b'x'; payload]));
    let (mut server, mut room) = (Connection::server(), [0; 131]);
    let mut storage = Some(wire);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        let wire = storage.take().expect("given back below");
        let length = wire.len();
        let mut inbox = Inbox::new(wire);
        inbox.commit(length);
        let (mut out, mut octets) = (Output::new(&mut room), 0);
        while let Ok(Progress::Message) = inbox.poll(&mut server.decoder(&mut out, &Limits::DEFAULT)) {
            octets += black_box(inbox.message()).map_or(0, |message| message.len());
        }
        assert_eq!(octets, FRAMES * payload);
        storage = Some(inbox.into_storage());
    });
}

fn encode<R: Role>(bencher: Bencher<'_, '_>, mut connection: Connection<R>, payload: usize) {
    let payload = vec![b'x'; payload];
    let mut memory = vec![0; FRAMES * (payload.len() + 14)];
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        let mut out = Output::new(black_box(&mut memory));
        for _ in 0..FRAMES {
            connection.encode(black_box(&payload[..]), &mut out).expect("there is room");
        }
        out.len()
    });
}

#[divan::bench(args = PAYLOADS)]
fn encode_masked(bencher: Bencher<'_, '_>, payload: usize) {
    encode(bencher, client(), payload);
}

#[divan::bench(args = PAYLOADS)]
fn encode_unmasked(bencher: Bencher<'_, '_>, payload: usize) {
    encode(bencher, Connection::server(), payload);
}

/// Only the head, as for a payload that is sent from where it lies.
#[divan::bench]
fn head(bencher: Bencher<'_, '_>) {
    let (mut server, mut memory) = (Connection::server(), vec![0; FRAMES * 14]);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        let mut out = Output::new(black_box(&mut memory));
        for _ in 0..FRAMES {
            drop(black_box(server.head(Kind::Binary, black_box(70_000), true, &mut out)));
        }
    });
}

#[divan::bench(args = BLOCKS)]
fn unmask(bencher: Bencher<'_, '_>, octets: usize) {
    let mut memory = vec![b'x'; octets + 6];
    bencher.counter(BytesCount::new(octets)).bench_local(|| {
        // Behind a head of six octets, as payload lies.
        mask::mask(black_box([1, 2, 3, 4]), 0, black_box(&mut memory[6..]));
    });
}

/// What unmasking cannot beat: every octet combined with the same one.
#[divan::bench(args = BLOCKS)]
fn unmask_plain_xor(bencher: Bencher<'_, '_>, octets: usize) {
    let mut memory = vec![b'x'; octets + 6];
    bencher.counter(BytesCount::new(octets)).bench_local(|| {
        let key = black_box(1);
        black_box(&mut memory[6..]).iter_mut().for_each(|octet| *octet ^= key);
    });
}

/// A request of 512 octets as browsers send it.
fn request() -> Vec<u8> {
    let mut request = String::from(
        "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nConnection: Upgrade\r\nPragma: no-cache\r\n\
        Cache-Control: no-cache\r\nUpgrade: websocket\r\nOrigin: http://server.example.com\r\n\
        Sec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en-GB,en;q=0.9\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nUser-Agent: ",
    );
    request.extend(std::iter::repeat_n('x', 508 - request.len()));
    request.push_str("\r\n\r\n");
    request.into_bytes()
}

/// All that a server does with a request: find its end, parse it, judge it, write the answer.
#[divan::bench]
fn opening_handshake(bencher: Bencher<'_, '_>) {
    let request = request();
    bencher.bench_local(|| {
        let length = HeadScanner::new().scan(black_box(&request), &HeadLimits::DEFAULT);
        let head = length.ok().flatten().and_then(|length| request.get(..length)).expect("a whole head");
        let (mut slots, mut out) = ([Slot::EMPTY; 64], [0; 512]);
        let request = Request::parse(black_box(head), &mut slots).expect("a request");
        let upgrade = request.check(&OriginPolicy::SameHost).expect("a WebSocket request");
        upgrade.accept(&Acceptance::default(), black_box(&mut out)).expect("there is room")
    });
}

/// The two steps of it that look at every octet.
#[divan::bench]
fn scan_head(bencher: Bencher<'_, '_>) {
    let request = request();
    bencher.bench_local(|| HeadScanner::new().scan(black_box(&request), &HeadLimits::DEFAULT));
}

#[divan::bench]
fn parse_head(bencher: Bencher<'_, '_>) {
    let request = request();
    bencher.bench_local(|| {
        let mut slots = [Slot::EMPTY; 64];
        Request::parse(black_box(&request), black_box(&mut slots)).is_ok()
    });
}

const TEXTS: [&str; 3] = ["ascii ", "gr\u{fc}ne \u{c4}pfel ", "\u{3053}\u{3093}\u{306b}\u{3061}\u{306f}"];

fn text(sample: &str) -> String {
    let mut text = sample.repeat(4096usize.div_ceil(sample.len()));
    let end = (0..=4096).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.truncate(end);
    text
}

/// Some 4 KiB in one stretch.
#[divan::bench(args = TEXTS)]
fn validate(bencher: Bencher<'_, '_>, sample: &str) {
    let text = text(sample);
    bencher.counter(BytesCount::new(text.len())).bench_local(|| {
        let mut validator = utf8::Validator::new();
        validator.feed(black_box(text.as_bytes())).is_ok() && validator.is_complete()
    });
}

#[divan::bench(args = TEXTS)]
fn validate_std(bencher: Bencher<'_, '_>, sample: &str) {
    let text = text(sample);
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| core::str::from_utf8(black_box(text.as_bytes())).is_ok());
}
