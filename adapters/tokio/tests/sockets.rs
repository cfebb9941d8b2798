//! The scenarios over real sockets, on tokio.

use tightwire_tokio as adapter;

#[path = "../../async/tests/sockets/mod.rs"]
mod sockets;

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

// Nothing is sent in the clear that was to be sent through TLS.
#[cfg(not(feature = "rustls"))]
#[test]
fn without_tls_a_secure_uri_is_refused() {
    let error = block_on(tightwire_tokio::connect("wss://127.0.0.1/")).unwrap_err();
    assert!(matches!(error, tightwire_tokio::ConnectError::NoTls), "{error:?}");
}
