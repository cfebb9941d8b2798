//! The runner as a person runs it, with very short windows, against our own servers.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tightwire_benches::results::Results;

/// A folder that is gone with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("tightwire-benches-{name}-{}", std::process::id())))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(folder: &Folder, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tightwire-benches"));
    command.args(line.split_whitespace()).arg("--out").arg(&folder.0).stderr(Stdio::null());
    command
}

#[test]
fn a_run_writes_all_its_outputs() {
    let folder = Folder::new("outputs");
    let line = "echo memory handshake --no-peers --row 2,16,1 --row 2,3000,16,cyrillic --rounds 2 --seconds 0.1 \
        --connections 20";
    assert!(run(&folder, line).status().unwrap().success());

    let results = Results::load(&folder.0).unwrap();
    assert_eq!(results.echo.len(), 2 * 6, "{:?}", results.absent);
    for echo in &results.echo {
        assert!(echo.rate > 0.0 && echo.rounds == 2, "{echo:?}");
        assert!(echo.p50 > 0.0 && echo.p50 <= echo.p99 && echo.p99 <= echo.p999, "{echo:?}");
        for beside in [echo.cpus, echo.rates] {
            assert!(beside.floor.is_some() && beside.own_floor.is_some(), "{echo:?}");
        }
        assert!(echo.load_share > 0.0, "{echo:?}");
    }
    assert_eq!((results.memory.len(), results.handshake.len()), (6, 3));
    let tables = results.environment.date + &folder.read("results.md");
    for part in ["tightwire-epoll", "### 2 x 16 B", "2 x 3000 B, depth 16, cyrillic", "## Opening handshakes"]
    {
        assert!(tables.contains(part), "{part}");
    }
    for plot in ["echo-processor.svg", "echo-rate.svg", "echo-latency.svg", "memory.svg", "handshake.svg"] {
        let plot = folder.read(plot);
        assert!(plot.starts_with("<svg") && plot.contains("tightwire-smol"));
    }

    // A second run adds to the folder, and replaces what it measures again.
    let line =
        "broadcast counts --quick --row 2,16,1 --no-peers --rounds 1 --seconds 0.05 --only tightwire-epoll";
    assert!(run(&folder, line).status().unwrap().success());
    let results = Results::load(&folder.0).unwrap();
    // Nothing is allocated for a message.
    let ours = results.counts.iter().find(|counts| counts.server == "tightwire-epoll").unwrap();
    assert!(ours.allocations.is_some_and(|count| count < 0.01), "{ours:?}");
    assert_eq!((results.echo.len(), results.broadcast.len()), (12, 2), "{:?}", results.absent);
    assert_eq!(results.commands.len(), 2);
    assert!(folder.read("broadcast.svg").contains("1000 x 128 B"));
}

#[test]
fn a_server_that_does_not_start_is_told() {
    let folder = Folder::new("absent");
    let line = "echo --no-peers --row 1,16,1 --rounds 1 --seconds 0.02 --only broken --server broken=false";
    let mut command = run(&folder, line);
    let command = command.arg("--server").arg("broken=false {port}");
    assert!(!command.status().unwrap().success(), "the first one has no place for a port");

    let line = "echo --no-peers --row 1,16,1 --rounds 1 --seconds 0.02 --only broken";
    let mut command = run(&folder, line);
    assert!(command.arg("--server").arg("broken=false {port}").status().unwrap().success());
    assert!(folder.read("results.md").contains("the server ended"));
}

#[test]
fn servers_end_with_the_runner() {
    let folder = Folder::new("killed");
    let line = "echo --no-peers --row 1,16,1 --rounds 1 --seconds 60 --only tightwire-epoll";
    let mut runner = Ended(run(&folder, line).spawn().unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    let server = loop {
        assert!(Instant::now() < until, "no server was started");
        // It has become what it was started for.
        match children(runner.0.id()).into_iter().find(|child| command(*child).contains("serve")) {
            Some(child) => break child,
            None => sleep(Duration::from_millis(10)),
        }
    };
    // Without a chance to tidy up.
    runner.0.kill().unwrap();
    runner.0.wait().unwrap();
    while command(server).contains("serve") {
        assert!(Instant::now() < until, "the server lives on");
        sleep(Duration::from_millis(10));
    }
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn children(parent: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

fn command(id: u32) -> String {
    fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default()
}
