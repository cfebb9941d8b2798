//! WebSocket on raw epoll, for servers that hold very many connections (Linux only).
//!
//! What is here so far can be used by itself: a [`poller`] for any descriptors, a [`slab`] whose tokens
//! never reach a later entry, a timer [`wheel`], a buffer [`pool`], a bounded [`workers`] pool that keeps order
//! per key, and [`limits`], which says what a machine needs for a wanted number of connections.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

pub mod limits;
pub mod poller;
pub mod pool;
pub mod slab;
pub mod wheel;
pub mod workers;
