//! The command line of the runner.

use crate::workload::{Grid, Workload};
use std::path::PathBuf;
use std::time::Duration;

/// How to use it.
pub const USAGE: &str = "\
usage: cargo run --release -p tightwire-benches -- [GROUP...] [OPTION...]

groups (default: all)
  echo           messages there and back: rate, latency, processor
  counts         system calls and allocations for each echo
  memory         user memory of idle connections, fresh and after a burst
  handshake      opening handshakes in a second
  broadcast      one message to many subscribers
  instructions   instructions of fixed pieces of work, counted by valgrind
  micro          small pieces of work in memory, tightwire beside its peers (cargo bench)
  report         only write tables and plots of what is in the folder

options
  --quick                a few rows and servers; within five minutes once everything is built
  --full                 the whole grid of echo workloads
  --out DIR              where results go, and are merged with those that are there (default: bench-results)
  --only NAME,...        only these servers (and the floors)
  --no-peers             only tightwire and the floors; nothing else is built
  --server NAME=COMMAND  measure another server too; {port} in COMMAND stands for the port
  --row C,S,D[,CONTENT][,deflate]   only this echo workload: connections, octets, depth; can be repeated
  --part K/N             only the K-th of N parts of the echo workloads
  --rounds N             how many turns each server has (default: 30)
  --seconds S            how long a turn is (default: 0.03)
  --connections N        idle connections for memory (default: 10000)";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Messages there and back.
    Echo,
    /// System calls and allocations.
    Counts,
    /// User memory of idle connections.
    Memory,
    /// Opening handshakes.
    Handshake,
    /// One message to many.
    Broadcast,
    /// Instructions of fixed work.
    Instructions,
    /// cargo bench.
    Micro,
}

const GROUPS: [(&str, Group); 7] = [
    ("echo", Group::Echo),
    ("counts", Group::Counts),
    ("memory", Group::Memory),
    ("handshake", Group::Handshake),
    ("broadcast", Group::Broadcast),
    ("instructions", Group::Instructions),
    ("micro", Group::Micro),
];

/// All that the command line says.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// In the order of the usage; empty for a report only.
    pub groups: Vec<Group>,
    /// The echo workloads.
    pub workloads: Vec<Workload>,
    /// Fewer servers.
    pub quick: bool,
    /// Where results go.
    pub out: PathBuf,
    /// Only these servers.
    pub only: Option<Vec<String>>,
    /// Peers too.
    pub peers: bool,
    /// More servers.
    pub servers: Vec<String>,
    /// How many turns each server has.
    pub rounds: usize,
    /// How long a turn is.
    pub time: Duration,
    /// Idle connections.
    pub connections: usize,
    /// The command, without what belongs to one machine.
    pub command: String,
}

impl Plan {
    /// Whether a server was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == name))
    }
}

/// Reads the command line.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse(arguments: &[String]) -> Result<Plan, String> {
    let (mut groups, mut rows, mut grid, mut part) = (Vec::new(), Vec::new(), Grid::Standard, (1, 1));
    let (mut only, mut servers, mut peers, mut report) = (None, Vec::new(), true, false);
    let (mut rounds, mut seconds, mut connections) = (None, None, 10_000);
    let mut out = PathBuf::from("bench-results");
    let mut shown = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().cloned().ok_or(format!("{argument} needs a value"));
        let wrong = |value: &str| format!("{value:?} is no value for {argument}");
        let mut show = vec![argument.clone()];
        match argument.as_str() {
            "--quick" => grid = Grid::Quick,
            "--full" => grid = Grid::Full,
            "--no-peers" => peers = false,
            "--out" => {
                out = value()?.into();
                show.clear();
            }
            "--server" => {
                let server = value()?;
                // Where its program lies is nobody else's business.
                show.push(format!("{}=...", server.split('=').next().unwrap_or_default()));
                servers.push(server);
            }
            option if option.starts_with("--") => {
                let value = value()?;
                show.push(value.clone());
                match option {
                    "--only" => only = Some(value.split(',').map(str::to_owned).collect()),
                    "--row" => rows.push(value.parse::<Workload>()?),
                    "--part" => part = self::part(&value).ok_or(wrong(&value))?,
                    "--rounds" => rounds = Some(number(&value, 1, 1000).ok_or(wrong(&value))?),
                    "--seconds" => seconds = Some(duration(&value).ok_or(wrong(&value))?),
                    "--connections" => connections = number(&value, 1, 1 << 20).ok_or(wrong(&value))?,
                    _ => return Err(format!("there is no option {option}")),
                }
            }
            "report" => report = true,
            name => match GROUPS.iter().find(|(group, _)| *group == name) {
                Some((_, group)) if !groups.contains(group) => groups.push(*group),
                Some(_) => {}
                None => return Err(format!("there is no group {name:?}")),
            },
        }
        shown.extend(show);
    }
    let quick = grid == Grid::Quick;
    if groups.is_empty() && !report {
        groups =
            GROUPS.iter().map(|(_, group)| *group).filter(|group| !quick || *group != Group::Micro).collect();
    }
    let workloads = if rows.is_empty() { grid.workloads() } else { rows };
    let each = workloads.len().div_ceil(part.1).max(1);
    Ok(Plan {
        groups,
        workloads: workloads.into_iter().skip((part.0 - 1) * each).take(each).collect(),
        quick,
        out,
        only,
        peers,
        servers,
        rounds: rounds.unwrap_or(if quick { 20 } else { 30 }),
        time: seconds.unwrap_or(Duration::from_millis(30)),
        connections: if quick { connections.min(2000) } else { connections },
        command: ["cargo run --release -p tightwire-benches --".to_owned()]
            .into_iter()
            .chain(shown)
            .collect::<Vec<_>>()
            .join(" "),
    })
}

fn number(text: &str, least: usize, most: usize) -> Option<usize> {
    text.parse().ok().filter(|number| (least..=most).contains(number))
}

/// From a millisecond to a minute.
fn duration(text: &str) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.001..=60.0).contains(seconds))?;
    Some(Duration::from_secs_f64(seconds))
}

/// `K/N`, K from 1 to N.
fn part(text: &str) -> Option<(usize, usize)> {
    let (which, of) = text.split_once('/')?;
    let of = number(of, 1, 1000)?;
    Some((number(which, 1, of)?, of))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Result<Plan, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn everything_is_the_default() {
        let plan = plan("").unwrap();
        assert_eq!(plan.groups.len(), 7);
        assert_eq!(plan.workloads, Grid::Standard.workloads());
        assert_eq!((plan.rounds, plan.connections, plan.peers), (30, 10_000, true));
        assert!(plan.wants("anyone"));
    }

    #[test]
    fn options_are_read() {
        let plan =
            plan("echo --row 1,16,1 --row 2,16,1 --only a,b --rounds 5 --seconds 0.1 --out X").unwrap();
        assert_eq!(plan.groups, [Group::Echo]);
        assert_eq!(plan.workloads, [Workload::new(1, 16, 1), Workload::new(2, 16, 1)]);
        assert!(plan.wants("a") && !plan.wants("c"));
        assert_eq!((plan.rounds, plan.time), (5, Duration::from_millis(100)));
        let shown = "cargo run --release -p tightwire-benches -- echo --row 1,16,1 --row 2,16,1 --only a,b \
            --rounds 5 --seconds 0.1";
        assert_eq!(plan.command, shown, "without the folder");
    }

    #[test]
    fn a_server_is_shown_without_its_command() {
        let plan = plan("echo --server uws=/some/where/echo").unwrap();
        assert_eq!(plan.servers, ["uws=/some/where/echo"]);
        assert!(plan.command.ends_with("--server uws=..."));
    }

    #[test]
    fn parts_are_the_whole() {
        let whole = Grid::Standard.workloads();
        for parts in 1..=whole.len() {
            let joined = (1..=parts).flat_map(|part| {
                let plan = plan(&format!("echo --part {part}/{parts}")).unwrap();
                plan.workloads
            });
            assert_eq!(joined.collect::<Vec<_>>(), whole);
        }
    }

    #[test]
    fn mistakes_are_told() {
        for line in
            ["nonsense", "--nonsense x", "--rounds", "--rounds 0", "--part 3/2", "--seconds 100", "--row 1"]
        {
            assert!(plan(line).is_err(), "{line}");
        }
        assert_eq!(plan("report").unwrap().groups, []);
        let quick = plan("--quick").unwrap();
        assert!(quick.connections < 10_000 && !quick.groups.contains(&Group::Micro));
    }
}
