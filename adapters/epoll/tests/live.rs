//! The example `live`: the page, the numbers, and a chat between two guests.
#![cfg(target_os = "linux")]

mod support;

use std::io::Read;
use std::net::SocketAddr;
use std::process::Command;
use support::{Peer, Process, REQUEST, example};

fn start() -> (Process, SocketAddr) {
    Process::serve(Command::new(example("live")).arg("127.0.0.1:0"))
}

/// The next message of a kind, without the numbers that come every second.
fn next(peer: &mut Peer) -> String {
    loop {
        let (first, payload) = peer.frame().unwrap();
        assert_eq!(first, 0x81);
        let text = String::from_utf8(payload).unwrap();
        if !text.starts_with("stats\n") {
            return text;
        }
    }
}

fn guest(address: SocketAddr) -> (Peer, String) {
    let mut peer = Peer::connect(address);
    peer.write(REQUEST.replace("/chat", "/live").as_bytes());
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    let hello = next(&mut peer);
    let name = hello.strip_prefix("you\n").unwrap().to_owned();
    assert_eq!(next(&mut peer), format!("note\n{name} is here"));
    (peer, name)
}

#[test]
fn two_guests_talk_and_see_numbers() {
    let (_live, address) = start();
    let mut page = Peer::connect(address);
    page.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(page.head().contains("Content-Type: text/html; charset=utf-8\r\n"));
    let mut html = String::new();
    page.socket.read_to_string(&mut html).unwrap();
    assert_eq!(html, include_str!("../examples/live.html"));

    let (mut one, first) = guest(address);
    let (mut two, second) = guest(address);
    assert_eq!(next(&mut one), format!("note\n{second} is here"));
    two.text("hello <b>there</b>");
    for peer in [&mut one, &mut two] {
        assert_eq!(next(peer), format!("chat\n{second}\nhello <b>there</b>"));
    }
    // Two connections and what they have said so far.
    let numbers = loop {
        let (_, payload) = one.frame().unwrap();
        let text = String::from_utf8(payload).unwrap();
        if text.contains("\nopen=2\n") {
            break text;
        }
    };
    assert!(numbers.starts_with("stats\n") && numbers.contains("\nreceived=1\n"), "{numbers}");
    drop(two);
    assert_eq!(next(&mut one), format!("note\n{second} is gone"));
    // Another site's page may not listen in.
    let mut other = Peer::connect(address);
    let origin = "\r\nOrigin: http://elsewhere\r\n\r\n";
    other.write(REQUEST.replace("/chat", "/live").replace("\r\n\r\n", origin).as_bytes());
    assert!(other.head().starts_with("HTTP/1.1 403 "));
    one.send(0x82, b"binary");
    assert_eq!(one.frame().map(|(first, _)| first), Some(0x88));
    assert!(!first.is_empty());
}
