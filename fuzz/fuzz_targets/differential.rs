//! Frames and any octets to both roles of tightwire and of tungstenite: the same messages and the same verdict.
//!
//! Agreed differences, each of them for a reason:
//! * tungstenite looks at a frame once all of it is there. tightwire fails at the first octet that shows a fault, as
//!   RFC 6455 8.1 allows and a long bad frame makes worth while. So what ends in mid-frame may have failed here only.
//! * tungstenite takes lengths that are not minimal, of control frames too. RFC 6455 5.2 says that the minimal number
//!   of octets must be used, and 5.5 leaves a control frame no longer form.
//! * tungstenite hands out a Close frame with a code that must not be sent as one with code 1002. RFC 6455 7.4: such a
//!   code is a protocol error, which has no Close frame to hand out.
//! * tungstenite takes 1014 for such a code. It was registered with IANA after the RFC, as RFC 6455 7.4.2 provides for.
//! * After the peer's Close frame tightwire drops what follows (RFC 6455 1.4); tungstenite is not asked any more.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::{self, Read, Write};
use tightwire::{Connection, Inbox, Limits, Output, Progress, Role, Violation};
use tightwire_fuzz::common::{client, frame, masked};
use tungstenite::protocol::{Role as Side, WebSocket, WebSocketConfig};

const LIMIT: usize = 1 << 16;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, Vec<u8>)>),
}

/// Frames that are well formed but for their first octet, and any octets behind them.
type Input<'a> = (Vec<(u8, &'a [u8])>, &'a [u8]);

fuzz_target!(|input: Input<'_>| {
    let (frames, rest) = input;
    let key = [0x1F, 0xE2, 0x03, 0x84];
    let to_server = frames.iter().flat_map(|(first, payload)| masked(*first, key, payload));
    let to_server: Vec<u8> = to_server.chain(rest.iter().copied()).collect();
    agree(ours(&to_server, Connection::server()), theirs(&to_server, Side::Server));
    let to_client = frames.iter().flat_map(|(first, payload)| frame(*first, payload));
    let to_client: Vec<u8> = to_client.chain(rest.iter().copied()).collect();
    agree(ours(&to_client, client()), theirs(&to_client, Side::Client));
});

fn agree((ours, violation): (Vec<Seen>, Option<Violation>), (theirs, failed): (Vec<Seen>, Option<bool>)) {
    if let Some((Seen::Close(Some((1014, _))), before)) = ours.split_last() {
        assert!(
            matches!(theirs.split_last(), Some((Seen::Close(Some((1002, _))), theirs)) if theirs == before)
        );
        return;
    }
    match violation {
        // Taken by tungstenite, in its own way: what came before is the same.
        Some(Violation::LengthNotMinimal | Violation::ControlTooLong | Violation::InvalidCloseCode) => {
            assert!(theirs.starts_with(&ours));
        }
        violation => {
            assert_eq!(ours, theirs, "{violation:?}");
            match failed {
                // Whatever tungstenite refuses is refused here, text with the same code.
                Some(is_text) => {
                    let violation = violation.expect("refused by tungstenite only");
                    assert_eq!(violation == Violation::InvalidUtf8, is_text, "{violation:?}");
                }
                // It waits for the rest of a frame.
                None => {}
            }
        }
    }
}

/// What tightwire gives: whole messages, and how it ended.
fn ours<R: Role>(wire: &[u8], mut connection: Connection<R>) -> (Vec<Seen>, Option<Violation>) {
    let limits = Limits::UNLIMITED.with_message(LIMIT as u64);
    let (mut inbox, mut seen) = (Inbox::new(wire.to_vec()), Vec::new());
    inbox.commit(wire.len());
    loop {
        let mut memory = [0; 131];
        let mut out = Output::new(&mut memory);
        let octets = match inbox.poll(&mut connection.decoder(&mut out, &limits)) {
            Ok(progress) => progress,
            Err(violation) => return (seen, Some(violation)),
        };
        seen.push(match octets {
            Progress::Message => match inbox.message().expect("a message") {
                tightwire::Message::Text(text) => Seen::Text(text.as_str().as_bytes().to_vec()),
                tightwire::Message::Binary(octets) => Seen::Binary(octets.to_vec()),
            },
            Progress::Ping => Seen::Ping(inbox.control().to_vec()),
            Progress::Pong => Seen::Pong(inbox.control().to_vec()),
            Progress::Close => {
                let frame =
                    inbox.close_frame().map(|frame| (frame.code.number(), frame.reason.as_bytes().to_vec()));
                seen.push(Seen::Close(frame));
                return (seen, None);
            }
            Progress::NeedInput => return (seen, None),
            other => panic!("{other:?}"),
        });
    }
}

/// What tungstenite gives, and whether it refused the rest: for the sake of text or of anything else.
fn theirs(wire: &[u8], side: Side) -> (Vec<Seen>, Option<bool>) {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT));
    let mut socket = WebSocket::from_raw_socket(Lent(wire), side, Some(config));
    let mut seen = Vec::new();
    loop {
        seen.push(match socket.read() {
            Ok(tungstenite::Message::Text(text)) => Seen::Text(text.as_bytes().to_vec()),
            Ok(tungstenite::Message::Binary(octets)) => Seen::Binary(octets.to_vec()),
            Ok(tungstenite::Message::Ping(octets)) => Seen::Ping(octets.to_vec()),
            Ok(tungstenite::Message::Pong(octets)) => Seen::Pong(octets.to_vec()),
            Ok(tungstenite::Message::Close(frame)) => {
                let frame = frame.map(|frame| (u16::from(frame.code), frame.reason.as_bytes().to_vec()));
                seen.push(Seen::Close(frame));
                return (seen, None);
            }
            Ok(tungstenite::Message::Frame(_)) => panic!("a raw frame"),
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (seen, None);
            }
            Err(error) => return (seen, Some(matches!(error, tungstenite::Error::Utf8(_)))),
        });
    }
}

/// Octets that arrive and then no more; what is written is dropped.
struct Lent<'a>(&'a [u8]);

impl Read for Lent<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(into) }
    }
}

impl Write for Lent<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
