//! WebSocket (RFC 6455) as a pure state machine that moves octets between memory that its caller owns.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod close;
pub mod connection;
pub mod deadline;
pub mod deflate;
pub mod error;
pub mod event;
mod extension;
pub mod frame;
pub mod handshake;
pub mod inbound;
pub mod inbox;
pub mod limits;
pub mod mask;
pub mod message;
mod octet;
pub mod outbound;
pub mod output;
pub mod prepared;
pub mod role;
pub mod utf8;

pub use close::{CloseCode, CloseFrame};
pub use connection::{Connection, Resting};
pub use deadline::{Deadlines, Timeouts};
pub use error::{SendError, Violation};
pub use event::{Chunk, Event, Step};
pub use inbound::Inbound;
pub use inbox::{Inbox, Progress};
pub use limits::Limits;
pub use message::{Kind, Message, Text};
pub use outbound::{Masker, Outbound};
pub use output::Output;
pub use prepared::Prepared;
pub use role::{Client, KeySource, Role, Server};

/// The code in the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
