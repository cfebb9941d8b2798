//! Scenarios of the driver over transports in memory, under a virtual clock.

#[path = "../common/mod.rs"]
mod common;

mod cancel;
mod closing;
mod deadlines;
mod events;
mod exchange;
mod halves;
mod streaming;
mod streams;
