//! permessage-deflate in lent memory: agreed on in the handshake, inflated in every cut, sent back compressed.

mod common;

use common::codec::{Codec, agreement, script};
use common::{Keys, Pipe, REQUEST, Seen, block_on, frame, push};
use embedded_io::ErrorKind;
use tightwire_embedded::deflate::{Policy, WindowBits};
use tightwire_embedded::{
    Acceptance, Config, Connection, Error, Inflation, Inline, Limits, Message, Opening, OriginPolicy,
    Received, SendError, Slot, Violation, asynch, blocking,
};

static CONFIG: Config = Config::new().with_limits(Limits::UNLIMITED.with_message(5000));

/// Everything that was received, how often as a whole, and what was written.
type Outcome = (Vec<Seen>, usize, Option<Error<ErrorKind>>, Vec<u8>);

macro_rules! drives {
    ($echo:ident, $client:ident, $module:ident, [$($async:tt)?], [$($wait:tt)*]) => {
        /// A server that inflates into `storage` octets and sends all back, compressed.
        $($async)? fn $echo(pipe: Pipe, storage: usize) -> Outcome {
            let opening = Opening::new(pipe, Inline::<200, 150>::inline(), &mut []).with_config(&CONFIG);
            let socket = $module::adopt(opening, Connection::server(), b"").unwrap();
            let mut socket = socket.with_compression(agreement());
            let (mut receiving, mut sending) = (Codec::new(), Codec::new());
            let mut inflation = Inflation::new(vec![0xEE; storage]);
            let (mut seen, mut whole) = (Vec::new(), 0);
            let error = loop {
                let mut codec = receiving.inflate(agreement().client);
                match socket.recv_inflated(&mut inflation, &mut codec)$($wait)* {
                    Ok(Some(received)) => {
                        push(&mut seen, &received);
                        whole += usize::from(matches!(received, Received::Message(_)));
                    }
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
                if let Some(Seen { octets, finished: true, .. }) = seen.last() {
                    let mut codec = sending.deflate(agreement().server);
                    let sent = socket.sender().feed_compressed(&octets[..], &mut codec)$($wait)*;
                    assert_eq!(sent, Ok(()));
                }
            };
            (seen, whole, error, socket.into_transport().output)
        }

        /// A client that inflates what came back.
        $($async)? fn $client(pipe: Pipe) -> Vec<Seen> {
            let opening = Opening::new(pipe, Inline::<200, 150>::inline(), &mut []).with_config(&CONFIG);
            let socket = $module::adopt(opening, Connection::client(Keys::default()), b"").unwrap();
            let (mut socket, mut codec) = (socket.with_compression(agreement()), Codec::new());
            let mut inflation = Inflation::new([0; 8192]);
            let mut seen = Vec::new();
            let mut codec = codec.inflate(agreement().server);
            while let Some(received) = socket.recv_inflated(&mut inflation, &mut codec)$($wait)*.unwrap() {
                push(&mut seen, &received);
            }
            seen
        }
    };
}

drives!(blocking_echo, blocking_client, blocking, [], []);
drives!(asynch_echo, asynch_client, asynch, [async], [.await]);

#[test]
fn compressed_messages_come_and_go() {
    let text = "tightwire \u{20ac} ".repeat(300);
    let binary: Vec<u8> = (0..600u32).map(|n| (n * n % 251) as u8).collect();
    let wire = script(&[
        Message::from(&text[..]),
        Message::from(&binary[..]),
        Message::from("again again again again"),
    ]);
    assert!(wire.len() < text.len() / 2);
    let plain = Seen::text("as it is");
    let expected = [
        Seen::text(&text),
        plain.clone(),
        Seen::binary(&binary),
        plain.clone(),
        Seen::text("again again again again"),
        plain,
    ];
    for (storage, whole) in [(64, 4), (5000, 6)] {
        let mut outputs = Vec::new();
        for cut in 1..wire.len() {
            let pipe = Pipe::new(&wire).cut_at(cut).in_pieces(if cut % 2 == 0 { 3 } else { 1000 });
            let (seen, wholes, error, output) = match cut % 3 {
                0 => blocking_echo(pipe, storage),
                1 => block_on(asynch_echo(pipe, storage)),
                _ => block_on(asynch_echo(pipe.waiting(), storage)),
            };
            assert!(seen == expected, "cut at {cut}");
            assert_eq!((wholes, error), (whole, None));
            outputs.push(output);
        }
        let output = &outputs[0];
        assert!(output.len() < wire.len() + 100);
        let back: Vec<Vec<u8>> = expected.iter().map(|seen| seen.octets.clone()).collect();
        for seen in [blocking_client(Pipe::new(output)), block_on(asynch_client(Pipe::new(output).waiting()))]
        {
            assert!(seen.into_iter().map(|seen| seen.octets).eq(back.iter().cloned()));
        }
    }
}

// RFC 7692 7.2.2, and limits that count what is inflated
#[test]
fn what_does_not_inflate_ends_the_connection() {
    let bomb = script(&[Message::from(&[0; 5001])]);
    let mut bad = frame(false, 0xC2, b"\xff\xff\xff");
    bad.extend(frame(false, 0x81, b"never seen"));
    for (wire, violation, code) in
        [(bomb, Violation::MessageTooLarge, 1009_u16), (bad, Violation::InvalidCompression, 1007)]
    {
        for cut in 1..wire.len() {
            let (seen, _, error, output) = blocking_echo(Pipe::new(&wire).cut_at(cut), 6000);
            // The good octets in front of a fault may be seen, but no message is whole.
            assert!(seen.iter().all(|seen| !seen.finished), "{violation:?} {cut}");
            assert_eq!(error, Some(Error::Peer(violation)));
            assert_eq!(output, [&b"\x88\x02"[..], &code.to_be_bytes()].concat());
        }
    }
}

#[test]
fn nothing_goes_compressed_that_was_not_agreed_on() {
    let opening = Opening::new(Pipe::new(&frame(false, 0xC1, b"x")), Inline::<200, 150>::inline(), &mut []);
    let mut socket = blocking::adopt(opening, Connection::server(), b"").unwrap();
    let mut codec = Codec::new();
    let sent = socket.sender().feed_compressed("x", &mut codec.deflate(agreement().server));
    assert_eq!(sent, Err(Error::Caller(SendError::CompressionNotAgreed)));
    assert_eq!(socket.recv(), Err(Error::Peer(Violation::ReservedBits)));
}

#[test]
fn compression_is_agreed_on_in_the_handshake() {
    let request = String::from_utf8(REQUEST.to_vec()).unwrap();
    let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    let request = request.replace("\r\n\r\n", offer);
    let mut pipe = Pipe::new(request.as_bytes());
    let mut slots = [Slot::EMPTY; 9];
    let window = WindowBits::new(10).unwrap();
    let policy = Policy::DEFAULT.with_windows(window, window);
    let mut agreed = None;
    let opening = Opening::new(&mut pipe, Inline::<512, 300>::inline(), &mut slots);
    let socket = blocking::accept_with(opening, &OriginPolicy::Any, |request, responder| {
        let answer = policy.answer(request.values("Sec-WebSocket-Extensions")).unwrap();
        agreed = answer.as_ref().map(|answer| answer.agreement);
        let extensions = answer.as_ref().map(|answer| answer.header.as_str());
        responder.accept(&Acceptance { extensions, ..Acceptance::default() })
    });
    assert!(socket.is_ok());
    assert_eq!(agreed.map(|agreement| agreement.client.window()), Some(window));
    let response = String::from_utf8(pipe.output).unwrap();
    assert!(response.contains("\r\nSec-WebSocket-Extensions: permessage-deflate; "), "{response}");
}
