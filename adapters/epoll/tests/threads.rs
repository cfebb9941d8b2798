//! Other threads, other connections, other roles: senders, topics, workers, clients, Unix sockets, shutdown.
#![cfg(target_os = "linux")]

mod support;

use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::time::Duration;
use support::{Bench, Peer, REQUEST, Saw};
use tightwire_epoll::tightwire::handshake::OriginPolicy;
use tightwire_epoll::tightwire::handshake::client::{AnswerError, Offer};
use tightwire_epoll::tightwire::handshake::server::Acceptance;
use tightwire_epoll::tightwire::{CloseCode, Message};
use tightwire_epoll::workers::{self, Workers};
use tightwire_epoll::{
    Answer, Builder, Cause, Closed, Config, Conn, ConnectError, Handler, Opening, PostError, Sender, Server,
    Token,
};

fn text(text: &str) -> Option<(u8, Vec<u8>)> {
    Some((0x81, text.as_bytes().to_vec()))
}

#[test]
fn any_thread_can_send_and_run_closures() {
    let bench = Bench::new(Config::default());
    let mut peer = bench.client();
    let Saw::Open(token) = bench.next() else { panic!() };
    let sender = bench.server.senders()[0].clone();
    let others = (0..4).map(|thread| {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for at in 0..100 {
                sender.send(token, format!("{thread} {at}")).unwrap();
            }
        })
    });
    let others: Vec<_> = others.collect();
    let mut next = [0; 4];
    for _ in 0..400 {
        let (_, payload) = peer.frame().unwrap();
        let line = String::from_utf8(payload).unwrap();
        let (thread, at) = line.split_once(' ').unwrap();
        let next = &mut next[thread.parse::<usize>().unwrap()];
        assert_eq!(at, next.to_string(), "messages of one thread stay in order");
        *next += 1;
    }
    others.into_iter().for_each(|other| other.join().unwrap());
    let (send, count) = mpsc::channel();
    sender.run(move |reactor| send.send((reactor.len(), reactor.conn(token).is_some())).unwrap()).unwrap();
    assert_eq!(count.recv(), Ok((1, true)));
    // A stale token reaches nobody, also when its slot is used again.
    drop(peer);
    bench.until(|stats| stats.open == 0);
    let mut second = bench.client();
    sender.send(token, "for the first one").unwrap();
    second.sync();
    bench.server.shutdown(Duration::ZERO);
    assert_eq!(sender.send(token, "gone"), Err(PostError::Gone));
}

/// Publishes each message to the topic that its path names; `+topic` and `-topic` subscribe and leave.
struct Room;

impl Handler for Room {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        let text = message.as_str().unwrap();
        if let Some(topic) = text.strip_prefix('+') {
            let fresh = conn.subscribe(topic);
            conn.send(if fresh { "in" } else { "already in" }).unwrap();
        } else if let Some(topic) = text.strip_prefix('-') {
            let left = conn.unsubscribe(topic);
            conn.send(if left { "out" } else { "not in" }).unwrap();
        } else if let Some(topics) = text.strip_prefix('*') {
            // To each topic in turn, within one event.
            for at in 0..10 {
                for topic in topics.split(',') {
                    assert_eq!(conn.reactor().publish(topic, format!("{topic} {at}").as_str()), 0);
                }
            }
        } else if let Some((topic, text)) = text.split_once(':') {
            conn.send("before").unwrap();
            assert_eq!(conn.reactor().publish(topic, text), 0);
            conn.send("after").unwrap();
        }
    }
}

fn room(threads: usize) -> Server<Room> {
    Builder::new().threads(threads).listen("127.0.0.1:0".parse().unwrap()).start(|_| Room).unwrap()
}

#[test]
fn publications_reach_subscribers_in_order_with_the_rest() {
    let server = room(1);
    let [mut one, mut two, mut three] = [(); 3].map(|()| Peer::open(server.addresses()[0]));
    for peer in [&mut one, &mut two] {
        peer.text("+news");
        assert_eq!(peer.frame(), text("in"));
        peer.text("+news");
        assert_eq!(peer.frame(), text("already in"));
    }
    three.text("+other");
    assert_eq!(three.frame(), text("in"));
    one.text("news:hello");
    for expected in ["before", "hello", "after"] {
        assert_eq!(one.frame(), text(expected));
    }
    assert_eq!(two.frame(), text("hello"));
    two.text("-news");
    assert_eq!(two.frame(), text("out"));
    two.text("-news");
    assert_eq!(two.frame(), text("not in"));
    server.publish("news", "from outside").unwrap();
    assert_eq!(one.frame(), text("from outside"));
    server.publish("other", "to three").unwrap();
    assert_eq!(three.frame(), text("to three"));
    // Two got nothing more.
    two.text("+news");
    assert_eq!(two.frame(), text("in"));
}

#[test]
fn topics_do_not_overtake_each_other() {
    let server = room(2);
    let mut peers: Vec<_> = (0..6).map(|_| Peer::open(server.addresses()[0])).collect();
    // Of one topic, of the other, of both, on either thread.
    let lists = [&["a"][..], &["b"], &["a", "b"], &["b", "a"], &["a", "b", "c"], &["b", "c"]];
    for (peer, list) in peers.iter_mut().zip(lists) {
        for topic in list {
            peer.text(&format!("+{topic}"));
            assert_eq!(peer.frame(), text("in"));
        }
    }
    let mut publisher = Peer::open(server.addresses()[0]);
    for round in 0..3 {
        publisher.text("*a,b,c,b");
        for (peer, list) in peers.iter_mut().zip(lists) {
            for at in 0..10 {
                for topic in ["a", "b", "c", "b"].iter().filter(|topic| list.contains(topic)) {
                    assert_eq!(peer.frame(), text(&format!("{topic} {at}")), "round {round}, {list:?}");
                }
            }
        }
    }
}

#[test]
fn publications_cross_threads() {
    let server = room(3);
    let mut peers: Vec<_> = (0..30).map(|_| Peer::open(server.addresses()[0])).collect();
    for peer in &mut peers {
        peer.text("+all");
        assert_eq!(peer.frame(), text("in"));
    }
    peers[0].text("all:hello");
    assert_eq!(peers[0].frame(), text("before"));
    for peer in &mut peers {
        assert_eq!(peer.frame(), text("hello"));
    }
}

#[test]
fn subscribers_come_and_go() {
    let server = room(1);
    let mut peers: Vec<_> = (0..20).map(|_| Peer::open(server.addresses()[0])).collect();
    for (at, peer) in peers.iter_mut().enumerate() {
        for topic in ["all", if at % 2 == 0 { "even" } else { "odd" }] {
            peer.text(&format!("+{topic}"));
            assert_eq!(peer.frame(), text("in"));
        }
    }
    // Every third leaves one way or the other.
    let mut left = Vec::new();
    for (at, mut peer) in peers.into_iter().enumerate() {
        match at % 6 {
            0 => drop(peer),
            3 => {
                peer.text("-odd");
                assert_eq!(peer.frame(), text("out"));
                left.push((at, peer));
            }
            _ => left.push((at, peer)),
        }
    }
    while server.stats().open > left.len() as u64 {
        std::thread::sleep(Duration::from_millis(1));
    }
    for topic in ["even", "odd", "all"] {
        server.publish(topic, topic).unwrap();
    }
    for (at, peer) in &mut left {
        if *at % 2 == 0 {
            assert_eq!(peer.frame(), text("even"));
        } else if *at % 6 != 3 {
            assert_eq!(peer.frame(), text("odd"));
        }
        assert_eq!(peer.frame(), text("all"));
    }
}

#[test]
fn a_slow_subscriber_holds_nobody_up() {
    let server = room(1);
    let [mut slow, mut quick] = [(); 2].map(|()| Peer::open(server.addresses()[0]));
    for peer in [&mut slow, &mut quick] {
        peer.take_little();
        peer.text("+news");
        assert_eq!(peer.frame(), text("in"));
    }
    let news = "n".repeat(10_000);
    let mut published = 0;
    // Until something is refused: only the slow one can be the reason.
    while server.stats().refused_messages < 5 {
        server.publish("news", news.as_str()).unwrap();
        published += 1;
        assert_eq!(quick.frame(), text(&news));
    }
    let config = Config::default();
    assert!(server.stats().buffer_octets <= 4 * (config.mark + 64 * 1024) as u64, "{:?}", server.stats());
    // The slow one gets whole messages, in order, and fewer.
    server.publish("news", "end").unwrap();
    assert_eq!(quick.frame(), text("end"));
    let mut got = 0;
    while server.stats().buffers > 0 {
        assert_eq!(slow.frame(), text(&news));
        got += 1;
    }
    assert!(got < published);
}

/// Has messages answered by a pool of workers.
struct Office {
    workers: Workers,
    reactor: Sender<()>,
}

impl Handler for Office {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        let (token, reactor) = (conn.token(), self.reactor.clone());
        let text = message.as_str().unwrap().to_owned();
        let job = move || {
            assert_ne!(text, "panic");
            reactor.send(token, text.to_uppercase()).unwrap();
        };
        self.workers.try_submit(token.to_bits(), job).unwrap();
    }
}

#[test]
fn workers_answer_in_order_and_a_panic_closes_one_connection_with_1011() {
    // The way to the reactor is known only when the server runs.
    let (give, take) = mpsc::channel::<Sender<()>>();
    let take = std::sync::Mutex::new(take);
    let slot = std::sync::Arc::new(std::sync::OnceLock::<Sender<()>>::new());
    let on_panic = {
        let slot = slot.clone();
        move |key: u64| {
            let close = move |reactor: &mut tightwire_epoll::Reactor<()>| {
                if let Some(mut conn) = reactor.conn(Token::from_bits(key)) {
                    let _ = conn.close(CloseCode::INTERNAL_ERROR, "");
                }
            };
            slot.get().unwrap().run(close).unwrap();
        }
    };
    let config =
        workers::Config { threads: 4, on_panic: std::sync::Arc::new(on_panic), ..Default::default() };
    let workers = Workers::new(config);
    let office = {
        let workers = workers.clone();
        move |_| Office { workers: workers.clone(), reactor: take.lock().unwrap().recv().unwrap() }
    };
    let server = Builder::new().threads(1).listen("127.0.0.1:0".parse().unwrap()).start(office).unwrap();
    slot.set(server.senders()[0].clone()).unwrap();
    give.send(server.senders()[0].clone()).unwrap();

    let mut good = Peer::open(server.addresses()[0]);
    let mut bad = Peer::open(server.addresses()[0]);
    bad.text("panic");
    for at in 0..200 {
        good.text(&format!("message {at}"));
    }
    for at in 0..200 {
        assert_eq!(good.frame(), text(&format!("MESSAGE {at}")));
    }
    assert_eq!(bad.frame(), Some((0x88, 1011_u16.to_be_bytes().to_vec())));
    good.text("still there");
    assert_eq!(good.frame(), text("STILL THERE"));
    assert_eq!(workers.shutdown(Duration::from_secs(10)).dropped, 0);
    assert_eq!(workers.counters().panicked, 1);
}

/// The client's end: says hello, sends what it gets back to the test, and closes at the third message.
struct Caller {
    told: mpsc::Sender<Result<String, ConnectError>>,
}

impl Handler for Caller {
    type Session = u32;

    fn handshake(&mut self, opening: Opening<'_, u32>) -> Answer {
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn open(&mut self, conn: &mut Conn<'_, u32>) {
        assert!(conn.is_client());
        assert!(!conn.subscribe("anything"), "a client masks each frame by itself");
        conn.send("one").unwrap();
        conn.send(&[2; 100_000]).unwrap();
        conn.send("three").unwrap();
    }

    fn message(&mut self, conn: &mut Conn<'_, u32>, message: Message<'_>) {
        *conn.session() += 1;
        let count = *conn.session();
        let _ = self.told.send(Ok(format!("{count} {}", message.len())));
        if count == 13 {
            conn.close(CloseCode::NORMAL, "done").unwrap();
        }
    }

    fn close(&mut self, conn: &mut Conn<'_, u32>, closed: Closed<'_>) {
        let _ = self.told.send(Ok(format!("closed {} {:?} {}", closed.code, closed.cause, conn.session())));
    }

    fn failed(&mut self, _: &mut Conn<'_, u32>, failure: ConnectError) {
        let _ = self.told.send(Err(failure));
    }
}

#[test]
fn the_client_side_has_the_same_handler() {
    let bench = Bench::new(Config::default());
    let (told, tells) = mpsc::channel();
    let callers = Builder::new().threads(1).start(move |_| Caller { told: told.clone() }).unwrap();
    let sender = callers.senders()[0].clone();
    let address = bench.address();
    // From an address of its own; the session begins where it is told.
    let source = "127.0.0.77:0".parse().unwrap();
    sender
        .run(move |reactor| drop(reactor.connect(address, Some(source), &Offer::new("a", "/"), 10)))
        .unwrap();
    for expected in ["11 3", "12 100000", "13 5", "closed 1000 Handshake 13"] {
        assert_eq!(tells.recv().unwrap(), Ok(expected.to_owned()));
    }
    assert_eq!(bench.closed(), (1000, "done".to_owned(), Cause::Handshake));
    // A refusal names the status.
    sender.run(move |reactor| drop(reactor.connect(address, None, &Offer::new("a", "/health"), 0))).unwrap();
    assert_eq!(tells.recv().unwrap(), Err(ConnectError::Answer(AnswerError::Status(200))));
    // Nobody listens here.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    sender.run(move |reactor| drop(reactor.connect(nobody, None, &Offer::new("a", "/"), 0))).unwrap();
    let refused = ConnectError::Transport(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(tells.recv().unwrap(), Err(refused));
    while callers.stats().open > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(callers.stats().buffers, 0);
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let (told, tells) = mpsc::channel();
    let mut config = Config::default();
    config.timeouts.handshake = Some(2);
    let callers =
        Builder::new().config(config).threads(1).start(move |_| Caller { told: told.clone() }).unwrap();
    callers.senders()[0]
        .run(move |reactor| drop(reactor.connect(address, None, &Offer::new("a", "/"), 0)))
        .unwrap();
    assert_eq!(tells.recv().unwrap(), Err(ConnectError::Timeout));
}

#[test]
fn a_unix_socket_serves_too() {
    let folder = std::env::temp_dir().join(format!("tightwire-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let server = Builder::new().threads(2).unix(listener).start(|_| Room).unwrap();
    assert!(server.addresses().is_empty());
    let mut stream = UnixStream::connect(&path).unwrap();
    std::io::Write::write_all(&mut stream, REQUEST.as_bytes()).unwrap();
    let mut start = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 101");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_inherited_listener_serves() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Builder::new().threads(2).listener(listener).start(|_| Room).unwrap();
    let mut peer = Peer::open(server.addresses()[0]);
    peer.text("+x");
    assert_eq!(peer.frame(), text("in"));
}

#[test]
fn a_shutdown_says_goodbye_and_waits() {
    let bench = Bench::new(Config::default());
    let mut polite: Vec<_> = (0..50).map(|_| bench.client()).collect();
    let address = bench.address();
    let Bench { server, saw } = bench;
    let closing = std::thread::spawn(move || server.shutdown(Duration::from_secs(30)));
    for peer in &mut polite {
        assert_eq!(peer.frame(), Some((0x88, 1001_u16.to_be_bytes().to_vec())));
        peer.send(0x88, &1001_u16.to_be_bytes());
        assert!(peer.is_at_end());
    }
    let report = closing.join().unwrap();
    assert_eq!((report.connections, report.dropped), (50, 0));
    let closed = saw.iter().filter(|saw| matches!(saw, Saw::Closed(1001, _, Cause::Handshake))).count();
    assert_eq!(closed, 50);
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn a_shutdown_under_load_drops_who_does_not_go() {
    let bench = Bench::new(Config::default());
    let mut peers: Vec<_> = (0..20).map(|_| bench.client()).collect();
    peers[0].write(&support::frame(0x82, &[1; 5000])[..2000]);
    let load = std::thread::spawn({
        let mut socket = peers[1].socket.try_clone().unwrap();
        move || while std::io::Write::write_all(&mut socket, &support::frame(0x81, b"more")).is_ok() {}
    });
    let Bench { server, saw } = bench;
    let report = server.shutdown(Duration::from_millis(200));
    assert_eq!(report.connections, 20);
    assert!(report.dropped > 0);
    load.join().unwrap();
    let closed = saw.iter().filter(|saw| matches!(saw, Saw::Closed(..))).count();
    assert_eq!(closed, 20, "each open has its close");
}
