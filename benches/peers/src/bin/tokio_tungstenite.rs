//! tokio-tungstenite: a read buffer of 16 KiB, and one flush for all messages that are there. (The 128 KiB that it has by
//! default took three times as long with 200 connections.) For many connections that idle it advises 4 KiB.

use futures_util::{FutureExt, SinkExt, StreamExt};
use tightwire_peers::{Failure, Options, serve};
use tokio::net::TcpStream;
use tokio::sync::broadcast::{self, Sender};
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};

fn config(options: Options) -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(if options.small { 4 << 10 } else { 16 << 10 })
}

fn main() -> Result<(), Failure> {
    let options = Options::read(&["--broadcast", "--small"])?;
    let (all, _) = broadcast::channel(1024);
    serve(options, move |stream| {
        let all = all.clone();
        async move {
            if options.broadcast {
                subscriber(stream, options, all).await
            } else {
                echo(stream, options).await
            }
        }
    })
}

async fn echo(stream: TcpStream, options: Options) -> Result<(), Failure> {
    let mut socket = accept_async_with_config(stream, Some(config(options))).await?;
    loop {
        let message = match socket.next().now_or_never() {
            Some(message) => message,
            None => {
                socket.flush().await?;
                socket.next().await
            }
        };
        let Some(message) = message.transpose()? else { return Ok(()) };
        if message.is_text() || message.is_binary() {
            socket.feed(message).await?;
        }
    }
}

/// What one sends, everybody gets.
async fn subscriber(stream: TcpStream, options: Options, all: Sender<Message>) -> Result<(), Failure> {
    let mut socket = accept_async_with_config(stream, Some(config(options))).await?;
    let mut subscription = all.subscribe();
    loop {
        tokio::select! {
            message = socket.next() => {
                let Some(message) = message.transpose()? else { return Ok(()) };
                if message.is_text() || message.is_binary() {
                    all.send(message)?;
                }
            }
            message = subscription.recv() => {
                socket.feed(message?).await?;
                while let Ok(message) = subscription.try_recv() {
                    socket.feed(message).await?;
                }
                socket.flush().await?;
            }
        }
    }
}
