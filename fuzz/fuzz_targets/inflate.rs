//! The inflater in a machine that may not trust its peer. Any octets, any cut, any room: the same as in one piece,
//! never an octet over the limits, never one that another connection left in lent memory. And where zlib-rs can tell,
//! the same verdict and the same octets.
#![no_main]

use libfuzzer_sys::{arbitrary, fuzz_target};
use tightwire::deflate::{
    Decompress, History, Inflate, Inflater, Inflating, Status, Terms, WindowBits, ZlibInflate, ZlibInflater,
};
use tightwire::{Kind, Limits, Violation};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    bits: u8,
    takeover: bool,
    text: bool,
    limit: Option<u16>,
    ratio: Option<u8>,
    cuts: Vec<u8>,
    rooms: Vec<u8>,
    dirt: u8,
    /// Compressed payloads, one for each message.
    messages: Vec<&'a [u8]>,
}

/// The messages inflated, the last of them up to a fault, and the fault.
type Outcome = (Vec<Vec<u8>>, Option<Violation>);

fuzz_target!(|input: Input<'_>| {
    let terms = Terms::new(WindowBits::new(8 + input.bits % 8).unwrap_or(WindowBits::MAX), input.takeover);
    let mut limits = Limits::UNLIMITED.with_message(input.limit.map_or(1 << 20, u64::from));
    limits.ratio = input.ratio.map_or(u32::MAX, u32::from);
    let kind = if input.text { Kind::Text } else { Kind::Binary };

    let whole = ours(&input, kind, terms, &limits, &[], &[], 0);
    // How it is cut, what room there is and what lies in the memory make no difference.
    let pieces = ours(&input, kind, terms, &limits, &input.cuts, &input.rooms, input.dirt);
    assert_eq!(whole, pieces);
    for message in &whole.0 {
        assert!(message.len() as u64 <= limits.message);
    }

    // Within a message zlib does not see a reference beyond a smaller window, and it finds a fault before the octets in
    // front of it have found room, so that with limits the verdicts may differ.
    if terms.window() == WindowBits::MAX
        && kind == Kind::Binary
        && input.limit.is_none()
        && input.ratio.is_none()
    {
        let (mut inflater, mut history, mut window) = (ZlibInflater::new(), History::new(), vec![0; 1 << 15]);
        let zlib = inflate(&input.messages, kind, &limits, &[], &[], &mut |run| {
            run(&mut ZlibInflate::new(&mut inflater, &mut history, &mut window, terms).unwrap());
        });
        // How much of a bad message is given before its fault is each one's own affair.
        let good = |(mut messages, fault): Outcome| {
            messages.truncate(messages.len() - usize::from(fault.is_some()));
            (messages, fault)
        };
        assert_eq!(good(whole), good(zlib));
    }
});

fn ours(
    input: &Input<'_>,
    kind: Kind,
    terms: Terms,
    limits: &Limits,
    cuts: &[u8],
    rooms: &[u8],
    dirt: u8,
) -> Outcome {
    let (mut inflater, mut history) = (Inflater::new(), History::new());
    let mut window = vec![dirt; terms.window().octets()];
    inflate(&input.messages, kind, limits, cuts, rooms, &mut |run| {
        run(&mut Inflate::new(&mut inflater, &mut history, &mut window, terms).unwrap());
    })
}

/// Inflates one message after the other, each in pieces that `cuts` and `rooms` give the sizes of.
fn inflate(
    messages: &[&[u8]],
    kind: Kind,
    limits: &Limits,
    cuts: &[u8],
    rooms: &[u8],
    lend: &mut dyn FnMut(&mut dyn FnMut(&mut dyn Decompress)),
) -> Outcome {
    let some = |sizes: &&[u8]| sizes.iter().any(|&size| size > 0);
    let mut cuts = Some(cuts).filter(some).unwrap_or_default().iter().cycle();
    let mut rooms = Some(rooms).filter(some).unwrap_or_default().iter().cycle();
    let mut all = Vec::new();
    for message in messages {
        let (mut inflating, mut octets) = (Inflating::new(kind), Vec::new());
        let mut rest = *message;
        let fault = 'message: loop {
            let cut = cuts.next().map_or(rest.len(), |&cut| usize::from(cut).min(rest.len()));
            let (mut chunk, after) = rest.split_at(cut);
            rest = after;
            let mut idle = 0;
            loop {
                let room = rooms.next().map_or(4096, |&room| usize::from(room));
                let mut output = vec![0xA5; room];
                let before = chunk.len();
                let mut step = None;
                lend(&mut |codec| {
                    step = Some(inflating.inflate(&mut chunk, rest.is_empty(), &mut output, codec, limits));
                });
                let inflated = match step.unwrap() {
                    Ok(inflated) => inflated,
                    Err(violation) => break 'message Some(violation),
                };
                assert_eq!(inflated.first, octets.is_empty());
                octets.extend_from_slice(&output[..inflated.octets]);
                // Law: no call does nothing for ever. Rooms of nothing may do nothing.
                let moved = chunk.len() < before || inflated.octets > 0;
                idle = if moved || room == 0 { 0 } else { idle + 1 };
                assert!(idle < 3, "no progress");
                match inflated.status {
                    Status::NeedInput => break,
                    Status::NeedOutput => {}
                    Status::End => break 'message None,
                }
            }
        };
        all.push(octets);
        if fault.is_some() {
            return (all, fault);
        }
    }
    (all, None)
}
