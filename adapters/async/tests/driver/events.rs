//! Control frames shown to the application: in their order, answered all the same, and only where asked for.

use crate::common::*;
use std::pin::pin;
use std::task::Poll;
use tightwire_async::Event;

/// What an event was, with octets of its own.
fn told(event: Event<'_>) -> (u8, Vec<u8>) {
    match event {
        Event::Message(message) => (BINARY, message.octets().to_vec()),
        Event::Ping(payload) => (PING, payload.to_vec()),
        Event::Pong(payload) => (PONG, payload.to_vec()),
    }
}

/// RFC 6455 5.4: control frames may lie between the fragments of a message. They come before it.
const FRAMES: [(u8, &[u8]); 8] = [
    (PING, b"1"),
    (BINARY & MORE, b"a"),
    (PONG, b"unasked"),
    (0, b"b"),
    (PING, b""),
    (CONTINUATION, b"c"),
    (BINARY, b"d"),
    (PING, &[7; 125]),
];

fn expected() -> Vec<(u8, Vec<u8>)> {
    [(PING, &b"1"[..]), (PONG, b"unasked"), (PING, b""), (BINARY, b"abc"), (BINARY, b"d"), (PING, &[7; 125])]
        .map(|(first, payload)| (first, payload.to_vec()))
        .to_vec()
}

fn pongs() -> Vec<(u8, Vec<u8>)> {
    [&b"1"[..], b"", &[7; 125]].map(|payload| (PONG, payload.to_vec())).to_vec()
}

fn wire_octets() -> Vec<u8> {
    FRAMES.iter().flat_map(|(first, payload)| masked(*first, payload)).collect()
}

#[test]
fn control_frames_come_in_their_order_and_are_answered_at_every_cut() {
    let octets = wire_octets();
    for cut in 0..=octets.len() {
        let (mut socket, wire) = lone_server(untimed());
        let mut events = Vec::new();
        for part in [&octets[..cut], &octets[cut..]] {
            wire.put(part);
            while let Poll::Ready(event) = settle(pin!(socket.recv_event())) {
                events.push(told(event.unwrap().unwrap()));
            }
        }
        assert_eq!(events, expected(), "cut at {cut}");
        assert_eq!(frames(&wire.take()), pongs(), "cut at {cut}");
    }
}

#[test]
fn a_reader_half_shows_them_too_and_recv_passes_over_them() {
    let (socket, wire) = lone_server(untimed());
    let (mut reader, _writer) = socket.split();
    wire.put(&wire_octets());
    let mut events = Vec::new();
    while let Poll::Ready(event) = settle(pin!(reader.recv_event())) {
        events.push(told(event.unwrap().unwrap()));
    }
    assert_eq!(events, expected());
    assert_eq!(frames(&wire.take()), pongs());

    wire.put(&wire_octets());
    for payload in [b"abc".as_slice(), b"d"] {
        assert_eq!(block_on(reader.recv()).unwrap().unwrap().octets(), payload);
    }
    assert!(settle(pin!(reader.recv())).is_pending());
    assert_eq!(frames(&wire.take()), pongs());
}

/// A Ping whose Pong finds no room is shown once, when it has been answered.
#[test]
fn a_ping_is_shown_once_though_its_answer_has_to_wait() {
    let (mut socket, wire) = lone_server(small(256));
    wire.output.stall(true);
    for number in 0..100 {
        wire.put(&masked(PING, &[number; 125]));
    }
    let mut shown = 0;
    for stalled in [true, false] {
        wire.output.stall(stalled);
        while let Poll::Ready(event) = settle(pin!(socket.recv_event())) {
            assert_eq!(told(event.unwrap().unwrap()), (PING, vec![shown; 125]));
            shown += 1;
        }
        assert_eq!(shown == 100, !stalled, "{shown}");
    }
    let answered: Vec<_> = (0..100).map(|number| (PONG, vec![number; 125])).collect();
    assert_eq!(frames(&wire.take()), answered);
}

#[test]
fn the_end_is_told_as_by_recv() {
    let (mut socket, wire) = lone_server(untimed());
    wire.put(&masked(0x88, &close_payload(1001, "")));
    assert_eq!(block_on(socket.recv_event()).unwrap(), None);
    assert!(socket.closed().unwrap().is_going_away());
}
