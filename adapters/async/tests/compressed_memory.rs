//! What connections with compression hold, counted by an allocator: without takeover nothing while they idle, with it
//! exactly what is said, and the same for a message of any size that is streamed.
//!
//! In a test binary of its own with one test, because the count is of the whole process.

mod common;

use common::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::pin::pin;
use std::sync::Arc;
use tightwire::deflate::Agreement;
use tightwire::{Connection, Kind, Limits};
use tightwire_async::compression::{Codecs, Effort, Level, Terms, WindowBits};
use tightwire_async::{Config, Pool, WebSocket, tightwire};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const BUFFER: usize = 64 << 10;

/// A configuration whose pools keep nothing, so that everything that is held is counted.
fn unpooled(level: Level) -> Arc<Config> {
    let effort = Effort::DEFAULT.with_threshold(0).with_level(level);
    let config = untimed().with_limits(Limits::UNLIMITED).with_effort(effort);
    Arc::new(config.with_pool(Arc::new(Pool::new(BUFFER, 0))).with_codecs(Arc::new(Codecs::new(0))))
}

fn held(act: impl FnOnce()) -> i64 {
    let region = Region::new(ALLOCATOR);
    act();
    let change = region.change();
    change.bytes_allocated as i64 - change.bytes_deallocated as i64
}

fn agreed(window: u8, takeover: bool) -> Agreement {
    let terms = Terms::new(WindowBits::new(window).unwrap(), takeover);
    Agreement { server: terms, client: terms }
}

fn server_on(config: &Arc<Config>, agreement: Option<Agreement>) -> (ServerSocket, Wire) {
    let (io, wire) = raw();
    let connection = match agreement {
        Some(agreement) => Connection::server().with_compression(agreement),
        None => Connection::server(),
    };
    wire.output.reserve(1 << 20);
    (WebSocket::new(io, connection, &[], config.clone()), wire)
}

/// A compressed message as a peer without takeover sends it.
fn compressed(text: &str) -> Vec<u8> {
    let (mut peer, wire) = server_on(&unpooled(Level::Fastest), Some(agreed(8, false)));
    block_on(peer.send(text)).unwrap();
    let sent = frames(&wire.take());
    assert_eq!(sent[0].0, TEXT | 0x40);
    masked(sent[0].0, &sent[0].1)
}

/// Octets that a connection holds on the heap once it has echoed a message and idles.
fn idle(level: Level, agreement: Option<Agreement>) -> i64 {
    let config = unpooled(level);
    let text = "as you like it, ".repeat(300);
    let message = if agreement.is_some() { compressed(&text) } else { masked(TEXT, text.as_bytes()) };
    let (mut socket, wire) = server_on(&config, agreement);
    wire.put(&message);
    wire.put(&message);
    let holds = held(|| {
        for _ in 0..2 {
            let (message, mut sender) = block_on(socket.recv_with_sender()).unwrap().unwrap();
            assert_eq!(message.as_str(), Some(&*text));
            block_on(sender.feed(message)).unwrap();
        }
        assert!(settle(pin!(socket.recv())).is_pending());
    });
    if agreement.is_some() {
        let sent = frames(&wire.take());
        assert!(sent.iter().all(|(first, payload)| *first == TEXT | 0x40 && payload.len() < 500));
    }
    holds
}

#[test]
fn what_compressed_connections_hold() {
    let plain = idle(Level::Fastest, None);
    for window in [8, 9, 15] {
        for level in [Level::Fastest, Level::Best] {
            // Not one octet more.
            assert_eq!(idle(level, Some(agreed(window, false))), plain);
        }
    }
    // The window of what is received, and the deflater with its memory.
    let takeover = [9, 12, 15].map(|window| idle(Level::Fastest, Some(agreed(window, true))) - plain);
    std::println!("held with takeover, windows 9, 12, 15, both directions: {takeover:?}");
    let expected = [9, 12, 15].map(|window| {
        let window = WindowBits::new(window).unwrap();
        let options = tightwire::deflate::Options::new(Level::Fastest, window);
        (window.octets() + 2 * options.words() + options.octets()) as i64
    });
    for (holds, expected) in takeover.into_iter().zip(expected) {
        assert_eq!(holds - expected, BOXES);
    }
    a_message_that_stops_in_the_middle();
    a_message_of_many_mebibytes_is_streamed_in_constant_memory();
    a_bomb_takes_no_more_than_the_limit_allows();
    warm_pools_allocate_nothing();
}

/// The boxes of both sides, and of the deflater.
const BOXES: i64 = 216;

fn a_message_that_stops_in_the_middle() {
    let config = unpooled(Level::Fastest);
    let (mut socket, wire) = server_on(&config, Some(agreed(15, false)));
    let message = compressed(&"as you like it, ".repeat(20_000));
    wire.put(&message[..message.len() - 1]);
    let holds = held(|| assert!(settle(pin!(socket.recv())).is_pending()));
    // What has been inflated so far, and the codec that is in the middle of it.
    assert!(holds < 4 * 320_000 + 60_000, "{holds}");
    let (mut socket, wire) = server_on(&config, Some(agreed(15, false)));
    wire.put(&message[..40]);
    let holds = held(|| assert!(settle(pin!(socket.recv())).is_pending()));
    assert!(holds < 60_000, "{holds}");
}

fn a_message_of_many_mebibytes_is_streamed_in_constant_memory() {
    let config = unpooled(Level::Fastest);
    for takeover in [false, true] {
        let (near, far, _wire) = pair();
        let connection = Connection::server().with_compression(agreed(15, takeover));
        let mut server = WebSocket::new(near, connection, &[], config.clone());
        let connection = Connection::client(Keys::default()).with_compression(agreed(15, takeover));
        let mut client = WebSocket::new(far, connection, &[], config.clone());
        let part = "as you like it, ".repeat(1000);
        let mut peak = 0;
        let mut octets = 0;
        let mut writer = client.writer(Kind::Text).unwrap();
        let region = Region::new(ALLOCATOR);
        block_on(async {
            writer.write_all(part.as_bytes()).await.unwrap();
            writer.flush().await.unwrap();
            let mut reader = server.recv_reader().await.unwrap().unwrap();
            for _ in 0..1000 {
                writer.write_all(part.as_bytes()).await.unwrap();
                writer.flush().await.unwrap();
                while octets % part.len() != 0 || octets == 0 {
                    octets += reader.chunk().await.unwrap().unwrap().len();
                }
                octets += reader.chunk().await.unwrap().unwrap().len();
                let change = region.change();
                peak = peak.max(change.bytes_allocated as i64 - change.bytes_deallocated as i64);
            }
        });
        assert!(octets > 15 << 20);
        assert!(peak < 400_000, "{peak}");
        drop(writer);
    }
}

fn a_bomb_takes_no_more_than_the_limit_allows() {
    let limit = 1 << 20;
    let bomb = compressed(&"a".repeat(3 * limit));
    assert!(bomb.len() < limit / 50);
    let effort = Effort::DEFAULT.with_threshold(0);
    let config = untimed().with_limits(Limits::DEFAULT.with_message(limit as u64)).with_effort(effort);
    let (mut socket, wire) = server_on(&Arc::new(config), Some(agreed(15, false)));
    wire.put(&bomb);
    let region = Region::new(ALLOCATOR);
    // It says why, and waits for the peer to close as well.
    assert!(settle(pin!(socket.recv())).is_pending());
    // Not what was held at one time but all that was ever taken: the buffer that holds the limit, those that it grew
    // through, which are quarters, the one for reading, and the codec.
    let taken = region.change().bytes_allocated;
    assert!(taken < limit + limit / 2, "{taken} octets");
    // RFC 6455 7.4.1: 1009, a message that is too big to process
    assert!(wire.take().starts_with(&[0x88, 2, 0x03, 0xF1]));
}

/// With pools that keep something.
fn warm_pools_allocate_nothing() {
    for takeover in [false, true] {
        let config = Arc::new(untimed().with_effort(Effort::DEFAULT.with_threshold(0)));
        let (mut socket, wire) = server_on(&config, Some(agreed(15, takeover)));
        let message = compressed(&"as you like it, ".repeat(300));
        let mut echo = |times: usize| {
            for _ in 0..times {
                wire.put(&message);
                let (message, mut sender) = block_on(socket.recv_with_sender()).unwrap().unwrap();
                block_on(sender.feed(message)).unwrap();
                assert!(settle(pin!(socket.recv())).is_pending());
                drop(wire.take());
            }
        };
        echo(5);
        let holds = held(|| echo(20));
        assert_eq!(holds, 0);
    }
}
