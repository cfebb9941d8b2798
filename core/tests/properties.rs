//! How the input is cut makes no difference: any split of any valid or invalid input gives the same events,
//! the same replies and the same failure.

mod common;

use common::{AGREEMENT, Drive, Seen, client, frame, masked};
use proptest::prelude::*;
use tightwire::{Connection, Inbox, Kind, Limits, Output, Progress, Role};

/// Something on the wire that may be good or bad where it stands.
#[derive(Clone, Debug)]
enum Piece {
    Frame { first: u8, key: [u8; 4], payload: Vec<u8>, wrong_direction: bool },
    Octets(Vec<u8>),
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "\\PC{0,40}".prop_map(String::into_bytes),
        2 => proptest::collection::vec(any::<u8>(), 0..140),
        1 => Just(b"\x03\xe8bye".to_vec()),
        1 => Just("\u{20ac}\u{1f600}".as_bytes()[..5].to_vec()),
        1 => Just(Vec::new()),
    ]
}

fn piece() -> impl Strategy<Value = Piece> {
    let first = prop_oneof![
        12 => proptest::sample::select(vec![0x81u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]),
        2 => proptest::sample::select(vec![0x88u8, 0xC1, 0x42, 0xC9, 0x09]),
        1 => any::<u8>(),
    ];
    prop_oneof![
        20 => (first, any::<[u8; 4]>(), payload(), proptest::bool::weighted(0.02))
            .prop_map(|(first, key, payload, wrong_direction)| Piece::Frame { first, key, payload, wrong_direction }),
        1 => proptest::collection::vec(any::<u8>(), 0..12).prop_map(Piece::Octets),
    ]
}

fn wire(pieces: &[Piece], to_client: bool) -> Vec<u8> {
    pieces
        .iter()
        .flat_map(|piece| match piece {
            Piece::Frame { first, key, payload, wrong_direction } if to_client == *wrong_direction => {
                masked(*first, *key, payload)
            }
            Piece::Frame { first, payload, .. } => frame(*first, payload),
            Piece::Octets(octets) => octets.clone(),
        })
        .collect()
}

/// The limits that a script runs under: small enough to be passed now and then.
fn limits() -> impl Strategy<Value = Limits> {
    prop_oneof![
        Just(Limits::DEFAULT),
        Just(Limits::UNLIMITED),
        (0u64..200, 1u32..5)
            .prop_map(|(octets, frames)| { Limits::DEFAULT.with_message(octets).with_fragments(frames) }),
    ]
}

/// `wire` in the pieces that `cuts` asks for, over and over.
fn pieces<'w>(wire: &'w [u8], cuts: &'w [usize]) -> impl Iterator<Item = &'w [u8]> {
    let mut cuts = cuts.iter().cycle();
    let mut rest = wire;
    std::iter::from_fn(move || {
        let (front, back) = rest.split_at((*cuts.next()?).clamp(1, rest.len().max(1)).min(rest.len()));
        rest = back;
        (!front.is_empty()).then_some(front)
    })
}

fn any_split_is_the_same<R: Role + std::fmt::Debug>(new: impl Fn() -> Drive<R>, wire: &[u8], cuts: &[usize]) {
    let mut whole = new();
    whole.feed(wire);
    let mut split = new();
    pieces(wire, cuts).for_each(|piece| split.feed(piece));
    assert_eq!(split.outcome(), whole.outcome());
    // The same if the connection is let rest wherever it can be.
    let mut rested = new().resting();
    pieces(wire, cuts).for_each(|piece| rested.feed(piece));
    assert_eq!(rested.outcome(), whole.outcome());
    // The same with an output that has only as much room as was asked for.
    let mut stalled = new();
    pieces(wire, cuts).for_each(|piece| stalled.feed_with_room(piece, 0));
    assert_eq!(stalled.outcome(), whole.outcome());
    assert_eq!(messages_by_inbox(&new, wire, cuts), whole_messages(&whole.seen));
}

/// Whole messages as an inbox with storage that just grows gives them.
fn messages_by_inbox<R: Role>(
    new: &impl Fn() -> Drive<R>,
    wire: &[u8],
    cuts: &[usize],
) -> Vec<(Kind, Vec<u8>)> {
    let Drive { mut connection, limits, .. } = new();
    let (mut inbox, mut messages) = (Inbox::new(Vec::new()), Vec::new());
    let (mut pieces, mut rest) = (pieces(wire, cuts), &[][..]);
    loop {
        let mut memory = [0; 131];
        let mut out = Output::new(&mut memory);
        match inbox.poll(&mut connection.decoder(&mut out, &limits)) {
            Ok(Progress::NeedInput) => {
                if rest.is_empty() {
                    let Some(piece) = pieces.next() else { return messages };
                    rest = piece;
                }
                if inbox.space().is_empty() {
                    inbox.replace(vec![0; inbox.len() + 7]).unwrap();
                }
                rest = &rest[inbox.extend(rest)..];
            }
            Ok(Progress::Message) => {
                let message = inbox.message().unwrap();
                assert_eq!(message.as_str().is_some(), message.kind() == Kind::Text);
                assert_eq!(message.as_str().map_or(message.len(), str::len), message.len());
                messages.push((message.kind(), message.octets().to_vec()));
            }
            Ok(_) => {}
            Err(_) => return messages,
        }
    }
}

/// The messages that became whole among what was seen, but for compressed ones, which no inbox collects.
fn whole_messages(seen: &[Seen]) -> Vec<(Kind, Vec<u8>)> {
    let (mut messages, mut collected) = (Vec::new(), Vec::new());
    for event in seen {
        if let Seen::Data { kind, octets, last, compressed: false, .. } = event {
            collected.extend_from_slice(octets);
            if *last {
                messages.push((*kind, std::mem::take(&mut collected)));
            }
        }
    }
    messages
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn frames_good_and_bad(
        script in proptest::collection::vec(piece(), 0..8),
        cuts in proptest::collection::vec(1usize..40, 1..12),
        limits in limits(),
    ) {
        let (to_server, to_client) = (wire(&script, false), wire(&script, true));
        any_split_is_the_same(|| Drive::new(Connection::server()).with_limits(limits), &to_server, &cuts);
        any_split_is_the_same(|| Drive::new(client()).with_limits(limits), &to_client, &cuts);
        // RFC 7692 6: with compression agreed on, RSV1 marks messages, which come in chunks as they are.
        let agreed = || Connection::server().with_compression(AGREEMENT);
        any_split_is_the_same(|| Drive::new(agreed()).with_limits(limits), &to_server, &cuts);
        let agreed = || client().with_compression(AGREEMENT);
        any_split_is_the_same(|| Drive::new(agreed()).with_limits(limits), &to_client, &cuts);
    }

    #[test]
    fn any_octets(
        wire in proptest::collection::vec(any::<u8>(), 0..200),
        cuts in proptest::collection::vec(1usize..40, 1..12),
    ) {
        any_split_is_the_same(|| Drive::new(Connection::server()), &wire, &cuts);
        any_split_is_the_same(|| Drive::new(client()), &wire, &cuts);
    }
}
