//! What a connection takes of its task. What it sends by lies outside.
#![cfg(target_pointer_width = "64")]

use tightwire_tokio::WebSocket;

#[test]
fn a_connection_takes_128_octets() {
    assert_eq!(size_of::<WebSocket>(), 128);
}
