//! Deflating (RFC 1951), stretch by stretch, in memory that is lent for the call.
//!
//! It decides how a message is written in fewer octets. It knows nothing of frames, and not whether a
//! message is worth it: the caller may take a message back that has not become smaller.

mod bits;
mod block;
mod codes;
mod fastest;
mod matches;
mod options;

use super::codec::{Coded, Compress, Flush, MemoryTooSmall, Status};
use super::effort::Level;
use super::history::History;
use super::terms::{Terms, WindowBits};
use bits::{Bits, Out};
use block::Block;
use matches::{LONGEST, Match, SHORTEST, Search, Tuning};
pub use options::Options;

/// Octets that must follow a place before matches are looked for there, unless no more come: then it makes
/// no difference in which stretches they came.
const AHEAD: usize = 2 * LONGEST + 8;

/// Where in the message deflating stands; small. What has been seen is in the memory that is lent.
///
/// Without takeover one deflater, with its memory, serves any number of connections, one message at a time.
/// With takeover it belongs to its connection, or comes from a pool and the connection has a window
/// ([`Deflate::with_window`]). One that is taken back within a message, because its connection is gone, holds
/// that message still: [`take_back`](Self::take_back) it before another connection has it.
#[derive(Debug)]
pub struct Deflater {
    bits: Bits,
    phase: Phase,
    /// What the message began with.
    options: Options,
    /// Whether the message has begun.
    begun: bool,
    /// Whether something of it has been put in since the last flush.
    unflushed: bool,
    /// Whether a block with fixed codes is open.
    open: bool,
    /// Places without a match since the last one.
    misses: usize,
    /// Tokens of the block that is gathered.
    tokens: usize,
    /// The first place that may be referred to.
    floor: usize,
    /// The place where the message begins; `None` once it has left the buffer.
    start: Option<usize>,
    /// The next place to look at.
    at: usize,
    /// The next place to be noted in the table.
    noted: usize,
    /// The end of the octets in the buffer.
    end: usize,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Looking for matches.
    Search,
    /// Writing a block from this item on.
    Block { at: usize },
    /// About to end a flush or a message with an empty block.
    Tail { is_last: bool },
    /// Writing what is left of that.
    Drain { is_last: bool },
}

impl Deflater {
    /// A deflater at the start of a connection, with nothing to refer to.
    pub const fn new() -> Self {
        Self {
            bits: Bits::EMPTY,
            phase: Phase::Search,
            options: Options::new(Level::Fastest, WindowBits::MIN),
            begun: false,
            unflushed: false,
            open: false,
            misses: 0,
            tokens: 0,
            // Place 0 stands for none.
            floor: 1,
            start: None,
            at: 1,
            noted: 1,
            end: 1,
        }
    }

    /// Whether a message has begun and not ended.
    pub const fn is_within_message(&self) -> bool {
        self.begun
    }

    /// Takes back the message that has begun, whatever has been written of it. Takes constant time.
    ///
    /// For a message that is not to be sent compressed after all: later messages refer to nothing in it
    /// (RFC 7692 7.2.1), and those before it are still referred to if they are still there. To be called as
    /// well on a deflater from a pool whose message will not be finished.
    pub const fn take_back(&mut self) {
        if !self.begun {
            return;
        }
        match self.start {
            Some(start) => self.end = start,
            // What came before the message has left the buffer.
            None => self.floor = self.end,
        }
        self.at = self.end;
        if self.noted > self.end {
            self.noted = self.end;
        }
        self.end_message();
    }

    /// Forgets all that messages could refer to, and the message that has begun: the deflater is fit for
    /// another connection. Takes constant time.
    pub const fn reset(&mut self) {
        self.take_back();
        self.floor = self.end;
    }

    const fn end_message(&mut self) {
        self.bits = Bits::EMPTY;
        self.phase = Phase::Search;
        self.begun = false;
        self.unflushed = false;
        self.open = false;
        self.misses = 0;
        self.tokens = 0;
    }
}

impl Default for Deflater {
    fn default() -> Self {
        Self::new()
    }
}

/// A [`Deflater`] and its memory, borrowed for a call: the [`Compress`] of a connection.
///
/// ```
/// use tightwire::deflate::{
///     Compress, Decompress, Deflate, Deflater, History, Inflate, Inflater, Level, Options, Terms, WindowBits,
/// };
///
/// // Without takeover all of this may be shared by every connection of a thread.
/// const OPTIONS: Options = Options::new(Level::Fastest, WindowBits::MIN);
/// const TERMS: Terms = Terms::new(WindowBits::MIN, false);
/// let mut deflater = Deflater::new();
/// let (mut words, mut octets) = ([0; OPTIONS.words()], [0; OPTIONS.octets()]);
/// let (mut inflater, mut history) = (Inflater::new(), History::new());
/// let mut window = [0; TERMS.window().octets()];
///
/// let message = b"as you like it, as you like it";
/// let mut payload = [0; 64];
/// let mut codec = Deflate::new(&mut deflater, &mut words, &mut octets, OPTIONS, TERMS)?;
/// let length = codec.message(message, &mut payload).expect("it becomes smaller");
///
/// let mut output = [0; 64];
/// let mut codec = Inflate::new(&mut inflater, &mut history, &mut window, TERMS)?;
/// let coded = codec.decompress(&payload[..length], &mut output, true)?;
/// assert_eq!(&output[..coded.produced], message);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Deflate<'c> {
    deflater: &'c mut Deflater,
    words: &'c mut [u16],
    octets: &'c mut [u8],
    options: Options,
    takeover: bool,
    /// The octets of the agreed window.
    ring: usize,
    /// The connection's own window, if the deflater is not its own.
    window: Option<(&'c mut History, &'c mut [u8])>,
}

impl<'c> Deflate<'c> {
    /// Borrows what deflating one direction on these terms takes.
    ///
    /// `words` and `octets` belong to `deflater` as long as it lives; what they hold at first does not
    /// matter. The window is the smaller one of the terms and the options. Options may be others for each
    /// message as long as the memory is enough; within a message those it began with hold.
    ///
    /// # Errors
    /// `words` or `octets` is less than [`Options::words`] or [`Options::octets`].
    pub fn new(
        deflater: &'c mut Deflater,
        words: &'c mut [u16],
        octets: &'c mut [u8],
        options: Options,
        terms: Terms,
    ) -> Result<Self, MemoryTooSmall> {
        let options = if deflater.begun { deflater.options } else { options.within(terms.window()) };
        let words = words.get_mut(..options.words()).ok_or(MemoryTooSmall)?;
        let octets = octets.get_mut(..options.octets()).ok_or(MemoryTooSmall)?;
        let ring = terms.window().octets();
        Ok(Self { deflater, words, octets, options, takeover: terms.takeover(), ring, window: None })
    }

    /// The same for a deflater from a pool, which then serves one connection with takeover for a message.
    ///
    /// `history` and `window` belong to the connection and keep what its messages refer back to; an
    /// [`Inflate`](super::Inflate) keeps its own in the same way. At the start of a message the window is
    /// taken in and looked through, which takes time for each octet of it. So connections with small messages
    /// should have a small window or a deflater of their own.
    ///
    /// # Errors
    /// `window` has fewer octets than the terms say.
    pub fn with_window(
        mut self,
        history: &'c mut History,
        window: &'c mut [u8],
    ) -> Result<Self, MemoryTooSmall> {
        let window = window.get_mut(..self.ring).ok_or(MemoryTooSmall)?;
        self.window = Some((history, window));
        Ok(self)
    }
}

impl Compress for Deflate<'_> {
    fn terms(&self) -> Terms {
        Terms::new(self.options.window(), self.takeover)
    }

    fn compress(&mut self, input: &[u8], output: &mut [u8], flush: Flush) -> Coded {
        self.begin();
        let mut out = Out { octets: output, written: 0 };
        let mut consumed = 0;
        let status = loop {
            match self.deflater.phase {
                Phase::Search => {
                    consumed += self.fill(input.get(consumed..).unwrap_or_default());
                    let is_all = consumed == input.len();
                    let flushes = is_all && flush != Flush::No;
                    match self.search(flushes, &mut out) {
                        Found::NoRoom => break Status::NeedOutput,
                        Found::Block => self.deflater.phase = Phase::Block { at: 0 },
                        Found::End if !is_all => {}
                        Found::End if !flushes || (flush == Flush::Sync && !self.deflater.unflushed) => {
                            break Status::NeedInput;
                        }
                        Found::End => self.deflater.phase = Phase::Tail { is_last: flush == Flush::Last },
                    }
                }
                Phase::Block { at } => {
                    if !self.write_block(at, &mut out) {
                        break Status::NeedOutput;
                    }
                }
                Phase::Tail { is_last } => {
                    if !self.deflater.bits.drain(&mut out) {
                        break Status::NeedOutput;
                    }
                    self.deflater.push_tail(is_last);
                }
                Phase::Drain { is_last } => {
                    self.deflater.bits.drain(&mut out);
                    if self.deflater.bits.is_waiting() {
                        break Status::NeedOutput;
                    }
                    if is_last {
                        self.end();
                        break Status::End;
                    }
                    self.deflater.phase = Phase::Search;
                    self.deflater.unflushed = false;
                }
            }
        };
        Coded { consumed, produced: out.written, status }
    }

    fn take_back(&mut self) {
        self.deflater.take_back();
    }
}

/// Why a search has stopped.
enum Found {
    /// The output is full.
    NoRoom,
    /// A block is closed and is to be written.
    Block,
    /// There are no more octets to look at.
    End,
}

impl Deflate<'_> {
    fn begin(&mut self) {
        let deflater = &mut *self.deflater;
        if deflater.begun {
            return;
        }
        deflater.begun = true;
        deflater.options = self.options;
        if deflater.end > self.octets.len() {
            // The memory was larger for the message before.
            (deflater.at, deflater.noted, deflater.end) = (1, 1, 1);
            deflater.floor = 1;
        }
        // RFC 7692 7.1.1: without takeover nothing before the message may be referred to
        if !self.takeover {
            deflater.floor = deflater.end;
            deflater.noted = deflater.end;
        } else if let Some((history, window)) = &self.window {
            // What the deflater knows is another connection's.
            let filled = history.filled().min(self.options.window.octets());
            let mut at = 1;
            for piece in history.recall(window, filled, filled).unwrap_or_default() {
                if let Some(room) = self.octets.get_mut(at..at + piece.len()) {
                    room.copy_from_slice(piece);
                    at += piece.len();
                }
            }
            (deflater.at, deflater.noted, deflater.end) = (1 + filled, 1, 1 + filled);
            deflater.floor = 1;
            self.words.get_mut(..1 << self.options.table_bits).unwrap_or_default().fill(0);
            let (mut search, _) = lend(self.words, self.octets, self.options, deflater);
            deflater.note(&mut search);
        }
        deflater.start = Some(deflater.end);
    }

    /// Ends the message.
    fn end(&mut self) {
        let deflater = &mut *self.deflater;
        if let Some((history, window)) = &mut self.window
            && self.takeover
        {
            // A message whose start has left the buffer fills the window with what is still there.
            let from = deflater.start.unwrap_or(deflater.floor);
            history.append(window, self.octets.get(from..deflater.end).unwrap_or_default());
        }
        deflater.end_message();
    }

    /// Takes octets into the buffer and says how many.
    fn fill(&mut self, input: &[u8]) -> usize {
        if input.is_empty() {
            return 0;
        }
        if self.deflater.end >= self.octets.len() {
            // What has not been looked at must stay. There is more of that only while the output is full.
            if self.deflater.at + AHEAD < self.deflater.end {
                return 0;
            }
            self.slide();
        }
        let from = self.deflater.end;
        let room = self.octets.get_mut(from..).unwrap_or_default();
        let length = room.len().min(input.len());
        if let (Some(room), Some(input)) = (room.get_mut(..length), input.get(..length)) {
            room.copy_from_slice(input);
        }
        self.deflater.end += length;
        self.deflater.unflushed = true;
        length
    }

    /// Moves what matches may still refer to to the front of the buffer.
    fn slide(&mut self) {
        let deflater = &mut *self.deflater;
        let window = self.options.window.octets();
        // A multiple of the window, so that places keep their chains. More than a window stays, because
        // nothing refers to place 0; of the largest window a little less, as the buffer is not longer.
        let by = ((deflater.at - 1) / window).saturating_sub(1).max(1) * window;
        let rest = deflater.end.saturating_sub(by);
        if let Some(octets) = self.octets.get_mut(..deflater.end) {
            octets.copy_within(by.min(octets.len()).., 0);
        }
        deflater.at = deflater.at.saturating_sub(by).max(1);
        deflater.noted = deflater.noted.saturating_sub(by).max(1);
        deflater.end = rest.max(1);
        deflater.floor = deflater.floor.saturating_sub(by).max(1);
        deflater.start = deflater.start.and_then(|start| start.checked_sub(by));
        let table = (1 << self.options.table_bits) + self.options.chains();
        // 32,768 at most.
        let by = by as u16;
        for place in self.words.iter_mut().take(table) {
            *place = place.saturating_sub(by);
        }
    }

    /// Looks for matches as far as the octets reach; to the last one if the output is to be flushed.
    fn search(&mut self, flushes: bool, out: &mut Out<'_>) -> Found {
        let deflater = &mut *self.deflater;
        let (mut search, words) = lend(self.words, self.octets, self.options, deflater);
        let limit = if flushes { deflater.end } else { deflater.end.saturating_sub(AHEAD) };
        if let Some(mut block) = Block::new(words) {
            let is_full = deflater.gather(&mut search, &mut block, limit);
            if !is_full && (!flushes || deflater.tokens == 0) {
                return Found::End;
            }
            block.close(deflater.tokens);
            return Found::Block;
        }
        if deflater.at < limit && !deflater.open {
            if !deflater.bits.drain(out) {
                return Found::NoRoom;
            }
            fastest::open(&mut deflater.bits);
            deflater.open = true;
        }
        if !deflater.deflate_fastest(&mut search, limit, out) {
            return Found::NoRoom;
        }
        if flushes && deflater.open {
            if !deflater.bits.drain(out) {
                return Found::NoRoom;
            }
            fastest::close(&mut deflater.bits);
            deflater.open = false;
        }
        Found::End
    }

    /// Writes the closed block; `false` when the output is full.
    fn write_block(&mut self, mut at: usize, out: &mut Out<'_>) -> bool {
        let table = (1 << self.options.table_bits) + self.options.chains();
        let Some(mut block) = self.words.get_mut(table..).and_then(Block::new) else { return true };
        let fits = block.write(self.deflater.tokens, &mut at, &mut self.deflater.bits, out);
        self.deflater.phase = if fits { Phase::Search } else { Phase::Block { at } };
        if fits {
            self.deflater.tokens = 0;
        }
        fits
    }
}

impl Deflater {
    /// Gathers tokens up to `limit`; `true` when the block is full.
    fn gather(&mut self, search: &mut Search<'_>, block: &mut Block<'_>, limit: usize) -> bool {
        let tuning = Tuning::of(self.options.level);
        if self.tokens == 0 {
            block.clear();
        }
        while self.at < limit {
            // A run of matches, each better than the one before, is at most as long as the longest.
            if block.room(self.tokens) <= LONGEST {
                return true;
            }
            let mut found = self.find(search, 0, &tuning);
            if found.length == 0 {
                self.literal(search, block);
                continue;
            }
            while found.length < tuning.lazy && self.at + 1 < search.octets.len() {
                self.at += 1;
                let better = self.find(search, found.length, &tuning);
                self.at -= 1;
                if better.length == 0 {
                    break;
                }
                self.literal(search, block);
                found = better;
            }
            block.matched(&mut self.tokens, found);
            self.at += found.length;
        }
        false
    }

    /// The best match that begins where the search stands.
    #[inline(always)]
    fn find(&mut self, search: &mut Search<'_>, than: usize, tuning: &Tuning) -> Match {
        self.note(search);
        search.best(self.at, than, tuning)
    }

    /// Notes all places before the one where the search stands.
    #[inline(always)]
    fn note(&mut self, search: &mut Search<'_>) {
        // The last octets of a message are noted when others follow them.
        while self.noted < self.at && self.noted + SHORTEST <= search.octets.len() {
            search.insert(self.noted);
            self.noted += 1;
        }
    }

    #[inline(always)]
    fn literal(&mut self, search: &Search<'_>, block: &mut Block<'_>) {
        if let Some(&octet) = search.octets.get(self.at) {
            block.literal(&mut self.tokens, octet);
        }
        self.at += 1;
    }

    /// Pushes an empty stored block, or of the last one what is not cut off. RFC 7692 7.2.1.
    fn push_tail(&mut self, is_last: bool) {
        self.bits.push(0b000, 3);
        self.bits.align();
        if !is_last {
            self.bits.push(0xFFFF_0000, 32);
        }
        self.phase = Phase::Drain { is_last };
    }
}

const _: () = assert!(size_of::<Deflater>() <= 120);

/// The tables and octets to search in, and the words behind the tables.
fn lend<'c>(
    words: &'c mut [u16],
    octets: &'c [u8],
    options: Options,
    deflater: &Deflater,
) -> (Search<'c>, &'c mut [u16]) {
    let (heads, words) = words.split_at_mut_checked(1 << options.table_bits).unwrap_or_default();
    let (chain, words) = words.split_at_mut_checked(options.chains()).unwrap_or_default();
    let search = Search {
        octets: octets.get(..deflater.end).unwrap_or_default(),
        shift: 32 - u32::from(options.table_bits),
        heads,
        chain,
        floor: deflater.floor,
        window: options.window.octets(),
    };
    (search, words)
}

#[cfg(test)]
mod tests;
