//! What a connection takes of its task.
#![cfg(target_pointer_width = "64")]

use tightwire_tokio::WebSocket;
use tokio::net::TcpStream;

#[test]
fn a_connection_is_a_stream_and_192_octets() {
    assert_eq!(size_of::<WebSocket>(), size_of::<TcpStream>() + 192);
}
