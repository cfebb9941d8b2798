//! A deadline that passes between any two octets of a connection corrupts nothing: what it makes this end send
//! leaves what the peer sent as it was.

use tightwire::deadline::{Action, Deadlines, Tick, Timeout, Timeouts};
use tightwire::{CloseFrame, Connection, Event, Limits, Output, Server, Step, Violation};

/// What a connection delivered, without the borders of chunks, which depend on the reads.
#[derive(Debug, PartialEq)]
enum Seen {
    Message { octets: Vec<u8>, ended: bool },
    Ping(Vec<u8>),
    Close(Option<u16>),
    Failed(Violation),
}

/// A connection between its socket and its clock.
struct End {
    connection: Connection<Server>,
    deadlines: Deadlines,
    /// What decoding left, to be presented again.
    left: Vec<u8>,
    seen: Vec<Seen>,
    sent: Vec<u8>,
}

impl End {
    fn new(now: Tick) -> Self {
        let mut deadlines = Deadlines::new(now);
        deadlines.opened(now);
        let (left, seen, sent) = (Vec::new(), Vec::new(), Vec::new());
        Self { connection: Connection::server(), deadlines, left, seen, sent }
    }

    fn read(&mut self, octets: &[u8], now: Tick) {
        self.deadlines.received(now);
        let mut buffer = std::mem::take(&mut self.left);
        buffer.extend_from_slice(octets);
        let (mut input, mut memory) = (buffer.as_mut_slice(), [0; 1024]);
        let mut output = Output::new(&mut memory);
        loop {
            match self.connection.decode(&mut input, &mut output, &Limits::DEFAULT) {
                Ok(Step::Event(event)) => note(&mut self.seen, event),
                Ok(Step::NeedInput) => break,
                Ok(Step::NeedOutput(octets)) => panic!("no room for {octets} octets"),
                Err(violation) => {
                    self.seen.push(Seen::Failed(violation));
                    break;
                }
            }
        }
        self.sent.extend_from_slice(output.written());
        self.left = input.to_vec();
        if self.connection.inbound().open_message().is_some() || !self.left.is_empty() {
            self.deadlines.frame_begun(now);
        } else {
            self.deadlines.frame_done();
        }
    }

    /// Does what a passed deadline asks, as an adapter does.
    fn on_time(&mut self, now: Tick, timeouts: &Timeouts) -> Option<Action> {
        let action = self.deadlines.on_time(now, timeouts);
        let mut memory = [0; 256];
        let mut output = Output::new(&mut memory);
        match action {
            Some(Action::Ping) => self.connection.ping(b"alive?", &mut output).unwrap(),
            Some(Action::Fail(timeout)) => {
                if let Some(code) = timeout.close_code() {
                    self.connection.close(Some(CloseFrame { code, reason: "" }), &mut output).unwrap();
                    self.deadlines.close_begun(now);
                }
            }
            None => {}
        }
        self.sent.extend_from_slice(output.written());
        action
    }
}

fn note(seen: &mut Vec<Seen>, event: Event<'_>) {
    match event {
        Event::Data(chunk) => {
            if chunk.first {
                seen.push(Seen::Message { octets: Vec::new(), ended: false });
            }
            let open = seen.iter_mut().rev().find_map(|seen| match seen {
                Seen::Message { octets, ended } if !*ended => Some((octets, ended)),
                _ => None,
            });
            let (octets, ended) = open.expect("a chunk of no message");
            octets.extend_from_slice(chunk.payload);
            *ended = chunk.last;
        }
        Event::Ping(payload) => seen.push(Seen::Ping(payload.to_vec())),
        Event::Pong(_) => panic!("no Pong was sent"),
        Event::Close(frame) => seen.push(Seen::Close(frame.map(|frame| frame.code.number()))),
    }
}

/// A masked frame (RFC 6455 5.2) of fewer than 126 octets of payload.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xFA, 0x21, 0x3D];
    let mut frame = vec![first, 0x80 | payload.len() as u8];
    frame.extend_from_slice(&key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(octet, key)| octet ^ key));
    frame
}

/// A fragmented text with a Ping inside, a binary message and, after them, `end`.
fn conversation(end: Vec<u8>) -> Vec<u8> {
    let text = "caf\u{e9} and \u{1F980}".as_bytes();
    let (front, back) = text.split_at(4);
    [frame(0x01, front), frame(0x89, b"there?"), frame(0x80, back), frame(0x82, &[0; 40]), end].concat()
}

fn lifted_but(set: impl Fn(&mut Timeouts)) -> Timeouts {
    let mut timeouts = Timeouts::NONE;
    set(&mut timeouts);
    timeouts
}

// RFC 6455 7.1.1, 8.1: both ways for a conversation to end, in each cut and with each timeout
#[test]
fn any_prefix_any_timeout_then_the_rest() {
    let timeouts = [
        (lifted_but(|timeouts| timeouts.ping = Some(20)), Action::Ping),
        (lifted_but(|timeouts| timeouts.idle = Some(20)), Action::Fail(Timeout::Idle)),
        (lifted_but(|timeouts| timeouts.lifetime = Some(20)), Action::Fail(Timeout::Lifetime)),
    ];
    let close = frame(0x88, b"\x03\xe8done");
    let not_text = frame(0x81, b"\xff");
    for (octets, end) in [
        (conversation(close), Seen::Close(Some(1000))),
        (conversation(not_text), Seen::Failed(Violation::InvalidUtf8)),
    ] {
        let mut plain = End::new(0);
        plain.read(&octets, 1);
        assert_eq!(plain.seen.len(), 4);
        assert_eq!(plain.seen.last(), Some(&end));
        for (timeouts, expected) in &timeouts {
            for cut in 0..octets.len() {
                let (front, back) = octets.split_at(cut);
                let mut late = End::new(0);
                late.read(front, 0);
                let sent = late.sent.len();
                assert_eq!(late.on_time(20, timeouts), Some(*expected));
                assert!(late.sent.len() > sent, "nothing was sent at {cut}");
                late.read(back, 21);
                assert_eq!(late.seen, plain.seen, "{expected:?} at {cut}");
            }
        }
    }
}

// RFC 6455 7.1.7: an end that waits too long for the rest of a frame fails the connection
#[test]
fn an_unfinished_frame_is_ended_with_a_close() {
    let mut timeouts = Timeouts::new(1);
    timeouts.ping = None;
    let octets = frame(0x82, &[0; 40]);
    for cut in 1..octets.len() {
        let mut end = End::new(0);
        end.read(&octets[..cut], 0);
        assert_eq!(end.on_time(29, &timeouts), None);
        assert_eq!(end.on_time(30, &timeouts), Some(Action::Fail(Timeout::Progress)));
        // RFC 6455 5.5.1: Close with 1008
        assert_eq!(end.sent, b"\x88\x02\x03\xf0");
        end.read(&octets[cut..], 31);
        assert_eq!(end.seen, [Seen::Message { octets: vec![0; 40], ended: true }]);
        assert_eq!(end.on_time(35, &timeouts), Some(Action::Fail(Timeout::CloseLinger)));
    }
}
