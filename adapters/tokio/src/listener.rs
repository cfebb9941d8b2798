//! A TCP listener that keeps serving.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A TCP listener with a backlog of 4,096, whose streams have `TCP_NODELAY` set.
#[derive(Debug)]
pub struct Listener(TcpListener);

const BACKLOG: u32 = 4096;
/// The wait for a descriptor to become free.
const PAUSE: Duration = Duration::from_millis(50);

impl Listener {
    /// Listens on the first of these addresses that can be bound. To be called inside a runtime.
    ///
    /// # Errors
    /// That of the last address tried.
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<Self> {
        Self::open(addresses, false)
    }

    /// As [`bind`](Self::bind), for one of several listeners on the same address, a thread each: the kernel
    /// spreads the connections over them (`SO_REUSEPORT`).
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    #[cfg(unix)]
    pub fn bind_shared(addresses: impl ToSocketAddrs) -> io::Result<Self> {
        Self::open(addresses, true)
    }

    fn open(addresses: impl ToSocketAddrs, shared: bool) -> io::Result<Self> {
        let mut last = io::ErrorKind::AddrNotAvailable.into();
        for address in addresses.to_socket_addrs()? {
            match listen(address, shared) {
                Ok(listener) => return Ok(Self(listener)),
                Err(error) => last = error,
            }
        }
        Err(last)
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
                Err(error) => match error.raw_os_error() {
                    Some(code) if OUT_OF_RESOURCES.contains(&code) => tokio::time::sleep(PAUSE).await,
                    _ if is_of_the_peer(&error) => {}
                    _ => return Err(error),
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

/// ENFILE, EMFILE, ENOBUFS, ENOMEM as Unix numbers them (Linux, then the BSDs' ENOBUFS).
const OUT_OF_RESOURCES: [i32; 5] = [23, 24, 105, 12, 55];

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    #[cfg(unix)]
    {
        socket.set_reuseaddr(true)?;
        if shared {
            socket.set_reuseport(true)?;
        }
    }
    #[cfg(not(unix))]
    let _ = shared;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
