//! The halves: what is received is not lost, and what is to be answered is answered.

use super::{adopted, conversation, drop_at_every_poll, polled};
use crate::common::{Pipe, Seen, block_on, frame, push};
use tightwire_embedded::asynch::Transmitter;
use tightwire_embedded::{CloseCode, Incoming, Reply, Server};

#[test]
fn receiving() {
    let (large, wire, expected) = conversation(b"\x03\xe9");
    for most in [1, 3, 100, 10_000] {
        let socket = adopted(Pipe::new(&wire).in_pieces(most).waiting());
        let (mut receiver, mut transmitter) = socket.split(|pipe| (pipe.clone(), pipe));
        let mut seen = Vec::new();
        drop_at_every_poll(|polls| match polled(receiver.recv(), polls) {
            Some(Ok(Some(Incoming::Received(received)))) => {
                push(&mut seen, &received);
                false
            }
            Some(Ok(Some(Incoming::Reply(reply)))) => {
                block_on(transmitter.reply(&reply)).unwrap();
                false
            }
            Some(Ok(None)) => true,
            Some(Err(error)) => panic!("{error}"),
            None => false,
        });
        assert!(seen == [Seen::text("one"), Seen::binary(&large)], "pieces of {most}");
        assert_eq!(receiver.closed().map(|frame| frame.code), Some(CloseCode::GOING_AWAY));
        assert!(transmitter.into_transport().output == expected, "pieces of {most}");
    }
}

/// A transmitting half with a frame queued that leaves no room for `wire`'s answer, and what is to be answered.
fn answering(wire: &[u8]) -> (Transmitter<Pipe, Server, [u8; 200]>, Reply) {
    let socket = adopted(Pipe::new(wire).in_pieces(40).waiting());
    let (mut receiver, mut transmitter) = socket.split(|pipe| (pipe.clone(), pipe));
    let Ok(Some(Incoming::Reply(reply))) = block_on(receiver.recv()) else { panic!("nothing to answer") };
    block_on(transmitter.sender().feed(&[1; 194])).unwrap();
    (transmitter, reply)
}

#[test]
fn a_dropped_reply_is_queued_or_not() {
    let first = frame(true, 0x82, &[1; 194]);
    for (wire, answer) in [
        (frame(false, 0x89, &[7; 125]), frame(true, 0x8A, &[7; 125])),
        (frame(false, 0x88, b"\x03\xe9"), frame(true, 0x88, b"\x03\xe9")),
        (frame(true, 0x81, b"not masked"), frame(true, 0x88, b"\x03\xea")),
    ] {
        let (once, twice) = ([&first[..], &answer].concat(), [&first[..], &answer, &answer].concat());
        let (mut without, mut with) = (0, 0);
        for polls in 0..1000 {
            let (mut transmitter, reply) = answering(&wire);
            let replied = polled(transmitter.reply(&reply), polls);
            block_on(transmitter.sender().flush()).unwrap();
            let queued = transmitter.into_transport().output == once;
            // RFC 6455 5.5.3: a Pong that nobody asked for is no fault; 5.5.1: nothing follows a Close frame
            let (mut transmitter, reply) = answering(&wire);
            assert_eq!(polled(transmitter.reply(&reply), polls), replied);
            block_on(transmitter.reply(&reply)).unwrap();
            let output = transmitter.into_transport().output;
            assert!(output == if queued && !reply.is_close() { &twice[..] } else { &once[..] }, "{polls}");
            match replied {
                Some(replied) => {
                    assert_eq!((replied, queued), (Ok(()), true));
                    break;
                }
                None if queued => with += 1,
                None => without += 1,
            }
        }
        assert!(without > 0 && with > 0, "{without} {with}");
    }
}
