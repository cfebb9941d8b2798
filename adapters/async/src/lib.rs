//! The runtime-neutral WebSocket driver that `tightwire-tokio` and `tightwire-smol` share.
//!
//! It adds memory and time to the protocol machine of `tightwire`: pooled buffers, keepalive and deadlines,
//! whole and split connections. What a runtime supplies is in [`transport`]: octets in, octets out, a timer.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod alarms;
mod answer;
#[cfg(feature = "deflate")]
pub mod compression;
mod config;
#[cfg(feature = "std")]
mod connector;
mod error;
mod halves;
#[cfg(feature = "std")]
mod keys;
#[cfg(feature = "std")]
mod listener;
mod lock;
mod opening;
mod outgoing;
mod owned;
mod pool;
mod prepared;
mod receiving;
mod reply;
mod sender;
mod sending;
mod streaming;
pub mod transport;
mod wakers;
mod websocket;

pub use answer::Answer;
pub use config::{Config, ticks};
#[cfg(feature = "std")]
pub use connector::{ConnectError, Connector, Dial};
pub use error::Error;
pub use halves::{Control, Reader, Writer};
#[cfg(feature = "std")]
pub use keys::SystemKeys;
#[cfg(feature = "std")]
pub use listener::{accept_again_after, listen};
pub use opening::{Accepted, Agreed, Incoming, OpenError, Opened, Rejected, accept, accept_with, open};
pub use owned::{OwnedMessage, OwnedText};
pub use pool::Pool;
pub use prepared::PreparedMessage;
pub use receiving::Closed;
pub use reply::{Reply, Upgrading, reply};
pub use sender::Sender;
pub use streaming::{Chunks, HalfWriter, MessageReader, MessageWriter, WebSocketWriter};
pub use tightwire;
pub use websocket::WebSocket;
