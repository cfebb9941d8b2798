//! The echo servers that this program can be: tightwire on epoll, tokio and smol, and the floors, which echo octets
//! and know nothing of frames. Each serves on one thread until it is killed.

mod epoll;
mod floors;
mod smol;
mod tokio;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

/// Counts what the servers allocate. An allocation costs some nanoseconds more for it.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The names of all servers, and what each can do.
pub const NAMES: [&str; 6] =
    ["tightwire-epoll", "tightwire-tokio", "tightwire-smol", "floor-epoll", "floor-tokio", "floor-smol"];

/// How a server is asked for: `NAME PORT [--deflate] [--broadcast] [--count]`.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// On the loopback address.
    pub address: SocketAddr,
    /// Agree to permessage-deflate.
    pub deflate: bool,
    /// What arrives on one connection goes to all.
    pub broadcast: bool,
}

/// Serves for ever.
///
/// # Errors
/// When the arguments are wrong or the port cannot be listened on.
pub fn serve(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let (name, rest) = arguments.split_first().ok_or("serve NAME PORT")?;
    let (port, rest) = rest.split_first().ok_or("serve NAME PORT")?;
    let has = |flag: &str| rest.iter().any(|argument| argument == flag);
    let options = Options {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse()?)),
        deflate: has("--deflate"),
        broadcast: has("--broadcast"),
    };
    if has("--count") {
        std::thread::spawn(count);
    }
    match name.as_str() {
        "tightwire-epoll" => epoll::serve(options),
        "tightwire-tokio" => tokio::serve(options),
        "tightwire-smol" => smol::serve(options),
        "floor-epoll" => floors::epoll(options),
        "floor-tokio" => floors::tokio(options),
        "floor-smol" => floors::smol(options),
        other => Err(format!("no server is called {other:?}").into()),
    }
}

/// Answers each line of standard input with the number of allocations so far.
fn count() {
    for _ in std::io::stdin().lines().map_while(Result::ok) {
        let stats = ALLOCATOR.stats();
        println!("{}", stats.allocations + stats.reallocations);
    }
}
