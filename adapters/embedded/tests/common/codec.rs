//! A codec in lent memory, as firmware would have it, and what a client sends with it.

use super::Keys;
use tightwire::{Connection, Output};
use tightwire_embedded::Message;
use tightwire_embedded::deflate::{
    Agreement, Deflate, Deflater, History, Inflate, Inflater, Level, Options, Terms, WindowBits,
};

/// Windows of 1 KiB in both directions, that of the client's messages kept from one to the next.
pub fn agreement() -> Agreement {
    let window = WindowBits::new(10).unwrap();
    Agreement { server: Terms::new(window, false), client: Terms::new(window, true) }
}

/// What one direction needs, in memory as firmware would have it.
pub struct Codec {
    inflater: Inflater,
    history: History,
    window: [u8; 1024],
    deflater: Deflater,
    words: [u16; OPTIONS.words()],
    octets: [u8; OPTIONS.octets()],
}

pub const OPTIONS: Options = Options::new(Level::Fastest, WindowBits::new(10).unwrap());

impl Codec {
    pub fn new() -> Self {
        Self {
            inflater: Inflater::new(),
            history: History::new(),
            window: [0xEE; 1024],
            deflater: Deflater::new(),
            words: [0xEEEE; OPTIONS.words()],
            octets: [0xEE; OPTIONS.octets()],
        }
    }

    pub fn inflate(&mut self, terms: Terms) -> Inflate<'_> {
        Inflate::new(&mut self.inflater, &mut self.history, &mut self.window, terms).unwrap()
    }

    pub fn deflate(&mut self, terms: Terms) -> Deflate<'_> {
        Deflate::new(&mut self.deflater, &mut self.words, &mut self.octets, OPTIONS, terms).unwrap()
    }
}

/// What a client sends: compressed messages, and others between them.
pub fn script(messages: &[Message<'_>]) -> Vec<u8> {
    let (mut connection, mut codec) =
        (Connection::client(Keys::default()).with_compression(agreement()), Codec::new());
    let mut memory = vec![0; 20_000];
    let mut out = Output::new(&mut memory);
    for message in messages {
        let mut codec = codec.deflate(agreement().client);
        assert!(connection.outbound_mut().encode_compressed(*message, &mut codec, &mut out).unwrap());
        connection.ping(b"p", &mut out).unwrap();
        connection.encode("as it is", &mut out).unwrap();
    }
    connection.close(None, &mut out).unwrap();
    out.written().to_vec()
}
