//! What tokio connections allocate, counted: nothing for a message once they are warm, and a fixed number of times
//! for a connection. In a test binary of its own, because the count is of the whole process.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::Arc;
use tightwire_tokio::{Config, Connector, Io, Listener, OriginPolicy, Server, WebSocket, accept_with};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

// What a million connections multiply. A change is a decision, not an accident.
const _: () = assert!(size_of::<WebSocket>() == 128);
const _: () = assert!(size_of::<tightwire_tokio::ClientSocket>() == 128);
const _: () = assert!(size_of::<tightwire_async::Sender<'_, Io<tokio::net::TcpStream>, Server>>() == 8);

const WARM: usize = 50;
const ROUNDS: usize = 5;
const MESSAGES: usize = 40;

/// The allocations and reallocations of a part of the program.
fn count(region: &Region<'_, System>) -> usize {
    let stats = region.change();
    stats.allocations + stats.reallocations
}

#[test]
fn no_message_allocates() {
    let plain = Config::default;
    messages(plain(), PER_CONNECTION);
    #[cfg(feature = "deflate")]
    {
        use tightwire_tokio::compression::{Effort, Policy};
        let effort = Effort::DEFAULT.with_threshold(0);
        messages(plain().with_compression(Policy::DEFAULT).with_effort(effort), PER_COMPRESSED_CONNECTION);
        let policy = Policy::DEFAULT.with_takeover(true, true);
        messages(plain().with_compression(policy).with_effort(effort), PER_CONNECTION_WITH_TAKEOVER);
    }
}

fn messages(config: Config, per_connection: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let uri = format!("ws://{}/", listener.local_addr().unwrap());
        // One pool for both ends, as the connections of one program share one.
        let config = Arc::new(config);
        let servers = config.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let opening = accept_with(stream, servers.clone(), &OriginPolicy::Any, |_| {
                    tightwire_tokio::Answer::accept()
                });
                tokio::spawn(async move {
                    let mut socket = opening.await.unwrap();
                    while let Ok(Some((message, mut sender))) = socket.recv_with_sender().await {
                        sender.feed(message).await.unwrap();
                    }
                });
            }
        });
        let connector = Connector::new().with_config(config);
        for size in [0, 16, 125, 1024, 4096, 16 << 10, 64 << 10, 512 << 10] {
            let (mut client, _) = connector.connect(&uri).await.unwrap();
            let payload = vec![b'm'; size];
            for _ in 0..WARM {
                client.send(&payload[..]).await.unwrap();
                assert_eq!(client.recv().await.unwrap().unwrap().octets(), payload);
            }
            // A message that arrives in pieces may wait in memory of its own: the kernel's doing, so the best of
            // some rounds counts.
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                let region = Region::new(ALLOCATOR);
                for _ in 0..MESSAGES {
                    client.send(&payload[..]).await.unwrap();
                    assert_eq!(client.recv().await.unwrap().unwrap().octets().len(), size);
                }
                rounds.push(count(&region));
            }
            assert_eq!(rounds.iter().min(), Some(&0), "{MESSAGES} messages of {size} octets: {rounds:?}");
        }

        // The first alarm of a thread takes memory for those that follow, and the last one gives it back.
        let (mut other, _) = connector.connect(&uri).await.unwrap();
        other.send("hello").await.unwrap();
        other.recv().await.unwrap();

        // Both ends of a connection, from dialling to the first echo.
        let mut counts = Vec::new();
        for _ in 0..10 {
            let region = Region::new(ALLOCATOR);
            let (mut client, _) = connector.connect(&uri).await.unwrap();
            client.send("hello").await.unwrap();
            client.recv().await.unwrap();
            counts.push(count(&region));
            client.close(tightwire_tokio::CloseCode::NORMAL, "").await.unwrap();
        }
        // The first one warms the rest; one whose octets came in pieces may hold them in memory of their own.
        assert_eq!(counts.iter().min(), Some(&per_connection), "{counts:?}");
    });
}

/// Allocations of one connection, both ends together, tokio's own included.
const PER_CONNECTION: usize = 16;

/// The same with compression: the client's offer and the header that it becomes are strings.
#[cfg(feature = "deflate")]
const PER_COMPRESSED_CONNECTION: usize = 19;

/// The same with takeover: windows, deflaters and the boxes for them.
#[cfg(feature = "deflate")]
const PER_CONNECTION_WITH_TAKEOVER: usize = 27;
