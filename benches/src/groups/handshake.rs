//! Opening handshakes of connections that are dropped at once.

use super::{in_turn, say, settled_cpu};
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
    let (able, unable): (Vec<_>, Vec<_>) =
        servers.iter().filter(|server| server.kind != Kind::Floor).partition(|server| server.shakes_hands);
    for server in unable {
        results.miss(&server.name, "handshake", "it leaves that to an HTTP server");
    }
    let mut failed = |name: &str, error: Box<dyn Error>| results.miss(name, "handshake", error);
    let start = |server: &&Contestant| {
        let process = Process::start(&server.command);
        process.map(|process| (server.name.clone(), process))
    };
    let mut entrants: Vec<_> =
        able.iter().map(|server| start(server).map_err(|error| failed(&server.name, error)).ok()).collect();
    let samples = in_turn(&mut entrants, plan.rounds, |(name, process)| {
        turn(process, plan.time).map_err(|error| failed(name, error)).ok()
    });
    for (server, samples) in able.iter().zip(&samples) {
        let rate = median(samples.iter().flatten().map(|(rate, _)| *rate));
        let cpu = median(samples.iter().flatten().map(|(_, cpu)| *cpu));
        if let (Some(rate), Some(cpu)) = (rate, cpu) {
            say(&format!("handshake {:<18} {rate:>7.0}/s {cpu:>6.2} us", server.name));
            results.handshake.push(Handshake { server: server.name.clone(), kind: server.kind, rate, cpu });
        }
    }
}

/// Handshakes in a second, and microseconds of the server's processor for each.
fn turn(process: &Process, time: Duration) -> Result<(f64, f64), Box<dyn Error>> {
    churn(process.address, time / 6)?;
    let before = settled_cpu(process);
    let (opened, seconds) = churn(process.address, time)?;
    let cpu = settled_cpu(process) - before;
    let cpu = ratio(cpu * 1e6, opened as f64).ok_or("no connection was opened")?;
    Ok((opened as f64 / seconds, cpu))
}
