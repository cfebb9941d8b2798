//! `Stream` and `Sink`, whole, split by us and split by futures; owned messages.

use crate::common::*;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tightwire::deadline::Timeout;
use tightwire::{Kind, Message};
use tightwire_async::{Config, Error, OwnedMessage, OwnedText, ticks, tightwire};

type Split = (SplitSink<ServerSocket, OwnedMessage>, SplitStream<ServerSocket>);

fn futures_split(socket: ServerSocket) -> Split {
    StreamExt::split(socket)
}

fn octets(size: usize) -> OwnedMessage {
    vec![4; size].into()
}

#[test]
fn messages_until_the_end() {
    let (mut socket, wire) = lone_server(untimed());
    wire.put(&masked(TEXT, b"one"));
    wire.put(&masked(BINARY, b"two"));
    wire.put(&masked(CLOSE, b""));
    block_on(async {
        assert_eq!(socket.next().await.unwrap().unwrap(), "one".into());
        assert_eq!(socket.next().await.unwrap().unwrap(), b"two".to_vec().into());
        assert!(socket.next().await.is_none());
        assert!(socket.next().await.is_none());
    });
}

#[test]
fn an_error_and_then_the_end() {
    let (mut socket, wire) = lone_server(untimed());
    wire.put(&masked(TEXT, b"one"));
    wire.input.end();
    block_on(async {
        assert!(socket.next().await.unwrap().is_ok());
        assert!(matches!(socket.next().await.unwrap(), Err(Error::Ended)));
        assert!(socket.next().await.is_none());
    });
}

#[test]
fn a_sink_sends_messages_of_every_size_and_closes() {
    let (mut socket, wire) = lone_server(untimed());
    let sizes = [0, 1, 5000, 100_000, 3 << 20];
    let mut sending = pin!(async {
        for size in sizes {
            SinkExt::feed(&mut socket, octets(size)).await.unwrap();
        }
        SinkExt::<OwnedMessage>::close(&mut socket).await.unwrap();
    });
    assert!(settle(sending.as_mut()).is_pending());
    wire.put(&masked(CLOSE, b""));
    assert!(settle(sending.as_mut()).is_ready());
    let sent = frames(&wire.take());
    let total: usize = sent.iter().map(|(_, payload)| payload.len()).sum();
    assert_eq!(total, sizes.iter().sum::<usize>() + 2);
    assert_eq!(sent.last(), Some(&(CLOSE, close_payload(1000, ""))));
    assert!(wire.output.is_ended());
}

#[test]
fn a_sink_is_not_ready_while_the_peer_does_not_read() {
    let (mut socket, wire) = lone_server(small(1024));
    wire.output.stall(true);
    let mut accepted = 0;
    while matches!(settle(pin!(SinkExt::<OwnedMessage>::feed(&mut socket, octets(100)))), Poll::Ready(Ok(())))
    {
        accepted += 1;
        assert!(accepted < 100);
    }
    assert!(accepted > 1);
}

#[test]
fn a_sink_gives_up_a_peer_that_does_not_read() {
    let mut config = untimed();
    config.timeouts.write = Some(ticks(seconds(30)));
    let config = Arc::new(config);
    let (io, wire) = raw();
    let mut socket = server(io, &config);
    wire.output.stall(true);
    let error = block_on(SinkExt::send(&mut socket, octets(10))).unwrap_err();
    assert!(matches!(error, Error::Timeout(Timeout::WriteStall)));
    let (io, wire) = raw();
    let (_reader, mut writer) = server(io, &config).split();
    wire.output.stall(true);
    let error = block_on(SinkExt::send(&mut writer, octets(10))).unwrap_err();
    assert!(matches!(error, Error::Timeout(Timeout::WriteStall)));
}

#[test]
fn halves_are_a_stream_and_a_sink() {
    let (socket, wire) = lone_server(untimed());
    let (mut reader, mut writer) = socket.split();
    wire.put(&masked(PING, b"?"));
    wire.put(&masked(TEXT, b"in"));
    block_on(async {
        assert_eq!(reader.next().await.unwrap().unwrap(), "in".into());
        SinkExt::send(&mut writer, "out".into()).await.unwrap();
        SinkExt::<OwnedMessage>::close(&mut writer).await.unwrap();
        SinkExt::<OwnedMessage>::close(&mut writer).await.unwrap();
    });
    wire.put(&masked(CLOSE, b""));
    assert!(block_on(reader.next()).is_none());
    let sent = frames(&wire.take());
    assert_eq!(sent, [(PONG, b"?".to_vec()), (TEXT, b"out".to_vec()), (CLOSE, close_payload(1000, ""))]);
}

#[test]
fn split_by_futures_pings_are_answered_while_the_application_only_reads() {
    let (socket, wire) = lone_server(untimed());
    let (_sink, mut stream) = futures_split(socket);
    wire.put(&masked(PING, b"?"));
    assert!(settle(pin!(stream.next())).is_pending());
    assert_eq!(frames(&wire.take()), [(PONG, b"?".to_vec())]);
}

/// Two tasks share one transport, which remembers one waker for writing: neither may be forgotten.
#[test]
fn split_by_futures_no_task_is_forgotten() {
    let rounds = if cfg!(debug_assertions) { 60 } else { 2000 };
    for seed in 0..rounds {
        let mut random = Random::new(seed);
        let (near, far, wire) = pair();
        for lane in [&wire.input, &wire.output] {
            lane.state().capacity = [1, 50, 1000][random.below(3)];
            lane.set_pace(&Pace::Random(random.clone()));
        }
        let config = Arc::new(small(256));
        let (mut sink, mut stream) = futures_split(server(near, &config));
        let (mut far_reader, mut far_writer) = client(far, &config).split();
        let mut executor = Executor::new(seed);
        let reading = executor.spawn(async move {
            for _ in 0..20 {
                assert_eq!(stream.next().await.unwrap().unwrap(), octets(40));
            }
            stream
        });
        let writing = executor.spawn(async move {
            for _ in 0..20 {
                sink.send(octets(300)).await.unwrap();
            }
            sink
        });
        executor.spawn(async move {
            for number in 0..20_u8 {
                let _ = far_writer.control().ping(&[number; 100]);
                far_writer.feed(&[4; 40]).await.unwrap();
            }
            far_writer.flush().await.unwrap();
            far_writer
        });
        executor.spawn(async move {
            for _ in 0..20 {
                assert_eq!(far_reader.recv().await.unwrap().unwrap().len(), 300);
            }
            far_reader
        });
        executor.run();
        assert!(reading.is_done() && writing.is_done());
    }
}

/// The stream's task keeps the deadlines, whatever the sink's task did last.
#[test]
fn split_by_futures_keepalive_goes_on() {
    let (socket, wire) = lone_server(Config::default());
    let (mut sink, mut stream) = futures_split(socket);
    let mut executor = Executor::new(1);
    executor.spawn(async move { stream.next().await.map(|_| ()) });
    executor.settle();
    wire.output.stall(true);
    {
        let mut sending = pin!(sink.send(octets(10)));
        assert!(settle(sending.as_mut()).is_pending());
        advance(seconds(1));
        wire.output.stall(false);
        assert!(settle(sending.as_mut()).is_ready());
    }
    let _ = wire.take();
    executor.settle();
    advance(seconds(21));
    executor.settle();
    let sent = frames(&wire.take());
    assert_eq!((sent.len(), sent[0].0), (1, PING));
}

#[test]
fn closing_a_sink_in_the_middle_of_a_message_cuts_none() {
    let (socket, wire) = lone_server(untimed());
    let (mut sink, mut stream) = futures_split(socket);
    let message = masked(TEXT, b"a whole message");
    wire.put(&message[..10]);
    assert!(settle(pin!(sink.close())).is_pending());
    wire.put(&message[10..]);
    wire.put(&masked(TEXT, b"next"));
    // It may be dropped, because the connection is being closed, but not cut.
    let received = block_on(stream.next()).unwrap().unwrap();
    assert!([OwnedMessage::from("a whole message"), "next".into()].contains(&received), "{received:?}");
}

#[test]
fn a_connection_used_as_a_stream_holds_no_buffer() {
    let config = Arc::new(small(1024));
    let (io, wire) = raw();
    let mut socket = server(io, &config);
    wire.put(&masked(TEXT, b"one"));
    block_on(async {
        socket.next().await.unwrap().unwrap();
        SinkExt::send(&mut socket, "two".into()).await.unwrap();
    });
    assert!(settle(pin!(socket.next())).is_pending());
    // One buffer for each direction was taken.
    assert_eq!(config.pool.kept(), 2 * (1024 + 256));
}

#[test]
fn owned_messages() {
    let text: OwnedMessage = "grün".into();
    assert_eq!((text.kind(), text.as_str(), text.octets()), (Kind::Text, Some("grün"), "grün".as_bytes()));
    assert_eq!(text, String::from("grün").into());
    assert_eq!(text, OwnedText::from("grün").into());
    assert_eq!(text, Message::from("grün").into());
    assert_eq!(Message::from(&text), "grün".into());
    let binary: OwnedMessage = vec![1, 2].into();
    assert_eq!((binary.kind(), binary.as_str(), binary.octets()), (Kind::Binary, None, &[1, 2][..]));
    assert_eq!(binary, Message::Binary(&[1, 2]).into());
    assert_eq!(Message::from(&binary), Message::Binary(&[1, 2]));
    let OwnedMessage::Text(text) = text else { panic!() };
    assert_eq!((text.to_string(), format!("{text:?}")), ("grün".into(), "\"grün\"".into()));
    let shared = text.clone();
    let octets = text.into_bytes();
    // A clone shares the octets.
    assert_eq!(octets.as_ptr(), shared.clone().into_bytes().as_ptr());
    assert_eq!(OwnedText::try_from(octets.clone()).unwrap(), shared);
    assert_eq!(OwnedText::try_from(octets.slice(..3)).unwrap_err().valid_up_to, 2);
}
