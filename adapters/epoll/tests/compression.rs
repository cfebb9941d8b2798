//! permessage-deflate over real sockets: what is agreed, what passes, what is refused, and what it holds.
#![cfg(target_os = "linux")]

#[path = "support/packed.rs"]
mod packed;
mod support;

use packed::{Packed, noise, policy, text};
use std::sync::mpsc;
use support::{Bench, Saw, frame};
use tightwire_epoll::compression::{Effort, Level, Policy, WindowBits};
use tightwire_epoll::tightwire::handshake::OriginPolicy;
use tightwire_epoll::tightwire::handshake::client::Offer;
use tightwire_epoll::tightwire::handshake::server::Acceptance;
use tightwire_epoll::tightwire::{Kind, Limits, Message, Violation};
use tightwire_epoll::{Answer, Builder, Cause, Config, Conn, Handler, Opening, Part, Reactor, Server};

fn allowing(takeover: bool) -> Config {
    Config::default().with_compression(Policy::DEFAULT.with_takeover(takeover, takeover))
}

#[test]
fn it_is_off_by_default() {
    let bench = Bench::new(Config::default());
    let mut client = Packed::open(bench.address(), policy(15, true));
    assert_eq!(client.agreed, None);
    client.peer.sync();
    // RFC 6455 5.2: RSV1 without an extension that defines it
    client.send(0x81, b"anything");
    assert_eq!(client.peer.close_code(), 1002);
    // A server that allows it does not press it on anybody.
    let bench = Bench::new(allowing(true));
    bench.client().sync();
}

#[test]
fn messages_come_back_on_all_terms() {
    for takeover in [false, true] {
        let bench = Bench::new(allowing(takeover));
        for bits in 8..=15 {
            for wanted in [false, true] {
                let mut client = Packed::open(bench.address(), policy(bits, wanted));
                let agreed = client.agreed.unwrap();
                assert_eq!(agreed.server.takeover(), takeover && wanted);
                assert_eq!(agreed.client.takeover(), takeover && wanted);
                assert_eq!((agreed.server.window().bits(), agreed.client.window().bits()), (bits, bits));
                let mut lengths = Vec::new();
                for (at, size) in
                    [0, 1, 127, 128, 200, 200, 5000, 70_000, 600_000, 200].into_iter().enumerate()
                {
                    let message = text(size, 7);
                    client.send(0x81, message.as_bytes());
                    let (first, length, back) = client.message();
                    let expected = if size < 128 { 0x81 } else { 0xC1 };
                    assert_eq!(first, expected, "message {at}");
                    assert!(back == message.as_bytes(), "message {at} of {size}, {agreed:?}");
                    assert!(size < 128 || length < size);
                    lengths.push(length);
                }
                // With takeover what was sent before costs next to nothing.
                assert_eq!(lengths[5] < 30, takeover && wanted, "{lengths:?}");
                let message = noise(3000);
                client.send(0x82, &message);
                assert_eq!(client.message(), (0x82, 3000, message));
                client.peer.sync();
            }
        }
    }
}

// RFC 7692 6: control frames come between the fragments, uncompressed messages between the compressed ones
#[test]
fn every_cut_of_a_compressed_conversation_is_the_same() {
    let bench = Bench::new(allowing(true));
    let mut other = bench.client();
    for takeover in [false, true] {
        let terms = policy(12, takeover);
        let mut sender = Packed::open(bench.address(), terms);
        let (one, two) = (text(300, 1), text(400, 2));
        let whole = sender.packed(0x81, one.as_bytes());
        let payload = sender.codec.deflate(two.as_bytes());
        let (begin, end) = payload.split_at(payload.len() / 2);
        let mut sent = whole;
        sent.extend(frame(0x41, begin));
        sent.extend(frame(0x89, b"ping"));
        sent.extend(frame(0x00, b""));
        sent.extend(frame(0x80, end));
        sent.extend(frame(0x81, b"plain"));
        sent.extend(sender.packed(0x81, one.as_bytes()));
        sent.extend(frame(0x88, &[0x03, 0xE8]));
        for cut in 1..sent.len() {
            let mut client = Packed::open(bench.address(), terms);
            client.peer.write(&sent[..cut]);
            other.sync();
            client.peer.write(&sent[cut..]);
            for expected in [one.as_bytes(), b"ping", two.as_bytes(), b"plain", one.as_bytes(), &[0x03, 0xE8]]
            {
                assert_eq!(client.message().2, expected, "cut at {cut}");
            }
            assert!(client.peer.is_at_end());
            assert_eq!(bench.closed(), (1000, String::new(), Cause::Handshake), "cut at {cut}");
        }
        drop(sender);
        assert_eq!(bench.until(|stats| stats.open == 1).buffers, 0, "every buffer was given back");
        assert_eq!(bench.closed().0, 1006);
    }
}

#[test]
fn octet_by_octet() {
    let bench = Bench::new(allowing(true));
    let mut other = bench.client();
    let mut client = Packed::open(bench.address(), policy(9, true));
    for message in [text(500, 3), text(500, 3)] {
        for octet in client.packed(0x81, message.as_bytes()) {
            client.peer.write(&[octet]);
            other.sync();
        }
        assert_eq!(client.message().2, message.as_bytes());
    }
}

#[test]
fn faults_end_the_connection_with_their_code() {
    let limits = Limits::DEFAULT.with_message(100_000).with_ratio(50);
    let bench = Bench::new(allowing(false).with_limits(limits));
    let zeros = |octets: usize| vec![b'0'; octets];
    for (first, message, code, violation) in [
        (0x82, zeros(100_001), 1009, Violation::MessageTooLarge),
        (0x82, zeros(60_000), 1009, Violation::RatioTooLarge),
        (0x81, vec![0xC3, 0x28], 1007, Violation::InvalidUtf8),
        (0x81, vec![b'a', 0xC3], 1007, Violation::InvalidUtf8),
    ] {
        // The limit of the message is met first where there is no bound on the ratio.
        let unbounded = Bench::new(allowing(false).with_limits(limits.with_ratio(u32::MAX)));
        let bench = if violation == Violation::MessageTooLarge { &unbounded } else { &bench };
        let mut client = Packed::open(bench.address(), policy(15, false));
        client.send(0x81, b"good");
        client.send(first, &message);
        assert_eq!(client.message().2, b"good");
        assert_eq!(client.peer.close_code(), code, "{violation:?}");
        assert_eq!(bench.closed(), (code, String::new(), Cause::Violation(violation)));
        assert_eq!(bench.until(|stats| stats.open == 0).buffers, 0);
    }
    // Whole and in pieces: a reserved block type, a reference to what is not there, an end in the middle.
    for payload in [&[0x06, 0x00][..], &[0x02, 0x83, 0x00, 0x00], &[0x4A]] {
        for pieces in [1, payload.len()] {
            let mut client = Packed::open(bench.address(), policy(15, false));
            for (at, piece) in payload.chunks(payload.len().div_ceil(pieces)).enumerate() {
                let last = if (at + 1) * piece.len() >= payload.len() { 0x80 } else { 0 };
                client.peer.write(&frame(last | if at == 0 { 0x42 } else { 0 }, piece));
            }
            assert_eq!(client.peer.close_code(), 1007, "{payload:?}");
            assert_eq!(bench.closed().2, Cause::Violation(Violation::InvalidCompression));
        }
    }
    // RFC 7692 6: RSV1 on a continuation
    let mut client = Packed::open(bench.address(), policy(15, false));
    client.peer.write(&frame(0x02, b"x"));
    client.peer.write(&frame(0xC0, b"x"));
    assert_eq!(client.peer.close_code(), 1002);
}

/// More messages in pieces than there are codecs for: the others are collected as they come.
#[test]
fn any_number_of_messages_in_pieces_may_be_arriving() {
    let bench = Bench::new(allowing(true));
    let mut other = bench.client();
    for takeover in [false, true] {
        let mut clients: Vec<_> =
            (0..100).map(|_| Packed::open(bench.address(), policy(10, takeover))).collect();
        for round in 0..2 {
            let message = text(2000, round);
            let mut ends = Vec::new();
            for client in &mut clients {
                let payload = client.codec.deflate(message.as_bytes());
                let (begin, end) = payload.split_at(payload.len() / 2);
                client.peer.write(&frame(0x41, begin));
                ends.push(frame(0x80, end));
            }
            other.sync();
            // 64 windows of 1 KiB with what is inflated so far, the others with what came.
            assert!(bench.until(|stats| stats.buffers >= 100).buffer_octets < 100 * 8192);
            for (client, end) in clients.iter_mut().zip(&ends) {
                client.peer.write(end);
                assert_eq!(client.message().2, message.as_bytes());
            }
        }
        drop(clients);
        assert_eq!(bench.until(|stats| stats.open == 1).buffers, 0);
    }
    // And those that never end give everything back.
    let mut clients: Vec<_> = (0..100).map(|_| Packed::open(bench.address(), policy(10, true))).collect();
    for client in &mut clients {
        client.send(0x81, text(500, 5).as_bytes());
        client.message();
        client.peer.write(&frame(0x41, &[0x4A]));
    }
    other.sync();
    drop(clients);
    assert_eq!(bench.until(|stats| stats.open == 1).buffers, 0);
}

/// Runs something on the only reactor of a server and gives what it returns.
fn on<H: Handler, T: Send + 'static>(
    server: &Server<H>,
    run: impl FnOnce(&mut Reactor<H::Session>) -> T + Send + 'static,
) -> T {
    let (send, receive) = mpsc::channel();
    server.senders()[0].run(move |reactor| send.send(run(reactor)).unwrap()).unwrap();
    receive.recv().unwrap()
}

#[test]
fn windows_are_bounded_and_dropped_under_pressure() {
    const WINDOW: usize = 1 << 15;
    let bench = Bench::new(allowing(true).with_windows(4 * WINDOW));
    let open = || Packed::open(bench.address(), policy(15, true));
    let windows = || on(&bench.server, |reactor| reactor.windows()) / WINDOW;
    let message = text(1000, 1);
    // Whether what comes back refers to what came before it.
    let refers = |client: &mut Packed| {
        client.send(0x81, message.as_bytes());
        let (first, length, back) = client.message();
        assert_eq!((first, back.as_slice()), (0xC1, message.as_bytes()));
        length < 40
    };
    let (mut first, mut second) = (open(), open());
    assert_eq!(windows(), 2, "those for what is received are promised");
    for client in [&mut first, &mut second] {
        assert_eq!([refers(client), refers(client)], [false, true]);
    }
    assert_eq!(windows(), 4);
    // The third needs one to receive, at the cost of one of what was sent.
    let mut third = open();
    assert!(third.agreed.unwrap().client.takeover());
    assert_eq!(windows(), 4);
    let still = [refers(&mut first), refers(&mut second)];
    assert_eq!(still.iter().filter(|&&still| still).count(), 1);
    assert_eq!([refers(&mut third), refers(&mut third)], [false, false], "there is none to send");
    // A fourth is agreed without.
    let mut fourth = open();
    let agreed = fourth.agreed.unwrap();
    assert!(!agreed.client.takeover() && !agreed.server.takeover());
    assert_eq!([refers(&mut fourth), refers(&mut fourth)], [false, false]);
    // What was sent is forgotten: the next message refers to nothing, the one after it to that.
    assert_eq!(on(&bench.server, |reactor| reactor.drop_windows()), WINDOW);
    assert_eq!(windows(), 3);
    assert_eq!([refers(&mut third), refers(&mut third)], [false, true]);
    assert_eq!(windows(), 4);
    drop((first, second, third, fourth));
    bench.until(|stats| stats.open == 0);
    assert_eq!(on(&bench.server, |reactor| reactor.windows()), 0);
    assert_eq!(bench.until(|stats| stats.buffers == 0).buffer_octets, 0);
}

/// Does as it is told in the first word.
struct Orders;

impl Handler for Orders {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        let plain = opening.request().path() == "/plain";
        let opening = if plain { opening.without_compression() } else { opening };
        opening.accept(&OriginPolicy::SameHost, &Acceptance::default())
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        let order = message.as_str().unwrap_or_default().split(' ').next().unwrap_or_default().to_owned();
        match order.as_str() {
            "plain" => drop(conn.send_plain(message).unwrap()),
            "always" => drop(conn.send_compressed(message).unwrap()),
            "terms" => drop(conn.send(format!("{:?}", conn.compression()).as_str()).unwrap()),
            "effort" => {
                let effort = Effort::DEFAULT.with_threshold(5).with_level(Level::Best);
                assert!(conn.set_effort(effort));
                assert_eq!(conn.effort(), effort);
                conn.send(message).unwrap();
            }
            "off" => {
                assert!(conn.set_effort(Effort::DEFAULT.with_threshold(usize::MAX)));
                conn.send(message).unwrap();
            }
            "parts" => {
                for part in message.octets().chunks(1000) {
                    conn.send_fragment(Kind::Text, part, false).unwrap();
                    conn.ping(b"between").unwrap();
                }
                conn.send_fragment(Kind::Text, b"", true).unwrap();
            }
            "join" => drop(conn.subscribe("all")),
            "elsewhere" => {
                let text = message.as_str().unwrap_or_default().to_owned();
                let (token, sender) = (conn.token(), conn.reactor().sender().unwrap());
                std::thread::spawn(move || sender.send(token, text).unwrap());
            }
            "publish" => drop(conn.reactor().publish("all", message)),
            _ => drop(conn.send(message).unwrap()),
        }
    }
}

fn orders(config: Config) -> Server<Orders> {
    let builder = Builder::new().config(config).threads(1).listen("127.0.0.1:0".parse().unwrap());
    builder.start(|_| Orders).unwrap()
}

#[test]
fn each_message_and_each_connection_has_its_switch() {
    let server = orders(allowing(true));
    for takeover in [false, true] {
        let mut client = Packed::open(server.addresses()[0], policy(15, takeover));
        let long = "words ".repeat(100);
        for (order, first) in [
            (format!("plain {long}"), 0x81),
            (format!("echo {long}"), 0xC1),
            ("always aaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(), 0xC1),
            ("echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(), 0x81),
            ("effort aaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(), 0xC1),
            ("echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(), 0xC1),
            (format!("elsewhere {long}"), 0xC1),
            (format!("off {long}"), 0x81),
            (format!("echo {long}"), 0x81),
        ] {
            client.send(0x81, order.as_bytes());
            let (seen, _, back) = client.message();
            assert_eq!((seen, back.as_slice()), (first, order.as_bytes()));
        }
        client.send(0x81, b"terms");
        assert_eq!(client.message().2, format!("{:?}", client.agreed).as_bytes());
    }
    let mut client = Packed::open_at(server.addresses()[0], policy(15, true), "/plain");
    assert_eq!(client.agreed, None);
    client.peer.text("terms");
    assert_eq!(client.message().2, b"None");
}

#[test]
fn a_message_in_parts_is_compressed_with_pings_between() {
    let server = orders(allowing(true));
    for takeover in [false, true] {
        let mut client = Packed::open(server.addresses()[0], policy(11, takeover));
        for seed in 0..3 {
            let message = format!("parts {}", text(70_000, seed));
            client.send(0x81, message.as_bytes());
            let (mut payload, mut pings) = (Vec::new(), 0);
            loop {
                let (first, octets) = client.peer.frame().unwrap();
                if first == 0x89 {
                    pings += 1;
                    continue;
                }
                // RFC 7692 6.1: RSV1 on the first frame of the message only
                assert_eq!(first & 0x7F, if payload.is_empty() { 0x41 } else { 0 });
                payload.extend(octets);
                if first & 0x80 != 0 {
                    break;
                }
            }
            assert_eq!(pings, 71);
            assert!(payload.len() < message.len() / 2);
            assert!(client.codec.inflate(&payload) == message.as_bytes());
            // Messages in one piece are taken on.
            client.send(0x81, message.replace("parts", "echo").as_bytes());
            assert!(client.message().2 == message.replace("parts", "echo").as_bytes());
        }
    }
}

#[test]
fn a_publication_reaches_all_kinds_of_subscribers() {
    let server = orders(allowing(true));
    let address = server.addresses()[0];
    let mut clients: Vec<_> = [(15, false), (15, false), (9, false), (8, false), (15, true)]
        .map(|(bits, takeover)| Packed::open(address, policy(bits, takeover)))
        .into();
    // One that compresses nothing, and one that never agreed.
    let mut off = Packed::open(address, policy(15, false));
    off.send(0x81, b"off");
    off.message();
    clients.push(off);
    clients.push(Packed::open_at(address, policy(15, false), "/plain"));
    for client in &mut clients {
        client.peer.text("join");
        client.peer.sync();
    }
    let publications =
        [text(3000, 1), "short".to_owned(), text(60_000, 2)].map(|text| format!("publish {text}"));
    for publication in &publications {
        clients[4].send(0x81, publication.as_bytes());
    }
    for (at, client) in clients.iter_mut().enumerate() {
        for publication in &publications {
            let (first, length, back) = client.message();
            assert!(back == publication.as_bytes(), "subscriber {at}");
            let compressed = at < 4 && publication.len() >= 128;
            assert_eq!(first, if compressed { 0xC1 } else { 0x81 }, "subscriber {at}");
            assert_eq!(length < publication.len(), compressed);
        }
        // Direct messages still go their way, with what they refer to.
        if client.agreed.is_some() {
            let message = text(500, 9);
            client.send(0x81, message.as_bytes());
            assert_eq!(client.message().2, message.as_bytes());
        }
    }
    assert_eq!(server.stats().buffers, 2, "the two windows of the one with takeover");
}

/// Takes messages in parts, and reads on only when it is told to.
struct Stream {
    parts: mpsc::Sender<(usize, bool, bool)>,
    pauses: bool,
}

impl Handler for Stream {
    type Session = ();
    const CHUNKS: bool = true;

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.accept(&OriginPolicy::SameHost, &Acceptance::default())
    }

    fn chunk(&mut self, conn: &mut Conn<'_, ()>, part: Part<'_>) {
        assert!(part.octets.iter().all(|&octet| octet == b'x'));
        self.parts.send((part.octets.len(), part.first, part.last)).unwrap();
        if self.pauses {
            conn.pause();
        }
    }
}

fn stream(pauses: bool) -> (Server<Stream>, mpsc::Receiver<(usize, bool, bool)>) {
    let (send, parts) = mpsc::channel();
    let limits = Limits::DEFAULT.with_message(1 << 30);
    let config = allowing(true).with_limits(limits);
    let builder = Builder::new().config(config).threads(1).listen("127.0.0.1:0".parse().unwrap());
    (builder.start(move |_| Stream { parts: send.clone(), pauses }).unwrap(), parts)
}

#[test]
fn a_large_message_streams_in_little_memory() {
    let (server, parts) = stream(false);
    let mut client = Packed::open(server.addresses()[0], policy(15, true));
    let octets = 8 << 20;
    for _ in 0..2 {
        let payload = client.codec.deflate(&vec![b'x'; octets]);
        let third = payload.len() / 3;
        client.peer.write(&frame(0x41, &payload[..third]));
        client.peer.write(&frame(0x00, &payload[third..2 * third]));
        client.peer.write(&frame(0x80, &payload[2 * third..]));
        let mut seen = 0;
        loop {
            let (length, first, last) = parts.recv().unwrap();
            assert!(length <= 16 * 1024, "{length}");
            assert_eq!(first, seen == 0);
            seen += length;
            if last {
                break;
            }
        }
        assert_eq!(seen, octets);
    }
    // The window of what was received, until the connection ends.
    while server.stats().buffers != 1 {
        std::thread::yield_now();
    }
    assert_eq!(server.stats().buffer_octets, 1 << 15);
}

#[test]
fn a_pause_holds_within_a_message() {
    let (server, parts) = stream(true);
    let mut client = Packed::open(server.addresses()[0], policy(15, false));
    let octets = 200_000;
    let bomb = client.packed(0x81, &vec![b'x'; octets]);
    // Two in one read, and a plain one behind them.
    client.peer.write(&[bomb.clone(), bomb, frame(0x81, b"xxx")].concat());
    let mut lengths = Vec::new();
    while lengths.len() < 3 {
        let mut seen = 0;
        loop {
            let (length, _, last) = parts.recv().unwrap();
            seen += length;
            // It has paused: nothing comes however long it takes.
            on(&server, |_| ());
            assert!(parts.try_recv().is_err());
            on(&server, |reactor| {
                let token = reactor.tokens().next().unwrap();
                reactor.conn(token).unwrap().resume();
            });
            if last {
                break;
            }
        }
        lengths.push(seen);
    }
    assert_eq!(lengths, [octets, octets, 3]);
    while server.stats().buffers != 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_slow_reader_is_bounded_by_what_was_written_for_it() {
    let mark = 64 * 1024;
    let bench = Bench::new(allowing(false).with_mark(mark));
    let mut client = Packed::open(bench.address(), policy(15, false));
    client.peer.take_little();
    // Each message is large, and small when it is compressed; and one that is not.
    let mut other = bench.client();
    let compressible = client.packed(0x82, &vec![7; 500_000]);
    let random = noise(200_000);
    let mut echoes = Vec::new();
    client.peer.socket.set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    for at in 0_u32..200 {
        let incompressible = at.is_multiple_of(10);
        let octets = if incompressible { frame(0x82, &random) } else { compressible.clone() };
        if std::io::Write::write_all(&mut client.peer.socket, &octets).is_err() {
            break;
        }
        echoes.push(incompressible);
        other.sync();
        let stats = bench.server.stats();
        // What waits, what was read and is held back, and one message.
        assert!(stats.buffer_octets < 1 << 21, "{stats:?}");
    }
    assert!(echoes.len() > 20);
    for random_one in &echoes {
        let (_, _, back) = client.message();
        if *random_one { assert!(back == random) } else { assert!(back == [7; 500_000]) }
    }
}

#[test]
fn clients_offer_it_when_they_are_told_to() {
    let bench = Bench::new(allowing(true).with_effort(Effort::DEFAULT.with_threshold(0)));
    for (config, agreed) in [
        (Config::default(), false),
        (allowing(false), true),
        (allowing(true), true),
        (Config::default().with_compression(policy(9, true)), true),
    ] {
        let client = Builder::new().config(config.clone()).threads(1).start(|_| Orders).unwrap();
        let address = bench.address();
        on(&client, move |reactor| {
            reactor.connect(address, None, &Offer::new("example", "/"), ()).unwrap();
        });
        while client.stats().opened == 0 {
            std::thread::yield_now();
        }
        assert!(matches!(bench.next(), Saw::Open(_)));
        let terms = on(&client, |reactor| {
            let token = reactor.tokens().next().unwrap();
            let mut conn = reactor.conn(token).unwrap();
            // What comes back says "echo" and so is sent back again, and so on: both ends do both.
            conn.send(format!("echo {}", text(2000, 4)).as_str()).unwrap();
            conn.compression()
        });
        let wanted = config.compression;
        assert_eq!(terms.is_some(), agreed);
        assert_eq!(terms.map(|terms| terms.client.takeover()), wanted.map(|policy| policy.client_takeover));
        assert_eq!(
            terms.map(|terms| terms.server.window()),
            wanted.map(|policy| policy.server_window.min(WindowBits::MAX))
        );
        while client.stats().messages_received < 200 {
            std::thread::yield_now();
        }
        let stats = client.stats();
        let ratio = stats.octets_received / stats.messages_received.max(1);
        assert_eq!(ratio < 1000, agreed, "{ratio} octets for a message of 2005");
        client.shutdown(std::time::Duration::ZERO);
        bench.until(|stats| stats.open == 0);
        while !matches!(bench.next(), Saw::Closed(..)) {}
    }
}

#[test]
fn an_answer_that_does_not_fit_fails_the_client() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (failures, failed) = mpsc::channel();
    let builder = Builder::new().config(allowing(false)).threads(1);
    let client = builder.start(move |_| support::Echo { saw: failures.clone() }).unwrap();
    on(&client, move |reactor| {
        reactor.connect(address, None, &Offer::new("example", "/"), 0).unwrap();
    });
    let (mut socket, _) = listener.accept().unwrap();
    // RFC 7692 7.1.1.1: server_no_context_takeover was offered, so it must be in the answer
    let acceptance = Acceptance { extensions: Some("permessage-deflate"), ..Acceptance::default() };
    support::accept(&mut socket, &acceptance);
    let saw = failed.recv().unwrap();
    assert!(matches!(saw, Saw::Failed(tightwire_epoll::ConnectError::Compression(_))), "{saw:?}");
    assert_eq!(on(&client, |reactor| reactor.windows()), 0);
}
