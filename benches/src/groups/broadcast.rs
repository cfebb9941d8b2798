//! One connection publishes, everybody gets it, the publisher too. So many connections are held by one server at a time
//! only: each is started afresh for each of fewer and longer turns.

use super::say;
use crate::arguments::Plan;
use crate::load::{Load, Pattern, Wire};
use crate::process::Process;
use crate::results::{Broadcast, Results};
use crate::roster::Contestant;
use crate::statistics::{median, ratio};
use crate::workload::Workload;
use std::error::Error;
use std::time::Duration;

/// Subscribers and messages in flight.
const ROWS: [Workload; 4] = [
    Workload::new(1000, 128, 1),
    Workload::new(1000, 128, 16),
    Workload::new(10_000, 128, 1),
    Workload::new(10_000, 128, 16),
];

/// How much fewer and longer the turns are.
const FEWER: usize = 4;

/// Measures all servers that can do it.
pub fn run(plan: &Plan, servers: &[Contestant], results: &mut Results) {
    let able: Vec<_> = servers.iter().filter(|server| server.broadcasts).cloned().collect();
    let rows = ROWS.iter().filter(|row| !plan.quick || row.connections <= 1000);
    for workload in rows {
        let mut samples: Vec<Vec<[f64; 4]>> = able.iter().map(|_| Vec::new()).collect();
        for _ in 0..plan.rounds.div_ceil(FEWER) {
            for (server, samples) in able.iter().zip(&mut samples) {
                match sample(server, workload, plan.time * FEWER as u32) {
                    Ok(sample) => samples.push(sample),
                    Err(error) => results.miss(&server.name, format!("broadcast {workload}"), error),
                }
            }
        }
        for (server, samples) in able.iter().zip(&samples) {
            let middle = |place: usize| median(samples.iter().map(|sample| sample[place]));
            if let (Some(rate), Some(cpu), Some(p50), Some(p99)) =
                (middle(0), middle(1), middle(2), middle(3))
            {
                say(&format!("broadcast {workload} {:<18} {rate:>8.0}/s {cpu:>6.3} us", server.name));
                let (server, kind) = (server.name.clone(), server.kind);
                results.broadcast.push(Broadcast { server, kind, workload: *workload, rate, cpu, p50, p99 });
            }
        }
    }
}

fn sample(server: &Contestant, workload: &Workload, time: Duration) -> Result<[f64; 4], Box<dyn Error>> {
    let mut command = server.command.clone();
    command.push("--broadcast".to_owned());
    let process = Process::start(&command)?;
    let mut load = Load::open(process.address, workload, Wire::Frames, Pattern::Broadcast)?;
    load.run(time / 4)?;
    let before = process.cpu();
    let interval = load.run(time)?;
    let cpu = process.cpu() - before;
    let percentile =
        |share| interval.latencies.percentile(share).map_or(0.0, |nanoseconds| nanoseconds / 1e3);
    let cpu = ratio(cpu * 1e6, interval.messages as f64).ok_or("nothing was delivered")?;
    Ok([interval.rate(), cpu, percentile(0.5), percentile(0.99)])
}
