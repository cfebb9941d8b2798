//! tightwire on io_uring, through compio: an echo server whose idle connections hold no buffer.
//!
//! ```sh
//! cargo run --release -p tightwire-docs --example io_uring -- [ADDRESS]
//! ```
//!
//! The kernel picks a buffer from a ring that all connections share when octets have arrived; they are decoded
//! where it put them. Linux only, and the kernel must allow io_uring.

#[cfg(target_os = "linux")]
#[path = "../../core/examples/embed/session.rs"]
mod session;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use compio::driver::ProactorBuilder;
    use compio::net::TcpListener;
    use compio::runtime::{RuntimeBuilder, spawn};
    use std::num::NonZero;

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let mut proactor = ProactorBuilder::new();
    proactor.buffer_pool_size(NonZero::new(64).unwrap_or(NonZero::<u16>::MIN));
    let runtime = RuntimeBuilder::new().with_proactor(proactor).build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        println!("echo server on ws://{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            spawn(async {
                // A fault of one connection is nothing to the others.
                if let Err(error) = linux::serve(stream).await {
                    eprintln!("{error}");
                }
            })
            .detach();
        }
    })
}

#[cfg(target_os = "linux")]
mod linux {
    use super::session::{Fault, Session, TICKS_PER_SECOND, TIMEOUTS, output_for};
    use compio::BufResult;
    use compio::io::{AsyncReadManaged, AsyncWrite, AsyncWriteExt};
    use compio::net::TcpStream;
    use compio::time::timeout;
    use std::time::{Duration, Instant};

    /// Read, let the session decide, write.
    pub(crate) async fn serve(mut stream: TcpStream) -> Result<(), Fault> {
        let start = Instant::now();
        let now = || start.elapsed().as_millis() as u32 / (1000 / TICKS_PER_SECOND);
        let (mut session, mut shut) = (Session::new(now()), false);
        // Octets of a head or a control frame that has not arrived whole: fewer than 131 after the handshake.
        let mut held: Vec<u8> = Vec::new();
        loop {
            let ticks = session
                .deadlines
                .next_deadline(now(), &TIMEOUTS)
                .map_or(u32::MAX, |tick| tick.wrapping_sub(now()));
            let patience = Duration::from_millis(u64::from(ticks) * 1000 / u64::from(TICKS_PER_SECOND));
            let mut output = Vec::new();
            match timeout(patience, stream.read_managed(0)).await {
                Ok(Err(error)) => return Err(error.into()),
                Ok(Ok(None)) => return Ok(()),
                Ok(Ok(Some(mut buffer))) => {
                    let input = if held.is_empty() {
                        &mut buffer[..]
                    } else {
                        held.extend_from_slice(&buffer);
                        &mut held[..]
                    };
                    output.resize(output_for(input.len()), 0);
                    let turn = session.receive(now(), input, &mut output)?;
                    held = input[turn.taken..].to_vec();
                    output.truncate(turn.written);
                }
                Err(_) => {
                    output.resize(output_for(0), 0);
                    let octets = session.on_time(now(), &mut output).ok_or("the peer was too slow")?;
                    output.truncate(octets);
                }
            }
            if !output.is_empty() {
                let BufResult(sent, _) = timeout(Duration::from_secs(30), stream.write_all(output)).await?;
                sent?;
            }
            if session.is_over() && !shut {
                stream.shutdown().await?;
                shut = true;
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("io_uring is a part of Linux");
}
