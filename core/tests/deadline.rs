//! `Deadlines` against a naive model of the same rules, under a clock that begins near every border.

use proptest::prelude::*;
use tightwire::deadline::{Action, Deadlines, Tick, Timeout, Timeouts};

/// The same rules told by each deadline itself, in ticks that never wrap.
#[derive(Default)]
struct Model {
    opened: bool,
    closing: bool,
    unfinished: bool,
    pinged: bool,
    blocked: bool,
    measured_from: Option<u64>,
    handshake: Option<u64>,
    ping: Option<u64>,
    pong: Option<u64>,
    idle: Option<u64>,
    close: Option<u64>,
    progress: Option<u64>,
    write: Option<u64>,
    lifetime: Option<u64>,
}

impl Model {
    fn received(&mut self, now: u64, timeouts: &Timeouts) {
        self.pinged = false;
        self.pong = None;
        self.ping = ping_after(now, timeouts);
        self.idle = after(now, timeouts.idle);
    }

    fn wait_for_pong(&mut self, now: u64, timeouts: &Timeouts) {
        self.pong = after(now, timeouts.pong);
        self.ping = if self.pong.is_some() { None } else { ping_after(now, timeouts) };
    }

    fn report(&mut self, fact: Fact, now: u64, timeouts: &Timeouts) -> Option<u32> {
        match fact {
            Fact::Opened if self.closing => {}
            Fact::Opened => {
                self.opened = true;
                self.handshake = None;
                self.lifetime = after(now, timeouts.lifetime);
                self.received(now, timeouts);
            }
            Fact::Received => self.received(now, timeouts),
            Fact::FrameBegun if self.unfinished => {}
            Fact::FrameBegun => {
                self.unfinished = true;
                self.progress = after(now, timeouts.progress);
            }
            Fact::FrameProgress if self.unfinished => self.progress = after(now, timeouts.progress),
            Fact::FrameDone => {
                self.unfinished = false;
                self.progress = None;
            }
            Fact::WriteBlocked if self.blocked => {}
            Fact::WriteBlocked => {
                self.blocked = true;
                self.write = after(now, timeouts.write);
            }
            Fact::WriteProgress if self.blocked => self.write = after(now, timeouts.write),
            Fact::WriteDone if self.blocked => {
                self.blocked = false;
                self.write = None;
                self.measured_from = self.measured_from.map(|_| now);
                if self.pinged {
                    self.wait_for_pong(now, timeouts);
                }
            }
            Fact::FrameProgress | Fact::WriteProgress | Fact::WriteDone => {}
            Fact::PingSent => {
                self.pinged = true;
                self.measured_from = Some(now);
                self.wait_for_pong(now, timeouts);
            }
            // A Pong is received like anything else.
            Fact::PongReceived => {
                self.received(now, timeouts);
                return self.measured_from.take().map(|from| (now - from) as u32);
            }
            Fact::CloseBegun if self.closing => {}
            Fact::CloseBegun => {
                self.closing = true;
                self.close = after(now, timeouts.close);
            }
        }
        None
    }

    fn running(&self) -> Vec<(u64, Action)> {
        use Timeout::{CloseLinger, Handshake, Idle, Lifetime, Pong, Progress, WriteStall};
        let mut running = Vec::new();
        let mut add = |deadline: Option<u64>, action| running.extend(deadline.map(|at| (at, action)));
        if self.closing {
            add(self.close, Action::Fail(CloseLinger));
        } else if !self.opened {
            add(self.handshake, Action::Fail(Handshake));
        }
        add(self.write, Action::Fail(WriteStall));
        if self.opened && !self.closing {
            if !self.blocked {
                add(self.pong, Action::Fail(Pong));
                add(self.progress, Action::Fail(Progress));
                add(self.idle, Action::Fail(Idle));
            }
            add(self.lifetime, Action::Fail(Lifetime));
            if !self.blocked {
                add(self.ping, Action::Ping);
            }
        }
        running
    }
}

fn after(now: u64, timeout: Option<u32>) -> Option<u64> {
    timeout.map(|timeout| now + u64::from(timeout))
}

/// A tick has one Ping at most.
fn ping_after(now: u64, timeouts: &Timeouts) -> Option<u64> {
    after(now, timeouts.ping.map(|ticks| ticks.max(1)))
}

#[derive(Clone, Copy, Debug)]
enum Fact {
    Opened,
    Received,
    FrameBegun,
    FrameProgress,
    FrameDone,
    WriteBlocked,
    WriteProgress,
    WriteDone,
    PingSent,
    PongReceived,
    CloseBegun,
}

fn report(deadlines: &mut Deadlines, fact: Fact, now: Tick) -> Option<u32> {
    match fact {
        Fact::Opened => deadlines.opened(now),
        Fact::Received => deadlines.received(now),
        Fact::FrameBegun => deadlines.frame_begun(now),
        Fact::FrameProgress => deadlines.frame_progress(now),
        Fact::FrameDone => deadlines.frame_done(),
        Fact::WriteBlocked => deadlines.write_blocked(now),
        Fact::WriteProgress => deadlines.write_progress(now),
        Fact::WriteDone => deadlines.write_done(now),
        Fact::PingSent => deadlines.ping_sent(now),
        Fact::PongReceived => {
            deadlines.received(now);
            return deadlines.pong_received(now);
        }
        Fact::CloseBegun => deadlines.close_begun(now),
    }
    None
}

fn facts() -> impl Strategy<Value = Vec<(u64, Fact)>> {
    use Fact::{
        CloseBegun, FrameBegun, FrameDone, FrameProgress, Opened, PingSent, PongReceived, Received,
        WriteBlocked, WriteDone, WriteProgress,
    };
    let fact = proptest::sample::select(vec![
        // More of those that leave the connection open.
        Opened,
        Received,
        Received,
        FrameBegun,
        FrameProgress,
        FrameDone,
        WriteBlocked,
        WriteProgress,
        WriteDone,
        WriteDone,
        PingSent,
        PongReceived,
        CloseBegun,
    ]);
    proptest::collection::vec((0..40_u64, fact), 0..40)
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    proptest::array::uniform8(proptest::option::weighted(0.8, 0..60_u32)).prop_map(|drawn| {
        let mut timeouts = Timeouts::NONE;
        let [handshake, ping, pong, idle, close, progress, write, lifetime] = drawn;
        timeouts.handshake = handshake;
        timeouts.ping = ping;
        timeouts.pong = pong;
        timeouts.idle = idle;
        timeouts.close = close;
        timeouts.progress = progress;
        timeouts.write = write;
        timeouts.lifetime = lifetime;
        timeouts
    })
}

fn start() -> impl Strategy<Value = u64> {
    let near = |border: u64| border - 500..border + 500;
    prop_oneof![0..1000_u64, near(1 << 23), near(1 << 24), near(1 << 32), any::<u32>().prop_map(u64::from)]
}

proptest! {
    #[test]
    fn agrees_with_the_model(start in start(), timeouts in timeouts(), facts in facts()) {
        let mut now = start;
        let mut deadlines = Deadlines::new(now as Tick);
        let mut model = Model { handshake: after(now, timeouts.handshake), ..Model::default() };
        for (pause, fact) in facts {
            now += pause;
            let running = model.running();
            let next = running.iter().map(|(at, _)| (*at).max(now)).min().map(|at| at as Tick);
            prop_assert_eq!(deadlines.next_deadline(now as Tick, &timeouts), next);
            let action = running.iter().find(|(at, _)| *at <= now).map(|(_, action)| *action);
            prop_assert_eq!(deadlines.on_time(now as Tick, &timeouts), action);
            if action == Some(Action::Ping) {
                model.report(Fact::PingSent, now, &timeouts);
            }
            let round_trip = model.report(fact, now, &timeouts);
            prop_assert_eq!(report(&mut deadlines, fact, now as Tick), round_trip);
        }
    }

    /// Any prefix, any timeout, then the rest: a deadline that passed leaves nothing behind.
    #[test]
    fn a_timeout_changes_nothing(
        start in start(), timeouts in timeouts(), facts in facts(), cut in 0..40_usize, late in 0..100_u64,
    ) {
        let (mut now, mut asked, mut left) =
            (start, Deadlines::new(start as Tick), Deadlines::new(start as Tick));
        for (index, (pause, fact)) in facts.into_iter().enumerate() {
            now += pause;
            if index == cut {
                let then = (now + late) as Tick;
                asked.next_deadline(then, &timeouts);
                if asked.on_time(then, &timeouts) == Some(Action::Ping) {
                    left.ping_sent(then);
                }
            }
            prop_assert_eq!(report(&mut asked, fact, now as Tick), report(&mut left, fact, now as Tick));
            prop_assert_eq!(&asked, &left);
            prop_assert_eq!(
                asked.next_deadline(now as Tick, &timeouts),
                left.next_deadline(now as Tick, &timeouts)
            );
        }
    }
}
