//! The end of connections: closing handshakes, violations, errors, ends without a Close frame.

use crate::common::*;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use tightwire::{CloseCode, Kind, SendError, Violation};
use tightwire_async::{Error, tightwire};

fn closed_with(code: CloseCode, reason: &str) -> (u8, Vec<u8>) {
    (CLOSE, close_payload(code.number(), reason))
}

#[test]
fn the_peer_closes() {
    let (mut socket, wire) = lone_server(untimed());
    wire.put(&masked(TEXT, b"before"));
    wire.put(&masked(CLOSE, &close_payload(1001, "bye")));
    wire.put(&masked(TEXT, b"after"));
    assert_eq!(block_on(socket.recv()).unwrap(), Some("before".into()));
    for _ in 0..3 {
        assert_eq!(block_on(socket.recv()).unwrap(), None);
    }
    let closed = socket.closed().unwrap();
    assert_eq!((closed.code, closed.reason.as_str()), (CloseCode::GOING_AWAY, "bye"));
    assert!(closed.is_going_away() && !closed.is_normal() && !closed.is_refusal());
    assert!(socket.is_ended());
    // RFC 6455 5.5.1: the answer echoes the code; 7.1.1: the server ends the transport at once
    assert_eq!(frames(&wire.take()), [closed_with(CloseCode::GOING_AWAY, "")]);
    assert!(wire.output.is_ended());
    assert!(matches!(block_on(socket.send("late")), Err(Error::Send(SendError::Closed))));
    block_on(socket.close(CloseCode::NORMAL, "")).unwrap();
    assert_eq!(wire.take(), []);
}

#[test]
fn a_close_frame_without_a_code_is_answered_without_one() {
    let (mut socket, wire) = lone_server(untimed());
    wire.put(&masked(CLOSE, b""));
    assert_eq!(block_on(socket.recv()).unwrap(), None);
    assert_eq!(socket.closed().unwrap().code, CloseCode::NO_STATUS);
    assert!(socket.closed().unwrap().is_normal());
    assert_eq!(frames(&wire.take()), [(CLOSE, vec![])]);
}

#[test]
fn a_client_waits_for_the_server_to_end_the_transport() {
    let (mut socket, wire) = lone_client(untimed());
    wire.put(&frame(CLOSE, &close_payload(1000, "")));
    let mut receiving = pin!(socket.recv());
    assert!(settle(receiving.as_mut()).is_pending());
    assert_eq!(frames(&wire.take()), [closed_with(CloseCode::NORMAL, "")]);
    // RFC 6455 7.1.1: the client should wait for the server to close the connection
    assert!(!wire.output.is_ended());
    wire.input.end();
    assert_eq!(block_on(receiving).unwrap(), None);
}

#[test]
fn we_close() {
    let (mut socket, wire) = lone_server(untimed());
    block_on(socket.feed("queued")).unwrap();
    {
        let mut closing = pin!(socket.close(CloseCode::NORMAL, "done"));
        assert!(settle(closing.as_mut()).is_pending());
        assert_eq!(
            frames(&wire.take()),
            [(TEXT, b"queued".to_vec()), closed_with(CloseCode::NORMAL, "done")]
        );
        assert!(!wire.output.is_ended());
        wire.put(&masked(TEXT, b"dropped"));
        wire.put(&masked(CLOSE, &close_payload(1000, "")));
        block_on(closing).unwrap();
    }
    assert!(wire.output.is_ended());
    assert_eq!(block_on(socket.recv()).unwrap(), None);
}

#[test]
fn after_starting_to_close_messages_are_still_received() {
    let (mut socket, wire) = lone_server(untimed());
    block_on(socket.start_close(CloseCode::NORMAL, "")).unwrap();
    assert!(matches!(block_on(socket.send("late")), Err(Error::Send(SendError::Closed))));
    assert!(matches!(block_on(socket.ping(b"late")), Err(Error::Send(SendError::Closed))));
    wire.put(&masked(TEXT, b"on its way"));
    wire.put(&masked(PING, b"not answered"));
    wire.put(&masked(CLOSE, &close_payload(1000, "")));
    assert_eq!(block_on(socket.recv()).unwrap(), Some("on its way".into()));
    assert_eq!(block_on(socket.recv()).unwrap(), None);
    assert_eq!(frames(&wire.take()), [closed_with(CloseCode::NORMAL, "")]);
}

#[test]
fn both_close_at_once() {
    let (near, far, _) = pair();
    let config = Arc::new(untimed());
    let (mut server, mut client) = (server(near, &config), client(far, &config));
    let mut executor = Executor::new(1);
    let near = executor.spawn(async move {
        server.start_close(CloseCode::GOING_AWAY, "server").await.unwrap();
        server.close(CloseCode::NORMAL, "").await.unwrap();
        server.closed().unwrap().reason.clone()
    });
    let far = executor.spawn(async move {
        client.start_close(CloseCode::NORMAL, "client").await.unwrap();
        client.close(CloseCode::NORMAL, "").await.unwrap();
        client.closed().unwrap().reason.clone()
    });
    executor.run();
    assert_eq!((near.output(), far.output()), ("client".into(), "server".into()));
}

#[test]
fn a_violation_is_answered_with_its_code_and_then_reported_for_ever() {
    let faults: [(Vec<u8>, u16); 7] = [
        (masked(0x83, b""), 1002),
        (masked(0xC1, b""), 1002),
        (frame(TEXT, b"not masked"), 1002),
        (masked(CONTINUATION, b"of nothing"), 1002),
        (masked(TEXT, &[0xFF]), 1007),
        (head(BINARY, 2 << 20, Some([0; 4])), 1009),
        (masked(CLOSE, &close_payload(1005, "")), 1002),
    ];
    for (fault, code) in faults {
        let (mut socket, wire) = lone_server(untimed());
        wire.put(&masked(TEXT, b"one"));
        wire.put(&masked(PING, b"two"));
        wire.put(&fault);
        wire.put(&masked(TEXT, b"never seen"));
        assert_eq!(block_on(socket.recv()).unwrap(), Some("one".into()));
        {
            let mut receiving = pin!(socket.recv());
            assert!(settle(receiving.as_mut()).is_pending(), "the peer has time to read");
            assert_eq!(frames(&wire.take()), [(PONG, b"two".to_vec()), (CLOSE, close_payload(code, ""))]);
            // RFC 6455 7.1.7: the connection ends after the Close frame
            assert!(wire.output.is_ended());
            wire.input.end();
            let error = block_on(receiving).unwrap_err();
            assert!(error.is_peer() && !error.is_abnormal());
            assert_eq!(error.close_code(), Some(CloseCode::new(code)));
        }
        for _ in 0..3 {
            let error = block_on(socket.recv()).unwrap_err();
            assert_eq!(error.close_code(), Some(CloseCode::new(code)));
        }
        assert!(matches!(block_on(socket.send("late")), Err(Error::Send(SendError::Closed))));
        assert!(socket.is_ended());
    }
}

#[test]
fn a_violation_after_our_close_frame_is_not_answered() {
    let (mut socket, wire) = lone_server(untimed());
    block_on(socket.start_close(CloseCode::NORMAL, "")).unwrap();
    wire.put(&frame(TEXT, b"not masked"));
    wire.input.end();
    let error = block_on(socket.recv()).unwrap_err();
    assert!(matches!(error, Error::Violation(Violation::NotMasked)));
    assert_eq!(frames(&wire.take()), [closed_with(CloseCode::NORMAL, "")]);
}

#[test]
fn an_end_without_a_close_frame_is_abnormal() {
    for unfinished in [&b""[..], &masked(TEXT, b"half")[..7], &masked(TEXT & MORE, b"more to come")] {
        let (mut socket, wire) = lone_server(untimed());
        wire.put(&masked(TEXT, b"whole"));
        wire.put(&masked(PING, b""));
        wire.put(unfinished);
        wire.input.end();
        assert_eq!(block_on(socket.recv()).unwrap(), Some("whole".into()));
        for _ in 0..3 {
            let error = block_on(socket.recv()).unwrap_err();
            assert!(matches!(error, Error::Ended) && error.is_abnormal());
            assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL));
        }
        assert!(socket.is_ended() && socket.closed().is_none());
        assert_eq!(frames(&wire.take()), [(PONG, vec![])]);
        assert!(wire.output.is_ended());
    }
}

#[test]
fn an_end_instead_of_an_answer_to_our_close_is_abnormal() {
    let (mut socket, wire) = lone_client(untimed());
    block_on(socket.start_close(CloseCode::NORMAL, "")).unwrap();
    wire.input.end();
    assert!(matches!(block_on(socket.recv()), Err(Error::Ended)));
}

#[test]
fn nothing_is_lost_before_a_transport_error() {
    let (mut socket, wire) = lone_server(untimed());
    wire.put(&masked(TEXT, b"one"));
    wire.put(&masked(TEXT, b"two"));
    wire.input.fail_reads(ErrorKind::ConnectionReset);
    assert_eq!(block_on(socket.recv()).unwrap(), Some("one".into()));
    assert_eq!(block_on(socket.recv()).unwrap(), Some("two".into()));
    let error = block_on(socket.recv()).unwrap_err();
    assert!(matches!(&error, Error::Transport(error) if error.kind() == ErrorKind::ConnectionReset));
    assert!(error.is_abnormal());
    for _ in 0..3 {
        assert!(block_on(socket.recv()).unwrap_err().is_abnormal());
    }
    assert!(socket.is_ended());
}

/// A `close` that was given up in the middle of a message leaves no half message behind.
#[test]
fn receiving_after_a_close_that_was_given_up() {
    let (mut socket, wire) = lone_server(untimed());
    let message = masked(TEXT, b"a whole message");
    let (front, back) = message.split_at(10);
    wire.put(front);
    assert!(settle(pin!(socket.close(CloseCode::NORMAL, ""))).is_pending());
    wire.put(back);
    wire.put(&masked(TEXT, b"next"));
    assert_eq!(block_on(socket.recv()).unwrap(), Some("next".into()));
}

#[test]
fn a_close_that_was_given_up_goes_on() {
    let (mut socket, wire) = lone_server(untimed());
    wire.output.set_pace(&Pace::Octet(false));
    for _ in 0..5 {
        assert!(settle(pin!(socket.close(CloseCode::NORMAL, "once"))).is_pending());
    }
    assert_eq!(frames(&wire.take()), [closed_with(CloseCode::NORMAL, "once")]);
    wire.put(&masked(CLOSE, &close_payload(1000, "")));
    block_on(socket.close(CloseCode::NORMAL, "again")).unwrap();
    assert_eq!(wire.take(), []);
}

#[test]
fn nothing_is_sent_inside_a_message_in_fragments_but_control_frames() {
    let (mut socket, wire) = lone_server(untimed());
    block_on(socket.feed_fragment(Kind::Binary, b"1", false)).unwrap();
    wire.put(&masked(CLOSE, &close_payload(1000, "")));
    assert_eq!(block_on(socket.recv()).unwrap(), None);
    assert!(matches!(
        block_on(socket.feed_fragment(Kind::Binary, b"2", true)),
        Err(Error::Send(SendError::Closed))
    ));
    assert_eq!(frames(&wire.take()), [(BINARY & MORE, b"1".to_vec()), closed_with(CloseCode::NORMAL, "")]);
}

/// A peer that floods after a violation is read and forgotten, not collected.
#[test]
fn what_follows_a_violation_is_forgotten() {
    let (mut socket, wire) = lone_server(untimed());
    wire.put(&frame(TEXT, b"not masked"));
    wire.put(&vec![0; 4 << 20]);
    let mut receiving = pin!(socket.recv());
    assert!(settle(receiving.as_mut()).is_pending());
    assert_eq!(wire.input.len(), 0);
    wire.input.end();
    assert!(matches!(block_on(receiving), Err(Error::Violation(Violation::NotMasked))));
}
