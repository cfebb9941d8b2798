//! Scenarios over real sockets against hostile peers, written once and run by every runtime's adapter.
//!
//! The test file of an adapter names the adapter `adapter`, supplies `block_on`, and includes this module. The
//! peers are plain blocking sockets in threads of their own, so that nothing of ours vouches for itself.

mod client;
mod closing;
mod frames;
mod halves;
mod handshake;
mod peer;
mod stalls;
#[cfg(feature = "zlib-rs")]
mod zlib;

use crate::adapter::tightwire::deadline::Timeouts;
use crate::adapter::{Answer, Config, Listener, OpenError, OriginPolicy, WebSocket, accept_with, ticks};
use crate::block_on;
use peer::Peer;
use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// No scenario takes nearly as long; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a scenario, and fails if it hangs.
fn in_time<X: Send + 'static>(scenario: impl FnOnce() -> X + Send + 'static) -> X {
    let (done, finished) = mpsc::channel();
    let thread = thread::spawn(move || {
        let result = scenario();
        let _ = done.send(());
        result
    });
    if finished.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("the scenario hangs");
    }
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Short deadlines, none of which a scenario misses unless it wants to.
fn config() -> Config {
    let mut config = Config::default();
    config.timeouts = Timeouts::NONE;
    config.timeouts.handshake = Some(ticks(Duration::from_secs(20)));
    config.timeouts.close = Some(ticks(Duration::from_secs(20)));
    config
}

/// A duration in the ticks of a timeout.
fn millis(count: u64) -> Option<u32> {
    Some(ticks(Duration::from_millis(count)))
}

/// Runs `server` on what becomes of the connection that `peer` makes; gives what both have to say.
fn served_with<X: Send + 'static, Y: Send + 'static>(
    config: Config,
    origins: OriginPolicy<'static>,
    peer: impl FnOnce(Peer) -> Y + Send + 'static,
    server: impl AsyncFnOnce(Result<WebSocket, OpenError>) -> X + Send + 'static,
) -> (X, Y) {
    in_time(move || {
        block_on(async move {
            let listener = Listener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let peer = thread::spawn(move || peer(Peer::connect(address)));
            let (stream, _) = listener.accept().await.unwrap();
            let decide = |request: &crate::adapter::Request<'_, '_>| match request.path() {
                "/private" => {
                    Answer::refuse(401).with_header("WWW-Authenticate", "Basic").with_body("who are you?\n")
                }
                _ => Answer::accept(),
            };
            let opened = accept_with(stream, Arc::new(config), &origins, decide).await;
            let result = server(opened).await;
            (result, peer.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })
    })
}

/// As [`served_with`], with a handshake that succeeds on both sides.
fn served<X: Send + 'static, Y: Send + 'static>(
    config: Config,
    peer: impl FnOnce(Peer) -> Y + Send + 'static,
    server: impl AsyncFnOnce(WebSocket) -> X + Send + 'static,
) -> (X, Y) {
    let peer = |mut connection: Peer| {
        connection.open();
        peer(connection)
    };
    served_with(config, OriginPolicy::Any, peer, async |opened| server(opened.unwrap()).await)
}

/// Sends every message back until the connection ends, and says how it ended.
async fn echo(mut socket: WebSocket) -> Result<(), crate::adapter::Error> {
    while let Some((message, mut sender)) = socket.recv_with_sender().await? {
        sender.feed(message).await?;
    }
    Ok(())
}
