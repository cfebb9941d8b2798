//! Over embedded-io-async: the same names as in [`blocking`](crate::blocking), each call a future.
//!
//! **Cancel safety.** Whatever future is dropped, and wherever, what was received is not lost and what was queued leaves
//! whole: each method says what that comes to. It takes a transport whose `read`, `write` and `flush` have done nothing
//! if they are dropped before they are done, as embedded-io-async recommends; for one that moves octets by DMA into
//! the caller's memory, say, await each call to its end and give no [`Timer`].

mod halves;
mod opening;
mod sender;
mod timer;
mod websocket;

pub use halves::{Halves, Receiver, Transmitter};
pub use opening::{Accepted, Connected, accept, accept_with, adopt, connect, connect_with};
pub use sender::Sender;
pub use timer::Timer;
pub use websocket::WebSocket;
