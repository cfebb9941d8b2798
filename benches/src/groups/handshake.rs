//! Opening handshakes of connections that are dropped at once.

use super::{in_turn, say};
use crate::arguments::Plan;
use crate::load::churn;
use crate::process::Process;
use crate::results::{Handshake, Results};
use crate::roster::{Contestant, Kind};
use crate::statistics::{median, ratio};
use std::error::Error;
use std::time::Duration;

/// Measures all servers that bring a handshake of their own.
pub fn run(plan: &Plan, servers: &[Contestant], results: &mut Results) {
    let (able, unable): (Vec<_>, Vec<_>) = servers
        .iter()
        .filter(|server| server.kind != Kind::Floor)
        .cloned()
        .partition(|server| server.shakes_hands);
    for server in unable {
        results.miss(&server.name, "handshake", "it leaves that to an HTTP server");
    }
    let mut samples: Vec<Vec<(f64, f64)>> = able.iter().map(|_| Vec::new()).collect();
    for round in 0..plan.rounds {
        for server in in_turn(&able, round) {
            let place = able.iter().position(|other| other.name == server.name).unwrap_or(0);
            match sample(server, plan.time) {
                Ok(sample) => samples[place].push(sample),
                Err(error) => results.miss(&server.name, "handshake", error),
            }
        }
    }
    for (server, samples) in able.iter().zip(&samples) {
        let rate = median(samples.iter().map(|(rate, _)| *rate));
        let cpu = median(samples.iter().map(|(_, cpu)| *cpu));
        if let (Some(rate), Some(cpu)) = (rate, cpu) {
            say(&format!("handshake {:<18} {rate:>7.0}/s {cpu:>6.2} us", server.name));
            results.handshake.push(Handshake { server: server.name.clone(), kind: server.kind, rate, cpu });
        }
    }
}

/// Handshakes in a second, and microseconds of the server's processor for each.
fn sample(server: &Contestant, time: Duration) -> Result<(f64, f64), Box<dyn Error>> {
    let process = Process::start(&server.command)?;
    churn(process.address, time / 4)?;
    let before = process.cpu();
    let (opened, seconds) = churn(process.address, time)?;
    let cpu = ratio((process.cpu() - before) * 1e6, opened as f64).ok_or("no connection was opened")?;
    Ok((opened as f64 / seconds, cpu))
}
