//! Which end of the connection this is, as a type.
//!
//! A server masks nothing and never asks for a key. A client cannot be built without a source of keys and
//! takes a fresh one for each frame (RFC 6455 5.3, 10.3).

mod sealed {
    pub trait Sealed {}
}

/// The role of this end: [`Server`] or [`Client`].
pub trait Role: sealed::Sealed {
    /// Whether this end is the client, so masks what it sends and refuses masked frames.
    const IS_CLIENT: bool;

    /// A fresh mask key for one frame; `None` for a server. RFC 6455 5.3.
    #[doc(hidden)]
    fn mask_key(&mut self) -> Option<[u8; 4]>;
}

/// Where a client's mask keys come from.
///
/// RFC 6455 10.3 wants keys from a strong source of entropy, fresh for each frame and not to be predicted
/// from earlier ones: a cryptographic generator seeded by the operating system or by hardware. Every
/// `FnMut() -> [u8; 4]` is a key source.
pub trait KeySource {
    /// A fresh, unpredictable key.
    fn mask_key(&mut self) -> [u8; 4];
}

impl<F: FnMut() -> [u8; 4]> KeySource for F {
    fn mask_key(&mut self) -> [u8; 4] {
        self()
    }
}

/// The server's end: frames leave unmasked and must arrive masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Server;

impl sealed::Sealed for Server {}

impl Role for Server {
    const IS_CLIENT: bool = false;

    fn mask_key(&mut self) -> Option<[u8; 4]> {
        None
    }
}

/// The client's end: frames leave masked with keys from `K` and must arrive unmasked.
///
/// It cannot be cloned, even if `K` can: two clients would mask with the same keys (RFC 6455 5.3).
///
/// ```compile_fail,E0277
/// fn assert_clone<T: Clone>(_: T) {}
/// assert_clone(tightwire::Client::new(|| [1, 2, 3, 4]));
/// ```
pub struct Client<K> {
    keys: K,
}

impl<K: KeySource> Client<K> {
    /// A client that masks with keys from `keys`.
    pub const fn new(keys: K) -> Self {
        Self { keys }
    }
}

impl<K> core::fmt::Debug for Client<K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The state of a key source predicts the keys to come, so it is never printed.
        f.write_str("Client")
    }
}

impl<K> sealed::Sealed for Client<K> {}

impl<K: KeySource> Role for Client<K> {
    const IS_CLIENT: bool = true;

    fn mask_key(&mut self) -> Option<[u8; 4]> {
        Some(self.keys.mask_key())
    }
}
