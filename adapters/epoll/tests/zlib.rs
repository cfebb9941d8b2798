//! The codec of zlib-rs as the backend: messages through it in both directions, from both roles, at every level.
#![cfg(target_os = "linux")]

#[path = "support/packed.rs"]
mod packed;
mod support;

use packed::{Packed, noise, policy, text};
use std::sync::mpsc;
use support::{Bench, Saw, frame};
use tightwire_epoll::compression::{Backend, Effort, Level};
use tightwire_epoll::tightwire::handshake::client::Offer;
use tightwire_epoll::tightwire::{Kind, Message};
use tightwire_epoll::{Answer, Builder, Config, Conn, Handler, Opening};

/// Our levels, and those of zlib that stand for them.
const LEVELS: [(Level, i32); 4] =
    [(Level::Fastest, 1), (Level::Fast, 2), (Level::Balanced, 6), (Level::Best, 9)];

fn zlib(level: Level, bits: u8, takeover: bool) -> Config {
    let effort = Effort::DEFAULT.with_threshold(0).with_level(level);
    Config::default().with_compression(policy(bits, takeover)).with_effort(effort).with_backend(Backend::Zlib)
}

/// What zlib-rs makes of a message by itself.
fn deflate(message: &[u8], level: i32, bits: u8) -> Vec<u8> {
    let mut out = vec![0; message.len() + 100];
    let mut stream = zlib_rs::Deflate::new(level, false, bits);
    stream.compress(message, &mut out, zlib_rs::DeflateFlush::SyncFlush).unwrap();
    out.truncate(stream.total_out() as usize);
    // RFC 7692 7.2.1: without the last four octets
    assert!(out.ends_with(&[0x00, 0x00, 0xFF, 0xFF]));
    out.truncate(out.len() - 4);
    out
}

#[test]
fn a_server_inflates_and_deflates_with_zlib() {
    for (level, zlib_level) in LEVELS {
        for (bits, takeover) in [(15, false), (15, true), (9, true), (8, false)] {
            let bench = Bench::new(zlib(level, bits, takeover));
            let mut client = Packed::open(bench.address(), policy(bits, takeover));
            assert_eq!(client.agreed.unwrap().client.takeover(), takeover);
            for octets in [0, 1, 300, 300, 5000, 70_000] {
                let message = text(octets, 7);
                let sent = client.codec.deflate(message.as_bytes());
                client.peer.write(&frame(0xC1, &sent));
                let (first, payload) = client.peer.frame().unwrap();
                if octets < 2 {
                    assert_eq!((first, payload.as_slice()), (0x81, message.as_bytes()));
                    continue;
                }
                // What zlib writes, which is not what our codec does. It keeps to no window of 2^8 octets.
                assert_eq!(first, 0xC1);
                if bits > 8 {
                    assert!(payload == deflate(message.as_bytes(), zlib_level, bits), "{level:?} {octets}");
                }
                assert!(client.codec.inflate(&payload) == message.as_bytes());
                // What does not become smaller goes as it is.
                let noise = noise(octets / 10);
                client.send(0x82, &noise);
                assert_eq!(client.message(), (0x82, noise.len(), noise));
            }
            // In pieces with a Ping between them.
            let message = text(2000, 3);
            let sent = client.codec.deflate(message.as_bytes());
            let (begin, end) = sent.split_at(sent.len() / 2);
            let frames = [frame(0x41, begin), frame(0x89, b"ping"), frame(0x80, end)];
            for part in frames {
                client.peer.write(&part);
            }
            assert_eq!(client.message().2, b"ping");
            assert_eq!(client.message().2, message.as_bytes());
        }
    }
}

/// Sends a message, whole and in fragments, and tells what comes back.
struct Client {
    came: mpsc::Sender<String>,
    message: String,
}

impl Handler for Client {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.respond(&tightwire_epoll::tightwire::handshake::server::Response::new(404))
    }

    fn open(&mut self, conn: &mut Conn<'_, ()>) {
        assert!(conn.compression().is_some());
        conn.send(self.message.as_str()).unwrap();
        for part in self.message.as_bytes().chunks(3000) {
            conn.send_fragment(Kind::Text, part, false).unwrap();
        }
        conn.send_fragment(Kind::Text, b"", true).unwrap();
        conn.send(self.message.as_str()).unwrap();
    }

    fn message(&mut self, _: &mut Conn<'_, ()>, message: Message<'_>) {
        self.came.send(message.as_str().unwrap().to_owned()).unwrap();
    }
}

#[test]
fn a_client_deflates_and_inflates_with_zlib() {
    for (level, _) in LEVELS {
        for takeover in [false, true] {
            // The server has our codec, and then that of zlib-rs, too.
            for backend in [Backend::Own, Backend::Zlib] {
                let bench = Bench::new(zlib(level, 15, takeover).with_backend(backend));
                let (came, back) = mpsc::channel();
                let message = text(20_000, 5);
                let expected = message.clone();
                let client = Builder::new()
                    .config(zlib(level, 12, takeover))
                    .threads(1)
                    .start(move |_| Client { came: came.clone(), message: message.clone() })
                    .unwrap();
                let address = bench.address();
                let dial = move |reactor: &mut tightwire_epoll::Reactor<()>| {
                    reactor.connect(address, None, &Offer::new("example", "/"), ()).unwrap();
                };
                client.senders()[0].run(dial).unwrap();
                for _ in 0..3 {
                    assert!(back.recv().unwrap() == expected);
                }
                assert!(matches!(bench.next(), Saw::Open(_)));
                let stats = client.stats();
                assert!(stats.octets_received < 3 * 20_000 / 2, "{stats:?}");
                assert!(stats.octets_sent < 3 * 20_000 / 2, "{stats:?}");
            }
        }
    }
}
