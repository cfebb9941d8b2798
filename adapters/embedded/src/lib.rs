//! WebSocket (RFC 6455) for firmware: tightwire over embedded-io and embedded-io-async, in memory that the caller lends,
//! without an allocator.
//!
//! 1. Lend storage: [`Slices`], [`Inline`] or other [`Buffers`], and [`Slot`]s for the headers of the handshake.
//! 2. Make an [`Opening`] of it and of a transport, and open it: [`blocking::accept`], [`blocking::connect`], or the
//!    same in [`asynch`].
//! 3. Receive until the end: [`blocking::WebSocket::recv`]. Send beside it.
//!
//! The modules [`blocking`] and [`asynch`] have the same names. They only read and write; everything else is decided
//! once, without I/O.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod asynch;
pub mod blocking;
mod compression;
mod config;
mod error;
#[cfg(feature = "defmt")]
mod formats;
mod halves;
#[cfg(feature = "rand_core")]
mod keys;
mod opening;
mod outbox;
mod received;
mod receiving;
mod sending;
mod storage;
mod time;

pub use compression::Inflation;
pub use config::{Clock, Config, Untimed};
pub use error::{Error, OpenError};
pub use halves::{Incoming, Reply};
#[cfg(feature = "rand_core")]
pub use keys::RngKeys;
pub use opening::{Answered, Opening, Responder};
pub use received::{Chunk, Received};
pub use storage::{Buffers, Inline, Memory, OVERHEAD, RECEIVE_MIN, Slices, Storage, TRANSMIT_MIN, TooSmall};

/// The example of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use tightwire::deadline::{self, Timeouts};
pub use tightwire::deflate;
pub use tightwire::handshake::server::{Acceptance, Request, Response};
pub use tightwire::handshake::{self, HeadLimits, OriginPolicy, Slot, client};
pub use tightwire::{
    Client, CloseCode, CloseFrame, Connection, KeySource, Kind, Limits, Message, Role, SendError, Server,
    Text, Violation,
};
