//! Futures that are dropped at every poll: nothing is lost, nothing is sent twice.

mod common;

use common::{Pipe, REQUEST, Seen, block_on, frame, push, whole_messages};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use embedded_io::ErrorKind;
use tightwire_embedded::asynch::{Timer, WebSocket, accept};
use tightwire_embedded::{
    Buffers, CloseCode, Error, Inline, Kind, Opening, OriginPolicy, SendError, Server, Slot, Storage,
};

/// Polls a future at most `polls` times, then drops it.
fn polled<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
    }
    None
}

fn open<B: Storage>(wire: &[u8], most: usize, buffers: B) -> WebSocket<Pipe, Server, B> {
    let mut pipe = Pipe::new(&[REQUEST, wire].concat()).in_pieces(most).waiting();
    pipe.at_end = Some(ErrorKind::TimedOut);
    let mut slots = [Slot::EMPTY; 8];
    let opening = Opening::new(pipe, buffers, &mut slots);
    block_on(accept(opening, &OriginPolicy::Any)).expect("the handshake is good")
}

/// What was written behind the handshake.
fn output<B: Storage>(socket: WebSocket<Pipe, Server, B>) -> Vec<u8> {
    let output = socket.into_transport().output;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    output[end..].to_vec()
}

type Small = Inline<512, 200>;

/// The futures are dropped after each number of polls, first after 0 and then after one more each time.
fn drop_at_every_poll(mut step: impl FnMut(usize) -> bool) {
    for polls in (0..).cycle().take(100_000) {
        let polls = polls % 7;
        if step(polls) {
            return;
        }
    }
    panic!("there is no progress");
}

#[test]
fn receiving_and_its_replies() {
    let large: Vec<u8> = (0..=255).cycle().take(900).collect();
    let wire = [
        frame(false, 0x81, b"one"),
        frame(false, 0x89, b"ping"),
        frame(false, 0x02, &large[..700]),
        frame(false, 0x89, &[8; 125]),
        frame(false, 0x80, &large[700..]),
        frame(false, 0x88, b"\x03\xe8"),
    ]
    .concat();
    for most in [1, 3, 100, 10_000] {
        let mut socket = open(&wire, most, Small::inline());
        let mut seen = Vec::new();
        drop_at_every_poll(|polls| match polled(socket.recv(), polls) {
            Some(Ok(Some(received))) => {
                push(&mut seen, &received);
                false
            }
            Some(Ok(None)) => true,
            Some(Err(error)) => panic!("{error}"),
            None => false,
        });
        assert!(seen == [Seen::text("one"), Seen::binary(&large)], "pieces of {most}");
        let expected =
            [frame(true, 0x8A, b"ping"), frame(true, 0x8A, &[8; 125]), frame(true, 0x88, b"\x03\xe8")];
        assert_eq!(output(socket), expected.concat());
    }
}

#[test]
fn sending_what_fits_the_storage() {
    for most in [1, 3, 100, 10_000] {
        let mut socket = open(&[], most, Small::inline());
        let mut begun = Vec::new();
        for number in 0..60u8 {
            let payload = [number; 30];
            for polls in 0..4 {
                let queued = match number % 4 {
                    0 => polled(socket.send(&payload), polls),
                    1 => polled(socket.feed(&payload), polls),
                    2 => polled(socket.ping(&payload), polls),
                    _ => polled(socket.feed_fragment(Kind::Binary, &payload, true), polls),
                };
                begun.push((number % 4, payload));
                assert!(queued.is_none_or(|sent| sent.is_ok()));
            }
        }
        block_on(socket.flush()).unwrap();
        assert_eq!(block_on(socket.recv()).err(), Some(Error::Io(ErrorKind::TimedOut)));
        // Whole frames, in order, each of them once or not at all.
        let output = output(socket);
        let (mut wire, mut calls, mut sent) = (&output[..], begun.iter(), 0);
        while let [first, 30, rest @ ..] = wire {
            let (payload, rest) = rest.split_at(30);
            let opcode = |number: u8| if number == 2 { 0x89 } else { 0x82 };
            let found = calls.find(|(number, call)| opcode(*number) == *first && call == payload);
            assert!(found.is_some(), "a frame that nobody sent");
            wire = rest;
            sent += 1;
        }
        assert!(wire.is_empty());
        assert!(sent > 10, "{sent} frames");
    }
}

// A message that does not fit may stay unfinished; that can be seen, and the connection lives on
#[test]
fn sending_what_does_not_fit_the_storage() {
    let large = [7; 1000];
    let mut unfinished = 0;
    for polls in 0..60 {
        let mut socket = open(&[], 50, Small::inline());
        let sent = polled(socket.send(&large), polls);
        if socket.open_message() == Some(Kind::Binary) {
            unfinished += 1;
            assert_eq!(sent, None);
            assert_eq!(block_on(socket.send("x")), Err(Error::Caller(SendError::MessageOpen)));
            block_on(socket.feed_fragment(Kind::Binary, b"", true)).unwrap();
        }
        block_on(socket.send("then")).unwrap();
        let output = output(socket);
        let whole = whole_messages(&output);
        assert!(whole.ends_with(&frame(true, 0x81, b"then")), "{polls}");
        let payload = whole.iter().filter(|octet| **octet == 7).count();
        assert!(if sent.is_some() { payload == 1000 } else { payload <= 1000 });
    }
    assert!(unfinished > 5, "{unfinished}");
}

#[test]
fn closing() {
    let wire = [frame(false, 0x81, b"late"), frame(false, 0x88, b"\x03\xe8")].concat();
    for most in [1, 3, 10_000] {
        let mut socket = open(&wire, most, Small::inline());
        drop_at_every_poll(|polls| {
            polled(socket.close(CloseCode::GOING_AWAY, "bye"), polls).is_some_and(|closed| {
                closed.unwrap();
                true
            })
        });
        assert_eq!(socket.closed().map(|frame| frame.code), Some(CloseCode::NORMAL));
        assert_eq!(output(socket), frame(true, 0x88, b"\x03\xe9bye"));
    }
}

/// A clock that a test sets.
struct Hand<'a>(&'a core::cell::Cell<u32>);

impl tightwire_embedded::Clock for Hand<'_> {
    fn now(&mut self) -> u32 {
        self.0.get()
    }
}

impl Timer for Hand<'_> {
    async fn wait_until(&mut self, tick: u32) {
        core::future::poll_fn(|_| if self.0.get() >= tick { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// A transport that gives nothing and takes everything.
#[derive(Default)]
struct Silent(Vec<u8>);

impl embedded_io::ErrorType for Silent {
    type Error = ErrorKind;
}

impl embedded_io_async::Read for Silent {
    async fn read(&mut self, _: &mut [u8]) -> Result<usize, ErrorKind> {
        core::future::pending().await
    }
}

impl embedded_io_async::Write for Silent {
    async fn write(&mut self, octets: &[u8]) -> Result<usize, ErrorKind> {
        self.0.extend_from_slice(octets);
        Ok(octets.len())
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

// A deadline ends the wait for a silent peer, though the read never does
#[test]
fn a_deadline_interrupts_a_read() {
    use tightwire_embedded::deadline::Timeout;
    let time = core::cell::Cell::new(0);
    let buffers = Buffers::new([0; 131], [0; 131]).unwrap();
    let opening = Opening::new(Silent::default(), buffers, &mut []).with_clock(Hand(&time));
    let connection = tightwire_embedded::Connection::server();
    let mut socket = tightwire_embedded::asynch::adopt(opening, connection, &[]).unwrap();
    // The defaults, for ticks of a millisecond: a Ping after 20 s, the end 20 s later.
    for (now, sent) in [(0, 0), (19_999, 0), (20_000, 2), (39_999, 2)] {
        time.set(now);
        assert_eq!(polled(socket.recv(), 3), None, "{now}");
        assert_eq!(socket.transport().0.len(), sent, "{now}");
    }
    time.set(40_000);
    assert_eq!(polled(socket.recv(), 3), Some(Err(Error::Timeout(Timeout::Pong))));
    // RFC 6455 7.1.7: the peer is told where it may still read it
    assert_eq!(socket.transport().0, b"\x89\x00\x88\x02\x03\xe9");
    assert_eq!(polled(socket.recv(), 1), Some(Err(Error::Timeout(Timeout::Pong))));
}
