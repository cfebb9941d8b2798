//! Any cut of the input, any room for the output and any limit: the same.

use crate::common::frame;
use crate::ends::{agreement, client_end, server_end};
use crate::sending::stream;
use proptest::prelude::*;
use tightwire::Limits;
use tightwire::deflate::{Flush, Level};

/// A compressed payload, good or damaged.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let inflated = prop_oneof![
        3 => "\\PC{0,60}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => (0usize..3000).prop_map(|length| b"na ".repeat(length)),
    ];
    let damage = prop_oneof![4 => Just(None), 1 => any::<(prop::sample::Index, u8)>().prop_map(Some)];
    let level = prop::sample::select(vec![Level::Fastest, Level::Fast, Level::Balanced]);
    (inflated, damage, level).prop_map(|(octets, damage, level)| {
        let mut end = server_end(agreement(15, false)).with_level(level);
        stream(&mut end, &octets, 1 << 20, 1 << 15, Flush::No);
        let mut payload = match end.out[1] {
            126 => end.out.split_off(4),
            _ => end.out.split_off(2),
        };
        // Without the Pong behind it.
        payload.truncate(payload.len() - 2);
        if let Some((at, octet)) = damage
            && !payload.is_empty()
        {
            let at = at.index(payload.len());
            payload[at] = octet;
        }
        payload
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_and_any_room_is_the_same(
        script in proptest::collection::vec((payload(), any::<bool>(), any::<bool>(), any::<prop::sample::Index>()), 1..5),
        cuts in proptest::collection::vec(1usize..200, 1..12),
        room in 1usize..300,
        bits in 8u8..=15,
        takeover in any::<bool>(),
        limits in prop_oneof![
            Just(Limits::DEFAULT),
            Just(Limits::UNLIMITED.with_ratio(5)),
            (0u64..4000).prop_map(|octets| Limits::DEFAULT.with_message(octets)),
        ],
    ) {
        let mut wire = Vec::new();
        for (payload, text, split, at) in &script {
            let kind = if *text { 1 } else { 2 };
            if *split {
                let (front, back) = payload.split_at(at.index(payload.len() + 1));
                wire.extend(frame(0x40 | kind, front));
                wire.extend(frame(0x89, b"ping"));
                wire.extend(frame(0x80, back));
            } else {
                wire.extend(frame(0xC0 | kind, payload));
            }
        }
        let mut whole = client_end(agreement(bits, takeover)).with_limits(limits);
        whole.feed(&wire);
        let mut cut = client_end(agreement(bits, takeover)).with_limits(limits).with_room(room);
        let mut rest = &wire[..];
        for size in cuts.iter().cycle() {
            let (front, back) = rest.split_at((*size).min(rest.len()));
            cut.feed(front);
            rest = back;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(whole.outcome().0, cut.outcome().0);
        prop_assert_eq!(whole.violation, cut.violation);
    }
}
