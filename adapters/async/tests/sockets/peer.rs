//! The other end: a blocking socket that says whatever it likes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// The key and the answer to it of RFC 6455 1.3.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

/// Longer than the deadlines that a scenario is about, shorter than those that would hide a fault by and by.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Peer(pub(crate) TcpStream);

/// What an HTTP server answered, or a client asked.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) start: String,
    headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn status(&self) -> u16 {
        self.start.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn accept(listener: &TcpListener) -> Self {
        Self::new(listener.accept().unwrap().0)
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.0.write_all(octets).unwrap();
    }

    /// Sends a frame as a client does.
    pub(crate) fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.send(&masked(first, payload));
    }

    /// Does the opening handshake of a client.
    pub(crate) fn open(&mut self) {
        self.send(request("/").as_bytes());
        let head = self.head();
        assert_eq!(head.status(), 101, "{head:?}");
        assert_eq!(head.header("Sec-WebSocket-Accept"), Some(ACCEPT));
    }

    /// Reads up to the end of a head.
    pub(crate) fn head(&mut self) -> Head {
        let mut octets = Vec::new();
        while !octets.ends_with(b"\r\n\r\n") {
            octets.push(self.array::<1>()[0]);
        }
        let text = String::from_utf8(octets).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let start = lines.next().unwrap().to_owned();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Head { start, headers }
    }

    /// Reads a whole response: its head, and its body up to the end of the connection.
    pub(crate) fn response(&mut self) -> (Head, String) {
        let head = self.head();
        let body = String::from_utf8(self.rest().unwrap()).unwrap();
        assert_eq!(head.header("Content-Length").unwrap(), body.len().to_string());
        (head, body)
    }

    /// Reads one frame of a server: its first octet and its payload.
    pub(crate) fn frame(&mut self) -> (u8, Vec<u8>) {
        let [first, length] = self.array();
        let length = match length {
            126 => u64::from(u16::from_be_bytes(self.array())),
            127 => u64::from_be_bytes(self.array()),
            // RFC 6455 5.1: a server must not mask
            length => {
                assert!(length < 126, "masked");
                u64::from(length)
            }
        };
        let mut payload = vec![0; length.try_into().unwrap()];
        self.0.read_exact(&mut payload).unwrap();
        (first, payload)
    }

    /// Reads frames up to and including the Close frame, then the end of the connection; gives the close code.
    pub(crate) fn closed(&mut self) -> u16 {
        loop {
            let (first, payload) = self.frame();
            if first == CLOSE {
                // RFC 6455 7.1.1: nothing follows, and the server closes
                assert_eq!(self.rest().unwrap(), b"");
                return u16::from_be_bytes(payload[..2].try_into().unwrap());
            }
        }
    }

    /// Reads to the end of the connection.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        self.0.read_to_end(&mut octets)?;
        Ok(octets)
    }

    /// Ends the sending direction.
    pub(crate) fn end(&mut self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.0).set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        self.0.read_exact(&mut octets).unwrap();
        octets
    }
}

/// A request for this target that every server accepts.
pub(crate) fn request(target: &str) -> String {
    request_with(&format!("GET {target} HTTP/1.1"), "")
}

/// A request with this line, and with these header lines beside its own.
pub(crate) fn request_with(line: &str, headers: &str) -> String {
    format!(
        "{line}\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

/// A frame as a client sends it (RFC 6455 5.2).
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = head(first, 0x80, payload.len());
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    frame
}

/// A frame as a server sends it.
pub(crate) fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, 0, payload.len());
    frame.extend(payload);
    frame
}

fn head(first: u8, mask_bit: u8, length: usize) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..126 => head.push(mask_bit | length as u8),
        126..=0xffff => {
            head.push(mask_bit | 126);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(mask_bit | 127);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head
}

/// The payload of a Close frame.
pub(crate) fn reason(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}
