//! A server under test, and a blocking client that is written by hand so that it can misbehave.
#![allow(dead_code, reason = "each test file uses a part of it")]

use socket2::SockRef;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tightwire_epoll::tightwire::deadline::Timeout;
use tightwire_epoll::tightwire::handshake::server::{Acceptance, Request, Response};
use tightwire_epoll::tightwire::handshake::{OriginPolicy, Slot};
use tightwire_epoll::tightwire::{CloseCode, Message, mask};
use tightwire_epoll::{
    Answer, Builder, Cause, Closed, Config, Conn, ConnectError, Handler, Opening, Sent, Server, Stats, Token,
};

/// What a handler saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Saw {
    Open(Token),
    Drained,
    Timeout(Timeout),
    Closed(u16, String, Cause),
    Failed(ConnectError),
}

/// Echoes messages, answers `GET /health`, and tells what it sees. Texts that begin with `!` are commands.
pub(crate) struct Echo {
    pub(crate) saw: mpsc::Sender<Saw>,
}

impl Handler for Echo {
    type Session = u64;

    fn handshake(&mut self, opening: Opening<'_, u64>) -> Answer {
        if opening.request().path() == "/health" {
            return opening.respond(&Response::new(200).with_body(b"well\n"));
        }
        let protocol = opening.request().protocols().next();
        opening.accept(&OriginPolicy::SameHost, &Acceptance { protocol, ..Acceptance::default() })
    }

    fn open(&mut self, conn: &mut Conn<'_, u64>) {
        let _ = self.saw.send(Saw::Open(conn.token()));
    }

    fn message(&mut self, conn: &mut Conn<'_, u64>, message: Message<'_>) {
        *conn.session() += 1;
        match message.as_str() {
            Some("!count") => {
                let count = conn.session().to_string();
                conn.send(count.as_str()).unwrap();
            }
            Some("!close") => {
                conn.close(CloseCode::new(4000), "as you wish").unwrap();
            }
            Some("!drop") => conn.drop_now(),
            _ => {
                if let Ok(Sent::Buffered(_)) = conn.send(message) {
                    conn.pause();
                }
            }
        }
    }

    fn drained(&mut self, conn: &mut Conn<'_, u64>) {
        let _ = self.saw.send(Saw::Drained);
        conn.resume();
    }

    fn timeout(&mut self, _: &mut Conn<'_, u64>, timeout: Timeout) {
        let _ = self.saw.send(Saw::Timeout(timeout));
    }

    fn close(&mut self, _: &mut Conn<'_, u64>, closed: Closed<'_>) {
        let saw = Saw::Closed(closed.code.number(), closed.reason.to_owned(), closed.cause);
        let _ = self.saw.send(saw);
    }

    fn failed(&mut self, _: &mut Conn<'_, u64>, failure: ConnectError) {
        let _ = self.saw.send(Saw::Failed(failure));
    }
}

/// An echo server on one thread, and what its handler sees.
pub(crate) struct Bench {
    pub(crate) server: Server<Echo>,
    pub(crate) saw: mpsc::Receiver<Saw>,
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        Self::with(Builder::new().config(config))
    }

    pub(crate) fn with(builder: Builder) -> Self {
        let (send, saw) = mpsc::channel();
        let address = "127.0.0.1:0".parse().unwrap();
        let server = builder.threads(1).listen(address).start(move |_| Echo { saw: send.clone() }).unwrap();
        Self { server, saw }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.addresses()[0]
    }

    pub(crate) fn client(&self) -> Peer {
        Peer::open(self.address())
    }

    /// The next thing that the handler sees; it comes or the test hangs.
    pub(crate) fn next(&self) -> Saw {
        self.saw.recv().unwrap()
    }

    /// The next end of a connection.
    pub(crate) fn closed(&self) -> (u16, String, Cause) {
        loop {
            if let Saw::Closed(code, reason, cause) = self.next() {
                return (code, reason, cause);
            }
        }
    }

    /// Waits for numbers that the server brings about.
    pub(crate) fn until(&self, reached: impl Fn(&Stats) -> bool) -> Stats {
        loop {
            let stats = self.server.stats();
            if reached(&stats) {
                return stats;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

pub(crate) const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: example\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A client made of a socket.
pub(crate) struct Peer {
    pub(crate) socket: TcpStream,
}

impl Peer {
    /// A connected socket.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket }
    }

    /// An open connection.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address);
        peer.write(REQUEST.as_bytes());
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        peer
    }

    pub(crate) fn write(&mut self, octets: &[u8]) {
        self.socket.write_all(octets).unwrap();
    }

    /// The head of a response.
    pub(crate) fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.octet().expect("the end of a head"));
        }
        String::from_utf8(head).unwrap()
    }

    fn octet(&mut self) -> Option<u8> {
        let mut octet = [0];
        match self.socket.read(&mut octet) {
            Ok(1) => Some(octet[0]),
            _ => None,
        }
    }

    /// One frame from the server: its first octet and its payload; nothing at the end of the stream.
    pub(crate) fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        if self.socket.read_exact(&mut head).is_err() {
            return None;
        }
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.socket.read_exact(&mut length).ok()?;
                usize::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.socket.read_exact(&mut length).ok()?;
                usize::try_from(u64::from_be_bytes(length)).unwrap()
            }
            short => {
                // RFC 6455 5.1: a server masks nothing
                assert!(short < 126, "{short}");
                usize::from(short)
            }
        };
        let mut payload = vec![0; length];
        self.socket.read_exact(&mut payload).ok()?;
        Some((head[0], payload))
    }

    /// The close code that the server sent, and that it then closed the transport.
    pub(crate) fn close_code(&mut self) -> u16 {
        let (first, payload) = self.frame().expect("a Close frame");
        assert_eq!(first, 0x88);
        assert!(self.is_at_end());
        payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))
    }

    pub(crate) fn is_at_end(&mut self) -> bool {
        matches!(self.socket.read(&mut [0]), Ok(0))
    }

    pub(crate) fn send(&mut self, first: u8, payload: &[u8]) {
        self.write(&frame(first, payload));
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.send(0x81, text.as_bytes());
    }

    /// One message there and back. When this is over, the server has looked at all that other sockets had
    /// for it before.
    pub(crate) fn sync(&mut self) {
        self.text("sync");
        assert_eq!(self.frame(), Some((0x81, b"sync".to_vec())));
    }

    pub(crate) fn end_of_sending(&self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Makes the kernel take little for this socket.
    pub(crate) fn take_little(&self) {
        SockRef::from(&self.socket).set_recv_buffer_size(128 * 1024).unwrap();
    }
}

/// A masked frame with this first octet.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        medium @ 126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend((medium as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(KEY);
    let start = frame.len();
    frame.extend(payload);
    mask::mask(KEY, 0, &mut frame[start..]);
    frame
}

/// The program of an example, built.
pub(crate) fn example(name: &str) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--package", "tightwire-epoll", "--message-format", "json", "--example", name];
    let output = Command::new(cargo).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let name = format!("\"name\":\"{name}\"");
    let line = text.lines().rfind(|line| line.contains(&name) && line.contains("\"executable\":\"")).unwrap();
    let (_, rest) = line.split_once("\"executable\":\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// An example that runs as a process. It ends with this.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Starts a server, and gives it with the address in the line that it prints.
    pub(crate) fn serve(command: &mut Command) -> (Self, SocketAddr) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("://").nth(1).unwrap_or_else(|| panic!("{line:?}"));
        (Self(child), address.split('/').next().unwrap().parse().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Answers the opening handshake of a client; gives what it asked for.
pub(crate) fn accept(socket: &mut TcpStream, acceptance: &Acceptance<'_>) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        socket.read_exact(&mut octet).unwrap();
        head.extend(octet);
    }
    let mut slots = [Slot::EMPTY; 16];
    let request = Request::parse(&head, &mut slots).unwrap();
    let mut response = [0; 512];
    let upgrade = request.check(&OriginPolicy::Any).unwrap();
    let length = upgrade.accept(acceptance, &mut response).unwrap();
    socket.write_all(&response[..length]).unwrap();
    request.target().to_owned()
}
