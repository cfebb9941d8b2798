//! wtx: frames are echoed from its own buffers. It has no way to write several messages at once.

use tightwire_peers::{Failure, Options, serve};
use tokio::net::TcpStream;
use wtx::collection::Vector;
use wtx::web_socket::{OpCode, WebSocketAcceptor, WebSocketPayloadOrigin};

fn main() -> Result<(), Failure> {
    serve(Options::read(&["--small"])?, echo)
}

async fn echo(stream: TcpStream) -> Result<(), Failure> {
    let mut socket = WebSocketAcceptor::default().no_masking(false).accept::<_>(stream).await?;
    let (mut common, mut reader, mut writer) = socket.split_mut();
    let mut buffer = Vector::new();
    loop {
        buffer.clear();
        let mut frame = reader.read_frame(&mut buffer, &mut common, WebSocketPayloadOrigin::Adaptive).await?;
        match frame.op_code() {
            OpCode::Text | OpCode::Binary => writer.write_frame(&mut common, &mut frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}
