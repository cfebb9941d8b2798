//! Opening handshakes of the load, some at a time: all connect, all ask, all are answered.

use super::LoadError;
use super::frames::Wire;
use rustix::thread::sched_yield;
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tightwire::handshake::client::{Offer, Response};
use tightwire::handshake::{HeadLimits, HeadScanner, Slot};

/// Connections that are opened at a time.
const BATCH: usize = 64;
/// Every server gets this nonce, so that the request is written once.
const NONCE: [u8; 16] = *b"tightwire bench.";
/// What a client of compressed messages offers.
const NO_TAKEOVER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens `count` connections, which do not block from then on.
///
/// # Errors
/// When one cannot be opened, or compression is wanted and not agreed on.
pub fn open(address: SocketAddr, count: usize, wire: Wire) -> Result<Vec<TcpStream>, LoadError> {
    let request = Request::new(address, wire)?;
    let mut sockets = Vec::with_capacity(count);
    while sockets.len() < count {
        sockets.extend(batch(address, BATCH.min(count - sockets.len()), &request, wire)?);
    }
    for socket in &sockets {
        socket.set_nonblocking(true)?;
    }
    Ok(sockets)
}

/// Opens connections and drops them, for `time`, and says how many and how long it took.
///
/// # Errors
/// As [`open`].
pub fn churn(address: SocketAddr, time: Duration) -> Result<(u64, f64), LoadError> {
    let (request, start) = (Request::new(address, Wire::Frames)?, Instant::now());
    let mut opened = 0;
    while start.elapsed() < time {
        for socket in batch(address, BATCH, &request, Wire::Frames)? {
            // A reset, so that no port is left waiting.
            SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
            opened += 1;
        }
        // The server may share this core.
        sched_yield();
    }
    Ok((opened, start.elapsed().as_secs_f64()))
}

/// The request, written once.
struct Request {
    host: String,
    wire: Wire,
    octets: Vec<u8>,
}

impl Request {
    fn new(address: SocketAddr, wire: Wire) -> Result<Self, LoadError> {
        let mut request = Self { host: address.to_string(), wire, octets: vec![0; 1024] };
        let mut octets = std::mem::take(&mut request.octets);
        let length = request.offer().write(NONCE, &mut octets);
        octets.truncate(length.map_err(|error| LoadError::Handshake(error.to_string()))?);
        Ok(Self { octets, ..request })
    }

    fn offer(&self) -> Offer<'_> {
        let offer = Offer::new(&self.host, "/");
        if self.wire == Wire::Deflate { offer.with_extensions(NO_TAKEOVER) } else { offer }
    }

    /// Reads the answer of one server and judges it.
    fn answer(&self, socket: &mut TcpStream) -> Result<(), LoadError> {
        let fault = |text: String| LoadError::Handshake(text);
        let (mut octets, mut length, mut scanner) = ([0; 2048], 0, HeadScanner::new());
        let end = loop {
            let read = socket.read(&mut octets[length..])?;
            if read == 0 {
                return Err(fault("the connection ended".to_owned()));
            }
            length += read;
            let scanned = scanner.scan(&octets[..length], &HeadLimits::DEFAULT);
            if let Some(end) = scanned.map_err(|error| fault(error.to_string()))? {
                break end;
            }
        };
        let mut slots = [Slot::EMPTY; 32];
        let response =
            Response::parse(&octets[..end], &mut slots).map_err(|error| fault(error.to_string()))?;
        let accepted = self.offer().verify(&response, NONCE).map_err(|error| fault(error.to_string()))?;
        let deflate = accepted.extensions().any(|extension| extension.name() == "permessage-deflate");
        if self.wire == Wire::Deflate && !deflate {
            return Err(fault("the server does not compress".to_owned()));
        }
        if length > end {
            return Err(fault("the server spoke first".to_owned()));
        }
        Ok(())
    }
}

fn batch(
    address: SocketAddr,
    count: usize,
    request: &Request,
    wire: Wire,
) -> Result<Vec<TcpStream>, LoadError> {
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM.cloexec(), None)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.connect_timeout(&address.into(), PATIENCE)?;
        sockets.push(TcpStream::from(socket));
    }
    if wire != Wire::Raw {
        for socket in &mut sockets {
            socket.write_all(&request.octets)?;
        }
        for socket in &mut sockets {
            request.answer(socket)?;
        }
    }
    Ok(sockets)
}
