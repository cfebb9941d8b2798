//! What compression takes: nothing from a connection that is idle without context takeover, a window for each
//! direction with it, no allocation for a message when warm, and for a bomb no more than the limit allows.
//!
//! In a process of its own: the allocator counts for all threads.
#![cfg(target_os = "linux")]

#[path = "support/packed.rs"]
mod packed;
mod support;

use packed::{Packed, offering, policy, text};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::io::{Read, Write};
use std::sync::mpsc;
use support::{Bench, Peer, frame};
use tightwire_epoll::compression::Policy;
use tightwire_epoll::tightwire::deadline::Timeouts;
use tightwire_epoll::tightwire::handshake::OriginPolicy;
use tightwire_epoll::tightwire::handshake::server::Acceptance;
use tightwire_epoll::tightwire::{Limits, Message};
use tightwire_epoll::{Answer, Builder, Config, Conn, Handler, Opening, Reactor};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Octets that are allocated now.
fn allocated() -> i64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

fn allowing(takeover: bool) -> Config {
    // Without Pings.
    Config::default()
        .with_timeouts(Timeouts::NONE)
        .with_compression(Policy::DEFAULT.with_takeover(takeover, takeover))
}

/// One test, because the allocator counts for all of them.
#[test]
fn memory() {
    warm_messages_allocate_nothing();
    an_idle_connection_holds_what_its_terms_say();
    a_bomb_takes_no_more_than_the_limit_allows();
}

fn warm_messages_allocate_nothing() {
    for takeover in [false, true] {
        let bench = Bench::new(allowing(takeover));
        let mut client = Packed::open(bench.address(), policy(15, takeover));
        let small = text(300, 1);
        let large = text(6000, 2);
        // All that is sent refers to nothing before it, so that it can be sent again and again.
        let mut fresh = Packed::open(bench.address(), policy(15, false));
        let payload = fresh.codec.deflate(small.as_bytes());
        let mut sent = fresh.packed(0x81, small.as_bytes());
        sent.extend(fresh.packed(0x81, large.as_bytes()));
        sent.extend(frame(0x41, &payload[..20]));
        sent.extend(frame(0x89, b"ping"));
        sent.extend(frame(0x80, &payload[20..]));
        let mut back = vec![0; 200_000];
        let mut round = || {
            // In two writes, so that some come in pieces.
            let (front, rest) = sent.split_at(sent.len() / 2);
            for part in [front, rest] {
                client.peer.socket.write_all(part).unwrap();
                std::thread::yield_now();
            }
            for _ in 0..4 {
                let mut head = [0; 4];
                client.peer.socket.read_exact(&mut head[..2]).unwrap();
                let mut length = usize::from(head[1]);
                if length == 126 {
                    client.peer.socket.read_exact(&mut head[2..]).unwrap();
                    length = usize::from(u16::from_be_bytes([head[2], head[3]]));
                }
                client.peer.socket.read_exact(&mut back[..length]).unwrap();
            }
        };
        (0..10).for_each(|_| round());
        // The best of some rounds: in what pieces a message arrives is the kernel's doing.
        let rounds: Vec<_> = (0..6)
            .map(|_| {
                let region = Region::new(ALLOCATOR);
                (0..20).for_each(|_| round());
                let change = region.change();
                (change.allocations, change.reallocations)
            })
            .collect();
        assert_eq!(rounds.iter().min(), Some(&(0, 0)), "takeover {takeover}: {rounds:?}");
    }
}

/// Echoes, and allocates nothing of its own.
struct Echo;

impl Handler for Echo {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.accept(&OriginPolicy::SameHost, &Acceptance::default())
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        conn.send(message).unwrap();
    }
}

const COUNT: usize = 500;

/// Octets that each of so many connections holds when it has echoed a message and idles, and what is left of them when
/// the server has dropped the windows that it may.
fn held(config: Config, wanted: Policy) -> [i64; 2] {
    let builder = Builder::new().config(config).threads(1).listen("127.0.0.1:0".parse().unwrap());
    let server = builder.start(|_| Echo).unwrap();
    let address = server.addresses()[0];
    let message = text(1000, 1);
    // What a client says that has said nothing before.
    let mut first = Packed::open(address, wanted);
    let is_packed = first.agreed.is_some();
    let sent =
        if is_packed { first.packed(0x81, message.as_bytes()) } else { frame(0x81, message.as_bytes()) };
    let mut back = vec![0; 2000];
    let mut echo = |peer: &mut Peer| {
        peer.write(&sent);
        peer.socket.read_exact(&mut back[..4]).unwrap();
        assert_eq!(back[..2], [if is_packed { 0xC1 } else { 0x81 }, 126]);
        let length = usize::from(u16::from_be_bytes([back[2], back[3]]));
        peer.socket.read_exact(&mut back[..length]).unwrap();
    };
    echo(&mut first.peer);
    // The clients are sockets and nothing else.
    let mut peers = Vec::with_capacity(COUNT);
    let before = allocated();
    for _ in 0..COUNT {
        let (mut peer, agreed) = offering(address, wanted, "/chat");
        assert_eq!(agreed, first.agreed);
        echo(&mut peer);
        peers.push(peer);
    }
    first.peer.sync();
    let each = || (allocated() - before) / COUNT as i64;
    let all = each();

    let (done, dropped) = mpsc::channel();
    let drop_windows = move |reactor: &mut Reactor<()>| done.send(reactor.drop_windows()).unwrap();
    server.senders()[0].run(drop_windows).unwrap();
    let dropped = dropped.recv().unwrap();
    // They are the pool's again, which gives what nobody needs back to the allocator within seconds. As many octets
    // of what was received stay.
    while server.stats().buffer_octets != dropped as u64 {
        first.peer.sync();
    }
    // Who has lost one goes on.
    peers.iter_mut().take(3).for_each(&mut echo);
    [all, (dropped / (COUNT + 1)) as i64]
}

fn an_idle_connection_holds_what_its_terms_say() {
    let plain = held(Config::default(), policy(15, false));
    for bits in [8, 15] {
        // Not one octet more.
        assert_eq!(held(allowing(false), policy(bits, false)), plain);
    }
    for bits in [9, 12, 15] {
        let window = 1 << bits;
        let [all, dropped] = held(allowing(true), policy(bits, true));
        // A window each way, and what says where they are. That of what was sent can be dropped.
        let rest = all - plain[0] - 2 * window;
        println!("takeover, windows of 2^{bits} octets: {all} octets each, {rest} beside the windows");
        assert!((0..=512).contains(&rest), "{all}");
        assert_eq!(dropped, window);
    }
}

fn a_bomb_takes_no_more_than_the_limit_allows() {
    let limit = 1 << 20;
    let bench = Bench::new(allowing(false).with_limits(Limits::DEFAULT.with_message(limit as u64)));
    let mut other = bench.client();
    let mut client = Packed::open(bench.address(), policy(15, false));
    let bomb = client.packed(0x82, &vec![0; 3 * limit]);
    assert!(bomb.len() < limit / 100, "{}", bomb.len());
    for _ in 0..2 {
        let mut client = Packed::open(bench.address(), policy(15, false));
        other.sync();
        let region = Region::new(ALLOCATOR);
        client.peer.write(&bomb);
        let mut close = [0; 4];
        client.peer.socket.read_exact(&mut close).unwrap();
        assert_eq!(close, [0x88, 2, 0x03, 0xF1]);
        // Not what was held at one time but all that was ever taken: the memory that holds the limit, those that it
        // grew through, which are halves, and the codec of the thread.
        let taken = region.change().bytes_allocated;
        assert!(taken < 2 * limit + (64 << 10), "{taken} octets");
        drop(client);
        assert_eq!(bench.until(|stats| stats.open == 2).buffers, 0);
    }
}
