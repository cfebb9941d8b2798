//! Messages in parts: readers and writers that hold no message.

use crate::common::*;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tightwire::deadline::Timeout;
use tightwire::{CloseCode, Kind, Limits, Message, SendError, Violation};
use tightwire_async::{Error, ticks, tightwire};

/// All chunks of the next message.
async fn collect(socket: &mut ServerSocket) -> Result<Option<(Kind, Vec<u8>)>, Error<std::io::Error>> {
    let Some(mut reader) = socket.recv_reader().await? else { return Ok(None) };
    let mut octets = Vec::new();
    while let Some(chunk) = reader.chunk().await? {
        assert!(!chunk.is_empty());
        octets.extend_from_slice(chunk);
    }
    assert_eq!(reader.chunk().await?, None);
    Ok(Some((reader.kind(), octets)))
}

#[test]
fn messages_arrive_in_chunks() {
    for pace in [Pace::Free, Pace::Single, Pace::Random(Random::new(3))] {
        let (mut socket, wire) = lone_server(small(256));
        wire.input.set_pace(&pace);
        let payload = Random::new(1).octets(5000);
        wire.put(&masked(BINARY, &payload));
        wire.put(&masked(TEXT, b""));
        wire.put(&masked(TEXT & MORE, b""));
        wire.put(&masked(PING, b""));
        wire.put(&masked(0, "ä".as_bytes().get(..1).unwrap()));
        wire.put(&masked(CONTINUATION, "ä".as_bytes().get(1..).unwrap()));
        wire.put(&masked(CLOSE, b""));
        block_on(async {
            assert_eq!(collect(&mut socket).await.unwrap(), Some((Kind::Binary, payload.clone())));
            assert_eq!(collect(&mut socket).await.unwrap(), Some((Kind::Text, vec![])));
            assert_eq!(collect(&mut socket).await.unwrap(), Some((Kind::Text, "ä".into())));
            assert_eq!(collect(&mut socket).await.unwrap(), None);
        });
        assert_eq!(frames(&wire.take()), [(PONG, vec![]), (CLOSE, vec![])]);
    }
}

#[test]
fn a_chunk_comes_before_the_message_is_whole_and_a_fault_in_it_at_once() {
    let (mut socket, wire) = lone_server(untimed());
    let message = masked(TEXT, b"first part, \xFF");
    wire.put(&message[..18]);
    block_on(async {
        let mut reader = socket.recv_reader().await.unwrap().unwrap();
        assert_eq!(reader.chunk().await.unwrap(), Some(&b"first part, "[..]));
        wire.put(&message[18..]);
        wire.input.end();
        // RFC 6455 8.1: text that is not UTF-8 fails the connection
        assert!(matches!(reader.chunk().await, Err(Error::Violation(Violation::InvalidUtf8))));
        assert!(matches!(reader.chunk().await, Ok(None) | Err(_)));
    });
    assert!(matches!(block_on(socket.recv()), Err(Error::Violation(Violation::InvalidUtf8))));
    assert_eq!(frames(&wire.take()), [(CLOSE, close_payload(1007, ""))]);
}

#[test]
fn a_connection_that_ends_inside_a_message_gives_no_end_of_message() {
    for closes in [true, false] {
        let (mut socket, wire) = lone_server(untimed());
        wire.put(&masked(TEXT & MORE, b"part"));
        if closes {
            wire.put(&masked(CLOSE, b""));
        } else {
            wire.input.end();
        }
        block_on(async {
            let mut reader = socket.recv_reader().await.unwrap().unwrap();
            assert_eq!(reader.chunk().await.unwrap(), Some(&b"part"[..]));
            assert!(matches!(reader.chunk().await, Err(Error::Ended)));
        });
    }
}

#[test]
fn the_rest_of_a_message_that_is_not_wanted_is_discarded() {
    for take in [0, 1] {
        for whole in [true, false] {
            let (mut socket, wire) = lone_server(small(256));
            wire.input.set_pace(&Pace::AtMost(100));
            wire.put(&masked(TEXT & MORE, &[b'x'; 1000]));
            wire.put(&masked(CONTINUATION, &[b'y'; 1000]));
            wire.put(&masked(TEXT, b"next"));
            block_on(async {
                let mut reader = socket.recv_reader().await.unwrap().unwrap();
                for _ in 0..take {
                    assert!(reader.chunk().await.unwrap().is_some());
                }
                drop(reader);
                if whole {
                    assert_eq!(socket.recv().await.unwrap(), Some("next".into()));
                } else {
                    assert_eq!(collect(&mut socket).await.unwrap(), Some((Kind::Text, b"next".to_vec())));
                }
            });
        }
    }
}

/// Even a reader that is never dropped leaves no half message behind.
#[test]
fn a_forgotten_reader_leaves_no_half_message() {
    let (mut socket, wire) = lone_server(small(256));
    wire.input.set_pace(&Pace::AtMost(100));
    wire.put(&masked(TEXT, &[b'x'; 1000]));
    wire.put(&masked(TEXT, b"next"));
    block_on(async {
        let mut reader = socket.recv_reader().await.unwrap().unwrap();
        assert!(reader.chunk().await.unwrap().is_some());
        std::mem::forget(reader);
        assert_eq!(socket.recv().await.unwrap(), Some("next".into()));
    });
}

#[test]
fn the_limit_on_messages_holds_for_streams() {
    let mut config = untimed();
    config.limits = Limits::DEFAULT.with_message(1000);
    let (mut socket, wire) = lone_server(config);
    wire.put(&masked(BINARY & MORE, &[0; 900]));
    wire.put(&masked(CONTINUATION, &[0; 101]));
    wire.input.end();
    let error = block_on(collect(&mut socket)).unwrap_err();
    assert!(matches!(error, Error::Violation(Violation::MessageTooLarge)));
}

#[test]
fn what_is_written_is_one_message_in_fragments() {
    for pace in [Pace::Free, Pace::Octet(false)] {
        let (mut socket, wire) = lone_server(small(1024));
        wire.output.set_pace(&pace);
        let payload = Random::new(9).octets(10_000);
        block_on(async {
            let mut writer = socket.writer(Kind::Binary).unwrap();
            for part in payload.chunks(777) {
                writer.write_all(part).await.unwrap();
            }
            writer.finish().await.unwrap();
            socket.send("next").await.unwrap();
        });
        let sent = frames(&wire.take());
        assert_eq!(sent.last(), Some(&(TEXT, b"next".to_vec())));
        let message = &sent[..sent.len() - 1];
        assert!((8..=12).contains(&message.len()), "{}", message.len());
        assert_eq!(message[0].0, BINARY & MORE);
        assert!(message[1..message.len() - 1].iter().all(|(first, _)| *first == 0));
        assert_eq!(message.last().unwrap().0, CONTINUATION);
        assert_eq!(message.iter().flat_map(|(_, payload)| payload.clone()).collect::<Vec<_>>(), payload);
    }
}

#[test]
fn a_client_masks_what_it_streams() {
    let (near, far, _) = pair();
    let config = Arc::new(small(512));
    let (mut server, mut client) = (server(near, &config), client(far, &config));
    let payload = Random::new(9).octets(20_000);
    let expected = payload.clone();
    let mut executor = Executor::new(2);
    executor.spawn(async move {
        let mut writer = client.writer(Kind::Binary).unwrap();
        writer.write_all(&payload).await.unwrap();
        writer.finish().await.unwrap();
        client
    });
    let received =
        executor.spawn(async move { server.recv().await.unwrap() == Some(Message::Binary(&expected)) });
    executor.run();
    assert!(received.output());
}

#[test]
fn a_flush_sends_what_there_is() {
    let (mut socket, wire) = lone_server(untimed());
    block_on(async {
        let mut writer = socket.writer(Kind::Text).unwrap();
        writer.flush().await.unwrap();
        assert_eq!(wire.take(), []);
        writer.write_all("ä".as_bytes().get(..1).unwrap()).await.unwrap();
        writer.flush().await.unwrap();
        writer.flush().await.unwrap();
        writer.write_all("ä".as_bytes().get(1..).unwrap()).await.unwrap();
        writer.finish().await.unwrap();
    });
    assert_eq!(frames(&wire.take()), [(TEXT & MORE, vec![0xC3]), (CONTINUATION, vec![0xA4])]);
}

#[test]
fn text_that_is_not_utf_8_is_not_taken() {
    let (mut socket, wire) = lone_server(untimed());
    block_on(async {
        let mut writer = socket.writer(Kind::Text).unwrap();
        writer.write_all(b"good ").await.unwrap();
        let error = writer.write(b"\xFF").await.unwrap_err();
        assert!(matches!(error, Error::Send(SendError::InvalidUtf8)));
        writer.write_all(b"\xC3").await.unwrap();
        assert!(matches!(writer.write(b"x").await, Err(Error::Send(SendError::InvalidUtf8))));
        writer.write_all(b"\xA4").await.unwrap();
        writer.finish().await.unwrap();
    });
    assert_eq!(frames(&wire.take()), [(TEXT, "good ä".into())]);
}

#[test]
fn a_writer_that_is_not_finished_closes_the_connection() {
    for (flush, size) in [(false, 1), (true, 1), (false, 100_000)] {
        let (mut socket, wire) = lone_server(small(1024));
        block_on(async {
            let mut writer = socket.writer(Kind::Binary).unwrap();
            writer.write_all(&vec![0; size]).await.unwrap();
            if flush {
                writer.flush().await.unwrap();
            }
            drop(writer);
            assert!(matches!(socket.send("late").await, Err(Error::Send(SendError::Closed))));
            socket.flush().await.unwrap();
        });
        let sent = frames(&wire.take());
        assert_eq!(sent.last().unwrap(), &(CLOSE, close_payload(1011, "message abandoned")));
        assert!(sent.iter().all(|(first, _)| *first & 0x80 == 0 || *first == CLOSE), "no end of message");
    }
}

/// The Close frame finds its place however full the output is.
#[test]
fn a_writer_that_is_not_finished_closes_the_connection_even_if_the_output_is_full() {
    let (mut socket, wire) = lone_server(small(256));
    wire.output.stall(true);
    {
        let mut writer = socket.writer(Kind::Binary).unwrap();
        let mut writing = pin!(async {
            writer.write_all(&[0; 5000]).await.unwrap();
        });
        assert!(settle(writing.as_mut()).is_pending());
    }
    wire.output.stall(false);
    assert!(matches!(block_on(socket.send("late")), Err(Error::Send(SendError::Closed))));
    block_on(socket.flush()).unwrap();
    assert_eq!(frames(&wire.take()).last().unwrap(), &(CLOSE, close_payload(1011, "message abandoned")));
}

#[test]
fn a_writer_that_wrote_nothing_leaves_no_trace() {
    let (mut socket, wire) = lone_server(untimed());
    drop(socket.writer(Kind::Binary).unwrap());
    block_on(socket.send("next")).unwrap();
    block_on(async {
        // An empty message is a message.
        socket.writer(Kind::Binary).unwrap().finish().await.unwrap();
    });
    assert_eq!(frames(&wire.take()), [(TEXT, b"next".to_vec()), (BINARY, vec![])]);
}

#[test]
fn a_writer_of_a_closed_connection() {
    let (mut socket, wire) = lone_server(untimed());
    wire.put(&masked(CLOSE, b""));
    let (mut reader, mut writer) = {
        assert_eq!(block_on(socket.recv()).unwrap(), None);
        socket.split()
    };
    assert!(matches!(writer.writer(Kind::Text).map(|_| ()), Err(Error::Send(SendError::Closed))));
    assert_eq!(block_on(reader.recv()).unwrap(), None);
}

#[test]
fn a_peer_closes_while_a_message_is_written() {
    let (socket, wire) = lone_server(small(1024));
    let (mut reader, mut writer) = socket.split();
    let mut message = writer.writer(Kind::Text).unwrap();
    block_on(message.write_all(&[b'x'; 3000])).unwrap();
    wire.put(&masked(CLOSE, b""));
    assert_eq!(block_on(reader.recv()).unwrap(), None);
    assert!(block_on(message.write_all(&[b'x'; 3000])).is_err());
    assert!(block_on(message.write(b"x")).is_err());
    assert!(block_on(message.finish()).is_err());
}

#[test]
fn a_writer_that_is_stuck_is_given_up() {
    let mut config = small(1024);
    config.timeouts.write = Some(ticks(seconds(30)));
    let (mut socket, wire) = lone_server(config);
    wire.output.stall(true);
    let mut writer = socket.writer(Kind::Binary).unwrap();
    let error = block_on(writer.write_all(&[0; 5000])).unwrap_err();
    assert!(matches!(error, Error::Timeout(Timeout::WriteStall)));
    assert!(block_on(writer.write(&[0; 5000])).is_err());
    assert!(block_on(writer.finish()).is_err());
    wire.output.stall(false);
    assert!(block_on(socket.send("late")).is_err());
    assert!(frames_and_rest(&wire.take()).0.iter().all(|(first, _)| first & 0x80 == 0));
}

#[test]
fn pings_are_answered_between_the_fragments_that_are_written() {
    let (socket, wire) = lone_server(small(1024));
    let (mut reader, mut writer) = socket.split();
    let mut message = writer.writer(Kind::Text).unwrap();
    block_on(message.write_all(&[b'x'; 3000])).unwrap();
    wire.put(&masked(PING, b"?"));
    assert!(settle(pin!(reader.recv())).is_pending());
    block_on(message.write_all(&[b'x'; 3000])).unwrap();
    block_on(message.finish()).unwrap();
    let sent = frames(&wire.take());
    let pong = sent.iter().position(|frame| *frame == (PONG, b"?".to_vec())).unwrap();
    assert!(pong > 0 && pong < sent.len() - 1);
    assert_eq!(
        sent.iter().filter(|(first, _)| *first != PONG).map(|(_, part)| part.len()).sum::<usize>(),
        6000
    );
}

#[test]
fn a_finish_that_was_given_up_closes_the_connection_or_has_finished() {
    let (mut socket, wire) = lone_server(small(1024));
    wire.output.set_pace(&Pace::Octet(false));
    for _ in 0..2 {
        wire.output.stall(true);
        let mut writer = socket.writer(Kind::Binary).unwrap();
        assert!(matches!(settle(pin!(writer.write(&[1; 10]))), Poll::Ready(Ok(10))));
        {
            let finishing = Box::pin(writer.finish());
            let mut finishing = finishing;
            assert!(settle(finishing.as_mut()).is_pending());
        }
        wire.output.stall(false);
        block_on(socket.flush()).unwrap();
    }
    // The output was empty, so each message was complete before it had to wait.
    assert_eq!(frames(&wire.take()), vec![(BINARY, vec![1; 10]); 2]);
    let _ = CloseCode::NORMAL;
}
