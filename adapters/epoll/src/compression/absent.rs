//! What stands in for compression without feature `deflate`: nothing is offered, accepted or held.

use crate::config::Config;
use crate::peer::Peer;
use crate::pool::Pool;
use crate::reactor::Reactor;
use crate::slab::Token;
use crate::topics::Shared;
use tightwire::deflate::{Agreement, Policy};

#[derive(Default)]
pub(crate) struct Held {}

impl Held {
    pub(crate) const fn is_needed(&self) -> bool {
        false
    }
}

pub(crate) struct Codecs {}

impl Codecs {
    pub(crate) const fn new(_: &Config) -> Self {
        Self {}
    }

    pub(crate) const fn policy(&self) -> Option<Policy> {
        None
    }

    pub(crate) const fn has_surplus(&self) -> bool {
        false
    }

    pub(crate) const fn age(&mut self) {}
}

#[derive(Default)]
pub(crate) struct Variants {}

impl Variants {
    pub(crate) const fn give(self, _: &mut Pool) {}
}

impl<S> Reactor<S> {
    pub(crate) fn agree(&mut self, peer: Peer, _: Agreement) -> Peer {
        peer
    }

    pub(crate) const fn promise(&mut self, _: Policy) {}

    pub(crate) const fn unpromise(&mut self, _: Option<Policy>) {}

    pub(crate) const fn give_up_compression(&mut self, _: Token) {}

    pub(crate) const fn variant<'v>(
        &mut self,
        _: Token,
        _: &[u8],
        _: &'v mut Variants,
    ) -> Option<(&'v [u8], &'v mut Shared)> {
        None
    }
}
