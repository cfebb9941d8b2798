//! What the scenario tests share: frames written by hand, a drive that feeds a connection in any cut, and a
//! pair of connections with no socket between them.
#![allow(dead_code, unreachable_pub)] // each test file uses its part of it

use tightwire::deflate::{Agreement, Terms, WindowBits};
use tightwire::{
    Chunk, Client, CloseCode, Connection, Event, Kind, Limits, Output, Resting, Role, SendError, Server,
    Step, Violation,
};

/// Keys that count up, so that a test can tell one from another.
#[derive(Debug, Default)]
pub struct Keys(u32);

impl tightwire::KeySource for Keys {
    fn mask_key(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_add(0x9E37_79B9);
        self.0.to_be_bytes()
    }
}

/// Compression as it is agreed on by default.
pub const AGREEMENT: Agreement =
    Agreement { server: Terms::new(WindowBits::MAX, false), client: Terms::new(WindowBits::MAX, false) };

pub fn client() -> Connection<Client<Keys>> {
    Connection::client(Keys::default())
}

/// An unmasked frame, its length in the fewest octets.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut wire = head(first, payload.len() as u64, None);
    wire.extend_from_slice(payload);
    wire
}

/// A masked frame.
pub fn masked(first: u8, key: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut wire = head(first, payload.len() as u64, Some(key));
    wire.extend(payload.iter().zip(key.iter().cycle()).map(|(octet, key)| octet ^ key));
    wire
}

/// Only the head of a frame.
pub fn head(first: u8, length: u64, key: Option<[u8; 4]>) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let mut wire = vec![first];
    match length {
        0..=125 => wire.push(mask | length as u8),
        126..=0xFFFF => {
            wire.push(mask | 126);
            wire.extend((length as u16).to_be_bytes());
        }
        _ => {
            wire.push(mask | 127);
            wire.extend(length.to_be_bytes());
        }
    }
    wire.extend(key.into_iter().flatten());
    wire
}

/// A frame as the peer of a connection in role `R` sends it.
pub fn frame_to<R: Role>(first: u8, payload: &[u8]) -> Vec<u8> {
    if R::IS_CLIENT { frame(first, payload) } else { masked(first, [0xA1, 0x0B, 0xC2, 0x7D], payload) }
}

/// An event that has been copied out. Chunks of a message that stand side by side are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Data { kind: Kind, octets: Vec<u8>, first: bool, last: bool, compressed: bool },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(CloseCode, String)>),
}

impl Seen {
    /// A whole message.
    pub fn message(kind: Kind, octets: &[u8]) -> Self {
        Self::Data { kind, octets: octets.into(), first: true, last: true, compressed: false }
    }

    pub fn text(text: &str) -> Self {
        Self::message(Kind::Text, text.as_bytes())
    }

    pub fn part(kind: Kind, octets: &[u8], first: bool, last: bool) -> Self {
        Self::Data { kind, octets: octets.into(), first, last, compressed: false }
    }

    fn of(event: Event<'_>) -> Self {
        match event {
            Event::Data(chunk) => Self::Data {
                kind: chunk.kind,
                octets: chunk.payload.to_vec(),
                first: chunk.first,
                last: chunk.last,
                compressed: chunk.compressed,
            },
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(frame) => Self::Close(frame.map(|frame| (frame.code, frame.reason.to_owned()))),
        }
    }
}

/// Adds an event behind the others.
pub fn push(seen: &mut Vec<Seen>, event: Event<'_>) {
    merge(seen, Seen::of(event));
}

/// Adds an event behind the others; a chunk joins the one in front of it.
pub fn merge(seen: &mut Vec<Seen>, event: Seen) {
    if let Some(Seen::Data { octets, last, kind, compressed, .. }) = seen.last_mut()
        && let Seen::Data { octets: more, last: ends, first, kind: same, compressed: also } = &event
        && !*last
    {
        assert!(!first && *kind == *same && *compressed == *also, "a chunk continues its message");
        octets.extend_from_slice(more);
        *last = *ends;
        return;
    }
    seen.push(event);
}

/// A connection that may be let rest and woken in its place.
#[derive(Debug)]
pub struct Sleeper<R>(Option<Connection<R>>);

impl<R: Role> Sleeper<R> {
    pub const fn new(connection: Connection<R>) -> Self {
        Self(Some(connection))
    }

    /// Keeps nothing but the resting form for a moment, if there is one.
    pub fn nap(&mut self) {
        self.asleep(|_| ());
    }

    /// What the connection takes in its sleep.
    pub fn whole_message<'i>(&mut self, input: &mut &'i mut [u8], limits: &Limits) -> Option<Chunk<'i>> {
        self.asleep(|resting| resting.whole_message(input, limits)).flatten()
    }

    fn asleep<T>(&mut self, work: impl FnOnce(&Resting<R>) -> T) -> Option<T> {
        let connection = self.0.take().expect("it is always given back");
        let (inbound, outbound) = (connection.inbound(), connection.outbound());
        let between = inbound.open_message().is_none() && outbound.open_message().is_none();
        let open = !inbound.is_closed() && inbound.violation().is_none();
        let (done, connection) = match connection.rest() {
            Ok(resting) => (Some(work(&resting)), resting.wake()),
            Err(connection) => (None, connection),
        };
        assert_eq!(done.is_some(), between && open, "it rests between messages, and only there");
        self.0 = Some(connection);
        done
    }
}

impl<R> std::ops::Deref for Sleeper<R> {
    type Target = Connection<R>;

    fn deref(&self) -> &Connection<R> {
        self.0.as_ref().expect("it is always given back")
    }
}

impl<R> std::ops::DerefMut for Sleeper<R> {
    fn deref_mut(&mut self) -> &mut Connection<R> {
        self.0.as_mut().expect("it is always given back")
    }
}

/// A connection, the octets that it left to be presented again, and all that came out of it.
#[derive(Debug)]
pub struct Drive<R> {
    pub connection: Sleeper<R>,
    /// Whether the connection is let rest wherever it can be.
    pub rests: bool,
    pub limits: Limits,
    pub carry: Vec<u8>,
    pub seen: Vec<Seen>,
    pub out: Vec<u8>,
    pub violation: Option<Violation>,
}

impl<R: Role> Drive<R> {
    pub fn new(connection: Connection<R>) -> Self {
        Self {
            connection: Sleeper::new(connection),
            rests: false,
            limits: Limits::DEFAULT,
            carry: Vec::new(),
            seen: Vec::new(),
            out: Vec::new(),
            violation: None,
        }
    }

    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same, resting wherever it can: before each octet that it is given, after each event and when it sends.
    pub fn resting(self) -> Self {
        Self { rests: true, ..self }
    }

    fn nap(&mut self) {
        if self.rests {
            self.connection.nap();
        }
    }

    /// Receives `octets`, with room for every reply.
    pub fn feed(&mut self, octets: &[u8]) {
        self.feed_with_room(octets, 131);
    }

    /// Receives `octets` with an output of `least` octets, or of what a reply asks for.
    pub fn feed_with_room(&mut self, octets: &[u8], least: usize) {
        let mut memory = std::mem::take(&mut self.carry);
        memory.extend_from_slice(octets);
        let mut input = &mut memory[..];
        let mut room = least;
        loop {
            let before = input.len();
            let mut output = [0; 131];
            let mut out = Output::new(&mut output[..room]);
            room = least;
            if self.rests {
                let left = input.to_vec();
                if let Some(chunk) = self.connection.whole_message(&mut input, &self.limits) {
                    push(&mut self.seen, Event::Data(chunk));
                    continue;
                }
                assert_eq!(input, left, "nothing has changed");
            }
            let step = self.connection.decode(&mut input, &mut out, &self.limits);
            self.out.extend_from_slice(out.written());
            match step {
                Ok(Step::Event(event)) => {
                    push(&mut self.seen, event);
                    assert!(input.len() < before, "an event without an octet");
                }
                Ok(Step::NeedInput) => break,
                Ok(Step::NeedOutput(needed)) => {
                    // Law 4: what is asked for is missing, is enough, and nothing was consumed
                    assert!(out.room() < needed && needed <= 131 && out.is_empty());
                    assert!(input.len() == before || self.connection.inbound().violation().is_some());
                    room = needed;
                }
                Err(violation) => {
                    assert!(self.violation.is_none_or(|earlier| earlier == violation), "failure sticks");
                    self.violation = Some(violation);
                    return;
                }
            }
        }
        // Law 2: fewer than 131 octets
        assert!(input.len() < 131, "{} octets were left", input.len());
        self.carry = input.to_vec();
    }

    /// Sends through the connection, with 16,000 octets of room.
    pub fn send<T>(
        &mut self,
        send: impl FnOnce(&mut Connection<R>, &mut Output<'_>) -> Result<T, SendError>,
    ) -> T {
        let mut room = vec![0; 16_000];
        let mut out = Output::new(&mut room);
        self.nap();
        let sent = send(&mut self.connection, &mut out).expect("there is room and it may be sent");
        self.nap();
        self.out.extend_from_slice(out.written());
        sent
    }

    /// Everything that an observer can tell of it.
    pub fn outcome(&self) -> (&[Seen], Option<Violation>, &[u8], &[u8]) {
        (&self.seen, self.violation, &self.out, if self.violation.is_some() { &[] } else { &self.carry })
    }
}

/// Runs `wire` through connections from `new` in every way to cut it in two, octet by octet and whole: all
/// must agree, and one of them is returned.
pub fn every_cut<R: Role + std::fmt::Debug>(wire: &[u8], new: impl Fn() -> Drive<R>) -> Drive<R> {
    let mut whole = new();
    whole.feed(wire);
    let mut octets = new();
    wire.chunks(1).for_each(|octet| octets.feed(octet));
    assert_eq!(octets.outcome(), whole.outcome(), "octet by octet");
    let mut rested = new().resting();
    wire.chunks(1).for_each(|octet| rested.feed(octet));
    assert_eq!(rested.outcome(), whole.outcome(), "octet by octet, resting between them");
    for cut in 1..wire.len() {
        for mut cut_once in [new(), new().resting()] {
            cut_once.feed(&wire[..cut]);
            cut_once.feed(&wire[cut..]);
            assert_eq!(cut_once.outcome(), whole.outcome(), "cut at {cut}, resting: {}", cut_once.rests);
        }
    }
    whole
}

/// The two ends of a connection with no socket between them.
#[derive(Debug)]
pub struct Pair {
    pub server: Drive<Server>,
    pub client: Drive<Client<Keys>>,
}

impl Pair {
    pub fn new() -> Self {
        Self { server: Drive::new(Connection::server()), client: Drive::new(client()) }
    }

    /// Carries what both ends have to send, `size` octets at a time, until there is nothing left.
    pub fn exchange(&mut self, size: usize) {
        while !(self.server.out.is_empty() && self.client.out.is_empty()) {
            carry(&mut self.server, &mut self.client, size);
            carry(&mut self.client, &mut self.server, size);
        }
    }
}

fn carry<A, B: Role>(from: &mut Drive<A>, to: &mut Drive<B>, size: usize) {
    let octets: Vec<u8> = from.out.drain(..size.min(from.out.len())).collect();
    to.feed(&octets);
}
