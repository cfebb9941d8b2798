//! The codec of the zlib-rs crate behind the traits: other ratios, at the price of its memory.
//!
//! An inflater of it takes 47 KB and a deflater 137 to 495 KB, from the allocator, whatever the window: they
//! belong to a thread, or to a few connections. It knows nothing of frames or limits.

use super::codec::{Coded, Compress, Decompress, Flush, MemoryTooSmall, Status};
use super::effort::Level;
use super::history::History;
use super::terms::{Terms, WindowBits};
use crate::error::Violation;
use crate::output::copy;
use core::fmt;

/// What a sender cuts off the end of a message. RFC 7692 7.2.1.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// A final block of no octets: inflates to the end of a stream only where a block may begin.
const FINAL: [u8; 2] = [0x03, 0x00];

/// zlib begins another empty block when the output ends right behind one, so it is never lent less than this.
const ROOM: usize = 16;

/// A zlib-rs deflater: the [`Compress`] of one connection, or without takeover of any number, one message at a
/// time.
pub struct ZlibDeflater {
    stream: zlib_rs::Deflate,
    terms: Terms,
    /// Octets that wait for room, and at the end of a message for it to be known whether they are its tail.
    staged: [u8; Self::STAGE],
    length: usize,
    begun: bool,
    /// Something has been put in since the last flush.
    unflushed: bool,
    /// zlib has written all of the flush that was asked for.
    flushed: bool,
}

impl ZlibDeflater {
    const STAGE: usize = 64;

    /// A deflater at `level` 1 to 9; others are brought into that. It allocates.
    ///
    /// `None` for a window of 2^8 octets, which zlib cannot keep to: decline it in the negotiation.
    pub fn new(level: u8, terms: Terms) -> Option<Self> {
        if terms.window() == WindowBits::MIN {
            return None;
        }
        let stream = zlib_rs::Deflate::new(level.clamp(1, 9).into(), false, terms.window().bits());
        Some(Self {
            stream,
            terms,
            staged: [0; Self::STAGE],
            length: 0,
            begun: false,
            unflushed: false,
            flushed: false,
        })
    }

    /// A deflater that tries about as hard as ours does at `level`: see [`new`](Self::new).
    pub fn like(level: Level, terms: Terms) -> Option<Self> {
        let level = match level {
            Level::Fastest => 1,
            Level::Fast => 2,
            Level::Balanced => 6,
            Level::Best => 9,
        };
        Self::new(level, terms)
    }

    /// Forgets all that messages could refer to, and the message that has begun: fit for another connection.
    pub fn reset(&mut self) {
        self.stream.reset();
        self.end();
    }

    fn end(&mut self) {
        self.length = 0;
        self.begun = false;
        self.unflushed = false;
        self.flushed = false;
    }

    /// Gives staged octets, but for the last `kept`.
    fn unstage(&mut self, output: &mut [u8], kept: usize) -> usize {
        let given = self.length.saturating_sub(kept).min(output.len());
        copy(self.staged.get(..given).unwrap_or_default(), output);
        self.staged.copy_within(given.min(Self::STAGE).., 0);
        self.length -= given;
        given
    }
}

impl Compress for ZlibDeflater {
    fn terms(&self) -> Terms {
        self.terms
    }

    fn compress(&mut self, input: &[u8], output: &mut [u8], flush: Flush) -> Coded {
        // RFC 7692 7.1.1: without takeover nothing before the message may be referred to
        if !self.begun && !self.terms.takeover() {
            self.stream.reset();
        }
        self.begun = true;
        let (mut consumed, mut produced) = (0, 0);
        // RFC 7692 7.2.1: the last four octets of a message are cut off, once they are known to be the last
        let kept = if flush == Flush::Last { TAIL.len() } else { 0 };
        let mode = if flush == Flush::No {
            zlib_rs::DeflateFlush::NoFlush
        } else {
            zlib_rs::DeflateFlush::SyncFlush
        };
        let status = loop {
            let kept = if self.flushed { 0 } else { kept };
            let room = output.get_mut(produced..).unwrap_or_default();
            produced += self.unstage(room, kept);
            if self.length > kept {
                break Status::NeedOutput;
            }
            if self.flushed {
                self.flushed = false;
                break if flush == Flush::Last { Status::End } else { Status::NeedInput };
            }
            let rest = input.get(consumed..).unwrap_or_default();
            if rest.is_empty() && flush != Flush::No && !self.unflushed {
                // zlib writes nothing when nothing has come since the last flush.
                if flush == Flush::Last {
                    self.staged[0] = 0;
                    self.length = 1;
                }
                self.flushed = true;
                continue;
            }
            self.unflushed |= !rest.is_empty();
            let before = (self.stream.total_in(), self.stream.total_out());
            // Straight into the output, behind what is kept, if there is room.
            let room = output.get_mut(produced..).unwrap_or_default();
            let direct = room.len() >= self.length + 4 * ROOM;
            let target = if direct {
                copy(self.staged.get(..self.length).unwrap_or_default(), room);
                room.get_mut(self.length..)
            } else {
                self.staged.get_mut(self.length..)
            };
            let target = target.unwrap_or_default();
            let size = target.len();
            let _ = self.stream.compress(rest, target, mode);
            let written = (self.stream.total_out() - before.1) as usize;
            consumed += (self.stream.total_in() - before.0) as usize;
            if direct {
                let total = self.length + written;
                self.length = kept.min(total);
                produced += total - self.length;
                let held = output.get(produced..produced + self.length).unwrap_or_default();
                copy(held, &mut self.staged);
            } else {
                self.length += written;
            }
            if consumed < input.len() || written == size {
                continue;
            }
            if flush == Flush::No {
                if self.length > 0 {
                    continue;
                }
                break Status::NeedInput;
            }
            self.unflushed = false;
            self.flushed = true;
            self.length -= kept.min(self.length);
        };
        if status == Status::End {
            self.end();
        }
        Coded { consumed, produced, status }
    }

    /// zlib cannot take anything back, so with takeover the next message refers to nothing before it.
    fn take_back(&mut self) {
        if self.begun {
            self.reset();
        }
    }
}

impl fmt::Debug for ZlibDeflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZlibDeflater").field("terms", &self.terms).finish_non_exhaustive()
    }
}

/// A zlib-rs inflater, for any number of connections, one message at a time.
pub struct ZlibInflater {
    stream: zlib_rs::Inflate,
    /// An octet that had no room.
    spare: Option<u8>,
    begun: bool,
    failed: bool,
}

impl ZlibInflater {
    /// An inflater at the start of a message. It allocates.
    pub fn new() -> Self {
        let stream = zlib_rs::Inflate::new(false, WindowBits::MAX.bits());
        Self { stream, spare: None, begun: false, failed: false }
    }

    /// Forgets the message that has begun.
    pub const fn reset(&mut self) {
        self.spare = None;
        self.begun = false;
        self.failed = false;
    }
}

impl Default for ZlibInflater {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ZlibInflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZlibInflater").field("is_within_message", &self.begun).finish_non_exhaustive()
    }
}

/// A [`ZlibInflater`] and a window, borrowed for a call: as [`Inflate`](super::Inflate), of which the window and
/// its history are the same.
///
/// Within a message zlib does not see a reference that is farther than a window of less than 2^15 octets.
#[derive(Debug)]
pub struct ZlibInflate<'c> {
    inflater: &'c mut ZlibInflater,
    history: &'c mut History,
    window: &'c mut [u8],
    takeover: bool,
}

impl<'c> ZlibInflate<'c> {
    /// Borrows what inflating one direction on these terms takes: see [`Inflate::new`](super::Inflate::new).
    ///
    /// # Errors
    /// `window` has fewer octets than the terms say.
    pub fn new(
        inflater: &'c mut ZlibInflater,
        history: &'c mut History,
        window: &'c mut [u8],
        terms: Terms,
    ) -> Result<Self, MemoryTooSmall> {
        let window = window.get_mut(..terms.window().octets()).ok_or(MemoryTooSmall)?;
        Ok(Self { inflater, history, window, takeover: terms.takeover() })
    }

    /// Begins a DEFLATE stream that may refer to what is in the window.
    fn restart(&mut self) -> Result<(), Violation> {
        self.inflater.stream.reset(false);
        let filled = self.history.filled();
        for piece in self.history.recall(self.window, filled, filled).unwrap_or_default() {
            if !piece.is_empty() && self.inflater.stream.set_dictionary(piece).is_err() {
                return Err(Violation::InvalidCompression);
            }
        }
        Ok(())
    }

    /// One call of zlib: octets consumed and written, and whether the stream has ended.
    fn call(&mut self, input: &[u8], output: &mut [u8]) -> (usize, usize, Result<bool, Violation>) {
        let stream = &mut self.inflater.stream;
        let before = (stream.total_in(), stream.total_out());
        let status = stream.decompress(input, output, zlib_rs::InflateFlush::SyncFlush);
        let consumed = (stream.total_in() - before.0) as usize;
        let written = (stream.total_out() - before.1) as usize;
        self.history.append(self.window, output.get(..written).unwrap_or_default());
        let ended = match status {
            Ok(zlib_rs::Status::StreamEnd) => Ok(true),
            Ok(_) => Ok(false),
            Err(_) => Err(Violation::InvalidCompression),
        };
        (consumed, written, ended)
    }

    /// Inflates until input or output run out. `true` when the output has.
    fn blocks(
        &mut self,
        input: &[u8],
        consumed: &mut usize,
        output: &mut [u8],
        produced: &mut usize,
    ) -> Result<bool, Violation> {
        loop {
            let rest = input.get(*consumed..).unwrap_or_default();
            let room = output.get_mut(*produced..).unwrap_or_default();
            // A full output does not say whether there is more: one octet more does.
            let mut spare = [0];
            let is_full = room.is_empty();
            let room = if is_full { &mut spare[..] } else { room };
            let size = room.len();
            let (taken, written, ended) = self.call(rest, room);
            *consumed += taken;
            if is_full && written > 0 {
                self.inflater.spare = Some(spare[0]);
            } else {
                *produced += written;
            }
            // RFC 7692 7.2.3.4: a final block ends a DEFLATE stream but not the message
            if ended? {
                self.restart()?;
            } else if written < size && *consumed >= input.len() {
                return Ok(false);
            } else if written < size && taken == 0 && written == 0 {
                return Err(Violation::InvalidCompression);
            }
            if is_full && written > 0 {
                return Ok(true);
            }
        }
    }

    /// Whether the message ends here, as RFC 7692 7.2.1 wants it to.
    fn ends(&mut self) -> Result<(), Violation> {
        let mut output = [0];
        match self.call(&FINAL, &mut output) {
            (2, 0, Ok(true)) => Ok(()),
            _ => Err(Violation::InvalidCompression),
        }
    }

    fn message(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        last: bool,
        coded: &mut Coded,
    ) -> Result<Status, Violation> {
        if let Some(spare) = self.inflater.spare {
            let Some(room) = output.first_mut() else { return Ok(Status::NeedOutput) };
            *room = spare;
            coded.produced = 1;
            self.inflater.spare = None;
        }
        if self.blocks(input, &mut coded.consumed, output, &mut coded.produced)? {
            return Ok(Status::NeedOutput);
        }
        if !last {
            return Ok(Status::NeedInput);
        }
        // RFC 7692 7.2.2: the receiver appends four octets, which are no octets of the message
        let (mut tail, mut written) = (0, 0);
        if self.blocks(&TAIL, &mut tail, &mut [], &mut written)? {
            self.inflater.spare = None;
            return Err(Violation::InvalidCompression);
        }
        self.ends()?;
        Ok(Status::End)
    }
}

impl Decompress for ZlibInflate<'_> {
    fn decompress(&mut self, input: &[u8], output: &mut [u8], last: bool) -> Result<Coded, Violation> {
        if self.inflater.failed {
            self.inflater.reset();
            return Err(Violation::InvalidCompression);
        }
        if !self.inflater.begun {
            // RFC 7692 7.1.1: without takeover nothing before the message may be referred to
            if !self.takeover {
                *self.history = History::new();
            }
            self.restart()?;
            self.inflater.begun = true;
        }
        let mut coded = Coded { consumed: 0, produced: 0, status: Status::NeedInput };
        match self.message(input, output, last, &mut coded) {
            Ok(status) => coded.status = status,
            Err(_) if coded.produced > 0 => {
                self.inflater.failed = true;
                coded.status = Status::NeedOutput;
            }
            Err(violation) => {
                self.inflater.reset();
                return Err(violation);
            }
        }
        if coded.status == Status::End {
            self.inflater.reset();
        }
        Ok(coded)
    }
}

// They share the octets worth compressing with those of the other codec.
#[cfg(all(test, feature = "deflate"))]
mod tests;
