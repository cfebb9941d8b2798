//! A warm server allocates nothing for a message, nor for a connection that is accepted; and what a burst needed
//! goes back to the allocator.
//!
//! In a process of its own: the allocator counts for all threads. The client allocates nothing either.
#![cfg(target_os = "linux")]

mod support;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::io::{Read, Write};
use std::net::TcpStream;
use support::{Peer, REQUEST, frame};
use tightwire_epoll::tightwire::Message;
use tightwire_epoll::tightwire::handshake::OriginPolicy;
use tightwire_epoll::tightwire::handshake::server::Acceptance;
use tightwire_epoll::{Answer, Builder, Conn, Handler, Opening, Server};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

struct Echo;

impl Handler for Echo {
    type Session = [u64; 2];

    fn handshake(&mut self, opening: Opening<'_, Self::Session>) -> Answer {
        opening.accept(&OriginPolicy::SameHost, &Acceptance::default())
    }

    fn message(&mut self, conn: &mut Conn<'_, Self::Session>, message: Message<'_>) {
        conn.session()[0] += 1;
        conn.send(message).unwrap();
    }
}

/// One connection from its request to its end, with messages in between. `answer` is what is to come back.
fn visit(address: std::net::SocketAddr, sent: &[u8], back: &mut [u8]) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(REQUEST.as_bytes()).unwrap();
    let mut seen = 0;
    while !back[..seen].ends_with(b"\r\n\r\n") {
        seen += socket.read(&mut back[seen..]).unwrap();
    }
    socket.write_all(sent).unwrap();
    while socket.read(back).unwrap() > 0 {}
}

#[test]
fn a_warm_server_allocates_nothing() {
    let builder = Builder::new().threads(1).listen("127.0.0.1:0".parse().unwrap());
    let server = builder.start(|_| Echo).unwrap();
    let address = server.addresses()[0];
    let mut back = vec![0; 1 << 20];

    // Small and large, whole and in fragments, copied and written from where they lie.
    let mut sent = Vec::new();
    for size in [0, 16, 125, 1000, 16_384, 65_536, 300_000] {
        sent.extend(frame(0x82, &vec![7; size]));
    }
    sent.extend(frame(0x01, b"in "));
    sent.extend(frame(0x89, b"ping"));
    sent.extend(frame(0x80, b"fragments"));
    sent.extend(frame(0x88, b""));
    for _ in 0..50 {
        visit(address, &sent, &mut back);
    }
    while server.stats().open > 0 {
        std::thread::yield_now();
    }

    // The best of some rounds: in what pieces a long message arrives, and so which sizes of buffers it takes, is the
    // kernel's doing. What every message or connection allocated would show in every round.
    let rounds = (0..8).map(|_| {
        let region = Region::new(ALLOCATOR);
        for _ in 0..50 {
            visit(address, &sent, &mut back);
        }
        while server.stats().open > 0 {
            std::thread::yield_now();
        }
        let change = region.change();
        (change.allocations, change.reallocations)
    });
    let rounds: Vec<_> = rounds.collect();
    assert_eq!(rounds.iter().min(), Some(&(0, 0)), "{rounds:?}");
    assert_eq!(server.stats().messages_received, 9 * 50 * 8);

    // The counter counts.
    let region = Region::new(ALLOCATOR);
    drop(Peer::open(address));
    assert!(region.change().allocations > 0);

    a_burst_leaves_nothing_behind(&server);
}

/// Octets that are allocated now.
fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Every connection has a message half received, and later none has: then it takes as much memory as before.
fn a_burst_leaves_nothing_behind(server: &Server<Echo>) {
    const PEERS: usize = 400;
    let until = |reached: &mut dyn FnMut() -> bool| {
        while !reached() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    let message = frame(0x82, &[7; 40_000]);
    let mut back = vec![0; 40_004];
    let mut peers: Vec<_> = (0..PEERS).map(|_| Peer::open(server.addresses()[0])).collect();
    until(&mut || server.stats().open == PEERS as u64);
    let before = allocated();
    for _ in 0..2 {
        peers.iter_mut().for_each(|peer| peer.write(&message[..20_000]));
        until(&mut || server.stats().buffers == PEERS as u64);
        assert!(allocated() - before > PEERS * 20_000, "{} octets", allocated() - before);
        for peer in &mut peers {
            peer.write(&message[20_000..]);
            peer.socket.read_exact(&mut back).unwrap();
        }
    }
    // A connection that goes on meanwhile does not hold up what the others left.
    until(&mut || {
        peers[0].sync();
        // Some buffers, and some of what an unfinished connection has, are kept.
        allocated() < before + 64 * 1024 + 32 * 1024
    });
}
