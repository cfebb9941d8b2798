//! The receiving side: the one loop that reads, decodes, has replies sent, keeps time and ends connections.
//!
//! It runs in a whole connection and in a reader half. What differs between the two, where the transport and
//! the sending side are, is behind [`Link`].

use crate::config::Config;
use crate::error::Error;
use crate::sending::SendSide;
use crate::transport::{Timer, WriteTransport};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use core::task::{Context, Poll, ready};
use tightwire::deadline::Timeout;
use tightwire::{CloseCode, CloseFrame, Event, Inbound, Inbox, Message, Progress, Role, Violation};

/// Where a receiving side finds its transport and its sending side.
pub(crate) trait Link<R>: SendSide<R> {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, <Self::Write as WriteTransport>::Error>>;
}

pub(crate) type LinkError<L, R> = Error<<<L as SendSide<R>>::Write as WriteTransport>::Error>;
pub(crate) type LinkTimer<L, R> = <<L as SendSide<R>>::Write as WriteTransport>::Timer;

pub(crate) struct Receiving<R> {
    pub(crate) inbound: Inbound<R>,
    pub(crate) inbox: Inbox<Box<[u8]>>,
    phase: Phase,
    owed: Owed,
    /// The last chunk that was given did not end its message.
    pub(crate) streaming: bool,
    /// The rest of a message that was being streamed is not wanted.
    pub(crate) discard: bool,
    /// Reads since one had to wait.
    reads: u8,
    /// Octets have arrived since the deadlines were last told.
    heard: bool,
    /// A head, frame or message was unfinished when the deadlines were last told.
    unfinished: bool,
    /// What most connections have not, most of the time.
    pub(crate) rare: Option<Box<Rare>>,
}

#[derive(Default)]
pub(crate) struct Rare {
    /// What the peer's Close frame said.
    pub(crate) closed: Option<Closed>,
    #[cfg(feature = "deflate")]
    pub(crate) inflation: crate::compression::Inflation,
}

/// How a connection was closed by its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The code of the peer's Close frame; 1005 if it had none.
    pub code: CloseCode,
    /// The reason in the peer's Close frame.
    pub reason: String,
}

impl Closed {
    /// Whether the code is 1000, or there was none.
    pub fn is_normal(&self) -> bool {
        matches!(self.code, CloseCode::NORMAL | CloseCode::NO_STATUS)
    }

    /// Whether the peer goes away (1001) or restarts (1012), so that connecting again makes sense.
    pub fn is_going_away(&self) -> bool {
        matches!(self.code, CloseCode::GOING_AWAY | CloseCode::SERVICE_RESTART)
    }

    /// Whether the peer says that this end broke the protocol or sent something it does not take.
    pub fn is_refusal(&self) -> bool {
        !self.is_normal() && !self.is_going_away()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Output is flushed and the transport closed, because of this.
    Ending(Outcome, Step),
    Ended(Outcome),
}

/// How far an ending has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Flush,
    /// Our direction is ended.
    Close,
    /// The peer's direction is read to its end, so that closing does not reset what the peer has not read.
    Drain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Clean,
    Violation(Violation),
    Timeout(Timeout),
    Abnormal,
}

impl Outcome {
    fn result<E>(self) -> Result<Option<Progress>, Error<E>> {
        match self {
            Self::Clean => Ok(None),
            Self::Violation(violation) => Err(Error::Violation(violation)),
            Self::Timeout(timeout) => Err(Error::Timeout(timeout)),
            Self::Abnormal => Err(Error::Ended),
        }
    }
}

/// A reply that found no room in the output yet. What it answers still lies in the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    Nothing,
    Pong,
    Close,
}

/// Whether messages are collected or given in chunks as they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Messages,
    /// Messages, and the Pings and Pongs between them and between their frames.
    Events,
    Chunks,
}

/// A peer that never stops sending must not keep the thread from other tasks, nor outlive its deadlines: after
/// so many reads without a wait the clock is looked at and the task yields.
const READS_AT_ONCE: u8 = 32;

fn yield_now<X>(cx: &mut Context<'_>) -> Poll<X> {
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl<R: Role> Receiving<R> {
    pub(crate) fn new(inbound: Inbound<R>, inbox: Inbox<Box<[u8]>>) -> Self {
        Self {
            inbound,
            inbox,
            phase: Phase::Open,
            owed: Owed::Nothing,
            streaming: false,
            discard: false,
            reads: 0,
            heard: false,
            unfinished: false,
            rare: None,
        }
    }

    pub(crate) fn closed(&self) -> Option<&Closed> {
        self.rare.as_ref()?.closed.as_ref()
    }

    /// The message that the last poll made ready.
    pub(crate) fn message(&self) -> Option<Message<'_>> {
        let message = self.inbox.message();
        #[cfg(feature = "deflate")]
        let message = message.or_else(|| self.rare.as_ref()?.inflation.message());
        message
    }

    /// The chunk that the last poll gave.
    pub(crate) fn chunk(&self) -> &[u8] {
        #[cfg(feature = "deflate")]
        if let Some(chunk) = self.rare.as_ref().and_then(|rare| rare.inflation.chunk()) {
            return chunk;
        }
        self.inbox.chunk()
    }

    pub(crate) const fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// Forgets the rest of the message whose chunks were being taken.
    pub(crate) const fn discard(&mut self) {
        self.discard = self.streaming;
    }

    /// Reads, decodes and answers until there is a message; `false` once the connection was closed in good order.
    #[inline]
    pub(crate) fn poll_message<L: Link<R>>(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        link: &mut L,
        timer: &mut LinkTimer<L, R>,
    ) -> Poll<Result<bool, LinkError<L, R>>> {
        // Most messages came with the one before: they need no more than this of what may be to do.
        let first = match self.next(config) {
            Some(Ok(Progress::Message)) => return Poll::Ready(Ok(true)),
            other => other,
        };
        self.poll_progress(cx, config, link, timer, Want::Messages, first)
            .map_ok(|progress| progress.is_some())
    }

    /// What lies next in the inbox, if nothing has to be done before it. It is lost if it is not dealt with.
    #[inline]
    fn next(&mut self, config: &Config) -> Option<Result<Progress, Violation>> {
        let between = matches!(self.phase, Phase::Open) && self.owed == Owed::Nothing;
        if !between || self.streaming || self.discard || self.rare.is_some() {
            return None;
        }
        if self.inbox.unread().is_empty() {
            // What was delivered is gone.
            self.inbox.skip(0);
            return Some(Ok(Progress::NeedInput));
        }
        Some(self.inbox.poll(&mut self.inbound.decoder(&config.limits)))
    }

    /// Reads, decodes and answers until there is something for the application, beginning with `first`; `None`
    /// once the connection was closed in good order.
    #[inline(never)]
    pub(crate) fn poll_progress<L: Link<R>>(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        link: &mut L,
        timer: &mut LinkTimer<L, R>,
        want: Want,
        mut first: Option<Result<Progress, Violation>>,
    ) -> Poll<Result<Option<Progress>, LinkError<L, R>>> {
        if want != Want::Chunks {
            // The end of a message whose beginning went out in chunks is no message.
            self.discard();
        }
        loop {
            match self.phase {
                Phase::Open => {}
                Phase::Ending(outcome, step) => {
                    ready!(self.poll_end(cx, config, link, timer, outcome, step));
                    return Poll::Ready(outcome.result());
                }
                Phase::Ended(outcome) => return Poll::Ready(outcome.result()),
            }
            if self.owed != Owed::Nothing {
                let ping = self.owed == Owed::Pong;
                if !self.reply(cx, config, link) {
                    // The peer does not take our output, so it is not read from either.
                    match link.sending(cx, |sending, cx| sending.poll_write_out(cx, config)) {
                        Poll::Ready(Ok(())) if self.reply(cx, config, link) => {}
                        Poll::Ready(Err(_)) => continue,
                        _ => {
                            ready!(self.poll_time(cx, config, link, timer));
                            continue;
                        }
                    }
                }
                if ping && want == Want::Events {
                    return Poll::Ready(Ok(Some(Progress::Ping)));
                }
                continue;
            }
            #[cfg(feature = "deflate")]
            if self.rare.is_some()
                && let Some(progress) = self.inflate(config, want)
            {
                return Poll::Ready(Ok(Some(progress)));
            }
            let progress = first.take().unwrap_or_else(|| {
                let mut decoder = self.inbound.decoder(&config.limits);
                match want {
                    Want::Messages | Want::Events if !self.discard => self.inbox.poll(&mut decoder),
                    _ => self.inbox.poll_chunk(&mut decoder),
                }
            });
            match progress {
                Ok(Progress::Message) => return Poll::Ready(Ok(Some(Progress::Message))),
                #[cfg(feature = "deflate")]
                Ok(Progress::Chunk { kind, last, compressed: true, .. }) => {
                    self.compressed_chunk(config, kind, last);
                }
                Ok(chunk @ Progress::Chunk { last, .. }) => {
                    self.streaming = !last;
                    if self.discard {
                        self.discard = !last;
                        continue;
                    }
                    return Poll::Ready(Ok(Some(chunk)));
                }
                Ok(Progress::Ping) => self.owed = Owed::Pong,
                Ok(Progress::Close) => {
                    self.owed = Owed::Close;
                    let frame = self.inbox.close_frame();
                    let closed = Closed {
                        code: frame.map_or(CloseCode::NO_STATUS, |frame| frame.code),
                        reason: frame.map_or("", |frame| frame.reason).into(),
                    };
                    self.rare.get_or_insert_default().closed = Some(closed);
                }
                Ok(Progress::Pong) => {
                    let now = <LinkTimer<L, R>>::now();
                    let payload = self.inbox.control();
                    link.sending(cx, |sending, _| sending.pong(payload, now));
                    if want == Want::Events {
                        return Poll::Ready(Ok(Some(Progress::Pong)));
                    }
                }
                Ok(Progress::NeedInput | Progress::NeedOutput(_)) if self.reads == READS_AT_ONCE => {
                    self.reads = 0;
                    if self.poll_clock(cx, config, link, timer).is_pending() {
                        return yield_now(cx);
                    }
                }
                Ok(Progress::NeedInput | Progress::NeedOutput(_)) => {
                    match self.poll_input(cx, config, link) {
                        Poll::Ready(Ok(())) => self.reads += 1,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => {
                            self.reads = 0;
                            ready!(self.poll_time(cx, config, link, timer));
                        }
                    }
                }
                Err(violation) => {
                    self.close_for(cx, config, link, Some(violation.close_code()));
                    self.phase = Phase::Ending(Outcome::Violation(violation), Step::Flush);
                }
            }
        }
    }

    /// Tries to pay the reply that is owed.
    fn reply<L: Link<R>>(&mut self, cx: &mut Context<'_>, config: &Config, link: &mut L) -> bool {
        let event = match self.owed {
            Owed::Nothing => return true,
            Owed::Pong => Event::Ping(self.inbox.control()),
            Owed::Close => Event::Close(self.inbox.close_frame()),
        };
        if !link.sending(cx, |sending, _| sending.reply(config, &event)) {
            return false;
        }
        if self.owed == Owed::Close {
            link.sending(cx, |sending, _| sending.close_begun());
            self.phase = Phase::Ending(Outcome::Clean, Step::Flush);
        }
        self.owed = Owed::Nothing;
        true
    }

    /// Sends what waits, then reads.
    fn poll_input<L: Link<R>>(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        link: &mut L,
    ) -> Poll<Result<(), LinkError<L, R>>> {
        // Everything that one read brought has been handled: the replies leave in one write. If the transport
        // does not take them, or not any more, there may still be something to read.
        let _ = link.sending(cx, |sending, cx| {
            if sending.is_flushed() { Poll::Ready(Ok(())) } else { sending.poll_flush(cx, config) }
        });
        let space = if self.inbox.storage().is_empty() { &mut [] } else { self.inbox.space() };
        let space = if space.is_empty() {
            self.enlarge(config);
            self.inbox.space()
        } else {
            space
        };
        match ready!(link.poll_read(cx, space)) {
            Ok(0) => {
                link.sending(cx, |sending, _| sending.close_begun());
                self.phase = Phase::Ending(Outcome::Abnormal, Step::Flush);
            }
            Ok(octets) => {
                self.inbox.commit(octets);
                self.heard = true;
            }
            Err(error) => {
                link.sending(cx, |sending, _| sending.end(config));
                self.phase = Phase::Ended(Outcome::Abnormal);
                self.release(config);
                return Poll::Ready(Err(Error::Transport(error)));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes a larger buffer.
    fn enlarge(&mut self, config: &Config) {
        let length = self.inbox.len();
        // One that has just filled a buffer may have all of its frame in memory that is there anyway.
        let left = if self.reads > 0 { self.inbound.frame_left() } else { 0 };
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).saturating_add(length);
        let kept = if left > 0 { config.pool.take_kept(wanted) } else { None };
        // Else in proportion to what has arrived, so that a slow peer has it moved a few times at most.
        self.swap(config, kept.unwrap_or_else(|| config.pool.take(length + 1)));
    }

    /// Nothing can be done now: gives buffers back and waits for the next deadline. Ready if a deadline was
    /// missed, with the phase changed.
    fn poll_time<L: Link<R>>(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        link: &mut L,
        timer: &mut LinkTimer<L, R>,
    ) -> Poll<()> {
        self.release(config);
        self.poll_clock(cx, config, link, timer)
    }

    /// Ready if a deadline was missed, with the phase changed.
    fn poll_clock<L: Link<R>>(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        link: &mut L,
        timer: &mut LinkTimer<L, R>,
    ) -> Poll<()> {
        let unfinished = !self.inbox.is_empty() || self.inbound.open_message().is_some();
        let heard = core::mem::take(&mut self.heard);
        let changed = core::mem::replace(&mut self.unfinished, unfinished) != unfinished;
        let timeout = ready!(link.sending(cx, |sending, cx| {
            sending.told(heard, unfinished, changed);
            sending.poll_deadline(cx, config, timer, L::TIMER)
        }));
        self.close_for(cx, config, link, timeout.close_code());
        self.phase = Phase::Ending(Outcome::Timeout(timeout), Step::Flush);
        Poll::Ready(())
    }

    fn close_for<L: Link<R>>(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        link: &mut L,
        code: Option<CloseCode>,
    ) {
        link.sending(cx, |sending, _| {
            if let Some(code) = code
                && !sending.outbound.is_closed()
            {
                let frame = CloseFrame { code, reason: "" };
                // Without room the peer reads nothing and would not read this either.
                let _ = sending.control(config, |outbound, out| outbound.close(Some(frame), out));
            }
            sending.close_begun();
        });
    }

    /// Flushes, ends our direction and reads the peer's to its end, within the deadline for closing.
    fn poll_end<L: Link<R>>(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        link: &mut L,
        timer: &mut LinkTimer<L, R>,
        outcome: Outcome,
        mut step: Step,
    ) -> Poll<()> {
        let timed_out = matches!(outcome, Outcome::Timeout(_));
        loop {
            let polled = match step {
                Step::Flush => link.sending(cx, |sending, cx| sending.poll_last(cx, config)),
                // RFC 6455 7.1.1: the server closes the transport first, the client waits for it
                Step::Close if R::IS_CLIENT && outcome == Outcome::Clean => Poll::Ready(Ok(())),
                Step::Close => link.sending(cx, |sending, cx| sending.poll_close(cx)),
                Step::Drain => self.poll_drain(cx, config, link).map(Ok),
            };
            step = match (step, polled) {
                (Step::Flush, Poll::Ready(Ok(()))) => Step::Close,
                (Step::Close, Poll::Ready(Ok(()))) if outcome == Outcome::Abnormal => break,
                (Step::Close, Poll::Ready(Ok(()))) if outcome == Outcome::Clean && !R::IS_CLIENT => break,
                (Step::Close, Poll::Ready(Ok(()))) => Step::Drain,
                (Step::Drain, Poll::Ready(_)) | (_, Poll::Ready(Err(_))) => break,
                // A peer that missed a deadline is not waited for again.
                (_, Poll::Pending) if timed_out => break,
                (step, Poll::Pending) => {
                    self.phase = Phase::Ending(outcome, step);
                    self.release(config);
                    // Whatever deadline it is, the end has waited long enough.
                    let _ = ready!(link.sending(cx, |sending, cx| sending.poll_deadline(
                        cx,
                        config,
                        timer,
                        L::TIMER
                    )));
                    break;
                }
            };
        }
        link.sending(cx, |sending, _| sending.end(config));
        self.phase = Phase::Ended(outcome);
        self.release(config);
        Poll::Ready(())
    }

    /// Reads and forgets until the end of the stream.
    fn poll_drain<L: Link<R>>(&mut self, cx: &mut Context<'_>, config: &Config, link: &mut L) -> Poll<()> {
        self.swap_empty(config);
        let mut scratch = config.pool.take(0);
        let mut reads = 0;
        let end = loop {
            match link.poll_read(cx, &mut scratch) {
                Poll::Ready(Ok(0) | Err(_)) => break Poll::Ready(()),
                Poll::Ready(Ok(_)) if reads == READS_AT_ONCE => break yield_now(cx),
                Poll::Ready(Ok(_)) => reads += 1,
                Poll::Pending => break Poll::Pending,
            }
        };
        config.pool.give(scratch);
        end
    }

    /// Gives the read buffer back: an idle connection holds none, and one that stopped in the middle of
    /// something holds right-sized memory for what there is of it.
    pub(crate) fn release(&mut self, config: &Config) {
        #[cfg(feature = "deflate")]
        if self.rare.is_some() {
            self.release_inflation(config);
        }
        let held = self.inbox.storage().len();
        if held == 0 {
            return;
        }
        if self.owed == Owed::Nothing {
            // What was delivered, or answered, is not needed any more.
            if self.inbox.is_empty() && self.inbound.open_message().is_none() {
                return self.swap_empty(config);
            }
            self.inbox.skip(0);
        }
        let length = self.inbox.len() + self.inbox.control().len();
        if length == 0 {
            // The inbox knows that a message has begun, if only with an empty fragment.
            self.swap(config, Box::default());
        } else if length < held / 4 {
            self.swap(config, vec![0; length].into_boxed_slice());
        }
    }

    /// Forgets what is held, and the buffer.
    fn swap_empty(&mut self, config: &Config) {
        let inbox = core::mem::replace(&mut self.inbox, Inbox::new(Box::default()));
        config.pool.give(inbox.into_storage());
    }

    fn swap(&mut self, config: &Config, storage: Box<[u8]>) {
        match self.inbox.replace(storage) {
            Ok(old) | Err(old) => config.pool.give(old),
        }
    }
}
