//! The time of one thread in ticks. Coarse: the kernel's cached clock, which costs a few nanoseconds.

use crate::config::TICKS_PER_SECOND;
use rustix::time::{ClockId, clock_gettime};
use std::sync::OnceLock;
use std::time::Duration;
use tightwire::deadline::Tick;

const TICK_MILLIS: u64 = 1000 / TICKS_PER_SECOND as u64;

/// When the process first asked for the time.
static START: OnceLock<u64> = OnceLock::new();

/// The milliseconds since the process first asked, so that ticks begin at 0 and last for 13 years.
fn millis() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    let now = now.tv_sec.unsigned_abs() * 1000 + now.tv_nsec.unsigned_abs() / 1_000_000;
    now.saturating_sub(*START.get_or_init(|| now))
}

/// The tick that it is now.
pub(crate) fn now() -> Tick {
    (millis() / TICK_MILLIS) as Tick
}

/// How long until `tick` begins.
pub(crate) fn until(tick: Tick) -> Duration {
    let now = millis();
    let ahead = u64::from(tick.wrapping_sub((now / TICK_MILLIS) as Tick));
    if ahead > u64::from(u32::MAX) / 2 {
        // It is over.
        return Duration::ZERO;
    }
    Duration::from_millis((ahead * TICK_MILLIS).saturating_sub(now % TICK_MILLIS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_a_tick_is_bounded() {
        let tick = now();
        assert!(until(tick.wrapping_add(5)) <= Duration::from_millis(5 * TICK_MILLIS));
        assert_eq!(until(tick.wrapping_sub(5)), Duration::ZERO);
        assert!(until(tick.wrapping_add(1000)) > Duration::from_millis(900 * TICK_MILLIS));
    }
}
