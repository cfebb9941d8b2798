//! Sending: what a dropped future has queued, through a whole connection and through its transmitting half.

use super::{Small, adopted, open, output, polled};
use crate::common::{Pipe, block_on, frame, whole_messages};
use embedded_io::ErrorKind;
use tightwire_embedded::asynch::{Sender, Transmitter, WebSocket};
use tightwire_embedded::{CloseCode, Error, Kind, SendError, Server, Untimed};

#[allow(clippy::large_enum_variant)] // there are two of them
enum Owner {
    Whole(WebSocket<Pipe, Server, Small>),
    Half(Transmitter<Pipe, Server, [u8; 200]>),
}

impl Owner {
    fn both(most: usize) -> [Self; 2] {
        let whole = || adopted(Pipe::new(b"").in_pieces(most).waiting());
        [Self::Whole(whole()), Self::Half(whole().split(|pipe| (pipe.clone(), pipe)).1)]
    }

    fn sender(&mut self) -> Sender<'_, Pipe, Server, [u8; 200], Untimed> {
        match self {
            Self::Whole(socket) => socket.sender(),
            Self::Half(transmitter) => transmitter.sender(),
        }
    }

    /// Writes what is queued and gives all that was written.
    fn finish(mut self) -> Vec<u8> {
        block_on(self.sender().flush()).unwrap();
        let pipe = match self {
            Self::Whole(socket) => socket.into_transport(),
            Self::Half(transmitter) => transmitter.into_transport(),
        };
        assert_eq!(pipe.unflushed, 0);
        pipe.output
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Feed,
    FeedFragment,
    Send,
    Ping,
    Pong,
    StartClose,
    Flush,
}

impl Call {
    const ALL: [Self; 7] =
        [Self::Feed, Self::FeedFragment, Self::Send, Self::Ping, Self::Pong, Self::StartClose, Self::Flush];

    async fn make(
        self,
        mut sender: Sender<'_, Pipe, Server, [u8; 200], Untimed>,
    ) -> Result<(), Error<ErrorKind>> {
        let payload = [2; 100];
        match self {
            Self::Feed => sender.feed(&payload).await,
            Self::FeedFragment => sender.feed_fragment(Kind::Binary, &payload, true).await,
            Self::Send => sender.send(&payload).await,
            Self::Ping => sender.ping(&payload).await,
            Self::Pong => sender.pong(&payload).await,
            Self::StartClose => sender.start_close(CloseCode::GOING_AWAY, &"x".repeat(98)).await,
            Self::Flush => sender.flush().await,
        }
    }

    /// What it adds to the wire.
    fn frame(self) -> Vec<u8> {
        let close = [b"\x03\xe9", "x".repeat(98).as_bytes()].concat();
        match self {
            Self::Feed | Self::FeedFragment | Self::Send => frame(true, 0x82, &[2; 100]),
            Self::Ping => frame(true, 0x89, &[2; 100]),
            Self::Pong => frame(true, 0x8A, &[2; 100]),
            Self::StartClose => frame(true, 0x88, &close),
            Self::Flush => Vec::new(),
        }
    }
}

// Behind a frame that leaves no room: first that is written, then the call's own frame is queued, then it leaves
#[test]
fn a_dropped_call_has_queued_its_frame_or_not() {
    let first = frame(true, 0x82, &[1; 150]);
    for (call, most) in Call::ALL.into_iter().flat_map(|call| [1, 40, 1000].map(|most| (call, most))) {
        let both = [&first[..], &call.frame()].concat();
        let (mut without, mut with) = ([0; 2], [0; 2]);
        for polls in 0..1000 {
            let mut done = 0;
            for (number, mut owner) in Owner::both(most).into_iter().enumerate() {
                block_on(owner.sender().feed(&[1; 150])).unwrap();
                let result = polled(call.make(owner.sender()), polls);
                let output = owner.finish();
                match result {
                    Some(result) => {
                        assert_eq!(result, Ok(()));
                        assert!(output == both, "{call:?} of {most} after {polls}");
                        done += 1;
                    }
                    // Once it is queued it stays so.
                    None if output == first && with[number] == 0 => without[number] += 1,
                    None if output == both => with[number] += 1,
                    None => panic!("{call:?} of {most} after {polls}: {output:?}"),
                }
            }
            if done == 2 {
                break;
            }
        }
        assert_eq!((without[0], with[0]), (without[1], with[1]), "both owners");
        assert!(without[0] > 0, "{call:?} of {most} was never dropped early");
        // What only queues has queued nothing if it is dropped, so it can be repeated.
        let queues = matches!(call, Call::Feed | Call::FeedFragment);
        assert_eq!(with[0] == 0, queues || call == Call::Flush, "{call:?} of {most}");
    }
}

// RFC 6455 5.5.1: one Close frame, however often it is asked for
#[test]
fn a_repeated_close_is_sent_once() {
    for polls in 0..30 {
        for mut owner in Owner::both(40) {
            block_on(owner.sender().feed(&[1; 150])).unwrap();
            let dropped = polled(Call::StartClose.make(owner.sender()), polls);
            assert!(dropped.is_none_or(|result| result.is_ok()));
            let again = block_on(Call::StartClose.make(owner.sender()));
            assert!(matches!(again, Ok(()) | Err(Error::Caller(SendError::Closed))), "{again:?}");
            assert_eq!(block_on(owner.sender().send("x")), Err(Error::Caller(SendError::Closed)));
            assert!(owner.finish() == [frame(true, 0x82, &[1; 150]), Call::StartClose.frame()].concat());
        }
    }
}

// Dropped again and again, a flush goes on where it was
#[test]
fn a_flush_goes_on() {
    for most in [1, 7, 1000] {
        for mut owner in Owner::both(most) {
            block_on(owner.sender().feed(&[1; 150])).unwrap();
            super::drop_at_every_poll(|polls| polled(owner.sender().flush(), polls).is_some());
            block_on(owner.sender().feed("behind")).unwrap();
            let expected = [frame(true, 0x82, &[1; 150]), frame(true, 0x81, b"behind")];
            assert!(owner.finish() == expected.concat());
        }
    }
}

// A message that does not fit may stay unfinished; that can be seen, and the connection lives on
#[test]
fn sending_what_does_not_fit_the_storage() {
    let large = [7; 1000];
    let mut unfinished = 0;
    for polls in 0..60 {
        let mut socket = open(&[], 50);
        let sent = polled(socket.send(&large), polls);
        if socket.open_message() == Some(Kind::Binary) {
            unfinished += 1;
            assert_eq!(sent, None);
            assert_eq!(block_on(socket.send("x")), Err(Error::Caller(SendError::MessageOpen)));
            block_on(socket.feed_fragment(Kind::Binary, b"", true)).unwrap();
        }
        block_on(socket.send("then")).unwrap();
        let output = output(socket);
        let whole = whole_messages(&output);
        assert!(whole.ends_with(&frame(true, 0x81, b"then")), "{polls}");
        let payload = whole.iter().filter(|octet| **octet == 7).count();
        assert!(if sent.is_some() { payload == 1000 } else { payload <= 1000 });
    }
    assert!(unfinished > 5, "{unfinished}");
}
