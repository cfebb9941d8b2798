//! A codec together with the memory that it works in.
//!
//! It decides how much memory that is, and nothing about who has it when.

use super::codecs::Backend;
use alloc::boxed::Box;
use alloc::vec;
use tightwire::deflate::{
    Collector, Compress, Deflate, Deflater, History, Inflate, Inflater, Level, Options, Status, Terms,
    WindowBits,
};
#[cfg(feature = "zlib-rs")]
use tightwire::deflate::{ZlibDeflater, ZlibInflate, ZlibInflater};
use tightwire::{Limits, SendError, Violation};

/// An inflater, and the window of a message that refers to no other.
pub(crate) struct InflateSet {
    inflater: AnyInflater,
    history: History,
    /// Empty until it is needed.
    window: Box<[u8]>,
}

enum AnyInflater {
    Own(Box<Inflater>),
    #[cfg(feature = "zlib-rs")]
    Zlib(Box<ZlibInflater>),
}

/// What later messages refer back to: with takeover the only thing that outlives a message.
#[derive(Default)]
pub(crate) struct Ring {
    history: History,
    /// Empty before the first message.
    octets: Box<[u8]>,
}

impl InflateSet {
    pub(super) fn new(backend: Backend) -> Self {
        let inflater = match backend {
            Backend::Own => AnyInflater::Own(Box::default()),
            #[cfg(feature = "zlib-rs")]
            Backend::Zlib => AnyInflater::Zlib(Box::new(ZlibInflater::new())),
        };
        Self { inflater, history: History::new(), window: Box::default() }
    }

    /// Octets of memory, about.
    pub(super) fn octets(&self) -> usize {
        let inflater = match &self.inflater {
            AnyInflater::Own(_) => size_of::<Inflater>(),
            #[cfg(feature = "zlib-rs")]
            AnyInflater::Zlib(_) => ZLIB_INFLATER,
        };
        size_of::<Self>() + inflater + self.window.len()
    }

    /// Inflates a stretch of a message's payload into `message`.
    pub(super) fn inflate(
        &mut self,
        ring: Option<&mut Ring>,
        terms: Terms,
        message: &mut Collector<Box<[u8]>>,
        (input, last): (&mut &[u8], bool),
        limits: &Limits,
    ) -> Result<Status, Violation> {
        let (history, window) = match ring {
            Some(ring) => (&mut ring.history, &mut ring.octets),
            None => (&mut self.history, &mut self.window),
        };
        if window.len() < terms.window().octets() {
            // Those of a connection are of the size agreed; those of the pool serve every connection.
            let octets = if terms.takeover() { terms.window().octets() } else { WindowBits::MAX.octets() };
            *window = vec![0; octets].into_boxed_slice();
        }
        // Memory too small, which it is not, must not be a panic.
        let unable = |_| Violation::InvalidCompression;
        match &mut self.inflater {
            AnyInflater::Own(inflater) => {
                let mut codec = Inflate::new(inflater, history, window, terms).map_err(unable)?;
                message.inflate(input, last, &mut codec, limits)
            }
            #[cfg(feature = "zlib-rs")]
            AnyInflater::Zlib(inflater) => {
                let mut codec = ZlibInflate::new(inflater, history, window, terms).map_err(unable)?;
                message.inflate(input, last, &mut codec, limits)
            }
        }
    }
}

/// What zlib-rs takes for each, whatever the window.
#[cfg(feature = "zlib-rs")]
const ZLIB_INFLATER: usize = 47 << 10;
#[cfg(feature = "zlib-rs")]
const ZLIB_DEFLATER: usize = 380 << 10;

/// A deflater and its memory.
pub(crate) struct DeflateSet {
    deflater: AnyDeflater,
    /// What its messages keep to.
    terms: Terms,
    level: Level,
}

enum AnyDeflater {
    Own {
        deflater: Deflater,
        words: Box<[u16]>,
        octets: Box<[u8]>,
    },
    #[cfg(feature = "zlib-rs")]
    Zlib(Box<ZlibDeflater>),
}

impl DeflateSet {
    /// A deflater for messages on these terms. The memory of one without takeover does for every window.
    pub(super) fn new(backend: Backend, level: Level, terms: Terms) -> Self {
        #[cfg(feature = "zlib-rs")]
        if backend == Backend::Zlib
            && let Some(deflater) = ZlibDeflater::like(level, terms)
        {
            return Self { deflater: AnyDeflater::Zlib(Box::new(deflater)), terms, level };
        }
        let _ = backend;
        let options = options(level, terms);
        let deflater = AnyDeflater::Own {
            deflater: Deflater::new(),
            words: vec![0; options.words()].into_boxed_slice(),
            octets: vec![0; options.octets()].into_boxed_slice(),
        };
        Self { deflater, terms, level }
    }

    /// Octets of memory, about, that one takes.
    pub(super) fn cost(backend: Backend, level: Level, terms: Terms) -> usize {
        let options = options(level, terms);
        let memory = match backend {
            Backend::Own => 2 * options.words() + options.octets(),
            #[cfg(feature = "zlib-rs")]
            Backend::Zlib => ZLIB_DEFLATER,
        };
        size_of::<Self>() + memory
    }

    /// Octets of memory, about.
    pub(super) fn octets(&self) -> usize {
        let memory = match &self.deflater {
            AnyDeflater::Own { words, octets, .. } => size_of_val(&**words) + octets.len(),
            #[cfg(feature = "zlib-rs")]
            AnyDeflater::Zlib(_) => ZLIB_DEFLATER,
        };
        size_of::<Self>() + memory
    }

    /// Whether it was made for these.
    pub(super) fn is_for(&self, level: Level, terms: Terms) -> bool {
        self.level == level && self.terms == terms
    }

    /// Whether it can be made to serve a message on these terms at this level, and if so makes it.
    pub(super) fn serves(&mut self, level: Level, terms: Terms) -> bool {
        match &self.deflater {
            AnyDeflater::Own { words, octets, .. } => {
                let options = options(level, terms);
                if words.len() < options.words() || octets.len() < options.octets() {
                    return false;
                }
                (self.level, self.terms) = (level, terms);
                true
            }
            #[cfg(feature = "zlib-rs")]
            AnyDeflater::Zlib(_) => (self.level, self.terms) == (level, terms),
        }
    }

    /// Lends the codec.
    pub(super) fn with<X>(
        &mut self,
        use_it: impl FnOnce(&mut dyn Compress) -> Result<X, SendError>,
    ) -> Result<X, SendError> {
        let options = options(self.level, self.terms);
        match &mut self.deflater {
            AnyDeflater::Own { deflater, words, octets } => {
                // The memory is as the options want it.
                let codec = Deflate::new(deflater, words, octets, options, self.terms);
                use_it(&mut codec.map_err(|_| SendError::CompressionNotAgreed)?)
            }
            #[cfg(feature = "zlib-rs")]
            AnyDeflater::Zlib(deflater) => use_it(&mut **deflater),
        }
    }
}

fn options(level: Level, terms: Terms) -> Options {
    Options::new(level, if terms.takeover() { terms.window() } else { WindowBits::MAX })
}
