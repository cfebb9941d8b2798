//! Whole messages in storage of the caller's: a slice, an array, a `Vec`, a pool's guard.
//!
//! It decides where octets lie, nothing about the protocol. The payload of a message that came in one frame
//! is never moved; the fragments of a message are moved together, each octet at most once.

use crate::close::{self, CloseFrame};
use crate::error::Violation;
use crate::event::{Event, Step};
use crate::message::{Kind, Message, Text};

/// What an [`Inbox`] drives: [`Connection::decoder`](crate::Connection::decoder) with replies,
/// [`Inbound::decoder`](crate::Inbound::decoder) without.
pub trait Decode {
    /// Takes the next event off the front of `input`.
    ///
    /// # Errors
    /// The [`Violation`] that failed the connection.
    fn decode<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Step<'i>, Violation>;
}

/// What polling an [`Inbox`] came to. It borrows nothing: ask the inbox for the octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A whole message: [`Inbox::message`] lends it until the next call that needs `&mut`.
    Message,
    /// Part of a message (from [`Inbox::poll_chunk`] only): [`Inbox::chunk`] lends it.
    Chunk {
        /// Text or binary.
        kind: Kind,
        /// Whether the message begins here.
        first: bool,
        /// Whether the message ends here.
        last: bool,
    },
    /// A Ping: [`Inbox::control`] lends its payload.
    Ping,
    /// A Pong: [`Inbox::control`] lends its payload.
    Pong,
    /// The peer's Close frame: [`Inbox::close_frame`] lends it.
    Close,
    /// Everything is decoded: put more octets into [`Inbox::space`].
    NeedInput,
    /// A reply needs this many octets of room: send what the output holds and poll again.
    NeedOutput(usize),
}

/// Received octets on their way to being messages.
///
/// Order of calls: put octets into [`space`](Self::space) and [`commit`](Self::commit) them, then
/// [`poll`](Self::poll) until it gives [`Progress::NeedInput`]. If the space is empty, the message in it is
/// larger than the storage: [`replace`](Self::replace) the storage by a larger one, or take the message in
/// chunks with [`poll_chunk`](Self::poll_chunk), for which 131 octets of storage are enough. A message whose
/// beginning was taken in chunks is to be taken in chunks to its end.
///
/// ```text
/// storage: | done | message so far | heads, done | octets not decoded | space |
///                 start           end          unread              filled
/// ```
#[derive(Debug, Default)]
pub struct Inbox<S> {
    storage: S,
    start: u32,
    end: u32,
    unread: u32,
    filled: u32,
    /// The payload of the last control frame: the octets right in front of `unread`.
    control: u8,
    state: State,
}

/// What `start..end` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing, or something that was delivered.
    #[default]
    Done,
    /// The beginning of a message: kind, and whether an earlier part of it went out as a chunk.
    Partial(Kind, bool),
    /// A whole message, or a chunk, that the caller may look at.
    Delivered(Kind),
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Inbox<S> {
    /// An empty inbox over `storage`, of which it uses at most 4 GiB. 131 octets is the least that is of use.
    pub const fn new(storage: S) -> Self {
        Self { storage, start: 0, end: 0, unread: 0, filled: 0, control: 0, state: State::Done }
    }

    /// Room for octets from the transport, behind those that are there. Empty only if a message, with what
    /// follows it, fills the storage.
    pub fn space(&mut self) -> &mut [u8] {
        self.compact();
        let filled = self.filled as usize;
        let storage = self.storage.as_mut();
        let end = storage.len().min(u32::MAX as usize);
        storage.get_mut(filled..end).unwrap_or_default()
    }

    /// Takes over `octets` octets that were put at the front of [`space`](Self::space). More than its length
    /// counts as its length.
    pub fn commit(&mut self, octets: usize) {
        let room = self.capacity() - self.filled as usize;
        self.filled += octets.min(room) as u32;
    }

    /// Copies octets into the space and returns how many fitted.
    pub fn extend(&mut self, octets: &[u8]) -> usize {
        let space = self.space();
        let taken = octets.len().min(space.len());
        if let (Some(space), Some(octets)) = (space.get_mut(..taken), octets.get(..taken)) {
            space.copy_from_slice(octets);
        }
        self.commit(taken);
        taken
    }

    /// Decodes up to the next whole message, control frame or need.
    ///
    /// # Errors
    /// The [`Violation`] that failed the connection. What was delivered before stays good.
    #[inline]
    pub fn poll(&mut self, decoder: &mut impl Decode) -> Result<Progress, Violation> {
        self.advance(decoder, false)
    }

    /// Decodes up to the next chunk of a message, control frame or need. What [`poll`](Self::poll) has
    /// collected of an unfinished message comes out as its first chunk.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn poll_chunk(&mut self, decoder: &mut impl Decode) -> Result<Progress, Violation> {
        if let State::Partial(kind, begun) = self.state
            && self.end > self.start
        {
            self.state = State::Delivered(kind);
            return Ok(Progress::Chunk { kind, first: !begun, last: false });
        }
        self.advance(decoder, true)
    }

    /// The message that the last poll completed.
    #[inline]
    pub fn message(&self) -> Option<Message<'_>> {
        let State::Delivered(kind) = self.state else { return None };
        let octets = self.octets(self.start, self.end);
        Some(match kind {
            Kind::Text => Message::Text(Text::validated(octets)),
            Kind::Binary => Message::Binary(octets),
        })
    }

    /// The chunk that the last [`poll_chunk`](Self::poll_chunk) gave.
    pub fn chunk(&self) -> &[u8] {
        self.octets(self.start, self.end)
    }

    /// The payload of the Ping, Pong or Close that the last poll gave.
    pub fn control(&self) -> &[u8] {
        self.octets(self.unread - u32::from(self.control), self.unread)
    }

    /// The Close frame that the last poll gave; `None` if it carried no code.
    pub fn close_frame(&self) -> Option<CloseFrame<'_>> {
        close::parse(self.control()).unwrap_or_default()
    }

    /// Octets held: an unfinished message and octets that are not decoded. At 0 the storage can be taken
    /// away by [`replace`](Self::replace) and given back for the next octets.
    pub fn len(&self) -> usize {
        let message = if matches!(self.state, State::Partial(..)) { self.end - self.start } else { 0 };
        (message + self.filled - self.unread) as usize
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The octets that are not decoded yet.
    pub fn unread(&self) -> &[u8] {
        self.octets(self.unread, self.filled)
    }

    /// Takes `octets` octets that are not decoded off the front, such as the head of a handshake. More than
    /// there are counts as all of them.
    pub fn skip(&mut self, octets: usize) {
        let octets = octets.min((self.filled - self.unread) as usize);
        self.unread += octets as u32;
        self.settle();
    }

    /// The storage.
    pub const fn storage(&self) -> &S {
        &self.storage
    }

    /// Gives the storage back and forgets what is held.
    pub fn into_storage(self) -> S {
        self.storage
    }

    /// Moves the octets held to the front of `storage` and returns the old storage. A message that was
    /// delivered is gone then; the payload of the control frame that the last poll gave stays.
    ///
    /// # Errors
    /// Gives `storage` back, and changes nothing, if it has no room for [`len`](Self::len) octets and that
    /// payload.
    pub fn replace(&mut self, mut storage: S) -> Result<S, S> {
        let partial = matches!(self.state, State::Partial(..));
        let message = if partial { self.octets(self.start, self.end) } else { &[] };
        let (control, unread) = (self.control(), self.unread());
        let end = message.len();
        let after = end + control.len();
        let filled = after + unread.len();
        let Some(target) = storage.as_mut().get_mut(..filled) else { return Err(storage) };
        let (front, back) = target.split_at_mut_checked(end).unwrap_or_default();
        front.copy_from_slice(message);
        let (front, back) = back.split_at_mut_checked(control.len()).unwrap_or_default();
        front.copy_from_slice(control);
        back.copy_from_slice(unread);
        (self.start, self.end, self.unread, self.filled) = (0, end as u32, after as u32, filled as u32);
        if !partial {
            self.state = State::Done;
        }
        Ok(core::mem::replace(&mut self.storage, storage))
    }

    #[inline]
    fn advance(&mut self, decoder: &mut impl Decode, chunks: bool) -> Result<Progress, Violation> {
        self.settle();
        loop {
            let filled = self.filled as usize;
            let storage = self.storage.as_mut();
            let mut input = storage.get_mut(self.unread as usize..filled).unwrap_or_default();
            let step = decoder.decode(&mut input)?;
            // Whatever was decoded, its payload ends where the input now begins.
            let (kind, length, first, last) = match step {
                Step::Event(Event::Data(chunk)) => (chunk.kind, chunk.payload.len(), chunk.first, chunk.last),
                Step::Event(event) => {
                    let (progress, length) = match event {
                        Event::Ping(payload) => (Progress::Ping, payload.len()),
                        Event::Pong(payload) => (Progress::Pong, payload.len()),
                        Event::Close(frame) => {
                            (Progress::Close, frame.map_or(0, |frame| 2 + frame.reason.len()))
                        }
                        Event::Data(_) => (Progress::NeedInput, 0),
                    };
                    self.unread = (filled - input.len()) as u32;
                    self.control = length as u8;
                    return Ok(progress);
                }
                Step::NeedInput => {
                    self.unread = (filled - input.len()) as u32;
                    return Ok(Progress::NeedInput);
                }
                Step::NeedOutput(octets) => return Ok(Progress::NeedOutput(octets)),
            };
            self.unread = (filled - input.len()) as u32;
            let payload = self.unread - length as u32;
            if chunks {
                // An empty beginning that a poll collected has not been seen by anyone.
                let first = first || self.state == State::Partial(kind, false);
                (self.start, self.end, self.state) = (payload, self.unread, State::Delivered(kind));
                return Ok(Progress::Chunk { kind, first, last });
            }
            self.append(payload, length);
            if last {
                self.state = State::Delivered(kind);
                return Ok(Progress::Message);
            }
            let begun = match self.state {
                State::Partial(_, begun) => begun,
                _ => !first,
            };
            self.state = State::Partial(kind, begun);
        }
    }

    /// Adds payload that lies at `from` to the message.
    #[inline]
    fn append(&mut self, from: u32, length: usize) {
        if self.start == self.end {
            (self.start, self.end) = (from, from + length as u32);
            return;
        }
        if from != self.end {
            shift(self.storage.as_mut(), from, length, self.end);
        }
        self.end += length as u32;
    }

    /// Lets go of what was delivered.
    #[inline]
    fn settle(&mut self) {
        if !matches!(self.state, State::Partial(..)) {
            (self.start, self.end, self.state) = (self.unread, self.unread, State::Done);
        }
        self.control = 0;
    }

    /// Makes the space as long as it can be. The octets not decoded (after a poll fewer than 131) move up to
    /// the message; the message itself moves to the front only when there is no other room, so once.
    fn compact(&mut self) {
        self.settle();
        if self.unread == self.filled && self.start == self.end {
            (self.start, self.end, self.unread, self.filled) = (0, 0, 0, 0);
            return;
        }
        let capacity = self.capacity();
        if self.start == self.end && self.start > 0 {
            // No message to keep: the octets not decoded move to the front.
            (self.start, self.end) = (0, 0);
        }
        self.move_unread();
        if self.filled as usize == capacity && self.start > 0 {
            let length = self.end - self.start;
            shift(self.storage.as_mut(), self.start, length as usize, 0);
            (self.start, self.end) = (0, length);
            self.move_unread();
        }
    }

    fn move_unread(&mut self) {
        if self.end < self.unread {
            let length = self.filled - self.unread;
            shift(self.storage.as_mut(), self.unread, length as usize, self.end);
            (self.unread, self.filled) = (self.end, self.end + length);
        }
    }

    fn capacity(&self) -> usize {
        self.storage.as_ref().len().min(u32::MAX as usize)
    }

    fn octets(&self, start: u32, end: u32) -> &[u8] {
        self.storage.as_ref().get(start as usize..end as usize).unwrap_or_default()
    }
}

/// Moves `length` octets from `from` to `to`, both within `octets`.
fn shift(octets: &mut [u8], from: u32, length: usize, to: u32) {
    let (from, to) = (from as usize, to as usize);
    let last_start = octets.len().saturating_sub(length);
    if length <= octets.len() && from <= last_start && to <= last_start {
        octets.copy_within(from..from + length, to);
    }
}
