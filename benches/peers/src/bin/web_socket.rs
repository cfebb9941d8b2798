//! web-socket: behind a buffered reader, as its own benchmark has it. It has no way to write several messages at once,
//! and does not validate text. The handshake, which it leaves to the application, is ours.

use tightwire_peers::{Failure, LARGEST, Options, handshake, serve};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use web_socket::{DataType, Event, MessageType, WebSocket};

fn main() -> Result<(), Failure> {
    serve(Options::read(&["--small"])?, echo)
}

async fn echo(mut stream: TcpStream) -> Result<(), Failure> {
    handshake(&mut stream, false).await?;
    let mut socket = WebSocket::server(BufReader::new(stream));
    socket.max_payload_len = LARGEST;
    loop {
        match socket.recv().await? {
            Event::Data { ty: DataType::Complete(MessageType::Text), data } => {
                socket.send(std::str::from_utf8(&data)?).await?;
            }
            Event::Data { ty: DataType::Complete(MessageType::Binary), data } => socket.send(&*data).await?,
            Event::Ping(payload) => socket.send_pong(payload).await?,
            Event::Pong(_) => {}
            Event::Data { .. } | Event::Error(_) | Event::Close { .. } => return Ok(()),
        }
    }
}
