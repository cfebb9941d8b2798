//! Messages there and back.

use super::{in_turn, say};
use crate::arguments::Plan;
use crate::load::{Load, Pattern, Wire};
use crate::process::Process;
use crate::results::{Echo, Results};
use crate::roster::{Contestant, Kind};
use crate::statistics::{median, ratio, spread};
use crate::workload::Workload;
use std::error::Error;
use std::time::Duration;

/// Before the clock runs: buffers grow, caches fill.
const WARM_UP: Duration = Duration::from_millis(100);

/// One server, one round.
struct Sample {
    rate: f64,
    percentiles: [f64; 3],
    cpu: f64,
    server_share: f64,
    load_share: f64,
}

/// Measures all servers under all workloads.
pub fn run(plan: &Plan, servers: &[Contestant], results: &mut Results) {
    for workload in &plan.workloads {
        say(&format!("echo {workload}"));
        row(plan, workload, servers, results);
    }
}

fn row(plan: &Plan, workload: &Workload, servers: &[Contestant], results: &mut Results) {
    let able = able(servers, workload);
    for server in servers.iter().filter(|server| !able.contains(server)) {
        results.miss(&server.name, format!("echo {workload}"), "it does not compress");
    }
    let servers = able;
    // By server, then by round; a round that failed is a gap.
    let mut samples: Vec<Vec<Option<Sample>>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..plan.rounds {
        for server in in_turn(&servers, round) {
            let sample = sample(server, workload, plan.time);
            if let Err(error) = &sample {
                say(&format!("  {}: {error}", server.name));
                results.miss(&server.name, format!("echo {workload}"), error);
            }
            let place = servers.iter().position(|other| other.name == server.name);
            if let Some(samples) = place.and_then(|place| samples.get_mut(place)) {
                samples.push(sample.ok());
            }
        }
    }
    for (server, own) in servers.iter().zip(&samples) {
        let floor = |name: &str| servers.iter().position(|floor| floor.name == name).map(|at| &samples[at]);
        let Some(echo) = summary(server, workload, own, floor(server.floor), floor("floor-epoll")) else {
            continue;
        };
        say(&format!(
            "  {:<18} {:>9.0}/s  {:>6.2} us  {}",
            server.name,
            echo.rate,
            echo.cpu,
            shown(echo.to_own_floor)
        ));
        results.echo.push(echo);
    }
}

fn shown(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, |ratio| format!("{ratio:.2} of its floor"))
}

/// Those that can do it: a floor echoes compressed messages as they are.
pub(super) fn able(servers: &[Contestant], workload: &Workload) -> Vec<Contestant> {
    let able = |server: &&Contestant| !workload.deflate || server.deflates || server.kind == Kind::Floor;
    servers.iter().filter(able).cloned().collect()
}

/// Which octets a server sends back.
pub(super) fn wire(server: &Contestant, workload: &Workload) -> Wire {
    match server.kind {
        Kind::Floor => Wire::Raw,
        _ if workload.deflate => Wire::Deflate,
        _ => Wire::Frames,
    }
}

/// Starts a server for a workload.
pub(super) fn start(
    server: &Contestant,
    workload: &Workload,
    more: &[&str],
) -> Result<Process, Box<dyn Error>> {
    let mut command = server.command.clone();
    if workload.deflate && server.kind != Kind::Floor {
        command.push("--deflate".to_owned());
    }
    command.extend(more.iter().map(|flag| (*flag).to_owned()));
    Process::start(&command)
}

fn sample(server: &Contestant, workload: &Workload, time: Duration) -> Result<Sample, Box<dyn Error>> {
    let process = start(server, workload, &[])?;
    let mut load = Load::open(process.address, workload, wire(server, workload), Pattern::Echo)?;
    load.run(WARM_UP.min(time))?;
    let before = process.cpu();
    let interval = load.run(time)?;
    let cpu = process.cpu() - before;
    let percentile =
        |share| interval.latencies.percentile(share).map_or(0.0, |nanoseconds| nanoseconds / 1e3);
    Ok(Sample {
        rate: interval.rate(),
        percentiles: [percentile(0.5), percentile(0.99), percentile(0.999)],
        cpu: ratio(cpu * 1e6, interval.messages as f64).ok_or("no message came back")?,
        server_share: cpu / interval.seconds,
        load_share: interval.own_cpu,
    })
}

/// Medians over rounds; ratios are taken within a round. `None` when every round failed.
fn summary(
    server: &Contestant,
    workload: &Workload,
    own: &[Option<Sample>],
    own_floor: Option<&Vec<Option<Sample>>>,
    floor: Option<&Vec<Option<Sample>>>,
) -> Option<Echo> {
    let whole: Vec<_> = own.iter().flatten().collect();
    let middle = |of: fn(&Sample) -> f64| median(whole.iter().map(|sample| of(sample)));
    let beside = |floor: Option<&Vec<Option<Sample>>>| {
        let pairs = own.iter().zip(floor?);
        median(pairs.filter_map(|(own, floor)| ratio(own.as_ref()?.rate, floor.as_ref()?.rate)))
    };
    let rates: Vec<_> = whole.iter().map(|sample| sample.rate).collect();
    Some(Echo {
        server: server.name.clone(),
        kind: server.kind,
        workload: *workload,
        rounds: whole.len(),
        rate: middle(|sample| sample.rate)?,
        spread: spread(&rates),
        to_own_floor: beside(own_floor),
        to_floor: beside(floor),
        p50: middle(|sample| sample.percentiles[0])?,
        p99: middle(|sample| sample.percentiles[1])?,
        p999: middle(|sample| sample.percentiles[2])?,
        cpu: middle(|sample| sample.cpu)?,
        server_share: middle(|sample| sample.server_share)?,
        load_share: middle(|sample| sample.load_share)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster;

    fn sample(rate: f64) -> Option<Sample> {
        Some(Sample { rate, percentiles: [1.0, 2.0, 3.0], cpu: 0.5, server_share: 1.0, load_share: 0.5 })
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let server = roster::external("peer=echo {port}").unwrap();
        let floor = vec![sample(100.0), sample(200.0), None];
        let own = [sample(90.0), sample(190.0), sample(50.0)];
        let echo = summary(&server, &Workload::new(1, 16, 1), &own, None, Some(&floor)).unwrap();
        assert_eq!((echo.rate, echo.rounds), (90.0, 3));
        assert_eq!(echo.to_floor, Some((0.9 + 0.95) / 2.0));
        assert_eq!(echo.to_own_floor, None);
        assert!(summary(&server, &Workload::new(1, 16, 1), &[None], None, None).is_none());
    }
}
