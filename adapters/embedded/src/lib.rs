//! WebSocket (RFC 6455) for firmware: tightwire over embedded-io and embedded-io-async, in memory that the caller lends,
//! without an allocator.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod asynch;
pub mod blocking;
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

pub use config::{Clock, Config, Untimed};
pub use error::{Error, OpenError};
pub use halves::{Incoming, Reply};
#[cfg(feature = "rand_core")]
pub use keys::RngKeys;
pub use opening::{Answered, Opening, Responder};
pub use received::{Chunk, Received};
pub use storage::{Buffers, Inline, Memory, RECEIVE_MIN, Slices, Storage, TRANSMIT_MIN, TooSmall};

pub use tightwire::deadline::{self, Timeouts};
pub use tightwire::handshake::server::{Acceptance, Request, Response};
pub use tightwire::handshake::{self, HeadLimits, OriginPolicy, Slot, client};
pub use tightwire::{
    Client, CloseCode, CloseFrame, Connection, KeySource, Kind, Limits, Message, Role, SendError, Server,
    Text, Violation,
};
