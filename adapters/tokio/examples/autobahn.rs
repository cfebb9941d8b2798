//! The client under test of an Autobahn fuzzing server:
//! `cargo run --release -p tightwire-tokio --example autobahn -- ws://HOST:PORT [AGENT]
//! [--deflate]`.

use tightwire_tokio as adapter;

#[path = "../../async/examples/shared/autobahn.rs"]
mod autobahn;
#[path = "../../async/examples/shared/compression.rs"]
mod compression;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    autobahn::run("tightwire-tokio").await
}
