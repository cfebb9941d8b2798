//! Randomness for clients on an operating system.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use std::cell::RefCell;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread_local;
use tightwire::KeySource;

thread_local! {
    static GENERATOR: RefCell<Option<(ChaCha8Rng, u32)>> = const { RefCell::new(None) };
}

/// Keys of a generator that are drawn before it is seeded anew, so that a copy of its state (in a core dump,
/// say) tells little.
const KEYS_PER_SEED: u32 = 1 << 16;

/// Mask keys and nonces from a cryptographic generator (ChaCha8), one for each thread. RFC 6455 10.3.
///
/// Each generator is seeded from one of the process, which the operating system has seeded: who holds a
/// `SystemKeys` holds the proof that it could. All of them are the same.
#[derive(Clone, Copy, Debug)]
pub struct SystemKeys(&'static Mutex<ChaCha8Rng>);

impl SystemKeys {
    /// The keys of this process.
    ///
    /// # Errors
    /// The operating system gives no random octets. Without them there is no key that RFC 6455 10.3 allows, and
    /// so no client.
    pub fn new() -> io::Result<Self> {
        static SEEDS: OnceLock<Mutex<ChaCha8Rng>> = OnceLock::new();
        if let Some(seeds) = SEEDS.get() {
            return Ok(Self(seeds));
        }
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        Ok(Self(SEEDS.get_or_init(|| Mutex::new(ChaCha8Rng::from_seed(seed)))))
    }

    /// A nonce for an opening handshake (RFC 6455 4.1), fresh for each call.
    pub fn nonce(&self) -> [u8; 16] {
        let mut nonce = [0; 16];
        self.draw(|generator| generator.fill_bytes(&mut nonce));
        nonce
    }

    #[inline]
    fn draw<X>(&self, draw: impl FnOnce(&mut ChaCha8Rng) -> X) -> X {
        GENERATOR.with_borrow_mut(|slot| {
            if slot.as_ref().is_none_or(|(_, left)| *left == 0) {
                *slot = None;
            }
            let (generator, left) = slot.get_or_insert_with(|| (self.seeded(), KEYS_PER_SEED));
            *left -= 1;
            draw(generator)
        })
    }

    fn seeded(&self) -> ChaCha8Rng {
        let mut seed = [0; 32];
        // What the operating system adds now is welcome, and not needed.
        let mut fresh = [0; 32];
        let _ = getrandom::fill(&mut fresh);
        // A generator that a panic left locked is whole: drawing from it is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut seed);
        for (octet, fresh) in seed.iter_mut().zip(fresh) {
            *octet ^= fresh;
        }
        ChaCha8Rng::from_seed(seed)
    }
}

impl KeySource for SystemKeys {
    #[inline]
    fn mask_key(&mut self) -> [u8; 4] {
        self.draw(|generator| generator.next_u32().to_ne_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::vec::Vec;

    // RFC 6455 5.3: a fresh key for each frame
    #[test]
    fn keys_and_nonces_do_not_come_twice() {
        let mut keys = SystemKeys::new().unwrap();
        let drawn: HashSet<_> = (0..1000).map(|_| keys.mask_key()).collect();
        assert!(drawn.len() > 990, "{} of 1000", drawn.len());
        let nonces: HashSet<_> = (0..1000).map(|_| keys.nonce()).collect();
        assert_eq!(nonces.len(), 1000);
    }

    #[test]
    fn threads_draw_different_keys() {
        let keys = SystemKeys::new().unwrap();
        let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(move || keys.nonce())).collect();
        let nonces: HashSet<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(nonces.len(), 8);
    }

    #[test]
    fn the_generator_is_seeded_anew() {
        let mut keys = SystemKeys::new().unwrap();
        for _ in 0..=KEYS_PER_SEED {
            keys.mask_key();
        }
        GENERATOR.with_borrow(|slot| {
            assert!(slot.as_ref().is_some_and(|(_, left)| *left > KEYS_PER_SEED - 10));
        });
    }
}
