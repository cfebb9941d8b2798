//! fastwebsockets: fragments collected, vectored writes, a task without a budget as in its own example. It has no way
//! to write several messages at once. The handshake, which it leaves to hyper, is ours.

use fastwebsockets::{FragmentCollector, OpCode, Role, WebSocket};
use tightwire_peers::{Failure, LARGEST, Options, handshake, serve};
use tokio::net::TcpStream;

fn main() -> Result<(), Failure> {
    serve(Options::read(&["--small"])?, |stream| tokio::task::unconstrained(echo(stream)))
}

async fn echo(mut stream: TcpStream) -> Result<(), Failure> {
    handshake(&mut stream, false).await?;
    let mut socket = WebSocket::after_handshake(stream, Role::Server);
    socket.set_writev(true);
    socket.set_max_message_size(LARGEST);
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}
