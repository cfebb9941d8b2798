//! WebSocket beside ordinary routes of axum: `cargo run -p tightwire-tokio --features hyper --example axum --
//! [ADDRESS]`.
//!
//! The echo is at `/echo`. A plain function answers it: the library needs nothing of axum for that.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt;
use std::error::Error;
use std::sync::Arc;
use tightwire_tokio::{Answer, Config, Opening, OriginPolicy, upgrade};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{0}/ and ws://{0}/echo", listener.local_addr()?);
    // Output is batched already: another delay would only cost time.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, routes()).await?;
    Ok(())
}

/// All that the server answers to.
pub(crate) fn routes() -> Router {
    // One configuration for all connections, so that they share one pool of buffers.
    Router::new()
        .route("/", get(async || "the echo is at /echo\n"))
        .route("/echo", get(open))
        .with_state(Arc::new(Config::default()))
}

async fn open(State(config): State<Arc<Config>>, mut request: Request) -> Response {
    let (response, opening) = upgrade(&mut request, config, &OriginPolicy::SameHost, |request| {
        Answer::accept().with_protocol(request.protocols().next())
    });
    tokio::spawn(async {
        if let Err(error) = echo(opening).await {
            eprintln!("{error}");
        }
    });
    response
}

async fn echo(opening: Opening) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut socket = opening.await?;
    while let Some((message, mut sender)) = socket.recv_with_sender().await? {
        sender.feed(message).await?;
    }
    Ok(())
}
