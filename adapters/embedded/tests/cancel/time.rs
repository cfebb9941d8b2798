//! Deadlines, which drop the transport's futures.

use super::polled;
use core::task::Poll;
use embedded_io::ErrorKind;
use tightwire_embedded::asynch::Timer;
use tightwire_embedded::{Buffers, Error, Opening};

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
