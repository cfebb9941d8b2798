//! Peers that do not read, do not finish or do not answer: memory stays bounded and deadlines hold.
#![cfg(target_os = "linux")]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc;
use support::{Bench, Peer, REQUEST, frame};
use tightwire_epoll::tightwire::deadline::Timeout;
use tightwire_epoll::tightwire::handshake::OriginPolicy;
use tightwire_epoll::tightwire::handshake::server::Acceptance;
use tightwire_epoll::tightwire::{Message, Timeouts};
use tightwire_epoll::{
    Answer, Builder, Cause, Closed, Config, Conn, Handler, Opening, Refused, Sent, WhenFull,
};

/// Writes again and again until the server takes no more, and says how many octets it took.
fn write_until_full(bench: &Bench, peer: &mut Peer, octets: &[u8]) -> usize {
    peer.socket.set_nonblocking(true).unwrap();
    let (mut sent, mut refusals) = (0, 0);
    // The server may only be slow: full is what stays full while output waits.
    while refusals < 50 {
        match peer.socket.write(&octets[sent % octets.len()..]) {
            Ok(taken) => (sent, refusals) = (sent + taken, 0),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                refusals = if bench.server.stats().buffer_octets > 0 { refusals + 1 } else { 0 };
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
    }
    peer.socket.set_nonblocking(false).unwrap();
    sent
}

/// Reads `frames` frames, all with this payload.
fn read_frames(peer: &mut Peer, first: u8, payload: &[u8], frames: usize) {
    let mut reader = std::io::BufReader::with_capacity(1 << 16, &mut peer.socket);
    let mut octets = vec![0; payload.len() + 2];
    for at in 0..frames {
        reader.read_exact(&mut octets).unwrap();
        assert!(octets[0] == first && octets[2..] == *payload, "frame {at}");
    }
}

#[test]
fn a_ping_flood_of_a_peer_that_does_not_read_is_bounded_and_answered() {
    const PINGS: usize = 100_000;
    let bench = Bench::new(Config::default());
    let mut peer = bench.client();
    peer.take_little();
    let ping = frame(0x89, &[b'p'; 125]);
    let flood: Vec<u8> = ping.repeat(PINGS);
    let mut socket = peer.socket.try_clone().unwrap();
    let writer = std::thread::spawn(move || socket.write_all(&flood).unwrap());
    // The flood stands still because the server has stopped reading it.
    let mut most = 0;
    let mut last = 0;
    let mut still = 0;
    while still < 100 {
        let stats = bench.server.stats();
        most = most.max(stats.buffer_octets);
        still = if stats.octets_received == last && stats.buffer_octets > 0 { still + 1 } else { 0 };
        last = stats.octets_received;
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    // What waits to be sent up to the mark, and what was read in one go.
    let config = Config::default();
    let bound = 2 * (config.mark + config.output_buffer + config.read_buffer);
    assert!(most > 0 && most <= bound as u64, "{most}");
    assert!(last < (PINGS * ping.len()) as u64, "the server did not stop reading");
    // A connection that does read is served meanwhile.
    bench.client().sync();
    read_frames(&mut peer, 0x8A, &[b'p'; 125], PINGS);
    writer.join().unwrap();
    peer.sync();
    bench.until(|stats| stats.buffers == 0);
}

#[test]
fn an_echo_that_is_not_read_is_bounded_and_complete() {
    let bench = Bench::new(Config::default());
    let mut peer = bench.client();
    peer.take_little();
    let message = frame(0x82, &[b'm'; 100]);
    let sent = write_until_full(&bench, &mut peer, &message);
    let config = Config::default();
    let bound = 2 * (config.mark + config.output_buffer + config.read_buffer);
    let stats = bench.server.stats();
    assert!(stats.buffer_octets > 0 && stats.buffer_octets <= bound as u64, "{stats:?}");
    // Reads all, while the rest of the last message is written.
    let rest = message[sent % message.len()..].to_vec();
    let mut socket = peer.socket.try_clone().unwrap();
    let writer = std::thread::spawn(move || socket.write_all(&rest).unwrap());
    read_frames(&mut peer, 0x82, &[b'm'; 100], sent / message.len() + 1);
    writer.join().unwrap();
    peer.sync();
    let stats = bench.until(|stats| stats.buffers == 0);
    // Who pauses when told that output waits is never refused.
    assert_eq!(stats.refused_messages, 0);
}

/// Sends messages until one is refused, for each message that it gets.
struct Fountain {
    told: mpsc::Sender<(usize, usize, Refused)>,
    size: usize,
}

impl Handler for Fountain {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, _: Message<'_>) {
        let payload = vec![b'f'; self.size];
        let (mut taken, mut most) = (0, 0);
        let refused = loop {
            match conn.send(&payload[..]) {
                Ok(Sent::Sent) => {}
                Ok(Sent::Buffered(octets)) => most = most.max(octets),
                Err(refused) => break refused,
            }
            taken += 1;
        };
        let _ = self.told.send((taken, most, refused));
    }

    fn drained(&mut self, conn: &mut Conn<'_, ()>) {
        assert_eq!(conn.buffered(), 0);
        let _ = self.told.send((DRAINED, 0, Refused::Full));
    }
}

/// Stands for the event that waiting output is gone.
const DRAINED: usize = usize::MAX;

fn fountain(
    size: usize,
    config: Config,
) -> (tightwire_epoll::Server<Fountain>, Peer, mpsc::Receiver<(usize, usize, Refused)>) {
    let (told, tells) = mpsc::channel();
    let builder = Builder::new().config(config).threads(1).listen("127.0.0.1:0".parse().unwrap());
    let server = builder.start(move |_| Fountain { told: told.clone(), size }).unwrap();
    let peer = Peer::open(server.addresses()[0]);
    peer.take_little();
    (server, peer, tells)
}

#[test]
fn a_slow_reader_never_has_more_than_the_mark_and_one_message() {
    for size in [50, 5000, 60_000, 500_000] {
        let (server, mut peer, tells) = fountain(size, Config::default());
        peer.text("go");
        let (taken, most, refused) = tells.recv().unwrap();
        let Config { mark, output_buffer, .. } = Config::default();
        assert_eq!(refused, Refused::Full);
        let bound = (mark + size + 14).max(output_buffer);
        assert!(most <= bound, "{size}: {most}");
        assert!(server.stats().buffer_octets <= 2 * (bound as u64 + 16 * 1024), "{size}");
        // What was taken arrives, all of it and in order.
        for at in 0..taken {
            let (first, payload) = peer.frame().unwrap();
            assert!(first == 0x82 && payload.len() == size, "{size}: {at} of {taken}");
            assert!(payload.iter().all(|octet| *octet == b'f'));
        }
        // And there is room again, of which the handler heard once.
        assert_eq!(tells.recv().unwrap().0, DRAINED);
        peer.text("go");
        let (again, ..) = tells.recv().unwrap();
        assert!(again > 0);
    }
}

#[test]
fn a_slow_reader_may_be_closed_with_1013() {
    let mut config = Config::default();
    config.when_full = WhenFull::Close;
    let (server, mut peer, tells) = fountain(1000, config);
    peer.text("go");
    let (taken, _, refused) = tells.recv().unwrap();
    assert_eq!(refused, Refused::Full);
    for _ in 0..taken {
        assert_eq!(peer.frame().unwrap().0, 0x82);
    }
    assert_eq!(peer.frame(), Some((0x88, 1013_u16.to_be_bytes().to_vec())));
    assert_eq!(server.stats().refused_messages, 1);
}

fn quick() -> Config {
    let mut timeouts = Timeouts::NONE;
    timeouts.handshake = Some(2);
    timeouts.progress = Some(3);
    timeouts.write = Some(3);
    timeouts.close = Some(2);
    let mut config = Config::default();
    config.timeouts = timeouts;
    config
}

#[test]
fn a_slow_request_is_told_so_and_dropped() {
    let bench = Bench::new(quick());
    for octets in [0, 1, 50] {
        let mut peer = Peer::connect(bench.address());
        peer.write(&REQUEST.as_bytes()[..octets]);
        assert!(peer.head().starts_with("HTTP/1.1 408 "));
        // The peer does not end its direction: it is not waited for for ever.
        bench.until(|stats| stats.open == 0);
    }
    assert_eq!(bench.server.stats().refused_handshakes, 3);
}

#[test]
fn a_request_that_trickles_is_dropped_too() {
    let bench = Bench::new(quick());
    let mut peer = Peer::connect(bench.address());
    let mut at = 0;
    while bench.server.stats().refused_handshakes == 0 {
        let _ = peer.socket.write_all(&REQUEST.as_bytes()[at % 20..at % 20 + 1]);
        at += 1;
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    bench.until(|stats| stats.open == 0);
}

#[test]
fn a_frame_that_trickles_is_closed_with_1008() {
    let bench = Bench::new(quick());
    let message = frame(0x82, &[1; 100_000]);
    for start in [1, 5, 2000] {
        let mut peer = bench.client();
        peer.write(&message[..start]);
        let mut socket = peer.socket.try_clone().unwrap();
        let octets = message[start..].to_vec();
        // An octet now and then is no progress.
        let trickle = std::thread::spawn(move || {
            for octet in octets {
                if socket.write_all(&[octet]).is_err() {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        let (first, payload) = peer.frame().unwrap();
        assert_eq!((first, payload), (0x88, 1008_u16.to_be_bytes().to_vec()));
        assert_eq!(bench.closed().2, Cause::Timeout(Timeout::Progress));
        bench.until(|stats| stats.open == 0);
        trickle.join().unwrap();
    }
    bench.until(|stats| stats.buffers == 0);
}

#[test]
fn a_peer_that_takes_no_output_is_dropped() {
    let bench = Bench::new(quick());
    let mut peer = bench.client();
    peer.take_little();
    peer.socket.set_nonblocking(true).unwrap();
    let message = frame(0x82, &[1; 60_000]);
    while bench.server.stats().open > 0 {
        let _ = peer.socket.write(&message);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(bench.closed(), (1006, String::new(), Cause::Timeout(Timeout::WriteStall)));
    bench.until(|stats| stats.buffers == 0);
}

#[test]
fn a_silent_peer_is_pinged_and_closed_and_one_that_answers_is_kept() {
    let mut config = Config::default();
    let mut timeouts = Timeouts::NONE;
    (timeouts.ping, timeouts.pong, timeouts.close) = (Some(2), Some(3), Some(2));
    config.timeouts = timeouts;
    let bench = Bench::new(config);
    let mut alive = bench.client();
    let mut silent = bench.client();
    for _ in 0..4 {
        assert_eq!(alive.frame(), Some((0x89, Vec::new())));
        alive.send(0x8A, b"");
    }
    assert_eq!(silent.frame(), Some((0x89, Vec::new())));
    assert_eq!(silent.frame(), Some((0x88, 1001_u16.to_be_bytes().to_vec())));
    assert_eq!(bench.closed(), (1001, String::new(), Cause::Timeout(Timeout::Pong)));
    bench.until(|stats| stats.open == 1);
    // The one that is left may have been pinged once more.
    alive.send(0x8A, b"");
    alive.text("still here");
    while alive.frame().unwrap().0 == 0x89 {}
}

#[test]
fn a_connection_lives_as_long_as_it_may() {
    let mut timeouts = Timeouts::NONE;
    (timeouts.lifetime, timeouts.close) = (Some(4), Some(2));
    let bench = Bench::new(Config::default().with_timeouts(timeouts));
    // One is busy all the time, one is silent.
    let mut busy = bench.client();
    let mut silent = bench.client();
    let mut echoed = 0;
    loop {
        busy.text("sync");
        match busy.frame() {
            Some((0x81, payload)) => assert_eq!(payload, b"sync"),
            last => {
                assert_eq!(last, Some((0x88, 1001_u16.to_be_bytes().to_vec())));
                break;
            }
        }
        echoed += 1;
    }
    assert!(echoed > 0);
    assert_eq!(silent.frame(), Some((0x88, 1001_u16.to_be_bytes().to_vec())));
    for _ in 0..2 {
        assert_eq!(bench.closed(), (1001, String::new(), Cause::Timeout(Timeout::Lifetime)));
    }
    bench.until(|stats| stats.open == 0);
}

#[test]
fn a_silent_peer_is_closed_without_pings_when_only_idle_is_set() {
    let mut timeouts = Timeouts::NONE;
    (timeouts.idle, timeouts.close) = (Some(3), Some(2));
    let bench = Bench::new(Config::default().with_timeouts(timeouts));
    let mut silent = bench.client();
    assert_eq!(silent.frame(), Some((0x88, 1001_u16.to_be_bytes().to_vec())));
    assert_eq!(bench.closed(), (1001, String::new(), Cause::Timeout(Timeout::Idle)));
    bench.until(|stats| stats.open == 0);
}

/// Changes the deadlines of the connections that say so.
struct Patient;

impl Handler for Patient {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        if message.as_str() == Some("wait for me") {
            assert!(conn.set_timeouts(&Timeouts::NONE));
        }
        conn.send(message).unwrap();
    }
}

#[test]
fn a_handler_changes_the_deadlines_of_one_connection() {
    let mut timeouts = Timeouts::NONE;
    (timeouts.idle, timeouts.close) = (Some(3), Some(2));
    let config = Config::default().with_timeouts(timeouts);
    let builder = Builder::new().config(config).threads(1).listen("127.0.0.1:0".parse().unwrap());
    let server = builder.start(|_| Patient).unwrap();
    let mut patient = Peer::open(server.addresses()[0]);
    patient.text("wait for me");
    assert_eq!(patient.frame(), Some((0x81, b"wait for me".to_vec())));
    let mut other = Peer::open(server.addresses()[0]);
    // The later one is closed for its silence, the earlier one is not.
    assert_eq!(other.frame(), Some((0x88, 1001_u16.to_be_bytes().to_vec())));
    patient.sync();
}

#[test]
fn a_peer_that_does_not_answer_close_is_dropped() {
    let bench = Bench::new(quick());
    let mut peer = bench.client();
    peer.text("!close");
    assert_eq!(peer.frame().unwrap().0, 0x88);
    assert!(peer.is_at_end());
    assert_eq!(bench.closed(), (1006, String::new(), Cause::Timeout(Timeout::CloseLinger)));
}

/// Pauses at each message, and resumes when another thread says so.
struct Turnpike;

impl Handler for Turnpike {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        conn.send(message).unwrap();
        conn.pause();
    }

    fn close(&mut self, _: &mut Conn<'_, ()>, closed: Closed<'_>) {
        assert_eq!(closed.cause, Cause::Handshake);
    }
}

#[test]
fn a_paused_connection_keeps_what_was_read_and_goes_on_with_it() {
    let mut config = Config::default();
    // While nobody listens, silence is not held against the peer.
    let mut timeouts = Timeouts::NONE;
    (timeouts.ping, timeouts.pong, timeouts.idle) = (Some(1), Some(1), Some(1));
    config.timeouts = timeouts;
    let builder = Builder::new().config(config).threads(1).listen("127.0.0.1:0".parse().unwrap());
    let server = builder.start(|_| Turnpike).unwrap();
    let sender = server.senders()[0].clone();
    let resume = move || {
        sender.run(|reactor| {
            let token = reactor.tokens().next().unwrap();
            let mut conn = reactor.conn(token).unwrap();
            assert!(conn.is_paused());
            conn.resume();
        })
    };
    let mut peer = Peer::open(server.addresses()[0]);
    let mut octets = frame(0x81, b"one");
    octets.extend(frame(0x82, &vec![2; 400_000]));
    octets.extend(frame(0x81, b"three"));
    octets.extend(frame(0x88, b""));
    let mut socket = peer.socket.try_clone().unwrap();
    let writer = std::thread::spawn(move || socket.write_all(&octets).unwrap());
    assert_eq!(peer.frame(), Some((0x81, b"one".to_vec())));
    std::thread::sleep(std::time::Duration::from_millis(500));
    resume().unwrap();
    let (first, payload) = peer.frame().unwrap();
    assert!(first == 0x82 && payload == vec![2; 400_000]);
    resume().unwrap();
    assert_eq!(peer.frame(), Some((0x81, b"three".to_vec())));
    resume().unwrap();
    assert_eq!(peer.close_code(), 1005);
    writer.join().unwrap();
}
