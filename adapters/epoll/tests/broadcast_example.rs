//! The example `broadcast`, as a process.
#![cfg(target_os = "linux")]

mod support;

use std::process::Command;
use support::{Peer, Process, example};

#[test]
fn a_broadcast_reaches_everybody_and_is_measured() {
    let program = example("broadcast");
    let output = Command::new(&program).args(["50", "200", "4", "--rounds", "20"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.starts_with("50 subscribers, 200 octets, 4 publications at a time, 20 in all\n"), "{text}");
    assert!(text.contains("messages refused, buffers used 0, 0\n"), "{text}");
    let time = text.lines().find_map(|line| line.strip_prefix("processor time per delivery")).unwrap();
    assert!(time.trim().strip_suffix(" us").unwrap().parse::<f64>().unwrap() > 0.0, "{text}");

    let (_server, address) = Process::serve(Command::new(&program).args(["serve", "127.0.0.1:0"]));
    let [mut one, mut two] = [(); 2].map(|()| Peer::open(address));
    one.send(0x82, b"to all");
    for peer in [&mut one, &mut two] {
        assert_eq!(peer.frame(), Some((0x82, b"to all".to_vec())));
    }
    assert!(!Command::new(&program).arg("--what").output().unwrap().status.success());
}
