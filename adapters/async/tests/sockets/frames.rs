//! What a peer may not send, and how it may leave.

use super::peer::{BINARY, CLOSE, PING, TEXT, masked, plain, reason};
use super::{Peer, config, echo, served};
use crate::adapter::{Error, Limits, Violation};
use std::io::Write;
use std::thread;

/// The peer sends these octets; gives the error, and the code of the Close frame that answers.
fn violated(limits: Limits, octets: Vec<u8>) -> (Error, u16) {
    let mut config = config();
    config.limits = limits;
    let peer = move |mut peer: Peer| {
        peer.send(&octets);
        peer.closed()
    };
    let (ended, code) = served(config, peer, echo);
    (ended.unwrap_err(), code)
}

// RFC 6455 7.1.7, 7.4.1
#[test]
fn a_violation_is_answered_with_the_close_code_that_says_what_it_was() {
    let cases: [(Vec<u8>, Violation, u16); 16] = [
        (masked(TEXT | 0x40, b"x"), Violation::ReservedBits, 1002),
        (masked(0x83, b""), Violation::ReservedOpcode, 1002),
        (masked(0x8b, b""), Violation::ReservedOpcode, 1002),
        (plain(TEXT, b"x"), Violation::NotMasked, 1002),
        (vec![BINARY, 0xfe, 0, 5], Violation::LengthNotMinimal, 1002),
        (vec![BINARY, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], Violation::LengthTooLarge, 1002),
        (masked(PING, &[0; 126]), Violation::ControlTooLong, 1002),
        (masked(PING & 0x7f, b""), Violation::ControlFragmented, 1002),
        (masked(0x80, b"x"), Violation::UnexpectedContinuation, 1002),
        ([masked(0x01, b"x"), masked(TEXT, b"y")].concat(), Violation::ExpectedContinuation, 1002),
        (masked(CLOSE, &[3]), Violation::CloseTooShort, 1002),
        (masked(CLOSE, &reason(1005, "")), Violation::InvalidCloseCode, 1002),
        (masked(TEXT, b"\xff"), Violation::InvalidUtf8, 1007),
        // The first half of a character, then the end of the message.
        ([masked(0x01, b"\xc3"), masked(0x80, b"")].concat(), Violation::InvalidUtf8, 1007),
        (masked(BINARY, &[0; 5000]), Violation::FrameTooLarge, 1009),
        (masked(0x02, b"").repeat(2000), Violation::ExpectedContinuation, 1002),
    ];
    for (octets, violation, code) in cases {
        let (error, answer) = violated(Limits::DEFAULT.with_message(4096), octets);
        assert!(matches!(error, Error::Violation(found) if found == violation), "{violation:?}: {error:?}");
        assert!(error.is_peer());
        assert_eq!(answer, code, "{violation:?}");
    }
}

#[test]
fn limits_hold_over_fragments() {
    let fragments = |count: usize, octets: usize| {
        let mut frames = masked(0x02, &vec![0; octets]);
        frames.extend(masked(0, &vec![0; octets]).repeat(count));
        frames
    };
    let (error, code) = violated(Limits::DEFAULT.with_message(4096), fragments(10, 1000));
    assert!(matches!(error, Error::Violation(Violation::MessageTooLarge)), "{error:?}");
    assert_eq!(code, 1009);
    let (error, code) = violated(Limits::DEFAULT, fragments(2000, 0));
    assert!(matches!(error, Error::Violation(Violation::TooManyFragments)), "{error:?}");
    assert_eq!(code, 1009);
}

/// The Close frame reaches a peer that goes on sending: the server does not reset the connection under it.
#[test]
fn a_violation_is_answered_while_the_peer_goes_on_sending() {
    let peer = |mut peer: Peer| {
        let mut sender = peer.0.try_clone().unwrap();
        peer.send(&masked(TEXT, b"\xff"));
        let flood = thread::spawn(move || {
            let frame = masked(BINARY, &[0; 1000]);
            (0..1000).try_for_each(|_| sender.write_all(&frame)).map(|()| sender)
        });
        let (first, payload) = peer.frame();
        assert_eq!(first, CLOSE);
        let _ = flood.join().unwrap();
        payload
    };
    let (ended, payload) = served(config(), peer, echo);
    assert!(matches!(ended, Err(Error::Violation(Violation::InvalidUtf8))), "{ended:?}");
    assert_eq!(payload, reason(1007, ""));
}

#[test]
fn good_frames_before_a_violation_are_delivered() {
    let peer = |mut peer: Peer| {
        peer.send(&[masked(TEXT, b"good"), masked(TEXT, b"bad\xff")].concat());
        assert_eq!(peer.frame(), (TEXT, b"good".to_vec()));
        assert_eq!(peer.closed(), 1007);
    };
    let (ended, ()) = served(config(), peer, echo);
    assert!(matches!(ended, Err(Error::Violation(Violation::InvalidUtf8))), "{ended:?}");
}

#[test]
fn a_reset_in_mid_frame_is_abnormal() {
    let peer = |mut peer: Peer| {
        peer.send_frame(TEXT, b"whole");
        assert_eq!(peer.frame().1, b"whole");
        let frame = masked(BINARY, &[7; 100_000]);
        peer.send(&frame[..50_000]);
        peer.reset();
    };
    let config = config();
    let pool = config.pool.clone();
    let (ended, ()) = served(config, peer, echo);
    let error = ended.unwrap_err();
    assert!(matches!(error, Error::Transport(_)), "{error:?}");
    assert!(error.is_abnormal());
    assert!(pool.kept() <= 512 << 10, "{}", pool.kept());
}

/// What came before the end is answered, though the peer will send no more.
#[test]
fn a_half_closed_connection_is_answered_and_then_ended() {
    let peer = |mut peer: Peer| {
        peer.send_frame(TEXT, b"last words");
        peer.end();
        assert_eq!(peer.frame(), (TEXT, b"last words".to_vec()));
        assert_eq!(peer.rest().unwrap(), b"");
    };
    let (ended, ()) = served(config(), peer, echo);
    let error = ended.unwrap_err();
    assert!(matches!(error, Error::Ended), "{error:?}");
    assert!(error.is_abnormal());
}

#[test]
fn an_end_in_mid_frame_is_abnormal() {
    let peer = |mut peer: Peer| {
        peer.send(&masked(BINARY, &[7; 1000])[..500]);
        peer.end();
        assert_eq!(peer.rest().unwrap(), b"");
    };
    let (ended, ()) = served(config(), peer, echo);
    assert!(matches!(ended, Err(Error::Ended)), "{ended:?}");
}

#[test]
fn messages_of_every_size_come_back_whole() {
    let peer = |mut peer: Peer| {
        for octets in [0, 1, 125, 126, 127, 4095, 4096, 4097, 65535, 65536, 65537, 300_000, 1 << 20] {
            let payload: Vec<u8> = (0..octets).map(|at| (at * 31 % 251) as u8).collect();
            peer.send_frame(BINARY, &payload);
            let (first, back) = peer.frame();
            assert_eq!(first, BINARY);
            assert!(back == payload, "{octets}");
        }
        peer.send_frame(CLOSE, &reason(1000, ""));
        assert_eq!(peer.closed(), 1000);
    };
    served(config(), peer, echo).0.unwrap();
}
