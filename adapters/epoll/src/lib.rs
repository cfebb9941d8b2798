//! WebSocket on raw epoll, for servers that hold very many connections (Linux only).
//!
//! One epoll instance per thread, one shared read buffer and one shared output buffer for all connections of
//! the thread. An idle connection is a slab entry and nothing else. An application is a [`Handler`]; a
//! [`Builder`] starts it on as many threads as asked for.
//!
//! With feature `tracing`, off by default, the life of each connection is told in a few events at debug level:
//! accepted, opened, timed out, closed with which code and why.
//!
//! With feature `deflate`, off by default, connections compress where the configuration says so and the peer agrees
//! (permessage-deflate, RFC 7692): see `compression`. Feature `zlib-rs` adds another codec for it.
//!
//! These parts can be used without the server: a [`poller`] for any descriptors, a [`slab`] whose tokens
//! never reach a later entry, a timer [`wheel`], a buffer [`pool`], a bounded [`workers`] pool that keeps
//! order per key, and [`limits`], which says what a machine needs for a wanted number of connections.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

#[cfg(feature = "deflate")]
pub mod compression;
pub mod limits;
pub mod poller;
pub mod pool;
pub mod slab;
pub mod wheel;
pub mod workers;

mod accept;
mod clock;
#[cfg(not(feature = "deflate"))]
#[path = "compression/absent.rs"]
mod compression;
mod config;
mod conn;
mod counters;
mod dial;
mod engine;
mod entry;
mod event_loop;
mod handler;
mod mailbox;
mod opening;
mod peer;
mod queue;
mod reactor;
mod receiving;
mod sending;
mod server;
mod socket;
mod topics;
mod trace;

pub use accept::Admission;
pub use config::{Config, TICKS_PER_SECOND};
pub use conn::Conn;
pub use counters::Stats;
pub use dial::{ConnectError, DialError};
pub use event_loop::Report;
pub use handler::{Cause, Closed, Handler, Part};
pub use mailbox::{Owned, PostError, Sender};
pub use opening::{Answer, Opening};
pub use reactor::Reactor;
pub use sending::{Refused, Sent, WhenFull};
pub use server::{Builder, Meter, Server};
pub use slab::Token;
pub use tightwire;

/// The code in the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
