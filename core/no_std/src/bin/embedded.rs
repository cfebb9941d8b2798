//! Links only if no panic can be reached from what a peer sends to a connection of tightwire-embedded, as a whole and as
//! halves. What heads can reach, `handshake` shows: this program takes connections over that are open already. The
//! asynchronous face decides nothing by itself; its futures hold the panic of every `async fn` that is polled after its
//! end, so it cannot be here.
#![no_std]
#![no_main]

#[path = "../panic.rs"]
mod panic;

use core::hint::black_box;
use embedded_io::ErrorKind;
use tightwire_embedded::{
    Client, CloseCode, Connection, Incoming, Inflation, Inline, Kind, Opening, Received, Role, blocking,
    deflate::{Agreement, Deflate, Deflater, History, Inflate, Inflater, Level, Options, Terms, WindowBits},
};

/// A transport that the compiler knows nothing of. It ends after so many reads.
#[derive(Clone, Copy)]
struct Unknown(u8);

impl embedded_io::ErrorType for Unknown {
    type Error = ErrorKind;
}

impl embedded_io::Read for Unknown {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        buffer.iter_mut().for_each(|octet| *octet = black_box(0x89));
        self.0 = self.0.saturating_sub(1);
        black_box(Ok(if self.0 == 0 { 0 } else { 200 }))
    }
}

impl embedded_io::Write for Unknown {
    fn write(&mut self, _: &[u8]) -> Result<usize, ErrorKind> {
        black_box(Ok(7))
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        black_box(Ok(()))
    }
}

/// What the C library starts. 42 says that it ran to its end.
#[allow(unsafe_code)] // the name is all that the start of a C program knows
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    let key = || black_box([1, 2, 3, 4]);
    let _ = black_box(session(Connection::server()));
    let _ = black_box(session(Connection::<Client<_>>::client(key)));
    let _ = black_box(halves(Connection::server()));
    42
}

fn session<R: Role>(connection: Connection<R>) -> Result<(), ErrorKind> {
    let opening = Opening::new(Unknown(9), Inline::<200, 150>::inline(), &mut []).with_clock(|| black_box(5));
    let socket =
        blocking::adopt(opening, connection, black_box(&[0x81, 0x85])).map_err(|_| ErrorKind::Other)?;
    let window = WindowBits::new(8).unwrap_or(WindowBits::MAX);
    let terms = Terms::new(window, black_box(true));
    let mut socket = socket.with_compression(Agreement { server: terms, client: terms });
    let (mut inflater, mut history, mut memory) = (Inflater::new(), History::new(), black_box([0; 256]));
    let mut inflate =
        Inflate::new(&mut inflater, &mut history, &mut memory, terms).map_err(|_| ErrorKind::Other)?;
    let options = Options::new(Level::Fastest, window);
    let (mut deflater, mut words, mut octets) = (Deflater::new(), [0; 1024], [0; 2048]);
    let mut deflate =
        Deflate::new(&mut deflater, &mut words, &mut octets, options, terms).map_err(|_| ErrorKind::Other)?;
    let mut inflation = Inflation::new([0; 300]);
    for _ in 0..black_box(3) {
        let received = socket.recv_inflated(&mut inflation, &mut inflate);
        let _ = black_box(received.map(|received| received.map(|received| received.octets().len())));
        if let Ok(Some((received, mut sender))) = socket.recv_with_sender() {
            let _ = black_box(match received {
                Received::Message(message) => sender.feed(message),
                Received::Chunk(chunk) => sender.feed_fragment(chunk.kind, chunk.octets, chunk.last),
            });
        }
        let _ = black_box(socket.sender().feed_compressed(black_box(&[1; 700]), &mut deflate));
    }
    let _ = black_box(socket.ping(black_box(b"ping")));
    let _ = black_box(socket.pong(black_box(&[1; 200])));
    let _ = black_box(socket.close(CloseCode::new(black_box(1000)), black_box("bye")));
    black_box((socket.round_trip(), socket.next_deadline()));
    black_box(socket.closed());
    Ok(())
}

fn halves<R: Role>(connection: Connection<R>) -> Result<(), ErrorKind> {
    let opening = Opening::new(Unknown(9), Inline::<200, 131>::inline(), &mut []);
    let socket = blocking::adopt(opening, connection, &[]).map_err(|_| ErrorKind::Other)?;
    let (mut receiver, mut transmitter) = socket.split(|transport| (transport, transport));
    for _ in 0..black_box(3) {
        if let Ok(Some(Incoming::Reply(reply))) = receiver.recv() {
            let _ = black_box(transmitter.reply(&reply));
        }
        let _ = black_box(transmitter.sender().feed_fragment(Kind::Text, black_box(&[1; 700]), false));
    }
    Ok(())
}
