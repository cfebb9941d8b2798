//! Instructions of fixed pieces of work, counted by valgrind: the same on a busy machine as on a quiet one, so they can
//! be compared over time.

use super::say;
use crate::process::launched;
use crate::results::{Instructions, Results};
use crate::work::PIECES;
use std::process::{Command, Stdio};

/// Two lengths of a run: what starting takes falls out of their difference.
const COUNTS: (u64, u64) = (50, 250);

/// Counts all pieces, if valgrind is here.
pub fn run(results: &mut Results) {
    let found =
        Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        say("SKIPPED instructions: valgrind is not here");
        return results.miss("tightwire", "instructions", "valgrind is not here");
    }
    for (place, (work, times)) in PIECES.into_iter().enumerate() {
        let (Some(few), Some(many)) = (instructions(place, COUNTS.0), instructions(place, COUNTS.1)) else {
            results.miss("tightwire", format!("instructions: {work}"), "valgrind failed");
            continue;
        };
        let count = many.saturating_sub(few) as f64 / ((COUNTS.1 - COUNTS.0) as f64 * times as f64);
        say(&format!("instructions {work}: {count:.1}"));
        results.instructions.push(Instructions { work: work.to_owned(), count });
    }
}

fn instructions(place: usize, count: u64) -> Option<u64> {
    let program = std::env::current_exe().ok()?.to_string_lossy().into_owned();
    let command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", &program, "work"];
    let command = command.map(str::to_owned).into_iter().chain([place.to_string(), count.to_string()]);
    let output = launched(None, &command.collect::<Vec<_>>()).ok()?.output().ok()?;
    collected(&String::from_utf8_lossy(&output.stderr))
}

/// The line `Collected : N` of callgrind.
fn collected(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once("Collected :"));
    lines.next()?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrinds_summary_is_read() {
        let text = "==12== Events    : Ir\n==12== Collected : 1234567\n==12== \n";
        assert_eq!(collected(text), Some(1_234_567));
        assert_eq!(collected("==12== nothing"), None);
    }
}
