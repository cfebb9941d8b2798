//! The codecs of a thread, lent message by message, and the account of what connections hold of windows.
//!
//! It decides who has which memory. It knows neither frames nor sockets.

use super::{Backend, Effort, Level, Policy, Terms};
use crate::config::Config;
use crate::entry::Extras;
use crate::pool::{Buffer, Pool};
use tightwire::deflate::{
    Compress, Deflate, Deflater, History, Inflate, Inflated, Inflater, Inflating, Options, WindowBits,
};
#[cfg(feature = "zlib-rs")]
use tightwire::deflate::{ZlibDeflater, ZlibInflate, ZlibInflater};
use tightwire::{Kind, Limits, Violation};

/// Messages of one direction that have a codec to themselves because they come or go in pieces.
pub(crate) const HELD_MAX: usize = 64;
/// Different efforts of a thread.
const EFFORTS: usize = 16;

/// What a connection has of compression, in its `Extra`: with takeover always, else only within a message.
#[derive(Default)]
pub(crate) struct Held {
    /// What messages received refer back to. Elsewhere while one is arriving.
    pub(super) received: Window,
    /// What messages sent refer back to. Elsewhere while one is being sent.
    pub(super) sent: Window,
    /// The message that is arriving.
    pub(super) inflation: Option<Box<Inflation>>,
    /// The message that is being sent in fragments.
    pub(super) deflation: Option<Box<Deflation>>,
    /// The message that is collected is compressed: there was no codec for it.
    pub(crate) is_collected: bool,
}

impl Held {
    pub(crate) fn is_needed(&self) -> bool {
        !self.received.memory.is_empty()
            || !self.sent.memory.is_empty()
            || self.inflation.is_some()
            || self.deflation.is_some()
    }
}

/// A window and where in it the next octet goes. Without memory it is not there.
#[derive(Default)]
pub(crate) struct Window {
    history: History,
    pub(super) memory: Buffer,
}

impl Window {
    pub(super) fn take(pool: &mut Pool, terms: Terms) -> Self {
        Self { history: History::new(), memory: pool.take(terms.window().octets()) }
    }

    pub(super) fn give(&mut self, pool: &mut Pool) {
        pool.give(core::mem::take(self).memory);
    }
}

/// A compressed message that is arriving.
pub(crate) struct Inflation {
    codec: InflateCodec,
    inflating: Inflating,
    pub(super) window: Window,
    /// Where the octets go: all of the message, or the next part of it.
    pub(super) memory: Buffer,
    /// How many of the message are there.
    pub(super) length: usize,
    /// What is left of a chunk because the handler has paused.
    pub(super) rest: Option<Rest>,
}

/// Octets that are not inflated, perhaps none, and whether they end the message.
pub(crate) struct Rest {
    pub(super) octets: Buffer,
    pub(super) length: usize,
    pub(super) last: bool,
}

#[allow(clippy::large_enum_variant, reason = "it is in a box, and in one pool only one of them is")]
enum InflateCodec {
    Own(Inflater),
    #[cfg(feature = "zlib-rs")]
    Zlib(ZlibInflater),
}

impl Inflation {
    pub(super) const fn kind(&self) -> Kind {
        self.inflating.kind()
    }

    /// Inflates octets of the message behind the first `from` of the memory.
    pub(super) fn inflate(
        &mut self,
        input: &mut &[u8],
        last: bool,
        from: usize,
        terms: Terms,
        limits: &Limits,
    ) -> Result<Inflated, Violation> {
        let output = self.memory.get_mut(from..).unwrap_or_default();
        let Window { history, memory } = &mut self.window;
        // The window has been taken by the same terms, so that it is never too small.
        let never = |_| Violation::InvalidCompression;
        match &mut self.codec {
            InflateCodec::Own(inflater) => {
                let mut codec = Inflate::new(inflater, history, memory, terms).map_err(never)?;
                self.inflating.inflate(input, last, output, &mut codec, limits)
            }
            #[cfg(feature = "zlib-rs")]
            InflateCodec::Zlib(inflater) => {
                let mut codec = ZlibInflate::new(inflater, history, memory, terms).map_err(never)?;
                self.inflating.inflate(input, last, output, &mut codec, limits)
            }
        }
    }
}

/// A deflater, its memory, and the terms of the message that it is at.
pub(crate) struct Deflation {
    codec: DeflateCodec,
    options: Options,
    terms: Terms,
    pub(super) window: Window,
}

#[allow(clippy::large_enum_variant, reason = "it is in a box")]
enum DeflateCodec {
    Own {
        deflater: Deflater,
        words: Vec<u16>,
        octets: Vec<u8>,
    },
    #[cfg(feature = "zlib-rs")]
    Zlib(ZlibDeflater),
}

impl Deflation {
    fn new(backend: Backend, options: Options, terms: Terms) -> Self {
        let own = || DeflateCodec::Own {
            deflater: Deflater::new(),
            words: vec![0; options.words()],
            octets: vec![0; options.octets()],
        };
        let codec = match backend {
            Backend::Own => own(),
            #[cfg(feature = "zlib-rs")]
            Backend::Zlib => ZlibDeflater::like(options.level(), terms).map_or_else(own, DeflateCodec::Zlib),
        };
        Self { codec, options, terms, window: Window::default() }
    }

    /// Whether this one can serve a message of such a kind.
    fn serves(&self, backend: Backend, options: Options, terms: Terms) -> bool {
        match &self.codec {
            DeflateCodec::Own { words, .. } => {
                words.len() >= options.words()
                    && (backend == Backend::Own || terms.window() == WindowBits::MIN)
            }
            #[cfg(feature = "zlib-rs")]
            DeflateCodec::Zlib(zlib) => self.options.level() == options.level() && zlib.terms() == terms,
        }
    }

    /// Lends the codec for a call.
    pub(super) fn lend<T>(&mut self, call: impl FnOnce(&mut dyn Compress) -> T) -> Option<T> {
        match &mut self.codec {
            DeflateCodec::Own { deflater, words, octets } => {
                let mut codec = Deflate::new(deflater, words, octets, self.options, self.terms).ok()?;
                if self.terms.takeover() {
                    let Window { history, memory } = &mut self.window;
                    codec = codec.with_window(history, memory).ok()?;
                }
                Some(call(&mut codec))
            }
            #[cfg(feature = "zlib-rs")]
            DeflateCodec::Zlib(zlib) => Some(call(zlib)),
        }
    }

    fn take_back(&mut self) {
        match &mut self.codec {
            DeflateCodec::Own { deflater, .. } => deflater.take_back(),
            #[cfg(feature = "zlib-rs")]
            DeflateCodec::Zlib(zlib) => zlib.take_back(),
        }
    }
}

/// What a thread has of compression.
pub(crate) struct Codecs {
    policy: Option<Policy>,
    pub(super) backend: Backend,
    /// The efforts in use; the first is that of the configuration.
    efforts: Vec<Effort>,
    inflations: Spare<Inflation>,
    deflations: Spare<Deflation>,
    /// Octets of windows that were promised to what is received.
    reserved: usize,
    /// Octets of windows of what was sent.
    sent: usize,
    /// The most of both.
    most: usize,
}

/// Codecs that nobody has at the moment.
struct Spare<T> {
    list: Vec<Box<T>>,
    /// The fewest of them at any time since they were looked at.
    unused: usize,
    /// How many are held by messages in pieces.
    held: usize,
}

impl<T> Spare<T> {
    const fn new() -> Self {
        Self { list: Vec::new(), unused: 0, held: 0 }
    }

    fn take(&mut self, serves: impl Fn(&T) -> bool) -> Option<Box<T>> {
        let at = self.list.iter().rposition(|spare| serves(spare))?;
        let found = self.list.swap_remove(at);
        self.unused = self.unused.min(self.list.len());
        Some(found)
    }

    fn age(&mut self) {
        self.list.truncate((self.list.len() - self.unused.min(self.list.len())).max(1));
        self.unused = self.list.len();
    }
}

impl Codecs {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            policy: config.compression,
            backend: config.backend,
            efforts: vec![config.effort],
            inflations: Spare::new(),
            deflations: Spare::new(),
            reserved: 0,
            sent: 0,
            most: config.windows,
        }
    }

    /// Whether any connection of this thread may compress.
    #[inline]
    pub(crate) const fn is_on(&self) -> bool {
        self.policy.is_some()
    }

    /// What can be agreed on now: without takeover if there is no memory for it.
    pub(crate) fn policy(&self) -> Option<Policy> {
        let policy = self.policy?;
        let server = if policy.server_takeover { policy.server_window.octets() } else { 0 };
        let client = if policy.client_takeover { policy.client_window.octets() } else { 0 };
        let fits = self.reserved + server + client <= self.most;
        Some(if fits { policy } else { policy.with_takeover(false, false) })
    }

    pub(super) fn effort(&self, place: u8) -> Effort {
        self.efforts.get(usize::from(place)).copied().unwrap_or_default()
    }

    pub(super) fn effort_place(&mut self, effort: Effort) -> Option<u8> {
        let found = self.efforts.iter().position(|known| *known == effort);
        let place = found.unwrap_or(self.efforts.len());
        if place >= EFFORTS {
            return None;
        }
        if found.is_none() {
            self.efforts.push(effort);
        }
        u8::try_from(place).ok()
    }

    /// A codec for a message that begins to arrive, but for its window.
    pub(super) fn inflation(&mut self, kind: Kind) -> Box<Inflation> {
        let inflating = Inflating::new(kind);
        if let Some(mut spare) = self.inflations.take(|_| true) {
            spare.inflating = inflating;
            return spare;
        }
        let codec = match self.backend {
            Backend::Own => InflateCodec::Own(Inflater::new()),
            #[cfg(feature = "zlib-rs")]
            Backend::Zlib => InflateCodec::Zlib(ZlibInflater::new()),
        };
        Box::new(Inflation {
            codec,
            inflating,
            window: Window::default(),
            memory: Buffer::empty(),
            length: 0,
            rest: None,
        })
    }

    /// Takes back a codec of which the window has been taken, wherever in its message it is.
    pub(super) fn give_inflation(&mut self, mut inflation: Box<Inflation>, pool: &mut Pool) {
        match &mut inflation.codec {
            InflateCodec::Own(inflater) => inflater.reset(),
            #[cfg(feature = "zlib-rs")]
            InflateCodec::Zlib(inflater) => inflater.reset(),
        }
        pool.give(core::mem::take(&mut inflation.memory));
        if let Some(rest) = inflation.rest.take() {
            pool.give(rest.octets);
        }
        inflation.length = 0;
        self.inflations.list.push(inflation);
    }

    /// A codec for a message that is sent at this level and on these terms, but for its window.
    pub(super) fn deflation(&mut self, level: Level, terms: Terms) -> Box<Deflation> {
        let backend = self.backend;
        let options = Options::new(level, WindowBits::MAX);
        let found = self.deflations.take(|spare| spare.serves(backend, options, terms));
        let mut deflation = found.unwrap_or_else(|| Box::new(Deflation::new(backend, options, terms)));
        (deflation.options, deflation.terms) = (options, terms);
        deflation
    }

    /// Takes back a codec of which the window has been taken, wherever in its message it is.
    pub(super) fn give_deflation(&mut self, mut deflation: Box<Deflation>) {
        deflation.take_back();
        self.deflations.list.push(deflation);
    }

    /// Lets a message in pieces keep its codec, if not too many do.
    pub(super) fn may_hold_inflation(&self) -> bool {
        self.inflations.held < HELD_MAX
    }

    pub(super) fn may_hold_deflation(&self) -> bool {
        self.deflations.held < HELD_MAX
    }

    /// Puts a codec into its connection until the message goes on.
    pub(super) fn hold_inflation(&mut self, held: &mut Held, inflation: Box<Inflation>) {
        self.inflations.held += 1;
        held.inflation = Some(inflation);
    }

    pub(super) fn hold_deflation(&mut self, held: &mut Held, deflation: Box<Deflation>) {
        self.deflations.held += 1;
        held.deflation = Some(deflation);
    }

    pub(super) fn held_inflation(&mut self, held: &mut Held) -> Option<Box<Inflation>> {
        let inflation = held.inflation.take()?;
        self.inflations.held -= 1;
        Some(inflation)
    }

    pub(super) fn held_deflation(&mut self, held: &mut Held) -> Option<Box<Deflation>> {
        let deflation = held.deflation.take()?;
        self.deflations.held -= 1;
        Some(deflation)
    }

    /// Octets of windows that connections hold, or may have to.
    pub(super) const fn windows(&self) -> usize {
        self.reserved + self.sent
    }

    /// Promises the window of what a connection receives, at the cost of what others have sent.
    pub(super) fn reserve(&mut self, octets: usize, extras: &mut Extras, pool: &mut Pool) {
        self.reserved += octets;
        let over = self.windows().saturating_sub(self.most);
        if over > 0 {
            self.drop_sent(extras, pool, over);
        }
    }

    pub(super) fn unreserve(&mut self, octets: usize) {
        self.reserved = self.reserved.saturating_sub(octets);
    }

    /// Makes sure that there is a window for what is sent; says if there is none to be had.
    pub(super) fn need_sent(&mut self, window: &mut Window, terms: Terms, pool: &mut Pool) -> bool {
        if window.memory.is_empty() {
            let octets = terms.window().octets();
            if self.windows() + octets > self.most {
                return false;
            }
            self.sent += octets;
            *window = Window::take(pool, terms);
        }
        true
    }

    pub(super) fn give_sent(&mut self, window: &mut Window, pool: &mut Pool) {
        self.sent = self.sent.saturating_sub(window.memory.len());
        window.give(pool);
    }

    /// Drops at least so many octets of windows of what was sent, if there are; gives how many.
    pub(super) fn drop_sent(&mut self, extras: &mut Extras, pool: &mut Pool, octets: usize) -> usize {
        let mut dropped = 0;
        if self.sent == 0 {
            return dropped;
        }
        for extra in extras.iter_mut() {
            if dropped >= octets {
                break;
            }
            let window = &mut extra.compression.sent;
            dropped += window.memory.len();
            self.give_sent(window, pool);
        }
        dropped
    }

    /// Whether [`age`](Self::age) may have something to give back.
    pub(crate) fn has_surplus(&self) -> bool {
        self.inflations.list.len() > 1 || self.deflations.list.len() > 1
    }

    /// Gives back codecs that nobody needed since the last call. One of each kind is kept.
    pub(crate) fn age(&mut self) {
        self.inflations.age();
        self.deflations.age();
    }
}
