//! What the tests share: a transport in memory that cuts as it is told, frames written by hand, and a drive for each
//! face that receives and echoes until the end.
#![allow(dead_code, unreachable_pub)] // each test file uses its part of it

pub mod codec;

use core::future::poll_fn;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use embedded_io::ErrorKind;
use tightwire_embedded::{
    Buffers, CloseCode, Config, Error, KeySource, Kind, Limits, OpenError, Opening, OriginPolicy, Received,
    Slot, asynch, blocking, client,
};

pub static CONFIG: Config = Config::new();
pub static UNLIMITED: Config = Config::new().with_limits(Limits::UNLIMITED);

pub const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Origin: http://server.example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\r\n";
pub const RESPONSE: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Keys that make the nonce of RFC 6455 1.3 and then count.
#[derive(Debug, Default)]
pub struct Keys(u32);

impl KeySource for Keys {
    fn mask_key(&mut self) -> [u8; 4] {
        self.0 += 1;
        let nonce = *b"the sample nonce";
        let start = self.0 as usize * 4 - 4;
        nonce
            .get(start..start + 4)
            .map_or(self.0.wrapping_mul(0x9E37_79B9).to_be_bytes(), |key| key.try_into().unwrap())
    }
}

/// A peer that has said everything that it will ever say, and takes note of what it is told.
#[derive(Clone, Debug)]
pub struct Pipe {
    pub input: Vec<u8>,
    at: usize,
    /// A read ends here, wherever it began.
    cut: usize,
    /// The most octets of one read, and of one write.
    most: usize,
    pub output: Vec<u8>,
    /// Octets of output behind the last flush.
    pub unflushed: usize,
    /// What a read gives behind the input: the end if nothing.
    pub at_end: Option<ErrorKind>,
    /// What a write gives from this many octets of output on.
    pub write_error: Option<(usize, ErrorKind)>,
    /// Asynchronous calls wait once before they do something.
    pub waits: bool,
    waited: bool,
}

impl Pipe {
    pub fn new(input: &[u8]) -> Self {
        Self {
            input: input.to_vec(),
            at: 0,
            cut: usize::MAX,
            most: usize::MAX,
            output: Vec::new(),
            unflushed: 0,
            at_end: None,
            write_error: None,
            waits: false,
            waited: false,
        }
    }

    pub fn cut_at(self, cut: usize) -> Self {
        Self { cut, ..self }
    }

    pub fn in_pieces(self, most: usize) -> Self {
        Self { most, ..self }
    }

    pub fn waiting(self) -> Self {
        Self { waits: true, ..self }
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        assert!(!buffer.is_empty(), "a read into nothing");
        let cut = if self.at < self.cut { self.cut } else { usize::MAX };
        let end = self.input.len().min(cut).min(self.at.saturating_add(self.most.min(buffer.len())));
        let octets = end - self.at;
        if octets == 0 {
            return self.at_end.map_or(Ok(0), Err);
        }
        buffer[..octets].copy_from_slice(&self.input[self.at..end]);
        self.at = end;
        Ok(octets)
    }

    fn put(&mut self, octets: &[u8]) -> Result<usize, ErrorKind> {
        assert!(!octets.is_empty(), "a write of nothing");
        if let Some((after, error)) = self.write_error
            && self.output.len() >= after
        {
            return Err(error);
        }
        let octets = &octets[..octets.len().min(self.most)];
        self.output.extend_from_slice(octets);
        self.unflushed += octets.len();
        Ok(octets.len())
    }

    async fn wait(&mut self) {
        poll_fn(|_| {
            self.waited = self.waits && !self.waited;
            if self.waited { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}

impl embedded_io::ErrorType for Pipe {
    type Error = ErrorKind;
}

impl embedded_io::Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.take(buffer)
    }
}

impl embedded_io::Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> Result<usize, ErrorKind> {
        self.put(octets)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        self.unflushed = 0;
        Ok(())
    }
}

impl embedded_io_async::Read for Pipe {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.wait().await;
        self.take(buffer)
    }
}

impl embedded_io_async::Write for Pipe {
    async fn write(&mut self, octets: &[u8]) -> Result<usize, ErrorKind> {
        self.wait().await;
        self.put(octets)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.wait().await;
        self.unflushed = 0;
        Ok(())
    }
}

/// Polls until it is done, which takes few polls: nothing here waits for long.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("it waits for ever");
}

/// What was received, copied out. Pieces of a message are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub kind: Kind,
    pub octets: Vec<u8>,
    pub finished: bool,
}

impl Seen {
    pub fn text(text: &str) -> Self {
        Self { kind: Kind::Text, octets: text.into(), finished: true }
    }

    pub fn binary(octets: &[u8]) -> Self {
        Self { kind: Kind::Binary, octets: octets.into(), finished: true }
    }
}

pub fn push(seen: &mut Vec<Seen>, received: &Received<'_>) {
    if let (Received::Chunk(chunk), Some(last)) = (received, seen.last_mut())
        && !chunk.first
    {
        assert!(!last.finished && last.kind == chunk.kind, "a piece continues its message");
        last.octets.extend_from_slice(chunk.octets);
        last.finished = chunk.last;
        return;
    }
    assert!(seen.last().is_none_or(|last| last.finished), "no message between the pieces of another");
    seen.push(Seen { kind: received.kind(), octets: received.octets().into(), finished: received.is_last() });
}

/// Everything that came of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub seen: Vec<Seen>,
    /// What the peer's Close frame said.
    pub closed: Option<(CloseCode, String)>,
    pub error: Option<Error<ErrorKind>>,
    pub output: Vec<u8>,
}

/// The octets of storage, and whether messages are sent back.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub receive: usize,
    pub transmit: usize,
    pub echo: bool,
    pub config: &'static Config,
}

pub const SETUP: Setup = Setup { receive: 1024, transmit: 512, echo: false, config: &CONFIG };

fn closed(frame: Option<tightwire_embedded::CloseFrame<'_>>) -> Option<(CloseCode, String)> {
    frame.map(|frame| (frame.code, frame.reason.to_owned()))
}

/// The two roles of a drive. Its body is written once for each face: they differ in `await` alone.
macro_rules! drives {
    ($server:ident, $client:ident, $module:ident, [$($async:tt)?], [$($wait:tt)*]) => {
        /// Accepts, receives until the end, and tells what came of it.
        pub $($async)? fn $server(pipe: &mut Pipe, setup: Setup) -> Result<Outcome, OpenError<ErrorKind>> {
            let (mut seen, mut error) = (Vec::new(), None);
            let (mut receive, mut transmit) = (vec![0xEE; setup.receive], vec![0xEE; setup.transmit]);
            let buffers = Buffers::new(&mut receive[..], &mut transmit[..]).unwrap();
            let mut slots = [Slot::EMPTY; 8];
            let opening = Opening::new(&mut *pipe, buffers, &mut slots).with_config(setup.config);
            let mut socket = $module::accept(opening, &OriginPolicy::SameHost)$($wait)*?;
            loop {
                match socket.recv_with_sender()$($wait)* {
                    Ok(Some((received, mut sender))) => {
                        push(&mut seen, &received);
                        if setup.echo {
                            let sent = match received {
                                Received::Message(message) => sender.feed(message)$($wait)*,
                                Received::Chunk(chunk) => {
                                    sender.feed_fragment(chunk.kind, chunk.octets, chunk.last)$($wait)*
                                }
                            };
                            sent.unwrap();
                        }
                    }
                    Ok(None) => break,
                    Err(failed) => {
                        error = Some(failed);
                        break;
                    }
                }
            }
            // The end sticks.
            assert_eq!(socket.recv()$($wait)*.err(), error);
            let closed = closed(socket.closed());
            let output = socket.into_transport().output.clone();
            Ok(Outcome { seen, closed, error, output })
        }

        /// The same for a client, whose octets are unmasked again.
        pub $($async)? fn $client(pipe: &mut Pipe, setup: Setup) -> Result<Outcome, OpenError<ErrorKind>> {
            let (mut seen, mut error) = (Vec::new(), None);
            let (mut receive, mut transmit) = (vec![0xEE; setup.receive], vec![0xEE; setup.transmit]);
            let buffers = Buffers::new(&mut receive[..], &mut transmit[..]).unwrap();
            let mut slots = [Slot::EMPTY; 8];
            let opening = Opening::new(&mut *pipe, buffers, &mut slots).with_config(setup.config);
            let offer = client::Offer::new("server.example.com", "/chat");
            let (mut socket, _) = $module::connect(opening, &offer, Keys::default())$($wait)*?;
            loop {
                match socket.recv()$($wait)* {
                    Ok(Some(received)) => push(&mut seen, &received),
                    Ok(None) => break,
                    Err(failed) => {
                        error = Some(failed);
                        break;
                    }
                }
            }
            assert_eq!(socket.recv()$($wait)*.err(), error);
            let closed = closed(socket.closed());
            let output = socket.into_transport().output.clone();
            Ok(Outcome { seen, closed, error, output })
        }
    };
}

drives!(blocking_server, blocking_client, blocking, [], []);
drives!(asynch_server, asynch_client, asynch, [async], [.await]);

/// Runs a script through both faces: whole, octet by octet and in every way to cut it in two. All must agree; one of
/// them is returned, with the output behind the handshake. What is sent back in pieces is put together first: how many
/// pieces that are, the cuts may decide.
pub fn every_cut(is_client: bool, wire: &[u8], setup: Setup) -> Outcome {
    let head = if is_client { RESPONSE } else { REQUEST };
    let script = [head, wire].concat();
    let run = |pipe: Pipe| {
        let mut ways = [pipe.clone(), pipe.clone(), pipe.waiting()];
        let [blocked, ready, waited] = &mut ways;
        let outcomes = match is_client {
            true => [
                blocking_client(blocked, setup),
                block_on(asynch_client(ready, setup)),
                block_on(asynch_client(waited, setup)),
            ],
            false => [
                blocking_server(blocked, setup),
                block_on(asynch_server(ready, setup)),
                block_on(asynch_server(waited, setup)),
            ],
        };
        let [first, second, third] = outcomes.map(|outcome| {
            let mut outcome = outcome.expect("the handshake is good");
            let end = outcome.output.windows(4).position(|four| four == b"\r\n\r\n");
            outcome.output.drain(..end.expect("a head was sent") + 4);
            if is_client {
                outcome.output = unmasked(&outcome.output);
            }
            if setup.echo {
                outcome.output = whole_messages(&outcome.output);
            }
            outcome
        });
        assert!(first == second, "blocking and asynchronous");
        assert!(second == third, "with and without waits");
        assert!(ways.iter().all(|pipe| pipe.unflushed == 0 || setup.echo), "everything is flushed");
        first
    };
    let whole = run(Pipe::new(&script));
    assert!(run(Pipe::new(&script).in_pieces(1)) == whole, "octet by octet");
    for cut in 1..script.len() {
        assert!(run(Pipe::new(&script).cut_at(cut)) == whole, "cut at {cut}");
    }
    whole
}

/// The messages on a wire without masks, each in one frame, and then its control frames.
pub fn whole_messages(mut wire: &[u8]) -> Vec<u8> {
    let (mut messages, mut controls, mut message) = (Vec::new(), Vec::new(), None);
    while let [first, length, rest @ ..] = wire {
        let (length, rest) = match length {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => unreachable!("no storage here is that large"),
            _ => (usize::from(*length), rest),
        };
        let (payload, rest) = rest.split_at(length);
        if first & 0x08 != 0 {
            controls.extend(frame(true, *first, payload));
        } else {
            assert_eq!(first & 0x0F == 0, message.is_some(), "a fragment continues its message");
            let (_, octets) = message.get_or_insert((first & 0x0F, Vec::new()));
            octets.extend_from_slice(payload);
            if first & 0x80 != 0 {
                let (opcode, octets) = message.take().unwrap();
                messages.extend(frame(true, 0x80 | opcode, &octets));
            }
        }
        wire = rest;
    }
    assert_eq!(message, None, "a message is unfinished");
    messages.extend(controls);
    messages
}

/// A frame, its length in the fewest octets, as the peer of a server or of a client sends it.
pub fn frame(to_client: bool, first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = if to_client { 0 } else { 0x80 };
    let mut wire = vec![first];
    match payload.len() {
        0..=125 => wire.push(mask | payload.len() as u8),
        126..=0xFFFF => {
            wire.push(mask | 126);
            wire.extend((payload.len() as u16).to_be_bytes());
        }
        _ => {
            wire.push(mask | 127);
            wire.extend((payload.len() as u64).to_be_bytes());
        }
    }
    let key = if to_client { [0; 4] } else { [0xA1, 0x0B, 0xC2, 0x7D] };
    if !to_client {
        wire.extend(key);
    }
    wire.extend(payload.iter().zip(key.iter().cycle()).map(|(octet, key)| octet ^ key));
    wire
}

/// What a client wrote, as a server would have written it.
pub fn unmasked(mut wire: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while let [first, second, rest @ ..] = wire {
        assert!(second & 0x80 != 0, "a client masks every frame");
        let extended = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let (extended, rest) = rest.split_at(extended);
        let length = if extended.is_empty() {
            usize::from(second & 0x7F)
        } else {
            extended.iter().fold(0, |length, octet| length << 8 | usize::from(*octet))
        };
        let (key, rest) = rest.split_at(4);
        let (payload, rest) = rest.split_at(length);
        plain.extend([*first, second & 0x7F]);
        plain.extend(extended);
        plain.extend(payload.iter().zip(key.iter().cycle()).map(|(octet, key)| octet ^ key));
        wire = rest;
    }
    plain
}
