//! The scenarios over real sockets, on tokio.

use tightwire_tokio as adapter;

#[path = "../../async/tests/sockets/mod.rs"]
mod sockets;

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
