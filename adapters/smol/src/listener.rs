//! A TCP listener that keeps serving.

use crate::TcpStream;
use async_io::{Async, Timer};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use tightwire_async::{accept_again_after, listen};

/// A TCP listener with a backlog of 4,096, whose streams have `TCP_NODELAY` set.
#[derive(Debug)]
pub struct Listener(Async<TcpListener>);

impl Listener {
    /// Listens on the first of these addresses that can be bound.
    ///
    /// # Errors
    /// That of the last address tried.
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<Self> {
        Async::new_nonblocking(listen(addresses, false)?).map(Self)
    }

    /// As [`bind`](Self::bind), for one of several listeners on the same address, a thread each: the kernel
    /// spreads the connections over them (`SO_REUSEPORT`).
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    #[cfg(unix)]
    pub fn bind_shared(addresses: impl ToSocketAddrs) -> io::Result<Self> {
        Async::new_nonblocking(listen(addresses, true)?).map(Self)
    }

    /// Takes over a listener that exists already, such as one inherited from a supervisor.
    ///
    /// # Errors
    /// It cannot be made one that does not block, or not be watched.
    pub fn from_std(listener: TcpListener) -> io::Result<Self> {
        Async::new(listener).map(Self)
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
                    if stream.get_ref().set_nodelay(true).is_ok() {
                        return Ok((stream.into(), address));
                    }
                }
                Err(error) => match accept_again_after(&error) {
                    Some(pause) => drop(Timer::after(pause).await),
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
        self.0.get_ref().local_addr()
    }

    /// The listener of async-io.
    pub fn into_inner(self) -> Async<TcpListener> {
        self.0
    }
}
