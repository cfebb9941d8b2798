//! web-socket: behind a buffered reader, as its own benchmark has it, and a buffered writer, which is flushed once for
//! all messages that are there. It does not validate text. The handshake, which it leaves to the application, is ours.

use tightwire_peers::{Failure, LARGEST, Options, handshake, next_or_flush, serve, write_buffer};
use tokio::io::{BufReader, BufWriter};
use tokio::net::TcpStream;
use web_socket::{DataType, Event, MessageType, WebSocket};

fn main() -> Result<(), Failure> {
    let options = Options::read(&["--small"])?;
    serve(options, move |stream| echo(stream, options))
}

async fn echo(mut stream: TcpStream, options: Options) -> Result<(), Failure> {
    handshake(&mut stream, false).await?;
    let (reader, writer) = stream.into_split();
    let mut reader = WebSocket::server(BufReader::new(reader));
    let mut writer = WebSocket::server(BufWriter::with_capacity(write_buffer(options), writer));
    reader.max_payload_len = LARGEST;
    loop {
        match next_or_flush(reader.recv(), writer.flash()).await?? {
            Event::Data { ty: DataType::Complete(MessageType::Text), data } => {
                writer.send(std::str::from_utf8(&data)?).await?;
            }
            Event::Data { ty: DataType::Complete(MessageType::Binary), data } => writer.send(&*data).await?,
            Event::Ping(payload) => writer.send_pong(payload).await?,
            Event::Pong(_) => {}
            Event::Data { .. } | Event::Error(_) | Event::Close { .. } => return Ok(()),
        }
    }
}
