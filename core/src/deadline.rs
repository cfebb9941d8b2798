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

/// How long each thing may take, in ticks. Plain data that many connections share by reference.
///
/// `None` lifts a timeout. Ticks are coarse: what happened late in a tick counts from the beginning of it,
/// so a deadline may come up to one tick early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// From the first octet of the connection to the end of the opening handshake. Default: 10 s.
    pub handshake: Option<u32>,
    /// Silence of the peer after which a Ping is sent (RFC 6455 5.5.2). Default: 20 s.
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
pub enum Action {
    /// Send a Ping. The wait for its Pong runs from now.
    Ping,
    /// End the connection: with a Close frame of [`Timeout::close_code`] and [`Deadlines::close_begun`], or
    /// by dropping the transport if there is no code.
    Fail(Timeout),
}

/// The deadline that a peer missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
/// `now` may lag behind an earlier one, as a cached clock does: that is no time passed. The tick of a fact is
/// told from `now` for 2^23 ticks, so call [`on_time`](Self::on_time) more often than that.
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
            (asks, silence, timeouts.ping, Action::Ping),
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

    /// The ticks since then: at most [`LONGEST`], and none if `now` lies before.
    const fn age(self, now: Tick) -> u32 {
        let [a, b, c] = self.0;
        let age = now.wrapping_sub(u32::from_le_bytes([a, b, c, 0])) & 0xFF_FFFF;
        if age > LONGEST { 0 } else { age }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts { idle: Some(90), lifetime: Some(1000), ..Timeouts::new(1) };

    /// Starts that put every scenario across each border: of the stamp, of the tick, of neither.
    const STARTS: [Tick; 4] = [0, (1 << 24) - 7, (1 << 23) - 7, Tick::MAX - 7];

    fn opened(now: Tick) -> Deadlines {
        let mut deadlines = Deadlines::new(now);
        deadlines.opened(now);
        deadlines
    }

    /// Nothing happens for `ticks` after `since`, and `next_deadline` says so; then `action`.
    fn waits(deadlines: &mut Deadlines, timeouts: &Timeouts, since: Tick, ticks: u32, action: Action) {
        let due = since.wrapping_add(ticks);
        for age in 0..ticks {
            let now = since.wrapping_add(age);
            assert_eq!(deadlines.next_deadline(now, timeouts), Some(due), "{age} after {since}");
            assert_eq!(deadlines.on_time(now, timeouts), None, "{age} after {since}");
        }
        assert_eq!(deadlines.next_deadline(due, timeouts), Some(due));
        assert_eq!(deadlines.on_time(due, timeouts), Some(action));
    }

    fn from_each_start(scenario: impl Fn(&dyn Fn(u32) -> Tick)) {
        for start in STARTS {
            scenario(&|tick| start.wrapping_add(tick));
        }
    }

    #[test]
    fn the_defaults_are_finite() {
        let defaults = Timeouts::new(10);
        assert_eq!(defaults.handshake, Some(100));
        assert_eq!((defaults.ping, defaults.pong), (Some(200), Some(200)));
        assert_eq!((defaults.close, defaults.progress, defaults.write), (Some(50), Some(300), Some(300)));
        assert_eq!((defaults.idle, defaults.lifetime), (None, None));
        assert_eq!(Timeouts::new(u32::MAX).ping, Some(u32::MAX));
    }

    #[test]
    fn a_handshake_that_does_not_end() {
        from_each_start(|at| {
            let mut deadlines = Deadlines::new(at(0));
            // Octets alone do not help: a request that comes octet by octet has ten seconds as well.
            for tick in 1..9 {
                deadlines.received(at(tick));
            }
            waits(&mut deadlines, &TIMEOUTS, at(0), 10, Action::Fail(Timeout::Handshake));
            deadlines.opened(at(9));
            assert_eq!(deadlines.on_time(at(10), &TIMEOUTS), None);
        });
    }

    #[test]
    fn a_refused_handshake_lingers() {
        from_each_start(|at| {
            let mut deadlines = Deadlines::new(at(0));
            deadlines.close_begun(at(8));
            waits(&mut deadlines, &TIMEOUTS, at(8), 5, Action::Fail(Timeout::CloseLinger));
            deadlines.opened(at(9));
            assert_eq!(deadlines.on_time(at(13), &TIMEOUTS), Some(Action::Fail(Timeout::CloseLinger)));
        });
    }

    #[test]
    fn silence_is_answered_with_a_ping_and_then_with_the_end() {
        from_each_start(|at| {
            let mut deadlines = opened(at(0));
            deadlines.received(at(7));
            waits(&mut deadlines, &TIMEOUTS, at(7), 20, Action::Ping);
            waits(&mut deadlines, &TIMEOUTS, at(27), 20, Action::Fail(Timeout::Pong));
            assert_eq!(deadlines.on_time(at(99), &TIMEOUTS), Some(Action::Fail(Timeout::Pong)));
        });
    }

    // RFC 6455 5.5.2, 5.5.3: a Pong proves that the peer is there; so does anything else
    #[test]
    fn a_pong_or_any_octet_in_the_same_tick_ends_the_wait() {
        from_each_start(|at| {
            let mut deadlines = opened(at(0));
            waits(&mut deadlines, &TIMEOUTS, at(0), 20, Action::Ping);
            deadlines.received(at(20));
            waits(&mut deadlines, &TIMEOUTS, at(20), 20, Action::Ping);
            deadlines.received(at(43));
            assert_eq!(deadlines.pong_received(at(43)), Some(3));
            assert_eq!(deadlines.pong_received(at(43)), None, "an unsolicited Pong measures nothing");
            waits(&mut deadlines, &TIMEOUTS, at(43), 20, Action::Ping);
        });
    }

    #[test]
    fn a_ping_of_the_application_is_awaited_too() {
        from_each_start(|at| {
            let timeouts = Timeouts { ping: None, idle: None, lifetime: None, ..TIMEOUTS };
            let mut deadlines = opened(at(0));
            assert_eq!(deadlines.next_deadline(at(5), &timeouts), None);
            deadlines.ping_sent(at(5));
            waits(&mut deadlines, &timeouts, at(5), 20, Action::Fail(Timeout::Pong));
        });
    }

    #[test]
    fn pings_without_a_wait_are_repeated() {
        from_each_start(|at| {
            let timeouts = Timeouts { pong: None, ..TIMEOUTS };
            let mut deadlines = opened(at(0));
            for ping in 0..4 {
                waits(&mut deadlines, &timeouts, at(20 * ping), 20, Action::Ping);
            }
            waits(&mut deadlines, &timeouts, at(80), 10, Action::Fail(Timeout::Idle));
        });
    }

    #[test]
    fn idle_ends_silence_where_no_ping_is_sent() {
        from_each_start(|at| {
            let timeouts = Timeouts { ping: None, ..TIMEOUTS };
            let mut deadlines = opened(at(0));
            deadlines.received(at(50));
            waits(&mut deadlines, &timeouts, at(50), 90, Action::Fail(Timeout::Idle));
        });
    }

    #[test]
    fn an_unfinished_frame_must_progress() {
        from_each_start(|at| {
            let mut deadlines = opened(at(0));
            deadlines.frame_begun(at(1));
            deadlines.frame_progress(at(5));
            deadlines.frame_begun(at(9));
            // Pongs keep the connection alive, not the frame.
            deadlines.received(at(34));
            waits(&mut deadlines, &TIMEOUTS, at(34), 1, Action::Fail(Timeout::Progress));
            deadlines.frame_done();
            waits(&mut deadlines, &TIMEOUTS, at(34), 20, Action::Ping);
            deadlines.frame_progress(at(54));
            waits(&mut deadlines, &TIMEOUTS, at(54), 20, Action::Fail(Timeout::Pong));
        });
    }

    #[test]
    fn blocked_output_must_progress_and_nothing_else_counts() {
        from_each_start(|at| {
            let mut deadlines = opened(at(0));
            deadlines.frame_begun(at(0));
            deadlines.ping_sent(at(1));
            deadlines.write_blocked(at(1));
            deadlines.write_progress(at(21));
            deadlines.write_blocked(at(40));
            waits(&mut deadlines, &TIMEOUTS, at(21), 30, Action::Fail(Timeout::WriteStall));
            deadlines.frame_done();
            // The peer has had the Ping since now, for all we know.
            deadlines.write_done(at(60));
            waits(&mut deadlines, &TIMEOUTS, at(60), 20, Action::Fail(Timeout::Pong));
            deadlines.write_done(at(70));
            assert_eq!(deadlines.on_time(at(80), &TIMEOUTS), Some(Action::Fail(Timeout::Pong)));
        });
    }

    // RFC 6455 7.1.1: a client may close the transport if the server does not in a reasonable time
    #[test]
    fn the_close_lingers_for_so_long() {
        from_each_start(|at| {
            let mut deadlines = opened(at(0));
            deadlines.frame_begun(at(0));
            deadlines.ping_sent(at(0));
            deadlines.close_begun(at(18));
            deadlines.received(at(19));
            deadlines.close_begun(at(19));
            waits(&mut deadlines, &TIMEOUTS, at(18), 5, Action::Fail(Timeout::CloseLinger));
        });
    }

    #[test]
    fn a_lifetime_ends_with_a_close() {
        from_each_start(|at| {
            let mut deadlines = opened(at(0));
            for tick in 0..1000 {
                deadlines.received(at(tick));
                assert_eq!(deadlines.on_time(at(tick), &TIMEOUTS), None);
            }
            assert_eq!(deadlines.on_time(at(1000), &TIMEOUTS), Some(Action::Fail(Timeout::Lifetime)));
            deadlines.close_begun(at(1000));
            waits(&mut deadlines, &TIMEOUTS, at(1000), 5, Action::Fail(Timeout::CloseLinger));
        });
    }

    // RFC 6455 7.1.7: a Close frame that can be written and has not been
    #[test]
    fn every_timeout_names_its_close_code() {
        use Timeout::{CloseLinger, Handshake, Idle, Lifetime, Pong, Progress, WriteStall};
        for timeout in [Idle, Pong, Lifetime] {
            assert_eq!(timeout.close_code(), Some(CloseCode::GOING_AWAY));
        }
        assert_eq!(Progress.close_code(), Some(CloseCode::POLICY_VIOLATION));
        for timeout in [Handshake, CloseLinger, WriteStall] {
            assert_eq!(timeout.close_code(), None);
        }
    }

    #[test]
    fn lifted_timeouts_never_come() {
        from_each_start(|at| {
            let mut deadlines = Deadlines::new(at(0));
            let never = |deadlines: &mut Deadlines| {
                assert_eq!(deadlines.next_deadline(at(LONGEST), &Timeouts::NONE), None);
                assert_eq!(deadlines.on_time(at(LONGEST), &Timeouts::NONE), None);
            };
            never(&mut deadlines);
            deadlines.opened(at(0));
            deadlines.frame_begun(at(0));
            deadlines.ping_sent(at(0));
            never(&mut deadlines);
            deadlines.write_blocked(at(0));
            never(&mut deadlines);
            deadlines.close_begun(at(0));
            never(&mut deadlines);
        });
    }

    #[test]
    fn a_longer_timeout_counts_as_the_longest() {
        from_each_start(|at| {
            let timeouts = Timeouts { idle: Some(u32::MAX), ..Timeouts::NONE };
            let mut deadlines = opened(at(0));
            assert_eq!(deadlines.next_deadline(at(9), &timeouts), Some(at(LONGEST)));
            assert_eq!(deadlines.on_time(at(LONGEST - 1), &timeouts), None);
            assert_eq!(deadlines.on_time(at(LONGEST), &timeouts), Some(Action::Fail(Timeout::Idle)));
        });
    }

    #[test]
    fn a_clock_that_lags_is_no_time_passed() {
        from_each_start(|at| {
            let mut deadlines = opened(at(5));
            assert_eq!(deadlines.on_time(at(3), &TIMEOUTS), None);
            assert_eq!(deadlines.next_deadline(at(3), &TIMEOUTS), Some(at(23)));
        });
    }
}
