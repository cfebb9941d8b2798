//! Output memory that the caller lends: frames are appended whole or not at all.

use crate::error::SendError;

/// A lent slice that fills from the front. What [`written`](Self::written) gives is to be sent in order.
#[derive(Debug)]
pub struct Output<'o> {
    memory: &'o mut [u8],
    length: usize,
}

impl<'o> Output<'o> {
    /// An empty output over `memory`.
    pub const fn new(memory: &'o mut [u8]) -> Self {
        Self { memory, length: 0 }
    }

    /// An output whose first `length` octets are already to be sent. A `length` past the end counts as the
    /// whole of `memory`.
    pub fn with_written(memory: &'o mut [u8], length: usize) -> Self {
        let length = length.min(memory.len());
        Self { memory, length }
    }

    /// The octets to be sent.
    pub fn written(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or_default()
    }

    /// Octets to be sent.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there is nothing to be sent.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Octets of room.
    #[inline]
    pub const fn room(&self) -> usize {
        self.memory.len().saturating_sub(self.length)
    }

    /// Appends octets as they are, as many as there is room for, and returns how many: payload behind a head
    /// of [`Outbound::head`](crate::Outbound::head), or frames encoded elsewhere.
    pub fn append(&mut self, octets: &[u8]) -> usize {
        let copied = octets.len().min(self.room());
        self.take(copied).map_or(0, |memory| copy(octets, memory))
    }

    /// The room, to be written before it is taken.
    pub(crate) fn spare(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.length..).unwrap_or_default()
    }

    /// Takes `octets` octets of room to be written at once.
    #[inline]
    pub(crate) fn take(&mut self, octets: usize) -> Result<&mut [u8], SendError> {
        let (start, end) = (self.length, self.length.saturating_add(octets));
        let taken = self.memory.get_mut(start..end).ok_or(SendError::NeedsSpace(octets))?;
        self.length = end;
        Ok(taken)
    }
}

/// Copies `from` to the front of `to`, as much as both have, and returns how much: a copy that cannot panic.
#[inline]
pub(crate) fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let length = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..length), to.get_mut(..length)) {
        to.copy_from_slice(from);
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_take_is_whole_or_nothing() {
        let mut memory = [0xEE; 6];
        let mut out = Output::new(&mut memory);
        assert!(out.is_empty());
        out.take(4).unwrap().copy_from_slice(&[1, 2, 3, 4]);
        assert_eq!((out.len(), out.room()), (4, 2));
        // Law 5: NeedsSpace changes nothing
        assert_eq!(out.take(3), Err(SendError::NeedsSpace(3)));
        assert_eq!(out.take(usize::MAX), Err(SendError::NeedsSpace(usize::MAX)));
        assert_eq!(out.written(), [1, 2, 3, 4]);
        assert_eq!(out.take(0).map(|taken| taken.len()), Ok(0));
        out.take(2).unwrap().fill(9);
        assert_eq!((out.written(), out.room()), (&[1, 2, 3, 4, 9, 9][..], 0));
    }

    #[test]
    fn an_output_goes_on_behind_what_was_written() {
        let mut memory = [1, 2, 3, 4];
        let mut out = Output::with_written(&mut memory, 2);
        out.take(1).unwrap().fill(9);
        assert_eq!(out.written(), [1, 2, 9]);
        let full = Output::with_written(&mut memory, 100);
        assert_eq!((full.written(), full.room()), (&[1, 2, 9, 4][..], 0));
    }

    #[test]
    fn an_append_is_as_much_as_there_is_room_for() {
        let mut memory = [0; 5];
        let mut out = Output::new(&mut memory);
        assert_eq!((out.append(b"abc"), out.append(b"def"), out.append(b"g")), (3, 2, 0));
        assert_eq!(out.written(), b"abcde");
        let mut short = [7; 2];
        assert_eq!((copy(b"abc", &mut short), short), (2, *b"ab"));
        assert_eq!((copy(b"c", &mut short), short), (1, *b"cb"));
    }
}
