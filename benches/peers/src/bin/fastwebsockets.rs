//! fastwebsockets: fragments collected, vectored writes, a task without a budget, as in its own examples. It is split, as
//! in another of them, behind a writer with a buffer that is flushed once for all messages that are there. The
//! handshake, which it leaves to hyper, is ours.

use fastwebsockets::{FragmentCollectorRead, OpCode, Role, WebSocketError, after_handshake_split};
use tightwire_peers::{Failure, LARGEST, Options, handshake, next_or_flush, serve, write_buffer};
use tokio::io::BufWriter;
use tokio::net::TcpStream;

fn main() -> Result<(), Failure> {
    let options = Options::read(&["--small"])?;
    serve(options, move |stream| tokio::task::unconstrained(echo(stream, options)))
}

async fn echo(mut stream: TcpStream, options: Options) -> Result<(), Failure> {
    handshake(&mut stream, false).await?;
    let (reader, writer) = stream.into_split();
    let writer = BufWriter::with_capacity(write_buffer(options), writer);
    let (mut reader, mut writer) = after_handshake_split(reader, writer, Role::Server);
    reader.set_max_message_size(LARGEST);
    writer.set_writev(true);
    let mut reader = FragmentCollectorRead::new(reader);
    loop {
        // The load sends nothing that is to be answered but messages.
        let mut answer = |_| async { Ok::<_, WebSocketError>(()) };
        let frame = next_or_flush(reader.read_frame(&mut answer), writer.flush()).await??;
        match frame.opcode {
            OpCode::Text | OpCode::Binary => writer.write_frame(frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}
