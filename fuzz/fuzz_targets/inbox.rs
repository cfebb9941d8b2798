//! Any octets into an inbox over any storage, read, polled and moved in any order, whole messages and chunks mixed: the
//! same messages, control frames, replies and verdict as from a connection that got them in one piece.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tightwire::{Connection, Inbox, Kind, Limits, Output, Progress, Role, Violation};
use tightwire_fuzz::common::{AGREEMENT, Drive, Seen, client};
use tightwire_fuzz::{feed, limits};

#[derive(Arbitrary, Debug)]
enum Call {
    Read(u8),
    Poll,
    PollChunk,
    /// Moves to storage with so much more room than what is held needs.
    Replace(u8),
    Space,
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    small: bool,
    compression: bool,
    server: bool,
    storage: u8,
    room: u8,
    calls: Vec<Call>,
    wire: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    if input.server {
        same(&input, || agreed(Connection::server(), input.compression));
    } else {
        same(&input, || agreed(client(), input.compression));
    }
});

fn agreed<R: Role>(connection: Connection<R>, compression: bool) -> Connection<R> {
    if compression { connection.with_compression(AGREEMENT) } else { connection }
}

fn same<R: Role>(input: &Input<'_>, new: impl Fn() -> Connection<R>) {
    let limits = limits(input.small);
    let mut whole = Drive::new(new()).with_limits(limits);
    feed(&mut whole, input.wire, &[], 131);
    let mut bench = Bench {
        inbox: Inbox::new(vec![0; input.storage.into()]),
        connection: new(),
        limits,
        least: usize::from(input.room % 132),
        room: usize::from(input.room % 132),
        out: Vec::new(),
        messages: Vec::new(),
        controls: Vec::new(),
        violation: None,
    };
    let mut rest = input.wire;
    for call in &input.calls {
        match call {
            Call::Read(most) => rest = bench.read(rest, (*most).into()),
            Call::Poll => drop(bench.poll(false)),
            Call::PollChunk => drop(bench.poll(true)),
            Call::Replace(more) => bench.replace((*more).into()),
            Call::Space => drop(bench.inbox.space().len()),
        }
    }
    // Whatever is left.
    while bench.violation.is_none() {
        if bench.poll(false) != Some(Progress::NeedInput) {
            continue;
        }
        if rest.is_empty() {
            break;
        }
        if bench.inbox.space().is_empty() {
            bench.replace(131);
        }
        rest = bench.read(rest, 7);
    }
    // A violation that was found in a call above is found again, behind what was collected in front of it.
    if bench.violation.is_some() && bench.poll(true).is_some() {
        assert_eq!(bench.poll(true), None);
    }
    assert_eq!(bench.violation, whole.violation);
    assert_eq!(bench.out, whole.out);
    let (messages, controls) = apart(&whole.seen);
    assert_eq!(bench.controls, controls);
    // What was collected of a message that is never finished is handed to nobody.
    let finished = messages.iter().take_while(|message| message.last).count();
    assert_eq!(bench.messages.get(..finished), messages.get(..finished));
    if let Some(begun) = bench.messages.get(finished) {
        let all = &messages[finished];
        assert!(bench.messages.len() == finished + 1 && !begun.last && begun.kind == all.kind);
        assert!(all.octets.starts_with(&begun.octets));
    }
}

/// A message, or what there is of it.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    kind: Kind,
    octets: Vec<u8>,
    last: bool,
    compressed: bool,
}

fn join(messages: &mut Vec<Message>, first: bool, part: Message) {
    if first {
        assert!(messages.last().is_none_or(|before| before.last));
        return messages.push(part);
    }
    let message = messages.last_mut().expect("a beginning");
    assert!(!message.last && message.kind == part.kind && message.compressed == part.compressed);
    message.octets.extend(part.octets);
    message.last = part.last;
}

/// Messages and control frames: between the fragments of a message a control frame overtakes it.
fn apart(seen: &[Seen]) -> (Vec<Message>, Vec<Seen>) {
    let (mut messages, mut controls) = (Vec::new(), Vec::new());
    for event in seen.iter().cloned() {
        match event {
            Seen::Data { kind, octets, first, last, compressed } => {
                join(&mut messages, first, Message { kind, octets, last, compressed });
            }
            control => controls.push(control),
        }
    }
    (messages, controls)
}

struct Bench<R> {
    inbox: Inbox<Vec<u8>>,
    connection: Connection<R>,
    limits: Limits,
    least: usize,
    /// What the output has next time.
    room: usize,
    out: Vec<u8>,
    messages: Vec<Message>,
    controls: Vec<Seen>,
    violation: Option<Violation>,
}

impl<R: Role> Bench<R> {
    fn read<'w>(&mut self, wire: &'w [u8], most: usize) -> &'w [u8] {
        let held = self.inbox.len();
        let taken = self.inbox.extend(&wire[..most.min(wire.len())]);
        assert_eq!(self.inbox.len(), held + taken);
        &wire[taken..]
    }

    fn replace(&mut self, more: usize) {
        let needed = self.inbox.len() + self.inbox.control().len();
        let control = self.inbox.control().to_vec();
        if let Some(less) = needed.checked_sub(1) {
            assert_eq!(self.inbox.replace(vec![0; less]).map_err(|storage| storage.len()), Err(less));
        }
        assert!(self.inbox.replace(vec![0; needed + more]).is_ok());
        assert_eq!(self.inbox.control(), control);
    }

    fn poll(&mut self, chunks: bool) -> Option<Progress> {
        let mut memory = [0; 131];
        let mut out = Output::new(&mut memory[..self.room]);
        let mut decoder = self.connection.decoder(&mut out, &self.limits);
        let polled = if chunks { self.inbox.poll_chunk(&mut decoder) } else { self.inbox.poll(&mut decoder) };
        self.out.extend_from_slice(out.written());
        self.room = self.least;
        let progress = match polled {
            Ok(progress) => progress,
            Err(violation) => {
                assert!(self.violation.is_none_or(|earlier| earlier == violation), "failure sticks");
                self.violation = Some(violation);
                return None;
            }
        };
        match progress {
            Progress::Message => {
                let message = self.inbox.message().expect("the message");
                let (kind, octets) = (message.kind(), message.octets().to_vec());
                join(&mut self.messages, true, Message { kind, octets, last: true, compressed: false });
            }
            Progress::Chunk { kind, first, last, compressed } => {
                let octets = self.inbox.chunk().to_vec();
                join(&mut self.messages, first, Message { kind, octets, last, compressed });
            }
            Progress::Ping => self.controls.push(Seen::Ping(self.inbox.control().to_vec())),
            Progress::Pong => self.controls.push(Seen::Pong(self.inbox.control().to_vec())),
            Progress::Close => {
                let frame = self.inbox.close_frame();
                self.controls.push(Seen::Close(frame.map(|frame| (frame.code, frame.reason.to_owned()))));
            }
            Progress::NeedInput => assert!(self.inbox.unread().len() < 131),
            Progress::NeedOutput(octets) => {
                assert!(octets <= 131);
                self.room = octets;
            }
        }
        Some(progress)
    }
}
