//! The floors: TCP echo as plain as it can be, on what the adapters run on. One buffer for all connections, one read
//! and one write for what has arrived.

use super::Options;
use rustix::event::epoll;
use smol::{Async, LocalExecutor};
use socket2::{Domain, Socket, Type};
use std::cell::RefCell;
use std::error::Error;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

/// As much as the adapters read at once.
const BUFFER: usize = 256 << 10;
const LISTENER: u64 = u64::MAX;

/// Never more than what one read gave.
type Unsent = Vec<u8>;
type Connection = (TcpStream, Unsent);

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.cloexec().nonblocking(), None)?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// Writes what the socket takes and returns the rest.
fn write(mut socket: impl Write, octets: &[u8]) -> io::Result<Unsent> {
    match socket.write(octets) {
        Ok(written) => Ok(octets[written..].to_vec()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(octets.to_vec()),
        Err(error) => Err(error),
    }
}

pub(super) fn epoll(options: Options) -> Result<(), Box<dyn Error>> {
    let listener = listen(options.address)?;
    let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poller, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let (mut buffer, mut events) = (vec![0; BUFFER], Vec::with_capacity(1024));
    loop {
        events.clear();
        match epoll::wait(&poller, rustix::buffer::spare_capacity(&mut events), None) {
            // Whoever looks at this process interrupts it.
            Err(rustix::io::Errno::INTR) => {}
            other => drop(other?),
        }
        for event in &events {
            let token = event.data.u64();
            if token == LISTENER {
                while let Ok((socket, _)) = listener.accept() {
                    socket.set_nonblocking(true)?;
                    let token = socket.as_raw_fd() as u64;
                    let data = epoll::EventData::new_u64(token);
                    epoll::add(&poller, &socket, data, epoll::EventFlags::IN)?;
                    let place = token as usize;
                    connections.resize_with(connections.len().max(place + 1), || None);
                    connections[place] = Some((socket, Unsent::new()));
                }
            } else if let Some(slot) = connections.get_mut(token as usize)
                && let Some((socket, unsent)) = slot
                && echo(&poller, token, socket, unsent, &mut buffer).is_err()
            {
                *slot = None;
            }
        }
    }
}

fn echo(
    poller: &rustix::fd::OwnedFd,
    token: u64,
    socket: &mut TcpStream,
    unsent: &mut Unsent,
    buffer: &mut [u8],
) -> io::Result<()> {
    let waited = !unsent.is_empty();
    if waited {
        *unsent = write(&mut *socket, unsent)?;
    } else {
        match socket.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => *unsent = write(&mut *socket, &buffer[..read])?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    if waited == unsent.is_empty() {
        let flags = if waited { epoll::EventFlags::IN } else { epoll::EventFlags::OUT };
        epoll::modify(poller, &*socket, epoll::EventData::new_u64(token), flags)?;
    }
    Ok(())
}

thread_local! {
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

pub(super) fn tokio(options: Options) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listen(options.address)?)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                while let Ok(unsent) = poll_fn(|context| {
                    SHARED.with_borrow_mut(|buffer| {
                        let mut buffer = ReadBuf::new(buffer);
                        ready!(Pin::new(&mut stream).poll_read(context, &mut buffer))?;
                        let octets = buffer.filled();
                        if octets.is_empty() {
                            return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
                        }
                        Poll::Ready(write(TryWrite(&stream), octets))
                    })
                })
                .await
                {
                    if stream.write_all(&unsent).await.is_err() {
                        return;
                    }
                }
            });
        }
    })
}

struct TryWrite<'s>(&'s tokio::net::TcpStream);

impl Write for TryWrite<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.try_write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn smol(options: Options) -> Result<(), Box<dyn Error>> {
    let executor = Rc::new(LocalExecutor::new());
    let tasks = executor.clone();
    // A task of its own: what is run directly is looked at whenever anything happens.
    let accepting = executor.spawn(async move {
        let listener = Async::new(listen(options.address)?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tasks.spawn(async move { drop(smol_echo(stream).await) }).detach();
        }
    });
    smol::block_on(executor.run(accepting))
}

async fn smol_echo(mut stream: Async<TcpStream>) -> io::Result<()> {
    loop {
        let unsent = SHARED.with_borrow_mut(|buffer| match stream.get_ref().read(buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => write(stream.get_ref(), &buffer[..read]).map(Some),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        })?;
        if let Some(unsent) = unsent {
            smol::io::AsyncWriteExt::write_all(&mut stream, &unsent).await?;
        }
        stream.readable().await?;
    }
}
