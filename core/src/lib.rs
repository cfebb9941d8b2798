//! WebSocket (RFC 6455) as a pure state machine that moves octets between memory that its caller owns.
#![no_std]
#![forbid(unsafe_code)]

pub mod close;
pub mod error;
pub mod handshake;
pub mod limits;
pub mod role;
pub mod utf8;
