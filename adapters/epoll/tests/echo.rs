//! The example `echo` as a process: what it echoes, its arguments, and the system calls that an echo takes.
#![cfg(target_os = "linux")]

mod support;

use rustix::process::{Pid, Signal, kill_process};
use std::process::Command;
use support::{Peer, Process, REQUEST, example};

#[test]
fn it_echoes_with_its_subprotocol() {
    let (_echo, address) =
        Process::serve(Command::new(example("echo")).args(["127.0.0.1:0", "--threads", "2"]));
    let mut peer = Peer::connect(address);
    let offer = "\r\nSec-WebSocket-Protocol: one, two\r\n\r\n";
    peer.write(REQUEST.replace("\r\n\r\n", offer).as_bytes());
    assert!(peer.head().contains("Sec-WebSocket-Protocol: one\r\n"));
    for size in [0, 1, 125, 126, 65_536, 3 << 20] {
        let payload: Vec<u8> = (0..size).map(|at| at as u8 ^ (at >> 8) as u8).collect();
        let mut socket = peer.socket.try_clone().unwrap();
        let frame = support::frame(0x82, &payload);
        let writer = std::thread::spawn(move || std::io::Write::write_all(&mut socket, &frame).unwrap());
        let (first, back) = peer.frame().unwrap();
        assert!(first == 0x82 && back == payload, "{size}");
        writer.join().unwrap();
    }
    peer.send(0x88, &1000_u16.to_be_bytes());
    assert_eq!(peer.close_code(), 1000);
}

#[test]
fn it_refuses_arguments_that_it_does_not_know() {
    let output = Command::new(example("echo")).arg("--what").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("usage: echo"));
}

/// At depth 1 an echo is one read and one write, and shares a wait with the others that are ready. To see the table:
/// `strace -f -c -e trace=network,epoll_pwait target/release/examples/echo 127.0.0.1:9001 --threads 1`.
#[test]
fn an_echo_is_one_read_and_one_write_and_a_share_of_a_wait() {
    const ECHOES: usize = 500;
    const PEERS: usize = 10;
    if !Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success())
    {
        eprintln!("SKIPPED: strace does not run here, so no system call was counted");
        return;
    }
    let log = std::env::temp_dir().join(format!("tightwire-strace-{}", std::process::id()));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o"]).arg(&log).arg(example("echo")).args(["127.0.0.1:0", "--threads", "1"]);
    let (mut server, address) = Process::serve(&mut strace);
    let mut peers: Vec<_> = (0..PEERS).map(|_| Peer::open(address)).collect();
    let mark = |peer: &mut Peer, text: &str| {
        peer.text(text);
        assert_eq!(peer.frame(), Some((0x81, text.as_bytes().to_vec())));
    };
    mark(&mut peers[0], "one by one");
    for _ in 0..ECHOES {
        peers[0].sync();
    }
    mark(&mut peers[0], "all together");
    for _ in 0..ECHOES / PEERS {
        peers.iter_mut().for_each(|peer| peer.text("sync"));
        for peer in &mut peers {
            assert_eq!(peer.frame(), Some((0x81, b"sync".to_vec())));
        }
    }
    mark(&mut peers[0], "the end");
    // The server is the first process in the log. Its tracer ends when it does.
    let text = std::fs::read_to_string(&log).unwrap();
    let process = text.split_whitespace().next().and_then(|first| Pid::from_raw(first.parse().unwrap()));
    kill_process(process.unwrap(), Signal::KILL).unwrap();
    server.0.wait().unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();

    for (from, to) in [("one by one", "all together"), ("all together", "the end")] {
        // From behind the write of the one mark to the write of the other, which has a read in front.
        let (_, rest) = text.split_once(from).unwrap();
        let (part, _) = rest.split_once(to).unwrap();
        let calls: Vec<&str> = part
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().nth(1)?.split_once('('))
            .map(|call| call.0)
            .collect();
        let count = |name| calls.iter().filter(|call| **call == name).count();
        assert_eq!((count("recvfrom"), count("sendto")), (ECHOES + 1, ECHOES + 1), "{from}");
        let waits = count("epoll_pwait");
        eprintln!("{from}: {ECHOES} echoes, {waits} waits");
        // Every wait that found something; a timer may end one more.
        assert!(waits > 0 && waits <= ECHOES + 1 + 3, "{from}: {waits}");
        assert_eq!(calls.len(), 2 * (ECHOES + 1) + waits, "{from}: nothing else");
    }
}
