//! Every deadline over every border of the clock.

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
fn a_tick_has_one_ping_at_most() {
    from_each_start(|at| {
        let timeouts = Timeouts { ping: Some(0), pong: None, idle: None, ..TIMEOUTS };
        let mut deadlines = opened(at(0));
        for tick in 0..4 {
            waits(&mut deadlines, &timeouts, at(tick), 1, Action::Ping);
            assert_eq!(deadlines.on_time(at(tick + 1), &timeouts), None);
        }
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
fn a_timer_may_be_late_for_the_longest_timeout_too() {
    from_each_start(|at| {
        let timeouts = Timeouts { lifetime: Some(LONGEST), ..Timeouts::NONE };
        let mut deadlines = opened(at(0));
        for late in [1, 10, LAG] {
            let now = at(LONGEST + late);
            assert_eq!(deadlines.next_deadline(now, &timeouts), Some(now), "{late} ticks late");
            assert_eq!(deadlines.on_time(now, &timeouts), Some(Action::Fail(Timeout::Lifetime)));
        }
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
