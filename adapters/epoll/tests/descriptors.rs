//! Descriptors run out, and descriptors are used again: in a process of its own, because it lowers the limit.
#![cfg(target_os = "linux")]

mod support;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use std::time::Duration;
use support::{Bench, Peer, REQUEST, Saw, frame};
use tightwire_epoll::{Config, Token};

fn descriptors() -> u64 {
    std::fs::read_dir("/proc/self/fd").unwrap().count() as u64
}

/// In one test, because the limit is that of the whole process.
#[test]
fn descriptors_run_out_and_come_back() {
    let bench = Bench::new(Config::default());
    let mut served: Vec<_> = (0..5).map(|_| bench.client()).collect();
    let before = getrlimit(Resource::Nofile);
    // The clients' ends of eight more connections are there before the server can take their room, and there is
    // room for five of the server's.
    let clients: Vec<_> = {
        let sockets: Vec<_> =
            (0..8).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).collect();
        let limit = descriptors() + 5;
        setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum: before.maximum }).unwrap();
        let connect = |socket: Socket| {
            socket.connect(&bench.address().into()).unwrap();
            socket.set_tcp_nodelay(true).unwrap();
            Peer { socket: socket.into() }
        };
        sockets.into_iter().map(connect).collect()
    };
    bench.until(|stats| stats.accepted >= 9);
    // Those that are there are served, and the thread does not spin: it waits a tick and looks again.
    for _ in 0..3 {
        served.iter_mut().for_each(Peer::sync);
        std::thread::sleep(Duration::from_millis(120));
    }
    assert!(bench.server.stats().accepted < 13, "{:?}", bench.server.stats());
    // When some leave, the ones in the backlog get their turn.
    served.truncate(1);
    for mut client in clients {
        client.write(REQUEST.as_bytes());
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        client.sync();
    }
    setrlimit(Resource::Nofile, before).unwrap();
    served[0].sync();
    bench.until(|stats| stats.open == 1);
    churn(&bench);
}

/// Fifty thousand connections, on the same few descriptors and slots: nothing meant for one reaches another.
fn churn(bench: &Bench) {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 12_500;
    let before = descriptors();
    let address = bench.address();
    let sender = bench.server.senders()[0].clone();
    // All that were open so far are gone, but one: it has the first slot.
    let stale: Vec<Token> = bench
        .saw
        .try_iter()
        .filter_map(|saw| if let Saw::Open(token) = saw { Some(token) } else { None })
        .skip(1)
        .collect();
    assert_eq!(stale.len(), 12);
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (sender, stale) = (sender.clone(), stale.clone());
            std::thread::spawn(move || {
                for round in 0..ROUNDS {
                    let name = format!("{thread} {round}");
                    let mut peer = Peer::open(address);
                    let mut octets = frame(0x81, name.as_bytes());
                    if round % 3 == 0 {
                        // Something unfinished is left behind.
                        octets.extend(&frame(0x82, &[1; 500])[..50]);
                    }
                    peer.write(&octets);
                    assert_eq!(peer.frame(), Some((0x81, name.into_bytes())));
                    if round % 64 == 0 {
                        // A message to a connection that was here long ago.
                        let stale = stale[round as usize / 64 % stale.len()];
                        sender.send(stale, "stale").unwrap();
                    }
                    // A reset leaves no port waiting.
                    peer.reset();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let stats = bench.until(|stats| stats.open == 1);
    assert_eq!(stats.opened - stats.closed, 1);
    assert!(stats.opened >= THREADS * ROUNDS);
    assert_eq!(stats.buffers, 0, "every buffer was given back");
    assert_eq!(descriptors(), before, "every descriptor was closed");
}
