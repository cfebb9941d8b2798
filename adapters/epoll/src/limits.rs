//! What a machine needs for a wanted number of connections, and what it has.
//!
//! It reads limits of the process and of the kernel and compares; it changes nothing but, when asked, the
//! soft limit of descriptors of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;
use std::io;

/// Descriptors that a server has besides its connections: listeners, epoll, logs, libraries.
const SPARE_DESCRIPTORS: u64 = 64;
/// Octets of kernel memory that one TCP end takes: socket, inode, file, directory entry, epoll item.
const KERNEL_OCTETS: u64 = 4_200;
/// Octets of user space that one connection takes, with room for some of them to be busy.
const USER_OCTETS: u64 = 256;
/// Pages of socket buffers that one connection takes on average: most are idle and have none.
const CONNECTIONS_PER_PAGE: u64 = 4;

/// How one limit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is enough.
    Enough,
    /// It is too low: [`Row::command`] raises it.
    TooLow,
    /// It could not be read, or the machine does not have it.
    Unknown,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What the limit is called.
    pub name: &'static str,
    /// What it is now.
    pub have: Option<u64>,
    /// What the wanted number of connections needs.
    pub need: u64,
    /// The command that raises it to what is needed.
    pub command: String,
    /// What it limits, in a few words.
    pub meaning: &'static str,
}

impl Row {
    /// How the limit stands.
    pub fn verdict(&self) -> Verdict {
        match self.have {
            None => Verdict::Unknown,
            Some(have) if have >= self.need => Verdict::Enough,
            Some(_) => Verdict::TooLow,
        }
    }
}

/// All limits, for one wanted number of connections. Prints as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The connections wanted.
    pub target: u64,
    /// One row for each limit.
    pub rows: Vec<Row>,
}

impl Report {
    /// Whether no limit is known to be too low.
    pub fn is_enough(&self) -> bool {
        self.rows.iter().all(|row| row.verdict() != Verdict::TooLow)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} connections\n", self.target)?;
        writeln!(f, "{:<30} {:>14} {:>14}  verdict", "limit", "have", "need")?;
        for row in &self.rows {
            let have = row.have.map_or_else(|| "unknown".to_owned(), |have| have.to_string());
            let verdict = match row.verdict() {
                Verdict::Enough => "enough",
                Verdict::TooLow => "TOO LOW",
                Verdict::Unknown => "not known",
            };
            writeln!(f, "{:<30} {have:>14} {:>14}  {verdict}: {}", row.name, row.need, row.meaning)?;
        }
        if !self.is_enough() {
            writeln!(f, "\nto raise what is too low:")?;
        }
        for row in self.rows.iter().filter(|row| row.verdict() == Verdict::TooLow) {
            writeln!(f, "  {}", row.command)?;
        }
        Ok(())
    }
}

/// Compares the limits of this machine with what `target` connections in one process need.
///
/// The numbers are for a server. A client machine also needs local ports: one source address has those of
/// `ip_local_port_range` for each address and port that it connects to.
pub fn check(target: u64) -> Report {
    report(target, |path| std::fs::read_to_string(path).ok(), descriptors())
}

/// Raises the soft limit of descriptors of this process as far as the hard limit allows, and gives it.
///
/// # Errors
/// When the operating system refuses; the limit is then what it was.
pub fn raise_descriptors() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// The soft limit of descriptors; `u64::MAX` when there is none.
fn descriptors() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn report(target: u64, read: impl Fn(&str) -> Option<String>, descriptors: u64) -> Report {
    let wanted = target.saturating_add(SPARE_DESCRIPTORS);
    let memory = target.saturating_mul(KERNEL_OCTETS + USER_OCTETS);
    let number = |path: &str, at: usize| read(path)?.split_whitespace().nth(at)?.parse().ok();
    let available = || {
        let text = read("/proc/meminfo")?;
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()?.saturating_mul(1024))
    };
    let ports = || {
        let low: u64 = number("/proc/sys/net/ipv4/ip_local_port_range", 0)?;
        let high: u64 = number("/proc/sys/net/ipv4/ip_local_port_range", 1)?;
        Some((high + 1).saturating_sub(low))
    };
    let backlog = target.clamp(128, 4096);
    let pages = target.div_ceil(CONNECTIONS_PER_PAGE);
    // A connection to another machine is tracked once, one within this machine too.
    let tracked = target.saturating_add(target / 4);
    let row = |name, have, need, command: String, meaning| Row { name, have, need, command, meaning };
    let sysctl = |name: &str, value: u64| format!("sysctl -w {name}={value}");
    let rows = vec![
        row(
            "RLIMIT_NOFILE (soft)",
            Some(descriptors),
            wanted,
            format!("ulimit -n {wanted}    # or LimitNOFILE={wanted} in the unit of systemd"),
            "descriptors of this process",
        ),
        row(
            "fs.nr_open",
            number("/proc/sys/fs/nr_open", 0),
            wanted,
            sysctl("fs.nr_open", wanted),
            "the most that RLIMIT_NOFILE can be",
        ),
        row(
            "fs.file-max",
            number("/proc/sys/fs/file-max", 0),
            wanted,
            sysctl("fs.file-max", wanted),
            "descriptors of the whole machine",
        ),
        row(
            "net.core.somaxconn",
            number("/proc/sys/net/core/somaxconn", 0),
            backlog,
            sysctl("net.core.somaxconn", backlog),
            "connections that wait to be accepted",
        ),
        row(
            "net.ipv4.tcp_mem (maximum)",
            number("/proc/sys/net/ipv4/tcp_mem", 2),
            pages,
            format!("sysctl -w net.ipv4.tcp_mem=\"{} {} {pages}\"", pages / 2, pages / 4 * 3),
            "pages for all socket buffers",
        ),
        row(
            "net.netfilter.nf_conntrack_max",
            number("/proc/sys/net/netfilter/nf_conntrack_max", 0),
            tracked,
            sysctl("net.netfilter.nf_conntrack_max", tracked),
            "connections that a firewall follows, if one does",
        ),
        row(
            "ip_local_port_range",
            ports(),
            target.min(28_000),
            "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"".to_owned(),
            "ports of a client for one source and destination",
        ),
        row(
            "memory available",
            available(),
            memory,
            format!("give the machine {} MiB more", memory.div_ceil(1 << 20)),
            "octets, about 4.2 KB of kernel memory each",
        ),
    ];
    Report { target, rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(path: &str) -> Option<String> {
        Some(
            match path {
                "/proc/sys/fs/nr_open" => "1048576\n",
                "/proc/sys/fs/file-max" => "2466170\n",
                "/proc/sys/net/core/somaxconn" => "4096\n",
                "/proc/sys/net/ipv4/tcp_mem" => "287895\t383861\t575790\n",
                "/proc/sys/net/ipv4/ip_local_port_range" => "32768\t60999\n",
                "/proc/meminfo" => "MemTotal:       24636320 kB\nMemAvailable:   23000000 kB\n",
                _ => return None,
            }
            .to_owned(),
        )
    }

    fn verdict(report: &Report, name: &str) -> Verdict {
        report.rows.iter().find(|row| row.name.starts_with(name)).unwrap().verdict()
    }

    #[test]
    fn a_machine_that_is_large_enough() {
        let report = report(1_000_000, machine, 1_048_576);
        assert!(report.is_enough(), "{report}");
        // Without the module there is no such limit.
        assert_eq!(verdict(&report, "net.netfilter"), Verdict::Unknown);
        assert_eq!(
            report.rows.iter().find(|row| row.name == "ip_local_port_range").unwrap().have,
            Some(28_232)
        );
        assert!(!report.to_string().contains("to raise"));
    }

    #[test]
    fn what_is_too_low_names_its_command() {
        let report = report(10_000_000, machine, 20_000);
        for name in ["RLIMIT_NOFILE", "fs.nr_open", "fs.file-max", "net.ipv4.tcp_mem", "memory"] {
            assert_eq!(verdict(&report, name), Verdict::TooLow, "{name}");
        }
        assert_eq!(verdict(&report, "net.core.somaxconn"), Verdict::Enough);
        let table = report.to_string();
        assert!(table.contains("TOO LOW") && table.contains("\n  ulimit -n 10000064"), "{table}");
        assert!(table.contains("\n  sysctl -w fs.nr_open=10000064\n"), "{table}");
    }

    #[test]
    fn a_number_beyond_reason_does_not_overflow() {
        assert!(!report(u64::MAX, machine, 20_000).is_enough());
        assert!(report(0, machine, 1024).is_enough());
        assert!(report(u64::MAX, |_| None, u64::MAX).is_enough());
        assert!(report(5, |_| Some("nonsense".to_owned()), 1024).rows[1].have.is_none());
    }

    #[test]
    fn this_machine_is_read_and_its_soft_limit_raised() {
        let raised = raise_descriptors().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), raised);
        let report = check(10);
        assert_eq!(report.rows[0].have, Some(raised));
        assert!(report.rows.iter().filter(|row| row.have.is_some()).count() >= 4);
    }
}
