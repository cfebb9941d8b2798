//! Any stream of tokio's as a transport.

use crate::timer::Alarm;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tightwire_async::transport::{ReadTransport, SplitTransport, WriteTransport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};

/// A stream of tokio's as the driver sees it: TCP, TLS, a Unix socket, a pipe in memory.
#[derive(Debug)]
pub struct Io<S>(pub S);

impl<S: AsyncRead + Unpin> ReadTransport for Io<S> {
    type Error = io::Error;

    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
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
        if first.is_empty() || !self.0.is_write_vectored() {
            return self.poll_write(cx, if first.is_empty() { second } else { first });
        }
        let slices = [IoSlice::new(first), IoSlice::new(second)];
        some(ready!(Pin::new(&mut self.0).poll_write_vectored(cx, &slices)))
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A stream that takes nothing and says so without an error would be written to for ever.
fn some(written: io::Result<usize>) -> Poll<io::Result<usize>> {
    Poll::Ready(match written {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        other => other,
    })
}

impl<S: AsyncRead + AsyncWrite + Unpin> SplitTransport for Io<S> {
    type ReadHalf = Io<ReadHalf<S>>;
    type WriteHalf = Io<WriteHalf<S>>;

    fn split(self) -> (Self::ReadHalf, Self::WriteHalf) {
        let (read, write) = tokio::io::split(self.0);
        (Io(read), Io(write))
    }

    fn join(read: Self::ReadHalf, write: Self::WriteHalf) -> Result<Self, (Self::ReadHalf, Self::WriteHalf)> {
        if read.0.is_pair_of(&write.0) { Ok(Io(read.0.unsplit(write.0))) } else { Err((read, write)) }
    }
}
