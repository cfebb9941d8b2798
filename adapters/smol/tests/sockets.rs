//! The scenarios over real sockets, on smol.

use smol::block_on;
use tightwire_smol as adapter;

#[path = "../../async/tests/sockets/mod.rs"]
mod sockets;

// Nothing is sent in the clear that was to be sent through TLS.
#[test]
fn without_tls_a_secure_uri_is_refused() {
    let error = block_on(tightwire_smol::connect("wss://127.0.0.1/")).unwrap_err();
    assert!(matches!(error, tightwire_smol::ConnectError::NoTls), "{error:?}");
}
