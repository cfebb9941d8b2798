//! System calls and allocations for an echo. Counted, not timed, so a busy machine does no harm.

use super::echo::{able, start, wire};
use super::say;
use crate::arguments::Plan;
use crate::load::{Load, Pattern};
use crate::process::Process;
use crate::results::{Counts, Results};
use crate::roster::{Contestant, Kind};
use crate::statistics::ratio;
use crate::strace::{self, Strace};
use crate::workload::Workload;
use std::error::Error;
use std::time::Duration;

/// Before counting: buffers grow, pools fill.
const WARM_UP: Duration = Duration::from_millis(100);
/// How long it counts.
const COUNTING: Duration = Duration::from_millis(100);
/// Allocations that answering a question makes in the server.
const ASKING: u64 = 1;

/// Counts for all servers under all workloads.
pub fn run(plan: &Plan, servers: &[Contestant], results: &mut Results) {
    let straced = strace::is_available();
    if !straced {
        say("system calls are not counted: strace is not here");
        results.miss("every server", "system calls", "strace is not here");
    }
    for workload in &plan.workloads {
        say(&format!("counts {workload}"));
        for server in able(servers, workload) {
            match counts(&server, workload, straced) {
                Ok(counts) => {
                    let shown =
                        |count: Option<f64>| count.map_or("-".to_owned(), |count| format!("{count:.2}"));
                    let (calls, allocations) = (shown(counts.calls), shown(counts.allocations));
                    say(&format!("  {:<18} {calls:>6} calls {allocations:>6} allocations", server.name));
                    results.counts.push(counts);
                }
                Err(error) => {
                    say(&format!("  {}: {error}", server.name));
                    results.miss(&server.name, format!("counts {workload}"), error);
                }
            }
        }
    }
}

fn counts(server: &Contestant, workload: &Workload, straced: bool) -> Result<Counts, Box<dyn Error>> {
    let tells = server.kind != Kind::Peer;
    let mut process = start(server, workload, if tells { &["--count"] } else { &[] })?;
    let mut load = Load::open(process.address, workload, wire(server, workload), Pattern::Echo)?;
    load.run(WARM_UP)?;
    load.drain()?;
    let allocations = if tells { allocations(&mut process, &mut load)? } else { None };
    let mut calls = None;
    if straced && let Some(strace) = Strace::attach(&process) {
        let messages = load.run(COUNTING)?.messages + load.drain()?.messages;
        let counted = strace.stop().map(|calls| calls.values().sum::<u64>());
        calls = counted.and_then(|calls| ratio(calls as f64, messages as f64));
    }
    Ok(Counts { server: server.name.clone(), workload: *workload, calls, allocations })
}

fn allocations(process: &mut Process, load: &mut Load) -> Result<Option<f64>, Box<dyn Error>> {
    let before = process.allocations()?;
    let messages = load.run(COUNTING)?.messages + load.drain()?.messages;
    let counted = (process.allocations()? - before).saturating_sub(ASKING);
    Ok(ratio(counted as f64, messages as f64))
}
