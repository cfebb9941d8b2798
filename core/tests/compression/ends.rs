//! Connections with codecs of their own, and what came of what they were fed.

use crate::common::{Keys, Seen, Sleeper, client, frame, masked, merge, push};
use tightwire::deflate::{
    Agreement, Deflate, Deflater, History, Inflate, Inflater, Inflating, Level, Options, Status, Terms,
    WindowBits,
};
use tightwire::{
    Client, Connection, Event, Limits, Message, Output, Role, SendError, Server, Step, Violation,
};

pub(crate) const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

pub(crate) fn agreement(bits: u8, takeover: bool) -> Agreement {
    let terms = Terms::new(WindowBits::new(bits).unwrap(), takeover);
    Agreement { server: terms, client: terms }
}

/// A connection with codecs of its own, and all that came of it.
pub(crate) struct End<R> {
    pub(crate) connection: Sleeper<R>,
    /// Whether the connection is let rest wherever it can be.
    pub(crate) rests: bool,
    pub(crate) limits: Limits,
    /// The output lent for each call of inflating.
    pub(crate) room: usize,
    pub(crate) inflater: Box<Inflater>,
    pub(crate) received: (History, Vec<u8>),
    pub(crate) inflating: Option<Inflating>,
    pub(crate) deflater: Deflater,
    pub(crate) deflating: (Vec<u16>, Vec<u8>, Options),
    pub(crate) carry: Vec<u8>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) out: Vec<u8>,
    pub(crate) violation: Option<Violation>,
}

pub(crate) fn server_end(agreement: Agreement) -> End<Server> {
    End::new(Connection::server().with_compression(agreement))
}

pub(crate) fn client_end(agreement: Agreement) -> End<Client<Keys>> {
    End::new(client().with_compression(agreement))
}

impl<R: Role> End<R> {
    pub(crate) fn new(connection: Connection<R>) -> Self {
        let options = Options::new(Level::Fastest, WindowBits::MAX);
        Self {
            connection: Sleeper::new(connection),
            rests: false,
            limits: Limits::DEFAULT,
            room: 100_000,
            inflater: Box::default(),
            received: (History::new(), vec![0; 1 << 15]),
            inflating: None,
            deflater: Deflater::new(),
            deflating: (vec![0; options.words()], vec![0; options.octets()], options),
            carry: Vec::new(),
            seen: Vec::new(),
            out: Vec::new(),
            violation: None,
        }
    }

    pub(crate) fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    pub(crate) fn resting(self) -> Self {
        Self { rests: true, ..self }
    }

    fn nap(&mut self) {
        if self.rests {
            self.connection.nap();
        }
    }

    pub(crate) fn with_room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    pub(crate) fn with_level(mut self, level: Level) -> Self {
        let options = Options::new(level, WindowBits::MAX);
        self.deflating = (vec![0; options.words()], vec![0; options.octets()], options);
        self
    }

    pub(crate) fn feed(&mut self, octets: &[u8]) {
        let mut memory = std::mem::take(&mut self.carry);
        memory.extend_from_slice(octets);
        let mut input = &mut memory[..];
        loop {
            let mut output = [0; 131];
            let mut out = Output::new(&mut output);
            self.nap();
            let step = self.connection.decode(&mut input, &mut out, &self.limits);
            self.out.extend_from_slice(out.written());
            match step {
                Ok(Step::Event(Event::Data(chunk))) if chunk.compressed => {
                    if chunk.first {
                        self.inflating = Some(Inflating::new(chunk.kind));
                    }
                    self.inflate(chunk.payload, chunk.last);
                }
                Ok(Step::Event(event)) => push(&mut self.seen, event),
                Ok(Step::NeedInput) => break,
                Ok(Step::NeedOutput(_)) => unreachable!("there is room"),
                Err(violation) => {
                    assert!(self.violation.is_none_or(|earlier| earlier == violation), "failure sticks");
                    self.violation = Some(violation);
                    return;
                }
            }
        }
        self.carry = input.to_vec();
    }

    pub(crate) fn inflate(&mut self, payload: &[u8], last: bool) {
        let terms = self.connection.inbound().compression().expect("it was agreed on");
        let inflating = self.inflating.as_mut().expect("a message begins with its first chunk");
        let (history, window) = &mut self.received;
        let mut codec = Inflate::new(&mut self.inflater, history, window, terms).unwrap();
        let mut input = payload;
        loop {
            let mut output = vec![0; self.room];
            match inflating.inflate(&mut input, last, &mut output, &mut codec, &self.limits) {
                Ok(inflated) => {
                    assert_eq!(inflated.last, inflated.status == Status::End);
                    if inflated.octets > 0 || inflated.last {
                        let kind = inflating.kind();
                        merge(
                            &mut self.seen,
                            Seen::part(kind, &output[..inflated.octets], inflated.first, inflated.last),
                        );
                    }
                    match inflated.status {
                        Status::NeedOutput => assert!(inflated.octets > 0 || self.room == 0),
                        Status::NeedInput => return assert!(input.is_empty() && !last),
                        Status::End => return assert!(last),
                    }
                }
                Err(violation) => {
                    // Law 8: failure sticks
                    let again = inflating.inflate(&mut input, last, &mut output, &mut codec, &self.limits);
                    assert_eq!(again, Err(violation));
                    self.inflater.reset();
                    return self.connection.inbound_mut().fail(violation);
                }
            }
        }
    }

    /// Sends through the connection with `room` octets of output.
    pub(crate) fn send_with<T>(
        &mut self,
        room: usize,
        send: impl FnOnce(&mut Connection<R>, &mut Deflate<'_>, &mut Output<'_>) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let terms = self.connection.outbound().compression().unwrap_or(Terms::new(WindowBits::MAX, false));
        let (words, octets, options) = &mut self.deflating;
        let mut codec = Deflate::new(&mut self.deflater, words, octets, *options, terms).unwrap();
        let mut memory = vec![0; room];
        let mut out = Output::new(&mut memory);
        if self.rests {
            self.connection.nap();
        }
        let sent = send(&mut self.connection, &mut codec, &mut out);
        if self.rests {
            self.connection.nap();
        }
        self.out.extend_from_slice(out.written());
        sent
    }

    pub(crate) fn send<'a>(&mut self, message: impl Into<Message<'a>>) -> bool {
        let message = message.into();
        self.send_with(message.len() + 14, |end, codec, out| end.encode_compressed(message, codec, out))
            .unwrap()
    }

    pub(crate) fn outcome(&self) -> (&[Seen], Option<Violation>, &[u8]) {
        (&self.seen, self.violation, &self.out)
    }
}

pub(crate) fn carry<A, B: Role>(from: &mut End<A>, to: &mut End<B>) {
    let octets = std::mem::take(&mut from.out);
    to.feed(&octets);
}

/// Runs `wire` through servers and clients in every cut and with some rooms: all must agree.
pub(crate) fn every_way(
    wire: impl Fn(&dyn Fn(u8, &[u8]) -> Vec<u8>) -> Vec<u8>,
    agreement: Agreement,
    limits: Limits,
) -> (Vec<Seen>, Option<Violation>) {
    let to_server = wire(&|first, payload| masked(first, [0xA1, 0x0B, 0xC2, 0x7D], payload));
    let to_client = wire(&frame);
    let server = ways(&to_server, || server_end(agreement).with_limits(limits));
    assert_eq!(ways(&to_client, || client_end(agreement).with_limits(limits)), server);
    server
}

pub(crate) fn ways<R: Role>(wire: &[u8], new: impl Fn() -> End<R>) -> (Vec<Seen>, Option<Violation>) {
    let mut whole = new();
    whole.feed(wire);
    for room in [1, 2, 3, 7, 500] {
        let mut octets = new().with_room(room).resting();
        wire.chunks(1).for_each(|octet| octets.feed(octet));
        assert_eq!(octets.outcome(), whole.outcome(), "octet by octet, resting between them, room {room}");
        for cut in 0..wire.len() {
            let mut once = if cut % 2 == 0 { new().with_room(room).resting() } else { new().with_room(room) };
            once.feed(&wire[..cut]);
            once.feed(&wire[cut..]);
            assert_eq!(once.outcome(), whole.outcome(), "cut at {cut}, room {room}");
        }
    }
    if let Some(violation) = whole.violation {
        // RFC 6455 7.1.7: a fault found while inflating is told to the peer like any other
        let [high, low] = violation.close_code().number().to_be_bytes();
        let close = whole.out.len() - 2;
        if !R::IS_CLIENT {
            assert_eq!(whole.out[close..], [high, low]);
        }
        assert!(whole.connection.is_finished());
    }
    (whole.seen, whole.violation)
}

pub(crate) fn good(
    wire: impl Fn(&dyn Fn(u8, &[u8]) -> Vec<u8>) -> Vec<u8>,
    agreement: Agreement,
) -> Vec<Seen> {
    let (seen, violation) = every_way(wire, agreement, Limits::DEFAULT);
    assert_eq!(violation, None);
    seen
}
