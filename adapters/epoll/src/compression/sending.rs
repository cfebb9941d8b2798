//! Messages on their way out: which are compressed, and in whose memory.
//!
//! What waits for a socket is never more than what was written of it, whatever room was lent to write it in.

use super::Terms;
use super::codecs::Deflation;
use crate::reactor::Reactor;
use crate::sending::{Refused, Sent, has_waiting, is_sendable};
use crate::slab::Token;
use tightwire::deflate::{Flush, Level};
use tightwire::frame::HEAD_MAX;
use tightwire::{Kind, Message, Output, SendError};

/// The most room that is lent for a part of a message in fragments.
const PART: usize = 16 * 1024;
/// The least, for any head and some payload.
const PART_MIN: usize = 512;

/// Whether a message goes out compressed, where that was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Never,
    /// If it has as many octets as the threshold of the connection says.
    Worth,
    Always,
}

impl<S> Reactor<S> {
    /// Sends a whole message.
    pub(super) fn send_as(
        &mut self,
        token: Token,
        message: Message<'_>,
        choice: Choice,
    ) -> Result<Sent, Refused> {
        match self.send_compressed(token, message, choice) {
            Some(sent) => sent,
            None => self.send_plain(token, message),
        }
    }

    /// Sends a whole message if it is to go compressed; nothing has happened if it is not.
    #[inline(never)]
    pub(crate) fn send_compressed(
        &mut self,
        token: Token,
        message: Message<'_>,
        choice: Choice,
    ) -> Option<Result<Sent, Refused>> {
        let (terms, level) = self.compresses(token, message.len(), choice)?;
        self.flush_topics_before(token);
        let mut deflation = self.take_up(token, terms, level);
        let sent = self.write_compressed(token, message, &mut deflation);
        self.put_away(token, deflation);
        if sent.is_ok() {
            self.counters.messages_sent.add(1);
        }
        Some(sent)
    }

    /// Sends a fragment if its message goes compressed; nothing has happened if it does not.
    pub(crate) fn send_fragment_compressed(
        &mut self,
        token: Token,
        kind: Kind,
        payload: &[u8],
        fin: bool,
    ) -> Option<Result<Sent, Refused>> {
        let Self { slab, extras, codecs, .. } = self;
        let entry = slab.get_mut(token)?;
        let begun = extras.get(entry.extra).and_then(|extra| codecs.held_deflation(&mut extra.compression));
        self.flush_topics_before(token);
        let mut deflation = match begun {
            Some(deflation) => deflation,
            None => {
                let between = self.slab.get(token)?.may_begin(&self.extras).is_ok();
                if !between || !(fin || self.codecs.may_hold_deflation()) {
                    return None;
                }
                let (terms, level) = self.compresses(token, payload.len(), Choice::Worth)?;
                self.take_up(token, terms, level)
            }
        };
        let sent = self.write_fragment(token, kind, payload, fin, &mut deflation);
        let entry = self.slab.get_mut(token)?;
        let goes_on = entry.is_sending_message(&self.extras);
        match self.extras.need(&mut entry.extra) {
            Some(extra) if goes_on => self.codecs.hold_deflation(&mut extra.compression, deflation),
            _ => self.put_away(token, deflation),
        }
        Some(sent)
    }

    /// How a message of so many octets is compressed, if it is.
    fn compresses(&self, token: Token, octets: usize, choice: Choice) -> Option<(Terms, Level)> {
        let entry = self.slab.get(token)?;
        let terms = entry.sends_compressed(&self.extras)?;
        let effort = self.codecs.effort(entry.flags.effort());
        let worth = match choice {
            Choice::Never => false,
            Choice::Worth => effort.is_worth(octets),
            Choice::Always => true,
        };
        worth.then_some((terms, effort.level))
    }

    /// A codec for a message, with the window of the connection if it may refer to earlier ones.
    fn take_up(&mut self, token: Token, terms: Terms, level: Level) -> Box<Deflation> {
        let Self { slab, extras, codecs, pool, .. } = self;
        let mut window = Default::default();
        let mut takeover = false;
        if terms.takeover()
            && let Some(entry) = slab.get_mut(token)
            && let Some(extra) = extras.need(&mut entry.extra)
        {
            window = core::mem::take(&mut extra.compression.sent);
            takeover = codecs.need_sent(&mut window, terms, pool);
        }
        // RFC 7692 7.1.1: a message may refer to nothing though it would be allowed to. Without a window nothing
        // that was sent before is known, so nothing will ever refer across it.
        let mut deflation = codecs.deflation(level, Terms::new(terms.window(), takeover));
        deflation.window = window;
        deflation
    }

    /// Gives a codec back, and the window to its connection.
    fn put_away(&mut self, token: Token, mut deflation: Box<Deflation>) {
        let Self { slab, extras, codecs, .. } = self;
        if !deflation.window.memory.is_empty()
            && let Some(entry) = slab.get_mut(token)
            && let Some(extra) = extras.need(&mut entry.extra)
        {
            extra.compression.sent = core::mem::take(&mut deflation.window);
        }
        codecs.give_deflation(deflation);
    }

    /// Whether the shared output is this connection's to write to: it is at work, and nothing waits.
    fn is_in_turn(&mut self, token: Token) -> bool {
        let Some(entry) = self.slab.get(token) else { return false };
        self.current == Some(token) && !has_waiting(entry.extra, &mut self.extras)
    }

    fn write_compressed(
        &mut self,
        token: Token,
        message: Message<'_>,
        deflation: &mut Deflation,
    ) -> Result<Sent, Refused> {
        // With room for all of it uncompressed nothing is ever compressed in vain.
        let room = message.len().saturating_add(HEAD_MAX);
        if self.is_in_turn(token) && self.out.len() - self.out_len < room && self.out_len > 0 {
            self.flush(token);
        }
        if self.is_in_turn(token) && self.out.len() - self.out_len >= room {
            let entry = self.slab.get_mut(token).filter(|entry| is_sendable(entry)).ok_or(Refused::Gone)?;
            let mut out = Output::with_written(&mut self.out, self.out_len);
            entry
                .with_peer(&mut self.extras, |peer| {
                    deflation.lend(|codec| peer.encode_compressed(message, codec, &mut out))
                })
                .flatten()
                .ok_or(SendError::CompressionNotAgreed)??;
            self.out_len = out.len();
            return Ok(Sent::Sent);
        }
        self.check_mark(token)?;
        let entry = self.slab.get_mut(token).filter(|entry| is_sendable(entry)).ok_or(Refused::Gone)?;
        let mut memory = self.pool.take(room);
        let mut out = Output::new(&mut memory);
        let written = entry
            .with_peer(&mut self.extras, |peer| {
                deflation.lend(|codec| peer.encode_compressed(message, codec, &mut out))
            })
            .flatten();
        let length = out.len();
        if let Some(Ok(_)) = written
            && let Some(entry) = self.slab.get_mut(token)
            && let Some(extra) = self.extras.need(&mut entry.extra)
        {
            if length > memory.len() / 2 {
                extra.output.push_buffer(&mut self.pool, memory, 0, length);
            } else {
                extra.output.push(&mut self.pool, memory.get(..length).unwrap_or_default());
                self.pool.give(memory);
            }
        } else {
            self.pool.give(memory);
        }
        written.ok_or(SendError::CompressionNotAgreed)??;
        Ok(self.queued(token))
    }

    /// Writes a fragment in as many frames as it takes, so that the peer can inflate all of it.
    fn write_fragment(
        &mut self,
        token: Token,
        kind: Kind,
        mut payload: &[u8],
        fin: bool,
        deflation: &mut Deflation,
    ) -> Result<Sent, Refused> {
        if !self.is_in_turn(token) {
            self.check_mark(token)?;
        }
        let flush = if fin { Flush::Last } else { Flush::Sync };
        let mut memory = self.pool.take(payload.len().clamp(PART_MIN, PART));
        let done = loop {
            let entry = self.slab.get_mut(token).filter(|entry| is_sendable(entry));
            let Some(entry) = entry else { break Err(Refused::Gone) };
            let mut out = Output::new(&mut memory);
            let written = entry
                .with_peer(&mut self.extras, |peer| {
                    deflation
                        .lend(|codec| peer.fragment_compressed(kind, &mut payload, flush, codec, &mut out))
                })
                .flatten();
            let length = out.len();
            self.append(token, memory.get(..length).unwrap_or_default());
            match written {
                Some(Ok(false)) => {}
                Some(Ok(true)) => break Ok(()),
                Some(Err(error)) => break Err(error.into()),
                None => break Err(SendError::CompressionNotAgreed.into()),
            }
        };
        self.pool.give(memory);
        done?;
        self.counters.messages_sent.add(1);
        Ok(if self.is_in_turn(token) { Sent::Sent } else { self.queued(token) })
    }

    /// Appends octets to the shared output, or to the queue of a connection that is not in turn.
    fn append(&mut self, token: Token, octets: &[u8]) {
        if self.is_in_turn(token) && self.out.len() - self.out_len < octets.len() {
            self.flush(token);
        }
        if self.is_in_turn(token)
            && let Some(room) = self.out.get_mut(self.out_len..self.out_len + octets.len())
        {
            room.copy_from_slice(octets);
            self.out_len += octets.len();
        } else if let Some(entry) = self.slab.get_mut(token)
            && let Some(extra) = self.extras.need(&mut entry.extra)
        {
            extra.output.push(&mut self.pool, octets);
        }
    }
}
