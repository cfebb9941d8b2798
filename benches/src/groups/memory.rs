//! User memory of connections that do nothing: fresh, and after each has echoed a message of 16 KiB.

use super::say;
use crate::arguments::Plan;
use crate::load::{Load, Pattern, Wire};
use crate::process::Process;
use crate::results::{Memory, Results};
use crate::roster::{Contestant, Kind};
use crate::workload::Workload;
use std::error::Error;
use std::thread;
use std::time::Duration;

const BURST: usize = 16 << 10;
/// Connections that burst at a time.
const AT_A_TIME: usize = 64;
/// Until what the server does afterwards is done.
const SETTLE: Duration = Duration::from_millis(300);

/// Measures all servers.
pub fn run(plan: &Plan, servers: &[Contestant], results: &mut Results) {
    for server in servers {
        match measure(server, plan.connections) {
            Ok(memory) => {
                let Memory { idle, after_burst, .. } = memory;
                say(&format!("memory {:<18} {idle:>8.0} idle {after_burst:>8.0} after a burst", server.name));
                results.memory.push(memory);
            }
            Err(error) => {
                say(&format!("memory {}: {error}", server.name));
                results.miss(&server.name, "memory", error);
            }
        }
    }
}

fn measure(server: &Contestant, connections: usize) -> Result<Memory, Box<dyn Error>> {
    let mut command = server.command.clone();
    // A peer that has larger buffers for speed has its default ones here.
    if server.kind == Kind::Peer && server.floor == "floor-tokio" {
        command.push("--small".to_owned());
    }
    let process = Process::start(&command)?;
    let wire = if server.kind == Kind::Floor { Wire::Raw } else { Wire::Frames };
    // A few connections come and go first, so that what a server makes once is not counted.
    let few = Workload::new(connections.min(AT_A_TIME), BURST, 1);
    Load::open(process.address, &few, wire, Pattern::Echo)?.once_each(AT_A_TIME)?;
    thread::sleep(SETTLE);

    let before = process.memory()?;
    let each = |after: u64| after.saturating_sub(before) as f64 / connections as f64;
    let workload = Workload::new(connections, BURST, 1);
    let mut load = Load::open(process.address, &workload, wire, Pattern::Echo)?;
    thread::sleep(SETTLE);
    let idle = each(process.memory()?);
    load.once_each(AT_A_TIME)?;
    thread::sleep(SETTLE);
    let after_burst = each(process.memory()?);
    Ok(Memory { server: server.name.clone(), kind: server.kind, connections, idle, after_burst })
}
