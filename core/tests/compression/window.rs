//! A peer that refers to octets outside of the agreed window is refused, however its message comes.

use crate::common::Seen;
use crate::ends::{End, agreement, client_end, server_end};
use crate::peer::{Library, Writer, frames};
use tightwire::deflate::{Agreement, Terms, WindowBits};
use tightwire::{Role, Violation};

/// What begins with a mark of forty octets and has `distance` of them; and the mark again, with more behind it, so
/// that the fast loop meets it. None of the mark's octets stands anywhere else, and those in front of it take six
/// bits, so that no peer would rather store them.
fn twice(distance: usize) -> (Vec<u8>, Vec<u8>) {
    let mark: Vec<u8> = (100..140).collect();
    let mut state = 7u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 26) as u8
    });
    let front = mark.iter().copied().chain(noise).take(distance).collect();
    (front, mark.into_iter().chain(150..250).collect())
}

/// What a peer with the largest window and with takeover sends, whatever was agreed on, through a whole connection:
/// in frames of these sizes and the wire in these cuts.
fn receive<R: Role>(
    end: &mut End<R>,
    library: Library,
    messages: &[Vec<u8>],
    (sizes, cuts): (&[usize], &[usize]),
) {
    let mut writer = Writer::new(library, 9, Terms::new(WindowBits::MAX, true));
    for message in messages {
        let key = (!R::IS_CLIENT).then_some([1, 2, 3, 4]);
        let (wire, _) = frames(key, (2, true), &writer.message(message), sizes);
        let mut rest = &wire[..];
        for &cut in cuts.iter().cycle() {
            let (front, back) = rest.split_at(cut.min(rest.len()));
            end.feed(front);
            rest = back;
            if rest.is_empty() {
                break;
            }
        }
    }
}

/// All data octets that came, and whether the last message has ended.
fn data(seen: &[Seen]) -> (Vec<u8>, bool) {
    seen.iter().fold((Vec::new(), true), |(mut all, ended), event| match event {
        Seen::Data { octets, last, .. } => {
            all.extend_from_slice(octets);
            (all, *last)
        }
        _ => (all, ended),
    })
}

fn judge<R: Role>(new: impl Fn(Agreement) -> End<R>) {
    for library in [Library::Zlib, Library::Miniz] {
        for bits in 8..=14u8 {
            let size = 1usize << bits;
            for (distance, fits) in [(size, true), (size + 1, false)] {
                let (front, back) = twice(distance);
                let whole = [&front[..], &back].concat();
                // In one frame and in one piece, so that all of it is inflated at once; and in many
                for (takeover, sizes, cuts, room) in
                    [(false, &[][..], &[1 << 20][..], 70_000), (true, &[30, 1, 100], &[9, 1000], 77)]
                {
                    // Within one message, and from one message into the one before
                    for messages in [vec![whole.clone()], vec![front.clone(), back.clone()]] {
                        let allowed = fits && (takeover || messages.len() == 1);
                        let mut end = new(agreement(bits, takeover)).with_room(room);
                        receive(&mut end, library, &messages, (sizes, cuts));
                        let what = format!("{library:?} {bits} {distance} {takeover} {}", messages.len());
                        let (octets, ended) = data(&end.seen);
                        if allowed {
                            assert_eq!(end.violation, None, "{what}");
                            assert!(octets == whole && ended, "{what}");
                            continue;
                        }
                        // RFC 7692 7.1.2, RFC 6455 7.4.1: refused with 1007, after what was good in front of it
                        assert_eq!(end.violation, Some(Violation::InvalidCompression), "{what}");
                        assert!(octets.len() < whole.len() && whole.starts_with(&octets), "{what}");
                        assert!(octets.len() >= front.len(), "{what}");
                        let close = end.out.split_off(end.out.len() - 2);
                        if R::IS_CLIENT {
                            // Masked: the key stands in front of the two octets.
                            let key = &end.out[end.out.len() - 4..];
                            assert_eq!([close[0] ^ key[0], close[1] ^ key[1]], 1007u16.to_be_bytes());
                        } else {
                            assert_eq!(close, 1007u16.to_be_bytes());
                        }
                        assert!(end.connection.is_finished());
                    }
                }
            }
        }
    }
}

#[test]
fn a_client_that_reaches_too_far_is_refused() {
    judge(server_end);
}

#[test]
fn a_server_that_reaches_too_far_is_refused() {
    judge(client_end);
}
