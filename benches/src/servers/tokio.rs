//! Echo on tightwire-tokio.

use super::Options;
use std::error::Error;
use std::sync::Arc;
use tightwire_tokio::tightwire::deflate::Policy;
use tightwire_tokio::{Answer, Config, Limits, Listener, OpenError, OriginPolicy, WebSocket, accept_with};

pub(super) fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    if options.broadcast {
        return Err("tightwire-tokio does not broadcast".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = Listener::bind(options.address)?;
        let mut config = Config::default().with_limits(Limits::DEFAULT.with_message(64 << 20));
        if options.deflate {
            config = config.with_compression(Policy::DEFAULT);
        }
        let config = Arc::new(config);
        loop {
            let (stream, _) = listener.accept().await?;
            let opening = accept_with(stream, config.clone(), &OriginPolicy::Any, |_| Answer::accept());
            tokio::spawn(echo(opening));
        }
    })
}

/// Takes the handshake as a future, so that a connection that idles holds nothing of it.
async fn echo(opening: impl Future<Output = Result<WebSocket, OpenError>>) {
    let Ok(mut socket) = opening.await else { return };
    while let Ok(Some((message, mut sender))) = socket.recv_with_sender().await {
        if sender.feed(message).await.is_err() {
            return;
        }
    }
}
