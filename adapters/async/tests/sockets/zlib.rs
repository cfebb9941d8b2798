//! The codec of zlib-rs as the backend: messages through it in both directions, from both roles, at every level.

use super::peer::{Peer, TEXT, masked, request_with};
use super::{config, echo, in_time, served_with};
use crate::adapter::compression::{Backend, Codecs, Effort, Level, Policy, WindowBits};
use crate::adapter::{
    Answer, ClientSocket, CloseCode, Config, Connector, Kind, Listener, Message, OriginPolicy, accept_with,
};
use crate::block_on;
use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::thread;

/// Our levels, and those of zlib that stand for them.
const LEVELS: [(Level, i32); 4] =
    [(Level::Fastest, 1), (Level::Fast, 2), (Level::Balanced, 6), (Level::Best, 9)];

/// What a sender cuts off the end of a message. RFC 7692 7.2.1.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

const COMPRESSED: u8 = 0x40;

fn compressing(backend: Backend, level: Level, (takeover, bits): (bool, u8)) -> Config {
    let window = WindowBits::new(bits).unwrap();
    let policy = Policy::DEFAULT.with_takeover(takeover, takeover).with_windows(window, window);
    let codecs = Codecs::new(4 << 20).with_backend(backend);
    let effort = Effort::DEFAULT.with_threshold(0).with_level(level);
    config().with_compression(policy).with_effort(effort).with_codecs(Arc::new(codecs))
}

/// Text that resembles itself, of so many octets.
fn prose(octets: usize) -> String {
    let mut text = String::new();
    let mut number = 1u32;
    while text.len() < octets {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text += &format!("{{\"number\":{},\"text\":\"so it goes\"}},", number >> 20);
    }
    text.truncate(octets);
    text
}

/// Octets that no one makes smaller.
fn noise(octets: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..octets).map(next).collect()
}

/// An echo server and a client, both ours.
fn talk(server: Config, client: Config, say: impl AsyncFnOnce(ClientSocket) + Send + 'static) {
    in_time(move || {
        let (tell, address) = mpsc::channel();
        let serving = thread::spawn(move || {
            block_on(async move {
                let listener = Listener::bind("127.0.0.1:0").unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let (stream, _) = listener.accept().await.unwrap();
                let opening = accept_with(stream, Arc::new(server), &OriginPolicy::Any, |_| Answer::accept());
                echo(opening.await.unwrap()).await.unwrap();
            });
        });
        let uri = format!("ws://{}/", address.recv().unwrap());
        block_on(async move {
            let connector = Connector::new().with_config(Arc::new(client));
            say(connector.connect(&uri).await.unwrap().0).await;
        });
        serving.join().unwrap_or_else(|panic| resume_unwind(panic));
    });
}

#[test]
fn zlib_on_either_end_and_on_both() {
    use Backend::{Own, Zlib};
    for (level, _) in LEVELS {
        for terms in [(false, 15), (true, 15), (true, 9), (false, 8)] {
            for (server, client) in [(Zlib, Own), (Own, Zlib), (Zlib, Zlib)] {
                let (server, client) = (compressing(server, level, terms), compressing(client, level, terms));
                talk(server, client, async move |mut socket| {
                    assert_eq!(socket.compression().unwrap().client.takeover(), terms.0);
                    for octets in [0, 1, 300, 300, 70_000] {
                        let text = prose(octets);
                        socket.send(text.as_str()).await.unwrap();
                        let back = socket.recv().await.unwrap().unwrap();
                        assert!(back.as_str() == Some(&text), "{octets} octets");
                        // What does not become smaller goes as it is, and is not referred to.
                        let noise = noise(octets / 10);
                        socket.send(&noise[..]).await.unwrap();
                        assert_eq!(socket.recv().await.unwrap(), Some(Message::Binary(&noise)));
                    }
                    // In parts, each of which the other end can inflate before the next is written.
                    let text = prose(3000);
                    let mut writer = socket.writer(Kind::Text).unwrap();
                    for part in text.as_bytes().chunks(700) {
                        writer.write_all(part).await.unwrap();
                        writer.flush().await.unwrap();
                    }
                    writer.finish().await.unwrap();
                    let mut reader = socket.recv_reader().await.unwrap().unwrap();
                    let mut back = Vec::new();
                    while let Some(chunk) = reader.chunk().await.unwrap() {
                        back.extend_from_slice(chunk);
                    }
                    assert_eq!(back, text.as_bytes());
                    drop(reader);
                    socket.close(CloseCode::NORMAL, "").await.unwrap();
                });
            }
        }
    }
}

/// Runs an echo server for a peer that offers compression and compresses by itself.
fn served(config: Config, peer: impl FnOnce(Peer) + Send + 'static) {
    let peer = |mut connection: Peer| {
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        connection.send(request_with("GET / HTTP/1.1", offer).as_bytes());
        assert!(connection.head().header("Sec-WebSocket-Extensions").is_some());
        peer(connection);
    };
    served_with(config, OriginPolicy::Any, peer, async |opened| {
        // The peer just leaves.
        echo(opened.unwrap()).await.unwrap_err();
    });
}

/// A message as zlib-rs deflates it.
fn deflate(stream: &mut zlib_rs::Deflate, message: &str, takeover: bool) -> Vec<u8> {
    if !takeover {
        stream.reset();
    }
    let before = stream.total_out();
    let mut out = vec![0; message.len() + 100];
    stream.compress(message.as_bytes(), &mut out, zlib_rs::DeflateFlush::SyncFlush).unwrap();
    out.truncate((stream.total_out() - before) as usize);
    assert!(out.ends_with(&TAIL));
    out.truncate(out.len() - TAIL.len());
    out
}

#[test]
fn what_is_sent_is_what_zlib_makes_of_it() {
    for (level, zlib_level) in LEVELS {
        for takeover in [false, true] {
            served(compressing(Backend::Zlib, level, (takeover, 15)), move |mut peer| {
                let mut theirs = zlib_rs::Deflate::new(6, false, 15);
                let mut expected = zlib_rs::Deflate::new(zlib_level, false, 15);
                for octets in [300, 5000, 300, 40_000] {
                    let text = prose(octets);
                    let sent = deflate(&mut theirs, &text, takeover);
                    peer.send(&masked(TEXT | COMPRESSED, &sent));
                    let (first, payload) = peer.frame();
                    assert_eq!(first, TEXT | COMPRESSED);
                    let expected = deflate(&mut expected, &text, takeover);
                    assert!(payload == expected, "{level:?} {takeover} {octets}");
                }
            });
        }
    }
}

#[test]
fn what_is_received_is_inflated_by_zlib() {
    for (backend, expected) in [(Backend::Own, 38_000..50_000), (Backend::Zlib, 80_000..100_000)] {
        // Nothing is deflated here, so that what is kept is the inflater and a window.
        let mut config = compressing(backend, Level::Fastest, (false, 15));
        config.effort = config.effort.with_threshold(usize::MAX);
        let codecs = config.codecs.clone();
        served(config, |mut peer| {
            let text = prose(5000);
            let sent = deflate(&mut zlib_rs::Deflate::new(6, false, 15), &text, false);
            peer.send(&masked(TEXT | COMPRESSED, &sent));
            assert!(peer.frame() == (TEXT, text.into_bytes()));
        });
        assert!(expected.contains(&codecs.kept()), "{backend:?}: {} octets", codecs.kept());
    }
}
