//! Any stream of futures-io's as a transport.

use crate::timer::Alarm;
use futures_io::{AsyncRead, AsyncWrite};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tightwire_async::transport::{ReadTransport, SplitTransport, WriteTransport};

/// A stream of futures-io's as the driver sees it: TCP, TLS, a Unix socket, a pipe in memory.
///
/// Its `poll_close` should end the sending direction. That of `async_io::Async` does not: for TCP take
/// [`TcpStream`](crate::TcpStream) or `smol::net::TcpStream`.
#[derive(Debug)]
pub struct Io<S>(pub S);

impl<S: AsyncRead + Unpin> ReadTransport for Io<S> {
    type Error = io::Error;

    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> WriteTransport for Io<S> {
    type Error = io::Error;
    type Timer = Alarm;

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        some(ready!(Pin::new(&mut self.0).poll_write(cx, octets)))
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: [&[u8]; 2]) -> Poll<io::Result<usize>> {
        let [first, second] = slices;
        if first.is_empty() {
            return self.poll_write(cx, second);
        }
        let slices = [IoSlice::new(first), IoSlice::new(second)];
        some(ready!(Pin::new(&mut self.0).poll_write_vectored(cx, &slices)))
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// A stream that takes nothing and says so without an error would be written to for ever.
fn some(written: io::Result<usize>) -> Poll<io::Result<usize>> {
    Poll::Ready(match written {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        other => other,
    })
}

/// The receiving direction of a stream that is shared by two halves.
#[derive(Debug)]
pub struct ReadHalf<S>(Arc<Mutex<Io<S>>>);

/// The sending direction of a stream that is shared by two halves.
#[derive(Debug)]
pub struct WriteHalf<S>(Arc<Mutex<Io<S>>>);

/// Locked for one poll, which does not wait. A panic of the stream's leaves it as it is.
fn lock<S>(shared: &Mutex<Io<S>>) -> MutexGuard<'_, Io<S>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: AsyncRead + Unpin> ReadTransport for ReadHalf<S> {
    type Error = io::Error;

    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> WriteTransport for WriteHalf<S> {
    type Error = io::Error;
    type Timer = Alarm;

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_write(cx, octets)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: [&[u8]; 2]) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_write_vectored(cx, slices)
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).poll_close(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> SplitTransport for Io<S> {
    type ReadHalf = ReadHalf<S>;
    type WriteHalf = WriteHalf<S>;

    fn split(self) -> (Self::ReadHalf, Self::WriteHalf) {
        let shared = Arc::new(Mutex::new(self));
        (ReadHalf(shared.clone()), WriteHalf(shared))
    }

    fn join(read: Self::ReadHalf, write: Self::WriteHalf) -> Result<Self, (Self::ReadHalf, Self::WriteHalf)> {
        if !Arc::ptr_eq(&read.0, &write.0) {
            return Err((read, write));
        }
        drop(read);
        match Arc::try_unwrap(write.0) {
            Ok(shared) => Ok(shared.into_inner().unwrap_or_else(PoisonError::into_inner)),
            Err(shared) => Err((ReadHalf(shared.clone()), WriteHalf(shared))),
        }
    }
}
