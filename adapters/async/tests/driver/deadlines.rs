//! Deadlines under a virtual clock: each ends what it is for, in its time, and nothing else.

use crate::common::*;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tightwire::deadline::Timeout;
use tightwire::handshake::OriginPolicy;
use tightwire::{CloseCode, Timeouts, Violation};
use tightwire_async::transport::Timer;
use tightwire_async::{Config, Error, OpenError, accept, ticks, tightwire};

fn timed(change: impl FnOnce(&mut Timeouts)) -> Config {
    let mut config = untimed();
    change(&mut config.timeouts);
    config
}

fn defaults() -> Config {
    Config::default()
}

/// What a future gives and how long that took, to the nearest second.
fn timing<F: Future>(future: F) -> (F::Output, u64) {
    let start = Alarm::now();
    let output = block_on(future);
    (output, (Alarm::now() - start + Duration::from_millis(500)).as_secs())
}

fn is_timeout<X: std::fmt::Debug>(result: Result<X, Error<std::io::Error>>, expected: Timeout) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Timeout(timeout) if timeout == expected), "{error:?}");
    assert!(error.is_timeout() && !error.is_peer() && !error.is_caller());
}

const GOING_AWAY: u16 = 1001;
const POLICY_VIOLATION: u16 = 1008;

#[test]
fn a_silent_peer_gets_a_ping_and_its_pong_tells_the_round_trip() {
    let (mut socket, wire) = lone_server(defaults());
    for round_trip in [1234, 7] {
        {
            let mut receiving = pin!(socket.recv());
            assert!(settle(receiving.as_mut()).is_pending());
            advance(seconds(19));
            assert!(settle(receiving.as_mut()).is_pending());
            assert_eq!(wire.take(), []);
            advance(seconds(1));
            assert!(settle(receiving.as_mut()).is_pending());
            let sent = frames(&wire.take());
            assert_eq!((sent.len(), sent[0].0), (1, PING));
            advance(Duration::from_millis(round_trip));
            wire.put(&masked(PONG, &sent[0].1));
            assert!(settle(receiving.as_mut()).is_pending());
        }
        assert_eq!(socket.round_trip(), Some(Duration::from_millis(round_trip)));
    }
}

#[test]
fn a_made_up_pong_tells_nothing() {
    let (mut socket, wire) = lone_server(defaults());
    for payload in [&b""[..], &[0; 8], &[0xFF; 8], &[1; 9]] {
        wire.put(&masked(PONG, payload));
        assert!(settle(pin!(socket.recv())).is_pending());
        assert_eq!(socket.round_trip(), None);
    }
    {
        let mut receiving = pin!(socket.recv());
        assert!(settle(receiving.as_mut()).is_pending());
        advance(seconds(20));
        assert!(settle(receiving.as_mut()).is_pending());
        wire.put(&masked(PONG, &[0; 8]));
        assert!(settle(receiving.as_mut()).is_pending());
    }
    assert_eq!(socket.round_trip(), None);
}

#[test]
fn a_peer_that_does_not_answer_a_ping_is_sent_away() {
    let (mut socket, wire) = lone_server(defaults());
    let (result, elapsed) = timing(socket.recv());
    is_timeout(result, Timeout::Pong);
    assert_eq!(elapsed, 40);
    let sent = frames(&wire.take());
    assert_eq!(sent.len(), 2);
    assert_eq!((sent[0].0, &sent[1]), (PING, &(CLOSE, close_payload(GOING_AWAY, ""))));
    assert!(wire.output.is_ended() && socket.is_ended());
    is_timeout(block_on(socket.recv()), Timeout::Pong);
}

#[test]
fn any_octets_are_a_sign_of_life() {
    let (mut socket, wire) = lone_server(defaults());
    for _ in 0..30 {
        let mut receiving = pin!(socket.recv());
        assert!(settle(receiving.as_mut()).is_pending());
        advance(seconds(15));
        wire.put(&masked(TEXT, b"alive"));
        assert!(settle(receiving.as_mut()).is_ready());
    }
    assert_eq!(wire.take(), []);
}

#[test]
fn idle() {
    let (mut socket, wire) = lone_server(timed(|timeouts| timeouts.idle = Some(ticks(seconds(7)))));
    advance(seconds(1));
    wire.put(&masked(PING, b""));
    let (result, elapsed) = timing(socket.recv());
    is_timeout(result, Timeout::Idle);
    assert_eq!(elapsed, 7);
    assert_eq!(frames(&wire.take()), [(PONG, vec![]), (CLOSE, close_payload(GOING_AWAY, ""))]);
}

#[test]
fn whatever_is_left_unfinished_has_its_time_each_time() {
    let parts: [&[u8]; 4] =
        [&masked(TEXT, b"half")[..1], &masked(TEXT, b"half")[..8], &masked(PING, b"x")[..6], &[]];
    for part in parts {
        for good in 0..4 {
            let (mut socket, wire) =
                lone_server(timed(|timeouts| timeouts.progress = Some(ticks(seconds(9)))));
            // Unfinished for a while, then finished.
            for _ in 0..good {
                let message = masked(TEXT & MORE, b"a message");
                wire.put(&message[..5]);
                let mut receiving = pin!(socket.recv());
                assert!(settle(receiving.as_mut()).is_pending());
                advance(seconds(8));
                wire.put(&message[5..]);
                assert!(settle(receiving.as_mut()).is_pending());
                advance(seconds(8));
                wire.put(&masked(CONTINUATION, b""));
                assert!(settle(receiving.as_mut()).is_ready());
            }
            // Nothing unfinished: no deadline.
            {
                let mut receiving = pin!(socket.recv());
                assert!(settle(receiving.as_mut()).is_pending());
                advance(seconds(100));
                assert!(settle(receiving.as_mut()).is_pending());
            }
            wire.put(if part.is_empty() { b"\x01\x80\0\0\0\0" } else { part });
            let (result, elapsed) = timing(socket.recv());
            is_timeout(result, Timeout::Progress);
            assert_eq!(elapsed, 9, "{part:?} after {good}");
            assert_eq!(frames(&wire.take()), [(CLOSE, close_payload(POLICY_VIOLATION, ""))]);
        }
    }
}

#[test]
fn progress_octet_by_octet_is_progress() {
    let (mut socket, wire) = lone_server(timed(|timeouts| timeouts.progress = Some(ticks(seconds(9)))));
    let mut receiving = pin!(socket.recv());
    for octet in masked(TEXT, b"slowly") {
        assert!(settle(receiving.as_mut()).is_pending());
        advance(seconds(8));
        wire.put(&[octet]);
    }
    assert!(settle(receiving.as_mut()).is_ready());
}

/// What had to wait while the peer did not read is not held against it once it reads again.
#[test]
fn what_was_left_unread_is_not_unfinished_for_ever() {
    let (mut socket, wire) = lone_server({
        let mut config = small(1024);
        config.timeouts.progress = Some(ticks(seconds(9)));
        config
    });
    wire.output.stall(true);
    wire.put(&masked(PING, &[0; 125]).repeat(20));
    let mut receiving = pin!(socket.recv());
    assert!(settle(receiving.as_mut()).is_pending());
    advance(seconds(5));
    wire.output.stall(false);
    assert!(settle(receiving.as_mut()).is_pending());
    assert_eq!(frames(&wire.take()).len(), 20);
    advance(seconds(100));
    assert!(settle(receiving.as_mut()).is_pending());
}

#[test]
fn a_peer_that_does_not_take_a_message() {
    for size in [100, 100_000] {
        let (mut socket, wire) = lone_server(defaults());
        wire.output.state().capacity = 50;
        let payload = vec![0; size];
        let (result, elapsed) = timing(socket.send(&payload[..]));
        is_timeout(result, Timeout::WriteStall);
        assert_eq!(elapsed, 30);
        is_timeout(block_on(socket.recv()), Timeout::WriteStall);
        is_timeout(block_on(socket.recv()), Timeout::WriteStall);
        // RFC 6455 7.1.7: no Close frame where the peer does not read
        assert_eq!(wire.output.len(), 50);
        assert!(socket.is_ended());
    }
}

#[test]
fn after_a_write_that_was_given_up_the_connection_stays_failed() {
    let (mut socket, wire) = lone_server(defaults());
    wire.output.state().capacity = 50;
    let payload = vec![1; 100_000];
    is_timeout(block_on(socket.send(&payload[..])), Timeout::WriteStall);
    wire.output.state().capacity = usize::MAX;
    let _ = wire.take();
    // The peer reads again, too late: nothing but the rest of that frame may follow.
    assert!(block_on(socket.send("too late")).is_err());
    assert!(block_on(socket.recv()).is_err());
    let sent = wire.take();
    assert!(sent.iter().all(|octet| *octet == 1), "{:?}", &sent[..sent.len().min(20)]);
}

#[test]
fn output_that_moves_is_not_stalled() {
    let (mut socket, wire) = lone_server(defaults());
    wire.output.state().capacity = 1000;
    let payload = vec![0; 10_000];
    let mut sending = pin!(socket.send(&payload[..]));
    let mut taken = 0;
    while settle(sending.as_mut()).is_pending() {
        advance(seconds(25));
        taken += wire.take().len();
    }
    assert!(taken >= 9000);
}

#[test]
fn a_peer_that_pings_and_never_reads_is_given_up() {
    let (mut socket, wire) = lone_server(defaults());
    wire.output.stall(true);
    wire.put(&masked(PING, &[0; 125]).repeat(2000));
    let (result, elapsed) = timing(socket.recv());
    is_timeout(result, Timeout::WriteStall);
    assert_eq!(elapsed, 30);
}

#[test]
fn a_transport_that_does_not_pass_on_its_buffer_is_given_up() {
    let (mut socket, wire) = lone_server(defaults());
    wire.output.state().buffering = true;
    wire.output.stall_flush(true);
    let (result, elapsed) = timing(socket.send("stuck"));
    is_timeout(result, Timeout::WriteStall);
    assert_eq!(elapsed, 30);
}

#[test]
fn a_peer_that_does_not_answer_a_close_frame() {
    let (mut socket, wire) = lone_server(defaults());
    let (result, elapsed) = timing(socket.close(CloseCode::NORMAL, ""));
    is_timeout(result, Timeout::CloseLinger);
    assert_eq!(elapsed, 5);
    assert_eq!(frames(&wire.take()), [(CLOSE, close_payload(1000, ""))]);
    assert!(wire.output.is_ended());
}

#[test]
fn a_peer_that_goes_on_sending_after_our_close_frame() {
    let (mut socket, wire) = lone_server(defaults());
    wire.input.set_pace(&Pace::AtMost(10));
    let started = Alarm::now();
    block_on(socket.start_close(CloseCode::NORMAL, "")).unwrap();
    let result = loop {
        wire.put(&masked(TEXT, b"more"));
        match block_on(socket.recv()) {
            Ok(_) => advance(Duration::from_millis(50)),
            Err(error) => break Err::<(), _>(error),
        }
        assert!(Alarm::now() - started < seconds(1000), "it never ends");
    };
    is_timeout(result, Timeout::CloseLinger);
}

#[test]
fn a_server_that_does_not_end_the_transport() {
    let (mut socket, wire) = lone_client(defaults());
    wire.put(&frame(CLOSE, &close_payload(1000, "")));
    let (result, elapsed) = timing(socket.recv());
    assert_eq!((result.unwrap(), elapsed), (None, 5));
}

#[test]
fn a_violator_that_does_not_end_the_transport() {
    let (mut socket, wire) = lone_server(defaults());
    wire.put(&frame(TEXT, b"not masked"));
    let (result, elapsed) = timing(socket.recv());
    assert!(matches!(result, Err(Error::Violation(Violation::NotMasked))));
    assert_eq!(elapsed, 5);
}

#[test]
fn an_ended_peer_that_does_not_take_the_rest() {
    let (mut socket, wire) = lone_server(timed(|timeouts| timeouts.close = Some(ticks(seconds(5)))));
    wire.output.stall(true);
    block_on(socket.feed("rest")).unwrap();
    wire.input.end();
    let (result, elapsed) = timing(socket.recv());
    assert!(matches!(result, Err(Error::Ended)));
    assert_eq!(elapsed, 5);
}

#[test]
fn lifetime() {
    let (mut socket, wire) = lone_server(timed(|timeouts| timeouts.lifetime = Some(ticks(seconds(60)))));
    let (result, elapsed) = timing(socket.recv());
    is_timeout(result, Timeout::Lifetime);
    assert_eq!(elapsed, 60);
    assert_eq!(frames(&wire.take()), [(CLOSE, close_payload(GOING_AWAY, ""))]);
}

#[test]
fn a_peer_that_never_pauses_does_not_outlive_its_time() {
    let (mut socket, wire) = lone_server(timed(|timeouts| timeouts.lifetime = Some(ticks(seconds(60)))));
    wire.input.set_pace(&Pace::AtMost(10));
    let started = Alarm::now();
    let result = loop {
        while wire.input.len() < 10_000 {
            wire.put(&masked(TEXT, b"1234"));
        }
        match block_on(socket.recv()) {
            Ok(_) => advance(seconds(1)),
            Err(error) => break Err::<(), _>(error),
        }
        assert!(Alarm::now() - started < seconds(1000), "it never ends");
    };
    is_timeout(result, Timeout::Lifetime);
}

/// A deadline that ends the connection while a message is on its way does not cut that message.
#[test]
fn a_close_of_our_own_accord_waits_for_the_end_of_the_frame() {
    let (mut socket, wire) = lone_server(timed(|timeouts| timeouts.lifetime = Some(ticks(seconds(60)))));
    wire.output.state().capacity = 1000;
    let payload = vec![5; 100_000];
    is_timeout(block_on(socket.send(&payload[..])), Timeout::Lifetime);
    let mut sent = wire.take();
    wire.output.state().capacity = usize::MAX;
    let _ = settle(pin!(socket.recv()));
    sent.extend(wire.take());
    let (frames, rest) = frames_and_rest(&sent);
    assert_eq!((frames.len(), rest.len()), (2, 0));
    assert_eq!(frames, [(BINARY, payload), (CLOSE, close_payload(GOING_AWAY, ""))]);
}

#[test]
fn a_handshake_that_does_not_end() {
    for part in [&b""[..], b"GET / HTTP/1.1\r\nHost: a\r\n"] {
        let (io, wire) = raw();
        wire.put(part);
        let config = Arc::new(defaults());
        let (result, elapsed) = timing(accept(io, config.clone(), &OriginPolicy::SameHost));
        assert!(matches!(result, Err(OpenError::Timeout)));
        // Ten for the handshake, five for the refusal.
        assert_eq!(elapsed, 15);
        assert!(wire.take().starts_with(b"HTTP/1.1 408 "));
    }
}

#[test]
fn a_handshake_octet_by_octet_has_no_more_time() {
    let (io, wire) = raw();
    let config = Arc::new(defaults());
    let started = Alarm::now();
    let mut accepting = pin!(accept(io, config, &OriginPolicy::SameHost));
    for octet in b"GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
        assert!(settle(accepting.as_mut()).is_pending());
        if wire.output.len() > 0 {
            break;
        }
        advance(seconds(1));
        wire.put(&[*octet]);
    }
    assert!(wire.take().starts_with(b"HTTP/1.1 408 "));
    assert!(Alarm::now() - started <= seconds(11));
}

#[test]
fn without_deadlines_nothing_is_armed() {
    let (mut socket, wire) = lone_server(untimed());
    let mut receiving = pin!(socket.recv());
    assert!(settle(receiving.as_mut()).is_pending());
    wire.put(&masked(TEXT, b"half")[..3]);
    for _ in 0..10 {
        advance(seconds(1_000_000));
        assert!(settle(receiving.as_mut()).is_pending());
    }
    assert_eq!(wire.take(), []);
}
