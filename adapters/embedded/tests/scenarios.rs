//! What a peer sends and what comes of it: through both faces and both roles, in every cut, in memory alone.

mod common;

use common::{Outcome, SETUP, Seen, Setup, UNLIMITED, every_cut, frame};
use tightwire_embedded::{CloseCode, Config, Error, Kind, Limits, RECEIVE_MIN, TRANSMIT_MIN, Violation};

/// The least storage that a handshake as short as that of the tests needs.
const SMALL: Setup = Setup { receive: 300, transmit: 170, echo: false, config: &UNLIMITED };

/// A script runs against a server, from a client, and the other way about.
fn both_roles(setup: Setup, wire: impl Fn(bool) -> Vec<u8>, check: impl Fn(&Outcome)) {
    for to_client in [false, true] {
        check(&every_cut(to_client, &wire(to_client), setup));
    }
}

// RFC 6455 5.4, 5.5: control frames stand between the fragments of a message
#[test]
fn fragments_with_control_frames_between_them() {
    both_roles(
        SETUP,
        |to| {
            [
                frame(to, 0x01, b"one "),
                frame(to, 0x89, b"first"),
                frame(to, 0x00, b""),
                frame(to, 0x89, b""),
                frame(to, 0x8A, b"unasked"),
                frame(to, 0x80, b"two"),
                frame(to, 0x82, &[5; 130]),
                frame(to, 0x88, b"\x03\xe8bye"),
            ]
            .concat()
        },
        |outcome| {
            assert_eq!(outcome.seen, [Seen::text("one two"), Seen::binary(&[5; 130])]);
            assert_eq!(outcome.closed, Some((CloseCode::NORMAL, "bye".to_owned())));
            // RFC 6455 5.5.3: a Pong for each Ping, with its payload; 5.5.1: the code comes back
            assert_eq!(outcome.error, None);
            assert_eq!(outcome.output, b"\x8a\x05first\x8a\x00\x88\x02\x03\xe8");
        },
    );
}

#[test]
fn zero_octets_of_everything() {
    both_roles(
        SETUP,
        |to| {
            let first = [0x81, 0x82, 0x01, 0x00, 0x80, 0x02, 0x80, 0x89, 0x8A, 0x88];
            first.iter().flat_map(|&first| frame(to, first, b"")).collect()
        },
        |outcome| {
            let binary = Seen::binary(b"");
            assert_eq!(outcome.seen, [Seen::text(""), binary.clone(), Seen::text(""), binary]);
            assert_eq!(outcome.closed, Some((CloseCode::NO_STATUS, String::new())));
            assert_eq!((outcome.error, &outcome.output[..]), (None, &b"\x8a\x00\x88\x00"[..]));
        },
    );
}

// RFC 6455 8.1: code points may be cut by frames, by reads and by the storage, anywhere
#[test]
fn text_cut_inside_code_points() {
    both_roles(
        SETUP,
        |to| {
            let text = "a\u{e9}\u{20ac}\u{1f600}\u{10ffff}".as_bytes();
            let (last, fragments) = text.split_last().unwrap();
            let mut wire = frame(to, 0x01, b"");
            fragments.iter().for_each(|octet| wire.extend(frame(to, 0x00, &[*octet])));
            [wire, frame(to, 0x80, &[*last]), frame(to, 0x81, text), frame(to, 0x88, b"")].concat()
        },
        |outcome| {
            let text = Seen::text("a\u{e9}\u{20ac}\u{1f600}\u{10ffff}");
            assert_eq!((&outcome.seen[..], outcome.error), (&[text.clone(), text][..], None));
        },
    );
}

/// Frames that break the protocol, to which end, with what.
fn violations(to: bool) -> Vec<(Vec<u8>, Violation)> {
    let mask = if to { 0 } else { 0x80 };
    let key = if to { &[][..] } else { &[9, 8, 7, 6] };
    let mut all = vec![
        // RFC 6455 5.1: which direction is masked
        (frame(!to, 0x81, b"x"), if to { Violation::Masked } else { Violation::NotMasked }),
        // RFC 6455 5.5: control frames are whole and of at most 125 octets
        ([&[0x89, mask | 126, 0, 126], key].concat(), Violation::ControlTooLong),
        (frame(to, 0x09, b"x"), Violation::ControlFragmented),
        // RFC 6455 5.4: what may follow what
        (frame(to, 0x80, b"x"), Violation::UnexpectedContinuation),
        ([frame(to, 0x01, b"a"), frame(to, 0x81, b"b")].concat(), Violation::ExpectedContinuation),
        // RFC 6455 5.2: the fewest octets, never the top bit
        ([&[0x82, mask | 126, 0, 125], key].concat(), Violation::LengthNotMinimal),
        ([&[0x82, mask | 127, 128, 0, 0, 0, 0, 0, 0, 1], key].concat(), Violation::LengthTooLarge),
        // RFC 6455 5.5.1, 7.4: the payload of a Close frame
        (frame(to, 0x88, b"\x03"), Violation::CloseTooShort),
        (frame(to, 0x88, b"\x03\xed"), Violation::InvalidCloseCode),
        (frame(to, 0x88, b"\x03\xe8\xff"), Violation::InvalidUtf8),
        // RFC 6455 8.1: fail fast
        (frame(to, 0x01, b"\xff and more to come"), Violation::InvalidUtf8),
        (frame(to, 0x81, b"cut \xe2\x82"), Violation::InvalidUtf8),
        // RFC 6455 5.2: reserved bits
        (frame(to, 0xC1, b"x"), Violation::ReservedBits),
    ];
    // RFC 6455 5.2: reserved opcodes
    all.extend([0x83, 0x87, 0x8B, 0x8F].map(|first| (frame(to, first, b""), Violation::ReservedOpcode)));
    all
}

// RFC 6455 7.1.7: the peer is told before the error is given, and good messages in front of it count
#[test]
fn a_violation_is_told_to_the_peer_first() {
    for to in [false, true] {
        for (bad, violation) in violations(to) {
            let wire = [frame(to, 0x82, b"good"), frame(to, 0x89, b"p"), bad].concat();
            let outcome = every_cut(to, &wire, SMALL);
            assert_eq!(outcome.error, Some(Error::Peer(violation)));
            assert_eq!(outcome.seen.first(), Some(&Seen::binary(b"good")));
            let [high, low] = violation.close_code().number().to_be_bytes();
            assert_eq!(outcome.output, [b"\x8a\x01p\x88\x02", &[high, low][..]].concat(), "{violation:?}");
        }
    }
}

#[test]
fn an_end_without_a_close_frame_is_an_error() {
    both_roles(
        SETUP,
        |to| frame(to, 0x82, b"x"),
        |outcome| {
            assert_eq!((&outcome.seen[..], outcome.error), (&[Seen::binary(b"x")][..], Some(Error::Ended)));
            assert_eq!(outcome.closed, None);
        },
    );
}

// Nothing is lost or refused for being larger than a buffer
#[test]
fn messages_larger_than_the_storage_come_in_pieces() {
    let text: String = "a\u{e9}\u{20ac}\u{1f600}".chars().cycle().take(400).collect();
    let large: Vec<u8> = (0..=255).cycle().take(900).collect();
    both_roles(
        SMALL,
        |to| {
            let (front, back) = text.as_bytes().split_at(333);
            [
                frame(to, 0x01, front),
                frame(to, 0x89, &[7; 125]),
                frame(to, 0x80, back),
                frame(to, 0x82, &large),
                frame(to, 0x81, b"small"),
                frame(to, 0x88, b""),
            ]
            .concat()
        },
        |outcome| {
            assert_eq!(outcome.seen, [Seen::text(&text), Seen::binary(&large), Seen::text("small")]);
            assert_eq!((outcome.error, &outcome.output[..3]), (None, &b"\x8a\x7d\x07"[..]));
        },
    );
}

// RFC 6455 5.4: what is larger than the transmit storage leaves in fragments, each of them as large as that
#[test]
fn what_is_sent_back_is_what_was_received() {
    let large: Vec<u8> = (0..=255).cycle().take(420).collect();
    let text: String = "\u{20ac}".repeat(110);
    let mut wire: Vec<u8> = (0..12).flat_map(|octet| frame(false, 0x82, &[octet; 9])).collect();
    wire.extend(frame(false, 0x82, &large));
    wire.extend(frame(false, 0x89, &[3; 125]));
    wire.extend(frame(false, 0x81, text.as_bytes()));
    wire.extend(frame(false, 0x88, b""));
    let mut expected: Vec<Seen> = (0..12).map(|octet| Seen::binary(&[octet; 9])).collect();
    expected.extend([Seen::binary(&large), Seen::text(&text)]);
    let messages = expected.iter().flat_map(|message| {
        frame(true, if message.kind == Kind::Text { 0x81 } else { 0x82 }, &message.octets)
    });
    let controls = [frame(true, 0x8A, &[3; 125]), frame(true, 0x88, b"")].concat();
    let echoed: Vec<u8> = messages.chain(controls).collect();
    for (receive, transmit) in [(300, TRANSMIT_MIN), (4096, 137)] {
        let setup = Setup { receive, transmit, echo: true, config: &UNLIMITED };
        let outcome = every_cut(false, &wire, setup);
        assert_eq!((&outcome.seen, outcome.error), (&expected, None));
        assert!(outcome.output == echoed, "{receive} {transmit}");
    }
}

// The storage that control frames need is enough for everything
#[test]
fn the_least_storage_is_enough_behind_the_handshake() {
    use common::Pipe;
    use tightwire_embedded::{Connection, Inline, Opening, blocking};
    let text: String = "\u{1f600}".repeat(100);
    let wire = [
        frame(false, 0x01, text.as_bytes()),
        frame(false, 0x89, &[7; 125]),
        frame(false, 0x80, b"end"),
        frame(false, 0x88, &[b"\x03\xe8", &[b'x'; 123][..]].concat()),
    ]
    .concat();
    for most in [1, 2, 130, 131, 1000] {
        let buffers = Inline::<RECEIVE_MIN, TRANSMIT_MIN>::inline();
        let pipe = Pipe::new(&wire[5..]).in_pieces(most);
        let opening = Opening::new(pipe, buffers, &mut []);
        let mut socket = blocking::adopt(opening, Connection::server(), &wire[..5]).unwrap();
        let mut seen = Vec::new();
        while let Some(received) = socket.recv().unwrap() {
            common::push(&mut seen, &received);
        }
        assert_eq!(seen, [Seen::text(&(text.clone() + "end"))]);
        assert_eq!(socket.closed().map(|frame| frame.reason.len()), Some(123));
        let output = socket.into_transport().output;
        assert_eq!(output, [b"\x8a\x7d", &[7; 125][..], b"\x88\x02\x03\xe8"].concat());
    }
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
        for missing in if bad.len() == 3 { 0..2 } else { 0..1 } {
            both_roles(
                SETUP,
                |to| {
                    // No more of its frame ever arrives.
                    let mut wire = frame(to, 0x01, &[good, bad, &[b'x'; 100]].concat());
                    wire.truncate(wire.len() - 100 - missing);
                    wire
                },
                |outcome| {
                    let (error, output) = match missing {
                        0 => (Error::Peer(Violation::InvalidUtf8), &b"\x88\x02\x03\xef"[..]),
                        _ => (Error::Ended, &b""[..]),
                    };
                    assert_eq!((outcome.error, &outcome.output[..]), (Some(error), output), "{bad:x?}");
                },
            );
        }
    }
}

// RFC 6455 5.5.1: nothing counts after a Close frame, not even what would be a violation
#[test]
fn nothing_after_close_counts() {
    both_roles(
        SETUP,
        |to| [&frame(to, 0x88, b"\x03\xe8"), &frame(to, 0x81, b"late")[..], &[0xFF; 200]].concat(),
        |outcome| {
            assert_eq!((&outcome.seen[..], outcome.error), (&[][..], None));
            assert_eq!(outcome.closed, Some((CloseCode::NORMAL, String::new())));
            assert_eq!(outcome.output, b"\x88\x02\x03\xe8");
        },
    );
    // A Close inside a message ends it, too.
    both_roles(
        SETUP,
        |to| [frame(to, 0x01, b"half"), frame(to, 0x88, b""), frame(to, 0x80, b"late")].concat(),
        |outcome| {
            assert_eq!((&outcome.seen[..], outcome.error), (&[][..], None));
            assert_eq!(outcome.output, b"\x88\x00");
        },
    );
}

// Each Pong finds room, though the storage holds one of them
#[test]
fn a_ping_flood_waits_for_output() {
    both_roles(
        SMALL,
        |to| {
            let pings = (0..6).flat_map(|octet| frame(to, 0x89, &[octet; 125]));
            pings.chain(frame(to, 0x88, b"")).collect()
        },
        |outcome| {
            let pongs = (0..6).flat_map(|octet| frame(true, 0x8A, &[octet; 125]));
            let expected: Vec<u8> = pongs.chain(frame(true, 0x88, b"")).collect();
            assert_eq!(outcome.error, None);
            assert!(outcome.output == expected);
        },
    );
}

// A limit refuses what the storage would hold, and nothing else does
#[test]
fn limits_hold_in_every_cut() {
    static LIMITED: Config = Config::new().with_limits(Limits::DEFAULT.with_message(10).with_fragments(4));
    let limited = Setup { config: &LIMITED, ..SETUP };
    for (frames, whole, violation) in [
        (&[(0x82, 10), (0x82, 11)][..], 1, Some(Violation::FrameTooLarge)),
        (&[(0x02, 6), (0x00, 4), (0x80, 1)], 0, Some(Violation::MessageTooLarge)),
        (&[(0x02, 0), (0x00, 0), (0x00, 0), (0x00, 0), (0x80, 0)], 0, Some(Violation::TooManyFragments)),
        // Control frames are under no limit but their own.
        (&[(0x8A, 125), (0x02, 3), (0x80, 7), (0x88, 0)], 1, None),
    ] {
        both_roles(
            limited,
            |to| frames.iter().flat_map(|(first, length)| frame(to, *first, &vec![1; *length])).collect(),
            |outcome| {
                assert_eq!((outcome.seen.len(), outcome.error), (whole, violation.map(Error::Peer)));
                // RFC 6455 7.4.1: 1009, too big to process
                let output = if violation.is_some() { &b"\x88\x02\x03\xf1"[..] } else { b"\x88\x00" };
                assert_eq!(outcome.output, output);
            },
        );
    }
}

// Memory follows the octets that arrive, whatever the head declares
#[test]
fn the_largest_frame_flows_through_small_storage() {
    use common::{Pipe, REQUEST, asynch_server, block_on, blocking_server};
    let head = [&[0x82, 0xFF, 0x7F][..], &[0xFF; 7], &[0; 4]].concat();
    let payload: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let wire = [REQUEST, &head, &payload].concat();
    for most in [1, 299, 100_000] {
        let pipe = Pipe::new(&wire).in_pieces(most);
        for outcome in [
            blocking_server(&mut pipe.clone(), SMALL),
            block_on(asynch_server(&mut pipe.clone().waiting(), SMALL)),
        ] {
            let outcome = outcome.unwrap();
            assert_eq!((outcome.seen.len(), outcome.error), (1, Some(Error::Ended)));
            // The last piece has not become as large as the storage.
            let seen = &outcome.seen[0];
            assert!(payload.starts_with(&seen.octets) && !seen.finished, "pieces of {most}");
            assert!(payload.len() - seen.octets.len() < SMALL.receive, "{}", seen.octets.len());
        }
    }
}
