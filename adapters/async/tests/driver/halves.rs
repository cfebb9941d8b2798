//! Readers and writers in tasks of their own.

use crate::common::*;
use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tightwire::deadline::Timeout;
use tightwire::{CloseCode, Kind, Message, SendError, Server, Violation};
use tightwire_async::{Config, Error, Reader, Writer, ticks, tightwire};

fn split(config: Config) -> (Reader<End, Server>, Writer<End, Server>, Wire) {
    let (socket, wire) = lone_server(config);
    let (reader, writer) = socket.split();
    (reader, writer, wire)
}

#[test]
fn a_ping_is_answered_while_the_application_only_reads() {
    let (mut reader, _writer, wire) = split(untimed());
    wire.put(&masked(PING, b"1"));
    assert!(settle(pin!(reader.recv())).is_pending());
    assert_eq!(frames(&wire.take()), [(PONG, b"1".to_vec())]);
}

#[test]
fn a_ping_is_answered_between_the_fragments_of_a_long_message() {
    let mut config = untimed();
    config.fragment = 10_000;
    let (mut reader, mut writer, wire) = split(config);
    let payload = vec![1; 35_000];
    wire.output.state().capacity = 15_000;
    let mut sending = pin!(writer.send(&payload[..]));
    let mut receiving = pin!(reader.recv());
    assert!(settle(sending.as_mut()).is_pending());
    wire.put(&masked(PING, b"now"));
    assert!(settle(receiving.as_mut()).is_pending());
    let mut sent = wire.take();
    wire.output.state().capacity = usize::MAX;
    assert!(matches!(settle(sending.as_mut()), Poll::Ready(Ok(()))));
    sent.extend(wire.take());
    let order: Vec<_> = frames(&sent).iter().map(|(first, payload)| (*first, payload.len())).collect();
    let expected = [(BINARY & MORE, 10_000), (0, 10_000), (PONG, 3), (0, 10_000), (CONTINUATION, 5000)];
    assert_eq!(order, expected);
}

#[test]
fn a_message_that_has_to_wait_does_not_hold_up_the_reader() {
    let (mut reader, mut writer, wire) = split(untimed());
    wire.output.state().capacity = 100;
    let payload = vec![0; 100_000];
    let mut sending = pin!(writer.send(&payload[..]));
    assert!(settle(sending.as_mut()).is_pending());
    for number in 0..1000_u16 {
        wire.put(&masked(BINARY, &number.to_be_bytes()));
        assert_eq!(block_on(reader.recv()).unwrap(), Some(Message::Binary(&number.to_be_bytes())));
    }
}

#[test]
fn pings_and_a_close_from_a_third_place() {
    let (mut reader, mut writer, wire) = split(untimed());
    let control = reader.control();
    let other = writer.control().clone();
    block_on(writer.feed("first")).unwrap();
    control.ping(b"p").unwrap();
    assert_eq!(frames(&wire.take()), [(TEXT, b"first".to_vec()), (PING, b"p".to_vec())]);
    other.close(CloseCode::GOING_AWAY, "bye").unwrap();
    assert_eq!(frames(&wire.take()), [(CLOSE, close_payload(1001, "bye"))]);
    assert!(matches!(control.ping(b""), Err(Error::Send(SendError::Closed))));
    assert!(matches!(block_on(writer.send("late")), Err(Error::Send(SendError::Closed))));
    wire.put(&masked(CLOSE, &close_payload(1001, "")));
    assert_eq!(block_on(reader.recv()).unwrap(), None);
    assert!(wire.output.is_ended());
    drop((reader, writer));
    assert!(matches!(control.close(CloseCode::NORMAL, ""), Err(Error::Ended)));
}

/// A Close frame from a third place waits for the end of the frame that is on its way, and is not lost.
#[test]
fn a_close_in_the_middle_of_a_frame() {
    let (mut reader, mut writer, wire) = split(untimed());
    let control = reader.control();
    wire.output.state().capacity = 1000;
    let payload = vec![2; 20_000];
    let mut sending = pin!(writer.send(&payload[..]));
    assert!(settle(sending.as_mut()).is_pending());
    control.close(CloseCode::NORMAL, "").unwrap();
    let mut sent = wire.take();
    wire.output.state().capacity = usize::MAX;
    assert!(matches!(settle(sending.as_mut()), Poll::Ready(Ok(()))));
    sent.extend(wire.take());
    assert_eq!(frames(&sent), [(BINARY, payload.clone()), (CLOSE, close_payload(1000, ""))]);
    wire.put(&masked(CLOSE, &close_payload(1000, "")));
    assert_eq!(block_on(reader.recv()).unwrap(), None);
}

/// The reader ends the transport only behind the frame that the writer has begun: the peer gets all of it, and
/// the Close frame.
#[test]
fn the_peer_closes_or_breaks_the_protocol_in_the_middle_of_a_frame_of_ours() {
    for (input, code) in [(masked(CLOSE, &close_payload(1000, "")), 1000), (frame(TEXT, b"not masked"), 1002)]
    {
        let (mut reader, mut writer, wire) = split(untimed());
        wire.output.state().capacity = 1000;
        let payload = vec![2; 20_000];
        let mut executor = Executor::new(u64::from(code));
        let message = payload.clone();
        let sending = executor.spawn(async move { writer.send(&message[..]).await });
        executor.settle();
        wire.put(&input);
        let receiving = executor.spawn(async move { reader.recv().await.map(|message| message.is_some()) });
        executor.settle();
        assert!(!receiving.is_done() && !wire.output.is_ended());
        let mut sent = Vec::new();
        while wire.output.len() > 0 {
            sent.extend(wire.take());
            executor.settle();
        }
        assert_eq!(frames(&sent), [(BINARY, payload), (CLOSE, close_payload(code, ""))]);
        sending.output().unwrap();
        assert!(wire.output.is_ended());
        wire.input.end();
        executor.run();
        match receiving.output() {
            Ok(more) => assert!(!more && code == 1000),
            Err(error) => assert!(matches!(error, Error::Violation(Violation::NotMasked))),
        }
    }
}

/// A frame that its writer does not see through does not keep the transport open for ever.
#[test]
fn a_writer_that_is_not_polled_does_not_hold_up_the_end() {
    let mut config = untimed();
    config.timeouts.close = Some(ticks(seconds(5)));
    let (mut reader, mut writer, wire) = split(config);
    wire.output.state().capacity = 1000;
    let payload = vec![2; 20_000];
    let mut sending = pin!(writer.send(&payload[..]));
    assert!(settle(sending.as_mut()).is_pending());
    wire.put(&masked(CLOSE, &close_payload(1000, "")));
    assert_eq!(block_on(reader.recv()).unwrap(), None);
    assert!(settle(sending.as_mut()).is_ready());
    assert!(block_on(sending_again(&mut reader)).is_none());
}

async fn sending_again(reader: &mut Reader<End, Server>) -> Option<()> {
    reader.recv().await.unwrap().map(|_| ())
}

#[test]
fn halves_of_one_connection_are_reunited() {
    let (reader, mut writer, wire) = split(untimed());
    let (other_reader, other_writer, _other) = split(untimed());
    let (reader, other_writer) = reader.reunite(other_writer).unwrap_err();
    let control = reader.control();
    block_on(writer.feed("queued")).unwrap();
    wire.put(&masked(TEXT, b"half")[..8]);
    let mut socket = reader.reunite(writer).unwrap();
    wire.put(&masked(TEXT, b"half")[8..]);
    assert_eq!(block_on(socket.recv()).unwrap(), Some("half".into()));
    assert!(matches!(control.ping(b""), Err(Error::Ended)));
    let (mut reader, mut writer) = socket.split();
    block_on(writer.send("again")).unwrap();
    assert_eq!(frames(&wire.take()), [(TEXT, b"queued".to_vec()), (TEXT, b"again".to_vec())]);
    wire.put(&masked(TEXT, b"and again"));
    assert_eq!(block_on(reader.recv()).unwrap(), Some("and again".into()));
    assert!(other_reader.reunite(other_writer).is_ok());
}

#[test]
fn the_transport_ends_with_the_later_half_whichever_it_is() {
    for reader_first in [true, false] {
        let (reader, mut writer, wire) = split(untimed());
        if reader_first {
            drop(reader);
            block_on(writer.send("alone")).unwrap();
            assert!(!wire.output.is_ended());
            drop(writer);
        } else {
            block_on(writer.feed("left behind")).unwrap();
            drop(writer);
            let mut reader = reader;
            wire.put(&masked(TEXT, b"alone"));
            assert_eq!(block_on(reader.recv()).unwrap(), Some("alone".into()));
            assert!(settle(pin!(reader.recv())).is_pending());
            drop(reader);
        }
        assert_eq!(frames(&wire.take()).len(), 1);
        assert!(wire.output.is_ended());
    }
}

/// What a dropped future or writer leaves in the output, the reader is woken to send.
#[test]
fn the_reader_sends_what_a_dropped_writer_leaves_behind() {
    let (mut reader, mut writer, wire) = split(untimed());
    let mut executor = Executor::new(5);
    executor.spawn(async move { while let Ok(Some(_)) = reader.recv().await {} });
    executor.settle();
    {
        let mut message = writer.writer(Kind::Text).unwrap();
        block_on(message.write_all(b"never finished")).unwrap();
    }
    executor.settle();
    assert_eq!(frames(&wire.take()), [(CLOSE, close_payload(1011, "message abandoned"))]);
}

#[test]
fn the_reader_keeps_the_deadline_of_a_close_that_was_given_up() {
    let (mut reader, mut writer, wire) = split(Config::default());
    wire.output.stall(true);
    let mut executor = Executor::new(5);
    let result = executor.spawn(async move { reader.recv().await.map(|_| ()) });
    executor.settle();
    assert!(settle(pin!(writer.close(CloseCode::NORMAL, ""))).is_pending());
    executor.settle();
    advance(seconds(6));
    executor.settle();
    assert!(matches!(result.output(), Err(Error::Timeout(Timeout::CloseLinger))));
}

#[test]
fn the_reader_keeps_the_deadline_of_a_write_that_was_given_up() {
    for ping in [None, Some(200)] {
        let mut config = untimed();
        config.timeouts.write = Some(ticks(seconds(30)));
        config.timeouts.ping = ping;
        config.timeouts.pong = ping;
        let (mut reader, mut writer, wire) = split(config);
        wire.output.stall(true);
        let mut executor = Executor::new(5);
        let result = executor.spawn(async move { reader.recv().await.map(|_| ()) });
        executor.settle();
        {
            let mut sending = pin!(writer.send("never taken"));
            assert!(settle(sending.as_mut()).is_pending());
        }
        executor.settle();
        for _ in 0..31 {
            advance(seconds(1));
            executor.settle();
        }
        assert!(matches!(result.output(), Err(Error::Timeout(Timeout::WriteStall))));
    }
}

#[test]
fn keepalive_works_in_halves() {
    let (mut reader, mut writer, wire) = split(Config::default());
    block_on(writer.send("hello")).unwrap();
    let _ = wire.take();
    {
        let mut receiving = pin!(reader.recv());
        assert!(settle(receiving.as_mut()).is_pending());
        advance(seconds(20));
        assert!(settle(receiving.as_mut()).is_pending());
        let sent = frames(&wire.take());
        assert_eq!((sent.len(), sent[0].0), (1, PING));
        advance(Duration::from_millis(25));
        wire.put(&masked(PONG, &sent[0].1));
        assert!(settle(receiving.as_mut()).is_pending());
    }
    assert_eq!(reader.round_trip(), Some(Duration::from_millis(25)));
}

#[test]
fn a_peer_that_pings_and_never_reads_stalls_the_reader_too() {
    let (mut reader, mut writer, wire) = split(small(1024));
    wire.output.state().capacity = 100;
    let payload = vec![1; 10_000];
    let mut executor = Executor::new(9);
    let message = payload.clone();
    let sending = executor.spawn(async move {
        writer.send(&message[..]).await.unwrap();
        writer
    });
    executor.settle();
    wire.put(&masked(PING, &[7; 125]).repeat(200));
    executor.spawn(async move { reader.recv().await.map(|_| ()) });
    executor.settle();
    assert!(wire.input.len() > 150 * 131, "{} left", wire.input.len());
    let mut sent = Vec::new();
    while wire.output.len() > 0 {
        sent.extend(wire.take());
        executor.settle();
    }
    assert!(sending.is_done());
    let sent = frames(&sent);
    assert_eq!(sent.len(), 201);
    assert_eq!(sent[0], (BINARY, payload));
    assert!(sent[1..].iter().all(|frame| *frame == (PONG, vec![7; 125])));
}

/// Random schedules: messages both ways, Pings from three places, small buffers and pipes. Every task must
/// come to its end without a deadline to wake it.
#[test]
fn no_schedule_loses_a_wake_up() {
    let rounds = if cfg!(debug_assertions) { 60 } else { 2000 };
    for seed in 0..rounds {
        schedule(seed);
    }
}

fn schedule(seed: u64) {
    let mut random = Random::new(seed);
    let (near, far, wire) = pair();
    let (capacity, largest) = [(1, 3), (7, 4), (100, 5), (3000, 6), (usize::MAX, 6)][random.below(5)];
    for lane in [&wire.input, &wire.output] {
        let mut state = lane.state();
        state.capacity = capacity;
        state.read_pace = Pace::Random(random.clone());
        state.write_pace = if random.below(2) == 0 { Pace::Free } else { Pace::Random(random.clone()) };
        state.buffering = random.below(4) == 0;
        if state.buffering {
            state.capacity = usize::MAX;
        }
    }
    let mut config = small(256);
    config.fragment = [100, 5000, 1 << 20][random.below(3)];
    let config = Arc::new(config);
    let sizes: Vec<_> = (0..6).map(|_| [0, 1, 100, 600, 4097, 9000][random.below(largest)]).collect();
    let (mut near_reader, mut near_writer) = server(near, &config).split();
    let (mut far_reader, mut far_writer) = client(far, &config).split();
    let (near_control, far_control) = (near_reader.control(), far_reader.control());
    let mut executor = Executor::new(seed);
    let received = Rc::new(Received::default());

    let expected = sizes.clone();
    let count = received.clone();
    executor.spawn(async move {
        for size in expected {
            assert_eq!(near_reader.recv().await.unwrap().unwrap().len(), size);
            count.add(0);
        }
        while near_reader.recv().await.unwrap().is_some() {}
    });
    let expected = sizes.clone();
    let count = received.clone();
    executor.spawn(async move {
        for size in expected {
            assert_eq!(far_reader.recv().await.unwrap().unwrap().len(), size);
            count.add(1);
        }
        while far_reader.recv().await.unwrap().is_some() {}
    });
    let to_send = sizes.clone();
    let feeds = random.below(2) == 0;
    executor.spawn(async move {
        for size in to_send {
            let payload = vec![1; size];
            if feeds { near_writer.feed(&payload[..]).await } else { near_writer.send(&payload[..]).await }
                .unwrap();
        }
        near_writer.flush().await.unwrap();
    });
    let to_send = sizes.clone();
    let count = received.clone();
    executor.spawn(async move {
        for size in to_send {
            far_writer.send(&vec![1; size][..]).await.unwrap();
        }
        // Once all has arrived, the client closes.
        std::future::poll_fn(|cx| count.poll_all(cx)).await;
        far_writer.close(CloseCode::NORMAL, "").await.unwrap();
    });
    executor.spawn(async move {
        for number in 0..10_u8 {
            let _ = near_control.ping(&[number]);
            let _ = far_control.ping(&[number; 100]);
            yield_now().await;
        }
    });
    executor.run();
    assert_eq!(*received.counts.borrow(), [6, 6], "seed {seed}");
}

/// How many messages have arrived at either end.
#[derive(Default)]
struct Received {
    counts: RefCell<[usize; 2]>,
    waker: RefCell<Option<std::task::Waker>>,
}

impl Received {
    fn add(&self, end: usize) {
        self.counts.borrow_mut()[end] += 1;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll_all(&self, cx: &mut std::task::Context<'_>) -> Poll<()> {
        self.waker.replace(Some(cx.waker().clone()));
        if *self.counts.borrow() == [6, 6] { Poll::Ready(()) } else { Poll::Pending }
    }
}

async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The same on threads: what a single thread never interleaves.
#[test]
fn halves_on_threads() {
    let rounds = if cfg!(debug_assertions) { 10 } else { 100 };
    for seed in 0..rounds {
        threads(seed);
    }
}

fn threads(seed: u64) {
    let (near, far, wire) = pair();
    for lane in [&wire.input, &wire.output] {
        lane.state().capacity = 2000;
        lane.set_pace(&Pace::Random(Random::new(seed)));
    }
    let config = Arc::new(small(256));
    let (mut reader, mut writer) = server(near, &config).split();
    let control = reader.control();
    let (mut far_reader, mut far_writer) = client(far, &config).split();
    std::thread::scope(|scope| {
        scope.spawn(move || park_on(async move { while reader.recv().await.unwrap().is_some() {} }));
        scope.spawn(move || {
            park_on(async move {
                for _ in 0..20 {
                    let mut message = writer.writer(Kind::Binary).unwrap();
                    message.write_all(&[1; 1500]).await.unwrap();
                    message.finish().await.unwrap();
                    writer.send(&[2; 5000]).await.unwrap();
                }
            });
        });
        scope.spawn(move || {
            for number in 0..50_u8 {
                let _ = control.ping(&[number]);
                std::thread::yield_now();
            }
        });
        scope.spawn(move || {
            park_on(async move {
                for number in 0..200_u8 {
                    match far_writer.send(&[number; 10]).await {
                        Ok(()) => {}
                        // The reader may be done before.
                        Err(Error::Send(SendError::Closed)) => break,
                        Err(error) => panic!("{error}"),
                    }
                    far_writer.control().ping(&[number; 20]).unwrap_or(());
                }
            });
        });
        scope.spawn(move || {
            park_on(async move {
                for _ in 0..20 {
                    assert_eq!(far_reader.recv().await.unwrap(), Some(Message::Binary(&[1; 1500])));
                    assert_eq!(far_reader.recv().await.unwrap(), Some(Message::Binary(&[2; 5000])));
                }
                far_reader.control().close(CloseCode::NORMAL, "").unwrap_or(());
                while far_reader.recv().await.unwrap().is_some() {}
            });
        });
    });
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// # Panics
/// The thread was not woken for a long time.
fn park_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Arc::new(Unpark(std::thread::current())).into();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            return output;
        }
        let parked = std::time::Instant::now();
        std::thread::park_timeout(seconds(60));
        assert!(parked.elapsed() < seconds(60), "a wake-up was lost");
    }
}
