//! The client under test of an Autobahn fuzzing server:
//! `cargo run --release -p tightwire-smol --example autobahn -- ws://HOST:PORT [AGENT]
//! [--deflate]`.

use tightwire_smol as adapter;

#[path = "../../async/examples/shared/autobahn.rs"]
mod autobahn;
#[path = "../../async/examples/shared/compression.rs"]
mod compression;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    smol::block_on(autobahn::run("tightwire-smol"))
}
