//! What has been agreed for each direction: a window size, and whether the window outlives a message.

use crate::role::Role;
use core::num::NonZeroU8;

/// The size of a sliding window as RFC 7692 7.1.2 writes it: a power of two from 2^8 to 2^15 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 2^8 octets, the smallest window.
    pub const MIN: Self = Self(8);

    /// 2^15 octets, the largest window, and what holds when nothing is agreed.
    pub const MAX: Self = Self(15);

    /// The window of 2^`bits` octets; `None` when `bits` is not 8 to 15.
    pub const fn new(bits: u8) -> Option<Self> {
        match bits {
            8..=15 => Some(Self(bits)),
            _ => None,
        }
    }

    /// The exponent, 8 to 15.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The window's size in octets, 256 to 32,768.
    pub const fn octets(self) -> usize {
        1 << self.0
    }
}

/// What holds for the compressed messages of one direction. One octet.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Terms(NonZeroU8);

/// Set beside the window bits when the window outlives a message.
const TAKEOVER: u8 = 0x80;

impl Terms {
    /// Terms with this window, which later messages may refer to when `takeover` is set.
    pub const fn new(window: WindowBits, takeover: bool) -> Self {
        let octet = window.0 | if takeover { TAKEOVER } else { 0 };
        // The window bits are never zero, so neither is the octet.
        match NonZeroU8::new(octet) {
            Some(octet) => Self(octet),
            None => Self(NonZeroU8::MAX),
        }
    }

    /// The farthest that a match may refer back.
    pub const fn window(self) -> WindowBits {
        WindowBits(self.0.get() & !TAKEOVER)
    }

    /// Whether a message may refer to the messages before it (RFC 7692 7.1.1).
    pub const fn takeover(self) -> bool {
        self.0.get() & TAKEOVER != 0
    }

    /// Whether messages on these terms keep to the `agreed` ones as well.
    pub const fn fits(self, agreed: Self) -> bool {
        self.window().0 <= agreed.window().0 && (agreed.takeover() || !self.takeover())
    }
}

impl core::fmt::Debug for Terms {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Terms")
            .field("window", &self.window().bits())
            .field("takeover", &self.takeover())
            .finish()
    }
}

/// An agreed permessage-deflate. Two octets, and `Option<Agreement>` is two octets as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Agreement {
    /// What holds for the messages that the server sends.
    pub server: Terms,
    /// What holds for the messages that the client sends.
    pub client: Terms,
}

impl Agreement {
    /// The terms of what the end with this role sends.
    pub const fn sent_by<R: Role>(self) -> Terms {
        if R::IS_CLIENT { self.client } else { self.server }
    }

    /// The terms of what the end with this role receives.
    pub const fn received_by<R: Role>(self) -> Terms {
        if R::IS_CLIENT { self.server } else { self.client }
    }
}

const _: () = assert!(size_of::<Option<Agreement>>() == 2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::{Client, Server};

    #[test]
    fn terms_keep_what_they_were_given() {
        for bits in 0..=255 {
            let Some(window) = WindowBits::new(bits) else {
                assert!(!(8..=15).contains(&bits));
                continue;
            };
            for takeover in [false, true] {
                let terms = Terms::new(window, takeover);
                assert_eq!((terms.window().bits(), terms.takeover()), (bits, takeover));
            }
            assert_eq!(window.octets(), 2usize.pow(bits.into()));
        }
    }

    #[test]
    fn each_role_sends_its_own_terms() {
        type AnyClient = Client<fn() -> [u8; 4]>;
        let agreement = Agreement {
            server: Terms::new(WindowBits::MIN, false),
            client: Terms::new(WindowBits::MAX, true),
        };
        assert_eq!(agreement.sent_by::<Server>(), agreement.server);
        assert_eq!(agreement.received_by::<Server>(), agreement.client);
        assert_eq!(agreement.sent_by::<AnyClient>(), agreement.client);
        assert_eq!(agreement.received_by::<AnyClient>(), agreement.server);
    }
}
