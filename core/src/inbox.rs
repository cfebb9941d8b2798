//! Whole messages in storage of the caller's: a slice, an array, a `Vec`, a pool's guard.
//!
//! It decides where octets lie, nothing about the protocol. The payload of a message that came in one frame
//! stays where it was received; the fragments of a message are moved together, each octet once. Only when the
//! storage ends does the message in it move to the front, once.

use crate::close::{self, CloseFrame};
use crate::error::Violation;
use crate::event::{Event, Step};
use crate::frame::CONTROL_FRAME_MAX;
use crate::message::{Kind, Message, Text};
use crate::output::copy;

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
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Progress {
    /// A whole message: [`Inbox::message`] lends it until the next call that needs `&mut`.
    Message,
    /// Part of a message, from [`Inbox::poll_chunk`], or from [`Inbox::poll`] if the beginning of the message
    /// was taken in chunks or the message is compressed: [`Inbox::chunk`] lends it.
    Chunk {
        /// Text or binary.
        kind: Kind,
        /// Whether the message begins here.
        first: bool,
        /// Whether the message ends here.
        last: bool,
        /// Whether the message is compressed. The inbox never collects such a message: it is to be inflated
        /// into other storage, chunk by chunk (see [`deflate`](crate::deflate)).
        compressed: bool,
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
/// beginning was taken in chunks comes in chunks to its end, whichever of the two is called.
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
    /// The beginning of a message, none of which has been delivered.
    Partial(Kind),
    /// A whole message that the caller may look at.
    Message(Kind),
    /// A part of a message that the caller may look at.
    Chunk,
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
        let room = self.capacity().saturating_sub(self.filled as usize);
        self.filled += octets.min(room) as u32;
    }

    /// Copies octets into the space and returns how many fitted.
    pub fn extend(&mut self, octets: &[u8]) -> usize {
        let space = self.space();
        let taken = copy(octets, space);
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
        if let State::Partial(kind) = self.state
            && self.end > self.start
        {
            self.state = State::Chunk;
            return Ok(Progress::Chunk { kind, first: true, last: false, compressed: false });
        }
        self.advance(decoder, true)
    }

    /// The message that the last poll completed; `None` if it gave anything but [`Progress::Message`].
    #[inline]
    pub fn message(&self) -> Option<Message<'_>> {
        let State::Message(kind) = self.state else { return None };
        let octets = self.octets(self.start, self.end);
        Some(match kind {
            Kind::Text => Message::Text(Text::validated(octets)),
            Kind::Binary => Message::Binary(octets),
        })
    }

    /// The chunk that the last poll gave; empty if it gave anything but [`Progress::Chunk`].
    pub fn chunk(&self) -> &[u8] {
        if self.state == State::Chunk { self.octets(self.start, self.end) } else { &[] }
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
        copy(message, front);
        let (front, back) = back.split_at_mut_checked(control.len()).unwrap_or_default();
        copy(control, front);
        copy(unread, back);
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
            let (kind, length, first, last, compressed) = match step {
                Step::Event(Event::Data(chunk)) => {
                    (chunk.kind, chunk.payload.len(), chunk.first, chunk.last, chunk.compressed)
                }
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
            let partial = matches!(self.state, State::Partial(_));
            // A message whose beginning went out in chunks cannot become whole again.
            if chunks || compressed || !(first || partial) {
                (self.start, self.end, self.state) = (payload, self.unread, State::Chunk);
                // An empty beginning that a poll collected has not been seen by anyone.
                return Ok(Progress::Chunk { kind, first: first || partial, last, compressed });
            }
            self.append(payload, length);
            if last {
                self.state = State::Message(kind);
                return Ok(Progress::Message);
            }
            self.state = State::Partial(kind);
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

    /// Makes space. The octets not decoded (after a poll fewer than 131) move up to the message. The message
    /// itself moves to the front only when there is no other room, so once.
    fn compact(&mut self) {
        self.settle();
        if self.start == self.end {
            // No message to keep: the octets not decoded move to the front.
            (self.start, self.end) = (0, 0);
            if self.unread == self.filled {
                (self.unread, self.filled) = (0, 0);
                return;
            }
        }
        self.move_unread();
        if self.filled as usize == self.capacity() && self.start > 0 {
            let length = self.end - self.start;
            shift(self.storage.as_mut(), self.start, length as usize, 0);
            (self.start, self.end) = (0, length);
            self.move_unread();
        }
    }

    /// Moves the octets not decoded up to the message. A caller who asks for space without polling everything
    /// first may have many of them: these move only if that gains as many octets, or when there is no space.
    fn move_unread(&mut self) {
        let length = self.filled - self.unread;
        let gained = self.unread - self.end;
        let cheap = length <= gained || (length as usize) < CONTROL_FRAME_MAX;
        if gained > 0 && (cheap || self.filled as usize == self.capacity()) {
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

/// Moves `length` octets from `from` down to `to`, both within `octets`.
#[inline]
fn shift(octets: &mut [u8], from: u32, length: usize, to: u32) {
    let (from, to) = (from as usize, to as usize);
    let (end, down) = (from.saturating_add(length), from.saturating_sub(to));
    if let Some(window) = octets.get_mut(to..end)
        && down <= window.len()
    {
        #[cfg(test)]
        tests::MOVED.set(tests::MOVED.get() + length);
        window.copy_within(down.., 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Inbound;
    use crate::limits::Limits;
    use crate::role::Client;
    use core::cell::Cell;
    use std::vec::Vec;

    std::thread_local! {
        /// Octets that inboxes of this thread have moved.
        pub(super) static MOVED: Cell<usize> = const { Cell::new(0) };
    }

    type Half = Inbound<Client<fn() -> [u8; 4]>>;
    const LIMITS: Limits = Limits::UNLIMITED;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut wire = std::vec![first];
        match payload.len() {
            short @ 0..=125 => wire.push(short as u8),
            long => wire.extend([127].into_iter().chain((long as u64).to_be_bytes())),
        }
        if let 126..=0xFFFF = payload.len() {
            wire.truncate(1);
            wire.extend([126, (payload.len() >> 8) as u8, payload.len() as u8]);
        }
        wire.extend_from_slice(payload);
        wire
    }

    fn poll<S: AsRef<[u8]> + AsMut<[u8]>>(inbox: &mut Inbox<S>, half: &mut Half) -> Progress {
        inbox.poll(&mut half.decoder(&LIMITS)).unwrap()
    }

    /// Reads of at most `size` octets until all of `wire` is in, polled in between: what came of it.
    fn read<S: AsRef<[u8]> + AsMut<[u8]>>(
        inbox: &mut Inbox<S>,
        mut wire: &[u8],
        size: usize,
    ) -> Vec<(Progress, Vec<u8>)> {
        let (mut half, mut seen) = (Half::new(), Vec::new());
        loop {
            match poll(inbox, &mut half) {
                Progress::NeedInput if wire.is_empty() => return seen,
                Progress::NeedInput => {
                    let taken = inbox.extend(&wire[..size.min(wire.len())]);
                    assert!(taken > 0, "no space");
                    wire = &wire[taken..];
                }
                Progress::Message => {
                    seen.push((Progress::Message, inbox.message().unwrap().octets().to_vec()))
                }
                control => seen.push((control, inbox.control().to_vec())),
            }
        }
    }

    #[test]
    fn the_payload_of_one_frame_stays_where_it_was_received() {
        for length in [0, 1, 125, 126, 3000] {
            let payload = std::vec![b'x'; length];
            let wire = [frame(0x81, b"before"), frame(0x81, &payload), frame(0x81, b"after")].concat();
            let start = 8 + frame(0x81, &payload).len() - length;
            for size in [wire.len(), start + 1, start + length / 2, 8, 700] {
                let mut inbox = Inbox::new(std::vec![0; 4096]);
                let mut half = Half::new();
                assert_eq!(inbox.extend(&wire[..start.min(size)]), start.min(size));
                let mut rest = &wire[start.min(size)..];
                let mut lie = None;
                let base = inbox.storage().as_ptr();
                loop {
                    match poll(&mut inbox, &mut half) {
                        Progress::Message if inbox.message().unwrap().octets() == payload => break,
                        Progress::Message => assert_eq!(inbox.message().unwrap().as_str(), Some("before")),
                        _ => {
                            let (at, space) = (inbox.space().as_ptr(), rest.len().min(size));
                            if half.frame_left() > 0 && lie.is_none() {
                                MOVED.set(0);
                                lie =
                                    Some(at as usize - base as usize - (length - half.frame_left() as usize));
                            }
                            inbox.extend(&rest[..space]);
                            rest = &rest[space..];
                        }
                    }
                }
                let octets = inbox.message().unwrap().octets();
                let at = octets.as_ptr() as usize - base as usize;
                if let Some(lie) = lie {
                    assert_eq!(at, lie, "length {length} size {size}");
                    assert_eq!(MOVED.get(), 0);
                } else if size == wire.len() {
                    assert_eq!(at, start);
                }
            }
        }
    }

    // Nothing quadratic: each octet of a fragment moves once, whatever the reads are
    #[test]
    fn moves_are_linear() {
        let fragments: Vec<u8> = (0..4000).flat_map(|_| frame(0x00, b"0123456")).collect();
        let wire = [frame(0x02, b""), fragments, frame(0x80, b"")].concat();
        for size in [1, 2, 7, 100, 131, 1000, wire.len()] {
            MOVED.set(0);
            let seen = read(&mut Inbox::new(std::vec![0; wire.len() + 131]), &wire, size);
            assert_eq!((seen.len(), seen[0].1.len()), (1, 28000));
            assert!(MOVED.get() <= 2 * wire.len(), "moved {} with reads of {size}", MOVED.get());
        }
        // One frame in a storage that it fills, behind another one: it moves to the front once.
        let wire = [frame(0x82, b"abc"), frame(0x82, &[7; 5000])].concat();
        for size in [1, 100, wire.len()] {
            MOVED.set(0);
            assert_eq!(read(&mut Inbox::new(std::vec![0; 5004]), &wire, size).len(), 2);
            assert!(MOVED.get() <= 5000 + 4, "moved {} with reads of {size}", MOVED.get());
        }
    }

    // A caller that asks for space after each message must not move what is not decoded each time
    #[test]
    fn asking_for_space_early_is_cheap() {
        let wire: Vec<u8> = (0..4000).flat_map(|_| frame(0x82, b"0123456")).collect();
        let (mut inbox, mut half) = (Inbox::new(std::vec![0; wire.len() + 100]), Half::new());
        assert_eq!(inbox.extend(&wire), wire.len());
        MOVED.set(0);
        for _ in 0..4000 {
            assert!(!inbox.space().is_empty());
            assert_eq!(poll(&mut inbox, &mut half), Progress::Message);
            assert_eq!(inbox.message().unwrap().octets(), b"0123456");
        }
        assert_eq!(poll(&mut inbox, &mut half), Progress::NeedInput);
        assert!(MOVED.get() <= wire.len() + 4000 * 131, "moved {}", MOVED.get());
        assert_eq!(inbox.space().len(), wire.len() + 100);
    }

    #[test]
    fn odd_storages_and_counts_do_no_harm() {
        let (mut inbox, mut half) = (Inbox::new([0; 0]), Half::new());
        assert_eq!((inbox.space().len(), inbox.extend(b"abc")), (0, 0));
        assert_eq!(poll(&mut inbox, &mut half), Progress::NeedInput);
        let mut inbox = Inbox::new([0; 4]);
        inbox.space().copy_from_slice(b"\x82\x02ab");
        inbox.commit(100);
        assert_eq!((inbox.len(), inbox.unread()), (4, &b"\x82\x02ab"[..]));
        assert_eq!(poll(&mut inbox, &mut half), Progress::Message);
        assert_eq!(inbox.message(), Some(Message::from(b"ab")));
        assert_eq!(inbox.close_frame(), None);
    }
}
