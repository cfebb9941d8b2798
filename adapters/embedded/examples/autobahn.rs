//! The client under test of an Autobahn fuzzing server, asynchronous, in memory of its own task:
//! `cargo run --release -p tightwire-embedded --example autobahn -- ws://HOST:PORT [AGENT]`.
//!
//! It asks for the number of cases, runs every case, and has the reports written.

use embedded_io_adapters::futures_03::FromFutures;
use smol::io::AsyncReadExt;
use smol::net::TcpStream;
use std::error::Error;
use std::io;
use std::time::{Duration, Instant};
use tightwire_embedded::asynch::{Timer, WebSocket, connect};
use tightwire_embedded::client::Offer;
use tightwire_embedded::handshake::uri::Uri;
use tightwire_embedded::{
    Client, Clock, Config, Inline, KeySource, Limits, Opening, Received, Slot, deadline::Tick,
};

const USAGE: &str = "usage: autobahn ws://HOST:PORT [AGENT]";
/// Nothing is collected here, so a message may be as long as it likes.
static CONFIG: Config = Config::new().with_limits(Limits::UNLIMITED);

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().ok_or(USAGE)?;
    let agent = arguments.next().unwrap_or_else(|| "tightwire-embedded".into());

    let cases = case_count(&format!("{server}/getCaseCount")).await?;
    for case in 1..=cases {
        // What a case does to the connection is judged by the fuzzing server.
        if let Err(error) = echo(&format!("{server}/runCase?case={case}&agent={agent}")).await {
            println!("case {case} of {cases}: {error}");
        }
    }
    echo(&format!("{server}/updateReports?agent={agent}")).await?;
    println!("ran {cases} cases");
    Ok(())
}

async fn case_count(uri: &str) -> Result<u32, Box<dyn Error>> {
    let mut transport = dial(uri).await?;
    let mut socket = open(&mut transport, uri).await?;
    let Some(Received::Message(message)) = socket.recv().await? else {
        return Err("the server sent no number of cases".into());
    };
    let count = message.as_str().ok_or("the number of cases is not text")?.parse()?;
    while socket.recv().await?.is_some() {}
    hang_up(transport).await;
    Ok(count)
}

async fn echo(uri: &str) -> Result<(), Box<dyn Error>> {
    let mut transport = dial(uri).await?;
    let mut socket = open(&mut transport, uri).await?;
    let ended = loop {
        match socket.recv_with_sender().await {
            Ok(Some((Received::Message(message), mut sender))) => sender.feed(message).await?,
            Ok(Some((Received::Chunk(chunk), mut sender))) => {
                sender.feed_fragment(chunk.kind, chunk.octets, chunk.last).await?;
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.into()),
        }
    };
    hang_up(transport).await;
    ended
}

type Transport = FromFutures<TcpStream>;
type Socket<'t, K> = WebSocket<&'t mut Transport, Client<K>, Inline<4096, 4096>, Watch>;

async fn dial(uri: &str) -> Result<Transport, Box<dyn Error>> {
    let stream = TcpStream::connect(Uri::parse(uri)?.authority()).await?;
    stream.set_nodelay(true)?;
    Ok(FromFutures::new(stream))
}

async fn open<'t>(
    transport: &'t mut Transport,
    uri: &str,
) -> Result<Socket<'t, impl KeySource + use<>>, Box<dyn Error>> {
    let uri = Uri::parse(uri)?;
    let mut slots = [Slot::EMPTY; 16];
    let opening = Opening::new(transport, Inline::inline(), &mut slots)
        .with_config(&CONFIG)
        .with_clock(Watch(Instant::now()));
    let (socket, _) = connect(opening, &Offer::new(uri.authority(), uri.target()), mask_key).await?;
    Ok(socket)
}

/// RFC 6455 10.3: from a strong source of entropy. Firmware asks its hardware.
fn mask_key() -> [u8; 4] {
    getrandom::u32().map_or_else(|error| panic!("no random octets: {error}"), u32::to_ne_bytes)
}

/// RFC 6455 7.1.1: the server ends the transport first, and a client waits for that, but not for long.
async fn hang_up(transport: Transport) {
    let mut stream = transport.into_inner();
    let end = async {
        let mut octets = [0; 1024];
        while matches!(stream.read(&mut octets).await, Ok(1..)) {}
        Ok::<_, io::Error>(())
    };
    let _ = smol::future::or(end, async {
        smol::Timer::after(Duration::from_secs(2)).await;
        Err(io::ErrorKind::TimedOut.into())
    })
    .await;
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
