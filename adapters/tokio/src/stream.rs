//! What a client is connected by: TCP, with TLS or without.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(feature = "rustls")]
use tokio_rustls::{client::TlsStream, rustls::ClientConnection};

/// A TCP stream to a server; for `wss` with TLS on it.
#[derive(Debug)]
pub struct Stream(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    // Boxed, so that a connection without TLS does not pay for what TLS keeps.
    #[cfg(feature = "rustls")]
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The TCP stream, for its addresses and options.
    pub fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Kind::Tcp(stream) => stream,
            #[cfg(feature = "rustls")]
            Kind::Tls(stream) => stream.get_ref().0,
        }
    }

    /// What was agreed on for TLS, and the server's certificates; `None` without TLS.
    #[cfg(feature = "rustls")]
    pub fn tls(&self) -> Option<&ClientConnection> {
        match &self.0 {
            Kind::Tcp(_) => None,
            Kind::Tls(stream) => Some(stream.get_ref().1),
        }
    }

    /// The TCP stream, if there is no TLS on it.
    #[cfg(feature = "rustls")]
    pub(crate) fn into_tcp(self) -> Option<TcpStream> {
        match self.0 {
            Kind::Tcp(stream) => Some(stream),
            Kind::Tls(_) => None,
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self(Kind::Tcp(stream))
    }
}

#[cfg(feature = "rustls")]
impl From<TlsStream<TcpStream>> for Stream {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        Self(Kind::Tls(Box::new(stream)))
    }
}

/// Calls the same on whichever stream it is.
macro_rules! either {
    ($self:expr, $stream:ident => $call:expr) => {
        match &mut $self.0 {
            Kind::Tcp($stream) => $call,
            #[cfg(feature = "rustls")]
            Kind::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, octets))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Kind::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(feature = "rustls")]
            Kind::Tls(stream) => stream.is_write_vectored(),
        }
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
