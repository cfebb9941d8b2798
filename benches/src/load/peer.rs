//! One connection of the load: what it has sent, and whether what came back is right.

use super::LoadError;
use super::frames::{Frames, TERMS};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use tightwire::deflate::{Decompress, History, Inflate, Inflater, Status};
use tightwire::{Client, Event, Inbound, Limits};

/// What a read gave.
pub(super) enum Arrival {
    Octets(usize),
    Nothing,
}

/// A connection. Messages are counted from 0 on.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) socket: TcpStream,
    /// Messages that are wholly or partly on their way.
    pub(super) sent: u64,
    /// Messages that came back.
    pub(super) received: u64,
    /// When the last messages were sent, by their number modulo the length of this.
    stamps: Vec<u64>,
    /// Octets of the last message that could not be sent yet.
    unsent: usize,
    /// Octets that came back of what is expected, modulo its length.
    position: usize,
    compressed: Compressed,
}

/// Nothing is sent on the connection that needs keys.
type Keys = fn() -> [u8; 4];

/// What a compressed message has brought so far.
#[derive(Debug, Default)]
struct Compressed {
    inbound: Option<Box<Inbound<Client<Keys>>>>,
    /// The incomplete head of a frame.
    left: VecDeque<u8>,
    payload: Vec<u8>,
}

/// What all connections inflate with.
pub(super) struct Inflating {
    inflater: Box<Inflater>,
    history: History,
    window: Vec<u8>,
    message: Vec<u8>,
}

impl Default for Inflating {
    fn default() -> Self {
        let window = vec![0; TERMS.window().octets()];
        Self { inflater: Box::default(), history: History::new(), window, message: Vec::new() }
    }
}

impl std::fmt::Debug for Inflating {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflating").finish_non_exhaustive()
    }
}

impl Peer {
    pub(super) fn new(socket: TcpStream, depth: usize) -> Self {
        Self {
            socket,
            sent: 0,
            received: 0,
            stamps: vec![0; depth],
            unsent: 0,
            position: 0,
            compressed: Compressed::default(),
        }
    }

    /// Whether a message is only partly on its way.
    pub(super) fn is_within_frame(&self) -> bool {
        self.unsent > 0
    }

    /// Whether the socket had no room.
    pub(super) fn is_waiting_to_write(&self) -> bool {
        self.unsent > 0
    }

    /// When a message that was sent lately was sent.
    pub(super) fn sent_at(&self, message: u64) -> u64 {
        self.stamps[(message % self.stamps.len() as u64) as usize]
    }

    /// Sends messages until `target` are on their way or the socket has no room.
    pub(super) fn send(
        &mut self,
        frames: &Frames,
        target: u64,
        now: impl Fn() -> u64,
    ) -> Result<(), LoadError> {
        let stamps = self.stamps.len() as u64;
        let mut begun = false;
        while self.unsent > 0 || self.sent < target {
            // What is left of a message that was counted goes first.
            let (first, offset) = match self.unsent {
                0 => (self.sent, 0),
                unsent => (self.sent - 1, frames.sent_len(self.sent - 1) - unsent),
            };
            let (octets, end) = frames.slice(first, offset, target.max(first + 1));
            if !begun {
                let now = now();
                (self.sent..target).for_each(|message| self.stamps[(message % stamps) as usize] = now);
                begun = true;
            }
            let written = match self.socket.write(octets) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error.into()),
            };
            self.count(frames, first, offset, written);
            if written < octets.len() {
                // The first octet of a frame must be on its way before the frame counts as begun.
                if self.unsent == 0 {
                    self.unsent = frames.sent_len(self.sent);
                    self.sent += 1;
                }
                return Ok(());
            }
            debug_assert_eq!(self.sent, end);
        }
        Ok(())
    }

    /// Counts `written` octets from `offset` of message `first` on.
    fn count(&mut self, frames: &Frames, first: u64, offset: usize, written: usize) {
        let (mut message, mut octets) = (first, offset + written);
        while octets >= frames.sent_len(message) {
            octets -= frames.sent_len(message);
            message += 1;
        }
        self.sent = message + u64::from(octets > 0);
        self.unsent = if octets > 0 { frames.sent_len(message) - octets } else { 0 };
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Arrival, LoadError> {
        match self.socket.read(buffer) {
            Ok(0) => Err(LoadError::Mismatch("the server closed the connection")),
            Ok(read) => Ok(Arrival::Octets(read)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Arrival::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    /// Compares what came back, and says how many messages ended in it.
    pub(super) fn check(&mut self, frames: &mut Frames, octets: &mut [u8]) -> Result<u64, LoadError> {
        let before = self.received;
        match &frames.echoed {
            Some(echoed) => self.compare(echoed, frames.count(), octets)?,
            None => self.inflate(frames, octets)?,
        }
        Ok(self.received - before)
    }

    /// A server that does not compress echoes frames of which every octet is known.
    fn compare(&mut self, echoed: &[u8], count: u64, mut octets: &[u8]) -> Result<(), LoadError> {
        let each = echoed.len() / count as usize;
        while !octets.is_empty() {
            let taken = octets.len().min(echoed.len() - self.position);
            let (now, rest) = octets.split_at(taken);
            if now != &echoed[self.position..self.position + taken] {
                return Err(LoadError::Mismatch("other octets"));
            }
            self.received += ((self.position + taken) / each - self.position / each) as u64;
            self.position = (self.position + taken) % echoed.len();
            octets = rest;
        }
        Ok(())
    }

    /// What a server compresses is inflated and compared with the message.
    fn inflate(&mut self, frames: &mut Frames, octets: &mut [u8]) -> Result<(), LoadError> {
        let Compressed { inbound, left, payload } = &mut self.compressed;
        let inbound = inbound.get_or_insert_with(|| Box::new(Inbound::new().with_compression(TERMS)));
        // What was left of a head comes in front again.
        let mut joined;
        let mut input = if left.is_empty() {
            octets
        } else {
            joined = left.drain(..).chain(octets.iter().copied()).collect::<Vec<_>>();
            &mut joined[..]
        };
        while let Some(event) = inbound
            .decode(&mut input, &Limits::DEFAULT.with_message(64 << 20))
            .map_err(|_| LoadError::Mismatch("not a WebSocket frame"))?
        {
            let Event::Data(chunk) = event else {
                return Err(LoadError::Mismatch("a control frame that nothing asked for"));
            };
            payload.extend_from_slice(chunk.payload);
            if !chunk.last {
                continue;
            }
            let wanted = &frames.payloads[(self.received % frames.payloads.len() as u64) as usize];
            let same = if chunk.compressed {
                frames.inflating.inflate(payload, wanted.len()).is_some_and(|message| message == wanted)
            } else {
                payload == wanted
            };
            if !same {
                return Err(LoadError::Mismatch("another message"));
            }
            payload.clear();
            self.received += 1;
        }
        left.extend(input.iter().copied());
        Ok(())
    }
}

impl Inflating {
    /// The message of `size` octets that a payload stands for.
    fn inflate(&mut self, mut payload: &[u8], size: usize) -> Option<&[u8]> {
        // One more, to find a message that is too long.
        self.message.resize(size + 1, 0);
        let mut codec = Inflate::new(&mut self.inflater, &mut self.history, &mut self.window, TERMS).ok()?;
        let mut produced = 0;
        loop {
            let coded = codec.decompress(payload, &mut self.message[produced..], true).ok()?;
            payload = &payload[coded.consumed..];
            produced += coded.produced;
            match coded.status {
                Status::End => return self.message.get(..produced),
                Status::NeedInput => {}
                Status::NeedOutput => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::Wire;
    use super::*;
    use std::net::TcpListener;
    use tightwire::frame::{self, Expect, Head};
    use tightwire::mask;

    /// Its socket is not looked at.
    fn peer() -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Peer::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap(), 1)
    }

    /// What a server sends back that compresses as the client does.
    fn unmasked(frames: &Frames) -> Vec<u8> {
        let (mut wire, mut rest) = (Vec::new(), &frames.sent[..]);
        while let Ok(Some((head, taken))) = frame::parse(rest, Expect { masked: true, rsv1: true }) {
            let mut payload = rest[taken..taken + head.length as usize].to_vec();
            mask::mask(head.key.unwrap(), 0, &mut payload);
            let mut octets = [0; frame::HEAD_MAX];
            let length = Head { key: None, ..head }.write(&mut octets).unwrap();
            wire.extend_from_slice(&octets[..length]);
            wire.extend_from_slice(&payload);
            rest = &rest[taken + payload.len()..];
        }
        wire
    }

    #[test]
    fn echoes_are_checked_however_they_are_cut() {
        for (wire, row) in
            [(Wire::Frames, "1,16,3"), (Wire::Raw, "1,16,3"), (Wire::Deflate, "1,300,3,deflate")]
        {
            let mut frames = Frames::new(&row.parse().unwrap(), wire);
            let back = frames.echoed.clone().unwrap_or_else(|| unmasked(&frames));
            let end = 3 * back.len() / frames.count() as usize;
            for cut in 0..end {
                let (mut peer, mut back) = (peer(), back.clone());
                let (front, rest) = back.split_at_mut(cut);
                let count = peer.check(&mut frames, front).unwrap() + peer.check(&mut frames, rest).unwrap();
                assert_eq!(count, frames.count(), "{wire:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_wrong_octet_is_found_wherever_it_is() {
        for (wire, row) in
            [(Wire::Frames, "1,16,1"), (Wire::Raw, "1,16,1"), (Wire::Deflate, "1,40,1,deflate")]
        {
            let mut frames = Frames::new(&row.parse().unwrap(), wire);
            let back = frames.echoed.clone().unwrap_or_else(|| unmasked(&frames));
            for place in 0..back.len().min(100) {
                let mut back = back.clone();
                back[place] ^= 0x10;
                assert!(peer().check(&mut frames, &mut back).is_err(), "{wire:?}, octet {place}");
            }
        }
    }

    #[test]
    fn a_message_that_was_lost_is_found() {
        let mut frames = Frames::new(&"1,16,1".parse().unwrap(), Wire::Frames);
        let mut back = frames.echoed.clone().unwrap();
        let each = back.len() / frames.count() as usize;
        back.drain(each..2 * each);
        assert!(peer().check(&mut frames, &mut back).is_err());
    }
}
