//! yawc: tuned as its own benchmark is, with a read buffer of 128 KiB, 64 KiB of output before it flushes, and batches
//! of up to 32 messages. UTF-8 is validated. The handshake, which it leaves to hyper, is ours.

use futures_util::{FutureExt, SinkExt};
use tightwire_peers::{Failure, LARGEST, NO_TAKEOVER, Options, handshake, serve};
use tokio::net::TcpStream;
use yawc::{CompressionLevel, OpCode, Role, WebSocket};

const BATCH: usize = 32;

fn main() -> Result<(), Failure> {
    let options = Options::read(&["--deflate", "--small"])?;
    serve(options, move |stream| echo(stream, options))
}

async fn echo(mut stream: TcpStream, options: Options) -> Result<(), Failure> {
    let agreed = handshake(&mut stream, options.deflate).await?;
    let mut config = yawc::Options::default().with_utf8().with_limits(LARGEST, 2 * LARGEST);
    if !options.small {
        config = config.with_read_buffer_capacity(128 << 10).with_backpressure_boundary(64 << 10);
    }
    if agreed {
        config = config.with_compression_level(CompressionLevel::fast());
        config = config.server_no_context_takeover().client_no_context_takeover();
    }
    let extensions = agreed.then_some(NO_TAKEOVER);
    let mut socket = WebSocket::from_stream_with_extensions(stream, Role::Server, extensions, config)?;
    let mut fed = 0;
    loop {
        let ready = if fed < BATCH { socket.next_frame().now_or_never() } else { None };
        let frame = match ready {
            Some(frame) => frame?,
            None => {
                socket.flush().await?;
                fed = 0;
                socket.next_frame().await?
            }
        };
        match frame.opcode() {
            OpCode::Text | OpCode::Binary => {
                socket.feed(frame).await?;
                fed += 1;
            }
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}
