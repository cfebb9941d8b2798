//! Opening handshakes, good and bad: each is answered with the status that says why, before the connection ends.

use super::peer::{ACCEPT, CLOSE, PING, PONG, TEXT, masked, reason, request, request_with};
use super::{Peer, config, echo, in_time, millis, served_with};
use crate::adapter::tightwire::handshake::HandshakeError;
use crate::adapter::{Listener, OpenError, OriginPolicy, Pool, accept};
use crate::block_on;
use std::io::Write;
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

#[test]
fn a_request_that_comes_octet_by_octet_is_accepted() {
    let (ended, ()) = served_with(
        config(),
        OriginPolicy::Any,
        |mut peer| {
            for octet in request("/chat").bytes() {
                peer.send(&[octet]);
                thread::sleep(Duration::from_micros(500));
            }
            let head = peer.head();
            assert_eq!(head.status(), 101);
            assert_eq!(head.header("Sec-WebSocket-Accept"), Some(ACCEPT));
            for octet in masked(TEXT, b"slowly") {
                peer.send(&[octet]);
                thread::sleep(Duration::from_micros(500));
            }
            assert_eq!(peer.frame(), (TEXT, b"slowly".to_vec()));
            peer.send_frame(CLOSE, b"");
            assert_eq!(peer.rest().unwrap(), [CLOSE, 0]);
        },
        async |opened| echo(opened.unwrap()).await,
    );
    ended.unwrap();
}

#[test]
fn frames_behind_the_request_are_not_lost() {
    let (ended, ()) = served_with(
        config(),
        OriginPolicy::Any,
        |mut peer| {
            let mut octets = request("/").into_bytes();
            octets.extend(masked(TEXT, b"early"));
            octets.extend(masked(PING, b"?"));
            octets.extend(masked(CLOSE, &reason(1000, "bye")));
            peer.send(&octets);
            assert_eq!(peer.head().status(), 101);
            assert_eq!(peer.frame(), (TEXT, b"early".to_vec()));
            assert_eq!(peer.frame(), (PONG, b"?".to_vec()));
            assert_eq!(peer.closed(), 1000);
        },
        async |opened| echo(opened.unwrap()).await,
    );
    ended.unwrap();
}

/// The peer sends this request; gives the error, the status, a header of the answer.
fn refused(
    origins: OriginPolicy<'static>,
    request: String,
    header: &'static str,
) -> (OpenError, u16, Option<String>) {
    let (error, (status, value)) = served_with(
        config(),
        origins,
        move |mut peer| {
            peer.send(request.as_bytes());
            let (head, body) = peer.response();
            assert!(!body.is_empty());
            (head.status(), head.header(header).map(str::to_owned))
        },
        async |opened| opened.unwrap_err(),
    );
    (error, status, value)
}

#[test]
fn a_bad_request_is_answered_with_the_status_that_says_why() {
    let get = "GET / HTTP/1.1";
    let without = |line: &str| request("/").replace(&format!("{line}\r\n"), "");
    let cases = [
        (request_with(get, &format!("X: {}\r\n", "x".repeat(9000))), HandshakeError::HeadTooLarge, 431),
        // Far more than the sockets hold: the answer reaches a peer that is still sending.
        (request_with(get, &format!("X: {}\r\n", "x".repeat(1 << 20))), HandshakeError::HeadTooLarge, 431),
        (request_with(get, &"X: y\r\n".repeat(100)), HandshakeError::TooManyHeaders, 431),
        (request(&format!("/{}", "x".repeat(5000))), HandshakeError::TargetTooLong, 414),
        (request_with("GET / HTTP/1.0", ""), HandshakeError::UnsupportedHttpVersion, 505),
        (request_with("POST / HTTP/1.1", ""), HandshakeError::MethodNotGet, 405),
        (request_with("NO LINE", ""), HandshakeError::InvalidStartLine, 400),
        (request_with(get, "no header\r\n"), HandshakeError::InvalidHeader, 400),
        (request_with(get, "X: y\r\n folded\r\n"), HandshakeError::LineFolding, 400),
        (request_with(get, "X: \0\r\n"), HandshakeError::ControlCharacter, 400),
        (request("/").replace("\r\nHost", "\nHost"), HandshakeError::BareLineBreak, 400),
        (request_with(get, "Content-Length: 5\r\n"), HandshakeError::RequestBody, 400),
        (without("Connection: Upgrade"), HandshakeError::NoConnectionUpgrade, 400),
        (without("Upgrade: websocket"), HandshakeError::NoUpgradeWebSocket, 426),
        (without("Host: localhost"), HandshakeError::InvalidHost, 400),
        (without("Sec-WebSocket-Version: 13"), HandshakeError::InvalidVersion, 400),
        (request("/").replace("n: 13", "n: 8"), HandshakeError::UnsupportedVersion, 426),
        (request("/").replace("Q==", "Q="), HandshakeError::InvalidKey, 400),
    ];
    for (request, fault, expected) in cases {
        let start = request.get(..request.len().min(120)).unwrap().to_owned();
        let (error, status, _) = refused(OriginPolicy::Any, request, "");
        assert!(matches!(error, OpenError::Request(found) if found == fault), "{error:?}: {start}");
        assert_eq!(status, expected, "{start}");
    }
}

#[test]
fn a_refusal_names_what_would_be_accepted() {
    let header = |request: String, header| refused(OriginPolicy::Any, request, header).2;
    // RFC 9110 15.5.6
    assert_eq!(header(request_with("POST / HTTP/1.1", ""), "Allow").as_deref(), Some("GET"));
    // RFC 6455 4.4
    let old = || request("/").replace("n: 13", "n: 8");
    assert_eq!(header(old(), "Sec-WebSocket-Version").as_deref(), Some("13"));
    // RFC 9110 15.5.22
    assert_eq!(header(old(), "Upgrade").as_deref(), Some("websocket"));
}

// RFC 6455 10.2
#[test]
fn a_foreign_origin_is_refused() {
    let from = |origin: &str| request_with("GET / HTTP/1.1", &format!("Origin: {origin}\r\n"));
    let (error, status, _) = refused(OriginPolicy::SameHost, from("http://elsewhere"), "");
    assert!(matches!(error, OpenError::Request(HandshakeError::OriginRefused)), "{error:?}");
    assert_eq!(status, 403);

    let (ended, ()) = served_with(
        config(),
        OriginPolicy::SameHost,
        move |mut peer| {
            peer.send(from("http://localhost").as_bytes());
            assert_eq!(peer.head().status(), 101);
            peer.send_frame(CLOSE, b"");
            peer.rest().unwrap();
        },
        async |opened| echo(opened.unwrap()).await,
    );
    ended.unwrap();
}

#[test]
fn the_application_refuses_with_what_it_likes() {
    let (error, ()) = served_with(
        config(),
        OriginPolicy::Any,
        |mut peer| {
            peer.send(request("/private").as_bytes());
            let (head, body) = peer.response();
            assert_eq!(head.status(), 401);
            assert_eq!(head.header("WWW-Authenticate"), Some("Basic"));
            assert_eq!(body, "who are you?\n");
        },
        async |opened| opened.unwrap_err(),
    );
    assert!(matches!(error, OpenError::Refused(401)), "{error:?}");
}

#[test]
fn a_request_that_never_ends_is_answered_at_the_deadline() {
    for start in ["", "GET / HTTP/1.1\r\nHost: loc"] {
        let mut config = config();
        config.timeouts.handshake = millis(300);
        let pool = config.pool.clone();
        let (error, status) = served_with(
            config,
            OriginPolicy::Any,
            move |mut peer| {
                peer.send(start.as_bytes());
                peer.response().0.status()
            },
            async |opened| opened.unwrap_err(),
        );
        assert!(matches!(error, OpenError::Timeout), "{error:?}");
        assert_eq!(status, 408);
        // One buffer, however it was used.
        assert!(pool.kept() <= 2 * Pool::DEFAULT_SIZE, "{}", pool.kept());
    }
}

/// An octet of a request each 50 ms is no progress that counts.
#[test]
fn a_request_that_trickles_is_answered_at_the_deadline() {
    let mut config = config();
    config.timeouts.handshake = millis(300);
    let (error, status) = served_with(
        config,
        OriginPolicy::Any,
        |mut peer| {
            let mut sender = peer.0.try_clone().unwrap();
            let trickle = thread::spawn(move || {
                let mut octets = request("/").into_bytes().into_iter();
                while octets.next().is_some_and(|octet| sender.write_all(&[octet]).is_ok()) {
                    thread::sleep(Duration::from_millis(50));
                }
            });
            let status = peer.response().0.status();
            peer.0.shutdown(Shutdown::Both).unwrap();
            trickle.join().unwrap();
            status
        },
        async |opened| opened.unwrap_err(),
    );
    assert!(matches!(error, OpenError::Timeout), "{error:?}");
    assert_eq!(status, 408);
}

#[test]
fn a_peer_that_leaves_before_the_end_is_told_from_one_that_is_slow() {
    let half = |peer: &mut Peer| peer.send(b"GET / HTTP/1.1\r\nHost");
    let (error, ()) = served_with(
        config(),
        OriginPolicy::Any,
        move |mut peer| {
            half(&mut peer);
            peer.end();
            peer.rest().unwrap();
        },
        async |opened| opened.unwrap_err(),
    );
    assert!(matches!(error, OpenError::Ended), "{error:?}");

    let (error, ()) = served_with(
        config(),
        OriginPolicy::Any,
        move |mut peer| {
            half(&mut peer);
            peer.reset();
        },
        async |opened| opened.unwrap_err(),
    );
    assert!(matches!(error, OpenError::Transport(_)), "{error:?}");
}

#[test]
fn a_listener_that_exists_already_serves() {
    in_time(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        block_on(async {
            let listener = Listener::from_std(listener).unwrap();
            assert_eq!(listener.local_addr().unwrap(), address);
            let peer = thread::spawn(move || Peer::connect(address).open());
            let (stream, _) = listener.accept().await.unwrap();
            accept(stream, &OriginPolicy::SameHost).await.unwrap();
            peer.join().unwrap();
        });
    });
}
