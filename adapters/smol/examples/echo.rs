//! An echo server: `cargo run --release -p tightwire-smol --example echo -- [ADDRESS] [--threads N]
//! [--deflate]`.
//!
//! Each thread has its own executor and its own listener on the address; connections never move between
//! threads.

use smol::LocalExecutor;
use std::error::Error;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use tightwire_smol as adapter;
use tightwire_smol::{Answer, Config, Limits, Listener, OpenError, OriginPolicy, WebSocket, accept_with};

#[path = "../../async/examples/shared/compression.rs"]
mod compression;

use compression::Compression;

const USAGE: &str = "usage: echo [ADDRESS] [--threads N]   (default: 127.0.0.1:9001, a thread for each core)";
/// Large enough for every case of the conformance suite, which sends messages octet by octet too.
const LIMITS: Limits = Limits::DEFAULT.with_message(64 << 20).with_fragments(1 << 20);

fn main() -> Result<(), Box<dyn Error>> {
    let (address, threads, compression) = arguments()?;
    // Bound before the other threads start, so that port 0 becomes one port for all.
    let listener = Listener::bind_shared(address)?;
    let address = listener.local_addr()?;
    println!("echo server on ws://{address} ({threads} threads)");
    println!("try it: cargo run --release -p tightwire-smol --example client -- ws://{address}");
    for _ in 1..threads {
        thread::spawn(move || serve(Listener::bind_shared(address)?, compression));
    }
    serve(listener, compression)?;
    Ok(())
}

fn serve(listener: Listener, compression: Compression) -> io::Result<()> {
    // One configuration for all connections of the thread, so that they share one pool of buffers.
    let config = Arc::new(compression.config(Config::default().with_limits(LIMITS)));
    let executor = Rc::new(LocalExecutor::new());
    // A task of its own: a future that is run directly is polled whenever anything happens.
    let accepting = executor.spawn(accept(listener, config, executor.clone()));
    smol::block_on(executor.run(accepting))
}

async fn accept(
    listener: Listener,
    config: Arc<Config>,
    executor: Rc<LocalExecutor<'static>>,
) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        // Any origin: an echo server has no secrets that another page could ask for.
        let opening = accept_with(stream, config.clone(), &OriginPolicy::Any, |request| {
            // Browsers drop a connection that asked for subprotocols and got none.
            Answer::accept().with_protocol(request.protocols().next())
        });
        executor.spawn(echo(opening)).detach();
    }
}

/// Takes the handshake as a future, so that a connection that idles holds nothing of it.
async fn echo(opening: impl Future<Output = Result<WebSocket, OpenError>>) {
    let ended: Result<(), Box<dyn Error + Send + Sync>> = async {
        let mut socket = opening.await?;
        // Sent back from where it was received; all messages of one read leave in one write.
        while let Some((message, mut sender)) = socket.recv_with_sender().await? {
            sender.feed(message).await?;
        }
        Ok(())
    }
    .await;
    if let Err(error) = ended {
        eprintln!("{error}");
    }
}

fn arguments() -> Result<(SocketAddr, usize, Compression), Box<dyn Error>> {
    let usage = || format!("{USAGE}\n       {}", compression::OPTIONS);
    let mut address = "127.0.0.1:9001".to_owned();
    let mut threads = thread::available_parallelism()?.get();
    let mut compression = Compression::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--threads" => threads = arguments.next().ok_or_else(usage)?.parse::<usize>()?.max(1),
            option if option.starts_with('-') => {
                if !compression.option(option, &mut arguments).ok_or_else(usage)? {
                    return Err(usage().into());
                }
            }
            _ => address = argument,
        }
    }
    let address = address.to_socket_addrs()?.next().ok_or_else(usage)?;
    Ok((address, threads, compression))
}
