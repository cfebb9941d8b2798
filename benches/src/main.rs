//! The runner: `cargo run --release -p tightwire-benches -- --quick`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use tightwire_benches::{arguments, process, runner, servers, work};
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((first, _)) if first == "--help" || first == "-h" => {
            println!("{}", arguments::USAGE);
            Ok(())
        }
        // What the runner starts of itself.
        Some((first, rest)) if first == "serve" => servers::serve(rest),
        Some((first, rest)) if first == "launch" => process::launch(rest),
        Some((first, rest)) if first == "work" => work::run(rest),
        _ => match arguments::parse(&arguments) {
            Ok(plan) => runner::run(&plan),
            Err(mistake) => Err(format!("{mistake}\n\n{}", arguments::USAGE).into()),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("the benchmarks need Linux: epoll, /proc and the binding of processes to cores");
    ExitCode::FAILURE
}
