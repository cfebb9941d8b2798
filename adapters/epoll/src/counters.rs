//! Numbers of one reactor thread that any thread may read at any time.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that one thread changes and every thread may read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds from the thread that owns the counter: a plain load and store, no locked instruction.
    #[inline]
    pub(crate) fn add(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many close codes are counted each by itself; the rest is counted together.
const CODES: usize = 16;

/// The counters of one thread.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) open: Counter,
    pub(crate) accepted: Counter,
    pub(crate) opened: Counter,
    pub(crate) closed: Counter,
    pub(crate) refused_connections: Counter,
    pub(crate) refused_handshakes: Counter,
    pub(crate) messages_received: Counter,
    pub(crate) messages_sent: Counter,
    pub(crate) octets_received: Counter,
    pub(crate) octets_sent: Counter,
    pub(crate) refused_messages: Counter,
    pub(crate) buffers: Counter,
    pub(crate) buffer_octets: Counter,
    pub(crate) codes: [Counter; CODES],
}

impl Counters {
    pub(crate) fn count_close(&self, code: u16) {
        self.closed.add(1);
        if let Some(counter) = self.codes.get(slot(code)) {
            counter.add(1);
        }
    }

    /// Adds these counters to a snapshot.
    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.open += self.open.get();
        stats.accepted += self.accepted.get();
        stats.opened += self.opened.get();
        stats.closed += self.closed.get();
        stats.refused_connections += self.refused_connections.get();
        stats.refused_handshakes += self.refused_handshakes.get();
        stats.messages_received += self.messages_received.get();
        stats.messages_sent += self.messages_sent.get();
        stats.octets_received += self.octets_received.get();
        stats.octets_sent += self.octets_sent.get();
        stats.refused_messages += self.refused_messages.get();
        stats.buffers += self.buffers.get();
        stats.buffer_octets += self.buffer_octets.get();
        for (sum, counter) in stats.codes.iter_mut().zip(&self.codes) {
            *sum += counter.get();
        }
    }
}

/// The sums over all threads at one moment. Threads go on meanwhile, so the numbers of different fields may
/// belong to slightly different moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections that exist, in whatever state.
    pub open: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Opening handshakes that succeeded.
    pub opened: u64,
    /// Opened connections that have ended.
    pub closed: u64,
    /// Connections that were closed at once because of a limit.
    pub refused_connections: u64,
    /// Requests that were answered with anything but 101.
    pub refused_handshakes: u64,
    /// Whole messages, or chunks where they are asked for, that were received.
    pub messages_received: u64,
    /// Messages and fragments that were sent, each delivery of a publication included.
    pub messages_sent: u64,
    /// Octets received from sockets.
    pub octets_received: u64,
    /// Octets that sockets took.
    pub octets_sent: u64,
    /// Messages that were refused because too much output was waiting.
    pub refused_messages: u64,
    /// Buffers lent from the pools.
    pub buffers: u64,
    /// Octets of those buffers.
    pub buffer_octets: u64,
    codes: [u64; CODES],
}

impl Stats {
    /// How many connections ended with this close code. The codes from 1000 to 1014 are counted one by one,
    /// all others (1015, 3000 to 4999) together.
    pub fn closed_with(&self, code: u16) -> u64 {
        self.codes.get(slot(code)).copied().unwrap_or(0)
    }
}

const fn slot(code: u16) -> usize {
    match code {
        1000..=1014 => code as usize - 1000,
        _ => CODES - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_summed() {
        let threads = [Counters::default(), Counters::default()];
        threads[0].open.add(3);
        threads[1].open.add(4);
        threads[0].count_close(1000);
        threads[1].count_close(1000);
        threads[1].count_close(4000);
        let mut stats = Stats::default();
        threads.iter().for_each(|counters| counters.add_to(&mut stats));
        assert_eq!((stats.open, stats.closed), (7, 3));
        assert_eq!((stats.closed_with(1000), stats.closed_with(4321), stats.closed_with(1001)), (2, 1, 0));
    }
}
