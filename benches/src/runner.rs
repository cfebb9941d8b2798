//! One run: who takes part, which groups, and where the results go.

use crate::arguments::{Group, Plan};
use crate::environment::Environment;
use crate::groups::{broadcast, counts, echo, handshake, instructions, memory, micro};
use crate::process::{LOAD_CORE, pin};
use crate::report;
use crate::results::Results;
use crate::roster::{self, Contestant, Kind};
use std::error::Error;

/// Measures what the plan says, and writes the results into its folder, after every row of echoes and every group.
///
/// # Errors
/// When results cannot be read or written, or a server of the command line makes no sense.
pub fn run(plan: &Plan) -> Result<(), Box<dyn Error>> {
    let mut results = Results::load(&plan.out)?;
    let mut missing = Results::default();
    let contestants = contestants(plan, &mut missing)?;
    drop(tightwire_epoll::limits::raise_descriptors());
    for (group, plan) in plan.groups.iter().flat_map(|group| steps(plan, *group)) {
        let mut measured = Results {
            environment: Environment::now(),
            commands: vec![plan.command.clone()],
            absent: missing.absent.clone(),
            ..Results::default()
        };
        match group {
            // It uses all cores to build.
            Group::Micro => micro::run(plan.peers, &mut measured),
            _ => pin(LOAD_CORE),
        }
        match group {
            Group::Echo => echo::run(&plan, &contestants, &mut measured),
            Group::Counts => counts::run(&plan, &contestants, &mut measured),
            Group::Memory => memory::run(&plan, &contestants, &mut measured),
            Group::Handshake => handshake::run(&plan, &contestants, &mut measured),
            Group::Broadcast => broadcast::run(&plan, &contestants, &mut measured),
            Group::Instructions => instructions::run(&mut measured),
            Group::Micro => {}
        }
        results.merge(measured);
        results.save(&plan.out)?;
    }
    report::write(&results, &plan.out)?;
    eprintln!("results are in {}", plan.out.display());
    Ok(())
}

/// What is measured before results are kept: a row of echoes, or a whole group.
fn steps(plan: &Plan, group: Group) -> Vec<(Group, Plan)> {
    match group {
        Group::Echo | Group::Counts => {
            let rows = plan.workloads.iter();
            rows.map(|row| (group, Plan { workloads: vec![*row], ..plan.clone() })).collect()
        }
        _ => vec![(group, plan.clone())],
    }
}

/// Those that the plan wants. The floors are always among them: everything is measured beside them.
fn contestants(plan: &Plan, missing: &mut Results) -> Result<Vec<Contestant>, Box<dyn Error>> {
    let mut contestants = roster::own()?;
    let needs_peers = plan.groups.iter().any(|group| !matches!(group, Group::Instructions | Group::Micro));
    if plan.peers && needs_peers {
        let (peers, absent) = roster::peers();
        contestants.extend(peers);
        missing.miss_all(&absent);
    }
    for server in &plan.servers {
        contestants.push(roster::external(server)?);
    }
    contestants.retain(|server| {
        let is_wanted = plan.wants(&server.name) && (!plan.quick || roster::is_quick(&server.name));
        is_wanted || server.kind == Kind::Floor
    });
    Ok(contestants)
}
