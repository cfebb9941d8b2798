//! A wait that signals interrupt goes on for the rest of its time.
//!
//! Stopping and continuing a process makes epoll_wait return EINTR, without a signal handler.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::{Duration, Instant};
use tightwire_epoll::poller::{Events, Poller};

#[test]
fn an_interrupted_wait_goes_on() {
    let poller = Poller::new().unwrap();
    let waker = poller.waker();
    let process = std::process::id().to_string();
    let signals = std::thread::spawn(move || {
        for _ in 0..5 {
            let script = format!("kill -STOP {process}; sleep 0.02; kill -CONT {process}; sleep 0.02");
            assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
        }
        waker.wake().unwrap();
    });
    let mut events = Events::with_capacity(1);
    // With a time: not one of the interruptions ends it early, nor makes it an error.
    let start = Instant::now();
    assert_eq!(poller.wait(&mut events, Some(Duration::from_millis(60))).unwrap(), 0);
    assert!(events.woken() || start.elapsed() >= Duration::from_millis(60));
    // Without a time: only the wake ends it.
    if !events.woken() {
        assert_eq!(poller.wait(&mut events, None).unwrap(), 0);
        assert!(events.woken());
    }
    signals.join().unwrap();
}
