//! Closing handshakes, begun by either side, finished or not (RFC 6455 7).

use super::peer::{CLOSE, TEXT, reason};
use super::{Peer, config, millis, served};
use crate::adapter::tightwire::deadline::Timeout;
use crate::adapter::{CloseCode, Closed, Error, Message, SendError, WebSocket};

#[test]
fn a_peer_closes() {
    let peer = |mut peer: Peer| {
        peer.send_frame(CLOSE, &reason(1000, "bye"));
        assert_eq!(peer.frame(), (CLOSE, reason(1000, "")));
        // RFC 6455 7.1.1: the server closes first
        assert_eq!(peer.rest().unwrap(), b"");
    };
    let server = async |mut socket: WebSocket| {
        assert!(socket.recv().await?.is_none());
        // Said again for ever.
        assert!(socket.recv().await?.is_none());
        assert!(socket.is_ended());
        Ok::<_, Error>(socket.closed().cloned())
    };
    let (closed, ()) = served(config(), peer, server);
    let closed = closed.unwrap().unwrap();
    assert_eq!(closed, Closed { code: CloseCode::NORMAL, reason: "bye".into() });
    assert!(closed.is_normal());
}

#[test]
fn we_close() {
    let peer = |mut peer: Peer| {
        assert_eq!(peer.frame(), (CLOSE, reason(1001, "later")));
        // What the peer still has to say is read, and dropped.
        peer.send_frame(TEXT, b"wait");
        peer.send_frame(CLOSE, &reason(1001, ""));
        assert_eq!(peer.rest().unwrap(), b"");
    };
    let server = async |mut socket: WebSocket| {
        socket.close(CloseCode::GOING_AWAY, "later").await?;
        assert!(socket.is_ended());
        let after = socket.send(Message::Binary(b"more")).await;
        assert!(matches!(after, Err(Error::Send(SendError::Closed))), "{after:?}");
        Ok::<_, Error>(socket.closed().cloned())
    };
    let (closed, ()) = served(config(), peer, server);
    assert_eq!(closed.unwrap().unwrap().code, CloseCode::GOING_AWAY);
}

#[test]
fn messages_that_come_before_the_answer_to_our_close_are_received() {
    let peer = |mut peer: Peer| {
        assert_eq!(peer.frame(), (CLOSE, reason(1000, "")));
        peer.send_frame(TEXT, b"one more");
        peer.send_frame(CLOSE, &reason(1000, ""));
        assert_eq!(peer.rest().unwrap(), b"");
    };
    let server = async |mut socket: WebSocket| {
        socket.start_close(CloseCode::NORMAL, "").await?;
        let last = socket.recv().await?.map(|message| message.octets().to_vec());
        assert!(socket.recv().await?.is_none());
        Ok::<_, Error>(last)
    };
    let (last, ()) = served(config(), peer, server);
    assert_eq!(last.unwrap().as_deref(), Some(&b"one more"[..]));
}

#[test]
fn a_peer_that_never_answers_our_close_is_left_at_the_deadline() {
    let mut config = config();
    config.timeouts.close = millis(300);
    let peer = |mut peer: Peer| {
        assert_eq!(peer.frame(), (CLOSE, reason(1000, "")));
        // Says nothing, until the server is gone.
        peer.rest().unwrap()
    };
    let server = async |mut socket: WebSocket| socket.close(CloseCode::NORMAL, "").await;
    let (ended, rest) = served(config, peer, server);
    assert!(matches!(ended, Err(Error::Timeout(Timeout::CloseLinger))), "{ended:?}");
    assert_eq!(rest, b"");
}

#[test]
fn both_close_at_once() {
    let peer = |mut peer: Peer| {
        peer.send_frame(CLOSE, &reason(1000, ""));
        assert_eq!(peer.frame().0, CLOSE);
        assert_eq!(peer.rest().unwrap(), b"");
    };
    let server = async |mut socket: WebSocket| {
        socket.start_close(CloseCode::NORMAL, "").await?;
        socket.close(CloseCode::NORMAL, "").await
    };
    served(config(), peer, server).0.unwrap();
}
