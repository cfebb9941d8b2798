//! What connections hold, counted by an allocator: nothing while they idle, little while a peer stops in the
//! middle of something, the same for a message of any size that is streamed.
//!
//! In a test binary of its own with one test, because the count is of the whole process.

mod common;

use common::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::pin::pin;
use std::sync::Arc;
use tightwire::{CloseCode, Kind, Limits};
use tightwire_async::transport::{ReadTransport, WriteTransport};
use tightwire_async::{Config, Pool, tightwire};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const BUFFER: usize = 64 << 10;
/// A buffer of the pool with its slack.
const BUFFER_OCTETS: i64 = (BUFFER + 256) as i64;

/// A configuration whose pool keeps nothing, so that every buffer that is held is counted.
fn unpooled() -> Config {
    let mut config = Config::default();
    config.pool = Arc::new(Pool::new(BUFFER, 0));
    config
}

/// Octets that stay allocated after `act`, less what the wire itself holds.
fn held(act: impl FnOnce()) -> i64 {
    let region = Region::new(ALLOCATOR);
    act();
    let change = region.change();
    change.bytes_allocated as i64 - change.bytes_deallocated as i64
}

/// All octets that `act` allocates, whether or not it frees them.
fn allocated(act: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    act();
    region.change().bytes_allocated
}

/// Lets a connection see octets and wait, and tells how much memory that leaves it with.
fn held_after(socket: &mut ServerSocket, wire: &Wire, octets: &[u8]) -> i64 {
    wire.put(octets);
    let held = held(|| assert!(settle(pin!(socket.recv())).is_pending()));
    drop(wire.take());
    held
}

/// A connection that has been used, so that what it takes once (its alarm) is there.
fn used() -> (ServerSocket, Wire) {
    let (mut socket, wire) = lone_server(unpooled());
    // The lanes have room for what is to come, so that they take no memory that is not the connection's.
    wire.put(&masked(BINARY, &vec![0; 1 << 20]).repeat(2));
    for _ in 0..2 {
        assert_eq!(block_on(socket.recv()).unwrap().unwrap().len(), 1 << 20);
        block_on(socket.send(&vec![0; 1 << 20][..])).unwrap();
    }
    assert!(settle(pin!(socket.recv())).is_pending());
    wire.output.reserve(4 << 20);
    drop(wire.take());
    (socket, wire)
}

#[test]
fn what_connections_hold() {
    an_idle_connection_holds_no_buffer();
    a_burst_leaves_no_memory_behind();
    a_peer_that_stops_in_the_middle_pins_no_more_than_it_sent();
    a_message_in_the_making_pins_a_small_multiple_of_itself();
    a_message_that_comes_octet_by_octet_is_not_moved_for_each();
    a_request_in_the_making_pins_no_more_than_it_sent();
    a_handshake_that_fails_gives_its_buffer_back();
    what_cannot_be_sent_leaves_no_buffer();
    an_ended_connection_holds_no_buffer();
    a_peer_that_pings_and_never_reads_pins_a_buffer_each_way();
    everything_taken_from_a_pool_comes_back();
    a_message_of_a_gibibyte_is_read_in_constant_memory();
    a_message_of_a_gibibyte_is_discarded_in_constant_memory();
    a_message_of_a_gibibyte_is_written_in_constant_memory();
}

fn an_idle_connection_holds_no_buffer() {
    let (mut socket, wire) = used();
    for octets in [&b""[..], &masked(PING, &[0; 125]), &masked(PONG, b"")] {
        assert_eq!(held_after(&mut socket, &wire, octets), 0);
    }
    let message = masked(TEXT, b"message").repeat(100);
    let after = held(|| {
        wire.put(&message);
        for _ in 0..100 {
            let (message, mut sender) = block_on(socket.recv_with_sender()).unwrap().unwrap();
            block_on(sender.feed(message)).unwrap();
        }
        assert!(settle(pin!(socket.recv())).is_pending());
    });
    assert_eq!(after, 0);
}

fn a_burst_leaves_no_memory_behind() {
    let (mut socket, wire) = used();
    let burst = masked(BINARY, &vec![1; 1 << 20]);
    wire.put(&burst);
    let after = held(|| {
        let (message, mut sender) = block_on(socket.recv_with_sender()).unwrap().unwrap();
        block_on(sender.send(message)).unwrap();
        assert!(settle(pin!(socket.recv())).is_pending());
    });
    assert_eq!(after, 0);
}

fn a_peer_that_stops_in_the_middle_pins_no_more_than_it_sent() {
    let long = masked(BINARY, &[1; 5000]);
    let ping = masked(PING, &[0; 125]);
    let parts: [&[u8]; 8] =
        [&long[..1], &long[..3], &long[..7], &long[..8], &long[..1000], &ping[..2], &ping[..6], &ping[..130]];
    for part in parts {
        let (mut socket, wire) = used();
        let held = held_after(&mut socket, &wire, part);
        // A whole head is understood and need not be held.
        let least = if part.len() == 8 { 0 } else { 1 };
        assert!((least..=part.len() as i64).contains(&held), "{held} octets are held for {}", part.len());
    }
    // After something whole, just the same.
    let (mut socket, wire) = used();
    let octets = [ping.repeat(100), long[..20].to_vec()].concat();
    let held = held_after(&mut socket, &wire, &octets);
    assert!(held > 0 && held <= 20, "{held}");
}

fn a_message_in_the_making_pins_a_small_multiple_of_itself() {
    for size in [20_000, 70_000, 500_000] {
        let (mut socket, wire) = used();
        let message = masked(BINARY, &vec![0; 1 << 20]);
        let held = held_after(&mut socket, &wire, &message[..size]);
        assert!(held >= size as i64 - 14 && held <= 4 * size as i64 + BUFFER_OCTETS, "{held} for {size}");
    }
}

fn a_message_that_comes_octet_by_octet_is_not_moved_for_each() {
    for size in [20_000, 70_000, 200_000, 700_000] {
        let (mut socket, wire) = used();
        let message = masked(BINARY, &vec![0; 1 << 20]);
        held_after(&mut socket, &wire, &message[..size]);
        let allocated = allocated(|| {
            for octet in &message[size..size + 100] {
                wire.put(&[*octet]);
                assert!(settle(pin!(socket.recv())).is_pending());
            }
        });
        assert!(allocated <= 4 * size + 256, "{allocated} octets for {size}");
    }
}

fn a_request_in_the_making_pins_no_more_than_it_sent() {
    let (io, wire) = raw();
    let config = Arc::new(unpooled());
    let policy = tightwire::handshake::OriginPolicy::SameHost;
    let mut accepting = pin!(tightwire_async::accept(io, config, &policy));
    assert!(settle(accepting.as_mut()).is_pending());
    let request = b"GET /chat HTTP/1.1\r\nHost: example.org\r\nUpgr";
    wire.put(request);
    let held = held(|| assert!(settle(accepting.as_mut()).is_pending()));
    assert!(held <= request.len() as i64, "{held}");
}

fn a_handshake_that_fails_gives_its_buffer_back() {
    let buffer = 1024 + 256;
    let config = Arc::new(Config::default().with_pool(Arc::new(Pool::new(1024, 1 << 20))));
    let policy = tightwire::handshake::OriginPolicy::SameHost;
    // Refused: an answer goes out, and the peer's direction is read to its end.
    let (io, wire) = raw();
    wire.put(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
    wire.input.end();
    assert!(block_on(tightwire_async::accept(io, config.clone(), &policy)).is_err());
    assert_eq!(config.pool.kept(), buffer);
    // Dropped while its answer cannot be written.
    let (io, wire) = raw();
    wire.output.stall(true);
    wire.put(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
    let mut accepting = Box::pin(tightwire_async::accept(io, config.clone(), &policy));
    assert!(settle(accepting.as_mut()).is_pending());
    assert_eq!(config.pool.kept(), 0);
    drop(accepting);
    assert_eq!(config.pool.kept(), buffer);
}

fn what_cannot_be_sent_leaves_no_buffer() {
    let (mut socket, _wire) = used();
    let after = held(|| {
        assert!(block_on(socket.ping(&[0; 126])).is_err());
        assert!(block_on(socket.start_close(CloseCode::ABNORMAL, "")).is_err());
    });
    assert_eq!(after, 0);
    block_on(socket.start_close(CloseCode::NORMAL, "")).unwrap();
    let after = held(|| {
        assert!(block_on(socket.send("late")).is_err());
        assert!(block_on(socket.send(&[0; 5000])).is_err());
    });
    assert_eq!(after, 0);
}

fn an_ended_connection_holds_no_buffer() {
    let (mut socket, wire) = used();
    wire.output.state().capacity = 1000;
    let after = held(|| {
        assert!(settle(pin!(socket.send(&vec![0; 100_000][..]))).is_pending());
        wire.output.fail_writes(Some(std::io::ErrorKind::ConnectionReset));
        wire.input.end();
        assert!(block_on(socket.recv()).is_err());
    });
    assert_eq!(after, 0);
}

fn a_peer_that_pings_and_never_reads_pins_a_buffer_each_way() {
    let (mut socket, wire) = used();
    wire.output.stall(true);
    wire.put(&masked(PING, &[0; 125]).repeat(4000));
    let held = held(|| assert!(settle(pin!(socket.recv())).is_pending()));
    assert!(held <= 2 * BUFFER_OCTETS, "{held}");
}

/// What a pool keeps is bounded, and all that was taken came back.
fn everything_taken_from_a_pool_comes_back() {
    let mut config = Config::default();
    config.pool = Arc::new(Pool::new(1024, 1 << 20));
    let config = Arc::new(config);
    let mut sockets: Vec<_> = (0..20)
        .map(|_| {
            let (io, wire) = raw();
            (server(io, &config), wire)
        })
        .collect();
    for (socket, wire) in &mut sockets {
        wire.put(&masked(BINARY, &[0; 3000]));
        block_on(socket.recv()).unwrap();
    }
    // One buffer of the second class each; the first class was outgrown and is back.
    assert_eq!(config.pool.kept() % 1280, 0);
    for (socket, _) in &mut sockets {
        assert!(settle(pin!(socket.recv())).is_pending());
    }
    assert_eq!(config.pool.kept(), 1280 + 20 * (4096 + 256));
}

/// Makes the octets of one endless frame as they are read.
struct Source {
    head: Vec<u8>,
    left: usize,
}

/// Counts and checks what is written.
#[derive(Default)]
struct Drain {
    octets: usize,
}

struct Ends {
    source: Source,
    drain: Drain,
}

impl ReadTransport for Ends {
    type Error = std::io::Error;

    fn poll_read(
        &mut self,
        _: &mut std::task::Context<'_>,
        buffer: &mut [u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        let source = &mut self.source;
        let count = if source.head.is_empty() {
            let count = source.left.min(buffer.len());
            buffer[..count].fill(b'.');
            source.left -= count;
            count
        } else {
            let count = source.head.len().min(buffer.len());
            buffer[..count].copy_from_slice(&source.head[..count]);
            source.head.drain(..count);
            count
        };
        std::task::Poll::Ready(Ok(count))
    }
}

impl WriteTransport for Ends {
    type Error = std::io::Error;
    type Timer = Alarm;

    fn poll_write(
        &mut self,
        _: &mut std::task::Context<'_>,
        octets: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.drain.octets += octets.len();
        std::task::Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

const GIBIBYTE: usize = if cfg!(debug_assertions) { 64 << 20 } else { 1 << 30 };

fn endless(limits: Limits) -> tightwire_async::WebSocket<Ends, tightwire::Client<Keys>> {
    let config = Config::default().with_limits(limits);
    let source = Source { head: head(TEXT, GIBIBYTE as u64, None), left: GIBIBYTE };
    let ends = Ends { source, drain: Drain::default() };
    let connection = tightwire::Connection::client(Keys::default());
    tightwire_async::WebSocket::new(ends, connection, &[], Arc::new(config))
}

fn a_message_of_a_gibibyte_is_read_in_constant_memory() {
    let mut socket = endless(Limits::UNLIMITED);
    let mut octets = 0;
    let allocated = allocated(|| {
        block_on(async {
            let mut reader = socket.recv_reader().await.unwrap().unwrap();
            assert_eq!(reader.kind(), Kind::Text);
            while let Some(chunk) = reader.chunk().await.unwrap() {
                assert_eq!(chunk.first(), Some(&b'.'));
                octets += chunk.len();
            }
        });
    });
    assert_eq!(octets, GIBIBYTE);
    assert!(allocated < 2 * BUFFER, "{allocated} octets");
}

fn a_message_of_a_gibibyte_is_discarded_in_constant_memory() {
    let mut socket = endless(Limits::UNLIMITED);
    let allocated = allocated(|| {
        block_on(async {
            drop(socket.recv_reader().await.unwrap().unwrap());
            // Behind it there is nothing but the end.
            assert!(socket.recv().await.is_err());
        });
    });
    assert_eq!(socket.get_ref().source.left, 0);
    assert!(allocated < 2 * BUFFER, "{allocated} octets");
}

fn a_message_of_a_gibibyte_is_written_in_constant_memory() {
    let mut socket = endless(Limits::UNLIMITED);
    let part = [b'.'; 10_000];
    let allocated = allocated(|| {
        block_on(async {
            let mut writer = socket.writer(Kind::Text).unwrap();
            for _ in 0..GIBIBYTE / part.len() {
                writer.write_all(&part).await.unwrap();
            }
            writer.finish().await.unwrap();
        });
    });
    assert!(socket.get_ref().drain.octets > GIBIBYTE - part.len());
    assert!(allocated < 3 * BUFFER, "{allocated} octets");
}
