//! What is measured, group by group. Each asks its servers one after the other, round by round, so that a machine that
//! changes its mood does it to all of them.

pub mod broadcast;
pub mod counts;
pub mod echo;
pub mod handshake;
pub mod instructions;
pub mod memory;
pub mod micro;

use crate::roster::Contestant;

/// The servers in the order of a round: every other round backwards.
fn in_turn(servers: &[Contestant], round: usize) -> Vec<&Contestant> {
    let mut turn: Vec<_> = servers.iter().collect();
    if round % 2 == 1 {
        turn.reverse();
    }
    turn
}

/// Tells how far the run is.
fn say(text: &str) {
    eprintln!("{text}");
}
