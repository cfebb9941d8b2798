//! The halves of a connection, as two tasks use them: one receives, the other sends what it is handed.

mod common;

use common::{Keys, Pipe, SETUP, Seen, block_on, every_cut, frame, push, unmasked};
use embedded_io::ErrorKind;
use tightwire_embedded::{
    CloseCode, Connection, Error, Incoming, Inline, Kind, Opening, Reply, Role, SendError, Server, Violation,
    asynch, blocking,
};

/// What came out of both halves.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    seen: Vec<Seen>,
    closed: Option<CloseCode>,
    error: Option<Error<ErrorKind>>,
    output: Vec<u8>,
}

/// Written once for each face: they differ in `await` alone.
macro_rules! halves {
    ($name:ident, $module:ident, [$($async:tt)?], [$($wait:tt)*]) => {
        $($async)? fn $name<R: Role>(pipe: Pipe, connection: Connection<R>) -> Outcome {
            let opening = Opening::new(pipe, Inline::<200, 131>::inline(), &mut []);
            let socket = $module::adopt(opening, connection, b"").unwrap();
            let (mut receiver, mut transmitter) = socket.split(|pipe| (pipe.clone(), pipe));
            let (mut seen, mut error) = (Vec::new(), None);
            let mut sender = transmitter.sender();
            sender.feed_fragment(Kind::Text, b"begun", false)$($wait)*.unwrap();
            loop {
                match receiver.recv()$($wait)* {
                    Ok(Some(Incoming::Received(received))) => push(&mut seen, &received),
                    Ok(Some(Incoming::Reply(reply))) => {
                        let replied = transmitter.reply(&reply)$($wait)*;
                        assert_eq!(replied, Ok(()));
                    }
                    Ok(None) => break,
                    Err(failed) => {
                        error = Some(failed);
                        break;
                    }
                }
            }
            assert_eq!(receiver.recv()$($wait)*.err(), error);
            if error != Some(Error::Ended) {
                let late = transmitter.sender().send("late")$($wait)*;
                assert_eq!(late, Err(Error::Caller(SendError::Closed)));
            }
            let closed = receiver.closed().map(|frame| frame.code);
            Outcome { seen, closed, error, output: transmitter.into_transport().output }
        }
    };
}

halves!(blocking_halves, blocking, [], []);
halves!(asynch_halves, asynch, [async], [.await]);

/// Both faces, in every way to cut the input in two.
fn halves<R: Role>(wire: &[u8], connection: impl Fn() -> Connection<R>) -> Outcome {
    let whole = blocking_halves(Pipe::new(wire), connection());
    for cut in 1..wire.len() {
        let pipe = Pipe::new(wire).cut_at(cut).in_pieces(50);
        assert_eq!(blocking_halves(pipe.clone(), connection()), whole, "cut at {cut}");
        assert_eq!(block_on(asynch_halves(pipe.waiting(), connection())), whole, "cut at {cut}");
    }
    whole
}

fn script(to_client: bool) -> Vec<u8> {
    [
        frame(to_client, 0x01, b"one "),
        frame(to_client, 0x89, &[7; 125]),
        frame(to_client, 0x80, b"two"),
        frame(to_client, 0x8A, b"unasked"),
        frame(to_client, 0x82, &[5; 300]),
        frame(to_client, 0x88, b"\x03\xe9"),
    ]
    .concat()
}

#[test]
fn replies_are_handed_over() {
    let expected = [&b"\x01\x05begun\x8a\x7d"[..], &[7; 125], b"\x88\x02\x03\xe9"].concat();
    for outcome in [halves(&script(false), Connection::server), {
        let outcome = halves(&script(true), || Connection::client(Keys::default()));
        let output = unmasked(&outcome.output);
        Outcome { output, ..outcome }
    }] {
        assert_eq!(outcome.seen, [Seen::text("one two"), Seen::binary(&[5; 300])]);
        assert_eq!((outcome.closed, outcome.error), (Some(CloseCode::GOING_AWAY), None));
        assert_eq!(outcome.output, expected);
    }
}

// RFC 6455 7.1.7: the peer is told before the error is given
#[test]
fn a_violation_is_handed_over() {
    let wire = [frame(false, 0x81, b"good"), frame(true, 0x81, b"bad")].concat();
    let outcome = halves(&wire, Connection::<Server>::server);
    assert_eq!(outcome.seen, [Seen::text("good")]);
    assert_eq!(outcome.error, Some(Error::Peer(Violation::NotMasked)));
    assert_eq!(outcome.output, b"\x01\x05begun\x88\x02\x03\xea");
    let outcome = halves(&frame(false, 0x88, b""), Connection::<Server>::server);
    assert_eq!((outcome.closed, &outcome.output[7..]), (Some(CloseCode::NO_STATUS), &b"\x88\x00"[..]));
    let outcome = halves(&wire[..3], Connection::<Server>::server);
    assert_eq!((outcome.error, &outcome.output[..]), (Some(Error::Ended), &b""[..]));
}

// A whole connection gives the same messages
#[test]
fn halves_are_as_the_whole() {
    let whole = every_cut(false, &script(false), SETUP);
    assert_eq!(whole.seen, halves(&script(false), Connection::<Server>::server).seen);
}

#[test]
fn a_reply_fits_a_channel() {
    assert_eq!(size_of::<Reply>(), 128);
    const fn sendable<T: Send + Copy + 'static>() {}
    sendable::<Reply>();
}
