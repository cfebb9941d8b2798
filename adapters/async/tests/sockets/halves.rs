//! A connection in two tasks over a real socket.

use super::peer::{BINARY, CLOSE, PING, PONG, TEXT, masked, reason};
use super::{Peer, config, echo, millis, served};
use crate::adapter::tightwire::deadline::Timeout;
use crate::adapter::{CloseCode, Error, Message, WebSocket};
use crate::block_on;
use std::future::poll_fn;
use std::io::Write;
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// The reader answers Pings while the writer sends, and the peer gets whole frames from both.
#[test]
fn a_reader_and_a_writer_in_two_threads_share_a_socket() {
    const MESSAGES: usize = 200;
    let peer = |mut peer: Peer| {
        let mut sender = peer.0.try_clone().unwrap();
        let pings = thread::spawn(move || {
            for number in 0..MESSAGES {
                sender.write_all(&masked(PING, &(number as u64).to_be_bytes())).unwrap();
                sender.write_all(&masked(TEXT, b"up")).unwrap();
            }
        });
        let (mut messages, mut pongs) = (0, 0);
        while messages < MESSAGES || pongs < MESSAGES {
            let (first, payload) = peer.frame();
            match first {
                BINARY => {
                    assert!(payload.len() == 20_000 && payload.iter().all(|octet| *octet == messages as u8));
                    messages += 1;
                }
                PONG => {
                    assert_eq!(payload, (pongs as u64).to_be_bytes());
                    pongs += 1;
                }
                other => panic!("{other:x}"),
            }
        }
        pings.join().unwrap();
        peer.send_frame(CLOSE, &reason(1000, ""));
        assert_eq!(peer.closed(), 1000);
    };
    let server = async |socket: WebSocket| {
        let (mut reader, mut writer) = socket.split();
        let writing = thread::spawn(move || {
            block_on(async {
                for number in 0..MESSAGES {
                    writer.send(Message::Binary(&vec![number as u8; 20_000])).await?;
                }
                Ok::<_, Error>(writer)
            })
        });
        let mut received = 0;
        while reader.recv().await?.is_some() {
            received += 1;
        }
        let writer = writing.join().unwrap()?;
        // Together again, it is the connection that has ended.
        let mut socket = reader.reunite(writer).unwrap_or_else(|_| panic!("of one connection"));
        assert!(socket.recv().await?.is_none());
        Ok::<_, Error>(received)
    };
    let (received, ()) = served(config(), peer, server);
    assert_eq!(received.unwrap(), MESSAGES);
}

#[test]
fn halves_that_are_put_together_again_carry_on() {
    let peer = |mut peer: Peer| {
        peer.send_frame(TEXT, b"one");
        assert_eq!(peer.frame(), (TEXT, b"one".to_vec()));
        peer.send_frame(TEXT, b"two");
        assert_eq!(peer.frame(), (TEXT, b"two".to_vec()));
        peer.send_frame(CLOSE, b"");
        peer.rest().unwrap();
    };
    let server = async |socket: WebSocket| {
        let (mut reader, mut writer) = socket.split();
        let message = reader.recv().await?.unwrap();
        writer.send(message).await?;
        echo(reader.reunite(writer).unwrap_or_else(|_| panic!("of one connection"))).await
    };
    served(config(), peer, server).0.unwrap();
}

/// Whichever half found the peer stuck, the other one does not wait for ever.
#[test]
fn a_peer_that_never_reads_is_cut_off_by_the_half_that_is_left() {
    let mut config = config();
    config.timeouts.write = millis(1000);
    let peer = |mut peer: Peer| {
        let mut sender = peer.0.try_clone().unwrap();
        let pings = masked(PING, &[0; 125]).repeat(100);
        while sender.write_all(&pings).is_ok() {}
        let _ = peer.rest();
    };
    let server = async |socket: WebSocket| {
        let (mut reader, mut writer) = socket.split();
        loop {
            // The Pongs fill the output: the reader knows before the writer does.
            if let Some(ended) = for_a_while(reader.recv(), Duration::from_millis(500)).await {
                break ended.map(|_| ()).unwrap_err();
            }
            if let Err(error) = writer.send("is anybody there").await {
                break error;
            }
        }
    };
    let (error, ()) = served(config, peer, server);
    assert!(matches!(error, Error::Timeout(Timeout::WriteStall)), "{error:?}");
}

/// Polls a future for some time, then drops it.
async fn for_a_while<F: Future>(future: F, time: Duration) -> Option<F::Output> {
    let end = Instant::now() + time;
    let mut future = pin!(future);
    let mut waking = false;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if !std::mem::replace(&mut waking, true) {
            let waker = cx.waker().clone();
            thread::spawn(move || {
                thread::sleep(end.saturating_duration_since(Instant::now()));
                waker.wake();
            });
        }
        if end <= Instant::now() { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

#[test]
fn a_control_handle_closes_from_another_thread() {
    let peer = |mut peer: Peer| {
        assert_eq!(peer.frame(), (CLOSE, reason(1001, "shutdown")));
        peer.send_frame(CLOSE, &reason(1001, ""));
        assert_eq!(peer.rest().unwrap(), b"");
    };
    let server = async |socket: WebSocket| {
        let (mut reader, _writer) = socket.split();
        let control = reader.control();
        let closing = thread::spawn(move || control.close(CloseCode::GOING_AWAY, "shutdown"));
        assert!(reader.recv().await?.is_none());
        closing.join().unwrap()
    };
    served(config(), peer, server).0.unwrap();
}
