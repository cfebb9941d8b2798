//! What is agreed on when a connection opens, and given back when it ends.

use super::{Agreement, Backend, Terms};
use crate::peer::Peer;
use crate::reactor::Reactor;
use crate::slab::Token;
use tightwire::deflate::Policy;

impl<S> Reactor<S> {
    /// The machine of a connection on what was agreed. Its window is promised from here on.
    pub(crate) fn agree(&mut self, peer: Peer, agreement: Agreement) -> Peer {
        // zlib-rs has no window that could be kept while its deflater serves others.
        let takeover = self.codecs.backend == Backend::Own;
        let peer = peer.with_compression(agreement, takeover);
        self.codecs.reserve(window(peer.receives_compressed()), &mut self.extras, &mut self.pool);
        peer
    }

    /// Promises the window that a server may ask of us by its answer to this offer.
    pub(crate) fn promise(&mut self, policy: Policy) {
        self.codecs.reserve(promised(policy), &mut self.extras, &mut self.pool);
    }

    /// The offer is answered, or never will be.
    pub(crate) fn unpromise(&mut self, policy: Option<Policy>) {
        self.codecs.unreserve(policy.map_or(0, promised));
    }

    /// Gives back what a connection holds of compression.
    pub(crate) fn give_up_compression(&mut self, token: Token) {
        if !self.codecs.is_on() {
            return;
        }
        let Self { slab, extras, codecs, pool, .. } = self;
        let Some(entry) = slab.get_mut(token) else { return };
        codecs.unreserve(window(entry.receives_compressed(extras)));
        let Some(extra) = extras.get(entry.extra) else { return };
        let held = &mut extra.compression;
        if let Some(mut inflation) = codecs.held_inflation(held) {
            inflation.window.give(pool);
            codecs.give_inflation(inflation, pool);
        }
        if let Some(mut deflation) = codecs.held_deflation(held) {
            codecs.give_sent(&mut deflation.window, pool);
            codecs.give_deflation(deflation);
        }
        held.received.give(pool);
        codecs.give_sent(&mut held.sent, pool);
    }
}

/// Octets of the window that has to be kept for messages on these terms.
fn window(terms: Option<Terms>) -> usize {
    terms.filter(|terms| terms.takeover()).map_or(0, |terms| terms.window().octets())
}

fn promised(policy: Policy) -> usize {
    if policy.server_takeover { policy.server_window.octets() } else { 0 }
}
