//! Cancel safety: the same script, undisturbed and with each future dropped at each of its polls, gives the same
//! transcript on both sides.

use crate::common::*;
use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tightwire::{CloseCode, Kind};
use tightwire_async::tightwire;

/// Gives up a future after its `left`th poll, once.
#[derive(Clone)]
struct Disturbance(Rc<RefCell<Option<usize>>>);

impl Disturbance {
    /// Polls `future` until it is ready or its time has come; `None` if it was given up.
    async fn apply<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = Box::pin(future);
        let output = std::future::poll_fn(|cx| {
            {
                let mut left = self.0.borrow_mut();
                match &mut *left {
                    Some(0) => {
                        *left = None;
                        return Poll::Ready(None);
                    }
                    Some(left) => *left -= 1,
                    None => {}
                }
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await;
        drop(future);
        output
    }

    fn is_over(&self) -> bool {
        self.0.borrow().is_none()
    }
}

macro_rules! repeat {
    ($disturbance:expr, $call:expr) => {
        loop {
            if let Some(output) = $disturbance.apply($call).await {
                break output.unwrap();
            }
        }
    };
}

fn setup() -> (ServerSocket, Wire) {
    let mut config = small(256);
    config.fragment = 5000;
    let (io, wire) = raw();
    wire.input.set_pace(&Pace::Octet(false));
    wire.output.set_pace(&Pace::Octet(true));
    (server(io, &Arc::new(config)), wire)
}

fn input() -> Vec<u8> {
    let mut input = Vec::new();
    input.extend(masked(TEXT, b"first"));
    input.extend(masked(PING, b"ping"));
    input.extend(masked(BINARY & MORE, &[1; 300]));
    input.extend(masked(PING, b"pong"));
    input.extend(masked(CONTINUATION, &[2; 5]));
    input.extend(masked(TEXT, b""));
    input.extend(masked(BINARY, &[3; 200]));
    input.extend(masked(CLOSE, &close_payload(3000, "over")));
    input
}

/// Runs `script` undisturbed, then with every disturbance that it can have.
fn everywhere<F: Future<Output = String>>(script: impl Fn(ServerSocket, Wire, Disturbance) -> F) {
    let run = |at: Option<usize>| {
        let (socket, wire) = setup();
        let disturbance = Disturbance(Rc::new(RefCell::new(at)));
        let transcript = block_on(script(socket, wire.clone(), disturbance.clone()));
        (transcript, frames(&wire.take()), disturbance.is_over())
    };
    let (transcript, sent, _) = run(None);
    for at in 0.. {
        let (disturbed, disturbed_sent, reached) = run(Some(at));
        assert_eq!((&disturbed, &disturbed_sent), (&transcript, &sent), "given up after {at} polls");
        if !reached {
            assert!(at > 100, "hardly anything was disturbed");
            return;
        }
    }
}

#[test]
fn receiving() {
    everywhere(|mut socket, wire, disturbance| async move {
        wire.put(&input());
        let mut transcript = String::new();
        loop {
            let received = loop {
                let polled = disturbance.apply(async {
                    socket.recv().await.map(|message| message.map(|message| format!("{message:?};")))
                });
                if let Some(output) = polled.await {
                    break output.unwrap();
                }
            };
            let Some(message) = received else { break };
            transcript += &message;
        }
        format!("{transcript} {:?}", socket.closed())
    });
}

#[test]
fn chunks() {
    everywhere(|mut socket, wire, disturbance| async move {
        wire.put(&input());
        let mut transcript = Vec::new();
        loop {
            let mut reader = loop {
                if let Some(output) = disturbance.apply(socket.recv_reader()).await {
                    break output.unwrap();
                }
                // A borrow that ended with the future.
            };
            let Some(reader) = &mut reader else { break };
            transcript.push(b'|');
            loop {
                let chunk = repeat!(disturbance, async {
                    reader.chunk().await.map(|chunk| chunk.map(<[u8]>::to_vec))
                });
                let Some(chunk) = chunk else { break };
                transcript.extend(chunk);
            }
        }
        format!("{transcript:?}")
    });
}

/// A message that was given up before it began is sent by the next call; one that had begun is complete already.
/// So each is sent once or twice, in order, and none is cut.
#[test]
fn sending() {
    // Every poll of the small ones, a sample of the large ones.
    for (size, step) in [(10, 1), (300, 7), (4097, 1013), (12_000, 3511)] {
        for at in (0..).step_by(step) {
            let (mut socket, wire) = setup();
            let disturbance = Disturbance(Rc::new(RefCell::new(Some(at))));
            let mut given_up = 0;
            block_on(async {
                for number in 0..3_u8 {
                    let payload = vec![number; size];
                    while disturbance.apply(socket.send(&payload[..])).await.is_none() {
                        given_up += 1;
                    }
                }
                socket.flush().await.unwrap();
            });
            let sent = messages(&wire.take());
            let mut numbers: Vec<_> = sent.iter().map(|payload| payload[0]).collect();
            assert!(
                sent.iter().all(|payload| payload.len() == size && payload.iter().all(|o| *o == payload[0]))
            );
            assert!(numbers.len() <= 3 + given_up);
            numbers.dedup();
            assert_eq!(numbers, [0, 1, 2]);
            if !disturbance.is_over() {
                break;
            }
        }
    }
}

/// The payloads of whole messages.
fn messages(wire: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut message = Vec::new();
    for (first, payload) in frames(wire) {
        assert_eq!(first & 0x0F == 0, !message.is_empty(), "a frame out of order");
        message.extend(payload);
        if first & 0x80 != 0 {
            messages.push(std::mem::take(&mut message));
        }
    }
    assert!(message.is_empty());
    messages
}

#[test]
fn feeding_and_flushing() {
    everywhere(|mut socket, _wire, disturbance| async move {
        for number in 0..20_u8 {
            // Small messages are queued at once or not at all: given up, nothing of them is sent.
            while disturbance.apply(socket.feed(&[number; 60])).await.is_none() {}
        }
        repeat!(disturbance, socket.flush());
        String::new()
    });
}

/// Dropped after it was queued and called again, a Ping may leave twice, but whole.
#[test]
fn pinging() {
    for at in 0.. {
        let (mut socket, wire) = setup();
        let disturbance = Disturbance(Rc::new(RefCell::new(Some(at))));
        block_on(async {
            for number in 0..3_u8 {
                while disturbance.apply(socket.ping(&[number; 100])).await.is_none() {}
            }
            socket.flush().await.unwrap();
        });
        let mut sent = frames(&wire.take());
        sent.dedup();
        assert_eq!(sent, [(PING, vec![0; 100]), (PING, vec![1; 100]), (PING, vec![2; 100])]);
        if !disturbance.is_over() {
            break;
        }
    }
}

#[test]
fn closing() {
    everywhere(|mut socket, wire, disturbance| async move {
        wire.put(&masked(TEXT, b"dropped"));
        wire.put(&masked(CLOSE, &close_payload(1000, "yes")));
        block_feed(&mut socket).await;
        repeat!(disturbance, socket.close(CloseCode::NORMAL, "closing"));
        format!("{:?} {}", socket.closed(), wire.output.is_ended())
    });
    everywhere(|mut socket, wire, disturbance| async move {
        wire.put(&masked(TEXT, b"kept"));
        wire.put(&masked(CLOSE, &close_payload(1000, "yes")));
        block_feed(&mut socket).await;
        // Given up, the frame is queued or not.
        loop {
            match disturbance.apply(socket.start_close(CloseCode::NORMAL, "closing")).await {
                Some(Ok(()) | Err(tightwire_async::Error::Send(tightwire::SendError::Closed))) => break,
                Some(Err(error)) => panic!("{error:?}"),
                None => {}
            }
        }
        let received = socket.recv().await.unwrap().map(|message| format!("{message:?}"));
        assert_eq!(socket.recv().await.unwrap(), None);
        format!("{received:?} {:?}", socket.closed())
    });
}

/// Something that has to leave before the Close frame can.
async fn block_feed(socket: &mut ServerSocket) {
    socket.feed(&[8; 120]).await.unwrap();
}

#[test]
fn streaming() {
    everywhere(|mut socket, _wire, disturbance| async move {
        let payload = Random::new(6).octets(2000);
        let mut writer = socket.writer(Kind::Binary).unwrap();
        let mut rest = &payload[..];
        while !rest.is_empty() {
            let taken = repeat!(disturbance, writer.write(&rest[..rest.len().min(99)]));
            rest = &rest[taken..];
        }
        repeat!(disturbance, writer.flush());
        writer.finish().await.unwrap();
        String::new()
    });
}

#[test]
fn halves() {
    everywhere(|socket, wire, disturbance| async move {
        let (mut reader, mut writer) = socket.split();
        wire.put(&input());
        let mut transcript = String::new();
        for number in 0..20_u8 {
            while disturbance.apply(writer.feed(&[number; 60])).await.is_none() {}
        }
        repeat!(disturbance, writer.flush());
        loop {
            let received = loop {
                let polled = disturbance.apply(async {
                    reader.recv().await.map(|message| message.map(|message| format!("{message:?};")))
                });
                if let Some(output) = polled.await {
                    break output.unwrap();
                }
            };
            let Some(message) = received else { break };
            transcript += &message;
        }
        transcript
    });
}

/// Polled with one waker and then another, a future wakes the later one.
#[test]
fn a_future_that_moves_between_tasks() {
    let (mut socket, wire) = lone_server(untimed());
    let mut receiving = pin!(socket.recv());
    assert!(receiving.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(settle(receiving.as_mut()).is_pending());
    wire.put(&masked(TEXT, b"here"));
    assert!(settle(receiving.as_mut()).is_ready());
}
