//! What has been measured, as it is kept between runs: a run replaces the rows that it measured again.

use crate::environment::Environment;
use crate::roster::{Absent, Contestant, Kind};
use crate::workload::Workload;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fs;
use std::path::Path;

/// A server that cannot even be started.
pub const EVERYTHING: &str = "everything";

/// All results in a folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Where the last run was.
    pub environment: Environment,
    /// The runs that gave these results.
    pub commands: Vec<String>,
    /// Who should have been measured and could not be.
    pub absent: Vec<Absence>,
    /// Echoes.
    pub echo: Vec<Echo>,
    /// System calls and allocations of echoes.
    pub counts: Vec<Counts>,
    /// Memory of idle connections.
    pub memory: Vec<Memory>,
    /// Opening handshakes.
    pub handshake: Vec<Handshake>,
    /// One message to everybody.
    pub broadcast: Vec<Broadcast>,
    /// Instructions of fixed work.
    pub instructions: Vec<Instructions>,
    /// Times of small pieces of work.
    pub micro: Vec<Micro>,
}

/// A server that is missing from a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// Which one.
    pub server: String,
    /// From which table: `echo` and the workload, `memory`, or `everything`.
    pub subject: String,
    /// Why.
    pub reason: String,
}

/// One server under one workload: medians over rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Echo {
    /// Which one.
    pub server: String,
    /// Floor, ours or peer.
    pub kind: Kind,
    /// What it was asked to do.
    pub workload: Workload,
    /// How often it was measured.
    pub rounds: usize,
    /// Messages in a second.
    pub rate: f64,
    /// The rate beside that of the floors, of the same round.
    pub rates: Beside,
    /// Microseconds of processor that the server took for a message.
    pub cpu: f64,
    /// What a second of processor is worth in messages, beside that of the floors, of the same round.
    pub cpus: Beside,
    /// Microseconds that half of all messages took at most.
    pub p50: f64,
    /// The same for 99 of 100.
    pub p99: f64,
    /// The same for 999 of 1000.
    pub p999: f64,
    /// The share of a core that the server took.
    pub server_share: f64,
    /// The share of a core that the load took.
    pub load_share: f64,
    /// The part of that which is not the kernel's, over all servers of the row.
    pub load_own: f64,
}

/// A number beside that of bare TCP echoes: more is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// Beside the floor on the same ground.
    pub own_floor: Option<f64>,
    /// Beside the floor on epoll.
    pub floor: Option<f64>,
    /// How far the median of the latter may be off, as a share of it, with 95 % confidence.
    pub uncertainty: f64,
}

/// What a server does for a message, counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Which one.
    pub server: String,
    /// What it was asked to do.
    pub workload: Workload,
    /// System calls for a message.
    pub calls: Option<f64>,
    /// Allocations for a message.
    pub allocations: Option<f64>,
}

/// What idle connections hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Which server.
    pub server: String,
    /// Floor, ours or peer.
    pub kind: Kind,
    /// How many connections there were.
    pub connections: usize,
    /// Octets of user memory for each after the opening handshake.
    pub idle: f64,
    /// The same after each has echoed a message of 16 KiB.
    pub after_burst: f64,
}

/// Opening handshakes of connections that are dropped at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handshake {
    /// Which server.
    pub server: String,
    /// Floor, ours or peer.
    pub kind: Kind,
    /// Handshakes in a second.
    pub rate: f64,
    /// Microseconds of processor that the server took for each, the kernel's share and the closing included.
    pub cpu: f64,
}

/// One connection publishes, all connections receive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Broadcast {
    /// Which server.
    pub server: String,
    /// Floor, ours or peer.
    pub kind: Kind,
    /// Subscribers, messages and depth.
    pub workload: Workload,
    /// Messages delivered in a second.
    pub rate: f64,
    /// Microseconds of processor that the server took for a delivery.
    pub cpu: f64,
    /// Microseconds from publishing until half of all deliveries had come.
    pub p50: f64,
    /// The same for 99 of 100.
    pub p99: f64,
}

/// Instructions that a fixed piece of work takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instructions {
    /// What is done.
    pub work: String,
    /// How many instructions once takes.
    pub count: f64,
}

/// What a crate takes for a small piece of work, in memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Micro {
    /// What is done.
    pub work: String,
    /// By which crate.
    pub server: String,
    /// Nanoseconds, the median of many rounds.
    pub nanoseconds: f64,
}

impl Results {
    /// The results in a folder; nothing if there are none yet.
    ///
    /// # Errors
    /// When there are some that cannot be read.
    pub fn load(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let path = folder.join("results.json");
        if !path.exists() {
            return Ok(Self::default());
        }
        Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
    }

    /// Writes them as JSON.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn save(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        Ok(fs::write(folder.join("results.json"), serde_json::to_string_pretty(self)? + "\n")?)
    }

    /// Takes the rows of a later run over earlier ones of the same server and workload.
    pub fn merge(&mut self, later: Self) {
        let found = later.subjects();
        let is_found = |absence: &Absence| {
            found.iter().any(|(server, subject)| {
                *server == absence.server && (*subject == absence.subject || absence.subject == EVERYTHING)
            })
        };
        self.absent.retain(|absence| !is_found(absence));
        self.environment = later.environment;
        self.commands.retain(|command| !later.commands.contains(command));
        self.commands.extend(later.commands);
        replace(&mut self.echo, later.echo, |a, b| a.server == b.server && a.workload == b.workload);
        replace(&mut self.counts, later.counts, |a, b| a.server == b.server && a.workload == b.workload);
        replace(&mut self.memory, later.memory, |a, b| a.server == b.server);
        replace(&mut self.handshake, later.handshake, |a, b| a.server == b.server);
        replace(&mut self.broadcast, later.broadcast, |a, b| {
            a.server == b.server && a.workload == b.workload
        });
        replace(&mut self.instructions, later.instructions, |a, b| a.work == b.work);
        replace(&mut self.micro, later.micro, |a, b| a.work == b.work && a.server == b.server);
        replace(&mut self.absent, later.absent, |a, b| a == b);
    }

    /// Notes that a server could not be measured.
    pub fn miss(&mut self, server: &str, subject: impl ToString, reason: impl ToString) {
        let (server, subject) = (server.to_owned(), subject.to_string());
        let absence = Absence { server, subject, reason: reason.to_string() };
        if !self.absent.contains(&absence) {
            self.absent.push(absence);
        }
    }

    /// Notes who is not there at all.
    pub fn miss_all(&mut self, absent: &[Absent]) {
        absent.iter().for_each(|absent| self.miss(&absent.name, EVERYTHING, &absent.reason));
    }

    /// What is here: by server, and by what an [`Absence`] calls its subject.
    fn subjects(&self) -> Vec<(String, String)> {
        let echo = self.echo.iter().map(|row| (&row.server, format!("echo {}", row.workload)));
        let counts = self.counts.iter().map(|row| (&row.server, format!("counts {}", row.workload)));
        let memory = self.memory.iter().map(|row| (&row.server, "memory".to_owned()));
        let handshake = self.handshake.iter().map(|row| (&row.server, "handshake".to_owned()));
        let broadcast = self.broadcast.iter().map(|row| (&row.server, format!("broadcast {}", row.workload)));
        let peers = "peers".to_owned();
        let micro = self.micro.first().map(|_| (&peers, "micro benchmarks".to_owned()));
        let rows = echo.chain(counts).chain(memory).chain(handshake).chain(broadcast).chain(micro);
        rows.map(|(server, subject)| (server.clone(), subject)).collect()
    }
}

/// Replaces rows in their place; new ones go to the end.
fn replace<T>(rows: &mut Vec<T>, later: Vec<T>, same: impl Fn(&T, &T) -> bool) {
    for row in later {
        match rows.iter_mut().find(|earlier| same(earlier, &row)) {
            Some(earlier) => *earlier = row,
            None => rows.push(row),
        }
    }
}

/// The order of tables: ours, then peers, then floors; each by name.
pub fn place(server: &str, kind: Kind) -> (u8, &str) {
    let group = match kind {
        Kind::Ours => 0,
        Kind::Peer => 1,
        Kind::Floor => 2,
    };
    (group, server)
}

impl Contestant {
    /// Its place in tables.
    pub fn place(&self) -> (u8, &str) {
        place(&self.name, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(server: &str, idle: f64) -> Memory {
        let kind = Kind::Peer;
        Memory { server: server.to_owned(), kind, connections: 10, idle, after_burst: 2.0 }
    }

    #[test]
    fn a_later_run_replaces_what_it_measured_again() {
        let mut results = Results { memory: vec![memory("a", 1.0), memory("b", 2.0)], ..Results::default() };
        results.commands.push("memory".to_owned());
        let later = Results {
            memory: vec![memory("c", 3.0), memory("a", 4.0)],
            commands: vec!["memory".to_owned()],
            ..Results::default()
        };
        results.merge(later);
        assert_eq!(results.memory, [memory("a", 4.0), memory("b", 2.0), memory("c", 3.0)]);
        assert_eq!(results.commands, ["memory"]);
    }

    #[test]
    fn an_absence_is_noted_once() {
        let mut results = Results::default();
        results.miss("a", "memory", "gone");
        results.miss("a", "memory", "gone");
        assert_eq!(results.absent.len(), 1);
    }

    #[test]
    fn what_is_measured_later_is_not_missing() {
        let mut results = Results::default();
        for (server, subject) in [("a", EVERYTHING), ("a", "memory"), ("a", "handshake"), ("b", "memory")] {
            results.miss(server, subject, "gone");
        }
        results.merge(Results { memory: vec![memory("a", 1.0)], ..Results::default() });
        let left: Vec<_> =
            results.absent.iter().map(|absence| (&*absence.server, &*absence.subject)).collect();
        assert_eq!(left, [("a", "handshake"), ("b", "memory")]);
    }

    #[test]
    fn results_survive_a_folder() {
        let folder = std::env::temp_dir().join(format!("tightwire-results-{}", std::process::id()));
        let mut results = Results { memory: vec![memory("a", 0.1)], ..Results::default() };
        results.miss("b", EVERYTHING, "it did not build");
        results.save(&folder).unwrap();
        assert_eq!(Results::load(&folder).unwrap(), results);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(Results::load(&folder).unwrap(), Results::default());
    }
}
