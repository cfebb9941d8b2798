//! The examples of event loops, each run as the program that it is and talked to by clients on tokio.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use tightwire_tokio::connect;
use tightwire_tokio::tightwire::{CloseCode, Message};

/// A running example and its address. Its output must stay open.
struct Example(Child, String, #[expect(dead_code)] BufReader<ChildStdout>);

impl Example {
    /// `None` if the machine does not let the program run.
    fn start(name: &str) -> Option<Self> {
        // Examples are built for tests, into the folder beside the tests' own.
        let tests = std::env::current_exe().unwrap();
        let program = tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name);
        let mut child = Command::new(program)
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example is built by cargo test, but not by cargo test --test loops");
        let (mut line, mut lines) = (String::new(), BufReader::new(child.stdout.take().unwrap()));
        lines.read_line(&mut line).unwrap();
        let Some((_, address)) = line.trim().split_once("ws://") else {
            child.wait().unwrap();
            return None;
        };
        Some(Self(child, address.to_owned(), lines))
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One client after another task: messages of many sizes, whole and in pieces, and the closing handshake.
async fn talk(address: &str, size: usize) {
    let mut socket = connect(&format!("ws://{address}/")).await.unwrap();
    let large: Vec<u8> = (0..=255).cycle().take(size).collect();
    for payload in [&b""[..], b"a", &large, b"the end"] {
        // Sent while it is received: nothing else can move more than the kernel's buffers hold.
        socket.feed(payload).await.unwrap();
        let flushed = tokio::time::timeout(Duration::from_secs(20), socket.flush());
        flushed.await.unwrap().unwrap();
        assert_eq!(whole(&mut socket).await, payload);
    }
    socket.ping(b"alive?").await.unwrap();
    socket.close(CloseCode::NORMAL, "").await.unwrap();
}

/// The octets of the next message.
async fn whole(socket: &mut tightwire_tokio::ClientSocket) -> Vec<u8> {
    match socket.recv().await.unwrap().unwrap() {
        Message::Binary(octets) => octets.to_vec(),
        Message::Text(text) => text.octets().to_vec(),
    }
}

fn serves_many(name: &str) {
    let Some(example) = Example::start(name) else {
        assert_eq!(name, "io_uring", "the example did not start");
        eprintln!("SKIPPED: io_uring is not allowed here");
        return;
    };
    let address = &example.1;
    // A peer that never finishes its request, one that leaves within a frame, one that breaks the protocol.
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(b"GET / HT").unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let mut gone = TcpStream::connect(address).unwrap();
    gone.write_all(&[&request[..], b"\x81\x85"].concat()).unwrap();
    drop(gone);
    let mut bad = TcpStream::connect(address).unwrap();
    bad.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // In two pieces, the second from within the head of a frame.
    bad.write_all(&[&request[..], b"\x81\x82"].concat()).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    bad.write_all(b"\0\0\0\0ok\x83\x80").unwrap();
    let mut answer = Vec::new();
    bad.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    // RFC 6455 7.1.7: the good message is echoed, then a Close frame with 1002 follows
    assert!(answer.ends_with(b"\r\n\r\n\x81\x02ok\x88\x02\x03\xea"), "{answer:?}");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks = (0..50).map(|index| {
            let address = address.clone();
            tokio::spawn(async move { talk(&address, index * 2_000).await })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    drop(slow);
}

#[test]
fn mio_serves_many() {
    serves_many("mio");
}

#[test]
fn io_uring_serves_many() {
    serves_many("io_uring");
}
