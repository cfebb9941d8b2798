//! A compressed message on its way to being a message again (RFC 7692 6.2).
//!
//! It decides what the inflated octets may be: within the limits, and UTF-8 if they are text. It knows nothing
//! of frames, of a codec or of where the octets go: each call is lent both.

use super::codec::{Decompress, Status};
use crate::error::Violation;
use crate::limits::Limits;
use crate::message::{Kind, Message, Text};
use crate::utf8::Validator;

/// What is received counts in steps of this many octets when [`Limits::ratio`] is judged.
const STEP: u64 = 1024;

/// Inflates one compressed message, chunk by chunk. 32 octets, needed only while the message is arriving.
///
/// How the chunks are cut and how much output is lent makes no difference to what comes out, nor to where a
/// fault is found.
#[derive(Clone, Debug)]
pub struct Inflating {
    /// Octets given.
    produced: u64,
    /// Octets taken from the chunks.
    consumed: u64,
    /// As many octets of the chunks count as received.
    counted: u64,
    text: Validator,
    kind: Kind,
    /// Whether something of the message has been given.
    begun: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// All that was taken has been given.
    Drained,
    /// The codec may have more to give.
    Full,
    Ended,
    /// Failure sticks.
    Failed(Violation),
}

/// What a call of [`Inflating::inflate`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Inflated {
    /// Octets written to the front of the output. Text in them may end inside a code point.
    pub octets: usize,
    /// Whether the message begins with them: nothing of it was given before.
    pub first: bool,
    /// Whether the message ends with them: the status is [`Status::End`].
    pub last: bool,
    /// What the next call needs: the next chunk, or more output for the rest of this one.
    pub status: Status,
}

impl Inflating {
    /// The beginning of a message, made for its first chunk.
    pub const fn new(kind: Kind) -> Self {
        Self {
            produced: 0,
            consumed: 0,
            counted: 0,
            text: Validator::new(),
            kind,
            begun: false,
            state: State::Drained,
        }
    }

    /// Text or binary.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Octets that have been given.
    pub const fn len(&self) -> u64 {
        self.produced
    }

    /// Whether none have been given.
    pub const fn is_empty(&self) -> bool {
        self.produced == 0
    }

    /// Inflates what `input` holds of a chunk's payload into `output`, and takes it off the front of `input`.
    ///
    /// `last` is that of the chunk. Call again with what is left of the chunk, be it nothing, until the status is
    /// [`Status::NeedInput`] or, on the last chunk, [`Status::End`]; in between only the output changes. The codec
    /// must be the same for the whole message.
    ///
    /// # Errors
    /// [`Violation::InvalidCompression`], [`Violation::InvalidUtf8`], [`Violation::MessageTooLarge`] or
    /// [`Violation::RatioTooLarge`]. The good octets in front of the fault have been given by earlier calls;
    /// every later call gives the same violation. The connection does not know yet: hand the violation to
    /// [`Inbound::fail`](crate::Inbound::fail), after which decoding once more writes the Close frame. A codec
    /// from a pool must be reset.
    pub fn inflate<D: Decompress + ?Sized>(
        &mut self,
        input: &mut &[u8],
        last: bool,
        output: &mut [u8],
        codec: &mut D,
        limits: &Limits,
    ) -> Result<Inflated, Violation> {
        let mut octets = 0;
        let ended = match self.state {
            State::Failed(violation) => return Err(violation),
            State::Ended => Ok(Status::End),
            _ => self.run(input, last, output, &mut octets, codec, limits),
        };
        let status = match ended {
            Ok(status) => status,
            Err(violation) => {
                self.state = State::Failed(violation);
                if octets == 0 {
                    return Err(violation);
                }
                // The good octets first, then the fault.
                Status::NeedOutput
            }
        };
        let last = status == Status::End;
        let first = !self.begun;
        self.begun |= octets > 0 || last;
        Ok(Inflated { octets, first, last, status })
    }

    fn run<D: Decompress + ?Sized>(
        &mut self,
        input: &mut &[u8],
        last: bool,
        output: &mut [u8],
        octets: &mut usize,
        codec: &mut D,
        limits: &Limits,
    ) -> Result<Status, Violation> {
        loop {
            let (stretch, rest) = self.stretch(input, limits);
            let (allowed, fault) = self.allowed(limits);
            let left = usize::try_from(allowed.saturating_sub(self.produced)).unwrap_or(usize::MAX);
            let room = output.get_mut(*octets..).unwrap_or_default();
            let room_len = room.len().min(left);
            let room = room.get_mut(..room_len).unwrap_or_default();
            let coded = codec.decompress(stretch, room, last && rest.is_empty())?;
            let given = room.get(..coded.produced).unwrap_or_default();
            *input = input.get(coded.consumed..).unwrap_or_default();
            self.consumed = self.consumed.saturating_add(coded.consumed as u64);
            // RFC 6455 8.1, RFC 7692 6.2: text is judged as it appears
            if self.kind == Kind::Text
                && let Err(invalid) = self.text.feed(given)
            {
                *octets += invalid.valid_up_to;
                self.produced += invalid.valid_up_to as u64;
                return Err(Violation::InvalidUtf8);
            }
            *octets += given.len();
            self.produced += given.len() as u64;
            match coded.status {
                Status::End if self.kind == Kind::Text && !self.text.is_complete() => {
                    return Err(Violation::InvalidUtf8);
                }
                Status::End => {
                    self.state = State::Ended;
                    return Ok(Status::End);
                }
                Status::NeedInput => {
                    self.state = State::Drained;
                    if rest.is_empty() {
                        return Ok(Status::NeedInput);
                    }
                }
                Status::NeedOutput => {
                    self.state = State::Full;
                    // An octet that has no room is one too many if a limit leaves none. To know that there is
                    // one, and not a fault or the end, the codec is asked with no room at all.
                    if room_len == 0 && left == 0 {
                        return Err(fault);
                    }
                    let is_full = *octets == output.len() && left > room_len;
                    if is_full || coded.produced == 0 {
                        return Ok(Status::NeedOutput);
                    }
                }
            }
        }
    }

    /// As much of the input as may be taken before the limits are looked at again, and the rest of it.
    fn stretch<'i>(&mut self, input: &'i [u8], limits: &Limits) -> (&'i [u8], &'i [u8]) {
        if limits.ratio == u32::MAX {
            return (input, &[]);
        }
        // What the codec still holds was received before.
        if self.state == State::Drained && self.consumed == self.counted && !input.is_empty() {
            self.counted = self.counted.saturating_add(STEP);
        }
        let here = usize::try_from(self.counted.saturating_sub(self.consumed)).unwrap_or(usize::MAX);
        input.split_at_checked(here).unwrap_or((input, &[]))
    }

    /// Octets that the message may have so far, and what it is to have more.
    fn allowed(&self, limits: &Limits) -> (u64, Violation) {
        if limits.ratio < u32::MAX {
            let by_ratio = self.counted.saturating_mul(u64::from(limits.ratio));
            if by_ratio < limits.message {
                return (by_ratio, Violation::RatioTooLarge);
            }
        }
        (limits.message, Violation::MessageTooLarge)
    }
}

const _: () = assert!(size_of::<Inflating>() <= 32);

/// A compressed message that is collected, inflated, in storage of the caller's.
///
/// It alone writes to the storage, so a text that has come to its end is lent as [`Text`] and need not be
/// validated again. Order of calls: [`inflate`](Self::inflate) for each chunk; where that gives
/// [`Status::NeedOutput`], [`replace`](Self::replace) the storage by a larger one; [`message`](Self::message)
/// once it has given [`Status::End`].
#[derive(Debug)]
pub struct Collector<S> {
    storage: S,
    length: usize,
    is_part: bool,
    inflating: Inflating,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Collector<S> {
    /// The beginning of a message, which goes to the front of `storage`. That may be empty.
    pub const fn new(kind: Kind, storage: S) -> Self {
        Self { storage, length: 0, is_part: false, inflating: Inflating::new(kind) }
    }

    /// Inflates what `input` holds of a chunk's payload behind what is there: see [`Inflating::inflate`].
    ///
    /// [`Status::NeedOutput`] says that the storage is full. Its size follows the octets that are there: nothing
    /// is to be believed about how many will come.
    ///
    /// # Errors
    /// As [`Inflating::inflate`].
    pub fn inflate<D: Decompress + ?Sized>(
        &mut self,
        input: &mut &[u8],
        last: bool,
        codec: &mut D,
        limits: &Limits,
    ) -> Result<Status, Violation> {
        loop {
            let room = self.storage.as_mut().get_mut(self.length..).unwrap_or_default();
            let size = room.len();
            let inflated = self.inflating.inflate(input, last, room, codec, limits)?;
            self.length += inflated.octets;
            // With room left there is a fault behind: nobody needs a larger storage for that.
            let is_fault = inflated.octets > 0 && inflated.octets < size;
            if inflated.status != Status::NeedOutput || !is_fault {
                return Ok(inflated.status);
            }
        }
    }

    /// Begins another message in the same storage. The last one, whole or not, is gone then.
    pub const fn restart(&mut self, kind: Kind) {
        self.length = 0;
        self.is_part = false;
        self.inflating = Inflating::new(kind);
    }

    /// Text or binary.
    pub const fn kind(&self) -> Kind {
        self.inflating.kind
    }

    /// Forgets the octets collected so far, because the caller has taken them as a part of the message: the storage
    /// is there for the next part. From then on [`octets`](Self::octets) lends parts, and no whole message comes.
    pub const fn clear(&mut self) {
        self.is_part |= self.length > 0;
        self.length = 0;
    }

    /// Whether some of the message was taken by [`clear`](Self::clear).
    pub const fn is_part(&self) -> bool {
        self.is_part
    }

    /// The message; `None` before its end, or if a part of it was taken.
    pub fn message(&self) -> Option<Message<'_>> {
        if self.inflating.state != State::Ended || self.is_part {
            return None;
        }
        let octets = self.octets();
        Some(match self.inflating.kind {
            Kind::Text => Message::Text(Text::validated(octets)),
            Kind::Binary => Message::Binary(octets),
        })
    }

    /// The octets collected so far.
    pub fn octets(&self) -> &[u8] {
        self.storage.as_ref().get(..self.length).unwrap_or_default()
    }

    /// Octets collected so far.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether none have been collected.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The storage.
    pub const fn storage(&self) -> &S {
        &self.storage
    }

    /// Copies what was collected to the front of `storage` and returns the old storage.
    ///
    /// # Errors
    /// Gives `storage` back, and changes nothing, if it has no room for [`len`](Self::len) octets.
    pub fn replace(&mut self, mut storage: S) -> Result<S, S> {
        match storage.as_mut().get_mut(..self.length) {
            Some(front) => crate::output::copy(self.octets(), front),
            None => return Err(storage),
        };
        Ok(core::mem::replace(&mut self.storage, storage))
    }

    /// Gives the storage back, with the octets collected at its front.
    pub fn into_storage(self) -> S {
        self.storage
    }
}
