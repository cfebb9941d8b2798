//! The protocol machine of either role, and where the mask keys of the clients of a thread come from.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use tightwire::{
    CloseFrame, Connection, Inbound, KeySource, Kind, Limits, Masker, Message, Outbound, Output, SendError,
    Server, Step, Violation,
};

/// The machine of one connection, as the server or as the client of it.
pub(crate) enum Peer {
    Server(Connection<Server>),
    Client(Connection<tightwire::Client<Keys>>),
}

/// Calls the same method of either machine.
macro_rules! either {
    ($peer:expr, $machine:ident => $call:expr) => {
        match $peer {
            Peer::Server($machine) => $call,
            Peer::Client($machine) => $call,
        }
    };
}

#[cfg(feature = "deflate")]
pub(crate) use either;

impl Peer {
    // The time goes into handing the result over in memory, so there is none to hand over.
    #[inline(always)]
    pub(crate) fn decode<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        out: &mut Output<'_>,
        limits: &Limits,
    ) -> Result<Step<'i>, Violation> {
        either!(self, machine => machine.decode(input, out, limits))
    }

    #[inline]
    pub(crate) fn encode(&mut self, message: Message<'_>, out: &mut Output<'_>) -> Result<(), SendError> {
        either!(self, machine => machine.encode(message, out))
    }

    pub(crate) fn fragment(
        &mut self,
        kind: Kind,
        payload: &[u8],
        fin: bool,
        out: &mut Output<'_>,
    ) -> Result<(), SendError> {
        either!(self, machine => machine.fragment(kind, payload, fin, out))
    }

    pub(crate) fn head(
        &mut self,
        kind: Kind,
        length: u64,
        fin: bool,
        out: &mut Output<'_>,
    ) -> Result<Masker, SendError> {
        either!(self, machine => machine.head(kind, length, fin, out))
    }

    pub(crate) fn ping(&mut self, payload: &[u8], out: &mut Output<'_>) -> Result<(), SendError> {
        either!(self, machine => machine.ping(payload, out))
    }

    pub(crate) fn pong(&mut self, payload: &[u8], out: &mut Output<'_>) -> Result<(), SendError> {
        either!(self, machine => machine.pong(payload, out))
    }

    pub(crate) fn close(
        &mut self,
        frame: Option<CloseFrame<'_>>,
        out: &mut Output<'_>,
    ) -> Result<(), SendError> {
        either!(self, machine => machine.close(frame, out))
    }

    /// Whether a new message may begin.
    #[inline]
    pub(crate) fn may_begin(&self) -> Result<(), SendError> {
        either!(self, machine => machine.outbound().may_begin())
    }

    /// Whether a Close frame has been written.
    pub(crate) fn close_sent(&self) -> bool {
        either!(self, machine => Outbound::is_closed(machine.outbound()))
    }

    /// Payload octets of the frame that has begun and not ended.
    #[inline]
    pub(crate) fn frame_left(&self) -> u64 {
        either!(self, machine => machine.inbound().frame_left())
    }

    /// Whether a message has begun and not ended.
    #[inline]
    pub(crate) fn is_in_message(&self) -> bool {
        either!(self, machine => Inbound::open_message(machine.inbound()).is_some())
    }

    /// Whether the peer has said that it sends nothing more.
    pub(crate) fn close_received(&self) -> bool {
        either!(self, machine => machine.inbound().is_closed())
    }
}

thread_local! {
    static KEYS: RefCell<Option<ChaCha8Rng>> = const { RefCell::new(None) };
}

/// The mask keys of all clients of one thread: a cryptographic generator seeded by the operating system
/// (RFC 6455 10.3). It takes no room in a connection, and stays on its thread.
#[derive(Clone, Copy)]
pub(crate) struct Keys(PhantomData<*const ()>);

impl Keys {
    /// The keys of this thread.
    pub(crate) fn new() -> io::Result<Self> {
        KEYS.with_borrow_mut(|keys| {
            if keys.is_none() {
                let mut seed = [0; 32];
                getrandom::fill(&mut seed).map_err(io::Error::other)?;
                *keys = Some(ChaCha8Rng::from_seed(seed));
            }
            Ok(Self(PhantomData))
        })
    }

    /// Sixteen octets for the key of an opening handshake (RFC 6455 4.1).
    pub(crate) fn nonce(self) -> [u8; 16] {
        let mut nonce = [0; 16];
        self.with(|keys| keys.fill_bytes(&mut nonce));
        nonce
    }

    fn with(self, draw: impl FnOnce(&mut ChaCha8Rng)) {
        // `new` has seeded the generator of this thread, and a value cannot leave it.
        KEYS.with_borrow_mut(|keys| keys.as_mut().map(draw));
    }
}

impl KeySource for Keys {
    fn mask_key(&mut self) -> [u8; 4] {
        let mut key = [0; 4];
        self.with(|keys| keys.fill_bytes(&mut key));
        key
    }
}
