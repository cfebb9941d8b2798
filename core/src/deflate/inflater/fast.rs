//! The inner loop of inflating, for when there is plenty of input and output.

use super::bits::Bits;
use super::stretch::{SLACK, Stretch, copy_within};
use super::tables::Tables;

/// The longest match. RFC 1951 3.2.5.
const LONGEST: usize = 258;

/// What one round may write: two literals and a match, with what copying it writes too much.
const ROOM: usize = 2 + LONGEST + SLACK;

/// Why the loop has stopped.
pub(super) enum Stop {
    /// Input or output run short.
    Short,
    /// The block has ended.
    End,
    /// A match that lies before this call's output or too far back: to be checked and copied.
    Far { length: usize, distance: usize },
    /// A code that means nothing.
    Invalid,
}

/// Inflates until something else is to be done.
pub(super) fn inflate(bits: &mut Bits, tables: &Tables, stretch: &mut Stretch<'_>) -> Stop {
    // All of it is kept in registers and written back at the end.
    let mut held = *bits;
    let mut taken = stretch.taken;
    let mut written = stretch.written;
    let input = stretch.input;
    let output = &mut *stretch.output;
    let window = stretch.ring.len();
    let stop = loop {
        let Some(eight) = input.get(taken..).and_then(|rest| rest.first_chunk()) else { break Stop::Short };
        let Some(room) = output.get_mut(written..).and_then(|rest| rest.first_chunk_mut::<ROOM>()) else {
            break Stop::Short;
        };
        // At least 56 bits. Two literals take 30 at most and leave 26 ...
        taken += held.refill_from(eight);
        let mut entry = tables.first_literal(held.bits);
        if entry.is_literal() {
            held.skip(entry.bits());
            room[0] = entry.value() as u8;
            written += 1;
            entry = tables.first_literal(held.bits);
            if entry.is_literal() {
                held.skip(entry.bits());
                room[1] = entry.value() as u8;
                written += 1;
                entry = tables.first_literal(held.bits);
                if entry.is_literal() {
                    held.skip(entry.bits());
                    room[2] = entry.value() as u8;
                    written += 1;
                    continue;
                }
            }
        }
        if entry.leads_on() {
            entry = tables.second_literal(entry, held.bits);
            if entry.is_literal() {
                held.skip(entry.bits());
                if let Some(room) = output.get_mut(written) {
                    *room = entry.value() as u8;
                    written += 1;
                }
                continue;
            }
        }
        if !entry.is_plain() {
            held.skip(entry.bits());
            break if entry.is_end() { Stop::End } else { Stop::Invalid };
        }
        // ... which is too few for a length of 20 bits and a distance of 28.
        if held.count < 48 {
            let Some(eight) = input.get(taken..).and_then(|rest| rest.first_chunk()) else {
                break Stop::Short;
            };
            taken += held.refill_from(eight);
        }
        let length = entry.sum(held.bits);
        held.skip(entry.bits());
        let entry = tables.distance(held.bits);
        if entry.is_invalid() {
            break Stop::Invalid;
        }
        let distance = entry.sum(held.bits);
        held.skip(entry.bits());
        if distance > written || distance > window {
            break Stop::Far { length, distance };
        }
        written = copy_within(output, written, distance, length);
    };
    held.trim();
    *bits = held;
    stretch.taken = taken;
    stretch.written = written;
    stop
}
