//! Masking a payload that is sent from where it lies. Knows one frame's key, and how much of it has gone.

use crate::mask;
use crate::output::Output;

/// Masks the payload of one frame whose head was written by [`Outbound::head`](super::Outbound::head), in any pieces, in order.
/// On a server it leaves the octets as they are.
#[must_use = "the payload must go through it"]
pub struct Masker {
    pub(super) key: Option<[u8; 4]>,
    pub(super) offset: u8,
}

impl Masker {
    /// Whether octets must be changed at all. If not, they can be sent from where they lie.
    pub const fn is_needed(&self) -> bool {
        self.key.is_some()
    }

    /// Masks the next octets of the payload in place.
    pub fn mask(&mut self, octets: &mut [u8]) {
        if let Some(key) = self.key {
            mask::mask(key, usize::from(self.offset), octets);
            self.advance(octets.len());
        }
    }

    /// Copies the next octets of the payload to `to`, masked, and returns how many: the length of the shorter.
    pub fn copy(&mut self, from: &[u8], to: &mut [u8]) -> usize {
        let copied = mask::mask_copy(self.key.unwrap_or([0; 4]), usize::from(self.offset), from, to);
        self.advance(copied);
        copied
    }

    /// Appends the next octets of the payload to `out`, masked, as many as there is room for, and returns how
    /// many.
    pub fn append(&mut self, from: &[u8], out: &mut Output<'_>) -> usize {
        let copied = from.len().min(out.room());
        out.take(copied).map_or(0, |to| self.copy(from, to))
    }

    fn advance(&mut self, octets: usize) {
        self.offset = ((usize::from(self.offset) + (octets & 3)) & 3) as u8;
    }
}

impl core::fmt::Debug for Masker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Not the mask key.
        f.debug_struct("Masker").field("is_needed", &self.is_needed()).finish_non_exhaustive()
    }
}
