//! Octets on their way out: whole frames go in behind, any number of octets leaves in front. Knows no protocol.

use tightwire::Output;

/// A transmit storage and what of it waits to be sent.
///
/// It is settled by its own state alone: whoever stops between two calls loses and repeats nothing.
#[derive(Debug)]
pub(crate) struct Outbox<O> {
    memory: O,
    start: usize,
    end: usize,
    /// The transport has been given octets since it was last flushed.
    unflushed: bool,
}

impl<O: AsRef<[u8]> + AsMut<[u8]>> Outbox<O> {
    pub(crate) const fn new(memory: O) -> Self {
        Self { memory, start: 0, end: 0, unflushed: false }
    }

    /// Lets `write` append to what waits.
    pub(crate) fn write<X>(&mut self, write: impl FnOnce(&mut Output<'_>) -> X) -> X {
        let mut out = Output::with_written(self.memory.as_mut(), self.end);
        let written = write(&mut out);
        self.end = out.len();
        written
    }

    /// All of the memory, if nothing waits, to write octets at the front of it: say how many to
    /// [`filled`](Self::filled).
    pub(crate) fn memory(&mut self) -> &mut [u8] {
        if self.is_empty() { self.memory.as_mut() } else { &mut [] }
    }

    pub(crate) fn filled(&mut self, octets: usize) {
        (self.start, self.end) = (0, octets.min(self.capacity()));
    }

    /// What waits to be sent.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.memory.as_ref().get(self.start..self.end).unwrap_or_default()
    }

    /// Takes off the front what the transport took.
    pub(crate) fn sent(&mut self, octets: usize) {
        self.start = self.start.saturating_add(octets).min(self.end);
        self.unflushed = true;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    pub(crate) fn flushed(&mut self) {
        self.unflushed = false;
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) const fn is_flushed(&self) -> bool {
        !self.unflushed
    }

    pub(crate) fn capacity(&self) -> usize {
        self.memory.as_ref().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_leaves_room_once_all_of_it_was() {
        let mut outbox = Outbox::new([0; 4]);
        assert_eq!(outbox.write(|out| out.append(b"abc")), 3);
        assert_eq!((outbox.unsent(), outbox.is_flushed()), (&b"abc"[..], true));
        outbox.sent(1);
        assert_eq!((outbox.unsent(), outbox.is_flushed()), (&b"bc"[..], false));
        assert_eq!(outbox.write(|out| out.append(b"de")), 1);
        assert_eq!(outbox.unsent(), b"bcd");
        outbox.sent(2);
        assert!(outbox.memory().is_empty());
        // A transport that claims more than it was given
        outbox.sent(9);
        outbox.flushed();
        assert!(outbox.is_empty() && outbox.is_flushed());
        assert_eq!(outbox.write(|out| out.append(b"efghi")), 4);
    }
}
