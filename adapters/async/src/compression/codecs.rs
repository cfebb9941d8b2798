//! Where codecs come from: a pool that keeps a bounded number of them, and an account of what connections hold.

use super::sets::{DeflateSet, InflateSet};
use crate::lock::Lock;
use crate::receiving::Rare as ReceivingRare;
use crate::sending::Rare as SendingRare;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use tightwire::SendError;
use tightwire::deflate::{Compress, Level, Policy, Terms};

/// Which codec does the work. A feature alone changes nothing: the default is always [`Backend::Own`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// The codec of `tightwire`: little memory, every window.
    #[default]
    Own,
    /// The codec of the zlib-rs crate (feature `zlib-rs`): for its ratio, at 47 KB for an inflater and 137 to 495 KB
    /// for a deflater. Windows of 2^8 octets, which it cannot deflate to, are left to the other one.
    #[cfg(feature = "zlib-rs")]
    Zlib,
}

/// A pool of codecs, shared by as many connections as wish. One for each thread contends with no other.
///
/// Without context takeover a connection has a codec only while a message is in it. With takeover it keeps memory of
/// its own for as long as it lives; all of it together is held to a bound, see
/// [`with_windows`](Self::with_windows).
pub struct Codecs {
    keep: usize,
    backend: Backend,
    free: Lock<Free>,
}

#[allow(clippy::vec_box)] // it is the boxes that are kept
struct Free {
    inflaters: Vec<Box<InflateSet>>,
    deflaters: Vec<Box<DeflateSet>>,
    receiving: Vec<Box<ReceivingRare>>,
    sending: Vec<Box<SendingRare>>,
    /// Octets of the codecs that are kept.
    octets: usize,
    /// Octets that connections with takeover hold, or will.
    windows: usize,
    most: usize,
}

/// Small boxes are kept up to this number.
const BOXES: usize = 256;

impl Codecs {
    /// The octets of free codecs that are kept by default: 1 MiB, some ten codecs each way.
    pub const DEFAULT_KEEP: usize = 1 << 20;
    /// The octets that connections with takeover may hold by default, all together: 256 MiB.
    pub const DEFAULT_WINDOWS: usize = 256 << 20;

    /// A pool that keeps at most `keep` octets of free codecs. Nothing is allocated yet.
    pub fn new(keep: usize) -> Self {
        let free = Free {
            inflaters: Vec::new(),
            deflaters: Vec::new(),
            receiving: Vec::new(),
            sending: Vec::new(),
            octets: 0,
            windows: 0,
            most: Self::DEFAULT_WINDOWS,
        };
        Self { keep, backend: Backend::Own, free: Lock::new(free) }
    }

    /// The same with another bound on what connections with takeover hold, in octets: see
    /// [`set_windows`](Self::set_windows).
    #[must_use]
    pub fn with_windows(self, octets: usize) -> Self {
        self.set_windows(octets);
        self
    }

    /// The same with another codec for the messages to come.
    #[must_use]
    pub fn with_backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Sets the bound on what connections with takeover hold, in octets; also while they are in use.
    ///
    /// Where it would be passed, new connections are agreed on without takeover, and connections that have it forget
    /// what they have sent at the end of each message, so that the next one refers to nothing: messages become
    /// larger and everything else stays as it is. Windows for what was agreed to be received cannot be dropped.
    pub fn set_windows(&self, octets: usize) {
        self.free.with(|free| free.most = octets);
    }

    /// The octets that connections with takeover hold now, with windows counted from the handshake on.
    pub fn windows(&self) -> usize {
        self.free.with(|free| free.windows)
    }

    /// The octets of free codecs that are kept now.
    pub fn kept(&self) -> usize {
        self.free.with(|free| free.octets)
    }

    /// Frees the codecs that are kept: after a burst, or when memory is short.
    pub fn trim(&self) {
        let kept = self.free.with(|free| {
            free.octets = 0;
            (
                core::mem::take(&mut free.inflaters),
                core::mem::take(&mut free.deflaters),
                core::mem::take(&mut free.receiving),
                core::mem::take(&mut free.sending),
            )
        });
        drop(kept);
    }

    /// What can be agreed on now: without takeover if there is no memory for it.
    pub(crate) fn admit(&self, policy: Policy) -> Policy {
        if !policy.server_takeover && !policy.client_takeover {
            return policy;
        }
        let octets = policy.server_window.octets() + policy.client_window.octets();
        let fits = self.free.with(|free| free.windows.saturating_add(octets) <= free.most);
        if fits { policy } else { policy.with_takeover(false, false) }
    }

    pub(super) fn inflater(&self) -> Box<InflateSet> {
        let kept = self.free.with(|free| {
            let set = free.inflaters.pop()?;
            free.octets -= set.octets();
            Some(set)
        });
        kept.unwrap_or_else(|| Box::new(InflateSet::new(self.backend)))
    }

    /// Takes an inflater back whose message has ended. Any other is to be dropped.
    pub(super) fn give_inflater(&self, set: Box<InflateSet>) {
        let octets = set.octets();
        self.free.with(|free| {
            if free.keep(octets, self.keep) {
                free.inflaters.push(set);
            }
        });
    }

    /// A deflater for a message that refers to no other.
    pub(super) fn deflater(&self, level: Level, terms: Terms) -> Box<DeflateSet> {
        let terms = Terms::new(terms.window(), false);
        let kept = self.free.with(|free| {
            // The one that was used last is in the cache.
            let at = free.deflaters.iter_mut().rposition(|set| set.serves(level, terms))?;
            let set = free.deflaters.swap_remove(at);
            free.octets -= set.octets();
            Some(set)
        });
        kept.unwrap_or_else(|| Box::new(DeflateSet::new(self.backend, level, terms)))
    }

    /// Takes a deflater back whose message has ended or was taken back. Any other is to be dropped.
    pub(super) fn give_deflater(&self, set: Box<DeflateSet>) {
        let octets = set.octets();
        self.free.with(|free| {
            if free.keep(octets, self.keep) {
                free.deflaters.push(set);
            }
        });
    }

    /// Lends a deflater for one message that refers to no other.
    pub(crate) fn once<X>(
        &self,
        level: Level,
        terms: Terms,
        use_it: impl FnOnce(&mut dyn Compress) -> Result<X, SendError>,
    ) -> Result<X, SendError> {
        let mut set = self.deflater(level, terms);
        let result = set.with(use_it);
        self.give_deflater(set);
        result
    }

    /// A deflater that a connection keeps for all its messages, if there is memory for it.
    pub(super) fn own_deflater(
        self: &Arc<Self>,
        level: Level,
        terms: Terms,
    ) -> Option<(Box<DeflateSet>, Hold)> {
        let hold = self.hold(DeflateSet::cost(self.backend, level, terms));
        if hold.is_over() {
            return None;
        }
        Some((Box::new(DeflateSet::new(self.backend, level, terms)), hold))
    }

    /// Counts octets that a connection holds, whether or not they are too many.
    pub(super) fn hold(self: &Arc<Self>, octets: usize) -> Hold {
        self.free.with(|free| free.windows = free.windows.saturating_add(octets));
        Hold { codecs: self.clone(), octets }
    }

    pub(crate) fn receiving(&self) -> Box<ReceivingRare> {
        self.free.with(|free| free.receiving.pop()).unwrap_or_default()
    }

    pub(crate) fn give_receiving(&self, rare: Box<ReceivingRare>) {
        self.free.with(|free| {
            if self.keep > 0 && free.receiving.len() < BOXES {
                free.receiving.push(rare);
            }
        });
    }

    pub(crate) fn sending(&self) -> Box<SendingRare> {
        self.free.with(|free| free.sending.pop()).unwrap_or_default()
    }

    pub(crate) fn give_sending(&self, rare: Box<SendingRare>) {
        self.free.with(|free| {
            if self.keep > 0 && free.sending.len() < BOXES {
                free.sending.push(rare);
            }
        });
    }
}

impl Free {
    /// Whether so many octets more are to be kept; if so they count.
    fn keep(&mut self, octets: usize, most: usize) -> bool {
        let fits = self.octets + octets <= most;
        if fits {
            self.octets += octets;
        }
        fits
    }
}

/// Octets that one connection holds, in the account until it is dropped.
pub(crate) struct Hold {
    codecs: Arc<Codecs>,
    octets: usize,
}

impl Hold {
    /// Whether connections hold more than they should.
    pub(super) fn is_over(&self) -> bool {
        self.codecs.free.with(|free| free.windows > free.most)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.codecs.free.with(|free| free.windows = free.windows.saturating_sub(self.octets));
    }
}

impl Default for Codecs {
    fn default() -> Self {
        Self::new(Self::DEFAULT_KEEP)
    }
}

impl core::fmt::Debug for Codecs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Codecs")
            .field("keep", &self.keep)
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}
