//! Messages both ways: batching, large payloads, fragments, replies, and a peer that does not read.

use crate::common::*;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tightwire::{Kind, Message, Role, Server};
use tightwire_async::{Error, tightwire};

const SIZES: [usize; 12] = [0, 1, 125, 126, 4096, 4097, 5000, 65535, 65536, 66000, 300_000, 1 << 20];

fn paces(seed: u64) -> [Pace; 3] {
    [Pace::Free, Pace::AtMost(1000), Pace::Random(Random::new(seed))]
}

#[test]
fn both_roles_echo_messages_of_every_size() {
    for (round, pace) in paces(7).into_iter().enumerate() {
        let (near, far, wire) = pair();
        wire.input.set_pace(&pace);
        wire.output.set_pace(&pace);
        let config = Arc::new(untimed());
        let (mut server, mut client) = (server(near, &config), client(far, &config));
        let mut executor = Executor::new(round as u64);
        executor.spawn(async move {
            while let Some((message, mut sender)) = server.recv_with_sender().await.unwrap() {
                sender.feed(message).await.unwrap();
            }
        });
        let checked = executor.spawn(async move {
            let mut random = Random::new(1);
            for size in SIZES {
                let payload = random.octets(size);
                client.send(&payload[..]).await.unwrap();
                assert_eq!(client.recv().await.unwrap(), Some(Message::Binary(&payload)), "{size}");
                let text: String = "aä€𝄞".chars().cycle().take(size / 4).collect();
                client.send(text.as_str()).await.unwrap();
                let message = client.recv().await.unwrap().unwrap();
                assert_eq!((message.kind(), message.as_str()), (Kind::Text, Some(text.as_str())));
            }
            client.close(tightwire::CloseCode::NORMAL, "").await.unwrap();
            SIZES.len()
        });
        executor.run();
        assert_eq!(checked.output(), SIZES.len());
    }
}

#[test]
fn one_octet_at_a_time() {
    let (near, far, wire) = pair();
    wire.input.set_pace(&Pace::Octet(false));
    wire.output.set_pace(&Pace::Octet(true));
    let config = Arc::new(small(256));
    let (mut server, mut client) = (server(near, &config), client(far, &config));
    let mut executor = Executor::new(3);
    executor.spawn(async move {
        while let Some((message, mut sender)) = server.recv_with_sender().await.unwrap() {
            sender.feed(message).await.unwrap();
        }
    });
    executor.spawn(async move {
        for size in [0, 1, 125, 126, 5000] {
            let payload = Random::new(2).octets(size);
            client.ping(b"between").await.unwrap();
            client.send(&payload[..]).await.unwrap();
            assert_eq!(client.recv().await.unwrap(), Some(Message::Binary(&payload)));
        }
        client.close(tightwire::CloseCode::NORMAL, "").await.unwrap();
    });
    executor.run();
}

#[test]
fn all_messages_of_one_read_are_answered_by_one_write() {
    let (mut socket, wire) = lone_server(untimed());
    let mut input = Vec::new();
    for number in 0..100_u8 {
        input.extend(masked(BINARY, &[number; 16]));
        input.extend(masked(PING, &[number]));
    }
    wire.put(&input);
    let mut echo = pin!(async {
        while let Some((message, mut sender)) = socket.recv_with_sender().await.unwrap() {
            sender.feed(message).await.unwrap();
        }
    });
    assert!(settle(echo.as_mut()).is_pending());
    assert_eq!(wire.output.state().writes.len(), 1);
    let sent = frames(&wire.take());
    assert_eq!(sent.len(), 200);
    for (number, replies) in sent.chunks(2).enumerate() {
        let number = number as u8;
        assert_eq!(replies, [(BINARY, vec![number; 16]), (PONG, vec![number])]);
    }
}

#[test]
fn fed_messages_leave_in_one_write_with_the_next_flush_or_wait() {
    for flush in [true, false] {
        let (mut socket, wire) = lone_server(untimed());
        for number in 0..50_u8 {
            block_on(socket.feed(&[number; 100])).unwrap();
        }
        assert_eq!(wire.output.state().writes, []);
        if flush {
            block_on(socket.flush()).unwrap();
        } else {
            assert!(settle(pin!(socket.recv())).is_pending());
        }
        assert_eq!(wire.output.state().writes, [50 * 102]);
        assert_eq!(frames(&wire.take()).len(), 50);
    }
}

/// Also those that would be copied if the buffers were not so small.
#[test]
fn a_message_larger_than_a_buffer_is_sent() {
    for size in (0..6000).step_by(97) {
        let (mut socket, wire) = lone_server(small(256));
        let payload = vec![6; size];
        block_on(socket.send(&payload[..])).unwrap();
        block_on(socket.feed_fragment(Kind::Binary, &payload, true)).unwrap();
        block_on(socket.flush()).unwrap();
        assert_eq!(frames(&wire.take()), vec![(BINARY, payload); 2]);
        let (mut socket, wire) = lone_client(small(256));
        let payload = vec![6; size];
        block_on(socket.send(&payload[..])).unwrap();
        assert_eq!(frames(&wire.take()), [(BINARY, payload)]);
    }
}

#[test]
fn more_than_a_buffer_of_fed_messages_is_written_when_it_is_full() {
    let (mut socket, wire) = lone_server(small(1024));
    for number in 0..100_u8 {
        block_on(socket.feed(&[number; 100])).unwrap();
    }
    let writes = wire.output.state().writes.clone();
    assert!((5..=12).contains(&writes.len()), "{writes:?}");
    block_on(socket.flush()).unwrap();
    let sent = frames(&wire.take());
    assert!(sent.iter().enumerate().all(|(at, (_, payload))| payload[..] == [at as u8; 100]));
    assert_eq!(sent.len(), 100);
}

#[test]
fn a_large_payload_is_written_from_where_it_lies_together_with_its_head() {
    let (mut socket, wire) = lone_server(untimed());
    let payload = Random::new(4).octets(100_000);
    block_on(socket.feed(&b"first"[..])).unwrap();
    block_on(socket.send(&payload[..])).unwrap();
    {
        let state = wire.output.state();
        assert_eq!(state.writes, [7 + 10 + payload.len()]);
        assert_eq!(state.places.len(), 2);
        assert_eq!(state.places[1], payload.as_ptr().addr());
    }
    let sent = frames(&wire.take());
    assert_eq!(sent, [(BINARY, b"first".to_vec()), (BINARY, payload)]);
}

#[test]
fn a_received_message_is_sent_on_from_where_it_was_received() {
    let (mut socket, wire) = lone_server(untimed());
    let payload = vec![7; 10_000];
    wire.put(&masked(BINARY, &payload));
    let place = block_on(async {
        let (message, mut sender) = socket.recv_with_sender().await.unwrap().unwrap();
        sender.send(message).await.unwrap();
        message.octets().as_ptr().addr()
    });
    assert_eq!(wire.output.state().places[1], place);
}

#[test]
fn large_messages_are_sent_in_fragments_of_the_configured_size() {
    for size in [0, 1, 4999, 5000, 5001, 10_000, 12_345] {
        let mut config = untimed();
        config.fragment = 5000;
        let (mut socket, wire) = lone_server(config);
        let payload = Random::new(5).octets(size);
        block_on(socket.send(&payload[..])).unwrap();
        let sent = frames(&wire.take());
        let lengths: Vec<_> = sent.iter().map(|(_, payload)| payload.len()).collect();
        let mut expected = vec![5000; size / 5000];
        if size % 5000 > 0 || size == 0 {
            expected.push(size % 5000);
        }
        assert_eq!(lengths, expected, "{size}");
        for (at, (first, _)) in sent.iter().enumerate() {
            // RFC 6455 5.4: the first frame has the opcode, the last one FIN
            let opcode = if at == 0 { BINARY & MORE } else { 0 };
            let fin = if at + 1 == sent.len() { CONTINUATION } else { 0 };
            assert_eq!(*first, opcode | fin);
        }
        assert_eq!(sent.concat_payloads(), payload);
    }
}

trait ConcatPayloads {
    fn concat_payloads(&self) -> Vec<u8>;
}

impl ConcatPayloads for Vec<(u8, Vec<u8>)> {
    fn concat_payloads(&self) -> Vec<u8> {
        self.iter().flat_map(|(_, payload)| payload.iter().copied()).collect()
    }
}

#[test]
fn a_message_in_fragments_of_the_callers() {
    let (mut socket, wire) = lone_server(untimed());
    block_on(async {
        socket.feed_fragment(Kind::Text, b"a", false).await.unwrap();
        socket.ping(b"!").await.unwrap();
        let error = socket.send("other").await.unwrap_err();
        assert!(matches!(error, Error::Send(tightwire::SendError::MessageOpen)));
        socket.feed_fragment(Kind::Text, &[b'b'; 5000], false).await.unwrap();
        socket.feed_fragment(Kind::Text, b"", true).await.unwrap();
        socket.send("next").await.unwrap();
    });
    let sent: Vec<_> =
        frames(&wire.take()).into_iter().map(|(first, payload)| (first, payload.len())).collect();
    assert_eq!(sent, [(TEXT & MORE, 1), (PING, 1), (0, 5000), (CONTINUATION, 0), (TEXT, 4)]);
}

#[test]
fn fragments_and_pings_between_them_become_one_message() {
    fn check<R: Role>(mut recv: impl FnMut() -> (u8, Vec<u8>), wire: &Wire, masked_reply: bool) {
        for (first, payload) in [
            (TEXT & MORE, "ä".as_bytes().get(..1).unwrap()),
            (PING, b"1"),
            (0, "ä".as_bytes().get(1..).unwrap()),
            (PING, b"2"),
            (CONTINUATION, b"!"),
        ] {
            wire.put(&frame_to::<R>(first, payload));
        }
        assert_eq!(recv(), (TEXT, "ä!".as_bytes().to_vec()));
        assert!(masked_reply == R::IS_CLIENT);
    }
    let (mut socket, wire) = lone_server(untimed());
    check::<Server>(|| (TEXT, block_on(socket.recv()).unwrap().unwrap().octets().to_vec()), &wire, false);
    assert!(settle(pin!(socket.recv())).is_pending());
    assert_eq!(frames(&wire.take()), [(PONG, b"1".to_vec()), (PONG, b"2".to_vec())]);
    let (mut socket, wire) = lone_client(untimed());
    check::<tightwire::Client<Keys>>(
        || (TEXT, block_on(socket.recv()).unwrap().unwrap().octets().to_vec()),
        &wire,
        true,
    );
    assert!(settle(pin!(socket.recv())).is_pending());
    assert_eq!(frames(&wire.take()), [(PONG, b"1".to_vec()), (PONG, b"2".to_vec())]);
}

#[test]
fn octets_behind_the_handshake_are_the_first_input() {
    let (io, wire) = raw();
    let leftover = [masked(TEXT, b"one"), masked(TEXT, b"two")].concat();
    let (front, back) = leftover.split_at(12);
    let connection = tightwire::Connection::server();
    let mut socket = tightwire_async::WebSocket::new(io, connection, front, Arc::new(untimed()));
    wire.put(back);
    assert_eq!(block_on(socket.recv()).unwrap(), Some("one".into()));
    assert_eq!(block_on(socket.recv()).unwrap(), Some("two".into()));
}

/// The output of a transport that buffers (as TLS does) is passed on whenever this end waits for the peer.
#[test]
fn a_transport_that_buffers_is_flushed_before_waiting() {
    for size in [10, 5000, 200_000] {
        let (mut socket, wire) = lone_server(untimed());
        wire.output.state().buffering = true;
        let payload = vec![1; size];
        block_on(socket.feed(&payload[..])).unwrap();
        assert!(settle(pin!(socket.recv())).is_pending());
        assert_eq!(frames(&wire.take()), [(BINARY, payload)], "{size}");
    }
}

#[test]
fn a_flush_that_has_to_wait_is_taken_up_again() {
    let (mut socket, wire) = lone_server(untimed());
    wire.output.state().buffering = true;
    // The transport takes the octets into its buffer, then cannot pass them on.
    block_on(socket.feed(&b"held"[..])).unwrap();
    {
        let mut receiving = pin!(socket.recv());
        wire.output.state().capacity = 6;
        assert!(settle(receiving.as_mut()).is_pending());
        drop(wire.take());
    }
    block_on(socket.feed(&b"more"[..])).unwrap();
    wire.output.state().capacity = usize::MAX;
    let mut flushed = false;
    {
        let mut receiving = pin!(socket.recv());
        // It writes all, and the flush has to wait.
        wire.output.stall_flush(true);
        assert!(settle(receiving.as_mut()).is_pending());
        assert_eq!(wire.output.len(), 0);
        wire.output.stall_flush(false);
        assert!(settle(receiving.as_mut()).is_pending());
        flushed |= frames(&wire.take()) == [(BINARY, b"more".to_vec())];
    }
    assert!(flushed);
}

/// A peer that pings and never reads stalls itself: it is not read from, and one buffer each way is all it has.
#[test]
fn a_peer_that_pings_and_never_reads_stalls_itself() {
    let (mut socket, wire) = lone_server(small(1024));
    wire.output.stall(true);
    wire.input.set_pace(&Pace::AtMost(500));
    let ping = masked(PING, &[9; 125]);
    for _ in 0..1000 {
        wire.put(&ping);
    }
    let mut receiving = pin!(socket.recv());
    assert!(settle(receiving.as_mut()).is_pending());
    let left = wire.input.len();
    assert!(left > 1000 * ping.len() - 4096, "{left} octets were left unread");
    for _ in 0..10 {
        assert!(settle(receiving.as_mut()).is_pending());
        assert_eq!(wire.input.len(), left);
    }
    // Once it reads, every Ping is answered.
    wire.output.stall(false);
    assert!(settle(receiving.as_mut()).is_pending());
    let sent = frames(&wire.take());
    assert_eq!(sent.len(), 1000);
    assert!(sent.iter().all(|frame| *frame == (PONG, vec![9; 125])));
}

/// However often sending is given up, no more than a message and a buffer of output is held.
#[test]
fn messages_given_up_do_not_pile_up() {
    let (mut socket, wire) = lone_server(small(1024));
    wire.output.stall(true);
    let payload = vec![3; 100_000];
    for _ in 0..20 {
        assert!(settle(pin!(socket.send(&payload[..]))).is_pending());
    }
    wire.output.stall(false);
    block_on(socket.flush()).unwrap();
    let sent = frames(&wire.take());
    assert!((1..=2).contains(&sent.len()), "{} messages were held", sent.len());
    assert!(sent.iter().all(|(first, octets)| (*first, octets) == (BINARY, &payload)));
}

#[test]
fn what_cannot_be_sent_changes_nothing() {
    let (mut socket, wire) = lone_server(untimed());
    block_on(async {
        let error = socket.ping(&[0; 126]).await.unwrap_err();
        assert!(matches!(error, Error::Send(tightwire::SendError::ControlTooLong)) && error.is_caller());
        let error = socket.close(tightwire::CloseCode::ABNORMAL, "").await.unwrap_err();
        assert!(matches!(error, Error::Send(tightwire::SendError::InvalidCloseCode)));
        assert_eq!(error.close_code(), None);
        socket.send("still there").await.unwrap();
    });
    assert_eq!(frames(&wire.take()), [(TEXT, b"still there".to_vec())]);
}

#[test]
fn a_transport_that_fails_to_write_stays_failed() {
    for size in [10, 10_000] {
        let (mut socket, wire) = lone_server(untimed());
        let payload = vec![0; size];
        wire.output.state().capacity = 5;
        assert!(settle(pin!(socket.send(&payload[..]))).is_pending());
        wire.output.fail_writes(Some(ErrorKind::ConnectionReset));
        let error = block_on(socket.flush()).unwrap_err();
        assert!(matches!(&error, Error::Transport(error) if error.kind() == ErrorKind::ConnectionReset));
        assert!(error.is_abnormal() && !error.is_peer());
        // Even if the transport comes back, frames were lost.
        wire.output.fail_writes(None);
        wire.output.state().capacity = usize::MAX;
        assert!(block_on(socket.send("more")).is_err());
        assert!(block_on(socket.flush()).is_err());
        assert!(block_on(socket.ping(b"")).is_err());
        assert_eq!(wire.take().len(), 5);
        // What the peer sent is still received.
        wire.put(&masked(TEXT, b"last words"));
        wire.input.end();
        assert_eq!(block_on(socket.recv()).unwrap(), Some("last words".into()));
        assert!(matches!(block_on(socket.recv()), Err(Error::Ended)));
    }
}

/// A peer that never stops sending what needs no application does not keep the thread for itself.
#[test]
fn an_endless_stream_of_pings_lets_other_tasks_run() {
    let (mut socket, wire) = lone_server(small(256));
    let ping = masked(PING, &[]);
    wire.put(&ping.repeat(100_000));
    let mut receiving = pin!(socket.recv());
    let flag = std::task::Waker::noop();
    let polled = receiving.as_mut().poll(&mut std::task::Context::from_waker(flag));
    assert!(matches!(polled, Poll::Pending));
    assert!(wire.input.len() > 400_000, "{} left", wire.input.len());
}
