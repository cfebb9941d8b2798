//! What a peer sends, and what comes of it.

use crate::common::{Seen, masked};
use crate::ends::{End, HELLO, agreement, every_way, good, server_end};
use tightwire::deflate::{Collector, History, Inflate, Inflater, Level, Status};
use tightwire::{Connection, Inbox, Kind, Limits, Message, Output, Progress, Violation};

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
pub(crate) fn stored(octets: &[u8]) -> Vec<u8> {
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
pub(crate) fn zeros(octets: usize) -> Vec<u8> {
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

#[test]
fn a_collector_that_is_cleared_lends_parts_and_no_message() {
    let terms = agreement(15, false).client;
    let (mut inflater, mut history, mut window) = (Inflater::new(), History::new(), [0; 1 << 15]);
    let mut codec = Inflate::new(&mut inflater, &mut history, &mut window, terms).unwrap();
    let mut collected = Collector::new(Kind::Text, [0; 2]);
    // Nothing was taken yet.
    collected.clear();
    let (mut input, mut parts) = (&HELLO[..], Vec::new());
    while collected.inflate(&mut input, true, &mut codec, &Limits::DEFAULT).unwrap() == Status::NeedOutput {
        parts.push(collected.octets().to_vec());
        collected.clear();
    }
    parts.push(collected.octets().to_vec());
    assert_eq!(parts, [&b"He"[..], b"ll", b"o"]);
    // The end of a text is not the text.
    assert_eq!(collected.message(), None);
}
