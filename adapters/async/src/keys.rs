//! Randomness for clients on an operating system.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use std::cell::RefCell;
use std::thread_local;
use tightwire::KeySource;

thread_local! {
    static GENERATOR: RefCell<Option<(ChaCha8Rng, u32)>> = const { RefCell::new(None) };
}

/// Keys of a generator that are drawn before it is seeded anew, so that a copy of its state (in a core dump,
/// say) tells little.
const KEYS_PER_SEED: u32 = 1 << 16;

/// Mask keys and nonces from a cryptographic generator (ChaCha8), one for each thread, seeded by the
/// operating system. It holds nothing, so a connection is no larger for it. RFC 6455 10.3.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemKeys;

impl SystemKeys {
    /// A nonce for an opening handshake (RFC 6455 4.1), fresh for each call.
    pub fn nonce() -> [u8; 16] {
        let mut nonce = [0; 16];
        draw(|generator| generator.fill_bytes(&mut nonce));
        nonce
    }
}

impl KeySource for SystemKeys {
    #[inline]
    fn mask_key(&mut self) -> [u8; 4] {
        draw(|generator| generator.next_u32().to_ne_bytes())
    }
}

#[inline]
fn draw<X>(draw: impl FnOnce(&mut ChaCha8Rng) -> X) -> X {
    GENERATOR.with_borrow_mut(|slot| {
        if slot.as_ref().is_none_or(|(_, left)| *left == 0) {
            *slot = None;
        }
        let (generator, left) = slot.get_or_insert_with(|| (seeded(), KEYS_PER_SEED));
        *left -= 1;
        draw(generator)
    })
}

fn seeded() -> ChaCha8Rng {
    let mut seed = [0; 32];
    // Without randomness no key can be had that RFC 6455 10.3 allows, and no connection either.
    if let Err(error) = getrandom::fill(&mut seed) {
        panic!("the operating system gives no random octets: {error}");
    }
    ChaCha8Rng::from_seed(seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    // RFC 6455 5.3: a fresh key for each frame
    #[test]
    fn keys_and_nonces_do_not_come_twice() {
        let keys: HashSet<_> = (0..1000).map(|_| SystemKeys.mask_key()).collect();
        assert!(keys.len() > 990, "{} of 1000", keys.len());
        let nonces: HashSet<_> = (0..1000).map(|_| SystemKeys::nonce()).collect();
        assert_eq!(nonces.len(), 1000);
    }

    #[test]
    fn the_generator_is_seeded_anew() {
        for _ in 0..=KEYS_PER_SEED {
            SystemKeys.mask_key();
        }
        GENERATOR.with_borrow(|slot| {
            assert!(slot.as_ref().is_some_and(|(_, left)| *left > KEYS_PER_SEED - 10));
        });
    }
}
