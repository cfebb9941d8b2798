//! soketto: buffered both ways, as in its own example, and flushed once for all messages that are there.

use futures_util::io::{BufReader, BufWriter};
use soketto::Data;
use soketto::handshake::Server;
use soketto::handshake::server::Response;
use tightwire_peers::{Failure, LARGEST, Options, next_or_flush, serve};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncReadCompatExt;

fn main() -> Result<(), Failure> {
    serve(Options::read(&["--small"])?, echo)
}

async fn echo(stream: TcpStream) -> Result<(), Failure> {
    let mut server = Server::new(BufReader::new(BufWriter::new(stream.compat())));
    let key = server.receive_request().await?.key();
    server.send_response(&Response::Accept { key, protocol: None }).await?;
    let mut builder = server.into_builder();
    builder.set_max_message_size(LARGEST);
    builder.set_max_frame_size(LARGEST);
    let (mut sender, mut receiver) = builder.finish();
    let mut message = Vec::new();
    loop {
        message.clear();
        match next_or_flush(receiver.receive_data(&mut message), sender.flush()).await?? {
            Data::Binary(_) => sender.send_binary_mut(&mut message).await?,
            Data::Text(_) => sender.send_text(std::str::from_utf8(&message)?).await?,
        }
    }
}
