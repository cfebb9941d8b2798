//! The example `million` with ten thousand connections: all open, held and echoed, within the memory budget.
#![cfg(target_os = "linux")]

use std::process::Command;
use tightwire_epoll::Conn;

#[test]
fn ten_thousand_connections_fit_their_budget() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", "tightwire-epoll", "--example", "million", "--", "10_000"]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("10000 opened, 0 failed, 10000 held, 0 lost"), "{text}");
    assert!(text.contains("echoes sampled       200 of 200"), "{text}");
    let each = text.lines().find_map(|line| line.strip_prefix("user octets each")).unwrap();
    let each: f64 = each.trim().parse().unwrap();
    // The budget is 96 octets, the goal 64; the slab entry is the most of it.
    assert!(each > Conn::<()>::IDLE_OCTETS as f64 * 0.9 && each <= 64.0, "{text}");
    assert_eq!(Conn::<()>::IDLE_OCTETS, 44);
    assert_eq!(Conn::<u64>::IDLE_OCTETS, 56);
}
