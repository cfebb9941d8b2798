//! A TCP stream that spares system calls: it does not ask for octets where it knows that there are none.

use async_io::Async;
use futures_io::{AsyncRead, AsyncWrite};
use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A TCP stream of async-io's.
///
/// It reads again only once the operating system has said that there is something, after a read that brought
/// less than it could; and [`poll_close`](AsyncWrite::poll_close) ends the sending direction, which
/// `Async<TcpStream>` by itself does not.
#[derive(Debug)]
pub struct TcpStream {
    io: Async<std::net::TcpStream>,
    /// The last read emptied the socket.
    drained: bool,
}

impl TcpStream {
    /// The stream of async-io, for its addresses and options.
    pub const fn get_ref(&self) -> &Async<std::net::TcpStream> {
        &self.io
    }

    /// The stream of async-io.
    pub fn into_inner(self) -> Async<std::net::TcpStream> {
        self.io
    }
}

impl From<Async<std::net::TcpStream>> for TcpStream {
    fn from(io: Async<std::net::TcpStream>) -> Self {
        Self { io, drained: false }
    }
}

impl AsyncRead for TcpStream {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.drained {
                ready!(self.io.poll_readable(cx))?;
                self.drained = false;
            }
            match self.io.get_ref().read(buffer) {
                Ok(octets) => {
                    self.drained = 0 < octets && octets < buffer.len();
                    return Poll::Ready(Ok(octets));
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.drained = true,
                    io::ErrorKind::Interrupted => {}
                    _ => return Poll::Ready(Err(error)),
                },
            }
        }
    }
}

impl AsyncWrite for TcpStream {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.io.get_ref().shutdown(Shutdown::Write))
    }
}
