//! The client against servers that refuse, lie or vanish, and against our own server.

use super::peer::{CLOSE, KEY, TEXT, masked, plain, reason};
use super::{Peer, config, echo, in_time, millis};
use crate::adapter::tightwire::handshake::accept_key;
use crate::adapter::tightwire::handshake::client::AnswerError;
use crate::adapter::{
    Agreed, ClientSocket, CloseCode, Config, ConnectError, Connector, Error, Listener, Message, OpenError,
    OriginPolicy, Violation, accept,
};
use crate::block_on;
use std::net::TcpListener;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

type Opened = Result<(ClientSocket, Agreed), ConnectError>;

/// Runs `client` on what becomes of its connection to `server`.
fn connected<X: Send + 'static, Y: Send + 'static>(
    config: Config,
    server: impl FnOnce(Peer) -> Y + Send + 'static,
    client: impl AsyncFnOnce(Opened) -> X + Send + 'static,
) -> (X, Y) {
    in_time(move || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("ws://{}/chat?room=1", listener.local_addr().unwrap());
        let server = thread::spawn(move || server(Peer::accept(&listener)));
        let connector =
            Connector::new().with_config(Arc::new(config)).with_protocol("chat").with_header("X-Token", "t");
        let result = block_on(async { client(connector.connect(&uri).await).await });
        (result, server.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Reads a request, and gives the answer to its key.
fn asked(peer: &mut Peer) -> String {
    let head = peer.head();
    assert_eq!(head.start, "GET /chat?room=1 HTTP/1.1");
    assert_eq!(head.header("Sec-WebSocket-Protocol"), Some("chat"));
    assert_eq!(head.header("X-Token"), Some("t"));
    let key = head.header("Sec-WebSocket-Key").unwrap();
    assert_ne!(key, KEY);
    accept_key(key.as_bytes().try_into().unwrap()).as_str().to_owned()
}

fn switching(accept: &str, headers: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
    )
    .into_bytes()
}

#[test]
fn a_refusal_is_shown_with_status_headers_and_body() {
    let server = |mut peer: Peer| {
        asked(&mut peer);
        peer.send(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 13\r\n\r\nwho are you?\n",
        );
        peer.rest().unwrap();
    };
    let (error, ()) = connected(config(), server, async |opened| opened.unwrap_err());
    let ConnectError::Open(OpenError::Rejected(rejected)) = error else { panic!("{error:?}") };
    assert_eq!(rejected.status, 401);
    assert_eq!(rejected.header("www-authenticate"), Some(&b"Basic"[..]));
    assert_eq!(rejected.body, b"who are you?\n");
}

#[test]
fn a_refusal_with_an_endless_body_is_shown_with_the_start_of_it() {
    let server = |mut peer: Peer| {
        asked(&mut peer);
        peer.send(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
        peer.send(&[b'x'; 100_000]);
        let _ = peer.rest();
    };
    let (error, ()) = connected(config(), server, async |opened| opened.unwrap_err());
    let ConnectError::Open(OpenError::Rejected(rejected)) = error else { panic!("{error:?}") };
    assert_eq!(rejected.status, 503);
    assert_eq!(rejected.body, [b'x'; 1024]);
}

/// The answer that `answer` makes of the right accept key is refused for this.
fn answer_refused(answer: impl FnOnce(&str) -> Vec<u8> + Send + 'static) -> AnswerError {
    let server = move |mut peer: Peer| {
        let accept = asked(&mut peer);
        peer.send(&answer(&accept));
        let _ = peer.rest();
    };
    let (error, ()) = connected(config(), server, async |opened| opened.unwrap_err());
    let ConnectError::Open(OpenError::Answer(error)) = error else { panic!("{error:?}") };
    error
}

// RFC 6455 4.1
#[test]
fn an_answer_that_breaks_the_handshake_is_refused() {
    let wrong = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    assert_eq!(answer_refused(|_| switching(wrong, "")), AnswerError::InvalidAccept);
    let protocol = "Sec-WebSocket-Protocol: other\r\n";
    assert_eq!(answer_refused(|accept| switching(accept, protocol)), AnswerError::ProtocolNotOffered);
    let extension = "Sec-WebSocket-Extensions: other\r\n";
    assert_eq!(answer_refused(|accept| switching(accept, extension)), AnswerError::ExtensionNotOffered);
    let large = format!("X: {}\r\n", "x".repeat(10_000));
    assert!(matches!(answer_refused(move |accept| switching(accept, &large)), AnswerError::Head(_)));
    assert!(matches!(answer_refused(|_| b"220 mail ready\r\n\r\n".to_vec()), AnswerError::Head(_)));
}

#[test]
fn a_server_that_says_nothing_is_left_at_the_deadline() {
    let mut config = config();
    config.timeouts.handshake = millis(300);
    let server = |mut peer: Peer| {
        asked(&mut peer);
        let _ = peer.rest();
    };
    let (error, ()) = connected(config, server, async |opened| opened.unwrap_err());
    assert!(matches!(error, ConnectError::Open(OpenError::Timeout)), "{error:?}");
}

#[test]
fn a_server_that_leaves_is_told_from_one_that_is_slow() {
    let server = |mut peer: Peer| {
        asked(&mut peer);
        peer.send(b"HTTP/1.1 101 Swi");
    };
    let (error, ()) = connected(config(), server, async |opened| opened.unwrap_err());
    assert!(matches!(error, ConnectError::Open(OpenError::Ended)), "{error:?}");
}

#[test]
fn a_uri_that_cannot_be_reached_is_refused_before_anything_is_sent() {
    in_time(|| {
        block_on(async {
            let connector = Connector::new();
            let error = connector.connect("http://127.0.0.1/").await.unwrap_err();
            assert!(matches!(error, ConnectError::Uri(_)), "{error:?}");
            // Bound, and not listening any more.
            let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let error = connector.connect(&format!("ws://{gone}")).await.unwrap_err();
            assert!(matches!(error, ConnectError::Dial(_)), "{error:?}");
        });
    });
}

#[test]
fn frames_behind_the_answer_are_not_lost_and_a_host_is_found_by_name() {
    in_time(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("ws://localhost:{}/chat?room=1", listener.local_addr().unwrap().port());
        let server = thread::spawn(move || {
            let mut peer = Peer::accept(&listener);
            let accept = asked(&mut peer);
            let frames = [plain(TEXT, b"early"), plain(CLOSE, &reason(1000, ""))].concat();
            peer.send(&[switching(&accept, "Sec-WebSocket-Protocol: chat\r\n"), frames].concat());
            // RFC 6455 5.1: a client masks; 7.1.1: the server closes first
            let mut answer = [0; 8];
            std::io::Read::read_exact(&mut peer.0, &mut answer).unwrap();
            assert_eq!(answer[..2], [CLOSE, 0x82]);
        });
        let connector = Connector::new().with_protocol("chat").with_header("X-Token", "t");
        block_on(async {
            let (mut socket, agreed) = connector.connect(&uri).await.unwrap();
            assert_eq!(agreed.protocol.as_deref(), Some("chat"));
            assert_eq!(socket.recv().await.unwrap().unwrap().as_str(), Some("early"));
            assert!(socket.recv().await.unwrap().is_none());
        });
        server.join().unwrap();
    });
}

#[test]
fn a_server_that_masks_is_sent_away() {
    let server = |mut peer: Peer| {
        let accept = asked(&mut peer);
        peer.send(&switching(&accept, ""));
        peer.send(&masked(TEXT, b"x"));
        let mut answer = [0; 8];
        std::io::Read::read_exact(&mut peer.0, &mut answer).unwrap();
        assert_eq!(answer[..2], [CLOSE, 0x82]);
        u16::from_be_bytes([answer[6] ^ answer[2], answer[7] ^ answer[3]])
    };
    let client = async |opened: Opened| opened.unwrap().0.recv().await.map(|_| ()).unwrap_err();
    let (error, code) = connected(config(), server, client);
    assert!(matches!(error, Error::Violation(Violation::Masked)), "{error:?}");
    assert_eq!(code, 1002);
}

/// RFC 6455 7.1.1: the client waits for the server to close the connection, but not for ever.
#[test]
fn a_server_that_never_ends_the_connection_is_left_at_the_deadline() {
    let mut config = config();
    config.timeouts.close = millis(300);
    let server = |mut peer: Peer| {
        let accept = asked(&mut peer);
        peer.send(&switching(&accept, ""));
        peer.send(&plain(CLOSE, &reason(1000, "")));
        // The Close frame of the client, then its end.
        assert_eq!(peer.rest().unwrap().len(), 8);
    };
    let client = async |opened: Opened| {
        let (mut socket, _) = opened.unwrap();
        socket.recv().await.map(|message| message.is_none())
    };
    let (ended, ()) = connected(config, server, client);
    assert!(ended.unwrap());
}

#[test]
fn our_client_and_our_server_agree() {
    in_time(|| {
        let (bound, address) = std::sync::mpsc::channel();
        let server = thread::spawn(move || {
            block_on(async move {
                let listener = Listener::bind("127.0.0.1:0").unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                let (stream, _) = listener.accept().await.unwrap();
                echo(accept(stream, &OriginPolicy::SameHost).await.unwrap()).await
            })
        });
        let uri = format!("ws://{}", address.recv().unwrap());
        block_on(async {
            let (mut socket, _) = Connector::new().connect(&uri).await.unwrap();
            for octets in [0, 1, 125, 126, 5000, 65_536, 1 << 20] {
                let payload: Vec<u8> = (0..octets).map(|at| (at * 13 % 241) as u8).collect();
                socket.send(Message::Binary(&payload)).await.unwrap();
                let message = socket.recv().await.unwrap().unwrap();
                assert!(message.octets() == payload, "{octets}");
            }
            socket.send("text").await.unwrap();
            assert_eq!(socket.recv().await.unwrap().unwrap().as_str(), Some("text"));
            socket.close(CloseCode::NORMAL, "done").await.unwrap();
        });
        server.join().unwrap().unwrap();
    });
}

/// What an application spawns must be able to move between threads.
#[test]
fn the_futures_can_be_spawned() {
    fn spawnable<X: Send>(_: impl FnOnce() -> X) {}
    spawnable(|| async {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        echo(accept(stream, &OriginPolicy::SameHost).await.unwrap()).await
    });
    spawnable(|| async {
        let (mut socket, _) = Connector::new().connect("ws://localhost").await.unwrap();
        socket.send("text").await.unwrap();
        socket.close(CloseCode::NORMAL, "").await.unwrap();
    });
}
