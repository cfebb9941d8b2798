use super::*;
use crate::role::Client;
use std::vec::Vec;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn server() -> Outbound<Server> {
    Outbound::new(Server)
}

/// What `write` appends to 256 octets of output, and what it gave.
fn written<R: Role, T>(
    outbound: &mut Outbound<R>,
    write: impl FnOnce(&mut Outbound<R>, &mut Output<'_>) -> T,
) -> (T, Vec<u8>) {
    let mut memory = [0; 256];
    let mut out = Output::new(&mut memory);
    let result = write(outbound, &mut out);
    (result, out.written().to_vec())
}

#[test]
fn a_server_half_is_three_octets() {
    assert_eq!(size_of::<Outbound<Server>>(), 3);
}

// RFC 6455 5.7: the examples
#[test]
fn the_examples_of_the_rfc() {
    let hello = |half: &mut Outbound<Server>, out: &mut Output<'_>| half.encode("Hello", out);
    assert_eq!(written(&mut server(), hello), (Ok(()), b"\x81\x05Hello".to_vec()));
    let mut client = Outbound::new(Client::new(|| KEY));
    let (_, wire) = written(&mut client, |half, out| half.encode("Hello", out));
    assert_eq!(wire, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    let (_, wire) = written(&mut server(), |half, out| {
        half.fragment(Kind::Text, b"Hel", false, out).unwrap();
        half.fragment(Kind::Text, b"lo", true, out).unwrap();
        half.ping(b"Hello", out).unwrap();
    });
    assert_eq!(wire, b"\x01\x03Hel\x80\x02lo\x89\x05Hello");
    let (_, wire) = written(&mut client, |half, out| half.pong(b"Hello", out));
    assert_eq!(wire, [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
}

// RFC 6455 5.3: a fresh key for each frame, and none drawn for a frame that is not written
#[test]
fn each_frame_takes_one_key() {
    let mut drawn = 0u8;
    let mut client = Outbound::new(Client::new(|| {
        drawn += 1;
        [drawn; 4]
    }));
    let mut memory = [0; 64];
    let mut out = Output::new(&mut memory);
    assert_eq!(client.encode("ab", &mut Output::new(&mut [0; 7])), Err(SendError::NeedsSpace(8)));
    assert_eq!(client.ping(&[0; 126], &mut out), Err(SendError::ControlTooLong));
    client.encode("ab", &mut out).unwrap();
    client.ping(b"", &mut out).unwrap();
    assert!(client.head(Kind::Binary, 3, true, &mut out).unwrap().is_needed());
    client.close(None, &mut out).unwrap();
    assert_eq!(client.pong(b"", &mut out), Err(SendError::Closed));
    let keys = [&out.written()[2..6], &out.written()[10..14], &out.written()[16..20]];
    assert_eq!(keys, [&[1; 4], &[2; 4], &[3; 4]]);
    assert_eq!(drawn, 4);
}

// Law 5: whole frames, all or nothing, and NeedsSpace names what is enough
#[test]
fn every_shortage_of_room_changes_nothing() {
    type Write = fn(&mut Outbound<Client<fn() -> [u8; 4]>>, &mut Output<'_>) -> Result<(), SendError>;
    let writes: [Write; 6] = [
        |half, out| half.encode(&[7; 126], out),
        |half, out| half.fragment(Kind::Text, b"abc", false, out),
        |half, out| half.head(Kind::Binary, 1 << 40, true, out).map(drop),
        |half, out| half.ping(&[1; 125], out),
        |half, out| half.close(Some(CloseFrame { code: CloseCode::NORMAL, reason: "bye" }), out),
        |half, out| half.fail(Violation::InvalidUtf8, out),
    ];
    for (index, write) in writes.into_iter().enumerate() {
        let client = || Outbound::new(Client::new((|| KEY) as fn() -> [u8; 4]));
        let (result, whole) = written(&mut client(), write);
        assert_eq!(result, Ok(()));
        for room in 0..whole.len() {
            let mut half = client();
            let mut memory = std::vec![0xEE; room];
            let mut out = Output::new(&mut memory);
            assert_eq!(write(&mut half, &mut out), Err(SendError::NeedsSpace(whole.len())), "{index}");
            assert!(out.is_empty() && memory.iter().all(|&octet| octet == 0xEE));
            assert_eq!((half.is_closed(), half.open_message()), (false, None));
            assert_eq!(written(&mut half, write), (Ok(()), whole.clone()));
        }
    }
}

// RFC 6455 5.4: fragments of one message in order, control frames between them, no other message
#[test]
fn fragments_belong_to_one_message() {
    let (_, wire) = written(&mut server(), |half, out| {
        half.fragment(Kind::Text, b"a", false, out).unwrap();
        assert_eq!(half.open_message(), Some(Kind::Text));
        assert_eq!(half.encode("x", out), Err(SendError::MessageOpen));
        assert_eq!(half.fragment(Kind::Binary, b"x", true, out), Err(SendError::MessageOpen));
        assert_eq!(half.head(Kind::Binary, 1, true, out).err(), Some(SendError::MessageOpen));
        half.pong(b"", out).unwrap();
        assert!(!half.head(Kind::Text, 0, false, out).unwrap().is_needed());
        half.fragment(Kind::Text, b"", true, out).unwrap();
        assert_eq!(half.open_message(), None);
        half.fragment(Kind::Binary, b"", true, out).unwrap();
    });
    assert_eq!(wire, b"\x01\x01a\x8a\x00\x00\x00\x80\x00\x82\x00");
}

// RFC 6455 5.5.1: nothing is sent after a Close frame
#[test]
fn nothing_follows_close() {
    let (_, wire) = written(&mut server(), |half, out| {
        half.fragment(Kind::Text, b"a", false, out).unwrap();
        half.close(None, out).unwrap();
        assert!(half.is_closed());
        assert_eq!(half.fragment(Kind::Text, b"b", true, out), Err(SendError::Closed));
        assert_eq!(half.encode("x", out), Err(SendError::Closed));
        assert_eq!(half.head(Kind::Text, 1, true, out).err(), Some(SendError::Closed));
        assert_eq!(half.ping(b"", out), Err(SendError::Closed));
        assert_eq!(half.pong(b"", out), Err(SendError::Closed));
        assert_eq!(half.close(None, out), Err(SendError::Closed));
        // There is nothing left to answer with.
        assert_eq!(half.reply(&Event::Ping(b""), out), Ok(()));
        assert_eq!(half.reply(&Event::Close(None), out), Ok(()));
        assert_eq!(half.fail(Violation::Masked, out), Ok(()));
        assert_eq!(half.close_with(CloseCode::NORMAL, out), Ok(()));
    });
    assert_eq!(wire, b"\x01\x01a\x88\x00");
}

// RFC 6455 5.5, 7.4: 125 octets in a control frame, and only codes that may be sent
#[test]
fn what_must_not_be_sent_is_refused() {
    let reason = core::str::from_utf8(&[b'x'; 124]).unwrap();
    let (_, wire) = written(&mut server(), |half, out| {
        assert_eq!(half.ping(&[0; 126], out), Err(SendError::ControlTooLong));
        assert_eq!(half.pong(&[0; 126], out), Err(SendError::ControlTooLong));
        let long = CloseFrame { code: CloseCode::NORMAL, reason };
        assert_eq!(half.close(Some(long), out), Err(SendError::ControlTooLong));
        for number in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
            let frame = CloseFrame { code: CloseCode::new(number), reason: "" };
            assert_eq!(half.close(Some(frame), out), Err(SendError::InvalidCloseCode));
            assert_eq!(half.close_with(frame.code, out), Err(SendError::InvalidCloseCode));
        }
        // RFC 6455 5.2: the top bit of a length must be 0
        assert_eq!(half.head(Kind::Binary, 1 << 63, true, out).err(), Some(SendError::LengthTooLarge));
        assert!(!half.is_closed());
        assert_eq!(half.open_message(), None);
        half.close(Some(CloseFrame { reason: &reason[1..], ..long }), out).unwrap();
    });
    assert_eq!(wire.len(), 127);
}

// RFC 6455 5.5.2, 5.5.3, 5.5.1: a Pong has the payload of its Ping, a Close the code of the peer's
#[test]
fn replies_are_what_events_want() {
    let reply = |event: Event<'_>| {
        let mut half = server();
        let (result, wire) = written(&mut half, |half, out| half.reply(&event, out));
        assert_eq!(result, Ok(()));
        (wire, half.is_closed())
    };
    assert_eq!(reply(Event::Ping(b"abc")), (b"\x8a\x03abc".to_vec(), false));
    assert_eq!(reply(Event::Pong(b"abc")), (Vec::new(), false));
    assert_eq!(reply(Event::Close(None)), (b"\x88\x00".to_vec(), true));
    let frame = CloseFrame { code: CloseCode::new(3001), reason: "because" };
    assert_eq!(reply(Event::Close(Some(frame))), (b"\x88\x02\x0b\xb9".to_vec(), true));
}

// RFC 6455 5.4: the sender picks the size of its fragments
#[test]
fn a_message_goes_out_in_fragments_of_any_size() {
    for size in 0..=12 {
        for room in [size.max(1) + 2, 20, 64] {
            let (mut half, mut payload, mut wire) = (server(), &b"0123456789"[..], Vec::new());
            loop {
                let mut memory = std::vec![0; room];
                let mut out = Output::new(&mut memory);
                let finished = half.fragments(Kind::Binary, &mut payload, size, &mut out).unwrap();
                wire.extend_from_slice(out.written());
                assert_eq!(half.open_message().is_none(), finished);
                if finished {
                    break;
                }
            }
            let mut expected = Vec::new();
            let chunks: Vec<_> = b"0123456789".chunks(size.max(1)).collect();
            for (index, chunk) in chunks.iter().enumerate() {
                let fin = if index + 1 == chunks.len() { 0x80 } else { 0 };
                expected.push(fin | if index == 0 { 2 } else { 0 });
                expected.push(chunk.len() as u8);
                expected.extend_from_slice(chunk);
            }
            assert_eq!(wire, expected, "size {size} room {room}");
            assert!(payload.is_empty());
        }
    }
    let (result, wire) = written(&mut server(), |half, out| half.fragments(Kind::Text, &mut &[][..], 4, out));
    assert_eq!((result, &wire[..]), (Ok(true), &b"\x81\x00"[..]));
    let mut payload = &b"abcd"[..];
    let mut half = server();
    let result = half.fragments(Kind::Text, &mut payload, 4, &mut Output::new(&mut [0; 5]));
    assert_eq!((result, payload, half.open_message()), (Err(SendError::NeedsSpace(6)), &b"abcd"[..], None));
}

// RFC 6455 5.3: a payload sent from where it lies is masked as one, however it is cut
#[test]
fn a_masker_goes_on_where_it_stopped() {
    let payload: Vec<u8> = (0..40).collect();
    let expected: Vec<u8> = payload.iter().zip(KEY.iter().cycle()).map(|(octet, key)| octet ^ key).collect();
    for cut in 0..=payload.len() {
        for copy in [false, true] {
            let mut memory = [0; 16];
            let mut client = Outbound::new(Client::new(|| KEY));
            let mut masker = client.head(Kind::Binary, 40, true, &mut Output::new(&mut memory)).unwrap();
            assert_eq!(memory[..6], [0x82, 0x80 | 40, 0x37, 0xfa, 0x21, 0x3d]);
            assert!(!std::format!("{masker:?}").contains("55"), "the key is not printed");
            let mut masked = payload.clone();
            let (front, back) = masked.split_at_mut(cut);
            if copy {
                assert_eq!(masker.copy(&payload[..cut], front), cut);
                assert_eq!(masker.copy(&payload[cut..], back), back.len());
            } else {
                masker.mask(front);
                masker.mask(back);
            }
            assert_eq!(masked, expected);
        }
    }
    // Appended to an output, as much as there is room for each time
    let mut client = Outbound::new(Client::new(|| KEY));
    let mut masker = client.head(Kind::Binary, 40, true, &mut Output::new(&mut [0; 6])).unwrap();
    let (mut appended, mut rest) = (Vec::new(), &payload[..]);
    while !rest.is_empty() {
        let mut memory = [0; 7];
        let mut out = Output::new(&mut memory);
        rest = &rest[masker.append(rest, &mut out)..];
        assert_eq!(masker.append(rest, &mut out), 0);
        appended.extend_from_slice(out.written());
    }
    assert_eq!(appended, expected);
    let mut octets = [1, 2, 3];
    let mut masker = server().head(Kind::Binary, 3, true, &mut Output::new(&mut [0; 2])).unwrap();
    masker.mask(&mut octets);
    assert_eq!((octets, masker.is_needed()), ([1, 2, 3], false));
    assert_eq!((masker.copy(&[4, 5, 6], &mut octets), octets), (3, [4, 5, 6]));
}
