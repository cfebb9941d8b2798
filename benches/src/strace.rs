//! How many system calls a server makes, counted by strace over a short stretch.

use crate::process::{Process, launched};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// A strace that counts what a server does until it is [`stopped`](Self::stop).
#[derive(Debug)]
pub struct Strace {
    child: Child,
    errors: BufReader<std::process::ChildStderr>,
}

/// Whether there is a strace to be run.
pub fn is_available() -> bool {
    let found = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

impl Strace {
    /// Attaches to a server; `None` if that cannot be done here.
    pub fn attach(server: &Process) -> Option<Self> {
        let command = ["strace", "-f", "-c", "-U", "calls,name", "-p", &server.id().to_string()];
        let mut command = launched(None, &command.map(str::to_owned)).ok()?;
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().ok()?;
        let mut errors = BufReader::new(child.stderr.take()?);
        let mut line = String::new();
        errors.read_line(&mut line).ok()?;
        let mut strace = Self { child, errors };
        if line.contains("attached") { Some(strace) } else { strace.end() }
    }

    /// Detaches, and gives the number of calls by name.
    pub fn stop(mut self) -> Option<BTreeMap<String, u64>> {
        kill_process(Pid::from_child(&self.child), Signal::INT).ok()?;
        let mut text = String::new();
        self.errors.read_to_string(&mut text).ok()?;
        Some(calls(&text))
    }

    fn end<T>(&mut self) -> Option<T> {
        drop(self.child.kill());
        None
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The lines `CALLS NAME` of the summary, without its total.
fn calls(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter_map(|line| {
        let (calls, name) = line.trim().split_once(char::is_whitespace)?;
        let name = name.trim();
        Some((name.to_owned(), calls.parse().ok()?)).filter(|_| name != "total")
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read() {
        let text = "strace: Process 7 detached\n    calls syscall\n--------- ----------------\n     1200 sendto\n      \
            1201 recvfrom\n       40 epoll_wait\n--------- ----------------\n     2441 total\n";
        let calls = calls(text);
        assert_eq!(calls.len(), 3);
        assert_eq!(calls.get("recvfrom"), Some(&1201));
        assert_eq!(calls.values().sum::<u64>(), 2441);
    }
}
