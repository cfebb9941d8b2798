//! The client's dialer.

use crate::{ClientSocket, Io, TcpStream};
use async_io::Async;
use std::io;
use tightwire_async::{ConnectError, Dial};

/// What a client asks for: see [`tightwire_async::Connector`].
pub type Connector = tightwire_async::Connector<Tcp>;

/// Reaches a host by TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Dial for Tcp {
    type Transport = Io<TcpStream>;

    async fn dial(&self, host: &str, port: u16) -> io::Result<Io<TcpStream>> {
        let mut last = io::ErrorKind::NotFound.into();
        for address in async_net::resolve((host, port)).await? {
            match Async::<std::net::TcpStream>::connect(address).await {
                Ok(stream) => {
                    // Output is batched already: another delay would only cost time.
                    stream.get_ref().set_nodelay(true)?;
                    return Ok(Io(stream.into()));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Connects to a `ws://` URI with the defaults of a [`Connector`].
///
/// Not cancel safe: a dropped future ends the attempt.
///
/// # Errors
/// Every [`ConnectError`].
pub async fn connect(uri: &str) -> Result<ClientSocket, ConnectError> {
    Connector::new().connect(uri).await.map(|(socket, _)| socket)
}
