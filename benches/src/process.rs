//! Server processes: started on one core, watched through the kernel's accounts of them, ended with this program.

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Where servers run.
pub const SERVER_CORE: usize = 0;
/// Where the load runs.
pub const LOAD_CORE: usize = 1;
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps this thread on a core, if the machine has it.
pub fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    // On a machine of one core, or in a smaller set, everything shares what there is.
    let _ = sched_setaffinity(None, &cores);
}

/// Becomes a command that ends when `parent` ends: `launch PARENT CORE COMMAND...`. Returns only on failure.
pub fn launch(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [parent, core, command, arguments @ ..] = arguments else {
        return Err("launch PARENT CORE COMMAND...".into());
    };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before that.
    if getppid().map(Pid::as_raw_pid) != Some(parent.parse()?) {
        return Err("the parent has ended".into());
    }
    if let Ok(core) = core.parse() {
        pin(core);
    }
    drop(tightwire_epoll::limits::raise_descriptors());
    Err(Command::new(command).args(arguments).exec().into())
}

/// A command that is run by [`launch`]. `core` is `None` for any.
pub fn launched(core: Option<usize>, command: &[String]) -> io::Result<Command> {
    let mut launcher = Command::new(std::env::current_exe()?);
    launcher.args(["launch", &std::process::id().to_string()]);
    launcher.arg(core.map_or("any".to_owned(), |core| core.to_string())).args(command);
    Ok(launcher)
}

/// A server that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// What it said last of what goes wrong.
    complaint: Arc<Mutex<String>>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Process {
    /// Starts a server whose command has `{port}` where the port belongs, and waits until it accepts connections.
    ///
    /// # Errors
    /// When it cannot be started, ends, or accepts nothing for five seconds.
    pub fn start(command: &[String]) -> Result<Self, Box<dyn Error>> {
        let address = free_address()?;
        let port = address.port().to_string();
        let command: Vec<_> = command.iter().map(|part| part.replace("{port}", &port)).collect();
        let mut launcher = launched(Some(SERVER_CORE), &command)?;
        launcher.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Self { child: launcher.spawn()?, complaint: Arc::default(), address };
        if let Some(errors) = process.child.stderr.take() {
            let complaint = process.complaint.clone();
            thread::spawn(move || listen(errors, &complaint));
        }
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if process.child.try_wait()?.is_some() {
                // What it said may still be on its way.
                thread::sleep(Duration::from_millis(20));
                return Err(format!("the server ended: {}", process.complaint()).into());
            }
            if start.elapsed() > PATIENCE {
                return Err("the server does not listen".into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(process)
    }

    /// What it said last on standard error.
    pub fn complaint(&self) -> String {
        self.complaint.lock().map_or_else(|_| String::new(), |complaint| complaint.clone())
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Seconds of processor that it has had.
    pub fn cpu(&self) -> f64 {
        cpu_of(self.id()).unwrap_or(0.0)
    }

    /// Octets of memory that are its own: not of files, not shared.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn memory(&self) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id()))?;
        anonymous(&text).ok_or_else(|| io::Error::other("smaps_rollup without Anonymous"))
    }

    /// Allocations so far, of a server that counts them.
    ///
    /// # Errors
    /// When it does not.
    pub fn allocations(&mut self) -> Result<u64, Box<dyn Error>> {
        let (Some(input), Some(output)) = (&mut self.child.stdin, &mut self.child.stdout) else {
            return Err("the server has no standard input and output".into());
        };
        writeln!(input)?;
        let mut line = String::new();
        // It writes one line for each that it reads, so no more than that is taken.
        BufReader::with_capacity(64, output).read_line(&mut line)?;
        Ok(line.trim_end().parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads what a server says, so that it never waits for a reader.
fn listen(errors: ChildStderr, complaint: &Mutex<String>) {
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        if let Ok(mut complaint) = complaint.lock() {
            *complaint = line;
        }
    }
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?.local_addr()
}

/// Seconds of processor of all threads of a process: in nanoseconds where the kernel counts them, else in ticks.
fn cpu_of(id: u32) -> Option<f64> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).ok()?;
    let of_tasks = tasks.flatten().map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    match of_tasks.sum::<Option<u64>>() {
        Some(nanoseconds) if nanoseconds > 0 => Some(nanoseconds as f64 / 1e9),
        _ => {
            let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            Some(times(&text)?.iter().sum())
        }
    }
}

/// Seconds of processor that this program has had: in its own code, and in the kernel for it.
pub fn own_times() -> [f64; 2] {
    fs::read_to_string("/proc/self/stat").ok().and_then(|text| times(&text)).unwrap_or_default()
}

/// utime and stime of `/proc/PID/stat`, in seconds.
fn times(stat: &str) -> Option<[f64; 2]> {
    // The name may hold spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    let ticks = [next()?, next()?];
    Some(ticks.map(|ticks| ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Octets of the line `Anonymous:` of `/proc/PID/smaps_rollup`.
fn anonymous(smaps: &str) -> Option<u64> {
    let line = smaps.lines().find_map(|line| line.strip_prefix("Anonymous:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_accounts_are_read() {
        let stat = "17 (a (b) c) S 1 17 17 0 -1 4194560 1 0 0 0 120 34 0 0 20 0 1 0 5 6";
        let [user, system] = times(stat).unwrap();
        assert!((user / system - 120.0 / 34.0).abs() < 1e-9);
        assert_eq!(times("17 (a) S 1"), None);
        let smaps = "00-ff ---p 00000000 00:00 0 [rollup]\nRss:     100 kB\nAnonymous:         24 kB\n";
        assert_eq!(anonymous(smaps), Some(24 * 1024));
        assert_eq!(anonymous("Rss: 3 kB"), None);
    }

    #[test]
    fn this_process_has_had_a_processor() {
        let busy: u64 = (0..3_000_000u64).map(std::hint::black_box).sum();
        assert!(busy > 0);
        assert!(cpu_of(std::process::id()).is_some_and(|seconds| seconds > 0.0));
    }
}
