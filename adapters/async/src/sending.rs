//! The sending side: frames into the output, output into the transport.
//!
//! It is a field of a whole connection and stands behind a lock between two halves. Nothing here waits for
//! the application or for the peer while the lock is held.

use crate::config::{Config, tick, time};
use crate::error::Error;
use crate::outgoing::Outgoing;
use crate::transport::{Timer, WriteTransport};
use alloc::boxed::Box;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use tightwire::deadline::{Action, Deadlines, Timeout};
use tightwire::frame::{CONTROL_FRAME_MAX, HEAD_MAX};
use tightwire::{CloseFrame, Event, Kind, Outbound, Output, Role, SendError};

mod transfer;

pub(crate) use transfer::Transfer;

/// Where a sending side is: in the same hand, or behind the lock that two halves share.
pub trait SendSide<R> {
    type Write: WriteTransport;
    /// The timer that it waits by. Two halves have one each, and neither is set by the other.
    const TIMER: u8;

    /// The sending side, for what does not wait.
    fn with<X>(&mut self, use_it: impl FnOnce(&mut Sending<Self::Write, R>) -> X) -> X;

    /// The sending side, with the context that its polls are to use.
    fn sending<X>(
        &mut self,
        cx: &mut Context<'_>,
        use_it: impl FnOnce(&mut Sending<Self::Write, R>, &mut Context<'_>) -> X,
    ) -> X;

    /// Waits for the next deadline: see [`Sending::poll_deadline`].
    fn poll_deadline(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        timer: &mut <Self::Write as WriteTransport>::Timer,
    ) -> Poll<Timeout>
    where
        R: Role,
    {
        self.sending(cx, |sending, cx| sending.poll_deadline(cx, config, timer, Self::TIMER))
    }
}

/// The timer of a whole connection or of a reader.
pub(crate) const READER_TIMER: u8 = 1;
/// The timer of a writer.
pub(crate) const WRITER_TIMER: u8 = 2;
const ALL_TIMERS: u8 = READER_TIMER | WRITER_TIMER;

pub struct Sending<W, R> {
    pub(crate) io: W,
    pub(crate) outbound: Outbound<R>,
    deadlines: Deadlines,
    /// The timers that have to be set anew, a bit each: a fact was told that may bring a deadline forward.
    rearm: u8,
    /// A keepalive Ping was sent, and nothing has been heard since.
    pinged: bool,
    pub(crate) out: Outgoing,
    /// What most connections have not, most of the time.
    pub(crate) rare: Option<Box<Rare>>,
    /// A frame is on its way whose payload is written straight from the caller's memory.
    pub(crate) direct: bool,
    /// The transport was given octets since it was last flushed.
    unflushed: bool,
    /// The transport took no more when it was last asked.
    blocked: bool,
    /// The transport takes no more for good. What is to be sent is dropped; reading goes on to its end.
    pub(crate) broken: bool,
    /// The deadline that was missed: it stays missed.
    pub(crate) failed: Option<Timeout>,
    /// The reader waits for room for a reply, or for the end of a frame: whoever makes progress has it woken.
    pub(crate) reader_waits: bool,
    /// Something happened that another task with this connection may wait for, or has to keep the time of.
    pub(crate) news: bool,
    /// The last measured round trip, in microseconds; 0 if there is none yet.
    round_trip: u32,
}

#[derive(Default)]
pub(crate) struct Rare {
    /// Control frames that wait for the end of the frame that is on its way.
    held: Outgoing,
    #[cfg(feature = "deflate")]
    pub(crate) deflation: crate::compression::Deflation,
}

impl Rare {
    fn is_blank(&self) -> bool {
        #[cfg(feature = "deflate")]
        let is_blank = self.deflation.is_blank();
        #[cfg(not(feature = "deflate"))]
        let is_blank = true;
        is_blank && self.held.is_empty()
    }
}

impl<W, R> core::fmt::Debug for Sending<W, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}

impl<W, R> Sending<W, R> {
    /// The same side on another transport, such as one half of the one before, which it gives back.
    pub(crate) fn with_io<V>(self, io: V) -> (Sending<V, R>, W) {
        let sending = Sending {
            io,
            outbound: self.outbound,
            deadlines: self.deadlines,
            // The halves have timers of their own.
            rearm: ALL_TIMERS,
            pinged: self.pinged,
            out: self.out,
            rare: self.rare,
            direct: self.direct,
            unflushed: self.unflushed,
            blocked: self.blocked,
            broken: self.broken,
            failed: self.failed,
            reader_waits: self.reader_waits,
            news: true,
            round_trip: self.round_trip,
        };
        (sending, self.io)
    }

    /// Whether there is nothing to be sent, neither here nor in the transport.
    pub(crate) fn is_flushed(&self) -> bool {
        self.out.is_empty() && !self.unflushed
    }
}

impl<W: WriteTransport, R: Role> Sending<W, R> {
    pub(crate) fn new(io: W, outbound: Outbound<R>, deadlines: Deadlines) -> Self {
        Self {
            io,
            outbound,
            deadlines,
            rearm: ALL_TIMERS,
            pinged: false,
            out: Outgoing::default(),
            rare: None,
            direct: false,
            unflushed: false,
            blocked: false,
            broken: false,
            failed: None,
            reader_waits: false,
            news: false,
            round_trip: 0,
        }
    }

    pub(crate) const fn round_trip(&self) -> Option<Duration> {
        if self.round_trip == 0 { None } else { Some(Duration::from_micros(self.round_trip as u64)) }
    }

    /// Whether messages can be sent at all.
    pub(crate) fn check(&mut self, config: &Config) -> Result<(), Error<W::Error>> {
        if self.direct {
            // A future that was leaked in the middle of a frame: nothing can follow.
            self.cut(config);
        }
        match self.failed {
            _ if self.broken => Err(Error::Ended),
            Some(timeout) => Err(Error::Timeout(timeout)),
            None => Ok(()),
        }
    }

    /// Appends a control frame: to the output, or behind the frame that is on its way.
    pub(crate) fn control(
        &mut self,
        config: &Config,
        mut write: impl FnMut(&mut Outbound<R>, &mut Output<'_>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let outbound = &mut self.outbound;
        let out = if self.direct { &mut self.rare.get_or_insert_default().held } else { &mut self.out };
        let written = out.write(&config.pool, |out| write(outbound, out));
        if self.broken {
            self.out.clear();
            self.out.release(&config.pool);
        }
        written
    }

    /// Appends the reply to an event; `false` if there is no room for it yet.
    pub(crate) fn reply(&mut self, config: &Config, event: &Event<'_>) -> bool {
        let replied = self.outbound.is_closed()
            || self.control(config, |outbound, out| outbound.reply(event, out)).is_ok();
        self.reader_waits = !replied;
        replied
    }

    /// Appends a Ping that measures the round trip by its payload.
    pub(crate) fn keepalive(&mut self, config: &Config, now: Duration) {
        let stamp = (now.as_micros() as u64).to_be_bytes();
        // Without room the peer reads nothing, and the write deadline runs.
        let _ = self.control(config, |outbound, out| outbound.ping(&stamp, out));
        self.pinged = true;
    }

    /// Appends a Close frame and starts the clock of the closing handshake.
    pub(crate) fn start_close(
        &mut self,
        config: &Config,
        frame: Option<CloseFrame<'_>>,
    ) -> Result<(), SendError> {
        self.control(config, |outbound, out| outbound.close(frame, out))?;
        self.close_begun();
        Ok(())
    }

    /// The same, in memory of its own if need be.
    pub(crate) fn start_close_for_sure(
        &mut self,
        config: &Config,
        frame: CloseFrame<'_>,
    ) -> Result<(), SendError> {
        if !self.broken && !self.direct {
            self.out.grow(&config.pool, CONTROL_FRAME_MAX);
        }
        self.start_close(config, Some(frame))
    }

    /// Starts the clock of the closing handshake.
    pub(crate) fn close_begun(&mut self) {
        self.rearm = ALL_TIMERS;
        self.news = true;
        self.deadlines.close_begun(tick(W::Timer::now()));
    }

    /// Tells the deadlines what reading came to: whether octets arrived, whether something is unfinished, and
    /// whether that has changed.
    pub(crate) fn told(&mut self, heard: bool, unfinished: bool, changed: bool) {
        if !heard && !changed {
            return;
        }
        let now = tick(W::Timer::now());
        if heard {
            // The next Ping may be due before the answer to the last one was.
            if core::mem::take(&mut self.pinged) {
                self.rearm = ALL_TIMERS;
            }
            self.deadlines.received(now);
            self.deadlines.frame_progress(now);
        }
        if changed && unfinished {
            self.rearm = ALL_TIMERS;
            self.deadlines.frame_begun(now);
        } else if changed {
            self.deadlines.frame_done();
        }
    }

    /// Takes note of a Pong: one that answers a keepalive gives the round trip.
    pub(crate) fn pong(&mut self, payload: &[u8], now: Duration) {
        let Ok(stamp) = <[u8; 8]>::try_from(payload) else { return };
        let Some(elapsed) = (now.as_micros() as u64).checked_sub(u64::from_be_bytes(stamp)) else { return };
        // A stamp that lies before the last Ping was made up by the peer, or is too old to tell anything.
        if let Some(ticks) = self.deadlines.pong_received(tick(now))
            && elapsed / 100_000 <= u64::from(ticks) + 1
        {
            self.round_trip = u32::try_from(elapsed).unwrap_or(u32::MAX).max(1);
        }
    }

    /// Writes output until none is left.
    pub(crate) fn poll_write_out(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
    ) -> Poll<Result<(), Error<W::Error>>> {
        if self.broken {
            return Poll::Ready(Err(Error::Ended));
        }
        if self.out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.out.is_empty() {
            match self.io.poll_write(cx, self.out.pending()) {
                Poll::Ready(Ok(octets)) => {
                    self.out.sent(octets);
                    self.progress();
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.break_off(config, error))),
                Poll::Pending => {
                    self.block();
                    return Poll::Pending;
                }
            }
        }
        self.out_is_empty(config);
        Poll::Ready(Ok(()))
    }

    /// Writes output until none is left in the transport either.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
    ) -> Poll<Result<(), Error<W::Error>>> {
        ready!(self.poll_write_out(cx, config))?;
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        match self.io.poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                self.unflushed = false;
                self.unblock();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.break_off(config, error))),
            Poll::Pending => {
                self.block();
                Poll::Pending
            }
        }
    }

    /// Flushes before the end: behind the frame that a writer is in the middle of.
    pub(crate) fn poll_last(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
    ) -> Poll<Result<(), Error<W::Error>>> {
        self.reader_waits = self.direct;
        if self.direct { Poll::Pending } else { self.poll_flush(cx, config) }
    }

    /// The connection has ended: what was not sent never will be.
    pub(crate) fn end(&mut self, config: &Config) {
        #[cfg(feature = "deflate")]
        let holds_codec = self.rare.is_some();
        #[cfg(not(feature = "deflate"))]
        let holds_codec = false;
        if self.direct || holds_codec || !self.out.is_empty() {
            self.cut(config);
        }
        self.news = true;
    }

    /// Drops what is to be sent, for good.
    pub(crate) fn cut(&mut self, config: &Config) {
        self.broken = true;
        self.direct = false;
        if let Some(rare) = &mut self.rare {
            rare.held.clear();
            rare.held.release(&config.pool);
            #[cfg(feature = "deflate")]
            rare.deflation.drop_codec();
            self.release_rare(config);
        }
        self.out.clear();
        self.unblock();
        self.out.release(&config.pool);
    }

    /// Gives the box back if nothing is in it.
    pub(crate) fn release_rare(&mut self, config: &Config) {
        let blank = self.rare.take_if(|rare| rare.is_blank());
        #[cfg(feature = "deflate")]
        if let Some(blank) = blank {
            config.codecs.give_sending(blank);
        }
        #[cfg(not(feature = "deflate"))]
        let _ = (blank, config);
    }

    /// Ends the sending direction of the transport.
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error<W::Error>>> {
        self.io.poll_close(cx).map_err(Error::Transport)
    }

    /// Ready once no more is queued than one buffer should hold.
    pub(crate) fn poll_room(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
    ) -> Poll<Result<(), Error<W::Error>>> {
        if self.out.pending().len() > config.pool.smallest() / 2 {
            return self.poll_write_out(cx, config);
        }
        Poll::Ready(self.check(config))
    }

    /// Polls what sends, and keeps the deadlines while it has to wait.
    pub(crate) fn poll_timed(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        timer: (&mut W::Timer, u8),
        poll: impl FnOnce(&mut Self, &mut Context<'_>, &Config) -> Poll<Result<(), Error<W::Error>>>,
    ) -> Poll<Result<(), Error<W::Error>>> {
        match poll(self, cx, config) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => {
                self.poll_deadline(cx, config, timer.0, timer.1).map(|timeout| Err(Error::Timeout(timeout)))
            }
        }
    }

    /// Frames the payload that lies in `buffer` behind room for a head, and swaps the buffer with that of the
    /// output, which must be empty: nothing is copied.
    pub(crate) fn adopt(
        &mut self,
        kind: Kind,
        buffer: &mut Box<[u8]>,
        payload: usize,
        fin: bool,
    ) -> Result<(), SendError> {
        let mut head = [0; HEAD_MAX];
        let mut out = Output::new(&mut head);
        let mut masker = self.outbound.head(kind, payload as u64, fin, &mut out)?;
        debug_assert!(self.out.is_empty(), "what was pending would be lost");
        let start = HEAD_MAX - out.len();
        if let Some(front) = buffer.get_mut(start..HEAD_MAX) {
            front.copy_from_slice(out.written());
        }
        masker.mask(buffer.get_mut(HEAD_MAX..HEAD_MAX + payload).unwrap_or_default());
        self.out.swap(buffer, start, HEAD_MAX + payload);
        Ok(())
    }

    // The clock is read only around a transport that takes no more: most writes are never blocked.

    fn block(&mut self) {
        if !self.blocked {
            self.rearm = ALL_TIMERS;
            self.news = true;
        }
        self.blocked = true;
        self.deadlines.write_blocked(tick(W::Timer::now()));
    }

    fn progress(&mut self) {
        self.unflushed = true;
        if self.blocked {
            self.deadlines.write_progress(tick(W::Timer::now()));
        }
    }

    fn unblock(&mut self) {
        if self.blocked {
            self.blocked = false;
            self.rearm = ALL_TIMERS;
            self.news = true;
            self.deadlines.write_done(tick(W::Timer::now()));
        }
    }

    fn out_is_empty(&mut self, config: &Config) {
        self.unblock();
        self.out.release(&config.pool);
    }

    fn break_off(&mut self, config: &Config, error: W::Error) -> Error<W::Error> {
        self.cut(config);
        self.news = true;
        Error::Transport(error)
    }

    /// Waits for the next deadline by one of the timers; ready with the deadline that was missed. Pings of
    /// keepalive are appended and written on the way.
    pub(crate) fn poll_deadline(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        timer: &mut W::Timer,
        which: u8,
    ) -> Poll<Timeout> {
        if let Some(timeout) = self.failed {
            return Poll::Ready(timeout);
        }
        // Most facts put deadlines off: then an alarm that goes off too early is all it costs.
        if self.rearm & which == 0 {
            ready!(timer.poll_armed(cx));
        }
        self.rearm |= which;
        loop {
            let now = W::Timer::now();
            match self.deadlines.on_time(tick(now), &config.timeouts) {
                Some(Action::Ping) => {
                    self.keepalive(config, now);
                    // An error shows when reading.
                    let _ = self.poll_flush(cx, config);
                }
                Some(Action::Fail(timeout)) => {
                    self.failed = Some(timeout);
                    self.news = true;
                    return Poll::Ready(timeout);
                }
                None => match self.deadlines.next_deadline(tick(now), &config.timeouts) {
                    Some(at) => {
                        if timer.poll_until(cx, time(at, now)).is_pending() {
                            self.rearm &= !which;
                            return Poll::Pending;
                        }
                    }
                    None => return Poll::Pending,
                },
            }
        }
    }
}
