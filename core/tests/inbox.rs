//! Whole messages in the caller's storage: what an inbox delivers, in any storage and any reads.

mod common;

use common::{Keys, client, frame, masked};
use tightwire::{
    Client, Connection, Inbound, Inbox, Kind, Limits, Message, Output, Progress, Server, Violation,
};

type Half = Inbound<Client<Keys>>;
const LIMITS: Limits = Limits::UNLIMITED;

fn poll<S: AsRef<[u8]> + AsMut<[u8]>>(inbox: &mut Inbox<S>, half: &mut Half) -> Progress {
    inbox.poll(&mut half.decoder(&LIMITS)).unwrap()
}

fn poll_chunk<S: AsRef<[u8]> + AsMut<[u8]>>(inbox: &mut Inbox<S>, half: &mut Half) -> Progress {
    inbox.poll_chunk(&mut half.decoder(&LIMITS)).unwrap()
}

/// Reads of at most `size` octets until all of `wire` is in, polled in between: what came of it.
fn read<S: AsRef<[u8]> + AsMut<[u8]>>(
    inbox: &mut Inbox<S>,
    mut wire: &[u8],
    size: usize,
) -> Vec<(Progress, Vec<u8>)> {
    let (mut half, mut seen) = (Half::new(), Vec::new());
    loop {
        match poll(inbox, &mut half) {
            Progress::NeedInput if wire.is_empty() => return seen,
            Progress::NeedInput => {
                let taken = inbox.extend(&wire[..size.min(wire.len())]);
                assert!(taken > 0, "no space");
                wire = &wire[taken..];
            }
            Progress::Message => {
                seen.push((Progress::Message, inbox.message().unwrap().octets().to_vec()));
            }
            control => seen.push((control, inbox.control().to_vec())),
        }
    }
}

fn script() -> (Vec<u8>, Vec<(Progress, Vec<u8>)>) {
    let long: Vec<u8> = (0..200).collect();
    let wire = [
        frame(0x81, "gr\u{fc}n".as_bytes()),
        frame(0x01, b"a\xE2"),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x00, b"\x82"),
        frame(0x8A, b""),
        frame(0x80, b"\xAC!"),
        frame(0x82, &long),
        frame(0x02, b""),
        frame(0x80, b""),
        frame(0x82, b"x"),
        frame(0x88, b"\x03\xe8bye"),
    ]
    .concat();
    let seen = [
        (Progress::Message, "gr\u{fc}n".into()),
        (Progress::Ping, b"ping".to_vec()),
        (Progress::Pong, Vec::new()),
        (Progress::Message, "a\u{20ac}!".into()),
        (Progress::Message, long),
        (Progress::Message, Vec::new()),
        (Progress::Message, b"x".to_vec()),
        (Progress::Close, b"\x03\xe8bye".to_vec()),
    ];
    (wire, seen.into())
}

#[test]
fn every_size_of_read_in_every_storage() {
    let (wire, seen) = script();
    for size in 1..=wire.len() {
        assert_eq!(read(&mut Inbox::new([0; 512]), &wire, size), seen);
        assert_eq!(read(&mut Inbox::new(vec![0; 220]), &wire, size), seen);
        assert_eq!(read(&mut Inbox::new(&mut [0; 204][..]), &wire, size), seen);
    }
}

#[test]
fn a_message_too_large_moves_to_larger_storage() {
    let payload: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let wire = [frame(0x02, &payload[..500]), frame(0x89, b"hi"), frame(0x80, &payload[500..])].concat();
    for first in 131..1020 {
        let (mut inbox, mut half) = (Inbox::new(vec![0; first]), Half::new());
        let (mut rest, mut pings) = (&wire[..], 0);
        loop {
            match poll(&mut inbox, &mut half) {
                Progress::Message => break,
                Progress::Ping => pings += 1,
                _ if inbox.space().is_empty() => {
                    let held = inbox.len();
                    // Storage too small is given back and nothing has changed.
                    assert_eq!(inbox.replace(vec![0; held - 1]).unwrap_err().len(), held - 1);
                    let old = inbox.replace(vec![0; held + 50]).unwrap();
                    assert_eq!(inbox.len(), held);
                    assert!(old.len() < held + 50);
                }
                _ => {
                    let taken = inbox.extend(&rest[..rest.len().min(17)]);
                    rest = &rest[taken..];
                }
            }
        }
        assert_eq!((inbox.message().unwrap().octets(), pings), (&payload[..], 1));
        assert!(inbox.is_empty());
        // A delivered message is not kept.
        inbox.replace(Vec::new()).unwrap();
        assert_eq!(inbox.message(), None);
        assert!(inbox.space().is_empty());
    }
}

#[test]
fn an_unfinished_message_can_be_taken_in_chunks() {
    let (mut inbox, mut half) = (Inbox::new([0; 64]), Half::new());
    inbox.extend(&[frame(0x01, b"a\xE2"), b"\x00\x05\x82\xAC".to_vec()].concat());
    assert_eq!(poll(&mut inbox, &mut half), Progress::NeedInput);
    assert_eq!((inbox.message(), inbox.chunk(), inbox.len()), (None, &b""[..], 4));
    let (kind, last) = (Kind::Text, false);
    assert_eq!(
        poll_chunk(&mut inbox, &mut half),
        Progress::Chunk { kind, first: true, last, compressed: false }
    );
    // Not a message: it ends inside a code point, or could.
    assert_eq!((inbox.chunk(), inbox.message(), inbox.len()), ("a\u{20ac}".as_bytes(), None, 0));
    assert_eq!(poll_chunk(&mut inbox, &mut half), Progress::NeedInput);
    inbox.extend(b"bcd");
    assert_eq!(
        poll_chunk(&mut inbox, &mut half),
        Progress::Chunk { kind, first: false, last, compressed: false }
    );
    inbox.extend(&[frame(0x8A, b"!"), frame(0x00, b""), frame(0x80, b"d"), frame(0x82, b"e")].concat());
    // What began in chunks ends in chunks, also for poll.
    assert_eq!(poll(&mut inbox, &mut half), Progress::Pong);
    assert_eq!((inbox.control(), inbox.chunk()), (&b"!"[..], &b""[..]));
    assert_eq!(poll(&mut inbox, &mut half), Progress::Chunk { kind, first: false, last, compressed: false });
    assert_eq!(
        poll(&mut inbox, &mut half),
        Progress::Chunk { kind, first: false, last: true, compressed: false }
    );
    assert_eq!((inbox.chunk(), inbox.message()), (&b"d"[..], None));
    assert_eq!(poll(&mut inbox, &mut half), Progress::Message);
    assert_eq!((inbox.message(), inbox.chunk()), (Some(Message::from(b"e")), &b""[..]));
}

#[test]
fn an_empty_beginning_is_a_beginning() {
    let (mut inbox, mut half) = (Inbox::new([0; 64]), Half::new());
    inbox.extend(&[frame(0x02, b""), frame(0x00, b"")].concat());
    assert_eq!(poll(&mut inbox, &mut half), Progress::NeedInput);
    inbox.extend(&frame(0x80, b"a"));
    let chunk = Progress::Chunk { kind: Kind::Binary, first: true, last: true, compressed: false };
    assert_eq!(poll_chunk(&mut inbox, &mut half), chunk);
    assert_eq!(inbox.chunk(), b"a");
}

// Law 2: 131 octets are enough for messages of any length and every control frame, masked too
#[test]
fn the_smallest_storage_streams() {
    let mut wire = vec![0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    wire.resize(14 + 0x1_0000, 7);
    wire.extend([0x89, 0xFD, 0, 0, 0, 0]);
    wire.resize(wire.len() + 125, 8);
    for size in [1, 6, 130, 131, 1000] {
        let (mut inbox, mut connection) = (Inbox::new([0; 131]), Connection::server());
        let (mut rest, mut octets, mut pinged) = (&wire[..], 0, false);
        while !pinged {
            let mut output = [0; 131];
            let mut out = Output::new(&mut output);
            match inbox.poll_chunk(&mut connection.decoder(&mut out, &LIMITS)).unwrap() {
                Progress::Chunk { .. } => octets += inbox.chunk().len(),
                Progress::Ping => pinged = inbox.control() == [8; 125] && out.len() == 127,
                _ => {
                    let taken = inbox.extend(&rest[..rest.len().min(size)]);
                    assert!(taken > 0);
                    rest = &rest[taken..];
                }
            }
        }
        assert_eq!((octets, rest.len()), (0x1_0000, 0));
    }
}

#[test]
fn a_reply_without_room_is_asked_for_again() {
    let (mut inbox, mut connection) = (Inbox::new([0; 64]), Connection::<Server>::server());
    inbox.extend(b"\x89\x81\0\0\0\0a\x82\x81\0\0\0\0b");
    let mut none = Output::new(&mut []);
    for _ in 0..3 {
        assert_eq!(inbox.poll(&mut connection.decoder(&mut none, &LIMITS)), Ok(Progress::NeedOutput(3)));
        assert_eq!((inbox.len(), inbox.control()), (14, &b""[..]));
        assert!(!inbox.space().is_empty());
    }
    let mut memory = [0; 3];
    let mut out = Output::new(&mut memory);
    assert_eq!(inbox.poll(&mut connection.decoder(&mut out, &LIMITS)), Ok(Progress::Ping));
    assert_eq!((inbox.control(), out.written()), (&b"a"[..], &b"\x8a\x01a"[..]));
    assert_eq!(inbox.poll(&mut connection.decoder(&mut none, &LIMITS)), Ok(Progress::Message));
    assert_eq!(inbox.message(), Some(Message::from(b"b")));
}

#[test]
fn a_close_frame_is_lent() {
    let mut inbox = Inbox::new([0; 64]);
    let mut connection = client();
    let mut memory = [0; 131];
    let mut out = Output::new(&mut memory);
    inbox.extend(&frame(0x88, b"\x03\xe9leaving"));
    assert_eq!(inbox.poll(&mut connection.decoder(&mut out, &LIMITS)), Ok(Progress::Close));
    let frame = inbox.close_frame().unwrap();
    assert_eq!((frame.code.number(), frame.reason), (1001, "leaving"));
    // RFC 6455 5.5.1: nothing is delivered after Close
    inbox.extend(b"\x81\x01a");
    assert_eq!(inbox.poll(&mut connection.decoder(&mut out, &LIMITS)), Ok(Progress::NeedInput));
    assert_eq!((inbox.is_empty(), inbox.close_frame()), (true, None));
}

// Law 8: the good message in front of a fault is delivered, and the failure sticks
#[test]
fn a_violation_comes_after_what_was_good() {
    let (mut inbox, mut half) = (Inbox::new([0; 64]), Half::new());
    inbox.extend(&[frame(0x81, b"ok"), frame(0x81, b"no\xFF"), frame(0x81, b"x")].concat());
    assert_eq!(poll(&mut inbox, &mut half), Progress::Message);
    assert_eq!(inbox.message(), Some(Message::from("ok")));
    for _ in 0..3 {
        assert_eq!(inbox.poll(&mut half.decoder(&LIMITS)), Err(Violation::InvalidUtf8));
        assert_eq!(inbox.message(), None);
    }
    // Who streams can still have the good octets in front of it.
    let good = Progress::Chunk { kind: Kind::Text, first: true, last: false, compressed: false };
    assert_eq!(poll_chunk(&mut inbox, &mut half), good);
    assert_eq!(inbox.chunk(), b"no");
    assert_eq!(inbox.poll_chunk(&mut half.decoder(&LIMITS)), Err(Violation::InvalidUtf8));
}

// RFC 6455 5.3: a masked message is unmasked where it lies
#[test]
fn a_masked_message_in_a_lent_slice() {
    let mut storage = [0; 32];
    let base = storage.as_ptr() as usize;
    let mut inbox = Inbox::new(&mut storage[..]);
    let mut connection = Connection::server();
    let mut memory = [0; 131];
    let mut out = Output::new(&mut memory);
    inbox.extend(&masked(0x81, [1, 2, 3, 4], b"Hello"));
    assert_eq!(inbox.poll(&mut connection.decoder(&mut out, &LIMITS)), Ok(Progress::Message));
    let octets = inbox.message().unwrap().octets();
    assert_eq!((octets, octets.as_ptr() as usize - base), (&b"Hello"[..], 6));
}

// A handshake's head is skipped; the frames behind it are decoded from where they lie
#[test]
fn octets_in_front_of_the_frames_are_skipped() {
    let (mut inbox, mut half) = (Inbox::new(vec![0; 64]), Half::new());
    inbox.extend(b"HTTP\x81\x02ab");
    inbox.skip(4);
    assert_eq!((inbox.unread(), inbox.len()), (&b"\x81\x02ab"[..], 4));
    assert_eq!(poll(&mut inbox, &mut half), Progress::Message);
    assert_eq!(inbox.message(), Some(Message::from("ab")));
    inbox.extend(b"rest");
    inbox.skip(usize::MAX);
    assert!(inbox.is_empty() && inbox.message().is_none());
    assert_eq!(inbox.into_storage().len(), 64);
}

// The payload of a control frame outlives a change of storage, so that it can still be answered
#[test]
fn a_control_payload_moves_along() {
    let (mut inbox, mut half) = (Inbox::new(vec![0; 64]), Half::new());
    inbox.extend(&[frame(0x02, b"abc"), frame(0x89, b"ping"), frame(0x80, b"def")].concat());
    assert_eq!(poll(&mut inbox, &mut half), Progress::Ping);
    assert_eq!(inbox.len(), 3 + 5);
    // The message so far, the payload of the Ping and what is not decoded: 12 octets.
    assert!(inbox.replace(vec![0; 11]).is_err());
    assert_eq!((inbox.replace(vec![0; 12]).unwrap().len(), inbox.control()), (64, &b"ping"[..]));
    assert_eq!(poll(&mut inbox, &mut half), Progress::Message);
    assert_eq!(inbox.message(), Some(Message::from(b"abcdef")));
}
