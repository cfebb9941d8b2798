//! The example `doctor` prints its table and says by its exit code whether the machine is enough.
#![cfg(target_os = "linux")]

use std::process::{Command, Output};

fn doctor(arguments: &[&str]) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", "tightwire-epoll", "--example", "doctor", "--"]);
    command.args(arguments).output().unwrap()
}

#[test]
fn it_says_what_is_missing() {
    let few = doctor(&["10"]);
    assert!(few.status.success(), "{few:?}");
    let table = String::from_utf8(few.stdout).unwrap();
    assert!(table.contains("10 connections") && table.contains("RLIMIT_NOFILE"), "{table}");

    // More descriptors than any kernel gives.
    let many = doctor(&["9_000_000_000"]);
    assert_eq!(many.status.code(), Some(1));
    let table = String::from_utf8(many.stdout).unwrap();
    assert!(table.contains("TOO LOW") && table.contains("sysctl -w fs.nr_open=9000000064"), "{table}");

    assert_eq!(doctor(&["many"]).status.code(), Some(2));
}
