//! Ten thousand subscribers: a publication is encoded once, and costs no allocation for a subscriber unless its
//! socket is full.
//!
//! In a process of its own: the allocator counts for all threads. The subscribers are another process, because both
//! ends would need more descriptors than many machines allow to one.
#![cfg(target_os = "linux")]

mod support;

use socket2::{Domain, Socket, Type};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{Peer, REQUEST};
use tightwire_epoll::tightwire::handshake::OriginPolicy;
use tightwire_epoll::tightwire::handshake::server::Acceptance;
use tightwire_epoll::tightwire::{Message, Timeouts};
use tightwire_epoll::{Answer, Builder, Config, Conn, Handler, Opening, Reactor, Server, limits};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SUBSCRIBERS: usize = 10_000;
const TOPIC: &str = "news";
/// Says to a process of this test that it is the subscribers.
const ROLE: &str = "TIGHTWIRE_SUBSCRIBERS_OF";

/// Everybody is subscribed, and what anybody sends is published. How many the last publication was for is told
/// without allocating.
struct Everybody {
    told: Arc<AtomicUsize>,
}

impl Handler for Everybody {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn open(&mut self, conn: &mut Conn<'_, ()>) {
        assert!(conn.subscribe(TOPIC));
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        self.told.store(conn.reactor().publish_here(TOPIC, message), Ordering::SeqCst);
    }
}

/// The subscribers, as a process. It reads one line, a number of octets, and says when each subscriber has got so
/// many.
struct Audience {
    child: Child,
    ask: ChildStdin,
    say: BufReader<ChildStdout>,
}

impl Audience {
    fn new(server: SocketAddr, subscribers: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(ROLE, format!("{server} {subscribers}")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.args(["subscribers", "--exact", "--nocapture"]).spawn().unwrap();
        let (ask, say) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut audience = Self { child, ask, say };
        audience.hear("open");
        audience
    }

    /// Waits until every subscriber has got so many octets.
    fn get(&mut self, octets: usize) {
        self.ask.write_all(format!("{octets}\n").as_bytes()).unwrap();
        self.hear("got");
    }

    fn hear(&mut self, word: &str) {
        let mut line = String::new();
        while line.trim_end() != word {
            line.clear();
            assert!(self.say.read_line(&mut line).unwrap() > 0, "the subscribers are gone");
        }
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process of the subscribers does; nothing in the process of the test.
#[test]
fn subscribers() {
    let Ok(task) = std::env::var(ROLE) else { return };
    limits::raise_descriptors().unwrap();
    let (server, count) = task.split_once(' ').unwrap();
    let server: SocketAddr = server.parse().unwrap();
    let mut sockets: Vec<TcpStream> = (0..count.parse().unwrap())
        .map(|_| {
            let mut peer = Peer::connect(server);
            peer.write(REQUEST.as_bytes());
            assert!(peer.head().starts_with("HTTP/1.1 101 "));
            peer.socket
        })
        .collect();
    println!("\nopen");
    let mut memory = Vec::new();
    for line in std::io::stdin().lines() {
        memory.resize(line.unwrap().parse().unwrap(), 0);
        for socket in &mut sockets {
            socket.read_exact(&mut memory).unwrap();
            assert!(memory.first() == Some(&0x82));
        }
        println!("got");
    }
}

fn server() -> (Server<Everybody>, Arc<AtomicUsize>) {
    limits::raise_descriptors().unwrap();
    let tells = Arc::new(AtomicUsize::new(0));
    let told = tells.clone();
    // On a busy machine this takes longer than the silence after which a peer is pinged.
    let config = Config::default().with_timeouts(Timeouts::NONE);
    let builder = Builder::new().config(config).threads(1).listen("127.0.0.1:0".parse().unwrap());
    (builder.start(move |_| Everybody { told: told.clone() }).unwrap(), tells)
}

/// Waits until the numbers of what was sent stand still at this one.
fn until_sent(server: &Server<Everybody>, messages: u64) {
    while server.stats().messages_sent < messages {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn ten_thousand_subscribers_cost_no_allocation() {
    if std::env::var_os(ROLE).is_some() {
        return;
    }
    let (server, tells) = server();
    let mut audience = Audience::new(server.addresses()[0], SUBSCRIBERS);
    let mut publisher = Peer::open(server.addresses()[0]);
    let frame = support::frame(0x82, &[7; 128]);
    let mut back = [0; 132];
    for round in 0..5 {
        let region = Region::new(ALLOCATOR);
        publisher.write(&frame);
        publisher.socket.read_exact(&mut back).unwrap();
        until_sent(&server, (round + 1) * (SUBSCRIBERS as u64 + 1));
        let change = region.change();
        assert_eq!(tells.load(Ordering::SeqCst), SUBSCRIBERS + 1);
        audience.get(back.len());
        // The first one takes the memory in which frames are collected.
        if round > 0 {
            assert_eq!((change.allocations, change.reallocations), (0, 0), "{change:?}");
        }
    }
    let stats = server.stats();
    assert_eq!((stats.buffers, stats.refused_messages), (0, 0));
    assert_eq!(stats.octets_sent - 129 * (SUBSCRIBERS as u64 + 1), 5 * 132 * (SUBSCRIBERS as u64 + 1));

    // One whose socket is full: of what it is sent, only what it did not take is kept, large publications in memory
    // that all such subscribers share. It costs the others nothing.
    let slow = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    slow.set_recv_buffer_size(4096).unwrap();
    slow.connect(&server.addresses()[0].into()).unwrap();
    let mut slow = Peer { socket: slow.into() };
    slow.write(REQUEST.as_bytes());
    assert!(slow.head().starts_with("HTTP/1.1 101 "));
    let is_full = || server.stats().buffer_octets >= 40_000;
    while !is_full() {
        let fill = |reactor: &mut Reactor<()>| {
            let token = reactor.tokens().max_by_key(|token| token.index()).unwrap();
            let mut conn = reactor.conn(token).unwrap();
            while conn.buffered() < 40_000 {
                conn.send(&[0; 10_000]).unwrap();
            }
        };
        server.senders()[0].run(fill).unwrap();
        std::thread::sleep(Duration::from_millis(2));
        if is_full() {
            // The kernel may still move octets from one end to the other.
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    let large = support::frame(0x82, &[8; 8192]);
    let mut large_back = vec![0; large.len()];
    for (round, frame, allocations) in [(0, &frame, 0), (1, &frame, 0), (0, &large, 1), (1, &large, 1)] {
        // Its mask key does not come back.
        let back = &mut large_back[..frame.len() - 4];
        let region = Region::new(ALLOCATOR);
        let before = server.stats().messages_sent;
        publisher.write(frame);
        publisher.socket.read_exact(back).unwrap();
        until_sent(&server, before + SUBSCRIBERS as u64 + 2);
        let change = region.change();
        assert_eq!(tells.load(Ordering::SeqCst), SUBSCRIBERS + 2);
        audience.get(back.len());
        if round > 0 {
            assert_eq!(change.allocations, allocations, "{change:?}");
            // The list of what waits for the slow one may have grown.
            assert!(change.reallocations <= allocations, "{change:?}");
        }
    }
}
