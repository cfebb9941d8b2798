//! Where and how it was measured: processor, kernel, compiler, day. No path and no name of a machine.

use serde::{Deserialize, Serialize};
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a reader must know to judge numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Of the last measurement, in UTC.
    pub date: String,
    /// The model that the processor says it is.
    pub processor: String,
    /// Cores that the system has.
    pub cores: usize,
    /// Memory of the system in MiB.
    pub memory: u64,
    /// Name and release of the operating system.
    pub kernel: String,
    /// What `rustc --version` says.
    pub rustc: String,
    /// Which state of the project was measured.
    pub revision: String,
}

impl Environment {
    /// That of this moment.
    pub fn now() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Self {
            date: date(seconds / 86_400),
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: read("/proc/cpuinfo").lines().filter(|line| line.starts_with("processor")).count(),
            memory: field(&read("/proc/meminfo"), "MemTotal")
                .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok())
                .unwrap_or(0)
                >> 10,
            kernel: said("uname", &["-sr"]),
            rustc: said("rustc", &["--version"]),
            revision: said("git", &["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "--short=10", "HEAD"]),
        }
    }
}

/// What a command says on its one line.
fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

/// The first value of `name` in lines of `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let mut values = text.lines().filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    values.next()
}

/// A day since 1970 in the calendar.
fn date(mut days: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(58), "1970-02-28");
        assert_eq!(date(59), "1970-03-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(11_017), "2000-03-01");
        assert_eq!(date(20_453), "2025-12-31");
    }

    #[test]
    fn fields_are_found() {
        let text = "processor\t: 0\nmodel name\t: Some Processor\nmodel name\t: Other\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Some Processor"));
        assert_eq!(field(text, "cache"), None);
    }

    #[test]
    fn this_machine_is_described_without_paths() {
        let here = serde_json::to_string(&Environment::now()).unwrap();
        assert!(!here.contains(env!("CARGO_MANIFEST_DIR")), "{here}");
        assert!(Environment::now().cores > 0);
    }
}
