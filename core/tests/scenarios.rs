//! What a peer sends and what comes of it, in every cut of the input and with no socket.

mod common;

use common::{Drive, Pair, Seen, client, every_cut, frame, head, masked};
use tightwire::{CloseCode, CloseFrame, Connection, Kind, Limits, Output, Role, SendError, Step, Violation};

const NORMAL: CloseFrame<'static> = CloseFrame { code: CloseCode::NORMAL, reason: "" };

/// A script runs against a server, from a client, and the other way about.
fn both_roles(wire: fn(to_client: bool) -> Vec<u8>, check: fn(&[Seen], Option<Violation>, out: &[u8])) {
    let server = every_cut(&wire(false), || Drive::new(Connection::server()));
    check(&server.seen, server.violation, &server.out);
    let client = every_cut(&wire(true), || Drive::new(client()));
    check(&client.seen, client.violation, &plain(&client.out));
}

fn to(client: bool, first: u8, payload: &[u8]) -> Vec<u8> {
    if client { frame(first, payload) } else { masked(first, [0xA1, 0x0B, 0xC2, 0x7D], payload) }
}

/// What a client wrote, unmasked: as a server would have written it.
fn plain(mut wire: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while let [first, second, key @ ..] = wire {
        let length = usize::from(second & 0x7F);
        assert!(second & 0x80 != 0 && length < 126, "a short masked frame");
        let (key, rest) = key.split_at(4);
        assert_ne!(key, [0; 4]);
        plain.extend([*first, length as u8]);
        plain.extend(rest[..length].iter().zip(key.iter().cycle()).map(|(octet, key)| octet ^ key));
        wire = &rest[length..];
    }
    plain
}

// RFC 6455 5.4, 5.5: control frames stand between the fragments of a message, never inside a frame
#[test]
fn fragments_with_control_frames_between_them() {
    both_roles(
        |client| {
            [
                to(client, 0x01, b"one "),
                to(client, 0x89, b"first"),
                to(client, 0x00, b""),
                to(client, 0x89, b""),
                to(client, 0x8A, b"unasked"),
                to(client, 0x80, b"two"),
                to(client, 0x82, &[5; 130]),
            ]
            .concat()
        },
        |seen, violation, out| {
            let text = |octets, first, last| Seen::part(Kind::Text, octets, first, last);
            assert_eq!(
                seen,
                [
                    text(b"one ", true, false),
                    Seen::Ping(b"first".to_vec()),
                    text(b"", false, false),
                    Seen::Ping(b"".to_vec()),
                    Seen::Pong(b"unasked".to_vec()),
                    text(b"two", false, true),
                    Seen::message(Kind::Binary, &[5; 130]),
                ]
            );
            // RFC 6455 5.5.3: a Pong for each Ping, with its payload
            assert_eq!((violation, out), (None, &b"\x8a\x05first\x8a\x00"[..]));
        },
    );
}

#[test]
fn zero_octets_of_everything() {
    both_roles(
        |client| {
            let first = [0x81, 0x82, 0x01, 0x00, 0x80, 0x02, 0x80, 0x89, 0x8A, 0x88];
            first.iter().flat_map(|&first| to(client, first, b"")).collect()
        },
        |seen, violation, out| {
            let expected = [
                Seen::text(""),
                Seen::message(Kind::Binary, b""),
                Seen::text(""),
                Seen::message(Kind::Binary, b""),
                Seen::Ping(Vec::new()),
                Seen::Pong(Vec::new()),
                Seen::Close(None),
            ];
            assert_eq!((seen, violation), (&expected[..], None));
            // RFC 6455 5.5.1: an empty Close is answered by an empty Close
            assert_eq!(out, b"\x8a\x00\x88\x00");
        },
    );
}

// RFC 6455 8.1: code points may be cut by frames and by reads, anywhere
#[test]
fn text_cut_inside_code_points() {
    both_roles(
        |client| {
            let text = "a\u{e9}\u{20ac}\u{1f600}\u{10ffff}".as_bytes();
            let (last, fragments) = text.split_last().unwrap();
            let mut wire = to(client, 0x01, b"");
            fragments.iter().for_each(|octet| wire.extend(to(client, 0x00, &[*octet])));
            [wire, to(client, 0x80, &[*last]), to(client, 0x81, text)].concat()
        },
        |seen, violation, _| {
            let text = Seen::text("a\u{e9}\u{20ac}\u{1f600}\u{10ffff}");
            assert_eq!((seen, violation), (&[text.clone(), text][..], None));
        },
    );
}

/// Frames that break the protocol, to which end, with what.
fn violations(client: bool) -> Vec<(Vec<u8>, Violation)> {
    let key = if client { None } else { Some([9, 8, 7, 6]) };
    let mask = if client { 0 } else { 0x80 };
    let mut all = vec![
        // RFC 6455 5.1: which direction is masked
        if client {
            (masked(0x81, [1, 2, 3, 4], b"x"), Violation::Masked)
        } else {
            (frame(0x81, b"x"), Violation::NotMasked)
        },
        // RFC 6455 5.5: control frames are whole and of at most 125 octets
        (vec![0x89, mask | 126, 0, 126], Violation::ControlTooLong),
        (vec![0x88, mask | 127, 0, 0, 0, 0, 0, 0, 0, 1], Violation::ControlTooLong),
        (to(client, 0x09, b"x"), Violation::ControlFragmented),
        (to(client, 0x0A, b""), Violation::ControlFragmented),
        (to(client, 0x08, b""), Violation::ControlFragmented),
        // RFC 6455 5.4: what may follow what
        (to(client, 0x80, b"x"), Violation::UnexpectedContinuation),
        (to(client, 0x00, b""), Violation::UnexpectedContinuation),
        ([to(client, 0x01, b"a"), to(client, 0x81, b"b")].concat(), Violation::ExpectedContinuation),
        ([to(client, 0x02, b""), to(client, 0x02, b"")].concat(), Violation::ExpectedContinuation),
        // RFC 6455 5.2: the fewest octets, never the top bit
        (vec![0x82, mask | 126, 0, 125], Violation::LengthNotMinimal),
        (vec![0x82, mask | 127, 0, 0, 0, 0, 0, 0, 255, 255], Violation::LengthNotMinimal),
        (vec![0x82, mask | 127, 128, 0, 0, 0, 0, 0, 0, 1], Violation::LengthTooLarge),
        // RFC 6455 5.5.1, 7.4: the payload of a Close frame
        (to(client, 0x88, b"\x03"), Violation::CloseTooShort),
        (to(client, 0x88, b"\x03\xed"), Violation::InvalidCloseCode),
        (to(client, 0x88, b"\x00\x00"), Violation::InvalidCloseCode),
        (to(client, 0x88, b"\x03\xe8\xc3"), Violation::InvalidUtf8),
        // RFC 6455 8.1: text is UTF-8
        (to(client, 0x81, b"\xc3\x28"), Violation::InvalidUtf8),
        (to(client, 0x81, b"cut \xf0\x9f\x98"), Violation::InvalidUtf8),
        ([to(client, 0x01, b"\xed"), to(client, 0x00, b"\xa0")].concat(), Violation::InvalidUtf8),
        ([to(client, 0x01, b"\xe2\x82"), to(client, 0x80, b"")].concat(), Violation::InvalidUtf8),
        // Limits, by the head alone
        (head(0x82, (1 << 20) + 1, key), Violation::FrameTooLarge),
        (head(0x82, (1 << 63) - 1, key), Violation::FrameTooLarge),
    ];
    // RFC 6455 5.2: reserved bits and opcodes
    all.extend([0x10, 0x20, 0x40].map(|bit| (to(client, 0x81 | bit, b"x"), Violation::ReservedBits)));
    all.extend([0x10, 0x20, 0x40].map(|bit| (to(client, 0x89 | bit, b"x"), Violation::ReservedBits)));
    all.extend(
        [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]
            .map(|op| (to(client, 0x80 | op, b"x"), Violation::ReservedOpcode)),
    );
    all
}

// RFC 6455 7.1.7: each violation is answered with its code, after everything good in front of it, and sticks
#[test]
fn every_violation_ends_the_connection() {
    fn check<R: Role + std::fmt::Debug>(
        client: bool,
        new: impl Fn() -> Connection<R>,
        unmask: fn(&[u8]) -> Vec<u8>,
    ) {
        for (bad, violation) in violations(client) {
            let good =
                [to(client, 0x81, "gr\u{fc}n".as_bytes()), to(client, 0x89, b"p"), to(client, 0x82, b"\xFF")];
            let wire = [&good.concat()[..], &bad, &to(client, 0x81, b"late")].concat();
            let mut end = every_cut(&wire, || Drive::new(new()));
            assert_eq!(end.violation, Some(violation), "{bad:x?}");
            let delivered =
                [Seen::text("gr\u{fc}n"), Seen::Ping(b"p".to_vec()), Seen::message(Kind::Binary, b"\xFF")];
            assert_eq!(end.seen[..3], delivered, "{bad:x?}");
            assert!(end.seen.len() <= 4 && !end.seen.contains(&Seen::text("late")));
            let expected = match violation {
                Violation::InvalidUtf8 => 1007u16,
                Violation::FrameTooLarge => 1009,
                _ => 1002,
            };
            let [high, low] = expected.to_be_bytes();
            assert_eq!(unmask(&end.out), [0x8A, 1, b'p', 0x88, 2, high, low], "{bad:x?}");
            // Law 8: the same answer for ever, and no second Close
            assert!(end.connection.is_finished());
            end.feed(&to(client, 0x81, b"more"));
            assert_eq!((end.violation, end.out.len()), (Some(violation), if client { 15 } else { 7 }));
            let refused = end.connection.encode("late", &mut Output::new(&mut [0; 32]));
            assert_eq!(refused, Err(SendError::Closed));
        }
    }
    check(false, Connection::server, <[u8]>::to_vec);
    check(true, client, plain);
}

// RFC 6455 8.1: the failure comes with the first octet that cannot be continued, not with the frame or message
#[test]
fn text_fails_at_once() {
    let good = "good \u{20ac}".as_bytes();
    for bad in [
        &b"\x80"[..],
        b"\xC0",
        b"\xC1",
        b"\xE0\x9F",
        b"\xED\xA0",
        b"\xF0\x8F",
        b"\xF4\x90",
        b"\xF5",
        b"\xE2\x82\x41",
    ] {
        let wire = [&head(0x01, 1000, Some([0; 4])), good, bad].concat();
        let mut end = Drive::new(Connection::server());
        end.feed(&wire[..wire.len() - 1]);
        assert_eq!(end.violation, None, "{bad:x?}");
        end.feed(&wire[wire.len() - 1..]);
        assert_eq!(end.violation, Some(Violation::InvalidUtf8), "{bad:x?}");
        assert_eq!(end.out, b"\x88\x02\x03\xef");
        let seen = [good, &bad[..bad.len() - 1]].concat();
        assert_eq!(end.seen, [Seen::part(Kind::Text, &seen, true, false)]);
        every_cut(&wire, || Drive::new(Connection::server()));
    }
}

// RFC 6455 5.5.1, 7.1.2: either end begins the closing handshake, or both
#[test]
fn closing_handshakes() {
    let bye = CloseFrame { code: CloseCode::new(4000), reason: "bye" };
    let said = Seen::Close(Some((bye.code, "bye".into())));
    let echoed = Seen::Close(Some((bye.code, String::new())));
    for size in 1..12 {
        let mut pair = Pair::new();
        pair.client.send(|client, out| client.close(Some(bye), out));
        pair.exchange(size);
        assert_eq!((&pair.server.seen, &pair.client.seen), (&vec![said.clone()], &vec![echoed.clone()]));
        assert!(pair.server.connection.is_finished() && pair.client.connection.is_finished());

        let mut pair = Pair::new();
        pair.server.send(|server, out| server.close(Some(bye), out));
        // What was on its way still arrives.
        pair.client.send(|client, out| client.encode("crossing", out));
        pair.exchange(size);
        assert_eq!(pair.server.seen, [Seen::text("crossing"), echoed.clone()]);
        assert_eq!(pair.client.seen, std::slice::from_ref(&said));
        assert!(pair.server.connection.is_finished() && pair.client.connection.is_finished());

        let mut pair = Pair::new();
        pair.server.send(|server, out| server.close(Some(bye), out));
        pair.client.send(|client, out| client.close(None, out));
        assert!(!pair.server.connection.is_finished() && !pair.client.connection.is_finished());
        pair.exchange(size);
        assert_eq!((&pair.server.seen, &pair.client.seen), (&vec![Seen::Close(None)], &vec![said.clone()]));
        assert!(pair.server.connection.is_finished() && pair.client.connection.is_finished());
    }
}

// RFC 6455 5.5.1: nothing counts after a Close frame, not even what would be a violation
#[test]
fn nothing_after_close_counts() {
    both_roles(
        |client| [&to(client, 0x88, b"\x03\xe8"), &to(client, 0x81, b"late")[..], &[0xFF; 200]].concat(),
        |seen, violation, out| {
            assert_eq!(
                (seen, violation),
                (&[Seen::Close(Some((CloseCode::NORMAL, String::new())))][..], None)
            );
            assert_eq!(out, b"\x88\x02\x03\xe8");
        },
    );
    // A Close inside a message ends it too.
    both_roles(
        |client| [to(client, 0x01, b"half"), to(client, 0x88, b""), to(client, 0x80, b"late")].concat(),
        |seen, violation, out| {
            assert_eq!(seen, [Seen::part(Kind::Text, b"half", true, false), Seen::Close(None)]);
            assert_eq!((violation, out), (None, &b"\x88\x00"[..]));
        },
    );
}

// Law 4: a peer that pings and never reads costs nothing
#[test]
fn a_ping_flood_waits_for_output() {
    let ping = masked(0x89, [1, 2, 3, 4], &[7; 125]);
    let mut memory: Vec<u8> = ping.iter().copied().cycle().take(131 * 1000).collect();
    let mut connection = Connection::server();
    let mut input = &mut memory[..];
    let mut room = [0; 300];
    let mut out = Output::new(&mut room);
    for _ in 0..2 {
        let step = connection.decode(&mut input, &mut out, &Limits::DEFAULT);
        assert_eq!(step, Ok(Step::Event(tightwire::Event::Ping(&[7; 125]))));
    }
    for _ in 0..1000 {
        let step = connection.decode(&mut input, &mut out, &Limits::DEFAULT);
        assert_eq!(step, Ok(Step::NeedOutput(127)));
    }
    // Nothing of the third Ping was taken, nor unmasked.
    assert_eq!((input.len(), &input[..131], out.len()), (131 * 998, &ping[..], 254));
    // With the output sent, it goes on.
    let mut answered = 0;
    loop {
        let mut out = Output::new(&mut room);
        while let Step::Event(_) = connection.decode(&mut input, &mut out, &Limits::DEFAULT).unwrap() {
            answered += 1;
        }
        assert_eq!(out.len() % 127, 0);
        if out.is_empty() {
            break;
        }
    }
    assert_eq!((answered, input.len()), (998, 0));
}

#[test]
fn manual_replies_leave_the_output_empty() {
    for client_side in [false, true] {
        let wire = [to(client_side, 0x89, b"a"), to(client_side, 0x88, b"\x03\xe8")].concat();
        if client_side {
            let end = every_cut(&wire, || Drive::new(client().with_manual_replies()));
            assert_eq!((end.seen.len(), &end.out[..]), (2, &b""[..]));
            assert!(!end.connection.is_finished());
        } else {
            let mut end = every_cut(&wire, || Drive::new(Connection::server().with_manual_replies()));
            assert_eq!((end.seen.len(), &end.out[..]), (2, &b""[..]));
            end.send(|server, out| server.pong(b"a", out));
            end.send(|server, out| server.close(Some(NORMAL), out));
            assert_eq!(end.out, b"\x8a\x01a\x88\x02\x03\xe8");
            assert!(end.connection.is_finished());
        }
    }
    let end = every_cut(&[0xFF], || Drive::new(Connection::server().with_manual_replies()));
    assert_eq!((end.violation, &end.out[..]), (Some(Violation::ReservedOpcode), &b""[..]));
}

// Limits: finite by default, each can be raised, and lifted ones are safe
#[test]
fn limits_hold_in_every_cut() {
    let fragments = |count: usize| -> Vec<u8> {
        let mut wire = frame(0x02, b"");
        (1..count).for_each(|_| wire.extend(frame(0x00, b"")));
        wire
    };
    let mut end = Drive::new(client());
    end.feed(&fragments(1024));
    assert_eq!(end.violation, None);
    end.feed(&fragments(2)[2..]);
    assert_eq!(end.violation, Some(Violation::TooManyFragments));
    assert_eq!(plain(&end.out), b"\x88\x02\x03\xf1");
    let mut end = Drive::new(client()).with_limits(Limits::DEFAULT.with_fragments(u32::MAX));
    end.feed(&fragments(20_000));
    assert_eq!(end.violation, None);

    let small = Limits::DEFAULT.with_message(10).with_fragments(4);
    let limited = || Drive::new(client()).with_limits(small);
    let end = every_cut(&[frame(0x82, &[1; 10]), frame(0x82, &[2; 11])].concat(), limited);
    assert_eq!((end.seen.len(), end.violation), (1, Some(Violation::FrameTooLarge)));
    let end = every_cut(&[frame(0x02, &[1; 6]), frame(0x00, &[2; 4]), frame(0x80, &[3])].concat(), limited);
    assert_eq!(end.seen, [Seen::part(Kind::Binary, &[1, 1, 1, 1, 1, 1, 2, 2, 2, 2], true, false)]);
    assert_eq!(end.violation, Some(Violation::MessageTooLarge));
    // Control frames are under no limit but their own.
    let end = every_cut(&frame(0x8A, &[1; 125]), limited);
    assert_eq!(end.violation, None);
}

// Law 3: payload flows through memory of any size, whatever the head declares
#[test]
fn the_largest_frame_flows_through_a_small_buffer() {
    for size in [131, 4096] {
        let mut connection = Connection::server();
        let mut memory = vec![0; size];
        let mut wire = head(0x82, (1 << 63) - 1, Some([0x55; 4]));
        let mut received: u64 = 0;
        for round in 0..200 {
            let filled = wire.len();
            memory[..filled].copy_from_slice(&wire);
            memory[filled..].fill(0x55 ^ round);
            let mut input = &mut memory[..];
            while let Step::Event(event) =
                connection.decode(&mut input, &mut Output::new(&mut []), &Limits::UNLIMITED).unwrap()
            {
                let tightwire::Event::Data(chunk) = event else { panic!("data") };
                assert!(chunk.payload.iter().all(|&octet| octet == round) && !chunk.last);
                assert_eq!(chunk.first, received == 0);
                received += chunk.payload.len() as u64;
            }
            assert!(input.is_empty(), "payload is never left");
            wire.clear();
            assert_eq!(connection.inbound().frame_left(), (1 << 63) - 1 - received);
        }
        assert_eq!(received, 200 * size as u64 - 14);
    }
}

// RFC 7692 6: with compression agreed RSV1 marks the first frame of a message, and only that
#[test]
fn compression_agreed() {
    let agreed = || Drive::new(client().with_compression(common::AGREEMENT));
    let wire = [frame(0x41, b"\xFF"), frame(0x89, b""), frame(0x80, b"\xFE"), frame(0x81, b"plain")].concat();
    let end = every_cut(&wire, agreed);
    let compressed = |octets: &[u8], first, last| Seen::Data {
        kind: Kind::Text,
        octets: octets.into(),
        first,
        last,
        compressed: true,
    };
    let expected = [
        compressed(b"\xFF", true, false),
        Seen::Ping(Vec::new()),
        compressed(b"\xFE", false, true),
        Seen::text("plain"),
    ];
    assert_eq!((&end.seen[..], end.violation), (&expected[..], None));
    for bad in [
        [frame(0x41, b""), frame(0xC0, b"")].concat(),
        frame(0xC9, b""),
        frame(0xC8, b""),
        frame(0xA1, b""),
        frame(0xD1, b""),
    ] {
        assert_eq!(every_cut(&bad, agreed).violation, Some(Violation::ReservedBits), "{bad:x?}");
    }
}

// RFC 6455 5.4: fragments, control frames between them and whole messages, through both ends
#[test]
fn both_ends_agree_on_what_was_sent() {
    let large: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for size in [1, 3, 130, 4096, usize::MAX] {
        let mut pair = Pair::new();
        let mut rest = &large[..];
        while !pair.client.send(|client, out| client.fragments(Kind::Binary, &mut rest, 9999, out)) {
            pair.client.send(|client, out| client.ping(b"between", out));
        }
        pair.client.send(|client, out| client.encode("\u{20ac}", out));
        let mut masker = pair.client.send(|client, out| client.head(Kind::Binary, 5, true, out));
        let mut payload = *b"apart";
        masker.mask(&mut payload);
        pair.client.out.extend(payload);
        pair.server.send(|server, out| server.fragment(Kind::Text, b"a\xE2\x82", false, out));
        pair.server.send(|server, out| server.fragment(Kind::Text, b"\xAC", true, out));
        pair.exchange(size);
        // A Ping after each fragment but the last two, which went out together.
        let mut expected: Vec<Seen> = Vec::new();
        for index in 0..7 {
            let (first, last) = (index == 0, index == 6);
            expected.extend((!first).then(|| Seen::Ping(b"between".to_vec())));
            let end = if last { large.len() } else { 9999 * (index + 1) };
            expected.push(Seen::part(Kind::Binary, &large[9999 * index..end], first, last));
        }
        expected.extend([Seen::text("\u{20ac}"), Seen::message(Kind::Binary, b"apart")]);
        assert!(pair.server.seen == expected, "reads of {size}");
        let pongs = vec![Seen::Pong(b"between".to_vec()); 6];
        assert_eq!(pair.client.seen[..1], [Seen::text("a\u{20ac}")]);
        assert_eq!(pair.client.seen[1..], pongs);
    }
}
