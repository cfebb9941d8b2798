//! Futures that are dropped at every poll: nothing is lost, nothing is sent twice.

#[path = "../common/mod.rs"]
mod common;
mod halves;
mod inflating;
mod sending;
mod time;

use common::{Pipe, REQUEST, Seen, block_on, frame, push};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use embedded_io::ErrorKind;
use tightwire_embedded::asynch::{WebSocket, accept, adopt};
use tightwire_embedded::{CloseCode, Connection, Inline, Opening, OriginPolicy, Server, Slot};

/// Polls a future at most `polls` times, then drops it.
fn polled<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
    }
    None
}

type Small = Inline<512, 200>;

fn open(wire: &[u8], most: usize) -> WebSocket<Pipe, Server, Small> {
    let mut pipe = Pipe::new(&[REQUEST, wire].concat()).in_pieces(most).waiting();
    pipe.at_end = Some(ErrorKind::TimedOut);
    let mut slots = [Slot::EMPTY; 8];
    let opening = Opening::new(pipe, Small::inline(), &mut slots);
    block_on(accept(opening, &OriginPolicy::Any)).expect("the handshake is good")
}

/// What was written behind the handshake.
fn output(socket: WebSocket<Pipe, Server, Small>) -> Vec<u8> {
    let output = socket.into_transport().output;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    output[end..].to_vec()
}

/// A connection without its handshake.
fn adopted(pipe: Pipe) -> WebSocket<Pipe, Server, Small> {
    adopt(Opening::new(pipe, Small::inline(), &mut []), Connection::server(), b"").unwrap()
}

/// The futures are dropped after each number of polls, first after 0 and then after one more each time.
fn drop_at_every_poll(mut step: impl FnMut(usize) -> bool) {
    for polls in (0..).cycle().take(100_000) {
        let polls = polls % 7;
        if step(polls) {
            return;
        }
    }
    panic!("there is no progress");
}

/// A text "one", a large message in fragments, Pings among them and a Close frame: the large message, all of the
/// input and the replies to it.
fn conversation(close: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let large: Vec<u8> = (0..=255).cycle().take(900).collect();
    let input = [
        frame(false, 0x81, b"one"),
        frame(false, 0x89, b"ping"),
        frame(false, 0x02, &large[..700]),
        frame(false, 0x89, &[8; 125]),
        frame(false, 0x80, &large[700..]),
        frame(false, 0x88, close),
    ];
    let replies = [frame(true, 0x8A, b"ping"), frame(true, 0x8A, &[8; 125]), frame(true, 0x88, close)];
    (large, input.concat(), replies.concat())
}

#[test]
fn receiving_and_its_replies() {
    let (large, wire, expected) = conversation(b"\x03\xe8");
    for most in [1, 3, 100, 10_000] {
        let mut socket = open(&wire, most);
        let mut seen = Vec::new();
        drop_at_every_poll(|polls| match polled(socket.recv(), polls) {
            Some(Ok(Some(received))) => {
                push(&mut seen, &received);
                false
            }
            Some(Ok(None)) => true,
            Some(Err(error)) => panic!("{error}"),
            None => false,
        });
        assert!(seen == [Seen::text("one"), Seen::binary(&large)], "pieces of {most}");
        assert_eq!(output(socket), expected);
    }
}

#[test]
fn closing() {
    let wire = [frame(false, 0x81, b"late"), frame(false, 0x88, b"\x03\xe8")].concat();
    for most in [1, 3, 10_000] {
        let mut socket = open(&wire, most);
        drop_at_every_poll(|polls| {
            polled(socket.close(CloseCode::GOING_AWAY, "bye"), polls).is_some_and(|closed| {
                closed.unwrap();
                true
            })
        });
        assert_eq!(socket.closed().map(|frame| frame.code), Some(CloseCode::NORMAL));
        assert_eq!(output(socket), frame(true, 0x88, b"\x03\xe9bye"));
    }
}

// What was received lies beside a sender, whose own calls are dropped, too
#[test]
fn receiving_beside_a_sender() {
    let wire = [
        frame(false, 0x81, b"one"),
        frame(false, 0x89, b"p"),
        frame(false, 0x82, &[5; 120]),
        frame(false, 0x82, &[6; 120]),
        frame(false, 0x88, b""),
    ]
    .concat();
    for most in [1, 3, 100, 10_000] {
        let mut socket = open(&wire, most);
        let mut dropped = 0;
        drop_at_every_poll(|polls| match polled(socket.recv_with_sender(), polls) {
            Some(Ok(Some((received, mut sender)))) => {
                // A dropped `feed` has queued nothing.
                let (kind, octets) = (received.kind(), received.octets());
                while polled(sender.feed_fragment(kind, octets, received.is_last()), 1).is_none() {
                    dropped += 1;
                }
                false
            }
            Some(Ok(None)) => true,
            Some(Err(error)) => panic!("{error}"),
            None => false,
        });
        // What is queued leaves before a read, so only what one read brings fills the storage.
        assert_eq!(dropped > 0, most == 10_000, "pieces of {most}");
        let expected = [
            frame(true, 0x81, b"one"),
            frame(true, 0x8A, b"p"),
            frame(true, 0x82, &[5; 120]),
            frame(true, 0x82, &[6; 120]),
            frame(true, 0x88, b""),
        ];
        assert!(output(socket) == expected.concat(), "pieces of {most}");
    }
}
