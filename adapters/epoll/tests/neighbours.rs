//! What happens to one connection is no other's affair, nor the reactor's.

mod support;

use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;
use support::{Peer, REQUEST, frame};
use tightwire_epoll::tightwire::handshake::OriginPolicy;
use tightwire_epoll::tightwire::handshake::client::Offer;
use tightwire_epoll::tightwire::handshake::server::Acceptance;
use tightwire_epoll::tightwire::{CloseCode, Kind, Message, Timeouts};
use tightwire_epoll::{
    Answer, Builder, Closed, Config, Conn, ConnectError, Handler, Opening, Server, Token, WhenFull,
};

/// More than a batch of publications holds: it is written at once.
static LARGE: [u8; 70_000] = [b'p'; 70_000];

/// The first connection subscribes; the others do things to it.
struct Street {
    first: Option<Token>,
    barrier: Arc<Barrier>,
}

impl Handler for Street {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn open(&mut self, conn: &mut Conn<'_, ()>) {
        if self.first.is_none() {
            self.first = Some(conn.token());
            assert!(conn.subscribe("news"));
        } else {
            conn.reactor().publish_here("news", &LARGE[..]);
        }
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        match message.as_str().unwrap() {
            "wait" => {
                self.barrier.wait();
                self.barrier.wait();
            }
            "publish" => {
                conn.send("before").unwrap();
                self.barrier.wait();
                self.barrier.wait();
                conn.reactor().publish_here("news", &LARGE[..]);
                conn.send("after").unwrap();
            }
            "fragments" => {
                let first = self.first.unwrap();
                let reactor = conn.reactor();
                for (part, fin) in [("one", false), ("two", true)] {
                    reactor.conn(first).unwrap().send_fragment(Kind::Text, part.as_bytes(), fin).unwrap();
                    reactor.publish_here("news", part);
                }
            }
            "send" => {
                let reactor = conn.reactor();
                for _ in 0..2 {
                    reactor.conn(self.first.unwrap()).unwrap().send(&LARGE[..60_000]).unwrap();
                }
                reactor.publish_here("news", "news");
                conn.send("done").unwrap();
            }
            _ => {}
        }
    }
}

fn street(config: Config) -> (Server<Street>, Arc<Barrier>) {
    let barrier = Arc::new(Barrier::new(2));
    let given = barrier.clone();
    let builder = Builder::new().config(config).threads(1).listen("127.0.0.1:0".parse().unwrap());
    let start = move |_| Street { first: None, barrier: given.clone() };
    (builder.start(start).unwrap(), barrier)
}

#[test]
fn output_of_one_connection_survives_the_end_of_another() {
    let (server, barrier) = street(Config::default());
    let first = Peer::open(server.addresses()[0]);
    let mut second = Peer::open(server.addresses()[0]);
    second.text("publish");
    // The first one is broken before the publication, and nobody has been told.
    barrier.wait();
    first.reset();
    barrier.wait();
    for expected in ["before", "after"] {
        assert_eq!(second.frame(), Some((0x81, expected.as_bytes().to_vec())));
    }
}

#[test]
fn an_answer_to_a_handshake_survives_the_end_of_another_connection() {
    let (server, barrier) = street(Config::default());
    let first = Peer::open(server.addresses()[0]);
    let mut second = Peer::open(server.addresses()[0]);
    let mut third = Peer::connect(server.addresses()[0]);
    second.text("wait");
    barrier.wait();
    // In one turn, and perhaps in this order: the request, then what tells of the reset.
    third.write(REQUEST.as_bytes());
    first.reset();
    barrier.wait();
    assert!(third.head().starts_with("HTTP/1.1 101 "));
}

/// A street where whoever is refused a publication is closed. The first has had the one of the second's coming.
fn strict_street() -> (Server<Street>, Peer, Peer) {
    let mut config = Config::default();
    config.when_full = WhenFull::Close;
    let (server, _) = street(config);
    let mut first = Peer::open(server.addresses()[0]);
    let second = Peer::open(server.addresses()[0]);
    assert_eq!(first.frame().unwrap(), (0x82, LARGE.to_vec()));
    (server, first, second)
}

#[test]
fn what_waits_for_the_end_of_a_turn_is_no_reason_to_refuse() {
    let (server, mut first, mut second) = strict_street();
    second.text("send");
    assert_eq!(second.frame(), Some((0x81, b"done".to_vec())));
    for _ in 0..2 {
        assert_eq!(first.frame().unwrap(), (0x82, LARGE[..60_000].to_vec()));
    }
    assert_eq!(first.frame(), Some((0x81, b"news".to_vec())));
    assert_eq!(server.stats().refused_messages, 0);
}

// RFC 6455 5.4: messages are not interleaved
#[test]
fn a_publication_inside_a_message_in_fragments_closes_nothing() {
    let (server, mut first, mut second) = strict_street();
    second.text("fragments");
    for expected in [(0x01, "one"), (0x80, "two"), (0x81, "two")] {
        assert_eq!(first.frame(), Some((expected.0, expected.1.as_bytes().to_vec())));
    }
    assert_eq!(server.stats().refused_messages, 1);
}

/// Connects again whenever its connection ends.
struct Stubborn {
    server: std::net::SocketAddr,
    told: mpsc::Sender<&'static str>,
}

impl Stubborn {
    fn connect(&self, conn: &mut Conn<'_, ()>) {
        let told = match conn.reactor().connect(self.server, None, &Offer::new("a", "/"), ()) {
            Ok(_) => "again",
            Err(_) => "refused",
        };
        let _ = self.told.send(told);
    }
}

impl Handler for Stubborn {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn open(&mut self, _: &mut Conn<'_, ()>) {
        let _ = self.told.send("open");
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, _: Message<'_>) {
        conn.close(CloseCode::NORMAL, "").unwrap();
    }

    fn close(&mut self, conn: &mut Conn<'_, ()>, _: Closed<'_>) {
        self.connect(conn);
    }

    fn failed(&mut self, conn: &mut Conn<'_, ()>, _: ConnectError) {
        self.connect(conn);
    }
}

#[test]
fn a_shutdown_ends_though_the_handler_connects_again() {
    let (server, _) = street(Config::default());
    let address = server.addresses()[0];
    let (told, tells) = mpsc::channel();
    let callers =
        Builder::new().threads(1).start(move |_| Stubborn { server: address, told: told.clone() }).unwrap();
    let connect = move |reactor: &mut tightwire_epoll::Reactor<()>| {
        reactor.connect(address, None, &Offer::new("a", "/"), ()).unwrap();
    };
    callers.senders()[0].run(connect).unwrap();
    assert_eq!(tells.recv(), Ok("open"));
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(callers.shutdown(Duration::from_millis(100))));
    assert_eq!(tells.recv(), Ok("refused"));
    assert_eq!(end.recv().unwrap().connections, 1);
}

/// Leaves no room for a Close frame behind what it sends.
struct Filler(Arc<Barrier>);

impl Handler for Filler {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        match message.len() {
            0 => {
                self.0.wait();
                self.0.wait();
            }
            1 => drop(conn.send(&LARGE[..1017]).unwrap()),
            _ => {}
        }
    }
}

// RFC 6455 8.1: at once, though the output is full
#[test]
fn bad_text_behind_full_output_is_answered_at_once() {
    let mut config = Config::default();
    (config.read_buffer, config.output_buffer) = (1024, 1024);
    // Nothing but the fault itself is to end it.
    config.timeouts = Timeouts::NONE;
    let barrier = Arc::new(Barrier::new(2));
    let given = barrier.clone();
    let builder = Builder::new().config(config).threads(1).listen("127.0.0.1:0".parse().unwrap());
    let server = builder.start(move |_| Filler(given.clone())).unwrap();
    let mut peer = Peer::open(server.addresses()[0]);
    peer.send(0x82, b"");
    barrier.wait();
    // All of it is there before any of it is read.
    let mut text = vec![b't'; 3000];
    text[2500] = 0xFF;
    peer.write(&[frame(0x82, &[7; 3000]), frame(0x82, b"!"), frame(0x81, &text)].concat());
    barrier.wait();
    assert_eq!(peer.frame(), Some((0x82, LARGE[..1017].to_vec())));
    assert_eq!(peer.frame(), Some((0x88, 1007_u16.to_be_bytes().to_vec())));
}
