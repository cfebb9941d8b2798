//! tokio-websockets: receiving flushes, so messages that are there are collected first, then written with one flush.

use futures_util::{FutureExt, SinkExt, StreamExt};
use tightwire_peers::{Failure, Options, serve};
use tokio::net::TcpStream;
use tokio_websockets::{Config, ServerBuilder};

const BATCH: usize = 32;

fn main() -> Result<(), Failure> {
    serve(Options::read(&["--small"])?, echo)
}

async fn echo(stream: TcpStream) -> Result<(), Failure> {
    let config = Config::default().flush_threshold(64 << 10);
    let (_, mut socket) = ServerBuilder::new().config(config).accept(stream).await?;
    let mut messages = Vec::new();
    while let Some(first) = socket.next().await {
        messages.push(first?);
        while messages.len() < BATCH
            && let Some(Some(message)) = socket.next().now_or_never()
        {
            messages.push(message?);
        }
        for message in messages.drain(..) {
            if message.is_text() || message.is_binary() {
                socket.feed(message).await?;
            }
        }
        socket.flush().await?;
    }
    Ok(())
}
