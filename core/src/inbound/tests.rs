//! The receiving half by itself: what it takes, gives and refuses.

use super::*;
use crate::deflate::WindowBits;
use crate::message::Message;
use crate::role::{Client, Server};

type FromServer = Client<fn() -> [u8; 4]>;
const DEFAULT: Limits = Limits::DEFAULT;

/// What one call gives, and how many octets it leaves.
fn step<R: Role>(
    half: &mut Inbound<R>,
    wire: &[u8],
    limits: &Limits,
) -> (Result<Option<std::string::String>, Violation>, usize) {
    let mut memory = wire.to_vec();
    let mut input = &mut memory[..];
    let event = half.decode(&mut input, limits).map(|event| event.map(|event| std::format!("{event:?}")));
    let left = input.len();
    (event, left)
}

fn violation(wire: &[u8], limits: &Limits) -> Option<Violation> {
    let mut half = Inbound::<FromServer>::new();
    let mut memory = wire.to_vec();
    let mut input = &mut memory[..];
    loop {
        match half.decode(&mut input, limits) {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(violation) => {
                assert_eq!(half.violation(), Some(violation));
                // Law 8: failure sticks, whatever comes
                assert_eq!(half.decode(&mut &mut [0x81, 0x00][..], limits), Err(violation));
                return Some(violation);
            }
        }
    }
}

#[test]
fn a_receiving_half_is_28_octets() {
    assert_eq!(size_of::<Inbound<Server>>(), 28);
    assert_eq!(size_of::<Inbound<FromServer>>(), 28);
}

#[test]
fn a_count_keeps_every_value() {
    for value in [0, 1, u64::from(u32::MAX), 1 << 32, 0x0123_4567_89AB_CDEF, u64::MAX] {
        assert_eq!(Count::new(value).get(), value);
    }
    assert_eq!(align_of::<Count>(), 4);
}

// Law 1: several events of one buffer live at once, and none of them borrows the half
#[test]
fn events_borrow_the_input() {
    let mut half = Inbound::<FromServer>::new();
    let mut memory = *b"\x81\x02ab\x89\x01c\x82\x01d";
    let mut input = &mut memory[..];
    let first = half.decode(&mut input, &DEFAULT).unwrap().unwrap();
    let second = half.decode(&mut input, &DEFAULT).unwrap().unwrap();
    let third = half.decode(&mut input, &DEFAULT).unwrap().unwrap();
    assert_eq!(half.decode(&mut input, &DEFAULT), Ok(None));
    let Event::Data(first) = first else { panic!("data") };
    assert_eq!(first.into_message(), Some(Message::from("ab")));
    assert_eq!(second, Event::Ping(b"c"));
    let Event::Data(third) = third else { panic!("data") };
    assert_eq!(third.into_message(), Some(Message::from(b"d")));
}

// Law 2: what is left is an incomplete head or control frame; payload is never left
#[test]
fn payload_is_taken_as_it_comes() {
    let mut half = Inbound::<FromServer>::new();
    assert_eq!(step(&mut half, b"\x82", &DEFAULT), (Ok(None), 1));
    assert_eq!(step(&mut half, b"\x82\x03", &DEFAULT), (Ok(None), 0));
    assert_eq!((half.frame_left(), half.open_message()), (3, Some(Kind::Binary)));
    let (event, left) = step(&mut half, b"ab", &DEFAULT);
    assert!(event.unwrap().unwrap().contains("first: true, last: false"));
    assert_eq!((left, half.frame_left()), (0, 1));
    assert_eq!(step(&mut half, b"", &DEFAULT), (Ok(None), 0));
    let (event, left) = step(&mut half, b"c\x89\x02x", &DEFAULT);
    assert!(event.unwrap().unwrap().contains("first: false, last: true"));
    assert_eq!((left, half.open_message()), (3, None));
    assert_eq!(step(&mut half, b"\x89\x02x", &DEFAULT), (Ok(None), 3));
}

// RFC 6455 5.4: what may follow what
#[test]
fn messages_do_not_interleave() {
    assert_eq!(violation(b"\x80\x00", &DEFAULT), Some(Violation::UnexpectedContinuation));
    assert_eq!(violation(b"\x82\x00\x80\x00", &DEFAULT), Some(Violation::UnexpectedContinuation));
    for second in [0x81, 0x82, 0x01, 0x02] {
        assert_eq!(violation(&[0x01, 0, second, 0], &DEFAULT), Some(Violation::ExpectedContinuation));
    }
    assert_eq!(violation(b"\x01\x00\x89\x00\x00\x00\x8a\x00\x80\x00\x82\x00", &DEFAULT), None);
}

// Law 3: limits are judged by the head, before any payload is there
#[test]
fn limits_are_judged_by_what_is_announced() {
    let limits = Limits::DEFAULT.with_message(4).with_frame(3).with_fragments(3);
    assert_eq!(violation(b"\x82\x03", &limits), None);
    assert_eq!(violation(b"\x82\x04", &limits), Some(Violation::FrameTooLarge));
    assert_eq!(violation(b"\x02\x03abc\x80\x01", &limits), None);
    assert_eq!(violation(b"\x02\x03abc\x80\x02", &limits), Some(Violation::MessageTooLarge));
    // Empty fragments count.
    assert_eq!(violation(b"\x02\x00\x00\x00\x80\x00", &limits), None);
    assert_eq!(violation(b"\x02\x00\x00\x00\x00\x00\x00\x00", &limits), Some(Violation::TooManyFragments));
    // Each message starts from nothing, and control frames are not part of one.
    assert_eq!(
        violation(b"\x02\x03abc\x80\x00\x82\x03abc\x02\x00\x89\x03abc\x00\x03abc\x80\x01", &limits),
        None
    );
    // RFC 6455 5.2: the largest frame there is
    let largest = b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff";
    assert_eq!(violation(largest, &DEFAULT), Some(Violation::FrameTooLarge));
    assert_eq!(violation(largest, &Limits::UNLIMITED), None);
}

#[test]
fn lifted_limits_do_not_overflow() {
    let mut half = Inbound::<FromServer>::new();
    // Three frames of 2^63-1 octets, the middle of each skipped, announce more than a u64 holds.
    for first in [0x02, 0x00, 0x00] {
        let wire = [first, 0x7f, 0x7f, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(step(&mut half, &wire, &Limits::UNLIMITED), (Ok(None), 0));
        assert_eq!(half.frame_left(), (1 << 63) - 1);
        half.left = Count::new(1);
        assert!(step(&mut half, b"x", &Limits::UNLIMITED).0.unwrap().is_some());
    }
    assert_eq!(half.announced.get(), u64::MAX);
    half.fragments = u32::MAX;
    assert!(step(&mut half, b"\x80\x00", &Limits::UNLIMITED).0.unwrap().is_some());
    assert_eq!((half.announced.get(), half.fragments, half.open_message()), (0, 0, None));
}

// RFC 6455 8.1: text is valid from frame to frame, and the good octets in front of a fault are delivered
#[test]
fn text_fails_at_the_first_bad_octet() {
    let mut half = Inbound::<FromServer>::new();
    let (event, left) = step(&mut half, b"\x81\x06ab\xFFcde", &DEFAULT);
    assert_eq!(
        event.unwrap().unwrap(),
        "Data(Chunk { kind: Text, payload: [97, 98], first: true, last: false, compressed: false })"
    );
    assert_eq!(left, 4);
    assert_eq!(half.violation(), Some(Violation::InvalidUtf8));
    assert_eq!(step(&mut half, b"", &DEFAULT), (Err(Violation::InvalidUtf8), 0));
    // At once, not at the end of the frame or of the message.
    assert_eq!(violation(b"\x01\x7d\xFF", &DEFAULT), Some(Violation::InvalidUtf8));
    assert_eq!(violation(b"\x01\x02\xF4\x90", &DEFAULT), Some(Violation::InvalidUtf8));
    assert_eq!(violation(b"\x01\x01\xE2\x00\x01\x82\x80\x01\xAC", &DEFAULT), None);
    // A message that ends inside a code point
    assert_eq!(violation(b"\x81\x02\xE2\x82", &DEFAULT), Some(Violation::InvalidUtf8));
    assert_eq!(violation(b"\x01\x01\xE2\x80\x00", &DEFAULT), Some(Violation::InvalidUtf8));
    // Binary messages are any octets.
    assert_eq!(violation(b"\x82\x02\xFF\xFE", &DEFAULT), None);
}

// RFC 7692 6: RSV1 marks the first frame of a compressed message, whose text is not text yet
#[test]
fn compressed_messages_are_marked() {
    let mut half = Inbound::<FromServer>::new().with_compression(Terms::new(WindowBits::MAX, false));
    let (event, _) = step(&mut half, b"\x41\x01\xFF", &DEFAULT);
    assert!(event.unwrap().unwrap().contains("compressed: true"));
    let (event, _) = step(&mut half, b"\x80\x01\xFF", &DEFAULT);
    assert!(event.unwrap().unwrap().contains("last: true, compressed: true"));
    // The next message is not compressed, but the agreement stands.
    let (event, _) = step(&mut half, b"\x81\x01a", &DEFAULT);
    assert!(event.unwrap().unwrap().contains("compressed: false"));
    assert!(step(&mut half, b"\xC2\x01\xFF", &DEFAULT).0.is_ok());
    assert_eq!(step(&mut half, b"\xC9\x00", &DEFAULT).0, Err(Violation::ReservedBits));
    assert_eq!(violation(b"\xC1\x00", &DEFAULT), Some(Violation::ReservedBits));
}

// RFC 6455 5.5.1: nothing is delivered after Close
#[test]
fn everything_after_close_is_dropped() {
    let mut half = Inbound::<FromServer>::new();
    let (event, left) = step(&mut half, b"\x88\x00\x81\x01a", &DEFAULT);
    assert_eq!((event.unwrap().unwrap(), left, half.is_closed()), ("Close(None)".into(), 3, true));
    assert_eq!(step(&mut half, b"\x81\x01a\xFF\xFF", &DEFAULT), (Ok(None), 0));
    half.fail(Violation::Masked);
    assert_eq!((half.violation(), half.is_closed()), (None, true));
}

#[test]
fn a_fault_from_outside_sticks() {
    let mut half = Inbound::<FromServer>::new();
    half.fail(Violation::InvalidCompression);
    half.fail(Violation::Masked);
    assert_eq!(step(&mut half, b"\x81\x00", &DEFAULT), (Err(Violation::InvalidCompression), 2));
}

// Law 4: the room for a reply is known before anything is taken
#[test]
fn the_room_for_a_reply() {
    let server = Inbound::<Server>::new();
    let client = Inbound::<FromServer>::new();
    assert_eq!(server.reply_room(b"\x89\x83kkkkabc"), 5);
    assert_eq!(server.reply_room(b"\x89\x83kkkkab"), 0, "not all there yet");
    assert_eq!(client.reply_room(b"\x89\x03abc\x89\x00"), 9);
    assert_eq!(client.reply_room(b"\x88\x05\x03\xe8abc"), 8);
    assert_eq!(client.reply_room(b"\x88\x00"), 6);
    assert_eq!(client.reply_room(b"\x88\x01x"), 8, "the Close that this violation demands");
    assert_eq!(client.reply_room(b"\x8a\x00"), 0);
    assert_eq!(client.reply_room(b"\x82\x01a"), 0);
    assert_eq!(client.reply_room(b"\xFF"), 0);
    let mut inside = Inbound::<FromServer>::new();
    assert!(step(&mut inside, b"\x82\x05\x89", &DEFAULT).0.is_ok());
    assert_eq!(inside.reply_room(b"\x89\x00"), 0, "these octets are payload");
}
