//! What is measured, group by group. Servers take turns, round by round, so that a machine that changes its mood does it
//! to all of them.

pub mod broadcast;
pub mod counts;
pub mod echo;
pub mod handshake;
pub mod instructions;
pub mod memory;
pub mod micro;

use crate::process::Process;
use std::thread;
use std::time::Duration;

/// Lets everyone have a turn in each round, every other round backwards. Who fails is out and leaves gaps.
///
/// Gives the samples of each, by round.
fn in_turn<E, S>(
    entrants: &mut [Option<E>],
    rounds: usize,
    mut turn: impl FnMut(&mut E) -> Option<S>,
) -> Vec<Vec<Option<S>>> {
    let mut samples: Vec<Vec<_>> = entrants.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        for step in 0..entrants.len() {
            let place = if round % 2 == 0 { step } else { entrants.len() - 1 - step };
            let sample = entrants[place].as_mut().and_then(&mut turn);
            if sample.is_none() {
                entrants[place] = None;
            }
            samples[place].push(sample);
        }
    }
    samples
}

/// Seconds of processor of a server that has nothing left to do. The kernel counts them when a thread goes to sleep.
fn settled_cpu(process: &Process) -> f64 {
    thread::sleep(Duration::from_micros(300));
    process.cpu()
}

/// Tells how far the run is.
fn say(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_alternate_and_who_fails_is_out() {
        let (mut entrants, mut order) = ([Some(0), Some(1), None, Some(3)], Vec::new());
        let samples = in_turn(&mut entrants, 3, |entrant| {
            order.push(*entrant);
            Some(order.len()).filter(|turns| *entrant != 1 || *turns < 4)
        });
        assert_eq!(order, [0, 1, 3, 3, 1, 0, 0, 3]);
        assert_eq!(samples[0], [Some(1), Some(6), Some(7)]);
        assert_eq!(samples[1], [Some(2), None, None]);
        assert_eq!(samples[2], [None; 3]);
        assert_eq!(entrants, [Some(0), None, None, Some(3)]);
    }
}
