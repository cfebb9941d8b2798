//! Says what this machine needs for a wanted number of connections: `doctor [CONNECTIONS]`.
//!
//! It raises the soft limit of descriptors of its own process first, as a server does at its start.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;
    use tightwire_epoll::limits;

    let target = match std::env::args().nth(1).map(|argument| argument.replace('_', "").parse()) {
        None => 1_000_000,
        Some(Ok(target)) => target,
        Some(Err(_)) => {
            eprintln!("usage: doctor [CONNECTIONS]");
            return ExitCode::from(2);
        }
    };
    match limits::raise_descriptors() {
        Ok(limit) => println!("soft limit of descriptors raised to the hard limit: {limit}"),
        Err(error) => println!("the soft limit of descriptors could not be raised: {error}"),
    }
    let report = limits::check(target);
    print!("{report}");
    if report.is_enough() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
