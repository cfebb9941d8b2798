//! Any list of calls on the two ends of a connection, its octets carried in any pieces, with stalls: both ends agree on
//! what was sent, whatever was refused changed nothing, and limits hold.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tightwire::{
    CloseCode, CloseFrame, Connection, Kind, Limits, Message, Output, Role, SendError, Violation,
};
use tightwire_fuzz::common::{Drive, Seen, client, merge};
use tightwire_fuzz::limits;

#[derive(Arbitrary, Debug)]
enum Call {
    Message(bool, Payload),
    Fragment(bool, Payload, bool),
    Fragments(bool, Payload, u8),
    Head(bool, Payload, bool),
    Ping(Vec<u8>),
    /// Pongs that answer nothing are marked, to be told from those that do.
    Pong(Vec<u8>),
    Close(u16, String),
    /// Carries so many octets of what this end has to send, to an end whose output has so much room.
    Carry(u16, u8),
}

#[derive(Arbitrary, Debug)]
struct Payload {
    text: String,
    repeat: u8,
}

#[derive(Arbitrary, Debug)]
struct Input {
    small_limits: [bool; 2],
    /// The end that calls, how much room its output has, and the call.
    calls: Vec<(bool, u16, Call)>,
}

const MARK: u8 = 0xFF;

fuzz_target!(|input: Input| {
    let [server_limits, client_limits] = input.small_limits.map(limits);
    let mut server = Drive::new(Connection::server()).with_limits(server_limits);
    let mut client = Drive::new(client()).with_limits(client_limits);
    let (mut from_server, mut from_client) = (Vec::new(), Vec::new());
    for (is_server, room, call) in input.calls.into_iter().take(64) {
        if is_server {
            act(&mut server, &mut client, &mut from_server, room, call);
        } else {
            act(&mut client, &mut server, &mut from_client, room, call);
        }
    }
    // What is still on its way arrives, and what that calls for.
    while !(server.out.is_empty() && client.out.is_empty()) {
        carry(&mut server, &mut client, usize::MAX, 0);
        carry(&mut client, &mut server, usize::MAX, 131);
    }
    agree(&server, &from_server, &client, &from_client);
    agree(&client, &from_client, &server, &from_server);
});

fn act<A: Role, B: Role>(
    from: &mut Drive<A>,
    to: &mut Drive<B>,
    sent: &mut Vec<Seen>,
    room: u16,
    call: Call,
) {
    let mut memory = vec![0xEE; usize::from(room)];
    let mut out = Output::new(&mut memory);
    let connection = &mut from.connection;
    let before = (connection.outbound().is_closed(), connection.outbound().open_message());
    let (closed, open) = before;
    let kind_of = |text| if text { Kind::Text } else { Kind::Binary };
    let (result, event) = match call {
        Call::Carry(octets, room) => return carry(from, to, usize::from(octets), usize::from(room % 132)),
        Call::Message(text, payload) => {
            let (kind, text) = (kind_of(text), payload.text.repeat(payload.repeat.into()));
            let message =
                if kind == Kind::Text { Message::from(&*text) } else { Message::Binary(text.as_bytes()) };
            (connection.encode(message, &mut out), Seen::message(kind, text.as_bytes()))
        }
        Call::Fragment(text, payload, fin) => {
            let (kind, text) = (kind_of(text), payload.text.repeat(payload.repeat.into()));
            let seen = Seen::part(kind, text.as_bytes(), open.is_none(), fin);
            (connection.fragment(kind, text.as_bytes(), fin, &mut out), seen)
        }
        Call::Fragments(text, payload, size) => {
            // With room for one fragment each time; a text may be cut inside code points.
            let (kind, text) = (kind_of(text), payload.text.repeat(payload.repeat.into()));
            let (mut rest, mut wire) = (text.as_bytes(), Vec::new());
            let result = loop {
                let mut memory = [0; 300];
                let mut out = Output::new(&mut memory);
                let length = rest.len();
                let result = connection.fragments(kind, &mut rest, size.into(), &mut out);
                wire.extend_from_slice(out.written());
                match result {
                    Ok(false) => assert!(rest.len() < length, "no progress"),
                    Ok(true) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            if result.is_ok() {
                assert!(rest.is_empty());
                from.out.extend(wire);
                return merge(sent, Seen::part(kind, text.as_bytes(), open.is_none(), true));
            }
            assert!(rest.len() == text.len() && wire.is_empty());
            (result, Seen::part(kind, &[], true, true))
        }
        Call::Head(text, payload, fin) => {
            let (kind, text) = (kind_of(text), payload.text.repeat(payload.repeat.into()));
            let mut octets = text.clone().into_bytes();
            match connection.head(kind, octets.len() as u64, fin, &mut out) {
                Ok(mut masker) => {
                    let (front, back) = octets.split_at_mut(text.len() / 2);
                    masker.mask(front);
                    masker.mask(back);
                    from.out.extend_from_slice(out.written());
                    from.out.extend(octets);
                    return merge(sent, Seen::part(kind, text.as_bytes(), open.is_none(), fin));
                }
                Err(error) => (Err(error), Seen::part(kind, &[], true, true)),
            }
        }
        Call::Ping(mut payload) => {
            payload.retain(|octet| *octet != MARK);
            (connection.ping(&payload, &mut out), Seen::Ping(payload))
        }
        Call::Pong(mut payload) => {
            payload.insert(0, MARK);
            (connection.pong(&payload, &mut out), Seen::Pong(payload))
        }
        Call::Close(code, reason) => {
            // 0 stands for a Close frame without a code.
            let frame = (code != 0).then_some(CloseFrame { code: CloseCode::new(code), reason: &reason });
            let seen = frame.map(|frame| (frame.code, frame.reason.to_owned()));
            (connection.close(frame, &mut out), Seen::Close(seen))
        }
    };
    let after = (connection.outbound().is_closed(), connection.outbound().open_message());
    match result {
        Ok(()) => {
            assert!(!closed && !out.is_empty());
            from.out.extend_from_slice(out.written());
            merge(sent, event);
        }
        Err(error) => {
            assert!(out.is_empty() && memory.iter().all(|octet| *octet == 0xEE), "a refusal writes nothing");
            assert_eq!(after, before, "a refusal changes nothing");
            match error {
                SendError::Closed => assert!(closed),
                SendError::MessageOpen => assert!(open.is_some()),
                SendError::NeedsSpace(octets) => assert!(octets > usize::from(room)),
                _ => {}
            }
        }
    }
}

fn carry<A, B: Role>(from: &mut Drive<A>, to: &mut Drive<B>, octets: usize, room: usize) {
    let octets: Vec<u8> = from.out.drain(..octets.min(from.out.len())).collect();
    to.feed_with_room(&octets, room);
}

/// Everything that `from` sent is what `to` saw, after all has been carried.
fn agree<A: Role, B: Role>(from: &Drive<A>, sent: &[Seen], to: &Drive<B>, other_sent: &[Seen]) {
    let is_reply = |event: &Seen| matches!(event, Seen::Pong(payload) if payload.first() != Some(&MARK));
    let (mut seen, mut replies, mut closed) = (Vec::new(), Vec::new(), None);
    for event in to.seen.iter().cloned() {
        assert!(closed.is_none(), "nothing after Close");
        match event {
            Seen::Pong(payload) if is_reply(&Seen::Pong(payload.clone())) => replies.push(payload),
            Seen::Close(frame) => closed = Some(frame),
            event => merge(&mut seen, event),
        }
    }
    // RFC 6455 5.5.3: a Pong for each Ping, in order, for as long as the other end may send
    let pings = other_sent
        .iter()
        .filter_map(|event| if let Seen::Ping(payload) = event { Some(payload) } else { None });
    assert!(replies.iter().eq(pings.take(replies.len())), "each Pong has the payload of its Ping");
    let mut expected = Vec::new();
    let mut said = None;
    for event in sent.iter().cloned() {
        match event {
            Seen::Close(frame) => said = Some(frame),
            event => merge(&mut expected, event),
        }
    }
    if let Some(violation) = to.violation {
        // The ends speak the protocol, so only a limit can be passed, or a text that a Close or a sender left
        // unfinished cannot be judged.
        let limit = matches!(
            violation,
            Violation::FrameTooLarge | Violation::MessageTooLarge | Violation::TooManyFragments
        );
        assert!(limit && to.limits != Limits::UNLIMITED, "{violation:?}");
        assert!(to.connection.is_finished());
        assert!(seen.len() <= expected.len());
        if let Some((last, whole)) = seen.split_last() {
            assert_eq!(whole, &expected[..whole.len()]);
            match (last, &expected[whole.len()]) {
                (Seen::Data { octets, .. }, Seen::Data { octets: all, .. }) => {
                    assert!(all.starts_with(octets))
                }
                (last, event) => assert_eq!(last, event),
            }
        }
        return;
    }
    assert_eq!(seen, expected);
    match (closed, said) {
        (Some(closed), Some(said)) => assert_eq!(closed, said),
        (None, said) => assert_eq!(said, None),
        // The answer to the other end's Close, or to its violation.
        (Some(closed), None) => {
            let answered = other_sent.iter().any(|event| matches!(event, Seen::Close(_)));
            assert!(answered || from.violation.is_some() || from.connection.inbound().is_closed());
            assert!(closed.is_none_or(|(_, reason)| reason.is_empty()));
        }
    }
}
