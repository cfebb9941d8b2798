//! A listening TCP socket, and which errors of accepting pass. It knows no runtime: it accepts nothing itself.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

const BACKLOG: i32 = 4096;
/// The wait for a descriptor to become free, or for a network in trouble.
const PAUSE: Duration = Duration::from_millis(50);

/// Listens on the first of these addresses that can be bound, with a backlog of 4,096, without blocking.
///
/// If it is `shared`, other listeners may have the same address, and the kernel spreads the connections over
/// them (`SO_REUSEPORT`; without effect where there is no such option).
///
/// # Errors
/// That of the last address tried.
pub fn listen(addresses: impl ToSocketAddrs, shared: bool) -> io::Result<TcpListener> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses.to_socket_addrs()? {
        match listen_on(address, shared) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The pause after which accepting is to be tried again, for errors that pass: a peer that gave up, no free
/// descriptor, trouble in the network of one connection. `None` for the others, which a listener does not recover from.
pub fn accept_again_after(error: &io::Error) -> Option<Duration> {
    match error.kind() {
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted => {
            Some(Duration::ZERO)
        }
        io::ErrorKind::NetworkDown
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::TimedOut => Some(PAUSE),
        _ => {
            let number = error.raw_os_error()?;
            (OUT_OF_RESOURCES.contains(&number) || OF_ONE_CONNECTION.contains(&number)).then_some(PAUSE)
        }
    }
}

/// ENFILE, EMFILE, ENOBUFS, ENOMEM as Unix numbers them (Linux, then the BSDs' ENOBUFS).
const OUT_OF_RESOURCES: [i32; 5] = [23, 24, 105, 12, 55];

/// What Linux hands over from a connection that is about to be accepted, besides what has a kind of its own: EPERM
/// of a firewall, ENONET, EPROTO, ENOPROTOOPT, EOPNOTSUPP, EHOSTDOWN.
const OF_ONE_CONNECTION: &[i32] = if cfg!(target_os = "linux") { &[1, 64, 71, 92, 95, 112] } else { &[] };

fn listen_on(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(unix)]
    {
        socket.set_reuse_address(true)?;
        if shared {
            socket.set_reuse_port(true)?;
        }
    }
    #[cfg(not(unix))]
    let _ = shared;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_free_address_is_taken() {
        let first = listen("127.0.0.1:0", false).unwrap();
        let taken = first.local_addr().unwrap();
        assert_eq!(listen(taken, false).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let second = listen(&[taken, free][..], false).unwrap();
        assert_ne!(second.local_addr().unwrap().port(), taken.port());
    }

    #[test]
    #[cfg(unix)]
    fn shared_listeners_have_one_address() {
        let first = listen("127.0.0.1:0", true).unwrap();
        let second = listen(first.local_addr().unwrap(), true).unwrap();
        assert_eq!(first.local_addr().unwrap(), second.local_addr().unwrap());
    }

    #[test]
    fn only_errors_that_pass_are_waited_out() {
        let after = |error: io::Error| accept_again_after(&error);
        assert_eq!(after(io::ErrorKind::ConnectionAborted.into()), Some(Duration::ZERO));
        assert_eq!(after(io::Error::from_raw_os_error(24)), Some(PAUSE));
        assert_eq!(after(io::ErrorKind::InvalidInput.into()), None);
        assert_eq!(after(io::Error::from_raw_os_error(9)), None);
        assert_eq!(after(io::ErrorKind::NetworkUnreachable.into()), Some(PAUSE));
    }

    // accept(2): errors of the network are those of one connection, and pass
    #[test]
    #[cfg(target_os = "linux")]
    fn an_error_of_one_connection_does_not_end_a_listener() {
        for number in [1, 64, 71, 92, 95, 100, 101, 110, 112, 113] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(accept_again_after(&error), Some(PAUSE), "{error}");
        }
    }
}
