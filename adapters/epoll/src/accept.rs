//! Accepting connections: limits in all and per address, a throttle, and a pause when descriptors run out.

use crate::poller::{Interest, Mode};
use crate::reactor::Reactor;
use crate::slab::{CAPACITY_MAX, Token};
use crate::trace;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tightwire::deadline::Tick;

/// Connections that are accepted before other events are looked at.
const BATCH: u32 = 64;

/// How many connections a server takes on, over all its threads.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Admission {
    /// The most connections at a time. More are accepted and closed at once. Default: no limit.
    pub connections: u64,
    /// The most connections at a time from one address (of IPv6, one /64). Default: no limit.
    pub per_address: Option<u32>,
    /// The most connections that one thread accepts in a [tick](crate::TICKS_PER_SECOND); the rest waits in
    /// the backlog. Default: no limit.
    pub per_tick: u32,
}

impl Default for Admission {
    fn default() -> Self {
        Self { connections: u64::MAX, per_address: None, per_tick: u32::MAX }
    }
}

impl Admission {
    /// The same with so many connections at a time at most.
    #[must_use]
    pub fn with_connections(mut self, connections: u64) -> Self {
        self.connections = connections;
        self
    }

    /// The same with so many connections at a time from one address at most.
    #[must_use]
    pub fn with_per_address(mut self, connections: impl Into<Option<u32>>) -> Self {
        self.per_address = connections.into();
        self
    }

    /// The same with so many connections that one thread accepts in a tick.
    #[must_use]
    pub fn with_per_tick(mut self, connections: u32) -> Self {
        self.per_tick = connections;
        self
    }
}

/// The connections that a server has taken on.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    admission: Admission,
    connections: AtomicU64,
    addresses: Mutex<HashMap<IpAddr, u32>>,
}

impl Gate {
    pub(crate) fn new(admission: Admission) -> Self {
        Self { admission, ..Self::default() }
    }

    /// Counts one connection, or refuses it.
    fn enter(&self, address: Option<IpAddr>) -> bool {
        if self.connections.fetch_add(1, Ordering::Relaxed) >= self.admission.connections {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        let (Some(most), Some(address)) = (self.admission.per_address, address) else { return true };
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = addresses.entry(address).or_insert(0);
        if *count < most {
            *count += 1;
            return true;
        }
        drop(addresses);
        self.connections.fetch_sub(1, Ordering::Relaxed);
        false
    }

    /// Counts one connection less.
    fn leave(&self, address: Option<IpAddr>) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        let Some(address) = address else { return };
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = addresses.entry(address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Whether the address of each connection has to be known.
    fn wants_addresses(&self) -> bool {
        self.admission.per_address.is_some()
    }
}

/// One thread's way through the gate.
#[derive(Debug)]
pub(crate) struct Turnstile {
    gate: Arc<Gate>,
    /// The addresses of connections, if they are limited.
    addresses: HashMap<Token, IpAddr>,
}

impl Turnstile {
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, addresses: HashMap::new() }
    }

    /// Counts a connection of this thread less.
    pub(crate) fn leave(&mut self, token: Token) {
        let address = if self.gate.wants_addresses() { self.addresses.remove(&token) } else { None };
        self.gate.leave(address);
    }
}

/// A listening socket of one thread.
#[derive(Debug)]
pub(crate) struct Listener {
    fd: OwnedFd,
    token: Token,
    /// When it is looked at again after a pause.
    resume: Option<Tick>,
    tick: Tick,
    accepted: u32,
}

impl Listener {
    /// The listener at a position among those of its thread.
    pub(crate) fn new<S>(reactor: &mut Reactor<S>, fd: OwnedFd, place: u32) -> std::io::Result<Self> {
        // Beyond all tokens of connections.
        let token = Token::new(CAPACITY_MAX + place, 0);
        reactor.poller.add(&fd, token.to_bits(), Interest::READ, Mode::Level)?;
        Ok(Self { fd, token, resume: None, tick: 0, accepted: 0 })
    }

    /// Which listener a token names.
    pub(crate) fn place(token: Token) -> Option<usize> {
        token.index().checked_sub(CAPACITY_MAX).map(|place| place as usize)
    }

    /// When a pause ends.
    pub(crate) const fn resumes(&self) -> Option<Tick> {
        self.resume
    }

    /// Looks at the socket again if its pause is over.
    pub(crate) fn tick<S>(&mut self, reactor: &mut Reactor<S>) {
        if self.resume.is_some_and(|tick| reactor.now.wrapping_sub(tick) < u32::MAX / 2) {
            self.resume = None;
            let token = self.token.to_bits();
            if reactor.poller.modify(&self.fd, token, Interest::READ, Mode::Level).is_err() {
                self.resume = Some(reactor.now.wrapping_add(1));
            }
        }
    }

    /// Stops listening.
    pub(crate) fn close<S>(self, reactor: &mut Reactor<S>) {
        let _ = reactor.poller.remove(&self.fd);
    }

    /// Accepts what has come, up to a bound.
    pub(crate) fn accept<S: Default>(&mut self, reactor: &mut Reactor<S>) {
        if self.tick != reactor.now {
            (self.tick, self.accepted) = (reactor.now, 0);
        }
        for _ in 0..BATCH {
            if self.accepted >= reactor.turnstile.gate.admission.per_tick {
                return self.pause(reactor);
            }
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let accepted = if reactor.turnstile.gate.wants_addresses() {
                acceptfrom_with(&self.fd, flags).map(|(fd, address)| (fd, address.and_then(network)))
            } else {
                rustix::net::accept_with(&self.fd, flags).map(|fd| (fd, None))
            };
            match accepted {
                Ok((fd, address)) => {
                    self.accepted += 1;
                    reactor.admit(fd, address);
                }
                Err(Errno::AGAIN) => return,
                // It was gone before it was accepted, or its network is in trouble: that is its own affair.
                Err(
                    Errno::INTR
                    | Errno::CONNABORTED
                    | Errno::PERM
                    | Errno::PROTO
                    | Errno::NETDOWN
                    | Errno::NETUNREACH
                    | Errno::HOSTDOWN
                    | Errno::HOSTUNREACH
                    | Errno::NONET
                    | Errno::NOPROTOOPT
                    | Errno::OPNOTSUPP,
                ) => {}
                // No descriptors or no memory: serve those that are there, and look again later.
                Err(error) => {
                    trace::accepts_pause(reactor.place, &error);
                    return self.pause(reactor);
                }
            }
        }
    }

    /// Does not look at the socket until the next tick. It would be reported again and again.
    fn pause<S>(&mut self, reactor: &mut Reactor<S>) {
        let token = self.token.to_bits();
        if reactor.poller.modify(&self.fd, token, Interest::NONE, Mode::Level).is_ok() {
            self.resume = Some(reactor.now.wrapping_add(1));
        }
    }
}

impl<S: Default> Reactor<S> {
    fn admit(&mut self, fd: OwnedFd, address: Option<IpAddr>) {
        if !self.turnstile.gate.enter(address) {
            self.counters.refused_connections.add(1);
            trace::turned_away(self.place);
            return;
        }
        match self.add(fd, Interest::READ) {
            Ok(token) => {
                if let Some(address) = address {
                    self.turnstile.addresses.insert(token, address);
                }
                self.counters.accepted.add(1);
                if let Some(entry) = self.slab.get(token) {
                    trace::accepted(self.place, token, &entry.fd);
                }
            }
            Err(_) => {
                trace::turned_away(self.place);
                self.turnstile.gate.leave(address);
                self.counters.refused_connections.add(1);
            }
        }
    }
}

/// The address whose connections are counted together.
fn network(address: SocketAddrAny) -> Option<IpAddr> {
    let address: SocketAddr = address.try_into().ok()?;
    Some(match address.ip().to_canonical() {
        IpAddr::V4(address) => address.into(),
        // One customer has a whole /64.
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(connections: u64, per_address: Option<u32>) -> Gate {
        Gate::new(Admission { connections, per_address, ..Admission::default() })
    }

    #[test]
    fn the_limit_holds_in_all() {
        let gate = gate(2, None);
        assert!(gate.enter(None) && gate.enter(None));
        assert!(!gate.enter(None) && !gate.enter(None));
        gate.leave(None);
        assert!(gate.enter(None) && !gate.enter(None));
    }

    #[test]
    fn the_limit_holds_for_each_address() {
        let gate = gate(10, Some(2));
        let [one, two] = ["127.0.0.1", "127.0.0.2"].map(|text| text.parse().ok());
        assert!(gate.enter(one) && gate.enter(one) && !gate.enter(one));
        assert!(gate.enter(two));
        gate.leave(one);
        assert!(gate.enter(one) && !gate.enter(one));
        for address in [one, one, two] {
            gate.leave(address);
        }
        assert_eq!(gate.connections.load(Ordering::Relaxed), 0);
        assert!(gate.addresses.lock().unwrap().is_empty());
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let net = |text: &str| network(SocketAddrAny::from(text.parse::<SocketAddr>().unwrap()));
        assert_eq!(net("[2001:db8:1:2:3::4]:1"), net("[2001:db8:1:2:ffff::1]:2"));
        assert_ne!(net("[2001:db8:1:2::1]:1"), net("[2001:db8:1:3::1]:1"));
        assert_eq!(net("[::ffff:127.0.0.1]:1"), net("127.0.0.1:9"));
        assert_ne!(net("127.0.0.2:9"), net("127.0.0.1:9"));
    }
}
