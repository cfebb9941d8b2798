//! Links only if no panic can be reached from what a peer sends: the panic handler calls a function that does not
//! exist. Every entry of core that takes input is called here, with input that the compiler cannot know; but for those
//! that need a parsed head, which `handshake` calls.
#![no_std]
#![no_main]

#[path = "../panic.rs"]
mod panic;

use core::hint::black_box;
use tightwire::deflate::{
    Agreement, Collector, Deflate, Deflater, Flush, History, Inflate, Inflater, Inflating, Level, Options,
    Policy, Terms, WindowBits,
};
use tightwire::handshake::client::Offer;
use tightwire::handshake::uri::Uri;
use tightwire::handshake::{Extensions, HandshakeError, HeadLimits, HeadScanner, accept_key, parse_key};
use tightwire::{
    Client, CloseCode, CloseFrame, Connection, Deadlines, Event, Inbox, Kind, Limits, Output, Prepared, Role,
    Server, Step, Text, Timeouts, Violation, close, frame, mask, utf8,
};

/// What the C library starts. 42 says that it ran to its end.
#[allow(unsafe_code)] // the name is all that the start of a C program knows
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    let mut memory = black_box([0x81u8; 600]);
    let length: usize = black_box(600);
    let Some(input) = memory.get_mut(..length) else { return 1 };
    pure(input);
    let terms = black_box(Terms::new(WindowBits::MIN, true));
    let server = Connection::server().with_compression(Agreement { server: terms, client: terms });
    machine(input, server, |server, out| {
        let mut memory = [0; 64];
        if let Ok(prepared) = Prepared::encode(black_box("text"), &mut memory) {
            let _ = black_box(server.prepared(&prepared, out));
        }
    });
    machine(input, Connection::client(|| black_box([1, 2, 3, 4])), |_: &mut Connection<Client<_>>, _| {});
    inbox(input, Connection::server());
    inbox(input, Connection::client(|| black_box([1, 2, 3, 4])));
    for level in [Level::Fastest, Level::Balanced] {
        compression(input, level, Connection::server());
        compression(input, level, Connection::client(|| black_box([1, 2, 3, 4])));
    }
    handshakes(input);
    deadlines();
    42
}

fn pure(input: &mut [u8]) {
    for masked in [false, true] {
        let _ = black_box(frame::parse(input, frame::Expect { masked, rsv1: black_box(true) }));
    }
    let head = frame::Head {
        fin: black_box(true),
        rsv1: black_box(false),
        opcode: frame::OpCode::Text,
        key: black_box(None),
        length: black_box(5),
    };
    let _ = black_box(head.write(input));
    let _ = black_box(close::parse(input));
    let _ = black_box(Text::new(input).map(|text| text.as_str().len()));
    let mut validator = utf8::Validator::new();
    let _ = black_box(validator.feed(input));
    let _ = black_box(validator.feed(input));
    mask::mask(black_box([1; 4]), black_box(3), input);
    let mut copy = [0; 100];
    black_box(mask::mask_copy(black_box([1; 4]), black_box(3), input, &mut copy));
    black_box(copy);
}

fn machine<R: Role>(
    input: &mut [u8],
    mut connection: Connection<R>,
    also: impl FnOnce(&mut Connection<R>, &mut Output<'_>),
) {
    let mut memory = black_box([0; 300]);
    let mut out = Output::with_written(&mut memory, black_box(20));
    let limits = black_box(Limits::DEFAULT);
    let payload: [u8; 200] = black_box([1; 200]);
    let Some(payload) = payload.get(..black_box(150)) else { return };
    let mut input = &mut *input;
    black_box(connection.inbound().reply_room(input));
    while let Ok(step) = connection.decode(&mut input, &mut out, &limits) {
        match step {
            Step::Event(Event::Data(chunk)) => {
                black_box(chunk.into_message());
            }
            Step::Event(event) => {
                black_box(event);
            }
            _ => break,
        }
    }
    let _ = black_box(connection.encode(payload, &mut out));
    let _ = black_box(connection.fragment(Kind::Text, payload, black_box(false), &mut out));
    let _ = black_box(connection.fragments(Kind::Text, &mut &*payload, black_box(7), &mut out));
    if let Ok(mut masker) = connection.head(Kind::Binary, black_box(1 << 40), true, &mut out) {
        let mut copy = [0; 50];
        black_box(masker.copy(payload, &mut copy));
        black_box(masker.append(payload, &mut out));
        masker.mask(&mut copy);
        black_box(copy);
    }
    let _ = black_box(connection.ping(payload, &mut out));
    let _ = black_box(connection.pong(payload, &mut out));
    also(&mut connection, &mut out);
    let (mut inbound, mut outbound) = connection.split();
    let _ = black_box(inbound.decode(&mut input, &limits));
    let _ = black_box(outbound.reply(&Event::Ping(payload), &mut out));
    let _ = black_box(outbound.fail(black_box(Violation::Masked), &mut out));
    let reason = utf8::text(payload).unwrap_or_default();
    let frame = CloseFrame { code: CloseCode::new(black_box(1000)), reason };
    let _ = black_box(outbound.close(black_box(Some(frame)), &mut out));
    black_box(out.append(payload));
    black_box(out.written());
}

fn inbox<R: Role>(input: &[u8], mut connection: Connection<R>) {
    let mut storage = black_box([0; 512]);
    let mut more = black_box([0; 600]);
    let Some(storage) = storage.get_mut(..black_box(500)) else { return };
    let mut inbox = Inbox::new(storage);
    let mut memory = black_box([0; 131]);
    let mut out = Output::new(&mut memory);
    let limits = black_box(Limits::DEFAULT);
    black_box(inbox.extend(input));
    inbox.commit(black_box(3));
    let _ = black_box(inbox.poll(&mut connection.decoder(&mut out, &limits)));
    black_box((inbox.message(), inbox.chunk().len(), inbox.close_frame(), inbox.len()));
    let _ = black_box(inbox.poll_chunk(&mut connection.decoder(&mut out, &limits)));
    let Some(larger) = more.get_mut(..black_box(550)) else { return };
    let _ = black_box(inbox.replace(larger));
    inbox.skip(black_box(5));
    black_box((inbox.control().len(), inbox.unread().len(), inbox.space().len()));
    let _ = black_box(inbox.poll(&mut connection.inbound_mut().decoder(&limits)));
}

fn compression<R: Role>(input: &mut [u8], level: Level, connection: Connection<R>) {
    const MOST: Options = Options::new(Level::Best, WindowBits::MIN);
    let _ = black_box(
        black_box(Policy::DEFAULT).answer([&*input]).map(|answer| answer.map(|answer| answer.header)),
    );
    let _ = black_box(black_box(Policy::DEFAULT).verify([&*input]));
    black_box(black_box(Policy::DEFAULT).offer());
    let limits = black_box(Limits::DEFAULT.with_ratio(9));
    let terms = Terms::new(WindowBits::MIN, black_box(true));
    let mut connection = connection.with_compression(Agreement { server: terms, client: terms });
    let options = Options::new(black_box(level), WindowBits::MIN);
    let (mut deflater, mut words, mut octets) = (Deflater::new(), [0; MOST.words()], [0; MOST.octets()]);
    let (mut inflater, mut history, mut sent) = (Inflater::new(), History::new(), History::new());
    let (mut window, mut sent_window) = ([0; WindowBits::MIN.octets()], [0; WindowBits::MIN.octets()]);
    let mut memory = black_box([0; 700]);
    let mut out = Output::new(&mut memory);
    let Ok(codec) = Deflate::new(&mut deflater, &mut words, &mut octets, options, terms) else { return };
    let Ok(mut codec) = codec.with_window(&mut sent, &mut sent_window) else { return };
    let _ = black_box(connection.encode_compressed(&*input, &mut codec, &mut out));
    for flush in [Flush::No, Flush::Sync, Flush::Last] {
        let mut rest = &*input;
        let _ = black_box(connection.fragment_compressed(
            Kind::Text,
            &mut rest,
            black_box(flush),
            &mut codec,
            &mut out,
        ));
    }
    let _ = black_box(connection.head_compressed(Kind::Text, black_box(9), true, &mut out).map(drop));
    let mut prepared = black_box([0; 300]);
    let _ = black_box(
        Prepared::compressed(&*input, &mut codec, &mut prepared).map(|prepared| prepared.frame().len()),
    );
    deflater.reset();
    let mut left = input;
    while let Ok(Step::Event(Event::Data(chunk))) = connection.decode(&mut left, &mut out, &limits) {
        let Ok(mut codec) = Inflate::new(&mut inflater, &mut history, &mut window, terms) else { return };
        let mut output = black_box([0; 100]);
        let mut inflating = Inflating::new(chunk.kind);
        let mut payload = &*chunk.payload;
        let _ = black_box(inflating.inflate(&mut payload, chunk.last, &mut output, &mut codec, &limits));
        let (front, back) = output.split_at_mut(50);
        let mut collector = Collector::new(chunk.kind, front);
        let _ = black_box(collector.inflate(&mut payload, chunk.last, &mut codec, &limits));
        black_box(collector.message());
        let _ = black_box(collector.replace(back));
        black_box(collector.octets().len());
    }
}

fn handshakes(input: &[u8]) {
    let mut out = black_box([0; 512]);
    let mut scanner = HeadScanner::new();
    let _ = black_box(scanner.scan(input, &black_box(HeadLimits::DEFAULT)));
    let _ = black_box(scanner.scan(input, &black_box(HeadLimits::DEFAULT)));
    let rejection = black_box(HandshakeError::NoUpgradeWebSocket).rejection();
    let _ = black_box(rejection.answering(black_box("HEAD")).write(&mut out));
    let nonce = black_box([9; 16]);
    let offer = Offer::new(black_box("example.com"), black_box("/")).with_protocols(black_box(&["a", "b"]));
    let _ = black_box(offer.write(nonce, &mut out));
    let _ = black_box(accept_key(&black_box([b'a'; 24])));
    let _ = black_box(parse_key(input));
    for extension in Extensions::parse(input).flatten() {
        black_box(extension.params().count());
    }
    let _ = black_box(
        utf8::text(input).map(|text| Uri::parse(text).map(|uri| (uri.host(), uri.port(), uri.target()))),
    );
}

fn deadlines() {
    let timeouts = Timeouts::new(black_box(10));
    let mut deadlines = Deadlines::new(black_box(5));
    deadlines.opened(black_box(6));
    deadlines.received(black_box(7));
    deadlines.frame_begun(black_box(8));
    deadlines.write_blocked(black_box(9));
    deadlines.ping_sent(black_box(9));
    black_box(deadlines.pong_received(black_box(10)));
    deadlines.close_begun(black_box(11));
    black_box(deadlines.next_deadline(black_box(12), &timeouts));
    black_box(deadlines.on_time(black_box(13), &timeouts));
}

// What a million connections multiply is as small without std.
const _: () = assert!(size_of::<Connection<Server>>() <= 32);
