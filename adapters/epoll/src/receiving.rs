//! From the socket to the handler: reads into shared or right-sized memory, decodes, collects messages.
//!
//! It decides where octets lie while they are unfinished. What they mean is core's affair.

use crate::conn::Conn;
use crate::engine::Engine;
use crate::entry::{Flags, NO_EXTRA};
use crate::handler::{Cause, Closed, Handler, Part};
use crate::pool::Buffer;
use crate::reactor::HEADROOM;
use crate::slab::Token;
use crate::socket::{self, Got};
use tightwire::frame::CONTROL_FRAME_MAX;
use tightwire::{Chunk, CloseCode, Event, Kind, Output, Step};

/// The least buffer for a message that is longer.
const MESSAGE_MIN: usize = 512;
/// A read of fewer octets is no progress of an unfinished frame, or a peer could hold a buffer for ever.
const PROGRESS: usize = 512;
/// The most that is read of an unfinished message at once: it is unmasked while it is in the processor's cache.
const PART_MAX: usize = 256 * 1024;
/// How many octets are read from one connection in one turn.
const TURN: usize = 1024 * 1024;
/// Room for the next part of an unfinished head of the opening handshake.
const HEAD_ROOM: usize = 512;

impl<H: Handler> Engine<H> {
    /// Reads and decodes as far as both go.
    pub(crate) fn go_on(&mut self, token: Token, input: &mut [u8]) {
        let held = Flags::PAUSED.or(Flags::STALLED).or(Flags::DOOMED);
        let Some(entry) = self.reactor.slab.get_mut(token) else { return };
        let mut flags = entry.flags;
        // What was kept comes before what is in the socket.
        if flags.has(Flags::UNREAD) && !flags.has(held) {
            self.decode_rest(token);
            let Some(entry) = self.reactor.slab.get_mut(token) else { return };
            flags = entry.flags;
        }
        let mut lingers = flags.has(Flags::LINGERING);
        if !flags.has(Flags::READABLE) || flags.has(Flags::DOOMED) || flags.has(held) && !lingers {
            return;
        }
        // A long message is better whole than cold, so it is read on as long as there is more, but not for ever: no
        // connection keeps the thread to itself.
        let mut turn = TURN;
        while turn > 0 {
            let (got, room) = if lingers { self.discard(token, input) } else { self.read(token, input) };
            let Some(entry) = self.reactor.slab.get_mut(token) else { return };
            match got {
                // At the end of the peer's direction, read on until it is seen.
                Got::Octets(octets) if octets == room || entry.flags.has(Flags::ENDING) => {
                    turn = turn.saturating_sub(octets);
                }
                Got::Octets(_) | Got::Nothing => return entry.flags.clear(Flags::READABLE),
                Got::End => {
                    entry.flags.clear(Flags::READABLE);
                    return entry.flags.set(Flags::ENDED);
                }
                Got::Broken => {
                    entry.flags.clear(Flags::READABLE);
                    return entry.flags.set(Flags::DOOMED);
                }
            }
            // What waits may have come to more than the mark allows.
            self.reactor.hold_back(token);
            let Some(entry) = self.reactor.slab.get(token) else { return };
            lingers = entry.flags.has(Flags::LINGERING);
            let stops = if lingers { Flags::DOOMED } else { held.or(Flags::UNREAD) };
            if entry.flags.has(stops) {
                break;
            }
        }
        self.reactor.go_on(token);
    }

    /// Throws away what a peer still sends.
    fn discard(&mut self, token: Token, input: &mut [u8]) -> (Got, usize) {
        let Some(entry) = self.reactor.slab.get_mut(token) else { return (Got::Nothing, 0) };
        (socket::read(&entry.fd, input), input.len())
    }

    /// One read and everything that comes of it. Gives what the read gave, and how much it could have given.
    fn read(&mut self, token: Token, input: &mut [u8]) -> (Got, usize) {
        let reactor = &mut self.reactor;
        let Some(entry) = reactor.slab.get_mut(token) else { return (Got::Nothing, 0) };
        let mut kept = 0;
        if let Some(extra) = reactor.extras.get(entry.extra) {
            if extra.kind.is_some() && extra.peer.as_ref().is_some_and(|peer| peer.frame_left() > 0) {
                return self.read_part(token, input);
            }
            if !entry.is_opened() && extra.rest_len > 0 {
                return self.read_head(token);
            }
            // A cut head or control frame goes in front of the fresh octets.
            kept = extra.rest_len;
            if let (Some(front), Some(rest)) =
                (input.get_mut(HEADROOM.saturating_sub(kept)..HEADROOM), extra.unread())
                && front.len() == rest.len()
            {
                front.copy_from_slice(rest);
            }
        }
        let Some(fresh) = input.get_mut(HEADROOM..) else { return (Got::Broken, 0) };
        let room = fresh.len();
        let got = socket::read(&entry.fd, fresh);
        if let Got::Octets(octets) = got {
            entry.deadlines.received(reactor.now);
            reactor.counters.octets_received.add(octets as u64);
            if kept > 0 {
                self.forget_rest(token);
            }
            let start = HEADROOM.saturating_sub(kept);
            self.decode_and_keep(token, input.get_mut(start..HEADROOM + octets).unwrap_or_default());
            self.note_progress(token, octets);
        }
        (got, room)
    }

    /// One read into the buffer of an unfinished message; what is beyond its frame goes to the shared input.
    fn read_part(&mut self, token: Token, input: &mut [u8]) -> (Got, usize) {
        let reactor = &mut self.reactor;
        if reactor.out.len() - reactor.out_len < CONTROL_FRAME_MAX {
            // What is read must not wait for room for the answer to a fault in it.
            reactor.flush(token);
        }
        let Some(entry) = reactor.slab.get_mut(token) else { return (Got::Nothing, 0) };
        let Some(extra) = reactor.extras.get(entry.extra) else { return (Got::Nothing, 0) };
        let Some(peer) = extra.peer.as_mut() else { return (Got::Nothing, 0) };
        let left = usize::try_from(peer.frame_left()).unwrap_or(usize::MAX);
        let so_far = extra.message_len;
        if so_far == extra.message.len() {
            reactor.pool.grow(&mut extra.message, so_far, message_room(so_far, left));
        }
        let end = extra.message.len().min(so_far.saturating_add(left)).min(so_far.saturating_add(PART_MAX));
        // What does not fit is the message's too, and would have to be copied behind it.
        let beyond = if end - so_far < left { HEADROOM..HEADROOM } else { HEADROOM..input.len() };
        let Some(tail) = extra.message.get_mut(so_far..end) else { return (Got::Broken, 0) };
        let Some(beyond) = input.get_mut(beyond) else { return (Got::Broken, 0) };
        let room = tail.len() + beyond.len();
        let got = socket::read_two(&entry.fd, tail, beyond);
        let Got::Octets(octets) = got else { return (got, room) };
        entry.deadlines.received(reactor.now);
        reactor.counters.octets_received.add(octets as u64);
        let here = octets.min(tail.len());
        let mut part = tail.get_mut(..here).unwrap_or_default();
        let mut out = Output::with_written(&mut reactor.out, reactor.out_len);
        let whole = loop {
            // All of it lies where it belongs. It may come in several chunks: what is valid in front of a fault.
            match peer.decode(&mut part, &mut out, &reactor.config.limits) {
                Ok(Step::Event(Event::Data(chunk))) => {
                    extra.message_len += chunk.payload.len();
                    if chunk.last {
                        break Ok(true);
                    }
                }
                Ok(_) => break Ok(false),
                Err(violation) => break Err(violation),
            }
        };
        reactor.out_len = out.len();
        reactor.ahead = octets - here;
        entry.doze(&mut reactor.extras);
        match whole {
            Ok(true) => self.deliver(token),
            Ok(false) => {}
            Err(violation) => {
                self.end(token, violation.close_code(), "", Cause::Violation(violation));
                return (got, room);
            }
        }
        self.decode_and_keep(token, input.get_mut(HEADROOM..HEADROOM + octets - here).unwrap_or_default());
        self.note_progress(token, octets);
        (got, room)
    }

    /// A read behind the unfinished head of an opening handshake, which is not moved.
    fn read_head(&mut self, token: Token) -> (Got, usize) {
        let reactor = &mut self.reactor;
        let Some(entry) = reactor.slab.get_mut(token) else { return (Got::Nothing, 0) };
        let Some(extra) = reactor.extras.get(entry.extra) else { return (Got::Nothing, 0) };
        reactor.pool.grow(&mut extra.rest, extra.rest_len, extra.rest_len + HEAD_ROOM);
        let Some(tail) = extra.rest.get_mut(extra.rest_len..) else { return (Got::Broken, 0) };
        let room = tail.len();
        let got = socket::read(&entry.fd, tail);
        if let Got::Octets(octets) = got {
            extra.rest_len += octets;
            entry.deadlines.received(reactor.now);
            reactor.counters.octets_received.add(octets as u64);
            self.decode_rest(token);
        }
        (got, room)
    }

    /// Notes what a read did to what was unfinished.
    #[inline]
    fn note_progress(&mut self, token: Token, octets: usize) {
        let reactor = &mut self.reactor;
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        // Without an extra nothing is: neither octets that are kept nor the machine.
        let unfinished = entry.extra != NO_EXTRA
            && entry.is_opened()
            && (entry.is_in_message(&reactor.extras)
                || reactor.extras.look(entry.extra).is_some_and(|extra| extra.rest_len > 0));
        if !unfinished {
            return entry.deadlines.frame_done();
        }
        if octets >= PROGRESS {
            entry.deadlines.frame_progress(reactor.now);
        }
        entry.deadlines.frame_begun(reactor.now);
        reactor.rearm(token);
    }

    /// Decodes octets that were kept. They are in a buffer of their own.
    fn decode_rest(&mut self, token: Token) {
        #[cfg(feature = "deflate")]
        if !self.inflate_rest(token) {
            return;
        }
        let reactor = &mut self.reactor;
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        entry.flags.clear(Flags::UNREAD);
        let Some(extra) = reactor.extras.get(entry.extra) else { return };
        let mut rest = core::mem::take(&mut extra.rest);
        let start = core::mem::take(&mut extra.rest_start);
        let length = core::mem::take(&mut extra.rest_len);
        if !entry.is_opened() {
            // The head of an opening handshake stays where it is until it is whole; it begins the buffer.
            let head = rest.get(..length).unwrap_or_default();
            let whole = extra.scanner.scan(head, &reactor.config.head_limits);
            if matches!(whole, Ok(None)) {
                (extra.rest, extra.rest_len) = (rest, length);
                return;
            }
        }
        let left = self.decode(token, rest.get_mut(start..start + length).unwrap_or_default());
        let start = start + length - left;
        if left > rest.len() / 2 {
            // To move it again and again, at each pause of the handler, would be quadratic.
            self.keep_rest(token, rest, start, left);
        } else {
            self.keep_copy(token, rest.get(start..start + left).unwrap_or_default());
            self.reactor.pool.give(rest);
        }
        self.note_progress(token, PROGRESS);
    }

    /// Decodes octets of one connection and keeps a copy of what is left of them.
    fn decode_and_keep(&mut self, token: Token, octets: &mut [u8]) {
        let left = self.decode(token, octets);
        if left > 0 {
            self.keep_copy(token, octets.get(octets.len() - left..).unwrap_or_default());
        }
    }

    /// Decodes octets of one connection. Gives how many are left at the end of them.
    fn decode(&mut self, token: Token, octets: &mut [u8]) -> usize {
        let mut input = octets;
        if input.is_empty() {
            return 0;
        }
        // The answers to what is kept and to what follows it may not fit together. What the socket does not take
        // then may be more than the mark allows, and no message must meet that unawares.
        if self.reactor.out_len > 0 && self.reactor.out.len() - self.reactor.out_len < input.len() {
            self.reactor.flush(token);
            self.reactor.hold_back(token);
        }
        let held = Flags::PAUSED.or(Flags::STALLED).or(Flags::DOOMED).or(Flags::LINGERING);
        while !input.is_empty() {
            let reactor = &mut self.reactor;
            let Some(entry) = reactor.slab.get_mut(token) else { return 0 };
            if entry.flags.has(held) {
                return input.len();
            }
            // The short way: so most messages come.
            if let Some(chunk) = entry.whole_message(&mut input, &reactor.config.limits) {
                reactor.ahead = input.len();
                self.data(token, chunk);
            } else if !self.decode_any(token, &mut input) {
                return input.len();
            }
        }
        0
    }

    /// The long way. Says whether to go on with what is left of the input.
    #[inline(never)]
    fn decode_any(&mut self, token: Token, input: &mut &mut [u8]) -> bool {
        let reactor = &mut self.reactor;
        let Some(entry) = reactor.slab.get_mut(token) else { return false };
        if !entry.is_opened() {
            let head = self.open(token, input);
            // What was used up, and nothing is left if nothing was.
            *input = core::mem::take(input).get_mut(head..).filter(|_| head > 0).unwrap_or_default();
            return true;
        }
        let mut out = Output::with_written(&mut reactor.out, reactor.out_len);
        let limits = &reactor.config.limits;
        let step = entry.with_peer(&mut reactor.extras, |peer| peer.decode(input, &mut out, limits));
        reactor.out_len = out.len();
        reactor.ahead = input.len();
        match step {
            Some(Ok(Step::Event(event))) => self.event(token, event),
            Some(Ok(Step::NeedOutput(_))) => {
                reactor.flush(token);
                reactor.hold_back(token);
            }
            Some(Ok(Step::NeedInput)) => return false,
            Some(Err(violation)) => {
                *input = &mut [];
                self.end(token, violation.close_code(), "", Cause::Violation(violation));
            }
            None => *input = &mut [],
        }
        true
    }

    /// A message or a part of one.
    #[inline(always)]
    fn data(&mut self, token: Token, chunk: Chunk<'_>) {
        #[cfg(feature = "deflate")]
        if chunk.compressed {
            return self.compressed(token, &chunk);
        }
        let Self { reactor, handler } = self;
        if H::CHUNKS {
            reactor.counters.messages_received.add(1);
            let Chunk { kind, payload, first, last, .. } = chunk;
            handler.chunk(&mut Conn { reactor, token }, Part { kind, octets: payload, first, last });
        } else if chunk.first && chunk.last {
            reactor.counters.messages_received.add(1);
            if let Some(message) = chunk.into_message() {
                handler.message(&mut Conn { reactor, token }, message);
            }
        } else {
            self.collect(token, &chunk);
        }
    }

    /// One event of the peer, whose automatic answer is in the output already.
    fn event(&mut self, token: Token, event: Event<'_>) {
        let Self { reactor, handler } = self;
        let conn = &mut Conn { reactor, token };
        match event {
            Event::Data(chunk) => self.data(token, chunk),
            Event::Ping(payload) => handler.ping(conn, payload),
            Event::Pong(payload) => {
                let now = conn.reactor.now;
                if let Some(entry) = conn.reactor.slab.get_mut(token) {
                    entry.deadlines.pong_received(now);
                }
                handler.pong(conn, payload);
            }
            Event::Close(frame) => {
                let (code, reason) =
                    frame.map_or((CloseCode::NO_STATUS, ""), |frame| (frame.code, frame.reason));
                conn.reactor.begin_close(token);
                self.closed(token, Closed::new(code, reason, Cause::Handshake));
            }
        }
    }

    /// Adds a part of a message to what was collected of it.
    pub(crate) fn collect(&mut self, token: Token, chunk: &Chunk<'_>) {
        let reactor = &mut self.reactor;
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        let left = entry.frame_left(&reactor.extras);
        let Some(extra) = reactor.extras.need(&mut entry.extra) else { return };
        extra.kind = Some(chunk.kind);
        let length = extra.message_len + chunk.payload.len();
        if length > extra.message.len() {
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            reactor.pool.grow(&mut extra.message, extra.message_len, message_room(length, left));
        }
        if let Some(to) = extra.message.get_mut(extra.message_len..length) {
            to.copy_from_slice(chunk.payload);
            extra.message_len = length;
        }
        if chunk.last {
            self.deliver(token);
        }
    }

    /// Hands a collected message over and gives its buffer back.
    fn deliver(&mut self, token: Token) {
        let Self { reactor, handler } = self;
        let Some(entry) = reactor.slab.get_mut(token) else { return };
        let Some(extra) = reactor.extras.get(entry.extra) else { return };
        let mut buffer = core::mem::take(&mut extra.message);
        let length = core::mem::take(&mut extra.message_len);
        let kind = extra.kind.take().unwrap_or(Kind::Binary);
        #[cfg(feature = "deflate")]
        if core::mem::take(&mut extra.compression.is_collected) {
            self.collected(token, kind, buffer.get(..length).unwrap_or_default());
            return self.reactor.pool.give(buffer);
        }
        reactor.counters.messages_received.add(1);
        // Every part was validated on its way in; this only gives the octets their type back.
        let payload = buffer.get_mut(..length).unwrap_or_default();
        let whole = Chunk { kind, payload, first: true, last: true, compressed: false };
        if let Some(message) = whole.into_message() {
            handler.message(&mut Conn { reactor, token }, message);
        }
        self.reactor.pool.give(buffer);
    }

    /// Keeps a copy of octets that are not decoded.
    #[inline]
    fn keep_copy(&mut self, token: Token, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        let rest = self.reactor.pool.copy(octets);
        self.keep_rest(token, rest, 0, octets.len());
    }

    /// Keeps octets that are not decoded, where they are.
    fn keep_rest(&mut self, token: Token, rest: Buffer, start: usize, length: usize) {
        let reactor = &mut self.reactor;
        if let Some(entry) = reactor.slab.get_mut(token)
            && !entry.flags.has(Flags::LINGERING.or(Flags::DOOMED))
        {
            if entry.flags.has(Flags::PAUSED.or(Flags::STALLED)) {
                entry.flags.set(Flags::UNREAD);
            }
            if let Some(extra) = reactor.extras.need(&mut entry.extra) {
                (extra.rest_start, extra.rest_len) = (start, length);
                return reactor.pool.give(core::mem::replace(&mut extra.rest, rest));
            }
        }
        reactor.pool.give(rest);
    }

    /// Forgets kept octets that were copied in front of fresh ones.
    fn forget_rest(&mut self, token: Token) {
        let reactor = &mut self.reactor;
        if let Some(entry) = reactor.slab.get_mut(token)
            && let Some(extra) = reactor.extras.get(entry.extra)
        {
            (extra.rest_start, extra.rest_len) = (0, 0);
            reactor.pool.give(core::mem::take(&mut extra.rest));
        }
    }
}

/// The memory for a message of which `so_far` octets are here and `left` more are declared: four times what is
/// here, so that it is seldom moved and follows what has arrived; or all of it, if that is not more.
fn message_room(so_far: usize, left: usize) -> usize {
    so_far.saturating_add(left).min(so_far.saturating_mul(4).max(MESSAGE_MIN))
}

#[cfg(test)]
mod tests {
    use crate::pool::COPIED;
    use crate::{Answer, Builder, Conn, Handler, Opening};
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::{Arc, Barrier, mpsc};
    use tightwire::Message;
    use tightwire::handshake::OriginPolicy;
    use tightwire::handshake::server::Acceptance;

    const MESSAGES: usize = 2000;

    /// Reads the next message only when another thread, as it were, is done with the last.
    struct OneByOne {
        barrier: Arc<Barrier>,
        told: mpsc::Sender<usize>,
    }

    impl Handler for OneByOne {
        type Session = usize;

        fn handshake(&mut self, opening: Opening<'_, usize>) -> Answer {
            opening.accept(&OriginPolicy::Any, &Acceptance::default())
        }

        fn message(&mut self, conn: &mut Conn<'_, usize>, message: Message<'_>) {
            assert_eq!(message.len(), 100);
            *conn.session() += 1;
            match *conn.session() {
                // Until all the others are there, to be read at once.
                1 => drop(self.barrier.wait()),
                MESSAGES => self.told.send(COPIED.get()).unwrap(),
                _ => {}
            }
            conn.pause();
            let token = conn.token();
            let resume = move |reactor: &mut crate::Reactor<usize>| {
                if let Some(mut conn) = reactor.conn(token) {
                    conn.resume();
                }
            };
            conn.reactor().sender().unwrap().run(resume).unwrap();
        }
    }

    // Nothing quadratic: what is kept is not moved at each pause
    #[test]
    fn a_pause_at_each_message_moves_each_octet_a_few_times() {
        let barrier = Arc::new(Barrier::new(2));
        let (told, tells) = mpsc::channel();
        let given = barrier.clone();
        let builder = Builder::new().threads(1).listen("127.0.0.1:0".parse().unwrap());
        let server = builder.start(move |_| OneByOne { barrier: given.clone(), told: told.clone() }).unwrap();
        let mut socket = TcpStream::connect(server.addresses()[0]).unwrap();
        let request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        socket.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            socket.read_exact(&mut octet).unwrap();
            head.extend(octet);
        }
        // A key of zeros masks nothing.
        let frame = [&[0x82, 0x80 | 100, 0, 0, 0, 0][..], &[b'x'; 100]].concat();
        socket.write_all(&frame).unwrap();
        let wire = frame.repeat(MESSAGES - 1);
        socket.write_all(&wire).unwrap();
        barrier.wait();
        let copied = tells.recv().unwrap();
        assert!(copied <= 4 * wire.len(), "{copied} octets moved of {}", wire.len());
    }
}
