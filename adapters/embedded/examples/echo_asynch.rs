//! An asynchronous echo server on one thread, each connection in memory of its own task, as embassy's tasks would:
//! `cargo run --release -p tightwire-embedded --example echo_asynch -- [ADDRESS]`.
//!
//! Messages larger than 4 KiB are sent back in pieces as they arrive.

use embedded_io_adapters::futures_03::FromFutures;
use smol::LocalExecutor;
use smol::io::AsyncReadExt;
use smol::net::{TcpListener, TcpStream};
use std::error::Error;
use std::net::Shutdown;
use std::time::{Duration, Instant};
use tightwire_embedded::asynch::{Timer, accept_with};
use tightwire_embedded::deadline::Tick;
use tightwire_embedded::{Acceptance, Clock, Config, Inline, Limits, Opening, OriginPolicy, Received, Slot};

/// Nothing is collected here, so a message may be as long as it likes.
static CONFIG: Config = Config::new().with_limits(Limits::UNLIMITED);

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        let listener = TcpListener::bind(address).await?;
        println!("echo server on ws://{} (one thread)", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            executor
                .spawn(async {
                    if let Err(error) = serve(stream).await {
                        eprintln!("{error}");
                    }
                })
                .detach();
        }
    }))
}

async fn serve(stream: TcpStream) -> Result<(), Box<dyn Error>> {
    stream.set_nodelay(true)?;
    let mut transport = FromFutures::new(stream);
    let verdict = echo(&mut transport).await;
    // RFC 6455 7.1.1: the server closes first. What still arrives is read, or it would take our last words back.
    let mut stream = transport.into_inner();
    stream.shutdown(Shutdown::Write)?;
    let end = async {
        let mut octets = [0; 1024];
        while matches!(stream.read(&mut octets).await, Ok(1..)) {}
    };
    smol::future::or(end, async {
        smol::Timer::after(Duration::from_secs(2)).await;
    })
    .await;
    verdict
}

async fn echo(transport: &mut FromFutures<TcpStream>) -> Result<(), Box<dyn Error>> {
    let mut slots = [Slot::EMPTY; 32];
    let opening = Opening::new(transport, Inline::<4096, 4110>::inline(), &mut slots)
        .with_config(&CONFIG)
        .with_clock(Watch(Instant::now()));
    // Any origin: an echo server has no secrets that another page could ask for.
    let mut socket = accept_with(opening, &OriginPolicy::Any, |request, responder| {
        // Browsers drop a connection that asked for subprotocols and got none.
        responder.accept(&Acceptance { protocol: request.protocols().next(), ..Acceptance::default() })
    })
    .await?;
    // Sent back from where it was received; all messages of one read leave in one write.
    while let Some((received, mut sender)) = socket.recv_with_sender().await? {
        match received {
            Received::Message(message) => sender.feed(message).await?,
            Received::Chunk(chunk) => sender.feed_fragment(chunk.kind, chunk.octets, chunk.last).await?,
        }
    }
    Ok(())
}

/// The milliseconds since the connection began.
struct Watch(Instant);

impl Clock for Watch {
    fn now(&mut self) -> Tick {
        self.0.elapsed().as_millis() as Tick
    }
}

impl Timer for Watch {
    async fn wait_until(&mut self, tick: Tick) {
        smol::Timer::at(self.0 + Duration::from_millis(tick.into())).await;
    }
}
