//! Messages there and back. All servers of a row live, with their connections, until the row is done; one works at a
//! time, the others sleep.

use super::{in_turn, say, settled_cpu};
use crate::arguments::Plan;
use crate::load::{Load, Pattern, Wire};
use crate::process::{self, Process};
use crate::results::{Beside, Echo, Results};
use crate::roster::{Contestant, Kind};
use crate::statistics::{Latencies, median, ratio, uncertainty};
use crate::workload::Workload;
use std::error::Error;
use std::time::Duration;

/// What a turn begins with: caches were another's.
const WARM_UP: Duration = Duration::from_millis(10);

/// A server with its connections.
struct Entrant {
    name: String,
    process: Process,
    load: Load,
}

/// One turn.
struct Sample {
    rate: f64,
    /// Microseconds for a message.
    cpu: f64,
    server_share: f64,
    load_share: f64,
    latencies: Latencies,
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
        results.miss(&server.name, "compressed echoes", "it does not compress");
    }
    let servers = able;
    let mut failed = |name: &str, error: Box<dyn Error>| {
        say(&format!("  {name}: {error}"));
        results.miss(name, format!("echo {workload}"), error);
    };
    let mut entrants: Vec<_> = servers
        .iter()
        .map(|server| Entrant::new(server, workload).map_err(|error| failed(&server.name, error)).ok())
        .collect();
    let before = process::own_times();
    let samples = in_turn(&mut entrants, plan.rounds, |entrant| {
        entrant.turn(plan.time).map_err(|error| failed(&entrant.name, error)).ok()
    });
    let after = process::own_times();
    let [user, system] = [0, 1].map(|part| after[part] - before[part]);
    let load_own = ratio(user, user + system).unwrap_or(0.0);
    for (server, own) in servers.iter().zip(&samples) {
        let floor =
            |name: &str| servers.iter().position(|floor| floor.name == name).map(|at| &samples[at][..]);
        let Some(echo) = summary(server, workload, own, floor(server.floor), floor("floor-epoll")) else {
            continue;
        };
        let echo = Echo { load_own, ..echo };
        say(&format!(
            "  {:<18} {:>7.3} us {} {:>9.0}/s {}",
            server.name,
            echo.cpu,
            shown(&echo.cpus),
            echo.rate,
            shown(&echo.rates)
        ));
        results.echo.push(echo);
    }
}

/// Beside its own floor, and how sure that is.
fn shown(beside: &Beside) -> String {
    let ratio = beside.own_floor.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
    format!("({ratio:>5} +-{:4.1}%)", 100.0 * beside.uncertainty)
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

impl Entrant {
    fn new(server: &Contestant, workload: &Workload) -> Result<Self, Box<dyn Error>> {
        let process = start(server, workload, &[])?;
        let load = Load::open(process.address, workload, wire(server, workload), Pattern::Echo)?;
        Ok(Self { name: server.name.clone(), process, load })
    }

    /// From rest to rest, so that all of the processor's time and all messages are counted. The rate and the latencies
    /// are those in between.
    fn turn(&mut self, time: Duration) -> Result<Sample, Box<dyn Error>> {
        let before = settled_cpu(&self.process);
        let warm_up = self.load.run(WARM_UP.min(time))?;
        let interval = self.load.run(time)?;
        let rest = self.load.drain()?;
        let cpu = settled_cpu(&self.process) - before;
        let all = [&warm_up, &interval, &rest];
        let messages: u64 = all.iter().map(|interval| interval.messages).sum();
        let seconds: f64 = all.iter().map(|interval| interval.seconds).sum();
        Ok(Sample {
            rate: interval.rate(),
            cpu: ratio(cpu * 1e6, messages as f64).ok_or("no message came back")?,
            server_share: cpu / seconds,
            load_share: interval.own_cpu,
            latencies: interval.latencies,
        })
    }
}

/// Medians over rounds; ratios are taken within a round. `None` when every round failed.
fn summary(
    server: &Contestant,
    workload: &Workload,
    own: &[Option<Sample>],
    own_floor: Option<&[Option<Sample>]>,
    floor: Option<&[Option<Sample>]>,
) -> Option<Echo> {
    let whole: Vec<_> = own.iter().flatten().collect();
    let middle = |of: fn(&Sample) -> f64| median(whole.iter().map(|sample| of(sample)));
    // What is more when it is better.
    let beside = |value: fn(&Sample) -> f64| {
        let ratios = |floor: Option<&[Option<Sample>]>| -> Vec<f64> {
            let pairs = own.iter().zip(floor.unwrap_or_default());
            pairs.filter_map(|(own, floor)| ratio(value(own.as_ref()?), value(floor.as_ref()?))).collect()
        };
        let to_floor = ratios(floor);
        Beside {
            own_floor: median(ratios(own_floor)),
            floor: median(to_floor.iter().copied()),
            uncertainty: uncertainty(to_floor),
        }
    };
    let mut latencies = Latencies::default();
    whole.iter().for_each(|sample| latencies.merge(&sample.latencies));
    let percentile = |share| latencies.percentile(share).map_or(0.0, |nanoseconds| nanoseconds / 1e3);
    Some(Echo {
        server: server.name.clone(),
        kind: server.kind,
        workload: *workload,
        rounds: whole.len(),
        rate: middle(|sample| sample.rate)?,
        rates: beside(|sample| sample.rate),
        cpu: middle(|sample| sample.cpu)?,
        cpus: beside(|sample| 1.0 / sample.cpu),
        p50: percentile(0.5),
        p99: percentile(0.99),
        p999: percentile(0.999),
        server_share: middle(|sample| sample.server_share)?,
        load_share: middle(|sample| sample.load_share)?,
        load_own: 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster;

    fn sample(rate: f64) -> Option<Sample> {
        let mut latencies = Latencies::default();
        latencies.record(2000);
        Some(Sample { rate, cpu: 1e6 / rate, server_share: 1.0, load_share: 0.5, latencies })
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let server = roster::external("peer=echo {port}").unwrap();
        let floor = [sample(100.0), sample(200.0), None];
        let own = [sample(80.0), sample(192.0), sample(50.0)];
        let echo = summary(&server, &Workload::new(1, 16, 1), &own, None, Some(&floor)).unwrap();
        assert_eq!((echo.rate, echo.cpu, echo.rounds), (80.0, 12_500.0, 3));
        let wanted = Beside { own_floor: None, floor: Some(0.88), uncertainty: 0.08 / 0.88 };
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        for beside in [echo.rates, echo.cpus] {
            assert_eq!(beside.own_floor, None);
            assert!(near(beside.floor.unwrap(), wanted.floor.unwrap()), "{beside:?}");
            assert!(near(beside.uncertainty, wanted.uncertainty), "{beside:?}");
        }
        assert!((echo.p50 - 2.0).abs() < 0.05, "{}", echo.p50);
        assert!(summary(&server, &Workload::new(1, 16, 1), &[None], None, None).is_none());
    }
}
