//! Feature `tracing`: a few events for each connection, none for a message.
#![cfg(target_os = "linux")]

mod support;

use std::fmt;
use std::sync::{Arc, Mutex};
use support::{Bench, Peer};
use tightwire_epoll::{Admission, Builder};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps every event of the adapter as a line of text.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        let name = field.name();
        self.0 += &if name == "message" { format!("{value} ") } else { format!("{name}={value} ") };
    }
}

impl Subscriber for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "tightwire_epoll"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        unreachable!("there are no spans")
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        assert_eq!(*event.metadata().level(), Level::DEBUG);
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[test]
fn a_connection_is_told_from_its_beginning_to_its_end() {
    let journal = Journal::default();
    tracing::subscriber::set_global_default(journal.clone()).unwrap();
    let bench = Bench::with(Builder::new().admission(Admission::default().with_connections(1)));
    let mut peer = bench.client();
    for _ in 0..100 {
        peer.sync();
    }
    assert!(Peer::connect(bench.address()).is_at_end());
    let remote = peer.socket.local_addr().unwrap();
    peer.send(0x88, &[0x03, 0xE8, b'b', b'y', b'e']);
    assert_eq!(peer.close_code(), 1000);
    bench.until(|stats| stats.open == 0);
    let mut peer = Peer::connect(bench.address());
    peer.write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(peer.head().starts_with("HTTP/1.1 200 "));
    drop(peer);
    bench.until(|stats| stats.open == 0);
    bench.server.shutdown(std::time::Duration::ZERO);
    let lines = journal.0.lock().unwrap();
    let expected = [
        format!("accepted thread=0 connection=0v0 remote={remote} "),
        "opened thread=0 connection=0v0 role=\"server\" ".to_owned(),
        "turned away: too many connections thread=0 ".to_owned(),
        "closed thread=0 connection=0v0 code=1000 reason=\"bye\" cause=Handshake ".to_owned(),
    ];
    assert_eq!(lines[..4], expected);
    assert!(lines[4].starts_with("accepted thread=0 connection=0v1 "), "{}", lines[4]);
    assert_eq!(lines[5], "answered without opening thread=0 connection=0v1 ");
    assert_eq!(lines[6..], ["shutting down thread=0 connections=0 "]);
}
