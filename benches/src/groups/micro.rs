//! The micro benchmarks of tightwire beside its peers, each run by cargo; what they print is read.

use super::say;
use crate::results::{Micro, Results};
use std::path::Path;
use std::process::{Command, Stdio};

/// Modules of the suite, what they do, and how often a row of theirs does it.
const WORKS: [(&str, &str, f64); 8] = [
    ("parse_head", "parse a frame's head, payload", 1000.0),
    ("decode", "decode a masked frame, payload", 1000.0),
    ("encode", "encode a frame, payload", 1000.0),
    ("mask", "mask in place,", 1.0),
    ("mask_copy", "mask while copying,", 1.0),
    ("utf8", "validate 4 KiB of text:", 1.0),
    ("handshake", "opening handshake:", 1.0),
    ("deflate", "1 KiB at the fastest level:", 1.0),
];

/// Runs them, if peers are wanted: alone, tightwire has nobody to stand beside.
pub fn run(peers: bool, results: &mut Results) {
    if !peers {
        return results.miss("peers", "micro benchmarks", "peers were not wanted");
    }
    say("micro benchmarks");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["bench", "--bench", "codec", "--manifest-path"]).arg(manifest);
    // Longer than a moment in which the machine does something else.
    cargo.args(["--", "--min-time", "0.2"]).stderr(Stdio::inherit());
    match cargo.output() {
        Ok(output) if output.status.success() => {
            results.micro = rows(&String::from_utf8_lossy(&output.stdout));
            results.micro.iter().for_each(|row| {
                say(&format!("  {:<40} {:<18} {:>10.1} ns", row.work, row.server, row.nanoseconds));
            });
        }
        _ => results.miss("peers", "micro benchmarks", "cargo bench failed"),
    }
}

/// Reads the tree that divan prints: suite, module, crate, argument, and the median in the third column of times.
fn rows(text: &str) -> Vec<Micro> {
    let (mut path, mut rows) = (Vec::<String>::new(), Vec::new());
    for line in text.lines() {
        // Three letters of branches for each level.
        let Some(start) = line.char_indices().position(|(_, letter)| letter.is_alphanumeric()) else {
            continue;
        };
        let mut columns = line.trim_start_matches(|letter: char| !letter.is_alphanumeric()).split('│');
        let mut words = columns.next().unwrap_or_default().split_whitespace();
        let Some(name) = words.next() else { continue };
        path.truncate(start / 3);
        path.push(name.to_owned());
        let median = columns.nth(1).and_then(nanoseconds);
        if let ([_, module, server, argument], Some(median)) = (&path[..], median)
            && let Some((_, work, times)) = WORKS.iter().find(|(name, ..)| name == module)
        {
            let argument = argument.parse().map_or_else(|_| argument.clone(), crate::workload::octets);
            rows.push(Micro {
                work: format!("{work} {argument}"),
                server: server.replace('_', "-"),
                nanoseconds: median / times,
            });
        }
    }
    let place = |row: &Micro| WORKS.iter().position(|(_, work, _)| row.work.starts_with(work));
    rows.sort_by_key(place);
    rows
}

/// `1.5 µs` and the like.
fn nanoseconds(text: &str) -> Option<f64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let unit = match unit {
        "ns" => 1.0,
        "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_divan_prints_is_read() {
        let text = "Timer precision: 10 ns\n\
            codec          fastest       │ slowest       │ median        │ mean          │ samples │ iters\n\
            ├─ decode                    │               │               │               │         │\n\
            │  ├─ sockudo_ws             │               │               │               │         │\n\
            │  │  ├─ 16     21.5 µs      │ 30 µs         │ 22.5 µs       │ 23 µs         │ 100     │ 100\n\
            │  │  ╰─ 1024   1.5 ms       │ 3 ms          │ 2 ms          │ 2 ms          │ 100     │ 100\n\
            │  ╰─ tightwire              │               │               │               │         │\n\
            │     ╰─ 16     5 µs         │ 6 µs          │ 5.5 µs        │ 5 µs          │ 100     │ 100\n\
            ╰─ utf8                      │               │               │               │         │\n\
            \u{20}  ╰─ plain                  │               │               │               │         │\n\
            \u{20}     ╰─ ascii  90 ns        │ 100 ns        │ 95.5 ns       │ 96 ns         │ 100     │ 100\n";
        let rows = rows(text);
        let found: Vec<_> = rows.iter().map(|row| (&*row.work, &*row.server, row.nanoseconds)).collect();
        let wanted = [
            ("decode a masked frame, payload 16 B", "sockudo-ws", 22.5),
            ("decode a masked frame, payload 1 KiB", "sockudo-ws", 2000.0),
            ("decode a masked frame, payload 16 B", "tightwire", 5.5),
            ("validate 4 KiB of text: ascii", "plain", 95.5),
        ];
        assert_eq!(found, wanted);
    }
}
