//! Compressed messages through whole connections: what a peer sends and what comes of it, in every cut of the
//! input and with any room for the output; what is sent, and that the other end has it again.
#![cfg(feature = "deflate")]

mod common;

use common::{Keys, Seen, client, frame, masked, merge, push};
use proptest::prelude::*;
use tightwire::deflate::{
    Agreement, Collector, Deflate, Deflater, Flush, History, Inflate, Inflater, Inflating, Level, Options,
    Status, Terms, WindowBits,
};
use tightwire::{
    Client, Connection, Event, Inbox, Kind, Limits, Message, Outbound, Output, Prepared, Progress, Role,
    SendError, Server, Step, Violation,
};

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fn agreement(bits: u8, takeover: bool) -> Agreement {
    let terms = Terms::new(WindowBits::new(bits).unwrap(), takeover);
    Agreement { server: terms, client: terms }
}

/// A connection with codecs of its own, and all that came of it.
struct End<R> {
    connection: Connection<R>,
    limits: Limits,
    /// The output lent for each call of inflating.
    room: usize,
    inflater: Box<Inflater>,
    received: (History, Vec<u8>),
    inflating: Option<Inflating>,
    deflater: Deflater,
    deflating: (Vec<u16>, Vec<u8>, Options),
    carry: Vec<u8>,
    seen: Vec<Seen>,
    out: Vec<u8>,
    violation: Option<Violation>,
}

fn server_end(agreement: Agreement) -> End<Server> {
    End::new(Connection::server().with_compression(agreement))
}

fn client_end(agreement: Agreement) -> End<Client<Keys>> {
    End::new(client().with_compression(agreement))
}

impl<R: Role> End<R> {
    fn new(connection: Connection<R>) -> Self {
        let options = Options::new(Level::Fastest, WindowBits::MAX);
        Self {
            connection,
            limits: Limits::DEFAULT,
            room: 100_000,
            inflater: Box::default(),
            received: (History::new(), vec![0; 1 << 15]),
            inflating: None,
            deflater: Deflater::new(),
            deflating: (vec![0; options.words()], vec![0; options.octets()], options),
            carry: Vec::new(),
            seen: Vec::new(),
            out: Vec::new(),
            violation: None,
        }
    }

    fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    fn with_room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    fn with_level(mut self, level: Level) -> Self {
        let options = Options::new(level, WindowBits::MAX);
        self.deflating = (vec![0; options.words()], vec![0; options.octets()], options);
        self
    }

    fn feed(&mut self, octets: &[u8]) {
        let mut memory = std::mem::take(&mut self.carry);
        memory.extend_from_slice(octets);
        let mut input = &mut memory[..];
        loop {
            let mut output = [0; 131];
            let mut out = Output::new(&mut output);
            let step = self.connection.decode(&mut input, &mut out, &self.limits);
            self.out.extend_from_slice(out.written());
            match step {
                Ok(Step::Event(Event::Data(chunk))) if chunk.compressed => {
                    if chunk.first {
                        self.inflating = Some(Inflating::new(chunk.kind));
                    }
                    self.inflate(chunk.payload, chunk.last);
                }
                Ok(Step::Event(event)) => push(&mut self.seen, event),
                Ok(Step::NeedInput) => break,
                Ok(Step::NeedOutput(_)) => unreachable!("there is room"),
                Err(violation) => {
                    assert!(self.violation.is_none_or(|earlier| earlier == violation), "failure sticks");
                    self.violation = Some(violation);
                    return;
                }
            }
        }
        self.carry = input.to_vec();
    }

    fn inflate(&mut self, payload: &[u8], last: bool) {
        let terms = self.connection.inbound().compression().expect("it was agreed on");
        let inflating = self.inflating.as_mut().expect("a message begins with its first chunk");
        let (history, window) = &mut self.received;
        let mut codec = Inflate::new(&mut self.inflater, history, window, terms).unwrap();
        let mut input = payload;
        loop {
            let mut output = vec![0; self.room];
            match inflating.inflate(&mut input, last, &mut output, &mut codec, &self.limits) {
                Ok(inflated) => {
                    assert_eq!(inflated.last, inflated.status == Status::End);
                    if inflated.octets > 0 || inflated.last {
                        let kind = inflating.kind();
                        merge(
                            &mut self.seen,
                            Seen::part(kind, &output[..inflated.octets], inflated.first, inflated.last),
                        );
                    }
                    match inflated.status {
                        Status::NeedOutput => assert!(inflated.octets > 0 || self.room == 0),
                        Status::NeedInput => return assert!(input.is_empty() && !last),
                        Status::End => return assert!(last),
                    }
                }
                Err(violation) => {
                    // Law 8: failure sticks
                    let again = inflating.inflate(&mut input, last, &mut output, &mut codec, &self.limits);
                    assert_eq!(again, Err(violation));
                    self.inflater.reset();
                    return self.connection.inbound_mut().fail(violation);
                }
            }
        }
    }

    /// Sends through the connection with `room` octets of output.
    fn send_with<T>(
        &mut self,
        room: usize,
        send: impl FnOnce(&mut Connection<R>, &mut Deflate<'_>, &mut Output<'_>) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let terms = self.connection.outbound().compression().unwrap_or(Terms::new(WindowBits::MAX, false));
        let (words, octets, options) = &mut self.deflating;
        let mut codec = Deflate::new(&mut self.deflater, words, octets, *options, terms).unwrap();
        let mut memory = vec![0; room];
        let mut out = Output::new(&mut memory);
        let sent = send(&mut self.connection, &mut codec, &mut out);
        self.out.extend_from_slice(out.written());
        sent
    }

    fn send<'a>(&mut self, message: impl Into<Message<'a>>) -> bool {
        let message = message.into();
        self.send_with(message.len() + 14, |end, codec, out| end.encode_compressed(message, codec, out))
            .unwrap()
    }

    fn outcome(&self) -> (&[Seen], Option<Violation>, &[u8]) {
        (&self.seen, self.violation, &self.out)
    }
}

fn carry<A, B: Role>(from: &mut End<A>, to: &mut End<B>) {
    let octets = std::mem::take(&mut from.out);
    to.feed(&octets);
}

/// Runs `wire` through servers and clients in every cut and with some rooms: all must agree.
fn every_way(
    wire: impl Fn(&dyn Fn(u8, &[u8]) -> Vec<u8>) -> Vec<u8>,
    agreement: Agreement,
    limits: Limits,
) -> (Vec<Seen>, Option<Violation>) {
    let to_server = wire(&|first, payload| masked(first, [0xA1, 0x0B, 0xC2, 0x7D], payload));
    let to_client = wire(&frame);
    let server = ways(&to_server, || server_end(agreement).with_limits(limits));
    assert_eq!(ways(&to_client, || client_end(agreement).with_limits(limits)), server);
    server
}

fn ways<R: Role>(wire: &[u8], new: impl Fn() -> End<R>) -> (Vec<Seen>, Option<Violation>) {
    let mut whole = new();
    whole.feed(wire);
    for room in [1, 2, 3, 7, 500] {
        let mut octets = new().with_room(room);
        wire.chunks(1).for_each(|octet| octets.feed(octet));
        assert_eq!(octets.outcome(), whole.outcome(), "octet by octet, room {room}");
        for cut in 0..wire.len() {
            let mut once = new().with_room(room);
            once.feed(&wire[..cut]);
            once.feed(&wire[cut..]);
            assert_eq!(once.outcome(), whole.outcome(), "cut at {cut}, room {room}");
        }
    }
    if let Some(violation) = whole.violation {
        // RFC 6455 7.1.7: a fault found while inflating is told to the peer like any other
        let [high, low] = violation.close_code().number().to_be_bytes();
        let close = whole.out.len() - 2;
        if !R::IS_CLIENT {
            assert_eq!(whole.out[close..], [high, low]);
        }
        assert!(whole.connection.is_finished());
    }
    (whole.seen, whole.violation)
}

fn good(wire: impl Fn(&dyn Fn(u8, &[u8]) -> Vec<u8>) -> Vec<u8>, agreement: Agreement) -> Vec<Seen> {
    let (seen, violation) = every_way(wire, agreement, Limits::DEFAULT);
    assert_eq!(violation, None);
    seen
}

// RFC 7692 7.2.3.1, 7.2.3.2: one frame, and a message that refers to the one before
#[test]
fn the_examples_of_one_frame_and_of_takeover() {
    let seen = good(|to| to(0xC1, &HELLO), agreement(15, false));
    assert_eq!(seen, [Seen::text("Hello")]);
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let seen = good(|to| [to(0xC1, &HELLO), to(0xC1, &again)].concat(), agreement(8, true));
    assert_eq!(seen, [Seen::text("Hello"), Seen::text("Hello")]);
    // RFC 7692 7.1.1: without takeover there is nothing to refer to
    let (seen, violation) =
        every_way(|to| [to(0xC1, &HELLO), to(0xC1, &again)].concat(), agreement(8, false), Limits::DEFAULT);
    assert_eq!(seen[0], Seen::text("Hello"));
    assert_eq!(violation, Some(Violation::InvalidCompression));
}

// RFC 7692 7.2.3.1: the same in two frames, with control frames between them (RFC 6455 5.4)
#[test]
fn fragments_with_control_frames_between_them() {
    let seen = good(
        |to| {
            [to(0x41, &HELLO[..3]), to(0x89, b"p"), to(0x00, b""), to(0x8A, b""), to(0x80, &HELLO[3..])]
                .concat()
        },
        agreement(15, false),
    );
    let octets: Vec<u8> = seen
        .iter()
        .flat_map(|event| if let Seen::Data { octets, .. } = event { octets.clone() } else { Vec::new() })
        .collect();
    assert_eq!(octets, b"Hello");
    assert!(seen.contains(&Seen::Ping(b"p".to_vec())) && seen.contains(&Seen::Pong(Vec::new())));
}

// RFC 7692 7.2.3.3 to 7.2.3.6: no compression, a final block, two blocks, an empty message
#[test]
fn the_other_examples() {
    for (payload, text) in [
        (&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00][..], "Hello"),
        (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], "Hello"),
        (&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00], "Hello"),
        (&[0x00], ""),
        // A final block in the middle: the next stream refers to what was before it
        (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf2, 0x00, 0x11, 0x00, 0x00], "HelloHello"),
    ] {
        for takeover in [false, true] {
            let seen = good(|to| [to(0xC1, payload), to(0x81, b"plain")].concat(), agreement(8, takeover));
            assert_eq!(seen, [Seen::text(text), Seen::text("plain")]);
        }
    }
}

// RFC 7692 7.2.2: a message that does not end where its sender has to end it fails the connection with 1007
#[test]
fn what_does_not_inflate() {
    for (payload, good) in [
        (&b""[..], &b""[..]),
        (&[0xff; 5], b""),
        (&HELLO[..5], b"Hell"),
        (&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65], b"He"),
        (&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x06], b"Hello"),
    ] {
        let (seen, violation) = every_way(|to| to(0xC2, payload), agreement(15, false), Limits::DEFAULT);
        assert_eq!(violation, Some(Violation::InvalidCompression), "{payload:x?}");
        // What can be inflated in front of the fault is given first.
        match &seen[..] {
            [] => assert!(good.is_empty(), "{payload:x?}"),
            [Seen::Data { octets, last: false, .. }] => assert!(octets.starts_with(good), "{octets:x?}"),
            other => panic!("{other:?}"),
        }
    }
}

// RFC 7692 6: RSV1 stands on the first frame of a data message only, and only after an agreement
#[test]
fn rsv1_where_it_must_not_be() {
    for (first, second) in [(0x41, 0xC0), (0x02, 0xC0), (0x41, 0xC9), (0xC8, 0x80), (0xCA, 0x80)] {
        let (_, violation) = every_way(
            |to| [to(first, &HELLO[..4]), to(second, b"")].concat(),
            agreement(15, false),
            Limits::DEFAULT,
        );
        assert_eq!(violation, Some(Violation::ReservedBits), "{first:x} {second:x}");
    }
    let mut plain = End::new(Connection::server());
    plain.feed(&masked(0xC1, [1; 4], &HELLO));
    assert_eq!(plain.violation, Some(Violation::ReservedBits));
}

// RFC 7692 6: messages without RSV1 stay legal, and do not enter the window
#[test]
fn uncompressed_messages_between_compressed_ones() {
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let seen = good(
        |to| [to(0xC1, &HELLO), to(0x82, b"other octets"), to(0xC1, &again), to(0x81, b"end")].concat(),
        agreement(9, true),
    );
    let plain = Seen::message(Kind::Binary, b"other octets");
    assert_eq!(seen, [Seen::text("Hello"), plain, Seen::text("Hello"), Seen::text("end")]);
}

/// Octets as stored blocks: what they are is up to the test.
fn stored(octets: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    for piece in octets.chunks(5) {
        payload.push(0);
        payload.extend((piece.len() as u16).to_le_bytes());
        payload.extend((!(piece.len() as u16)).to_le_bytes());
        payload.extend_from_slice(piece);
    }
    payload.push(0);
    payload
}

// RFC 6455 8.1, RFC 7692 6.2: text is judged on the inflated octets, at the first octet that is wrong
#[test]
fn text_is_judged_as_it_appears() {
    let text = "a\u{e9}\u{20ac}\u{1f600}\u{10ffff} and so on";
    assert_eq!(good(|to| to(0xC1, &stored(text.as_bytes())), agreement(15, false)), [Seen::text(text)]);
    for (octets, good) in [
        (&b"good\xFFxx"[..], 4),
        (b"\xFF", 0),
        (b"12345678\xE2\x82x", 10),
        (b"1234\xED\xA0", 5),
        // The message ends inside a code point.
        (b"1234\xE2\x82", 6),
    ] {
        let (seen, violation) =
            every_way(|to| to(0xC1, &stored(octets)), agreement(15, false), Limits::DEFAULT);
        assert_eq!(violation, Some(Violation::InvalidUtf8), "{octets:x?}");
        let expected =
            if good > 0 { vec![Seen::part(Kind::Text, &octets[..good], true, false)] } else { vec![] };
        assert_eq!(seen, expected);
        // The same octets are no fault in a binary message.
        let (_, violation) = every_way(|to| to(0xC2, &stored(octets)), agreement(15, false), Limits::DEFAULT);
        assert_eq!(violation, None);
    }
}

/// A message of `octets` zeros, compressed.
fn zeros(octets: usize) -> Vec<u8> {
    let mut end = server_end(agreement(15, false)).with_level(Level::Best);
    assert!(end.send(&vec![0; octets][..]));
    match end.out[1] {
        126 => end.out.split_off(4),
        127 => end.out.split_off(10),
        _ => end.out.split_off(2),
    }
}

// The limit counts inflated octets: not one over it is written
#[test]
fn a_bomb_stops_at_the_limit() {
    let bomb = zeros(100_000);
    assert!(bomb.len() < 300);
    for limit in [300, 301, 5000, 99_999] {
        let limits = Limits::DEFAULT.with_message(limit);
        let mut expected = None;
        for room in [1, 100, 1000, 1 << 20] {
            for size in [1, 7, 1 << 20] {
                let mut end = server_end(agreement(15, false)).with_limits(limits).with_room(room);
                masked(0xC2, [7; 4], &bomb).chunks(size).for_each(|octets| end.feed(octets));
                let outcome = (end.seen, end.violation);
                assert_eq!(outcome.1, Some(Violation::MessageTooLarge));
                assert_eq!(expected.get_or_insert_with(|| outcome.clone()), &outcome);
            }
        }
        let zeros = vec![0; limit as usize];
        assert_eq!(expected.unwrap().0, [Seen::part(Kind::Binary, &zeros, true, false)]);
    }
    // As many as the limit are not too many, and a fault right behind them is that fault.
    let limits = Limits::DEFAULT.with_message(100_000);
    let mut end = server_end(agreement(15, false)).with_limits(limits);
    end.feed(&masked(0xC2, [7; 4], &bomb));
    assert_eq!((end.violation, end.seen.len()), (None, 1));
    let limits = Limits::DEFAULT.with_message(7);
    let (_, violation) =
        every_way(|to| to(0xC2, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x06]), agreement(15, false), limits);
    assert_eq!(violation, Some(Violation::InvalidCompression));
}

// Octets inflated for each octet received, over the whole message, small messages aside
#[test]
fn the_ratio_is_kept() {
    let limits = Limits::UNLIMITED.with_ratio(50);
    let run = |payload: &[u8], fragment: usize, size: usize, room: usize| {
        let mut end = server_end(agreement(15, false)).with_limits(limits).with_room(room);
        let pieces: Vec<_> = payload.chunks(fragment).collect();
        let mut wire = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            let fin = if index + 1 == pieces.len() { 0x80 } else { 0 };
            wire.extend(masked(fin | if index == 0 { 0x42 } else { 0 }, [3; 4], piece));
        }
        wire.chunks(size).for_each(|octets| end.feed(octets));
        let received = end.seen.iter().map(|seen| match seen {
            Seen::Data { octets, .. } => octets.len(),
            _ => 0,
        });
        (received.sum::<usize>(), end.violation)
    };
    let ways = [(1 << 20, 1 << 20, 1 << 20), (1 << 20, 1, 1000), (40, 11, 777), (333, 1 << 20, 51_200)];
    for (fragment, size, room) in ways {
        // 51,200 octets for the first KiB begun.
        assert_eq!(run(&zeros(51_200), fragment, size, room), (51_200, None));
        assert_eq!(run(&zeros(51_201), fragment, size, room), (51_200, Some(Violation::RatioTooLarge)));
        // Octets that do not compress pay for zeros behind them.
        let mut noise: Vec<u8> = Vec::new();
        let mut state = 1u32;
        for _ in 0..3000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.push((state >> 24) as u8);
        }
        let mut paid = stored(&noise);
        // Without the beginning of the empty block that ends a message.
        paid.pop();
        paid.extend(zeros(150_000));
        assert_eq!(run(&paid, fragment, size, room), (153_000, None));
        let mut unpaid = stored(&noise[..10]);
        unpaid.pop();
        unpaid.extend(zeros(150_000));
        assert_eq!(run(&unpaid, fragment, size, room), (51_200, Some(Violation::RatioTooLarge)));
    }
}

#[test]
fn an_inbox_lends_no_compressed_text_as_text() {
    for size in [1, 4, 100] {
        let mut connection = Connection::server().with_compression(agreement(15, false));
        let wire = [masked(0xC1, [9; 4], &HELLO), masked(0x81, [9; 4], b"plain")].concat();
        let (mut inbox, mut text) = (Inbox::new([0; 256]), Vec::new());
        let mut collected = Collector::new(Kind::Text, vec![0; 1]);
        let (mut inflater, mut history, mut window) = (Inflater::new(), History::new(), [0; 1 << 15]);
        let terms = connection.inbound().compression().unwrap();
        for octets in wire.chunks(size) {
            assert_eq!(inbox.extend(octets), octets.len());
            loop {
                let mut memory = [0; 131];
                let mut out = Output::new(&mut memory);
                match inbox.poll(&mut connection.decoder(&mut out, &Limits::DEFAULT)).unwrap() {
                    Progress::NeedInput => break,
                    Progress::Message => text.push(inbox.message().unwrap().as_str().unwrap().to_owned()),
                    Progress::Chunk { kind, compressed, last, .. } => {
                        assert_eq!((kind, compressed, inbox.message()), (Kind::Text, true, None));
                        let mut codec =
                            Inflate::new(&mut inflater, &mut history, &mut window, terms).unwrap();
                        let mut input = inbox.chunk();
                        while collected.inflate(&mut input, last, &mut codec, &Limits::DEFAULT).unwrap()
                            == Status::NeedOutput
                        {
                            let larger = vec![0; collected.len() + 1];
                            collected.replace(larger).unwrap();
                        }
                        match collected.message() {
                            Some(Message::Text(whole)) if last => text.push(whole.as_str().to_owned()),
                            other => assert!(other.is_none() && !last),
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(text, ["Hello", "plain"]);
        assert_eq!(collected.replace(vec![0; 4]).unwrap_err().len(), 4);
        assert_eq!(collected.into_storage()[..5], *b"Hello");
    }
}

/// Messages that resemble each other.
fn chatter(count: usize) -> Vec<String> {
    (0..count)
        .map(|index| {
            format!(
                "{{\"user\":\"ada\",\"number\":{index},\"text\":\"{}\"}}",
                "so it goes ".repeat(index % 7)
            )
        })
        .collect()
}

// RFC 7692 7.1: both directions, with and without takeover, every window
#[test]
fn both_ends_understand_each_other() {
    for bits in 8..=15 {
        for takeover in [false, true] {
            for level in [Level::Fastest, Level::Fast, Level::Balanced, Level::Best] {
                let mut server = server_end(agreement(bits, takeover)).with_level(level);
                let mut client = client_end(agreement(bits, takeover)).with_level(level).with_room(13);
                let (mut expected, mut compressed) = (Vec::new(), 0);
                for text in chatter(30) {
                    compressed += usize::from(server.send(&*text)) + usize::from(client.send(&*text));
                    expected.push(Seen::text(&text));
                    carry(&mut server, &mut client);
                    carry(&mut client, &mut server);
                }
                assert!(compressed > 20, "{bits} {takeover} {level:?}: {compressed}");
                assert_eq!((&server.seen, server.violation), (&expected, None));
                assert_eq!((&client.seen, client.violation), (&expected, None));
            }
        }
    }
}

// RFC 7692 6.1: what does not shrink goes out as it is, and is not referred to
#[test]
fn what_does_not_shrink_goes_out_as_it_is() {
    let mut server = server_end(agreement(15, true));
    let mut client = client_end(agreement(15, true));
    let texts = ["aaaaaaaaaaaaaaaaaaaaaaaa", "qwertzuiop", "aaaaaaaaaaaaqwertzuiop", "", "x"];
    let compressed: Vec<_> = texts.iter().map(|&text| server.send(text)).collect();
    assert_eq!(compressed, [true, false, true, false, false]);
    carry(&mut server, &mut client);
    assert_eq!(client.seen, texts.map(Seen::text));
}

// Law 5: whole frames, all or nothing, and NeedsSpace names what is enough
#[test]
fn every_shortage_of_room_changes_nothing() {
    for (text, shrinks) in
        [("as you like it, as you like it, as you like it", true), ("0123456789abcdef", false)]
    {
        let mut whole = server_end(agreement(15, true));
        assert_eq!(whole.send(text), shrinks);
        for room in 0..text.len() + 2 {
            let mut server = server_end(agreement(15, true));
            let mut client = client_end(agreement(15, true));
            let sent = server.send_with(room, |end, codec, out| end.encode_compressed(text, codec, out));
            // A compressed message needs the head it would have had uncompressed, and then less.
            if room < whole.out.len() {
                assert_eq!(sent, Err(SendError::NeedsSpace(text.len() + 2)), "{room}");
                assert!(server.out.is_empty() && server.connection.outbound().may_begin().is_ok());
                server.send(text);
            }
            carry(&mut server, &mut client);
            assert_eq!(client.seen, [Seen::text(text)], "{room}");
        }
    }
}

// RFC 6455 5.2: every form of length, in front of a payload that has become shorter
#[test]
fn heads_of_every_length() {
    for length in [100, 126, 127, 200, 0xFFFF, 0x1_0000, 0x1_0001, 300_000] {
        let text: String =
            (0..length).map(|index| char::from(b'a' + (index % 23 * index / 1000 % 26) as u8)).collect();
        let mut server = server_end(agreement(15, false));
        let mut client = client_end(agreement(15, false));
        server.send(&*text);
        client.send(text.as_bytes());
        assert!(server.out.len() < length);
        carry(&mut server, &mut client);
        carry(&mut client, &mut server);
        assert_eq!(client.seen, [Seen::text(&text)]);
        assert_eq!(server.seen, [Seen::message(Kind::Binary, text.as_bytes())]);
    }
}

/// Sends `payload` in frames with `room` octets of output for each, and a Ping between them.
fn stream<R: Role>(end: &mut End<R>, payload: &[u8], piece: usize, room: usize, flush: Flush) {
    let pieces: Vec<_> = if payload.is_empty() { vec![payload] } else { payload.chunks(piece).collect() };
    for (index, mut rest) in pieces.iter().copied().enumerate() {
        let flush = if index + 1 == pieces.len() { Flush::Last } else { flush };
        loop {
            let done = end
                .send_with(room, |end, codec, out| {
                    end.fragment_compressed(Kind::Binary, &mut rest, flush, codec, out)
                })
                .unwrap();
            end.send_with(10, |end, _, out| end.pong(b"", out)).unwrap();
            if done {
                break;
            }
        }
        assert!(rest.is_empty());
    }
}

// RFC 7692 6.1: streamed messages, with control frames between their frames
#[test]
fn streams_arrive_whole() {
    let payload: Vec<u8> = chatter(200).concat().into_bytes();
    for level in [Level::Fastest, Level::Balanced] {
        for (piece, room) in [(1, 30), (100, 33), (1000, 200), (1 << 20, 30), (1 << 20, 70_000), (7000, 500)]
        {
            for flush in [Flush::No, Flush::Sync] {
                let mut server = server_end(agreement(10, true)).with_level(level);
                let mut client = client_end(agreement(10, true)).with_level(level);
                for _ in 0..2 {
                    stream(&mut server, &payload, piece, room, flush);
                    stream(&mut client, &payload, piece, room, flush);
                    stream(&mut server, b"", piece, room, flush);
                }
                server.limits = server.limits.with_fragments(u32::MAX);
                client.limits = client.limits.with_fragments(u32::MAX);
                carry(&mut server, &mut client);
                carry(&mut client, &mut server);
                let data = |seen: &[Seen]| -> (Vec<u8>, usize) {
                    seen.iter().fold((Vec::new(), 0), |(mut all, ends), event| match event {
                        Seen::Data { octets, last, .. } => {
                            all.extend_from_slice(octets);
                            (all, ends + usize::from(*last))
                        }
                        _ => (all, ends),
                    })
                };
                assert_eq!((client.violation, data(&client.seen)), (None, (payload.repeat(2), 4)));
                assert_eq!((server.violation, data(&server.seen)), (None, (payload.repeat(2), 2)));
            }
        }
    }
}

// RFC 7692 6.1: RSV1 on the first frame of a message only; RFC 6455 5.4: one message at a time
#[test]
fn a_streamed_message_is_one_message() {
    let mut server = server_end(agreement(15, false)).with_level(Level::Best);
    let first = |out: &mut Vec<u8>| std::mem::take(out).first().copied();
    // The codec holds the beginning back: there is no frame yet, but there is a message.
    let mut payload = &b"abc"[..];
    let fragment = |end: &mut End<Server>, kind, payload: &mut &[u8], flush| {
        end.send_with(64, |end, codec, out| end.fragment_compressed(kind, payload, flush, codec, out))
    };
    assert_eq!(fragment(&mut server, Kind::Text, &mut payload, Flush::No), Ok(true));
    assert!(server.out.is_empty() && payload.is_empty());
    for _ in 0..2 {
        assert_eq!(server.connection.outbound().open_message(), Some(Kind::Text));
        let busy = Err(SendError::MessageOpen);
        assert_eq!(server.send_with(64, |end, _, out| end.encode("x", out)), busy);
        assert_eq!(server.send_with(64, |end, _, out| end.fragment(Kind::Text, b"x", false, out)), busy);
        assert_eq!(
            server.send_with(64, |end, codec, out| end.encode_compressed("x", codec, out).map(drop)),
            busy
        );
        assert_eq!(fragment(&mut server, Kind::Binary, &mut payload, Flush::No).map(drop), busy);
        server.send_with(64, |end, _, out| end.ping(b"", out)).unwrap();
        assert_eq!(first(&mut server.out), Some(0x89));
        payload = b"def";
        assert_eq!(fragment(&mut server, Kind::Text, &mut payload, Flush::Sync), Ok(true));
        assert!(matches!(first(&mut server.out), Some(0x41 | 0x00)));
    }
    assert_eq!(fragment(&mut server, Kind::Text, &mut payload, Flush::Last), Ok(true));
    assert_eq!(first(&mut server.out), Some(0x80));
    // The other way about: a plain message cannot go on compressed.
    server.send_with(64, |end, _, out| end.fragment(Kind::Text, b"x", false, out)).unwrap();
    assert_eq!(fragment(&mut server, Kind::Text, &mut payload, Flush::No), Err(SendError::MessageOpen));
    let head = |end: &mut End<Server>, fin| {
        end.send_with(64, |end, _, out| {
            end.head_compressed(Kind::Text, 7, fin, out).map(|masker| masker.is_needed())
        })
    };
    assert_eq!(head(&mut server, true), Err(SendError::MessageOpen));
    server.send_with(64, |end, _, out| end.fragment(Kind::Text, b"", true, out)).unwrap();
    server.out.clear();
    assert_eq!((head(&mut server, false), head(&mut server, true)), (Ok(false), Ok(false)));
    assert_eq!(server.out, [0x41, 7, 0x80, 7]);
    let short = server.send_with(20, |end, codec, out| {
        end.fragment_compressed(Kind::Text, &mut &b"x"[..], Flush::Last, codec, out)
    });
    assert_eq!(short, Err(SendError::NeedsSpace(30)));
    assert_eq!(server.connection.outbound().open_message(), None);
}

// RFC 7692 7.1: nothing is compressed that was not agreed on
#[test]
fn only_what_was_agreed_on_is_sent() {
    let refused = Err(SendError::CompressionNotAgreed);
    let mut plain = End::new(Connection::server());
    assert_eq!(
        plain.send_with(64, |end, codec, out| end.encode_compressed("x", codec, out).map(drop)),
        refused
    );
    let streamed = plain.send_with(64, |end, codec, out| {
        end.fragment_compressed(Kind::Text, &mut &b"x"[..], Flush::Last, codec, out).map(drop)
    });
    assert_eq!(streamed, refused);
    assert_eq!(
        plain.send_with(64, |end, _, out| end.head_compressed(Kind::Text, 1, true, out).map(drop)),
        refused
    );
    assert!(plain.out.is_empty());
    // A codec of wider terms than those of the connection
    for (codec_terms, agreed, fits) in [
        (agreement(9, false), agreement(9, false), true),
        (agreement(9, false), agreement(15, true), true),
        (agreement(10, false), agreement(9, false), false),
        (agreement(9, true), agreement(9, false), false),
    ] {
        let mut half = Outbound::new(Server).with_compression(agreed.server);
        let mut end = server_end(codec_terms);
        let sent = end
            .send_with(64, |_, codec, out| half.encode_compressed("aaaaaaaaaaaaaaaa", codec, out).map(drop));
        assert_eq!(sent, if fits { Ok(()) } else { refused });
    }
}

// RFC 7692 7.1.2: a prepared message goes to whoever can inflate it
#[test]
fn a_prepared_message_is_compressed_once() {
    let text = chatter(20).concat();
    let mut maker = server_end(agreement(10, false));
    let mut memory = vec![0; text.len() + 10];
    let (words, octets, options) = &mut maker.deflating;
    let mut codec =
        Deflate::new(&mut maker.deflater, words, octets, *options, agreement(10, false).server).unwrap();
    let prepared = Prepared::compressed(&*text, &mut codec, &mut memory).unwrap();
    assert_eq!(prepared.compression(), Some(agreement(10, false).server));
    assert!(prepared.frame().len() < text.len() / 2 && prepared.frame()[0] == 0xC1);
    let send = |agreed: Option<Agreement>| {
        let connection = Connection::server();
        let mut end = End::new(if let Some(agreed) = agreed {
            connection.with_compression(agreed)
        } else {
            connection
        });
        end.send_with(text.len(), |end, _, out| end.prepared(&prepared, out)).map(|()| end)
    };
    let refused = Some(SendError::CompressionNotAgreed);
    assert_eq!(send(None).err(), refused);
    assert_eq!(send(Some(agreement(9, false))).err(), refused);
    // The codec of a connection with takeover does not know what its peer has seen.
    assert_eq!(send(Some(agreement(15, true))).err(), refused);
    for bits in 10..=15 {
        let mut server = send(Some(agreement(bits, false))).ok().unwrap();
        let mut client = client_end(agreement(bits, false));
        carry(&mut server, &mut client);
        assert_eq!(client.seen, [Seen::text(&text)]);
    }
    // What does not shrink is prepared as it is, and everyone can have it.
    let mut memory = [0; 16];
    let prepared = Prepared::compressed("abc", &mut codec, &mut memory).unwrap();
    assert_eq!((prepared.frame(), prepared.compression()), (&b"\x81\x03abc"[..], None));
    let (words, octets, options) = &mut maker.deflating;
    let mut codec =
        Deflate::new(&mut maker.deflater, words, octets, *options, agreement(10, true).server).unwrap();
    let mut memory = [0; 16];
    assert_eq!(
        Prepared::compressed("abc", &mut codec, &mut memory).err(),
        Some(SendError::CompressionNotAgreed)
    );
}

#[test]
fn compression_costs_an_idle_connection_nothing() {
    // Elsewhere it is smaller.
    #[cfg(target_pointer_width = "64")]
    assert_eq!((size_of::<Connection<Server>>(), size_of::<Inflating>()), (32, 32));
    assert!(size_of::<Connection<Server>>() <= 32 && size_of::<Inflating>() <= 32);
    let connection = Connection::server().with_compression(agreement(9, false));
    assert_eq!(connection.inbound().compression(), Some(agreement(9, false).client));
    assert_eq!(connection.outbound().compression(), Some(agreement(9, false).server));
}

/// A compressed payload, good or damaged.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let inflated = prop_oneof![
        3 => "\\PC{0,60}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => (0usize..3000).prop_map(|length| b"na ".repeat(length)),
    ];
    let damage = prop_oneof![4 => Just(None), 1 => any::<(prop::sample::Index, u8)>().prop_map(Some)];
    let level = prop::sample::select(vec![Level::Fastest, Level::Fast, Level::Balanced]);
    (inflated, damage, level).prop_map(|(octets, damage, level)| {
        let mut end = server_end(agreement(15, false)).with_level(level);
        stream(&mut end, &octets, 1 << 20, 1 << 15, Flush::No);
        let mut payload = match end.out[1] {
            126 => end.out.split_off(4),
            _ => end.out.split_off(2),
        };
        // Without the Pong behind it.
        payload.truncate(payload.len() - 2);
        if let Some((at, octet)) = damage
            && !payload.is_empty()
        {
            let at = at.index(payload.len());
            payload[at] = octet;
        }
        payload
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_and_any_room_is_the_same(
        script in proptest::collection::vec((payload(), any::<bool>(), any::<bool>(), any::<prop::sample::Index>()), 1..5),
        cuts in proptest::collection::vec(1usize..200, 1..12),
        room in 1usize..300,
        bits in 8u8..=15,
        takeover in any::<bool>(),
        limits in prop_oneof![
            Just(Limits::DEFAULT),
            Just(Limits::UNLIMITED.with_ratio(5)),
            (0u64..4000).prop_map(|octets| Limits::DEFAULT.with_message(octets)),
        ],
    ) {
        let mut wire = Vec::new();
        for (payload, text, split, at) in &script {
            let kind = if *text { 1 } else { 2 };
            if *split {
                let (front, back) = payload.split_at(at.index(payload.len() + 1));
                wire.extend(frame(0x40 | kind, front));
                wire.extend(frame(0x89, b"ping"));
                wire.extend(frame(0x80, back));
            } else {
                wire.extend(frame(0xC0 | kind, payload));
            }
        }
        let mut whole = client_end(agreement(bits, takeover)).with_limits(limits);
        whole.feed(&wire);
        let mut cut = client_end(agreement(bits, takeover)).with_limits(limits).with_room(room);
        let mut rest = &wire[..];
        for size in cuts.iter().cycle() {
            let (front, back) = rest.split_at((*size).min(rest.len()));
            cut.feed(front);
            rest = back;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(whole.outcome().0, cut.outcome().0);
        prop_assert_eq!(whole.violation, cut.violation);
    }
}
