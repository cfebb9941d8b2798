//! Messages on their way into the output: copied behind their heads, or written from where they lie.

use super::Sending;
use crate::config::Config;
use crate::error::Error;
use crate::transport::WriteTransport;
use core::task::{Context, Poll, ready};
use tightwire::frame::HEAD_MAX;
use tightwire::{Kind, Masker, Message, Role, SendError};

/// Payloads up to this are copied behind their head, so that many messages leave in one write. Larger ones
/// are written from where they lie.
const COPY_MAX: usize = 4096;

/// A message on its way out, in as many fragments as the configuration asks for.
pub(crate) struct Transfer<'m> {
    pub(crate) kind: Kind,
    /// Whether it is a message of its own, not a fragment that may go on with one.
    pub(crate) whole: bool,
    /// Whether it is to go as it is, whatever was agreed.
    #[cfg(feature = "deflate")]
    pub(crate) plain: bool,
    /// Whether it goes compressed, in fragments. They are cut by the codec.
    #[cfg(feature = "deflate")]
    pub(crate) compressed: bool,
    /// Whether the last fragment ends the message.
    fin: bool,
    /// What has not been framed yet; `None` once the last frame is.
    pub(crate) rest: Option<&'m [u8]>,
    /// Whether a frame of it has been written.
    pub(crate) begun: bool,
    /// The frame whose payload is being written straight.
    frame: Option<(Masker, &'m [u8])>,
}

impl<'m> Transfer<'m> {
    pub(crate) fn message(message: Message<'m>) -> Self {
        Self {
            kind: message.kind(),
            whole: true,
            #[cfg(feature = "deflate")]
            plain: false,
            #[cfg(feature = "deflate")]
            compressed: false,
            fin: true,
            rest: Some(message.octets()),
            begun: false,
            frame: None,
        }
    }

    /// One fragment of a message that the caller cuts.
    pub(crate) fn fragment(kind: Kind, payload: &'m [u8], fin: bool) -> Self {
        Self {
            kind,
            whole: false,
            #[cfg(feature = "deflate")]
            plain: true,
            #[cfg(feature = "deflate")]
            compressed: false,
            fin,
            rest: Some(payload),
            begun: false,
            frame: None,
        }
    }

    /// The same, to go as it is.
    #[cfg(feature = "deflate")]
    pub(crate) fn uncompressed(self) -> Self {
        Self { plain: true, ..self }
    }

    /// Takes the next frame's payload off the rest, and says whether it is the last frame.
    fn cut(&self, size: usize) -> Option<(&'m [u8], Option<&'m [u8]>)> {
        let rest = self.rest?;
        Some(match rest.split_at_checked(size.max(1)) {
            Some((front, back)) if !back.is_empty() => (front, Some(back)),
            _ => (rest, None),
        })
    }
}

impl<W: WriteTransport, R: Role> Sending<W, R> {
    /// Queues a small frame if there is room for it at once.
    #[inline]
    pub(crate) fn try_feed(&mut self, config: &Config, transfer: &Transfer<'_>) -> bool {
        let Some(payload) = transfer.rest else { return false };
        #[cfg(feature = "deflate")]
        if self.compresses(config, transfer) {
            return self.try_compress(config, transfer);
        }
        if transfer.whole && self.outbound.may_begin().is_err() {
            return false;
        }
        let fits = payload.len() <= COPY_MAX.min(config.fragment)
            && transfer.frame.is_none()
            && !self.direct
            && !self.broken
            && self.failed.is_none();
        let outbound = &mut self.outbound;
        fits && self
            .out
            .append(&config.pool, |out| outbound.fragment(transfer.kind, payload, transfer.fin, out))
    }

    /// Writes a message, as far as the transport takes it. Ready once nothing of it is in the caller's memory.
    pub(crate) fn poll_transfer(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        transfer: &mut Transfer<'_>,
    ) -> Poll<Result<(), Error<W::Error>>> {
        #[cfg(feature = "deflate")]
        if transfer.compressed || self.compresses(config, transfer) {
            return self.poll_compress(cx, config, transfer);
        }
        loop {
            if let Some((masker, payload)) = &mut transfer.frame {
                ready!(self.poll_payload(cx, config, masker, payload))?;
                transfer.frame = None;
                self.end_direct(config);
            }
            let Some((payload, rest)) = transfer.cut(config.fragment) else { return Poll::Ready(Ok(())) };
            if !transfer.begun {
                if transfer.whole {
                    self.outbound.may_begin()?;
                }
                self.check(config)?;
                // What was left of messages that were given up goes first, or they would pile up.
                if self.out.pending().len() > config.pool.smallest() {
                    ready!(self.poll_write_out(cx, config))?;
                }
            }
            let fin = rest.is_none() && transfer.fin;
            let kind = transfer.kind;
            let outbound = &mut self.outbound;
            // What does not fit into an empty buffer would never be copied.
            let written = if payload.len() <= COPY_MAX.min(config.pool.payload_size()) {
                self.out.write(&config.pool, |out| outbound.fragment(kind, payload, fin, out)).map(|()| None)
            } else {
                let length = payload.len() as u64;
                self.out.write(&config.pool, |out| outbound.head(kind, length, fin, out)).map(Some)
            };
            match written {
                Ok(masker) => {
                    transfer.rest = rest;
                    transfer.begun = true;
                    self.direct = masker.is_some();
                    transfer.frame = masker.map(|masker| (masker, payload));
                }
                Err(SendError::NeedsSpace(_)) => ready!(self.poll_write_out(cx, config))?,
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Writes the payload of a frame whose head stands last in the output.
    fn poll_payload(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        masker: &mut Masker,
        payload: &mut &[u8],
    ) -> Poll<Result<(), Error<W::Error>>> {
        if self.broken {
            return Poll::Ready(Err(Error::Ended));
        }
        if masker.is_needed() {
            while !payload.is_empty() {
                let copied = self
                    .out
                    .write(&config.pool, |out| {
                        if out.room() == 0 {
                            Err(SendError::NeedsSpace(1))
                        } else {
                            Ok(masker.append(payload, out))
                        }
                    })
                    .unwrap_or(0);
                *payload = payload.get(copied..).unwrap_or_default();
                if !payload.is_empty() {
                    ready!(self.poll_write_out(cx, config))?;
                }
            }
            return Poll::Ready(Ok(()));
        }
        while !payload.is_empty() {
            match self.io.poll_write_vectored(cx, [self.out.pending(), payload]) {
                Poll::Ready(Ok(octets)) => {
                    let ahead = self.out.pending().len().min(octets);
                    self.out.sent(ahead);
                    *payload = payload.get(octets - ahead..).unwrap_or_default();
                    self.progress();
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.break_off(config, error))),
                Poll::Pending => {
                    self.block();
                    return Poll::Pending;
                }
            }
        }
        if self.out.is_empty() {
            self.out_is_empty(config);
        }
        Poll::Ready(Ok(()))
    }

    /// Queues a whole message whatever its size, in memory of its own if need be.
    pub(crate) fn queue(&mut self, config: &Config, message: Message<'_>) -> Result<(), Error<W::Error>> {
        self.outbound.may_begin()?;
        self.check(config)?;
        let mut transfer = Transfer::message(message);
        #[cfg(feature = "deflate")]
        if self.compresses(config, &transfer) {
            return self.queue_compressed(config, &mut transfer).map_err(Error::Send);
        }
        transfer.begun = true;
        self.abandon(config, &mut transfer);
        Ok(())
    }

    /// Takes what is left of a message into the output, because its caller's memory goes away: a message that
    /// has begun is sent to its end, one that has not begun not at all.
    pub(crate) fn abandon(&mut self, config: &Config, transfer: &mut Transfer<'_>) {
        if self.broken {
            return;
        }
        if let Some((mut masker, payload)) = transfer.frame.take() {
            let mut out = self.out.grow(&config.pool, payload.len());
            masker.append(payload, &mut out);
            let length = out.len();
            self.out.set_written(length);
            self.end_direct(config);
        } else if !transfer.begun {
            return;
        }
        #[cfg(feature = "deflate")]
        if transfer.compressed {
            // An error: closed already.
            let _ = self.queue_compressed(config, transfer);
            return;
        }
        while let Some((payload, rest)) = transfer.cut(config.fragment) {
            let mut out = self.out.grow(&config.pool, payload.len() + HEAD_MAX);
            let written =
                self.outbound.fragment(transfer.kind, payload, rest.is_none() && transfer.fin, &mut out);
            let length = out.len();
            self.out.set_written(length);
            transfer.rest = if written.is_ok() { rest } else { None };
        }
    }

    /// The frame that was written straight is complete: what was held goes behind it.
    fn end_direct(&mut self, config: &Config) {
        self.direct = false;
        if let Some(rare) = &mut self.rare
            && !rare.held.is_empty()
        {
            let held = &mut rare.held;
            let mut out = self.out.grow(&config.pool, held.pending().len());
            out.append(held.pending());
            let length = out.len();
            self.out.set_written(length);
            held.clear();
            held.release(&config.pool);
            self.release_rare(config);
        }
    }
}
