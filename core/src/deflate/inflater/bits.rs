//! The next bits of the input, lowest first (RFC 1951 3.1.1).

/// Up to 63 bits that have been taken off the input and not been used.
#[derive(Clone, Copy)]
pub(super) struct Bits {
    /// The bits; those above `count` are zero.
    pub(super) bits: u64,
    pub(super) count: u32,
}

impl Bits {
    pub(super) const EMPTY: Self = Self { bits: 0, count: 0 };

    /// Takes as many octets off the input as fit: at least 56 bits are there unless the input ends.
    #[inline(always)]
    pub(super) fn refill(&mut self, input: &[u8], taken: &mut usize) {
        let rest = input.get(*taken..).unwrap_or_default();
        if let Some(eight) = rest.first_chunk() {
            *taken += self.refill_from(eight);
            self.trim();
            return;
        }
        for &octet in rest {
            if self.count > 55 {
                return;
            }
            self.bits |= u64::from(octet) << self.count;
            self.count += 8;
            *taken += 1;
        }
    }

    /// Takes 56 to 63 bits of these octets and says how many octets were used.
    ///
    /// Leaves octets that do not count above the bits that do, where the next call finds the same octets:
    /// [`trim`](Self::trim) them before anything else.
    #[inline(always)]
    pub(super) fn refill_from(&mut self, eight: &[u8; 8]) -> usize {
        self.bits |= u64::from_le_bytes(*eight) << self.count;
        let octets = (63 - self.count) >> 3;
        self.count |= 56;
        octets as usize
    }

    #[inline(always)]
    pub(super) fn trim(&mut self) {
        self.bits &= (1 << self.count) - 1;
    }

    #[inline(always)]
    pub(super) fn skip(&mut self, bits: u32) {
        self.bits >>= bits;
        self.count -= bits;
    }

    /// The next bits as a number, if there are so many. 32 at most.
    pub(super) fn take(&mut self, bits: u32) -> Option<u32> {
        if self.count < bits {
            return None;
        }
        let number = self.bits & ((1 << bits) - 1);
        self.skip(bits);
        Some(number as u32)
    }

    /// Drops what is left of the octet that the last bit came from.
    pub(super) fn align(&mut self) {
        self.skip(self.count % 8);
    }
}
