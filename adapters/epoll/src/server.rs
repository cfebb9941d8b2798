//! Reactor threads as a whole: started, reached, counted and shut down together.

use crate::accept::{Admission, Gate, Turnstile};
use crate::clock;
use crate::config::Config;
use crate::counters::{Counters, Stats};
use crate::event_loop::{Loop, Report};
use crate::handler::Handler;
use crate::mailbox::{Letter, Mailbox, Owned, PostError, Sender, mailbox};
use crate::poller::Poller;
use crate::reactor::Reactor;
use crate::topics::encode_owned;
use rustix::fd::OwnedFd;
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Connections that the kernel holds until they are accepted, for each listener.
const BACKLOG: i32 = 4096;

/// What is to be set up before threads start.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    admission: Admission,
    threads: usize,
    share_port: bool,
    listen: Vec<Listen>,
}

#[derive(Debug)]
enum Listen {
    Address(SocketAddr),
    Inherited(OwnedFd),
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// One thread for each core, the default configuration, and nothing to listen on.
    pub fn new() -> Self {
        Self {
            config: Config::default(),
            admission: Admission::default(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            share_port: false,
            listen: Vec::new(),
        }
    }

    /// How threads treat their connections.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// How many connections are taken on.
    #[must_use]
    pub fn admission(mut self, admission: Admission) -> Self {
        self.admission = admission;
        self
    }

    /// How many threads there are, at least one.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Lets other processes of this user listen on the same addresses, and share the connections
    /// (SO_REUSEPORT).
    #[must_use]
    pub fn share_port(mut self, share: bool) -> Self {
        self.share_port = share;
        self
    }

    /// Listens on an address. Each thread gets a listener of its own.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen.push(Listen::Address(address));
        self
    }

    /// Accepts from a listener that exists already, such as one inherited from a supervisor.
    #[must_use]
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listen.push(Listen::Inherited(listener.into()));
        self
    }

    /// Accepts from a Unix socket.
    #[must_use]
    pub fn unix(mut self, listener: UnixListener) -> Self {
        self.listen.push(Listen::Inherited(listener.into()));
        self
    }

    /// Binds, and starts the threads. Each gets the handler that `handler` makes for it, on the thread.
    ///
    /// # Errors
    /// When an address cannot be bound, or descriptors or threads run out. Nothing runs then.
    pub fn start<H: Handler>(
        self,
        handler: impl Fn(usize) -> H + Send + Sync + 'static,
    ) -> io::Result<Server<H>> {
        let (listeners, addresses) = bind(&self.listen, self.threads, self.share_port)?;
        let mut ends = Vec::new();
        let mut senders = Vec::new();
        for _ in 0..self.threads {
            let poller = Poller::new()?;
            let (sender, mailbox) = mailbox(self.config.mailbox, poller.waker())?;
            senders.push(sender);
            ends.push((poller, mailbox));
        }
        let mut server =
            Server { senders: senders.into(), counters: Vec::new(), threads: Vec::new(), addresses };
        let gate = Arc::new(Gate::new(self.admission));
        let handler = Arc::new(handler);
        for (place, ((poller, mailbox), listeners)) in ends.into_iter().zip(listeners).enumerate() {
            let counters = Arc::new(Counters::default());
            server.counters.push(counters.clone());
            let start = Start {
                config: self.config.clone(),
                poller,
                mailbox,
                listeners,
                counters,
                gate: gate.clone(),
                peers: server.senders.clone(),
                place,
            };
            let handler = handler.clone();
            let thread = std::thread::Builder::new().name(format!("reactor {place}"));
            match thread.spawn(move || start.run(handler(place))) {
                Ok(thread) => server.threads.push(thread),
                Err(error) => {
                    server.shutdown(Duration::ZERO);
                    return Err(error);
                }
            }
        }
        Ok(server)
    }
}

/// All that a thread is given.
struct Start<S> {
    config: Config,
    poller: Poller,
    mailbox: Mailbox<S>,
    listeners: Vec<OwnedFd>,
    counters: Arc<Counters>,
    gate: Arc<Gate>,
    peers: Arc<[Sender<S>]>,
    place: usize,
}

impl<S: Default + 'static> Start<S> {
    fn run<H: Handler<Session = S>>(self, handler: H) -> io::Result<Report> {
        let turnstile = Turnstile::new(self.gate);
        let reactor = Reactor::new(
            self.config,
            self.poller,
            turnstile,
            self.peers,
            self.place,
            self.counters,
            clock::now(),
        );
        Loop::new(reactor, handler, self.mailbox, self.listeners)?.run()
    }
}

/// Reactor threads that run. When this is dropped they go on: end them with [`shutdown`](Self::shutdown).
pub struct Server<H: Handler> {
    senders: Arc<[Sender<H::Session>]>,
    counters: Vec<Arc<Counters>>,
    threads: Vec<JoinHandle<io::Result<Report>>>,
    addresses: Vec<SocketAddr>,
}

impl<H: Handler> Server<H> {
    /// The addresses that are listened on, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A handle to each reactor thread.
    pub fn senders(&self) -> &[Sender<H::Session>] {
        &self.senders
    }

    /// What all threads have counted.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        self.counters.iter().for_each(|counters| counters.add_to(&mut stats));
        stats
    }

    /// A handle that counts like [`stats`](Self::stats), for other threads and handlers.
    pub fn meter(&self) -> Meter {
        Meter { counters: self.counters.clone().into() }
    }

    /// Sends a message to the subscribers of a topic on all threads. It is encoded once.
    ///
    /// # Errors
    /// [`PostError`] if a thread could not be reached. Others may have been.
    pub fn publish(&self, topic: &str, message: impl Into<Owned>) -> Result<(), PostError> {
        let (topic, frame) = (Arc::from(topic), encode_owned(&message.into()));
        self.senders
            .iter()
            .map(|sender| sender.post(Letter::Publish(Arc::clone(&topic), Arc::clone(&frame))))
            .fold(Ok(()), Result::and)
    }

    /// Stops accepting, closes every connection with 1001, waits until they have ended or `grace` has passed,
    /// drops what is left, and ends the threads.
    pub fn shutdown(self, grace: Duration) -> Report {
        for sender in self.senders.iter() {
            sender.insist(Letter::Shutdown(grace));
        }
        self.join().unwrap_or_default()
    }

    /// Waits until all threads have ended.
    ///
    /// # Errors
    /// When a thread could not go on, or panicked in a handler.
    pub fn join(self) -> io::Result<Report> {
        let mut sum = Report::default();
        let mut failure = None;
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(report)) => {
                    sum.connections += report.connections;
                    sum.dropped += report.dropped;
                }
                Ok(Err(error)) => failure = Some(error),
                Err(_) => failure = Some(io::Error::other("a handler panicked")),
            }
        }
        failure.map_or(Ok(sum), Err)
    }
}

impl<H: Handler> fmt::Debug for Server<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses)
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

/// Reads the counters of a server from anywhere.
#[derive(Clone, Debug)]
pub struct Meter {
    counters: Arc<[Arc<Counters>]>,
}

impl Meter {
    /// What all threads have counted.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        self.counters.iter().for_each(|counters| counters.add_to(&mut stats));
        stats
    }
}

/// The listeners of each thread, and the addresses they are on.
fn bind(listen: &[Listen], threads: usize, share: bool) -> io::Result<(Vec<Vec<OwnedFd>>, Vec<SocketAddr>)> {
    let mut listeners: Vec<Vec<OwnedFd>> = (0..threads).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    for one in listen {
        match one {
            Listen::Address(address) => {
                let mut address = *address;
                for list in &mut listeners {
                    let socket = tcp(address, share || threads > 1)?;
                    // The first one may choose the port for all.
                    if let Some(chosen) = socket.local_addr()?.as_socket() {
                        address = chosen;
                    }
                    list.push(socket.into());
                }
                addresses.push(address);
            }
            Listen::Inherited(fd) => {
                rustix::io::ioctl_fionbio(fd, true)?;
                let name = rustix::net::getsockname(fd)?;
                addresses.extend(SocketAddr::try_from(name));
                for list in &mut listeners {
                    list.push(fd.try_clone()?);
                }
            }
        }
    }
    Ok((listeners, addresses))
}

fn tcp(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    // Accepted sockets inherit it, which saves a system call for each.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}
