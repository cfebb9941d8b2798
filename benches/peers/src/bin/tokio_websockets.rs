//! tokio-websockets: one flush for all messages that are there, below its own threshold for flushing.

use futures_util::{FutureExt, SinkExt, StreamExt};
use tightwire_peers::{Failure, Options, serve};
use tokio::net::TcpStream;
use tokio_websockets::ServerBuilder;

fn main() -> Result<(), Failure> {
    serve(Options::read(&["--small"])?, echo)
}

async fn echo(stream: TcpStream) -> Result<(), Failure> {
    let (_, mut socket) = ServerBuilder::new().accept(stream).await?;
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
