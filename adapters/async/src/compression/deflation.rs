//! Messages on sending: which are compressed, where the codec comes from, and when it goes back.
//!
//! A message is compressed straight into the output, in one step under the pool's buffer sizes, so that a future that
//! is dropped has sent nothing of it or all of it. One larger than a fragment goes through a buffer piece by piece.

use super::codecs::Hold;
use super::sets::DeflateSet;
use crate::config::Config;
use crate::error::Error;
use crate::outgoing::Outgoing;
use crate::sending::{Sending, Transfer};
use crate::transport::WriteTransport;
use alloc::boxed::Box;
use core::task::{Context, Poll, ready};
use tightwire::deflate::{Compress, Effort, Flush};
use tightwire::frame::HEAD_MAX;
use tightwire::{Kind, Outbound, Output, Role, SendError};

/// What a sending side has of compression, if anything.
#[derive(Default)]
pub(crate) struct Deflation {
    /// Set for this connection; else that of the configuration holds.
    effort: Option<Effort>,
    /// Of the message that is open, or with takeover of the connection.
    using: Option<Using>,
}

struct Using {
    set: Box<DeflateSet>,
    /// It is the connection's own, and counts as that.
    hold: Option<Hold>,
}

impl Deflation {
    pub(crate) const fn is_blank(&self) -> bool {
        self.effort.is_none() && self.using.is_none()
    }

    /// Drops the codec, whatever it is in the middle of.
    pub(crate) fn drop_codec(&mut self) {
        self.using = None;
    }
}

/// What of a large message is tried before all of it is compressed.
const SAMPLE: usize = 4096;

impl<W: WriteTransport, R: Role> Sending<W, R> {
    pub(crate) fn effort(&self, config: &Config) -> Effort {
        self.rare.as_ref().and_then(|rare| rare.deflation.effort).unwrap_or(config.effort)
    }

    pub(crate) fn set_effort(&mut self, config: &Config, effort: Effort) {
        let rare = self.rare.get_or_insert_with(|| config.codecs.sending());
        rare.deflation.effort = Some(effort);
    }

    /// Drops the codec of a message that is given up.
    pub(crate) fn drop_codec(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.deflation.drop_codec();
        }
    }

    /// Whether a message is to be compressed that has not begun.
    #[inline]
    pub(crate) fn compresses(&self, config: &Config, transfer: &Transfer<'_>) -> bool {
        self.outbound.compression().is_some() && self.is_worth(config, transfer)
    }

    fn is_worth(&self, config: &Config, transfer: &Transfer<'_>) -> bool {
        let length = transfer.rest.map_or(0, <[u8]>::len);
        transfer.whole && !transfer.plain && !transfer.begun && self.effort(config).is_worth(length)
    }

    /// Compresses a whole message into the output if there is room for it at once.
    pub(crate) fn try_compress(&mut self, config: &Config, transfer: &Transfer<'_>) -> bool {
        let Some(payload) = transfer.rest else { return false };
        let is_free = !self.direct && !self.broken && self.failed.is_none();
        let fits =
            payload.len() <= config.fragment && payload.len() + HEAD_MAX <= self.out.room(&config.pool);
        is_free && fits && self.compress_whole(config, transfer.kind, payload).is_ok()
    }

    /// Writes a message compressed, as far as the transport takes it: see [`poll_transfer`](Self::poll_transfer).
    pub(crate) fn poll_compress(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        transfer: &mut Transfer<'_>,
    ) -> Poll<Result<(), Error<W::Error>>> {
        let Some(payload) = transfer.rest else { return Poll::Ready(Ok(())) };
        if !transfer.begun {
            self.outbound.may_begin()?;
            self.check(config)?;
            if payload.len() <= config.fragment {
                // Room for the message as it is: it may not become smaller.
                if !self.out.is_empty() && payload.len() + HEAD_MAX > self.out.room(&config.pool) {
                    ready!(self.poll_write_out(cx, config))?;
                }
                self.compress_whole(config, transfer.kind, payload)?;
                transfer.rest = None;
                return Poll::Ready(Ok(()));
            }
            if !self.shrinks(config, payload) {
                transfer.plain = true;
                return self.poll_transfer(cx, config, transfer);
            }
            if !self.out.is_empty() {
                ready!(self.poll_write_out(cx, config))?;
            }
        }
        let mut rest = payload;
        loop {
            let written = self.fragment_compressed(config, transfer.kind, &mut rest, Flush::Last);
            match written {
                Ok(done) => {
                    transfer.begun = true;
                    transfer.compressed = true;
                    transfer.rest = (!done).then_some(rest);
                    if done {
                        return Poll::Ready(Ok(()));
                    }
                }
                Err(SendError::NeedsSpace(_)) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
            ready!(self.poll_write_out(cx, config))?;
        }
    }

    /// Compresses the next part of a message into what room the output has: see
    /// [`Outbound::fragment_compressed`].
    pub(crate) fn fragment_compressed(
        &mut self,
        config: &Config,
        kind: Kind,
        rest: &mut &[u8],
        flush: Flush,
    ) -> Result<bool, SendError> {
        self.with_codec(config, true, |outbound, codec, out| {
            out.write(&config.pool, |out| outbound.fragment_compressed(kind, rest, flush, codec, out))
        })
    }

    /// Compresses a message into the output whatever its size, in memory of its own if need be.
    pub(crate) fn queue_compressed(
        &mut self,
        config: &Config,
        transfer: &mut Transfer<'_>,
    ) -> Result<(), SendError> {
        let Some(mut rest) = transfer.rest.take() else { return Ok(()) };
        if !transfer.begun && rest.len() <= config.fragment {
            return self.compress_whole(config, transfer.kind, rest);
        }
        loop {
            let room = rest.len().min(config.pool.payload_size()) + 2 * HEAD_MAX;
            let kind = transfer.kind;
            let done = self.with_codec(config, true, |outbound, codec, out| {
                append(out, config, room, |out| {
                    outbound.fragment_compressed(kind, &mut rest, Flush::Last, codec, out)
                })
            })?;
            if done {
                return Ok(());
            }
        }
    }

    /// Compresses a whole message into the output, which grows if it has not the room.
    fn compress_whole(&mut self, config: &Config, kind: Kind, payload: &[u8]) -> Result<(), SendError> {
        self.outbound.may_begin()?;
        self.with_codec(config, false, |outbound, codec, out| {
            append(out, config, payload.len() + HEAD_MAX, |out| {
                outbound.frame_compressed(kind, payload, codec, out)
            })
        })?;
        Ok(())
    }

    /// Whether a message too large to be taken back seems to become smaller: what its beginning comes to.
    fn shrinks(&self, config: &Config, payload: &[u8]) -> bool {
        let Some(agreed) = self.outbound.compression() else { return false };
        let sample = payload.get(..SAMPLE).unwrap_or(payload);
        let mut output = config.pool.take(sample.len());
        let level = self.effort(config).level;
        let shrinks =
            config.codecs.once(level, agreed, |codec| Ok(codec.message(sample, &mut output).is_some()));
        config.pool.give(output);
        shrinks.unwrap_or(false)
    }

    /// Lends the codec of the message that is open, or one for the message that begins. It goes back when no
    /// `streamed` message is open, unless it is the connection's own.
    fn with_codec<X>(
        &mut self,
        config: &Config,
        streamed: bool,
        use_it: impl FnOnce(&mut Outbound<R>, &mut dyn Compress, &mut Outgoing) -> Result<X, SendError>,
    ) -> Result<X, SendError> {
        let Some(agreed) = self.outbound.compression() else { return Err(SendError::CompressionNotAgreed) };
        let level = self.effort(config).level;
        let is_open = self.outbound.open_message().is_some();
        let kept = self.rare.as_mut().and_then(|rare| rare.deflation.using.take());
        let mut using = match kept {
            Some(using) if is_open || using.set.is_for(level, agreed) => using,
            _ => {
                let own = if agreed.takeover() { config.codecs.own_deflater(level, agreed) } else { None };
                match own {
                    Some((set, hold)) => Using { set, hold: Some(hold) },
                    None => Using { set: config.codecs.deflater(level, agreed), hold: None },
                }
            }
        };
        let Self { outbound, out, .. } = self;
        let result = using.set.with(|codec| use_it(outbound, codec, out));
        let is_open = streamed && self.outbound.open_message().is_some();
        if is_open || using.hold.as_ref().is_some_and(|hold| !hold.is_over()) {
            let rare = self.rare.get_or_insert_with(|| config.codecs.sending());
            rare.deflation.using = Some(using);
        } else {
            // One of a connection's own is as large as its window, and of no use to others.
            if using.hold.is_none() {
                config.codecs.give_deflater(using.set);
            }
            self.release_rare(config);
        }
        result
    }
}

/// Lets `write` append to the output, which has at least so much room.
fn append<X>(
    outgoing: &mut Outgoing,
    config: &Config,
    room: usize,
    write: impl FnOnce(&mut Output<'_>) -> Result<X, SendError>,
) -> Result<X, SendError> {
    let mut out = outgoing.grow(&config.pool, room);
    let written = write(&mut out);
    let length = out.len();
    outgoing.set_written(length);
    outgoing.release(&config.pool);
    written
}
