//! Fixed pieces of work, each the same at every run, for counting instructions: `work NAME COUNT` does it COUNT times.

use std::error::Error;
use std::hint::black_box;
use tightwire::deflate::{
    Compress, Decompress, Deflate, Deflater, Flush, History, Inflate, Inflater, Level, Options, Terms,
    WindowBits,
};
use tightwire::frame::{self, Expect};
use tightwire::handshake::server::{Acceptance, Request};
use tightwire::handshake::{HeadLimits, HeadScanner, OriginPolicy, Slot};
use tightwire::{Client, Connection, Event, Limits, Message, Output, Step, mask, utf8};

/// Frames in one buffer.
const FRAMES: usize = 64;
const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://server.example.com\r\n\
    Sec-WebSocket-Version: 13\r\nUser-Agent: a browser of some name, as they are\r\nAccept-Language: en\r\n\r\n";

/// Every piece, and how often one run of it does the thing that it is named after.
pub const PIECES: [(&str, usize); 14] = [
    ("parse a head of 6 octets", 1),
    ("decode a masked frame of 16 B", FRAMES),
    ("decode a masked frame of 1 KiB", FRAMES),
    ("decode a masked frame of 1 KiB of ASCII text", FRAMES),
    ("decode a masked frame of 1 KiB of Cyrillic text", FRAMES),
    ("encode a frame of 16 B", FRAMES),
    ("encode a frame of 1 KiB", FRAMES),
    ("encode a masked frame of 1 KiB", FRAMES),
    ("unmask 16 KiB", 1),
    ("validate 4 KiB of ASCII", 1),
    ("validate 4 KiB of Cyrillic", 1),
    ("answer an opening handshake", 1),
    ("deflate 1 KiB at the fastest level", 1),
    ("inflate what 1 KiB became", 1),
];

/// Does a piece of work, by its place in [`PIECES`], so often.
///
/// # Errors
/// When there is no such work.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [place, count] = arguments else { return Err("work PLACE COUNT".into()) };
    let count = count.parse()?;
    let (place, repeat) = (place.parse::<usize>()?, |mut once: Box<dyn FnMut()>| {
        (0..count).for_each(|_| once());
        Ok(())
    });
    repeat(match place {
        0 => parse(),
        1 => decode(vec![b'x'; 16], false),
        2 => decode(vec![b'x'; 1024], false),
        3 => decode(vec![b'x'; 1024], true),
        4 => decode("\u{43f}".repeat(512).into_bytes(), true),
        5 => encode(16, Connection::server()),
        6 => encode(1024, Connection::server()),
        7 => encode(1024, client()),
        8 => unmask(),
        9 => validate("x".repeat(4096)),
        10 => validate("\u{43f}".repeat(2048)),
        11 => Box::new(handshake),
        12 => deflate(),
        13 => inflate()?,
        _ => return Err("there is no such work".into()),
    })
}

type Keys = fn() -> [u8; 4];

/// With a key that keeps text what it is.
fn client() -> Connection<Client<Keys>> {
    Connection::client(|| [0; 4])
}

fn frames<R: tightwire::Role>(
    connection: &mut Connection<R>,
    message: Message<'_>,
    memory: &mut [u8],
) -> usize {
    let mut out = Output::new(memory);
    for _ in 0..FRAMES {
        let _ = connection.encode(message, &mut out);
    }
    out.len()
}

fn room(payload: usize) -> Vec<u8> {
    vec![0; FRAMES * (payload + frame::HEAD_MAX)]
}

fn parse() -> Box<dyn FnMut()> {
    Box::new(|| {
        let expect = Expect { masked: true, rsv1: false };
        let _ = black_box(frame::parse(black_box(&[0x82, 0x90, 1, 2, 3, 4, 5]), expect));
    })
}

fn decode(payload: Vec<u8>, text: bool) -> Box<dyn FnMut()> {
    let mut wire = room(payload.len());
    let message = match std::str::from_utf8(&payload) {
        Ok(payload) if text => Message::from(payload),
        _ => Message::Binary(&payload),
    };
    let length = frames(&mut client(), message, &mut wire);
    let mut server = Connection::server();
    Box::new(move || {
        let (mut input, mut reply) = (black_box(&mut wire[..length]), [0; 131]);
        let mut out = Output::new(&mut reply);
        while let Ok(Step::Event(Event::Data(chunk))) = server.decode(&mut input, &mut out, &Limits::DEFAULT)
        {
            black_box(chunk.payload);
        }
    })
}

fn encode<R: tightwire::Role + 'static>(octets: usize, mut connection: Connection<R>) -> Box<dyn FnMut()> {
    let (payload, mut memory) = (vec![b'x'; octets], room(octets));
    Box::new(move || {
        black_box(frames(&mut connection, Message::Binary(black_box(&payload)), black_box(&mut memory)));
    })
}

fn unmask() -> Box<dyn FnMut()> {
    let mut payload = vec![0; 16 << 10];
    Box::new(move || mask::mask(black_box([1, 2, 3, 4]), 0, black_box(&mut payload)))
}

fn validate(text: String) -> Box<dyn FnMut()> {
    Box::new(move || {
        let mut validator = utf8::Validator::new();
        black_box(validator.feed(black_box(text.as_bytes())).is_ok() && validator.is_complete());
    })
}

fn handshake() {
    let Ok(Some(length)) = HeadScanner::new().scan(black_box(REQUEST), &HeadLimits::DEFAULT) else { return };
    let (mut slots, mut out) = ([Slot::EMPTY; 64], [0; 512]);
    let Ok(request) = Request::parse(&REQUEST[..length], &mut slots) else { return };
    let Ok(upgrade) = request.check(&OriginPolicy::SameHost) else { return };
    let _ = black_box(upgrade.accept(&Acceptance::default(), &mut out));
}

const TERMS: Terms = Terms::new(WindowBits::MAX, false);

fn message() -> Vec<u8> {
    let mut text: String =
        (0..40).map(|number| format!("{{\"id\":{},\"room\":\"hall\"}},", number * 7919)).collect();
    text.truncate(1024);
    text.into_bytes()
}

fn deflate() -> Box<dyn FnMut()> {
    let options = Options::new(Level::Fastest, WindowBits::MAX);
    let (message, mut out) = (message(), vec![0; 2048]);
    let (mut words, mut octets) = (vec![0; options.words()], vec![0; options.octets()]);
    let mut deflater = Box::new(Deflater::new());
    Box::new(move || {
        if let Ok(mut codec) = Deflate::new(&mut deflater, &mut words, &mut octets, options, TERMS) {
            black_box(codec.compress(black_box(&message), &mut out, Flush::Last));
        }
    })
}

fn inflate() -> Result<Box<dyn FnMut()>, Box<dyn Error>> {
    let options = Options::new(Level::Balanced, WindowBits::MAX);
    let (message, mut payload) = (message(), vec![0; 2048]);
    let (mut words, mut octets) = (vec![0; options.words()], vec![0; options.octets()]);
    let mut deflater = Box::new(Deflater::new());
    let mut codec = Deflate::new(&mut deflater, &mut words, &mut octets, options, TERMS)?;
    let length = codec.compress(&message, &mut payload, Flush::Last).produced;
    payload.truncate(length);
    let (mut inflater, mut history) = (Box::new(Inflater::new()), History::new());
    let (mut window, mut out) = (vec![0; 1 << 15], vec![0; 2048]);
    Ok(Box::new(move || {
        if let Ok(mut codec) = Inflate::new(&mut inflater, &mut history, &mut window, TERMS) {
            let _ = black_box(codec.decompress(black_box(&payload), &mut out, true));
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_can_be_done() {
        for place in 0..PIECES.len() {
            run(&[place.to_string(), "2".to_owned()]).unwrap();
        }
        assert!(run(&[PIECES.len().to_string(), "2".to_owned()]).is_err());
    }

    #[test]
    fn frames_decode_to_what_they_were() {
        let mut wire = room(16);
        let length = frames(&mut client(), Message::Binary(&[b'x'; 16]), &mut wire);
        assert_eq!(length, FRAMES * 22);
    }
}
