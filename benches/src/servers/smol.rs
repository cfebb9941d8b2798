//! Echo on tightwire-smol.

use super::Options;
use smol::LocalExecutor;
use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;
use tightwire_smol::tightwire::deflate::Policy;
use tightwire_smol::{Answer, Config, Limits, Listener, OpenError, OriginPolicy, WebSocket, accept_with};

pub(super) fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    if options.broadcast {
        return Err("tightwire-smol does not broadcast".into());
    }
    let executor = Rc::new(LocalExecutor::new());
    // A task of its own: what is run directly is looked at whenever anything happens.
    let accepting = executor.spawn(accept(options, executor.clone()));
    smol::block_on(executor.run(accepting))
}

async fn accept(options: Options, executor: Rc<LocalExecutor<'static>>) -> Result<(), Box<dyn Error>> {
    let listener = Listener::bind(options.address)?;
    let mut config = Config::default().with_limits(Limits::DEFAULT.with_message(64 << 20));
    if options.deflate {
        config = config.with_compression(Policy::DEFAULT);
    }
    let config = Arc::new(config);
    loop {
        let (stream, _) = listener.accept().await?;
        let opening = accept_with(stream, config.clone(), &OriginPolicy::Any, |_| Answer::accept());
        executor.spawn(echo(opening)).detach();
    }
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
