//! sockudo-ws: its default configuration and the echo loop that it advises: what is fed goes out when nothing more is
//! there to be received.

use bytes::BytesMut;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use sockudo_ws::deflate::{DeflateConfig, negotiate_server_deflate};
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::stream::CompressedWebSocketStream;
use sockudo_ws::{Config, Error, Message, WebSocketStream};
use tightwire_peers::{Failure, Options, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn main() -> Result<(), Failure> {
    let options = Options::read(&["--deflate", "--small"])?;
    serve(options, move |stream| connection(stream, options.deflate))
}

/// Level 1, and a fresh context for each message.
fn policy() -> DeflateConfig {
    DeflateConfig {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        compression_level: 1,
        ..DeflateConfig::default()
    }
}

async fn connection(mut stream: TcpStream, deflate: bool) -> Result<(), Failure> {
    let mut head = BytesMut::with_capacity(1024);
    let agreed = loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(Error::ConnectionClosed.into());
        }
        if let Some((request, _)) = parse_request(&head)? {
            let offer = request.extensions.filter(|_| deflate);
            let agreed = offer.and_then(|offer| negotiate_server_deflate(offer, &policy()));
            let extensions = agreed.as_ref().map(|agreed| agreed.to_response_header());
            let response = build_response(&generate_accept_key(request.key), None, extensions.as_deref());
            stream.write_all(&response).await?;
            break agreed;
        }
    };
    drop(head);
    match agreed {
        Some(agreed) => {
            echo(CompressedWebSocketStream::server(stream, Config::default(), agreed.config)).await
        }
        None => echo(WebSocketStream::server(stream, Config::default())).await,
    }
}

async fn echo<S>(mut socket: S) -> Result<(), Failure>
where
    S: Stream<Item = sockudo_ws::Result<Message>> + Sink<Message, Error = Error> + Unpin,
{
    while let Some(message) = socket.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => socket.feed(message).await?,
            Message::Close(_) => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}
