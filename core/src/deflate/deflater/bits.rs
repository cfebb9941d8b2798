//! Bits on their way to the output, lowest first (RFC 1951 3.1.1).

/// Where a call writes to.
pub(super) struct Out<'c> {
    pub(super) octets: &'c mut [u8],
    /// Octets written to the front.
    pub(super) written: usize,
}

/// Bits that have not been written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits {
    bits: u64,
    count: u32,
}

impl Bits {
    pub(super) const EMPTY: Self = Self { bits: 0, count: 0 };

    /// Writes whole octets; whether there is room for 48 bits more.
    #[inline(always)]
    pub(super) fn drain(&mut self, out: &mut Out<'_>) -> bool {
        if let Some(eight) = out.octets.get_mut(out.written..).and_then(|rest| rest.first_chunk_mut()) {
            // What is written too much is written over by the next call.
            *eight = self.bits.to_le_bytes();
            out.written += (self.count >> 3) as usize;
            // 63 bits at most are ever held, so at most 56 go.
            self.bits >>= self.count & 56;
            self.count &= 7;
            return true;
        }
        self.drain_slowly(out)
    }

    #[cold]
    fn drain_slowly(&mut self, out: &mut Out<'_>) -> bool {
        while self.count >= 8 {
            let Some(room) = out.octets.get_mut(out.written) else { break };
            *room = self.bits as u8;
            out.written += 1;
            self.bits >>= 8;
            self.count -= 8;
        }
        self.count < 16
    }

    /// Appends up to 48 bits, after [`drain`](Self::drain) has found room. Those above `count` are zero.
    #[inline(always)]
    pub(super) fn push(&mut self, bits: u64, count: u32) {
        self.bits |= bits << self.count;
        self.count += count;
    }

    /// Fills the last octet with zeros.
    pub(super) fn align(&mut self) {
        self.count = self.count.next_multiple_of(8);
    }

    /// Whether octets wait that had no room.
    pub(super) fn is_waiting(&self) -> bool {
        self.count >= 8
    }
}
