//! The memory of a connection: what it is made of, and how little of it is enough. Knows nothing of what it holds.

use core::fmt;

/// The least receive storage: the longest control frame, so that one always fits (RFC 6455 5.5). The opening
/// handshake wants room for the whole head of the peer's request or response besides: browsers send some 500 to 1000
/// octets.
pub const RECEIVE_MIN: usize = 131;

/// The least transmit storage: the longest control frame. It is room enough for every answer of a server that adds
/// neither a subprotocol nor headers, too. A client needs room for its request.
pub const TRANSMIT_MIN: usize = 131;

/// The octets of a server's connection besides its transport, its clock and its storage.
pub const OVERHEAD: usize = size_of::<crate::blocking::WebSocket<(), tightwire::Server, Slices<'static>>>()
    - 2 * size_of::<&mut [u8]>();

#[cfg(target_pointer_width = "64")]
const _: () = assert!(OVERHEAD == 120);
#[cfg(target_pointer_width = "32")]
const _: () = assert!(OVERHEAD == 100);

/// Memory for octets: a lent `&mut [u8]`, an array, a `heapless::Vec` (which counts with its length, so fill it first),
/// or the guard of a pool.
pub trait Memory: AsRef<[u8]> + AsMut<[u8]> {}

impl<M: AsRef<[u8]> + AsMut<[u8]>> Memory for M {}

/// The two pieces of memory of one connection, of any two kinds: in practice [`Buffers`].
pub trait Storage {
    /// What arrives lies here, up to the next call.
    type Receive: Memory;
    /// What is to be sent waits here.
    type Transmit: Memory;

    /// Both pieces.
    fn into_parts(self) -> (Self::Receive, Self::Transmit);
}

/// Receive and transmit storage. Neither is ever filled with zeros or grown; what they held before is not looked at.
#[derive(Debug)]
pub struct Buffers<I, O> {
    receive: I,
    transmit: O,
}

/// Storage that is lent.
pub type Slices<'a> = Buffers<&'a mut [u8], &'a mut [u8]>;

/// Storage inside the connection: `I` octets for what arrives, `O` for what leaves.
pub type Inline<const I: usize, const O: usize> = Buffers<[u8; I], [u8; O]>;

impl<I: Memory, O: Memory> Buffers<I, O> {
    /// Storage of any kind.
    ///
    /// Messages up to the length of `receive` come whole, larger ones in chunks. Messages up to the length of
    /// `transmit` less their head (2 to 14 octets) leave in one frame, larger ones in several.
    ///
    /// # Errors
    /// [`TooSmall`] under [`RECEIVE_MIN`] or [`TRANSMIT_MIN`].
    pub fn new(receive: I, transmit: O) -> Result<Self, TooSmall> {
        if receive.as_ref().len() < RECEIVE_MIN {
            return Err(TooSmall::Receive);
        }
        if transmit.as_ref().len() < TRANSMIT_MIN {
            return Err(TooSmall::Transmit);
        }
        Ok(Self { receive, transmit })
    }
}

impl<const I: usize, const O: usize> Inline<I, O> {
    /// Storage inside the connection. Too little of it does not compile.
    ///
    /// ```compile_fail,E0080
    /// let small = tightwire_embedded::Inline::<130, 131>::inline();
    /// ```
    pub const fn inline() -> Self {
        const { assert!(I >= RECEIVE_MIN && O >= TRANSMIT_MIN, "see RECEIVE_MIN and TRANSMIT_MIN") };
        Self { receive: [0; I], transmit: [0; O] }
    }
}

impl<I: Memory, O: Memory> Storage for Buffers<I, O> {
    type Receive = I;
    type Transmit = O;

    fn into_parts(self) -> (I, O) {
        (self.receive, self.transmit)
    }
}

/// Why storage is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TooSmall {
    /// The receive storage is under [`RECEIVE_MIN`], or has no room for octets that have arrived already.
    Receive,
    /// The transmit storage is under [`TRANSMIT_MIN`].
    Transmit,
}

impl fmt::Display for TooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receive => "the receive storage is too small",
            Self::Transmit => "the transmit storage is too small",
        })
    }
}

impl core::error::Error for TooSmall {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_is_refused_when_it_is_given() {
        let (mut receive, mut transmit) = ([0; RECEIVE_MIN], [0; TRANSMIT_MIN]);
        assert!(Slices::new(&mut receive, &mut transmit).is_ok());
        assert_eq!(Slices::new(&mut receive[1..], &mut transmit).err(), Some(TooSmall::Receive));
        assert_eq!(Slices::new(&mut receive, &mut transmit[1..]).err(), Some(TooSmall::Transmit));
        let Buffers { receive, transmit } = Inline::<200, 131>::inline();
        assert_eq!((receive.len(), transmit.len()), (200, 131));
    }

    #[test]
    fn a_heapless_vector_counts_with_its_length() {
        let mut receive = heapless::Vec::<u8, 256>::new();
        assert_eq!(Buffers::new(receive.clone(), [0; 131]).err(), Some(TooSmall::Receive));
        receive.resize_default(131).unwrap();
        assert!(Buffers::new(receive, [0; 131]).is_ok());
    }
}
