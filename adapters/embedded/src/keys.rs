//! Mask keys from a generator of rand_core.

use rand_core::CryptoRng;
use tightwire::KeySource;

/// A cryptographic generator as a source of mask keys and nonces (RFC 6455 10.3): a ChaCha seeded by hardware, or the
/// hardware's own generator. `&mut` of a generator is one, too.
///
/// Other generators are used by a closure: `move || hardware.random_u32().to_ne_bytes()`.
#[derive(Clone)]
pub struct RngKeys<G>(pub G);

impl<G: CryptoRng> KeySource for RngKeys<G> {
    fn mask_key(&mut self) -> [u8; 4] {
        self.0.next_u32().to_ne_bytes()
    }
}

impl<G> core::fmt::Debug for RngKeys<G> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The state of a generator predicts the keys to come, so it is never printed.
        f.write_str("RngKeys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha8Rng;
    use chacha20::rand_core::SeedableRng;
    use std::format;

    // RFC 6455 5.3: a fresh key for each frame
    #[test]
    fn keys_are_what_the_generator_gives() {
        let mut keys = RngKeys(ChaCha8Rng::from_seed([7; 32]));
        let mut lent = ChaCha8Rng::from_seed([7; 32]);
        let first = keys.mask_key();
        assert_eq!(RngKeys(&mut lent).mask_key(), first);
        assert_eq!(RngKeys(&mut lent).mask_key(), keys.mask_key());
        assert_ne!(keys.mask_key(), first);
        assert_eq!(format!("{keys:?}"), "RngKeys");
    }
}
