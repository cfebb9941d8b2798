//! The scenarios over real sockets, on smol.

use smol::block_on;
use tightwire_smol as adapter;

#[path = "../../async/tests/sockets/mod.rs"]
mod sockets;
