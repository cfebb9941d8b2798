//! The example `embed`, run as the program that it is.

mod common;

use common::{Seen, client, masked};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use tightwire::handshake::client::{Offer, Response};
use tightwire::handshake::{HeadLimits, HeadScanner, Slot};
use tightwire::{CloseCode, CloseFrame, Kind, Limits, Output};

/// The running example, its address, and its output, which must stay open. It ends after so many connections.
struct Embed(Child, String, #[expect(dead_code)] BufReader<ChildStdout>);

impl Embed {
    fn start(connections: usize) -> Self {
        // Examples are built for tests, into the folder beside the tests' own.
        let tests = std::env::current_exe().unwrap();
        let program = tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join("embed");
        let mut child = Command::new(program)
            .args(["127.0.0.1:0", "--connections", &connections.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the example is built by cargo test, but not by cargo test --test embed");
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        let address = line.split("ws://").nth(1).and_then(|rest| rest.split(',').next()).unwrap().to_owned();
        Self(child, address, lines)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.1).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn end(mut self) {
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Embed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Shakes hands, with `behind` sent behind the request, and returns the stream and what was received behind the head.
fn open(embed: &Embed, behind: &[u8]) -> (TcpStream, Vec<u8>) {
    let (mut stream, mut request) = (embed.connect(), [0; 512]);
    let offer = Offer::new(&embed.1, "/").with_protocols(&["first", "second"]);
    let length = offer.write([5; 16], &mut request).unwrap();
    stream.write_all(&[&request[..length], behind].concat()).unwrap();
    let (mut scanner, mut received) = (HeadScanner::new(), Vec::new());
    let head = loop {
        if let Some(head) = scanner.scan(&received, &HeadLimits::DEFAULT).unwrap() {
            break head;
        }
        let mut octet = [0];
        stream.read_exact(&mut octet).unwrap();
        received.extend(octet);
    };
    let mut slots = [Slot::EMPTY; 16];
    let response = Response::parse(&received[..head], &mut slots).unwrap();
    assert_eq!(offer.verify(&response, [5; 16]).unwrap().protocol(), Some("first"));
    (stream, received.split_off(head))
}

#[test]
fn it_echoes_what_it_is_sent() {
    let embed = Embed::start(1);
    // A frame behind the request is the first message.
    let (mut stream, received) = open(&embed, &masked(0x81, [1, 2, 3, 4], "fr\u{fc}h".as_bytes()));
    let mut end = common::Drive::new(client()).with_limits(Limits::UNLIMITED);
    end.feed(&received);

    let large: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut memory = vec![0; 400_000];
    let mut out = Output::new(&mut memory);
    end.connection.ping(b"alive?", &mut out).unwrap();
    end.connection.encode(&large[..], &mut out).unwrap();
    end.connection.fragment(Kind::Text, b"two \xE2", false, &mut out).unwrap();
    end.connection.fragment(Kind::Text, b"\x82\xAC", true, &mut out).unwrap();
    end.connection.encode("", &mut out).unwrap();
    end.connection.close(Some(CloseFrame { code: CloseCode::NORMAL, reason: "" }), &mut out).unwrap();
    let wire = out.written().to_vec();
    let mut writer = stream.try_clone().unwrap();
    let sent = std::thread::spawn(move || writer.write_all(&wire));
    let mut buffer = [0; 4096];
    loop {
        let octets = stream.read(&mut buffer).unwrap();
        if octets == 0 {
            break;
        }
        end.feed(&buffer[..octets]);
    }
    sent.join().unwrap().unwrap();
    assert_eq!(end.violation, None);
    let expected = [
        Seen::text("fr\u{fc}h"),
        Seen::Pong(b"alive?".to_vec()),
        Seen::message(Kind::Binary, &large),
        Seen::text("two \u{20ac}"),
        Seen::text(""),
        Seen::Close(Some((CloseCode::NORMAL, String::new()))),
    ];
    assert!(end.seen == expected);
    drop(stream);
    embed.end();
}

#[test]
fn it_says_why_it_refuses() {
    let embed = Embed::start(4);
    let answer = |octets: &[u8]| {
        let mut stream = embed.connect();
        stream.write_all(octets).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert!(answer(b"GET / HTTP/1.1\nHost: a\n\n").starts_with("HTTP/1.1 400 "));
    assert!(answer(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 400 "));
    // RFC 6455 7.1.7: a protocol error is answered with a Close frame; the good messages in front of it are echoed
    let (mut stream, _) = open(&embed, &[masked(0x81, [1; 4], b"ok"), vec![0x83, 0x80]].concat());
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"\x81\x02ok\x88\x02\x03\xea");
    drop(stream);
    // A peer that leaves in the middle of a frame costs only its own connection.
    drop(open(&embed, &[0x81]));
    embed.end();
}
