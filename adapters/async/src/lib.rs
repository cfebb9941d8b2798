//! The runtime-neutral, poll-based driver.
#![no_std]
