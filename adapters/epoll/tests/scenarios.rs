//! What peers do, over real sockets: cuts, pipelines, half closes, resets, closing handshakes, refusals.
#![cfg(target_os = "linux")]

mod support;

use support::{Bench, Peer, REQUEST, Saw, frame};
use tightwire_epoll::tightwire::Violation;
use tightwire_epoll::{Admission, Builder, Cause, Config};

#[test]
fn messages_come_back() {
    let bench = Bench::new(Config::default());
    let mut peer = bench.client();
    for size in [0, 1, 125, 126, 127, 4096, 16 * 1024, 16 * 1024 + 1, 65_535, 65_536, 300_000, 1 << 20] {
        let payload: Vec<u8> = (0..size).map(|at| at as u8 ^ (at >> 8) as u8).collect();
        peer.send(0x82, &payload);
        let (first, back) = peer.frame().unwrap();
        assert!(first == 0x82 && back == payload, "{size}");
    }
    // The session has counted them.
    peer.text("!count");
    assert_eq!(peer.frame(), Some((0x81, b"13".to_vec())));
    let stats = bench.until(|stats| stats.messages_sent == 13);
    assert_eq!((stats.open, stats.opened, stats.messages_received), (1, 1, 13));
}

/// A request, messages whole and in fragments with a Ping between, and the closing handshake.
fn conversation() -> (Vec<u8>, Vec<(u8, Vec<u8>)>) {
    let mut sent = REQUEST.as_bytes().to_vec();
    sent.extend(frame(0x81, "h\u{e9}llo".as_bytes()));
    sent.extend(frame(0x02, &[7; 130]));
    sent.extend(frame(0x89, b"ping"));
    sent.extend(frame(0x00, b""));
    sent.extend(frame(0x80, &[8; 20]));
    sent.extend(frame(0x8A, b"unasked"));
    sent.extend(frame(0x88, &[0x03, 0xE8, b'b', b'y', b'e']));
    let mut whole = vec![7; 130];
    whole.extend([8; 20]);
    let answers = vec![
        (0x81, "h\u{e9}llo".as_bytes().to_vec()),
        (0x8A, b"ping".to_vec()),
        (0x82, whole),
        (0x88, vec![0x03, 0xE8]),
    ];
    (sent, answers)
}

fn expect_answers(peer: &mut Peer, answers: &[(u8, Vec<u8>)]) {
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    for answer in answers {
        assert_eq!(peer.frame().as_ref(), Some(answer));
    }
    // RFC 6455 7.1.1: the server closes the transport first
    assert!(peer.is_at_end());
}

#[test]
fn every_cut_of_a_conversation_is_the_same() {
    let bench = Bench::new(Config::default());
    let (sent, answers) = conversation();
    let mut other = bench.client();
    for cut in 1..=sent.len() {
        let mut peer = Peer::connect(bench.address());
        peer.write(&sent[..cut]);
        other.sync();
        peer.write(&sent[cut..]);
        expect_answers(&mut peer, &answers);
        assert_eq!(bench.closed(), (1000, "bye".to_owned(), Cause::Handshake), "cut at {cut}");
    }
    assert_eq!(bench.until(|stats| stats.open == 1).buffers, 0, "every buffer was given back");
}

#[test]
fn octet_by_octet() {
    let bench = Bench::new(Config::default());
    let (sent, answers) = conversation();
    let mut other = bench.client();
    let mut peer = Peer::connect(bench.address());
    for octet in &sent {
        peer.write(&[*octet]);
        other.sync();
    }
    expect_answers(&mut peer, &answers);
    assert_eq!(bench.closed().0, 1000);
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let bench = Bench::new(Config::default());
    let mut peer = Peer::connect(bench.address());
    let mut sent = REQUEST.as_bytes().to_vec();
    for at in 0..5000 {
        sent.extend(frame(0x81, format!("message {at}").as_bytes()));
    }
    let mut socket = peer.socket.try_clone().unwrap();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut socket, &sent).unwrap());
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    for at in 0..5000 {
        assert_eq!(peer.frame(), Some((0x81, format!("message {at}").into_bytes())));
    }
    writer.join().unwrap();
}

/// Short answers are copied together, long ones leave from where they lie or with those that follow, and what is
/// longer than a read comes in parts: the order is that of the messages all the same.
#[test]
fn messages_of_all_lengths_come_back_in_order() {
    let bench = Bench::new(Config::default());
    let mut peer = bench.client();
    let lengths =
        [70_000, 0, 20_000, 16_384, 1_000_000, 16_385, 300, 600_000, 65_536, 131_000, 125, 132_105, 1 << 20];
    let payloads: Vec<Vec<u8>> = (0..60_usize)
        .map(|at| (0..lengths[at * 7 % lengths.len()]).map(|octet| (octet % 251 + at) as u8).collect())
        .collect();
    let sent: Vec<u8> = payloads.iter().flat_map(|payload| frame(0x82, payload)).collect();
    let mut socket = peer.socket.try_clone().unwrap();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut socket, &sent).unwrap());
    for (at, payload) in payloads.iter().enumerate() {
        let (first, answer) = peer.frame().unwrap();
        assert!(first == 0x82 && answer == *payload, "message {at}");
    }
    writer.join().unwrap();
    bench.until(|stats| stats.buffers == 0);
}

#[test]
fn an_unfinished_message_is_kept_in_little_memory_and_given_back() {
    let bench = Bench::new(Config::default());
    let mut peer = bench.client();
    let mut other = bench.client();
    let message = frame(0x82, &[5; 1 << 20]);
    // A megabyte is declared. Memory follows what arrives of it: four times as much, in powers of two.
    let mut sent = 0;
    for arrived in [1, 50, 512, 513, 3000, 20_000, 20_001, 100_000, 200_000] {
        peer.write(&message[sent..14 + arrived]);
        sent = 14 + arrived;
        other.sync();
        // The numbers are told at the end of the turn.
        let stats = bench.until(|stats| stats.buffers == 1 && stats.buffer_octets >= arrived as u64);
        let bound = (8 * arrived as u64).clamp(512, 1 << 20);
        assert!(stats.buffer_octets <= bound, "{arrived}: {stats:?}");
    }
    peer.write(&message[sent..]);
    assert_eq!(peer.frame().map(|(first, payload)| (first, payload.len())), Some((0x82, 1 << 20)));
    other.sync();
    assert_eq!(bench.until(|stats| stats.buffers == 0).buffer_octets, 0);
    // A cut head pins a few octets.
    peer.write(&message[..9]);
    other.sync();
    assert_eq!(bench.until(|stats| stats.buffers == 1).buffer_octets, 32);
}

#[test]
fn a_half_close_is_answered_and_ends() {
    let bench = Bench::new(Config::default());
    let mut peer = bench.client();
    peer.send(0x82, &[1; 70_000]);
    peer.end_of_sending();
    assert_eq!(peer.frame().map(|(_, payload)| payload.len()), Some(70_000));
    assert!(peer.is_at_end());
    assert_eq!(bench.closed(), (1006, String::new(), Cause::Lost));
    bench.until(|stats| stats.open == 0);
}

#[test]
fn a_reset_in_mid_frame_ends_only_that_connection() {
    let bench = Bench::new(Config::default());
    let mut other = bench.client();
    for cut in [1, 3, 100, 5000] {
        let mut peer = bench.client();
        peer.write(&frame(0x82, &[9; 10_000])[..cut]);
        other.sync();
        peer.reset();
        assert_eq!(bench.closed(), (1006, String::new(), Cause::Lost));
        other.sync();
    }
    assert_eq!(bench.until(|stats| stats.open == 1).buffers, 0);
}

#[test]
fn violations_are_answered_with_their_code() {
    let bench = Bench::new(Config::default());
    for (octets, code, violation) in [
        (vec![0xC1, 0x80, 0, 0, 0, 0], 1002, Violation::ReservedBits),
        (vec![0x83], 1002, Violation::ReservedOpcode),
        (vec![0x81, 0x01, b'x'], 1002, Violation::NotMasked),
        (frame(0x80, b"x"), 1002, Violation::UnexpectedContinuation),
        (frame(0x81, &[0xC3, 0x28]), 1007, Violation::InvalidUtf8),
        (frame(0x88, &[0x03]), 1002, Violation::CloseTooShort),
        (frame(0x82, &[0; (1 << 20) + 1]), 1009, Violation::FrameTooLarge),
    ] {
        let mut peer = bench.client();
        // A good message in front of the fault is delivered first.
        peer.text("good");
        // The server may stop reading what is too large.
        let _ = std::io::Write::write_all(&mut peer.socket, &octets);
        assert_eq!(peer.frame(), Some((0x81, b"good".to_vec())));
        assert_eq!(peer.close_code(), code, "{violation:?}");
        assert_eq!(bench.closed(), (code, String::new(), Cause::Violation(violation)));
    }
    let stats = bench.until(|stats| stats.open == 0);
    assert_eq!((stats.closed_with(1002), stats.closed_with(1007), stats.closed_with(1009)), (5, 1, 1));
}

// RFC 6455 8.1: text that is not UTF-8 fails the connection at once, also in the middle of a frame
#[test]
fn bad_text_fails_at_its_first_octet_wherever_the_frame_is_cut() {
    let bench = Bench::new(Config::default());
    let mut other = bench.client();
    let text = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes();
    let mut payload = text.to_vec();
    payload.extend([0xF4, 0x90, 0x80, 0x80]);
    payload.extend(b"edited");
    let octets = frame(0x81, &payload);
    let head = octets.len() - payload.len();
    let fault = head + text.len() + 2;
    for cut in 1..fault {
        let mut peer = bench.client();
        peer.write(&octets[..cut]);
        other.sync();
        // Up to the octet that cannot be continued, and no further.
        peer.write(&octets[cut..fault]);
        assert_eq!(peer.close_code(), 1007, "cut at {cut}");
        assert_eq!(bench.closed().2, Cause::Violation(Violation::InvalidUtf8));
    }
    bench.until(|stats| stats.buffers == 0);
}

#[test]
fn the_server_closes_and_the_peer_answers() {
    let bench = Bench::new(Config::default());
    let mut peer = bench.client();
    peer.text("!close");
    let (first, payload) = peer.frame().unwrap();
    assert_eq!((first, &payload[2..]), (0x88, &b"as you wish"[..]));
    // RFC 6455 5.5.1: until the peer's Close frame, messages may arrive, and are not answered
    peer.text("late");
    peer.send(0x88, &payload[..2]);
    assert!(peer.is_at_end());
    assert_eq!(bench.closed(), (4000, String::new(), Cause::Handshake));
}

#[test]
fn the_server_drops_a_connection() {
    let bench = Bench::new(Config::default());
    let mut peer = bench.client();
    peer.text("!drop");
    assert_eq!(peer.frame(), None);
    assert_eq!(bench.closed(), (1006, String::new(), Cause::Dropped));
    bench.until(|stats| stats.open == 0);
}

#[test]
fn bad_requests_are_told_why() {
    let bench = Bench::new(Config::default());
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(5000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
    for (request, status) in [
        (REQUEST.replace("HTTP/1.1", "HTTP/1.0"), 505),
        (REQUEST.replace("GET", "POST"), 405),
        (REQUEST.replace("Upgrade: websocket\r\n", ""), 426),
        (REQUEST.replace("Version: 13", "Version: 12"), 426),
        (REQUEST.replace("Host: example\r\n", ""), 400),
        (REQUEST.replace("\r\n\r\n", "\r\nOrigin: http://elsewhere\r\n\r\n"), 403),
        ("GET / HTTP/1.1\n".to_owned(), 400),
        (long, 414),
        (many, 431),
    ] {
        let mut peer = Peer::connect(bench.address());
        peer.write(request.as_bytes());
        let head = peer.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
        // The connection ends when the peer has seen it.
        peer.end_of_sending();
        std::io::copy(&mut peer.socket, &mut std::io::sink()).unwrap();
    }
    let stats = bench.until(|stats| stats.open == 0);
    assert_eq!((stats.refused_handshakes, stats.opened, stats.buffers), (9, 0, 0));
    assert!(bench.saw.try_recv().is_err(), "nothing was opened, so nothing is closed");
}

#[test]
fn plain_http_is_answered() {
    let bench = Bench::new(Config::default());
    for (method, body) in [("GET", "well\n"), ("HEAD", "")] {
        let mut peer = Peer::connect(bench.address());
        peer.write(format!("{method} /health HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("Content-Length: 5\r\n"), "{head}");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut peer.socket, &mut text).unwrap();
        assert_eq!(text, body);
    }
}

#[test]
fn the_first_subprotocol_is_selected() {
    let bench = Bench::new(Config::default());
    let mut peer = Peer::connect(bench.address());
    let offer = "\r\nSec-WebSocket-Protocol: one, two\r\n\r\n";
    peer.write(REQUEST.replace("\r\n\r\n", offer).as_bytes());
    assert!(peer.head().contains("Sec-WebSocket-Protocol: one\r\n"));
}

#[test]
fn too_many_connections_are_closed_at_once() {
    let bench = Bench::with(Builder::new().admission(Admission::default().with_connections(3)));
    let mut peers: Vec<_> = (0..3).map(|_| bench.client()).collect();
    let mut refused = Peer::connect(bench.address());
    assert!(refused.is_at_end());
    peers.iter_mut().for_each(Peer::sync);
    assert_eq!(bench.until(|stats| stats.refused_connections > 0).refused_connections, 1);
    drop(peers.pop());
    bench.until(|stats| stats.open == 2);
    bench.client().sync();
}

#[test]
fn one_address_may_not_take_all() {
    let bench = Bench::with(Builder::new().admission(Admission::default().with_per_address(2)));
    let first = bench.client();
    let mut second = bench.client();
    assert!(Peer::connect(bench.address()).is_at_end());
    drop(first);
    bench.until(|stats| stats.open == 1);
    bench.client().sync();
    second.sync();
}

#[test]
fn an_accept_throttle_delays_and_loses_nobody() {
    let bench = Bench::with(Builder::new().admission(Admission::default().with_per_tick(2)));
    let mut peers: Vec<_> = (0..7).map(|_| bench.client()).collect();
    peers.iter_mut().for_each(Peer::sync);
    assert_eq!(bench.server.stats().accepted, 7);
}

#[test]
fn open_and_close_come_in_pairs() {
    let bench = Bench::new(Config::default());
    for _ in 0..20 {
        let mut peer = bench.client();
        assert!(matches!(bench.next(), Saw::Open(_)));
        peer.send(0x88, b"");
        assert_eq!(peer.close_code(), 1005);
        assert_eq!(bench.next(), Saw::Closed(1005, String::new(), Cause::Handshake));
    }
    bench.until(|stats| stats.open == 0);
    assert!(bench.saw.try_recv().is_err());
}
