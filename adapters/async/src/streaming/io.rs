//! Streamed messages behind `AsyncRead` and `AsyncWrite` of tokio and of futures-io.

use super::{Chunks, MessageReader, MessageWriter, SendSide};
use crate::error::Error;
use crate::transport::WriteTransport;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use tightwire::Role;

/// The error as the standard library's, for the traits of runtimes.
fn error<E: Into<io::Error> + fmt::Debug>(error: Error<E>) -> io::Error {
    let kind = match error {
        Error::Transport(error) => return error.into(),
        Error::Violation(_) => io::ErrorKind::InvalidData,
        Error::Timeout(_) => io::ErrorKind::TimedOut,
        Error::Ended => io::ErrorKind::UnexpectedEof,
        Error::Send(tightwire::SendError::Closed) => io::ErrorKind::BrokenPipe,
        Error::Send(_) => io::ErrorKind::InvalidInput,
    };
    kind.into()
}

#[cfg(feature = "futures-io")]
impl<C: Chunks<Error: Into<io::Error> + fmt::Debug>> futures_io::AsyncRead for MessageReader<'_, C> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_copy(cx, buffer).map_err(error)
    }
}

#[cfg(feature = "tokio-io")]
impl<C: Chunks<Error: Into<io::Error> + fmt::Debug>> tokio::io::AsyncRead for MessageReader<'_, C> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let copied = self.get_mut().poll_copy(cx, buffer.initialize_unfilled()).map_err(error);
        copied.map_ok(|copied| buffer.advance(copied))
    }
}

/// The two traits differ in the name of what ends a stream.
macro_rules! async_write {
    ($trait:path, $end:ident) => {
        impl<S, R> $trait for MessageWriter<'_, S, R>
        where
            S: SendSide<R>,
            R: Role,
            <S::Write as WriteTransport>::Error: Into<io::Error> + fmt::Debug,
        {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                octets: &[u8],
            ) -> Poll<io::Result<usize>> {
                Self::poll_write(self.get_mut(), cx, octets).map_err(error)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Self::poll_flush(self.get_mut(), cx).map_err(error)
            }

            fn $end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.get_mut().poll_finish(cx).map_err(error)
            }
        }
    };
}

#[cfg(feature = "tokio-io")]
async_write!(tokio::io::AsyncWrite, poll_shutdown);
#[cfg(feature = "futures-io")]
async_write!(futures_io::AsyncWrite, poll_close);
