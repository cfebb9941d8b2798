//! What is sent, and that the other end has it again.

use crate::common::Seen;
use crate::ends::{End, agreement, carry, client_end, server_end};
use tightwire::deflate::{Agreement, Deflate, Flush, Inflating, Level};
use tightwire::{Connection, Kind, Outbound, Prepared, Role, SendError, Server};

/// Messages that resemble each other.
pub(crate) fn chatter(count: usize) -> Vec<String> {
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
    let mut server = server_end(agreement(15, true)).resting();
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
        let mut server = server_end(agreement(15, false)).resting();
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
pub(crate) fn stream<R: Role>(end: &mut End<R>, payload: &[u8], piece: usize, room: usize, flush: Flush) {
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
    let mut server = server_end(agreement(15, false)).with_level(Level::Best).resting();
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
