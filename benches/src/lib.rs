//! Measurements of tightwire beside its peers: see README.md in this folder.
//!
//! The program `tightwire-benches` starts servers, loads them, and writes tables and plots. The micro benchmarks are
//! targets of `cargo bench -p tightwire-benches`.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

pub mod arguments;
pub mod environment;
pub mod groups;
pub mod load;
pub mod process;
pub mod report;
pub mod results;
pub mod roster;
pub mod runner;
pub mod servers;
pub mod statistics;
pub mod strace;
pub mod work;
pub mod workload;
