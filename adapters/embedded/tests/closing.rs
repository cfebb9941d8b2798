//! Closing handshakes: either end begins, or both at once, over both faces and in both roles.

mod common;

use common::{Keys, Pipe, Seen, block_on, frame, push, unmasked};
use tightwire_embedded::{CloseCode, Connection, Error, Inline, Opening, Role, SendError, asynch, blocking};

/// What was received behind the own Close frame, what the peer's said, and what was written.
type Outcome = (Vec<Seen>, Option<(CloseCode, String)>, Vec<u8>);

macro_rules! closes {
    ($name:ident, $module:ident, [$($async:tt)?], [$($wait:tt)*]) => {
        /// Begins the closing handshake, and receives until it has ended.
        $($async)? fn $name<R: Role>(pipe: Pipe, connection: Connection<R>) -> Outcome {
            let opening = Opening::new(pipe, Inline::<200, 131>::inline(), &mut []);
            let mut socket = $module::adopt(opening, connection, b"").unwrap();
            socket.start_close(CloseCode::new(4000), "bye")$($wait)*.unwrap();
            let mut seen = Vec::new();
            while let Some(received) = socket.recv()$($wait)*.unwrap() {
                push(&mut seen, &received);
            }
            assert_eq!(socket.send("late")$($wait)*, Err(Error::Caller(SendError::Closed)));
            socket.close(CloseCode::NORMAL, "")$($wait)*.unwrap();
            let closed = socket.closed().map(|frame| (frame.code, frame.reason.to_owned()));
            (seen, closed, socket.into_transport().output)
        }
    };
}

closes!(blocking_close, blocking, [], []);
closes!(asynch_close, asynch, [async], [.await]);

fn every_cut<R: Role>(wire: &[u8], connection: impl Fn() -> Connection<R>) -> Outcome {
    let whole = blocking_close(Pipe::new(wire), connection());
    for cut in 0..=wire.len() {
        let pipe = Pipe::new(wire).cut_at(cut).in_pieces(100);
        assert_eq!(blocking_close(pipe.clone(), connection()), whole, "cut at {cut}");
        assert_eq!(block_on(asynch_close(pipe.clone(), connection())), whole, "cut at {cut}");
        assert_eq!(block_on(asynch_close(pipe.waiting(), connection())), whole, "cut at {cut}");
    }
    whole
}

// RFC 6455 5.5.1, 7.1.2: what was on its way still arrives; the answer, or a Close of the peer's own, is the end
#[test]
fn this_end_begins_or_both_do() {
    let crossing = |to| [frame(to, 0x01, b"cross"), frame(to, 0x89, b"p"), frame(to, 0x80, b"ing")].concat();
    for (close, said) in [
        (&b"\x0f\xa0"[..], (CloseCode::new(4000), "")),
        (b"\x03\xe9own", (CloseCode::GOING_AWAY, "own")),
        (b"", (CloseCode::NO_STATUS, "")),
    ] {
        let wire = |to| [crossing(to), frame(to, 0x88, close), frame(to, 0x81, b"late")].concat();
        let server = every_cut(&wire(false), Connection::server);
        let (seen, closed, output) = every_cut(&wire(true), || Connection::client(Keys::default()));
        for outcome in [server, (seen, closed, unmasked(&output))] {
            let closed = Some((said.0, said.1.to_owned()));
            // One Close frame, and nothing behind it, not even a Pong.
            assert_eq!(outcome, (vec![Seen::text("crossing")], closed, frame(true, 0x88, b"\x0f\xa0bye")));
        }
    }
}
