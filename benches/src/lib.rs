//! Measurements of tightwire. Each is a target of `cargo bench -p tightwire-benches`.
#![forbid(unsafe_code)]
