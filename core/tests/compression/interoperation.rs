//! A whole conversation with zlib-rs or miniz_oxide as the peer: both directions, every window, with takeover and
//! without, in any frames and any cut of the wire.

use crate::common::{Keys, Seen, client};
use crate::ends::{End, agreement, client_end, server_end, ways};
use crate::peer::{Library, Reader, Writer, frames, parse};
use crate::sending::{chatter, stream};
use proptest::prelude::*;
use tightwire::deflate::{
    Agreement, Collector, Flush, History, Inflate, Inflater, Level, Options, Status, Terms, WindowBits,
};
use tightwire::{Client, Connection, Event, Kind, Limits, Output, Role, Server, Step};

const LEVELS: [Level; 4] = [Level::Fastest, Level::Fast, Level::Balanced, Level::Best];
const KEY: [u8; 4] = [0x5E, 0x00, 0xFF, 0x81];

fn terms(bits: u8, takeover: bool) -> Terms {
    Terms::new(WindowBits::new(bits).unwrap(), takeover)
}

/// A connection that collects whole messages, as an adapter does.
struct Collecting<R> {
    connection: Connection<R>,
    inflater: Box<Inflater>,
    received: (History, Vec<u8>),
    collector: Option<Collector<Vec<u8>>>,
    carry: Vec<u8>,
    messages: Vec<(Kind, Vec<u8>)>,
}

impl<R: Role> Collecting<R> {
    fn new(connection: Connection<R>) -> Self {
        let window = connection.inbound().compression().unwrap().window().octets();
        Self {
            connection,
            inflater: Box::default(),
            received: (History::new(), vec![0xEE; window]),
            collector: None,
            carry: Vec::new(),
            messages: Vec::new(),
        }
    }

    fn feed(&mut self, octets: &[u8], limits: &Limits) {
        let mut memory = std::mem::take(&mut self.carry);
        memory.extend_from_slice(octets);
        let mut input = &mut memory[..];
        loop {
            let mut replies = [0; 131];
            let mut out = Output::new(&mut replies);
            let chunk = match self.connection.decode(&mut input, &mut out, limits).unwrap() {
                Step::Event(Event::Data(chunk)) => chunk,
                Step::Event(_) => continue,
                Step::NeedInput => break,
                Step::NeedOutput(_) => unreachable!("there is room"),
            };
            if !chunk.compressed {
                if chunk.first {
                    self.messages.push((chunk.kind, Vec::new()));
                }
                self.messages.last_mut().unwrap().1.extend_from_slice(chunk.payload);
                continue;
            }
            let collector = self.collector.get_or_insert_with(|| Collector::new(chunk.kind, Vec::new()));
            let terms = self.connection.inbound().compression().unwrap();
            let (history, window) = &mut self.received;
            let mut codec = Inflate::new(&mut self.inflater, history, window, terms).unwrap();
            let mut rest = &*chunk.payload;
            loop {
                match collector.inflate(&mut rest, chunk.last, &mut codec, limits).unwrap() {
                    Status::NeedOutput => {
                        let larger = vec![0xEE; collector.len() * 2 + 1];
                        collector.replace(larger).unwrap();
                    }
                    Status::NeedInput => break assert!(!chunk.last && collector.message().is_none()),
                    Status::End => {
                        let message = collector.message().unwrap();
                        self.messages.push((message.kind(), message.octets().to_vec()));
                        break self.collector = None;
                    }
                }
            }
        }
        self.carry = input.to_vec();
    }
}

/// One message of a conversation, and how it goes.
#[derive(Clone, Debug)]
struct Turn {
    kind: Kind,
    octets: Vec<u8>,
    /// Sent by the peer and not by us.
    is_theirs: bool,
    /// The peer compresses it, we stream it.
    is_special: bool,
    /// Octets of the peer's frames, or of the pieces that we stream.
    sizes: Vec<usize>,
}

/// How a conversation goes.
#[derive(Clone, Debug)]
struct Way {
    library: Library,
    /// What the peer sends, and how hard it tries.
    theirs: (Terms, u8),
    /// What we send, how hard we try, and the window that we have memory for.
    ours: (Terms, Level, u8),
    /// Octets of the wire that arrive together, over and over.
    cuts: Vec<usize>,
    /// Output for each call that inflates.
    room: usize,
}

/// Holds a conversation with one of our ends and a peer, and looks at every message of it.
fn converse<R: Role>(new: impl Fn(Agreement) -> Connection<R>, way: &Way, turns: &[Turn]) {
    let (theirs, ours) = (way.theirs.0, way.ours.0);
    let agreement = if R::IS_CLIENT {
        Agreement { server: theirs, client: ours }
    } else {
        Agreement { server: ours, client: theirs }
    };
    let limits = Limits::DEFAULT.with_fragments(u32::MAX);
    let mut end = End::new(new(agreement)).with_limits(limits).with_room(way.room);
    let options = Options::new(way.ours.1, WindowBits::new(way.ours.2).unwrap());
    end.deflating = (vec![0; options.words()], vec![0xEE; options.octets()], options);
    let mut collecting = Collecting::new(new(agreement));
    let mut writer = Writer::new(way.library, way.theirs.1, theirs);
    let mut readers =
        [Library::Zlib, Library::Miniz].map(|library| Reader::new(library, ours, way.room + 20));
    let mut cuts = way.cuts.iter().cycle();
    for Turn { kind, octets, is_theirs, is_special, sizes } in turns {
        let opcode = if *kind == Kind::Text { 1 } else { 2 };
        if *is_theirs {
            let payload = if *is_special { writer.message(octets) } else { octets.clone() };
            let key = (!R::IS_CLIENT).then_some(KEY);
            let (wire, pings) = frames(key, (opcode, *is_special), &payload, sizes);
            let mut rest = &wire[..];
            while !rest.is_empty() {
                let (front, back) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                end.feed(front);
                collecting.feed(front, &limits);
                rest = back;
            }
            assert_eq!(end.violation, None);
            assert_eq!(joined(std::mem::take(&mut end.seen)), (vec![(*kind, octets.clone())], pings));
            assert_eq!(std::mem::take(&mut collecting.messages), [(*kind, octets.clone())]);
            // Nothing but the answers to the Pings, one for each (RFC 6455 5.5.3 would allow fewer).
            assert_eq!(parse(&std::mem::take(&mut end.out), R::IS_CLIENT), (vec![], pings));
        } else if *is_special {
            for piece in [sizes[0], octets.len().max(1)] {
                let flush = if way.room.is_multiple_of(2) { Flush::No } else { Flush::Sync };
                stream(&mut end, octets, piece, 30 + way.room, flush);
                // `stream` sends binary messages, with Pongs between their frames.
                read(&mut readers, &mut end, (2, octets, true), None);
            }
        } else if *kind == Kind::Text {
            let compressed = end.send(std::str::from_utf8(octets).unwrap());
            read(&mut readers, &mut end, (1, octets, compressed), Some(0));
        } else {
            let compressed = end.send(&octets[..]);
            read(&mut readers, &mut end, (2, octets, compressed), Some(0));
        }
    }
}

/// What our end has sent is this one message, for all readers.
fn read<R: Role>(
    readers: &mut [Reader],
    end: &mut End<R>,
    (opcode, octets, compressed): (u8, &[u8], bool),
    pongs: Option<usize>,
) {
    let (sent, seen) = parse(&std::mem::take(&mut end.out), R::IS_CLIENT);
    let [sent] = &sent[..] else { panic!("{} messages", sent.len()) };
    assert_eq!((sent.opcode, sent.compressed), (opcode, compressed));
    assert!(pongs.is_none_or(|pongs| pongs == seen));
    if !compressed {
        return assert!(sent.pieces.concat() == octets);
    }
    for reader in readers {
        let message = reader.message(sent.pieces.iter().map(|piece| &piece[..]));
        assert!(message == octets);
    }
}

/// The messages among `seen`, whatever parts they came in, and the number of Pings.
fn joined(seen: Vec<Seen>) -> (Vec<(Kind, Vec<u8>)>, usize) {
    let (mut messages, mut pings, mut open) = (Vec::<(Kind, Vec<u8>)>::new(), 0, false);
    for event in seen {
        match event {
            Seen::Data { kind, octets, first, last, compressed } => {
                assert!(first != open && !compressed);
                if first {
                    messages.push((kind, Vec::new()));
                }
                messages.last_mut().unwrap().1.extend(octets);
                open = !last;
            }
            Seen::Ping(_) => pings += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(!open);
    (messages, pings)
}

/// Octets with matches at distances that the windows end at.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let distances = prop_oneof![
        1..40usize,
        1..4000usize,
        (8..12u32, 0..3usize).prop_map(|(bits, more)| (1 << bits) - 1 + more),
    ];
    let again = (distances, 3..300usize);
    let piece = prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 0..80).prop_map(Ok),
        1 => "[a-e ]{0,60}".prop_map(|text| Ok(text.into_bytes())),
        3 => again.prop_map(Err),
    ];
    proptest::collection::vec(piece, 0..20).prop_map(|pieces| {
        let mut all: Vec<u8> = Vec::new();
        for piece in pieces {
            match piece {
                Ok(octets) => all.extend(octets),
                Err((distance, length)) if !all.is_empty() => {
                    let distance = distance.min(all.len());
                    (0..length).for_each(|_| all.push(all[all.len() - distance]));
                }
                Err(_) => {}
            }
        }
        all
    })
}

fn turn() -> impl Strategy<Value = Turn> {
    let sizes = proptest::collection::vec(1..300usize, 1..5);
    (any::<bool>(), octets(), any::<bool>(), proptest::bool::weighted(0.7), sizes).prop_map(
        |(is_text, octets, is_theirs, is_special, sizes)| {
            // Text of one and of two octets for each code point
            let text = || octets.iter().map(|&octet| char::from(octet)).collect::<String>().into_bytes();
            let (kind, octets) = if is_text { (Kind::Text, text()) } else { (Kind::Binary, octets) };
            Turn { kind, octets, is_theirs, is_special, sizes }
        },
    )
}

fn way() -> impl Strategy<Value = Way> {
    let library = prop_oneof![3 => Just(Library::Zlib), 1 => Just(Library::Miniz)];
    let ours = (8..=15u8, any::<bool>(), proptest::sample::select(&LEVELS[..]), 8..=15u8);
    let cuts = proptest::collection::vec(prop_oneof![1..9usize, 1..2000usize], 1..6);
    let room = prop_oneof![1..20usize, 1..5000usize];
    (library, 9..=15u8, any::<bool>(), 0..=9u8, ours, cuts, room).prop_map(
        |(library, bits, takeover, level, ours, cuts, room)| Way {
            library,
            theirs: (terms(bits.max(library.least_bits()), takeover), level),
            ours: (terms(ours.0, ours.1), ours.2, ours.3),
            cuts,
            room,
        },
    )
}

fn a_server(agreement: Agreement) -> Connection<Server> {
    Connection::server().with_compression(agreement)
}

fn a_client(agreement: Agreement) -> Connection<Client<Keys>> {
    client().with_compression(agreement)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    // RFC 7692 6.1, 6.2, 7.1: whoever the peer is
    #[test]
    fn a_conversation_with_any_peer(
        way in way(),
        turns in proptest::collection::vec(turn(), 1..8),
        is_client: bool,
    ) {
        if is_client {
            converse(a_client, &way, &turns);
        } else {
            converse(a_server, &way, &turns);
        }
    }
}

/// The same texts in both directions, whole and in pieces.
fn talk() -> Vec<Turn> {
    let turns = chatter(4).into_iter().enumerate().flat_map(|(index, text)| {
        [true, false].map(|is_theirs| Turn {
            kind: if is_theirs || index % 2 == 0 { Kind::Text } else { Kind::Binary },
            octets: text.clone().into_bytes(),
            is_theirs,
            is_special: is_theirs || index % 2 == 1,
            sizes: vec![1 + index * 7; index],
        })
    });
    turns
        .map(|turn| Turn { sizes: if turn.sizes.is_empty() { vec![1000] } else { turn.sizes }, ..turn })
        .collect()
}

#[test]
fn every_level_and_window_with_takeover_and_without() {
    let talk = talk();
    for bits in 8..=15 {
        for (index, level) in LEVELS.into_iter().enumerate() {
            for takeover in [false, true] {
                for library in [Library::Zlib, Library::Miniz] {
                    let way = Way {
                        library,
                        theirs: (terms(bits.max(library.least_bits()), takeover), index as u8 * 3),
                        ours: (terms(bits, takeover), level, 15),
                        cuts: vec![11 + usize::from(bits)],
                        room: 50 + index,
                    };
                    if (library == Library::Zlib) == (index % 2 == 0) {
                        converse(a_client, &way, &talk);
                    } else {
                        converse(a_server, &way, &talk);
                    }
                }
            }
        }
    }
}

// The wire cut in two at every octet, and octet by octet, with several rooms for the output
#[test]
fn every_cut_of_what_others_send() {
    let texts = ["as you like it", "as you like it, \u{20ac}\u{1f600}", "", "as you like it, \u{20ac}"];
    for library in [Library::Zlib, Library::Miniz] {
        for bits in library.least_bits()..=15 {
            for takeover in [false, true] {
                let wire = |key| {
                    let mut writer = Writer::new(library, bits % 10, terms(bits, takeover));
                    let payloads = texts.map(|text| writer.message(text.as_bytes()));
                    payloads.map(|payload| frames(key, (1, true), &payload, &[]).0).concat()
                };
                let (seen, violation) = if (bits % 2 == 0) == takeover {
                    ways(&wire(None), || client_end(agreement(bits, takeover)))
                } else {
                    ways(&wire(Some(KEY)), || server_end(agreement(bits, takeover)))
                };
                assert_eq!((seen, violation), (texts.map(Seen::text).to_vec(), None));
            }
        }
    }
}

// A peer's reader that is given our payloads octet by octet
#[test]
fn every_cut_of_what_others_receive() {
    for bits in 8..=15 {
        for (level, takeover) in LEVELS.into_iter().flat_map(|level| [(level, false), (level, true)]) {
            let mut end = client_end(agreement(bits, takeover)).with_level(level);
            let mut readers =
                [Library::Zlib, Library::Miniz].map(|library| Reader::new(library, terms(bits, takeover), 1));
            for text in chatter(3) {
                let compressed = end.send(&*text);
                let (sent, _) = parse(&std::mem::take(&mut end.out), true);
                assert_eq!((sent.len(), sent[0].compressed), (1, compressed));
                if compressed {
                    let payload = sent[0].pieces.concat();
                    readers
                        .iter_mut()
                        .for_each(|reader| assert_eq!(reader.message(payload.chunks(1)), text.as_bytes()));
                }
            }
        }
    }
}
