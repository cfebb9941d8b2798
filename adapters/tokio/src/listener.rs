//! A TCP listener that keeps serving.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use tightwire_async::{accept_again_after, listen};
use tokio::net::{TcpListener, TcpStream};

/// A TCP listener with a backlog of 4,096, whose streams have `TCP_NODELAY` set.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Listens on the first of these addresses that can be bound. To be called inside a runtime.
    ///
    /// # Errors
    /// That of the last address tried.
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<Self> {
        TcpListener::from_std(listen(addresses, false)?).map(Self)
    }

    /// As [`bind`](Self::bind), for one of several listeners on the same address, a thread each: the kernel
    /// spreads the connections over them (`SO_REUSEPORT`).
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    #[cfg(unix)]
    pub fn bind_shared(addresses: impl ToSocketAddrs) -> io::Result<Self> {
        TcpListener::from_std(listen(addresses, true)?).map(Self)
    }

    /// Takes over a listener that exists already, such as one inherited from a supervisor. To be called inside a
    /// runtime.
    ///
    /// # Errors
    /// It cannot be made one that does not block, or not be watched.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Self)
    }

    /// The next stream. Errors that pass (a peer that gave up, no free descriptor) are waited out, so that
    /// one flood of connections does not end a server.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// Only what the listener does not recover from.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    // Replies are batched already: another delay would only cost time.
                    if stream.set_nodelay(true).is_ok() {
                        return Ok((stream, address));
                    }
                }
                Err(error) => match accept_again_after(&error) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
            }
        }
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// As the system call.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Tokio's listener.
    pub fn into_inner(self) -> TcpListener {
        self.0
    }
}
