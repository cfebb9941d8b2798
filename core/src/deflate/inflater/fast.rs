//! The inner loop of inflating, for when there is plenty of input and output.

use super::bits::Bits;
use super::stretch::{SLACK, Stretch, copy_within};
use super::tables::Tables;
use crate::error::Violation;

/// The longest match. RFC 1951 3.2.5.
const LONGEST: usize = 258;

/// What one round may write: two literals and a match, with what copying it writes too much.
const ROOM: usize = 2 + LONGEST + SLACK;

/// Inflates until input or output run short; `true` when the block has ended.
pub(super) fn inflate(
    bits: &mut Bits,
    tables: &Tables,
    stretch: &mut Stretch<'_>,
) -> Result<bool, Violation> {
    // Kept in registers; what another file's borrow might see is written back at the end.
    let mut held = *bits;
    let mut taken = stretch.taken;
    let mut written = stretch.written;
    let result = loop {
        let Some(eight) = stretch.input.get(taken..).and_then(|rest| rest.first_chunk()) else {
            break Ok(false);
        };
        let Some(room) = stretch.output.get_mut(written..).and_then(|rest| rest.first_chunk_mut::<ROOM>())
        else {
            break Ok(false);
        };
        // At least 56 bits. Two literals take 30 at most and leave 26 ...
        taken += held.refill_from(eight);
        let mut entry = tables.literal(held.bits);
        if entry.is_literal() {
            held.skip(entry.bits());
            room[0] = entry.value() as u8;
            written += 1;
            entry = tables.literal(held.bits);
            if entry.is_literal() {
                held.skip(entry.bits());
                room[1] = entry.value() as u8;
                written += 1;
                entry = tables.literal(held.bits);
                if entry.is_literal() {
                    held.skip(entry.bits());
                    room[2] = entry.value() as u8;
                    written += 1;
                    continue;
                }
            }
        }
        if !entry.is_plain() {
            held.skip(entry.bits());
            break if entry.is_end() { Ok(true) } else { Err(Violation::InvalidCompression) };
        }
        // ... which is too few for a length of 20 bits and a distance of 28.
        if held.count < 48 {
            let Some(eight) = stretch.input.get(taken..).and_then(|rest| rest.first_chunk()) else {
                break Ok(false);
            };
            taken += held.refill_from(eight);
        }
        let length = entry.sum(held.bits);
        held.skip(entry.bits());
        let entry = tables.distance(held.bits);
        if entry.is_invalid() {
            break Err(Violation::InvalidCompression);
        }
        let distance = entry.sum(held.bits);
        held.skip(entry.bits());
        if distance <= written && distance <= stretch.ring.len() {
            written = copy_within(stretch.output, written, distance, length);
        } else {
            stretch.written = written;
            if let Err(violation) = stretch.check(distance) {
                break Err(violation);
            }
            stretch.copy(distance, length);
            written = stretch.written;
        }
    };
    held.trim();
    *bits = held;
    stretch.taken = taken;
    stretch.written = written;
    result
}
