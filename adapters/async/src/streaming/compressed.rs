//! A message that is compressed while it is written: what the writer's buffer holds goes through the codec into the
//! output.

use super::{MessageWriter, State, WriteError};
use crate::sending::SendSide;
use core::task::{Context, Poll, ready};
use tightwire::deflate::{Flush, Terms};
use tightwire::frame::HEAD_MAX;
use tightwire::{Role, SendError};

/// Whether the message is compressed, and how far.
pub(super) struct Compression {
    on: bool,
    /// Octets of the buffer that have gone into the codec.
    taken: usize,
    /// The codec may hold octets back.
    held_back: bool,
}

impl Compression {
    pub(super) const fn new(agreed: Option<Terms>) -> Self {
        Self { on: agreed.is_some(), taken: 0, held_back: false }
    }

    pub(super) const fn is_on(&self) -> bool {
        self.on
    }

    pub(super) const fn is_held_back(&self) -> bool {
        self.held_back
    }
}

impl<S: SendSide<R>, R: Role> MessageWriter<'_, S, R> {
    /// The same writer, whose message goes as it is though compression was agreed on. Without effect once something
    /// was written.
    #[must_use]
    pub fn uncompressed(mut self) -> Self {
        self.compression.on &= self.state != State::Untouched;
        self
    }

    /// Puts what the buffer holds through the codec.
    pub(super) fn poll_compressed(
        &mut self,
        cx: &mut Context<'_>,
        flush: Flush,
    ) -> Poll<Result<(), WriteError<S, R>>> {
        let Self { side, config, kind, buffer, length, compression, .. } = self;
        let mut rest = buffer.get(HEAD_MAX + compression.taken..HEAD_MAX + *length).unwrap_or_default();
        let polled = side.sending(cx, |sending, cx| {
            sending.check(config)?;
            loop {
                match sending.fragment_compressed(config, *kind, &mut rest, flush) {
                    Ok(true) => return Poll::Ready(Ok(())),
                    Ok(false) | Err(SendError::NeedsSpace(_)) => ready!(sending.poll_write_out(cx, config))?,
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
            }
        });
        compression.taken = *length - rest.len();
        ready!(self.resolve(cx, polled))?;
        self.length = 0;
        self.compression.taken = 0;
        self.compression.held_back = flush == Flush::No;
        Poll::Ready(Ok(()))
    }
}
