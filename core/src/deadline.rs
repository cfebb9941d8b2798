//! Time as data: which deadline of a connection comes next, and what to do when it has passed.
//!
//! It decides when a peer has been silent, slow or stuck for too long. It knows no clock, no timer and no
//! socket: the caller reports facts with the tick at which they happened, arms one timer at
//! [`Deadlines::next_deadline`] and calls [`Deadlines::on_time`] when that has come. A deadline holds no
//! state of the protocol, so none can corrupt it: what has been decoded before a timeout stays decoded, and
//! what comes after it is decoded as if there had been none.

use crate::close::CloseCode;
use core::fmt;

/// A point in time, in ticks of a unit that the caller chooses (100 ms is a good one) from an origin that it
/// chooses. Wraps around.
pub type Tick = u32;

/// The longest timeout, in ticks: 9.7 days at 100 ms, 97 days at 1 s. A longer one counts as this.
pub const LONGEST: u32 = (1 << 23) - 1;

/// How far a clock may lag. What is left of the round is for a timer that comes late: a deadline that has passed
/// stays passed for as many ticks.
const LAG: u32 = 1 << 22;

/// How long each thing may take, in ticks. Plain data that many connections share by reference.
///
/// `None` lifts a timeout. Ticks are coarse: what happened late in a tick counts from the beginning of it,
/// so a deadline may come up to one tick early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// From the first octet of the connection to the end of the opening handshake. Default: 10 s.
    pub handshake: Option<u32>,
    /// Silence of the peer after which a Ping is sent (RFC 6455 5.5.2). Default: 20 s. 0 counts as 1: a tick
    /// has one Ping at most.
    pub ping: Option<u32>,
    /// From a Ping to the first octet that follows, of a Pong or of anything else. Default: 20 s.
    /// If it is lifted, a silent peer gets a Ping again and again.
    pub pong: Option<u32>,
    /// Silence of the peer after which the connection ends. Default: lifted, because `ping` and `pong`
    /// together end silence sooner. For those who lift `ping`.
    pub idle: Option<u32>,
    /// From the first Close frame, sent or received, to the end of the transport (RFC 6455 7.1.1).
    /// Default: 5 s.
    pub close: Option<u32>,
    /// Without progress in an unfinished head, frame or message. Default: 30 s.
    pub progress: Option<u32>,
    /// Without progress in output that the peer does not take. Default: 30 s. If it is lifted, a peer that
    /// reads nothing is held until the lifetime ends.
    pub write: Option<u32>,
    /// From the end of the opening handshake to a Close of our own accord. Default: lifted.
    pub lifetime: Option<u32>,
}

impl Timeouts {
    /// No timeout at all. For links that are trusted.
    pub const NONE: Self = Self {
        handshake: None,
        ping: None,
        pong: None,
        idle: None,
        close: None,
        progress: None,
        write: None,
        lifetime: None,
    };

    /// The defaults, for a clock with so many ticks in a second: 10 if a tick is 100 ms.
    pub const fn new(ticks_per_second: u32) -> Self {
        const fn seconds(count: u32, ticks_per_second: u32) -> Option<u32> {
            Some(count.saturating_mul(ticks_per_second))
        }
        Self {
            handshake: seconds(10, ticks_per_second),
            ping: seconds(20, ticks_per_second),
            pong: seconds(20, ticks_per_second),
            idle: None,
            close: seconds(5, ticks_per_second),
            progress: seconds(30, ticks_per_second),
            write: seconds(30, ticks_per_second),
            lifetime: None,
        }
    }
}

/// What a passed deadline asks of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Action {
    /// Send a Ping. The wait for its Pong runs from now.
    Ping,
    /// End the connection: with a Close frame of [`Timeout::close_code`] and [`Deadlines::close_begun`], or
    /// by dropping the transport if there is no code.
    Fail(Timeout),
}

/// The deadline that a peer missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Timeout {
    /// The opening handshake did not end. A server may answer it with HTTP status 408.
    Handshake,
    /// Nothing was received.
    Idle,
    /// Nothing was received after a Ping.
    Pong,
    /// The closing handshake did not end, or the peer did not close the transport after it.
    CloseLinger,
    /// An unfinished head, frame or message did not progress.
    Progress,
    /// The peer did not take our output.
    WriteStall,
    /// The connection has lived as long as it may.
    Lifetime,
}

impl Timeout {
    /// The close code to send; `None` if no Close frame can or need be sent.
    ///
    /// RFC 6455 7.1.7: a Close frame is sent where the peer may still read it. Before the handshake is done,
    /// behind stuck output and after another Close frame it may not.
    pub const fn close_code(self) -> Option<CloseCode> {
        match self {
            Self::Idle | Self::Pong | Self::Lifetime => Some(CloseCode::GOING_AWAY),
            Self::Progress => Some(CloseCode::POLICY_VIOLATION),
            Self::Handshake | Self::CloseLinger | Self::WriteStall => None,
        }
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "the opening handshake took too long",
            Self::Idle => "the peer was silent for too long",
            Self::Pong => "the peer did not answer a Ping in time",
            Self::CloseLinger => "the closing handshake took too long",
            Self::Progress => "the peer left a frame or message unfinished for too long",
            Self::WriteStall => "the peer did not take our output in time",
            Self::Lifetime => "the connection has lived as long as it may",
        })
    }
}

impl core::error::Error for Timeout {}

/// The deadlines of one connection, in 16 octets.
///
/// Order of calls: [`new`](Self::new), [`opened`](Self::opened), then facts as they happen and
/// [`close_begun`](Self::close_begun) at last. Which deadlines run:
///
/// * before `opened`: the handshake;
/// * after it: ping or pong, idle, progress of what is unfinished, lifetime;
/// * while output is blocked: that of the write and of the lifetime only. A Ping would wait behind that
///   output, and a caller that stops reading until it is gone hears nothing from the peer;
/// * after `close_begun`: those of the closing handshake and of a blocked write only.
///
/// `now` may lag behind an earlier one by 2^22 ticks, as a cached clock does: that is no time passed. The tick of
/// a fact is told from `now` for 3 * 2^22 ticks, so a timer may be late for the longest timeout by 2^22.
///
/// One timer is enough. [`received`](Self::received), [`frame_progress`](Self::frame_progress),
/// [`frame_done`](Self::frame_done) and [`write_progress`](Self::write_progress) put deadlines off and need not
/// touch the timer: if it fires too early, `on_time` says nothing, and the timer is armed again at
/// [`next_deadline`](Self::next_deadline). The other facts can bring a deadline forward, and so can the first
/// `received` after a Ping, if the wait for a Pong is longer than the silence before the next Ping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// The beginning of the handshake, the end of it or the beginning of the close: whichever came last.
    phase: Stamp,
    /// The last octet from the peer.
    received: Stamp,
    /// The last Ping.
    ping: Stamp,
    /// The beginning of an unfinished frame or its last progress, while `UNFINISHED`.
    frame: Stamp,
    /// The beginning of blocked output or its last progress, while `BLOCKED`.
    write: Stamp,
    flags: u8,
}

const _: () = assert!(size_of::<Deadlines>() <= 16);

/// The opening handshake is done.
const OPENED: u8 = 1;
/// A Close frame was sent or received.
const CLOSING: u8 = 1 << 1;
/// A head, frame or message is unfinished.
const UNFINISHED: u8 = 1 << 2;
/// Output waits for the peer.
const BLOCKED: u8 = 1 << 3;
/// Nothing was received since the last Ping.
const PINGED: u8 = 1 << 4;
/// No Pong was received since the last Ping.
const MEASURING: u8 = 1 << 5;

impl Deadlines {
    /// The deadlines of a connection whose opening handshake begins now.
    pub const fn new(now: Tick) -> Self {
        let now = Stamp::new(now);
        Self { phase: now, received: now, ping: now, frame: now, write: now, flags: 0 }
    }

    /// Reports that the opening handshake is done.
    pub const fn opened(&mut self, now: Tick) {
        if !self.has(CLOSING) {
            self.phase = Stamp::new(now);
            self.flags |= OPENED;
            self.received(now);
        }
    }

    /// Reports that octets were received. Call it for each read: it is two stores.
    #[inline]
    pub const fn received(&mut self, now: Tick) {
        self.received = Stamp::new(now);
        self.flags &= !PINGED;
    }

    /// Reports that something is unfinished: a head, a frame or a message. Said again it changes nothing.
    ///
    /// After a read something is, if decoding left octets of it or
    /// [`open_message`](crate::Inbound::open_message) names a message.
    pub const fn frame_begun(&mut self, now: Tick) {
        if !self.has(UNFINISHED) {
            self.frame = Stamp::new(now);
            self.flags |= UNFINISHED;
        }
    }

    /// Reports progress in what is unfinished, if something is.
    ///
    /// What progress is, is the caller's choice: any octet of a message lets a slow upload live as long as
    /// it moves, only whole frames or messages bounds how long a peer may make us hold a part of one.
    pub const fn frame_progress(&mut self, now: Tick) {
        self.frame = Stamp::new(now);
    }

    /// Reports that nothing is unfinished.
    pub const fn frame_done(&mut self) {
        self.flags &= !UNFINISHED;
    }

    /// Reports that output waits because the transport takes no more. Said again it changes nothing.
    pub const fn write_blocked(&mut self, now: Tick) {
        if !self.has(BLOCKED) {
            self.write = Stamp::new(now);
            self.flags |= BLOCKED;
        }
    }

    /// Reports that the transport took octets of the output that waits, if some does.
    pub const fn write_progress(&mut self, now: Tick) {
        self.write = Stamp::new(now);
    }

    /// Reports that no output waits.
    pub const fn write_done(&mut self, now: Tick) {
        if self.has(BLOCKED) {
            self.flags &= !BLOCKED;
            // A Ping may have waited behind that output: only now can the peer have it.
            self.ping = Stamp::new(now);
        }
    }

    /// Reports a Ping that was sent without [`Action::Ping`]. The wait for its Pong runs from now.
    pub const fn ping_sent(&mut self, now: Tick) {
        self.ping = Stamp::new(now);
        self.flags |= PINGED | MEASURING;
    }

    /// Reports the Pong that answers the last Ping, and returns the ticks that the round trip took; `None`
    /// if no Pong was awaited.
    ///
    /// Whether a Pong answers a Ping is for the caller to say, from its payload (RFC 6455 5.5.3). A caller
    /// that wants less than a tick puts its own time there.
    pub const fn pong_received(&mut self, now: Tick) -> Option<u32> {
        if !self.has(MEASURING) {
            return None;
        }
        self.flags &= !(PINGED | MEASURING);
        Some(self.ping.age(now))
    }

    /// Reports that the first Close frame was sent or received, or that a handshake was refused and the
    /// transport lingers. Said again it changes nothing.
    pub const fn close_begun(&mut self, now: Tick) {
        if !self.has(CLOSING) {
            self.phase = Stamp::new(now);
            self.flags |= CLOSING;
        }
    }

    /// The next deadline, `now` if it has passed; `None` if none runs.
    pub fn next_deadline(&self, now: Tick, timeouts: &Timeouts) -> Option<Tick> {
        let left = self.running(timeouts).map(|(since, timeout, _)| timeout.saturating_sub(since.age(now)));
        left.min().map(|left| now.wrapping_add(left))
    }

    /// What to do now; `None` if no deadline has passed.
    ///
    /// Before a silent peer is judged, read what has arrived and report it. [`Action::Ping`] is said once,
    /// [`Action::Fail`] until the caller acts on it. Only `Ping` changes anything here.
    pub fn on_time(&mut self, now: Tick, timeouts: &Timeouts) -> Option<Action> {
        let passed = self.running(timeouts).find(|(since, timeout, _)| since.age(now) >= *timeout);
        let (_, _, action) = passed?;
        if action == Action::Ping {
            self.ping_sent(now);
        }
        Some(action)
    }

    /// The deadlines that run: since when, for how many ticks, for what. The first that passed wins.
    fn running(&self, timeouts: &Timeouts) -> impl Iterator<Item = (Stamp, u32, Action)> {
        use Timeout::{CloseLinger, Handshake, Idle, Lifetime, Pong, Progress, WriteStall};
        let (closing, blocked, pinged) = (self.has(CLOSING), self.has(BLOCKED), self.has(PINGED));
        let open = self.has(OPENED) && !closing;
        let listening = open && !blocked;
        let silence = if pinged { self.ping } else { self.received };
        let asks = listening && (!pinged || timeouts.pong.is_none());
        [
            (closing, self.phase, timeouts.close, Action::Fail(CloseLinger)),
            (!open && !closing, self.phase, timeouts.handshake, Action::Fail(Handshake)),
            (blocked, self.write, timeouts.write, Action::Fail(WriteStall)),
            (listening && pinged, self.ping, timeouts.pong, Action::Fail(Pong)),
            (listening && self.has(UNFINISHED), self.frame, timeouts.progress, Action::Fail(Progress)),
            (listening, self.received, timeouts.idle, Action::Fail(Idle)),
            (open, self.phase, timeouts.lifetime, Action::Fail(Lifetime)),
            (asks, silence, timeouts.ping.map(|ticks| ticks.max(1)), Action::Ping),
        ]
        .into_iter()
        .filter_map(|(runs, since, timeout, action)| {
            let timeout = timeout.filter(|_| runs)?;
            Some((since, timeout.min(LONGEST), action))
        })
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The low 24 bits of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp([u8; 3]);

impl Stamp {
    const fn new(tick: Tick) -> Self {
        let [a, b, c, _] = tick.to_le_bytes();
        Self([a, b, c])
    }

    /// The ticks since then, and none if `now` lies less than [`LAG`] before.
    const fn age(self, now: Tick) -> u32 {
        let [a, b, c] = self.0;
        let age = now.wrapping_sub(u32::from_le_bytes([a, b, c, 0])) & 0xFF_FFFF;
        if age > 0xFF_FFFF - LAG { 0 } else { age }
    }
}

#[cfg(test)]
mod tests;
