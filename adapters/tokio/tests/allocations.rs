//! Allocations on tokio, counted: none for a message, a known few for a connection; and the size of what is held.

use allocation_counter::measure;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use tightwire_tokio::{
    ClientSocket, Control, Listener, OriginPolicy, Reader, Server, WebSocket, Writer, accept,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A stream from a server's listener, and the peer's end of it, which has sent its request.
async fn streams() -> (TcpStream, TcpStream) {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let (peer, accepted) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let mut peer = peer.unwrap();
    peer.write_all(REQUEST).await.unwrap();
    // The request has arrived once it can be seen.
    let (stream, _) = accepted.unwrap();
    stream.readable().await.unwrap();
    (stream, peer)
}

async fn skip_response(peer: &mut TcpStream) {
    let mut response = [0; 129];
    peer.read_exact(&mut response).await.unwrap();
    assert!(response.starts_with(b"HTTP/1.1 101 ") && response.ends_with(b"\r\n\r\n"));
}

async fn echo(mut socket: WebSocket) {
    while let Some((message, mut sender)) = socket.recv_with_sender().await.unwrap() {
        sender.feed(message).await.unwrap();
    }
}

/// A masked binary message, and how long its echo is.
fn message(size: usize) -> (Vec<u8>, usize) {
    let mut frame = vec![0x82];
    match size {
        0..=125 => frame.push(0x80 | size as u8),
        126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend((size as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((size as u64).to_be_bytes());
        }
    }
    let head = frame.len();
    frame.extend([0; 4]);
    frame.resize(frame.len() + size, 7);
    (frame, head + size)
}

#[test]
fn a_warm_connection_allocates_nothing_for_a_message() {
    let runtime = runtime();
    let mut peer = runtime.block_on(async {
        let (stream, mut peer) = streams().await;
        let socket = accept(stream, &OriginPolicy::Any).await.unwrap();
        skip_response(&mut peer).await;
        tokio::spawn(echo(socket));
        peer
    });
    for size in [0, 16, 1 << 10, 16 << 10, 64 << 10] {
        let (frame, echoed) = message(size);
        let mut buffer = vec![0; echoed];
        let mut exchange = || {
            runtime.block_on(async {
                for _ in 0..20 {
                    let (mut reader, mut writer) = peer.split();
                    let (written, read) =
                        tokio::join!(writer.write_all(&frame), reader.read_exact(&mut buffer));
                    written.unwrap();
                    read.unwrap();
                }
            });
        };
        // The pool fills.
        exchange();
        let info = measure(exchange);
        assert_eq!(info.count_total, 0, "{size}");
    }
}

#[test]
fn an_accepted_connection_takes_few_allocations_and_keeps_fewer() {
    let runtime = runtime();
    // The shared configuration and its pool come with the first connection.
    for warm in [false, true] {
        let (stream, mut peer) = runtime.block_on(streams());
        let mut socket = None;
        let info = measure(|| {
            socket = runtime.block_on(async { accept(stream, &OriginPolicy::Any).await.ok() });
        });
        let mut socket = socket.unwrap();
        runtime.block_on(skip_response(&mut peer));
        let waiting = measure(|| {
            runtime.block_on(async {
                let mut receiving = pin!(socket.recv());
                poll_fn(|cx| {
                    assert!(receiving.as_mut().poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
            });
        });
        if warm {
            // The handshake's own memory and the response, both given back.
            assert_eq!((info.count_total, info.count_current), (2, 0), "{info:?}");
            // The alarm.
            assert_eq!((waiting.count_total, waiting.count_current), (1, 1), "{waiting:?}");
        }
    }
}

/// What each connection of a server costs beside its task and its socket.
#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn sizes() {
    assert_eq!(
        [
            size_of::<WebSocket>(),
            size_of::<ClientSocket>(),
            size_of::<Reader>(),
            size_of::<Writer>(),
            size_of::<Control<TcpStream, Server>>(),
        ],
        [224, 224, 112, 16, 8]
    );
}
