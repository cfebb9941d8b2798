//! Inflating (RFC 1951), stretch by stretch, into memory that is lent for the call.
//!
//! It decides what octets a message's payload stands for and whether it is well-formed. It knows nothing of
//! frames or limits: the caller lends no more output than it allows.

mod bits;
mod fast;
mod stretch;
mod tables;

use super::codec::{Coded, Decompress, MemoryTooSmall, Status};
use super::history::History;
use super::terms::Terms;
use crate::error::Violation;
use bits::Bits;
use fast::Stop;
use stretch::Stretch;
use tables::Tables;

/// What a sender cuts off the end of a message. RFC 7692 7.2.1.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// Where in the message inflating stands. Some 7 KiB, mostly decoding tables.
///
/// Nothing in it outlives a message, so a pool can lend one for the length of a message. One that is taken
/// back within a message, because its connection is gone, is to be [`reset`](Self::reset) before another
/// connection has it.
pub struct Inflater {
    tables: Tables,
    /// Code lengths as they are read.
    lengths: [u8; 320],
    bits: Bits,
    state: State,
    /// The match that had no room: octets left and how far back they are.
    pending: (u16, u16),
    /// One more than the octets of [`TAIL`] that have been added; 0 before the payload has ended.
    tail: u8,
    /// Whether the message has begun.
    begun: bool,
    /// Whether the block has BFINAL set.
    is_final: bool,
    /// Whether the last block was stored and empty.
    ends_empty: bool,
    /// Whether a fault lies behind the octets that were given last.
    failed: bool,
}

#[derive(Clone, Copy)]
enum State {
    /// At a block boundary.
    Header,
    StoredLength,
    Stored {
        left: u16,
    },
    /// How many code lengths a dynamic block has.
    Counts,
    /// The code lengths of the code of the code lengths.
    LengthLengths {
        read: u8,
    },
    /// The code lengths.
    Lengths {
        read: u16,
    },
    Codes {
        fixed: bool,
    },
}

impl Inflater {
    /// An inflater at the start of a message.
    pub const fn new() -> Self {
        Self {
            tables: Tables::new(),
            lengths: [0; 320],
            bits: Bits::EMPTY,
            state: State::Header,
            pending: (0, 0),
            tail: 0,
            begun: false,
            is_final: false,
            ends_empty: false,
            failed: false,
        }
    }

    /// Forgets the message that has begun. Takes constant time.
    pub const fn reset(&mut self) {
        self.bits = Bits::EMPTY;
        self.state = State::Header;
        self.pending = (0, 0);
        self.tail = 0;
        self.begun = false;
        self.is_final = false;
        self.ends_empty = false;
        self.failed = false;
    }

    /// Whether a message has begun and not ended.
    pub const fn is_within_message(&self) -> bool {
        self.begun
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Inflater").field("is_within_message", &self.begun).finish_non_exhaustive()
    }
}

/// An [`Inflater`] and a window, borrowed for a call: the [`Decompress`] of a connection.
#[derive(Debug)]
pub struct Inflate<'c> {
    inflater: &'c mut Inflater,
    history: &'c mut History,
    window: &'c mut [u8],
    takeover: bool,
}

impl<'c> Inflate<'c> {
    /// Borrows what inflating one direction on these terms takes.
    ///
    /// `history` and `window` belong together. With takeover both belong to the connection, and keep what
    /// they hold between messages. Without it they may come from a pool together with `inflater`: nothing
    /// in them is read that the message has not written. All three must stay the same for one message.
    ///
    /// # Errors
    /// `window` has fewer octets than the terms say.
    pub fn new(
        inflater: &'c mut Inflater,
        history: &'c mut History,
        window: &'c mut [u8],
        terms: Terms,
    ) -> Result<Self, MemoryTooSmall> {
        let window = window.get_mut(..terms.window().octets()).ok_or(MemoryTooSmall)?;
        Ok(Self { inflater, history, window, takeover: terms.takeover() })
    }
}

impl Decompress for Inflate<'_> {
    fn decompress(&mut self, input: &[u8], output: &mut [u8], last: bool) -> Result<Coded, Violation> {
        let inflater = &mut *self.inflater;
        if inflater.failed {
            inflater.reset();
            return Err(Violation::InvalidCompression);
        }
        // RFC 7692 7.1.1: without takeover nothing before the message may be referred to
        if !inflater.begun && !self.takeover {
            *self.history = History::new();
        }
        inflater.begun = true;
        let mut stretch =
            Stretch { input, taken: 0, output, written: 0, history: *self.history, ring: self.window };
        let before = inflater.tail;
        let result = inflater.message(&mut stretch, last);
        let written = stretch.written;
        let consumed = match (before, inflater.tail) {
            (0, 0) => stretch.taken,
            (0, _) => input.len(),
            _ => 0,
        };
        match result {
            Ok(Status::End) => inflater.reset(),
            Ok(_) => {}
            Err(_) if written > 0 => {
                // The good octets first, so that how the input is cut makes no difference.
                inflater.failed = true;
                return Ok(Coded { consumed, produced: written, status: Status::NeedOutput });
            }
            Err(violation) => {
                inflater.reset();
                return Err(violation);
            }
        }
        // Without takeover nothing will refer back to a message that has ended.
        if inflater.begun || self.takeover {
            self.history.append(self.window, output.get(..written).unwrap_or_default());
        }
        result.map(|status| Coded { consumed, produced: written, status })
    }
}

impl Inflater {
    /// Inflates the input and, if the message ends with it, what its sender has cut off.
    fn message(&mut self, stretch: &mut Stretch<'_>, last: bool) -> Result<Status, Violation> {
        if self.tail == 0 {
            let status = self.blocks(stretch)?;
            if !last || status == Status::NeedOutput {
                return Ok(status);
            }
        }
        // RFC 7692 7.2.2: the receiver appends four octets
        self.tail = self.tail.max(1);
        stretch.input = TAIL.get(usize::from(self.tail) - 1..).unwrap_or_default();
        stretch.taken = 0;
        let status = self.blocks(stretch)?;
        self.tail += stretch.taken as u8;
        if status == Status::NeedOutput {
            return Ok(status);
        }
        // RFC 7692 7.2.1: these octets were the end of an empty stored block. If they were anything else
        // then the message has ended within a block.
        let at_boundary = matches!(self.state, State::Header) && self.bits.count == 0 && self.ends_empty;
        if at_boundary { Ok(Status::End) } else { Err(Violation::InvalidCompression) }
    }

    /// Inflates blocks until input or output run out.
    fn blocks(&mut self, stretch: &mut Stretch<'_>) -> Result<Status, Violation> {
        loop {
            self.bits.refill(stretch.input, &mut stretch.taken);
            let step = match self.state {
                State::Header => self.header()?,
                State::StoredLength => self.stored_length()?,
                State::Stored { left } => self.stored(left, stretch),
                State::Counts => self.counts()?,
                State::LengthLengths { read } => self.length_lengths(read)?,
                State::Lengths { read } => self.lengths(read)?,
                State::Codes { fixed } => self.codes(fixed, stretch)?,
            };
            match step {
                Some(Status::NeedInput) if stretch.taken < stretch.input.len() => {}
                Some(status) => return Ok(status),
                None => {}
            }
        }
    }

    /// RFC 1951 3.2.3: three bits begin a block.
    fn header(&mut self) -> Result<Option<Status>, Violation> {
        let Some(header) = self.bits.take(3) else { return Ok(Some(Status::NeedInput)) };
        self.is_final = header & 1 != 0;
        self.ends_empty = false;
        self.state = match header >> 1 {
            0 => {
                self.bits.align();
                State::StoredLength
            }
            1 => State::Codes { fixed: true },
            2 => State::Counts,
            _ => return Err(Violation::InvalidCompression),
        };
        Ok(None)
    }

    fn end_block(&mut self) {
        // RFC 7692 7.2.3.4: a final block ends a DEFLATE stream but not the message. The next stream begins
        // with the next octet, and may refer to what was before it.
        if self.is_final {
            self.bits.align();
        }
        self.state = State::Header;
    }

    /// RFC 1951 3.2.4: the length of a stored block, then its complement.
    fn stored_length(&mut self) -> Result<Option<Status>, Violation> {
        let Some(both) = self.bits.take(32) else { return Ok(Some(Status::NeedInput)) };
        let left = both as u16;
        if left != !((both >> 16) as u16) {
            return Err(Violation::InvalidCompression);
        }
        if left == 0 {
            self.end_block();
            self.ends_empty = true;
        } else {
            self.state = State::Stored { left };
        }
        Ok(None)
    }

    fn stored(&mut self, mut left: u16, stretch: &mut Stretch<'_>) -> Option<Status> {
        let room = stretch.output.get_mut(stretch.written..).unwrap_or_default();
        let at_once = room.len().min(usize::from(left));
        let mut room = room.get_mut(..at_once).unwrap_or_default().iter_mut();
        // First the octets that the bits were taken from, then straight from the input.
        let mut done = 0;
        while self.bits.count > 0 {
            let Some(octet) = room.next() else { break };
            *octet = self.bits.bits as u8;
            self.bits.skip(8);
            done += 1;
        }
        if self.bits.count == 0 {
            let room = room.into_slice();
            let rest = stretch.input.get(stretch.taken..).unwrap_or_default();
            let length = room.len().min(rest.len());
            if let (Some(room), Some(stored)) = (room.get_mut(..length), rest.get(..length)) {
                room.copy_from_slice(stored);
            }
            stretch.taken += length;
            done += length;
        }
        stretch.written += done;
        // At most what was left, so it fits.
        left -= done as u16;
        self.state = State::Stored { left };
        if left == 0 {
            self.end_block();
            None
        } else if stretch.written < stretch.output.len() {
            Some(Status::NeedInput)
        } else {
            Some(Status::NeedOutput)
        }
    }

    /// RFC 1951 3.2.7: HLIT, HDIST and HCLEN, kept behind the code lengths.
    fn counts(&mut self) -> Result<Option<Status>, Violation> {
        let Some(counts) = self.bits.take(14) else { return Ok(Some(Status::NeedInput)) };
        let [.., literals, distances, lengths] = &mut self.lengths;
        // Kept as they stand: 31, 31 and 15 at most.
        (*literals, *distances, *lengths) =
            (counts as u8 & 31, (counts >> 5) as u8 & 31, (counts >> 10) as u8);
        // 286 literals and lengths, 30 distances are all that have a meaning.
        if *literals > 29 || *distances > 29 {
            return Err(Violation::InvalidCompression);
        }
        self.lengths[..19].fill(0);
        self.state = State::LengthLengths { read: 0 };
        Ok(None)
    }

    fn length_lengths(&mut self, mut read: u8) -> Result<Option<Status>, Violation> {
        const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let [.., count] = self.lengths;
        while read < count + 4 {
            let Some(length) = self.bits.take(3) else {
                self.state = State::LengthLengths { read };
                return Ok(Some(Status::NeedInput));
            };
            let symbol = ORDER.get(usize::from(read)).copied().unwrap_or_default();
            if let Some(place) = self.lengths.get_mut(usize::from(symbol)) {
                *place = length as u8;
            }
            read += 1;
        }
        let lengths = self.lengths.first_chunk().ok_or(Violation::InvalidCompression)?;
        self.tables.set_lengths(lengths).ok_or(Violation::InvalidCompression)?;
        self.state = State::Lengths { read: 0 };
        Ok(None)
    }

    fn lengths(&mut self, read: u16) -> Result<Option<Status>, Violation> {
        let [.., literals, distances, _] = self.lengths;
        let literals = usize::from(literals) + 257;
        let total = literals + usize::from(distances) + 1;
        let mut read = usize::from(read);
        while read < total {
            let entry = self.tables.length_symbol(self.bits.bits);
            let (length, extra, least) = match entry.value() {
                16 => (None, 2, 3),
                17 => (Some(0), 3, 3),
                18 => (Some(0), 7, 11),
                length => (Some(length as u8), 0, 1),
            };
            if entry.bits() + extra > self.bits.count {
                self.state = State::Lengths { read: read as u16 };
                return Ok(Some(Status::NeedInput));
            }
            self.bits.skip(entry.bits());
            let repeat = least + self.bits.take(extra).unwrap_or_default() as usize;
            let length = match length {
                Some(length) => length,
                // RFC 1951 3.2.7: 16 repeats the length before it, so there must be one
                None => *read
                    .checked_sub(1)
                    .and_then(|last| self.lengths.get(last))
                    .ok_or(Violation::InvalidCompression)?,
            };
            let places =
                (repeat <= total - read).then(|| self.lengths.get_mut(read..read + repeat)).flatten();
            places.ok_or(Violation::InvalidCompression)?.fill(length);
            read += repeat;
        }
        // A block without a code for its end has no end.
        if self.lengths[256] == 0 {
            return Err(Violation::InvalidCompression);
        }
        let lengths = self.lengths.get(..total).unwrap_or_default();
        let (literals, distances) = lengths.split_at_checked(literals).unwrap_or_default();
        self.tables.set(literals, distances).ok_or(Violation::InvalidCompression)?;
        self.state = State::Codes { fixed: false };
        Ok(None)
    }

    fn codes(&mut self, fixed: bool, stretch: &mut Stretch<'_>) -> Result<Option<Status>, Violation> {
        if self.pending.0 > 0 && !self.copy_pending(stretch) {
            return Ok(Some(Status::NeedOutput));
        }
        loop {
            let tables = if fixed { Tables::FIXED } else { &self.tables };
            match fast::inflate(&mut self.bits, tables, stretch) {
                Stop::Short => break,
                Stop::End => {
                    self.end_block();
                    return Ok(None);
                }
                Stop::Far { length, distance } => {
                    stretch.check(distance)?;
                    // 258 and 32,768 at most.
                    self.pending = (length as u16, distance as u16);
                    if !self.copy_pending(stretch) {
                        return Ok(Some(Status::NeedOutput));
                    }
                }
                Stop::Invalid => return Err(Violation::InvalidCompression),
            }
        }
        loop {
            // A length and a distance take 48 bits at most.
            if self.bits.count < 48 {
                self.bits.refill(stretch.input, &mut stretch.taken);
            }
            let tables = if fixed { Tables::FIXED } else { &self.tables };
            let held = self.bits.bits;
            let entry = tables.literal(held);
            if entry.bits() > self.bits.count {
                return Ok(Some(Status::NeedInput));
            }
            if entry.is_literal() {
                let Some(room) = stretch.output.get_mut(stretch.written) else {
                    return Ok(Some(Status::NeedOutput));
                };
                *room = entry.value() as u8;
                stretch.written += 1;
                self.bits.skip(entry.bits());
                continue;
            }
            if !entry.is_plain() {
                self.bits.skip(entry.bits());
                self.end_block();
                return if entry.is_end() { Ok(None) } else { Err(Violation::InvalidCompression) };
            }
            let length = entry.sum(held);
            let behind = tables.distance(held >> entry.bits());
            let bits = entry.bits() + behind.bits();
            if bits > self.bits.count {
                return Ok(Some(Status::NeedInput));
            }
            if behind.is_invalid() {
                return Err(Violation::InvalidCompression);
            }
            let distance = behind.sum(held >> entry.bits());
            stretch.check(distance)?;
            self.bits.skip(bits);
            // 258 and 32,768 at most.
            self.pending = (length as u16, distance as u16);
            if !self.copy_pending(stretch) {
                return Ok(Some(Status::NeedOutput));
            }
        }
    }

    /// Goes on with the match that had no room; `true` when it is done.
    fn copy_pending(&mut self, stretch: &mut Stretch<'_>) -> bool {
        let (length, distance) = self.pending;
        self.pending.0 -= stretch.copy(distance.into(), length.into()) as u16;
        self.pending.0 == 0
    }
}

const _: () = assert!(size_of::<Inflater>() <= 8 * 1024);

#[cfg(test)]
mod tests;
