//! What several targets share. The drive that feeds a connection in any cut is that of core's own tests.

#[path = "../../core/tests/common/mod.rs"]
pub mod common;

use common::Drive;
use tightwire::{Limits, Role};

/// Feeds `wire` in pieces of the sizes that `cuts` names, over and over; an empty list cuts nothing. `room` is what
/// the output always has.
pub fn feed<R: Role>(end: &mut Drive<R>, wire: &[u8], cuts: &[u8], room: usize) {
    let (mut rest, mut cuts) = (wire, cuts.iter().cycle());
    while !rest.is_empty() {
        let size = cuts.next().map_or(rest.len(), |cut| usize::from(*cut).clamp(1, rest.len()));
        let (piece, after) = rest.split_at(size);
        end.feed_with_room(piece, room);
        rest = after;
    }
}

/// Limits that short inputs can pass.
pub fn limits(small: bool) -> Limits {
    if small { Limits::DEFAULT.with_message(40).with_frame(30).with_fragments(3) } else { Limits::UNLIMITED }
}
