//! Transports that fail or wait, and peers that miss deadlines, over blocking calls.

mod common;

use common::{Pipe, frame};
use core::cell::Cell;
use embedded_io::ErrorKind;
use tightwire_embedded::blocking::{WebSocket, adopt};
use tightwire_embedded::deadline::Timeout;
use tightwire_embedded::{
    Clock, CloseCode, Config, Connection, Error, Inline, Limits, Opening, Received, SendError, Server,
    Timeouts, Untimed, Violation,
};

type Socket<'t, C> = WebSocket<Pipe, Server, Inline<200, 140>, C>;

fn open<C: Clock>(pipe: Pipe, clock: C) -> Socket<'static, C> {
    let opening = Opening::new(pipe, Inline::inline(), &mut []).with_clock(clock);
    adopt(opening, Connection::server(), b"").unwrap()
}

// A read that times out loses nothing: the call goes on where it stopped
#[test]
fn a_failed_read_can_be_repeated() {
    let wire = [frame(false, 0x81, b"hello"), frame(false, 0x88, b"")].concat();
    for cut in 0..wire.len() {
        let mut pipe = Pipe::new(&wire[..cut]);
        pipe.at_end = Some(ErrorKind::TimedOut);
        let mut socket = open(pipe, Untimed);
        let mut messages = 0;
        loop {
            match socket.recv() {
                Ok(Some(Received::Message(message))) => {
                    assert_eq!(message.as_str(), Some("hello"));
                    messages += 1;
                }
                Err(Error::Io(ErrorKind::TimedOut)) => {
                    let known = socket.transport().input.len();
                    socket.transport().input.extend_from_slice(&wire[known..]);
                }
                Ok(None) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(messages, 1);
        assert_eq!(socket.into_transport().output, b"\x88\x00");
    }
}

// A write that times out neither repeats nor loses an octet
#[test]
fn a_failed_write_can_be_repeated() {
    for after in 0..12 {
        let mut pipe = Pipe::new(b"").in_pieces(1);
        pipe.write_error = Some((after, ErrorKind::TimedOut));
        let mut socket = open(pipe, Untimed);
        assert_eq!(socket.send("hello"), Err(Error::Io(ErrorKind::TimedOut)).filter(after < 7));
        socket.transport().write_error = None;
        socket.send("again").unwrap();
        assert_eq!(socket.into_transport().output, b"\x81\x05hello\x81\x05again");
    }
}

trait Filter {
    fn filter(self, keep: bool) -> Self;
}

impl Filter for Result<(), Error<ErrorKind>> {
    fn filter(self, keep: bool) -> Self {
        if keep { self } else { Ok(()) }
    }
}

// The reason of the end is not lost when the last words are
#[test]
fn a_failed_farewell_is_no_error_of_its_own() {
    for (wire, expected) in [
        (frame(false, 0x88, b""), Ok(false)),
        (frame(true, 0x81, b"x"), Err(Error::Peer(Violation::NotMasked))),
    ] {
        let mut pipe = Pipe::new(&wire);
        pipe.write_error = Some((0, ErrorKind::BrokenPipe));
        let mut socket = open(pipe, Untimed);
        assert_eq!(socket.recv().map(|received| received.is_some()), expected);
        assert_eq!(socket.recv().map(|received| received.is_some()), expected);
    }
}

#[test]
fn close_codes_are_checked_and_nothing_follows() {
    let wire = [frame(false, 0x81, b"late"), frame(false, 0x88, b"\x0f\xa0so")].concat();
    let mut socket = open(Pipe::new(&wire), Untimed);
    let refused = Err(Error::Caller(SendError::InvalidCloseCode));
    assert_eq!(socket.close(CloseCode::ABNORMAL, ""), refused);
    assert_eq!(
        socket.close(CloseCode::NORMAL, &"x".repeat(124)),
        Err(Error::Caller(SendError::ControlTooLong))
    );
    assert_eq!(socket.ping(&[0; 126]), Err(Error::Caller(SendError::ControlTooLong)));
    socket.pong(b"p").unwrap();
    socket.close(CloseCode::NO_STATUS, "").unwrap();
    assert_eq!(socket.closed().map(|frame| (frame.code.number(), frame.reason)), Some((4000, "so")));
    assert_eq!(socket.send("x"), Err(Error::Caller(SendError::Closed)));
    socket.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(socket.into_transport().output, b"\x8a\x01p\x88\x00");
}

#[test]
fn a_limit_is_a_limit() {
    static SMALL: Config = Config::new().with_limits(Limits::DEFAULT.with_message(10));
    let opening =
        Opening::new(Pipe::new(&frame(false, 0x82, &[1; 11])), Inline::<200, 140>::inline(), &mut []);
    let mut socket = adopt(opening.with_config(&SMALL), Connection::server(), b"").unwrap();
    assert_eq!(socket.recv(), Err(Error::Peer(Violation::FrameTooLarge)));
    // RFC 6455 7.4.1: 1009, too big to process
    assert_eq!(socket.into_transport().output, b"\x88\x02\x03\xf1");
}

/// A connection whose reads end in vain, and its time.
fn silent(time: &Cell<u32>) -> Socket<'_, impl Clock + use<'_>> {
    let mut pipe = Pipe::new(b"");
    pipe.at_end = Some(ErrorKind::TimedOut);
    open(pipe, || time.get())
}

// RFC 6455 5.5.2: a Ping serves as keepalive; the defaults, for ticks of a millisecond
#[test]
fn silence_is_asked_and_then_ended() {
    let in_vain = Err(Error::Io(ErrorKind::TimedOut));
    let time = Cell::new(0);
    let mut socket = silent(&time);
    for (now, sent, next) in [(0, 0, 20_000), (19_999, 0, 20_000), (20_000, 2, 40_000), (39_999, 2, 40_000)] {
        time.set(now);
        assert_eq!(socket.recv(), in_vain);
        assert_eq!(socket.transport().output.len(), sent, "{now}");
        assert_eq!(socket.next_deadline(), Some(next), "{now}");
    }
    socket.transport().input.extend(frame(false, 0x8A, b""));
    assert_eq!(socket.recv(), in_vain);
    assert_eq!(socket.round_trip(), Some(19_999));
    time.set(59_999);
    assert_eq!(socket.recv(), in_vain);
    time.set(79_999);
    let ended = Err(Error::Timeout(Timeout::Pong));
    assert_eq!(socket.recv(), ended);
    time.set(0);
    assert_eq!(socket.recv(), ended);
    assert_eq!(socket.into_transport().output, b"\x89\x00\x89\x00\x88\x02\x03\xe9");
}

#[test]
fn an_unfinished_frame_and_an_unanswered_close_end() {
    let time = Cell::new(0);
    let mut socket = silent(&time);
    socket.transport().input.extend_from_slice(b"\x81");
    let in_vain = Err(Error::Io(ErrorKind::TimedOut));
    assert_eq!(socket.recv(), in_vain);
    time.set(19_000);
    socket.transport().input.extend_from_slice(b"\x85");
    assert_eq!(socket.recv(), in_vain);
    time.set(39_001);
    assert_eq!(socket.recv(), in_vain);
    time.set(49_001);
    assert_eq!(socket.recv(), Err(Error::Timeout(Timeout::Progress)));
    assert_eq!(socket.into_transport().output, b"\x89\x00\x88\x02\x03\xf0");

    let time = Cell::new(0);
    let mut socket = silent(&time);
    assert_eq!(socket.close(CloseCode::NORMAL, ""), Err(Error::Io(ErrorKind::TimedOut)));
    time.set(5_000);
    assert_eq!(socket.close(CloseCode::NORMAL, ""), Err(Error::Timeout(Timeout::CloseLinger)));
    assert_eq!(socket.into_transport().output, b"\x88\x02\x03\xe8");
}

// Any timeout can be chosen: here silence that no Ping breaks, and a whole life
#[test]
fn other_timeouts_end_the_connection() {
    const fn only(idle: Option<u32>, lifetime: Option<u32>) -> Config {
        let mut timeouts = Timeouts::NONE;
        (timeouts.idle, timeouts.lifetime) = (idle, lifetime);
        Config::new().with_timeouts(timeouts)
    }
    static IDLE: Config = only(Some(7), None);
    static LIFETIME: Config = only(None, Some(7));
    for (config, heard, timeout) in [(&IDLE, false, Timeout::Idle), (&LIFETIME, true, Timeout::Lifetime)] {
        let time = Cell::new(0);
        let mut pipe = Pipe::new(b"");
        pipe.at_end = Some(ErrorKind::TimedOut);
        let opening = Opening::new(pipe, Inline::<200, 140>::inline(), &mut []);
        let opening = opening.with_config(config).with_clock(|| time.get());
        let mut socket = adopt(opening, Connection::server(), b"").unwrap();
        for now in 0..7 {
            time.set(now);
            if heard {
                socket.transport().input.extend(frame(false, 0x8A, b""));
            }
            assert_eq!(socket.recv(), Err(Error::Io(ErrorKind::TimedOut)));
            assert_eq!(socket.next_deadline(), Some(7));
        }
        time.set(7);
        assert_eq!(socket.recv(), Err(Error::Timeout(timeout)));
        // RFC 6455 7.4.1: 1001, going away
        assert_eq!(socket.into_transport().output, b"\x88\x02\x03\xe9");
    }
}

// A peer that takes no output is not waited for longer than the deadline
#[test]
fn output_that_nobody_takes_ends() {
    let time = Cell::new(0);
    let mut socket = silent(&time);
    socket.transport().write_error = Some((0, ErrorKind::TimedOut));
    let in_vain = Err(Error::Io(ErrorKind::TimedOut));
    assert_eq!(socket.send("x"), in_vain);
    time.set(29_999);
    assert_eq!(socket.recv(), Err(Error::Io(ErrorKind::TimedOut)));
    time.set(30_000);
    assert_eq!(socket.recv(), Err(Error::Timeout(Timeout::WriteStall)));
    assert_eq!(socket.send("y"), Err(Error::Timeout(Timeout::WriteStall)));
    assert_eq!(socket.into_transport().output, b"");
}

// Without a clock there is no time, however long a call takes
#[test]
fn without_a_clock_nothing_is_due() {
    let mut pipe = Pipe::new(&frame(false, 0x8A, b"unasked"));
    pipe.at_end = Some(ErrorKind::TimedOut);
    let mut socket = open(pipe, Untimed);
    socket.ping(b"p").unwrap();
    for _ in 0..100 {
        assert_eq!(socket.recv(), Err(Error::Io(ErrorKind::TimedOut)));
    }
    assert_eq!((socket.next_deadline(), socket.round_trip()), (None, None));
    assert_eq!(socket.into_transport().output, b"\x89\x01p");
}
