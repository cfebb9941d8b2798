//! What a handler is told and what it can do, over real sockets: chunks, fragments, Pings and Pongs, other connections,
//! a client over a Unix socket.
#![cfg(target_os = "linux")]

mod support;

use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use support::{Peer, frame};
use tightwire_epoll::tightwire::handshake::OriginPolicy;
use tightwire_epoll::tightwire::handshake::client::Offer;
use tightwire_epoll::tightwire::handshake::server::Acceptance;
use tightwire_epoll::tightwire::{Kind, Message, SendError};
use tightwire_epoll::{Answer, Builder, Closed, Config, Conn, Handler, Opening, Part, Refused, Token};

/// Sends every chunk back as a fragment, at once.
struct Stream {
    told: mpsc::Sender<(Kind, usize, bool, bool)>,
}

impl Handler for Stream {
    type Session = ();

    const CHUNKS: bool = true;

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn message(&mut self, _: &mut Conn<'_, ()>, _: Message<'_>) {
        unreachable!("messages come in chunks");
    }

    fn chunk(&mut self, conn: &mut Conn<'_, ()>, chunk: Part<'_>) {
        let _ = self.told.send((chunk.kind, chunk.octets.len(), chunk.first, chunk.last));
        conn.send_fragment(chunk.kind, chunk.octets, chunk.last).unwrap();
        if !chunk.last {
            // RFC 6455 5.4: fragments of different messages are not interleaved
            assert_eq!(conn.may_send(), Err(SendError::MessageOpen));
            assert_eq!(conn.send("between"), Err(Refused::Invalid(SendError::MessageOpen)));
        }
    }
}

#[test]
fn messages_are_streamed_in_chunks_and_never_collected() {
    let (told, tells) = mpsc::channel();
    let builder = Builder::new().threads(1).listen("127.0.0.1:0".parse().unwrap());
    let server = builder.start(move |_| Stream { told: told.clone() }).unwrap();
    let mut peer = Peer::open(server.addresses()[0]);
    // Cut at every octet: whatever comes of it, it is the same text.
    let text = "gr\u{fc}\u{df} dich, \u{1f30d}";
    let message = frame(0x81, text.as_bytes());
    for cut in 1..message.len() {
        let before = server.stats().octets_received;
        peer.write(&message[..cut]);
        while server.stats().octets_received < before + cut as u64 {
            std::thread::yield_now();
        }
        peer.write(&message[cut..]);
        let mut back = Vec::new();
        loop {
            let (first, payload) = peer.frame().unwrap();
            // RFC 6455 5.4: the first frame names the kind, the others continue it
            assert_eq!(first & 0x0F, if back.is_empty() { 0x01 } else { 0x00 });
            back.extend(payload);
            let (kind, _, began, last) = tells.recv().unwrap();
            assert_eq!((kind, began), (Kind::Text, first & 0x0F == 1));
            assert_eq!(first & 0x80 != 0, last);
            if last {
                break;
            }
        }
        assert_eq!(back, text.as_bytes(), "cut at {cut}");
    }
    assert_eq!(server.stats().buffers, 0);
}

/// Plays with control frames and with the others on its thread.
struct Switchboard {
    saw: mpsc::Sender<String>,
    everybody: Vec<Token>,
}

impl Handler for Switchboard {
    type Session = u8;

    fn handshake(&mut self, opening: Opening<'_, u8>) -> Answer {
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn open(&mut self, conn: &mut Conn<'_, u8>) {
        self.everybody.push(conn.token());
        *conn.session() = self.everybody.len() as u8;
    }

    fn message(&mut self, conn: &mut Conn<'_, u8>, message: Message<'_>) {
        match message.as_str() {
            Some("ping me") => {
                conn.ping(b"are you there?").unwrap();
            }
            Some("pong me") => {
                conn.pong(b"unasked").unwrap();
            }
            // RFC 6455 5.5: control frames carry at most 125 octets
            Some("too much") => {
                let refused = conn.ping(&[0; 126]).unwrap_err();
                conn.send(format!("{refused}").as_str()).unwrap();
            }
            Some(text) => {
                let from = *conn.session();
                for &token in &self.everybody {
                    if let Some(mut other) = conn.reactor().conn(token) {
                        let line = format!("{from} to {}: {text}", other.session());
                        other.send(line.as_str()).unwrap();
                    }
                }
            }
            None => {}
        }
    }

    fn ping(&mut self, conn: &mut Conn<'_, u8>, payload: &[u8]) {
        let _ = self.saw.send(format!("{} pings {}", conn.session(), payload.len()));
    }

    fn pong(&mut self, conn: &mut Conn<'_, u8>, payload: &[u8]) {
        let _ = self.saw.send(format!("{} pongs {}", conn.session(), String::from_utf8_lossy(payload)));
    }

    fn close(&mut self, conn: &mut Conn<'_, u8>, _: Closed<'_>) {
        let token = conn.token();
        self.everybody.retain(|&other| other != token);
    }
}

#[test]
fn control_frames_and_other_connections() {
    let (saw, seen) = mpsc::channel();
    let builder = Builder::new().threads(1).listen("127.0.0.1:0".parse().unwrap());
    let server = builder.start(move |_| Switchboard { saw: saw.clone(), everybody: Vec::new() }).unwrap();
    let [mut one, mut two] = [(); 2].map(|()| Peer::open(server.addresses()[0]));
    one.send(0x89, &[7; 125]);
    assert_eq!(one.frame(), Some((0x8A, vec![7; 125])));
    assert_eq!(seen.recv().unwrap(), "1 pings 125");
    two.text("ping me");
    assert_eq!(two.frame(), Some((0x89, b"are you there?".to_vec())));
    two.send(0x8A, b"yes");
    assert_eq!(seen.recv().unwrap(), "2 pongs yes");
    two.text("pong me");
    assert_eq!(two.frame(), Some((0x8A, b"unasked".to_vec())));
    two.text("too much");
    let (first, refused) = two.frame().unwrap();
    assert!(first == 0x81 && !refused.is_empty());
    one.text("hello");
    assert_eq!(one.frame(), Some((0x81, b"1 to 1: hello".to_vec())));
    assert_eq!(two.frame(), Some((0x81, b"1 to 2: hello".to_vec())));
    // Numbers can be read from anywhere, without the server.
    let meter = server.meter();
    let stats = std::thread::spawn(move || meter.stats()).join().unwrap();
    assert_eq!((stats.open, stats.opened, stats.messages_received), (2, 2, 4));
}

/// Says one thing over a Unix socket, and hears it.
struct Caller {
    heard: mpsc::Sender<String>,
}

impl Handler for Caller {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        assert_eq!(opening.remote(), None, "a Unix socket has no address");
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn open(&mut self, conn: &mut Conn<'_, ()>) {
        if conn.is_client() {
            conn.send("over the wall").unwrap();
        }
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        if conn.is_client() {
            let _ = self.heard.send(message.as_str().unwrap().to_owned());
        } else {
            conn.send(message).unwrap();
        }
    }
}

#[test]
fn a_client_connects_over_a_unix_socket() {
    let folder = std::env::temp_dir().join(format!("tightwire-unix-client-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let (heard, hears) = mpsc::channel();
    // Both ends on one thread.
    let builder = Builder::new().config(Config::default()).threads(1).unix(listener);
    let both = builder.start(move |_| Caller { heard: heard.clone() }).unwrap();
    let dial = path.clone();
    both.senders()[0]
        .run(move |reactor| {
            reactor.connect_unix(&dial, &Offer::new("a", "/"), ()).unwrap();
        })
        .unwrap();
    assert_eq!(hears.recv().unwrap(), "over the wall");
    std::fs::remove_dir_all(&folder).unwrap();
}
