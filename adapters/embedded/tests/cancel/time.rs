//! Deadlines, which drop the transport's futures.

use super::polled;
use core::cell::Cell;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use embedded_io::ErrorKind;
use tightwire_embedded::asynch::{Timer, accept, adopt};
use tightwire_embedded::deadline::Timeout;
use tightwire_embedded::{Clock, Connection, Error, Inline, OpenError, Opening, OriginPolicy};

/// A clock that a test sets.
struct Hand<'a>(&'a Cell<u32>);

impl Clock for Hand<'_> {
    fn now(&mut self) -> u32 {
        self.0.get()
    }
}

impl Timer for Hand<'_> {
    async fn wait_until(&mut self, tick: u32) {
        core::future::poll_fn(|_| if self.0.get() >= tick { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// A transport that gives nothing, and takes so many octets and then no more.
struct Silent(Vec<u8>, usize);

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
        let octets = &octets[..octets.len().min(self.1 - self.0.len())];
        if octets.is_empty() {
            core::future::pending().await
        }
        self.0.extend_from_slice(octets);
        Ok(octets.len())
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

fn opening(transport: Silent, time: &Cell<u32>) -> Opening<'static, Silent, Inline<131, 131>, Hand<'_>> {
    Opening::new(transport, Inline::inline(), &mut []).with_clock(Hand(time))
}

/// Polls a future once at each of these times. It is done at the last of them.
fn polled_at<F: Future>(time: &Cell<u32>, future: F, times: &[u32]) -> F::Output {
    let mut future = pin!(future);
    for now in times {
        time.set(*now);
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            assert_eq!(Some(now), times.last());
            return output;
        }
    }
    panic!("it waits for ever");
}

// A deadline ends the wait for a silent peer, though the read never does
#[test]
fn a_deadline_interrupts_a_read() {
    let time = Cell::new(0);
    let mut socket = adopt(opening(Silent(vec![], 100), &time), Connection::server(), &[]).unwrap();
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

// And the wait for a peer that takes nothing, in one call
#[test]
fn a_deadline_interrupts_a_write() {
    let time = Cell::new(0);
    for taken in [0, 3] {
        let mut socket = adopt(opening(Silent(vec![], taken), &time), Connection::server(), &[]).unwrap();
        let stalled = Err(Error::Timeout(Timeout::WriteStall));
        time.set(0);
        assert_eq!(polled_at(&time, socket.send("hello"), &[0, 29_999, 30_000]), stalled);
        assert_eq!(polled(socket.flush(), 1), Some(stalled));
        assert_eq!(socket.into_transport().0, &b"\x81\x05hello"[..taken]);
    }
}

#[test]
fn a_deadline_interrupts_a_handshake() {
    let time = Cell::new(0);
    let accepted = accept(opening(Silent(vec![], 1000), &time), &OriginPolicy::Any);
    let verdict = polled_at(&time, accepted, &[0, 9_999, 10_000]);
    assert_eq!(verdict.err(), Some(OpenError::Timeout));
}

// The answer to a closing handshake is not waited for longer than the deadline
#[test]
fn a_deadline_interrupts_a_close() {
    use tightwire_embedded::CloseCode;
    let time = Cell::new(0);
    let mut socket = adopt(opening(Silent(vec![], 100), &time), Connection::server(), &[]).unwrap();
    let closed = polled_at(&time, socket.close(CloseCode::NORMAL, ""), &[0, 4_999, 5_000]);
    assert_eq!(closed, Err(Error::Timeout(Timeout::CloseLinger)));
    assert_eq!(socket.into_transport().0, b"\x88\x02\x03\xe8");
}
