//! Connections from requests that hyper and axum have read.

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use tightwire_tokio::tightwire::handshake::HandshakeError;
use tightwire_tokio::{
    Answer, CloseCode, Config, Connector, Io, Listener, OpenError, Opening, OriginPolicy, accept_with,
    upgrade,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

#[path = "../examples/axum.rs"]
#[allow(dead_code)] // its `main`
mod example;

const HEADERS: &str = "Host: a.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn request(headers: &str) -> String {
    format!("GET /chat?a=b HTTP/1.1\r\n{HEADERS}{headers}\r\n")
}

/// What the application of these tests answers.
fn decide(request: &tightwire_tokio::Request<'_, '_>) -> Answer {
    match request.path() {
        "/private" => Answer::refuse(401).with_header("WWW-Authenticate", "Basic").with_body("who?\n"),
        "/impossible" => Answer::accept().with_protocol(Some("not offered")),
        _ => Answer::accept().with_protocol(request.client_choice(&["b", "c"])).with_header("X-Extra", "yes"),
    }
}

/// A hyper server with one connection. Gives the client's end of it, and the openings in their order.
fn served(config: Config) -> (DuplexStream, mpsc::UnboundedReceiver<Opening>) {
    let (client, server) = duplex(1 << 20);
    let (openings, opened) = mpsc::unbounded_channel();
    let config = Arc::new(config);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (response, opening) = upgrade(&mut request, config.clone(), &OriginPolicy::SameHost, decide);
        openings.send(opening).unwrap();
        async { Ok::<Response<Full<Bytes>>, Infallible>(response) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service);
    tokio::spawn(connection.with_upgrades());
    (client, opened)
}

async fn echo(opening: Opening) {
    let mut socket = opening.await.unwrap();
    while let Some((message, mut sender)) = socket.recv_with_sender().await.unwrap() {
        sender.feed(message).await.unwrap();
    }
}

/// Status, the headers sorted and in lower case, and the body of a response with a known length.
async fn answer(stream: &mut DuplexStream) -> (u16, Vec<String>, String) {
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n\r\n") {
        octets.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(octets).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers: Vec<_> = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            format!("{}: {value}", name.to_lowercase())
        })
        .collect();
    headers.sort();
    let length = headers.iter().find_map(|header| header.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    // What hyper and our own server say of the same in different ways.
    headers.retain(|header| {
        !["date: ", "content-length: ", "connection: "].iter().any(|own| header.starts_with(own))
    });
    (status, headers, String::from_utf8(body).unwrap())
}

// A server may read frames together with the request; none of them is lost
#[tokio::test]
async fn frames_behind_the_request_are_not_lost() {
    let (mut client, mut openings) = served(Config::default());
    let mut octets = request("").into_bytes();
    let message = [0x81, 0x85, 0, 0, 0, 0, b'e', b'a', b'r', b'l', b'y'];
    let (whole, cut) = (message, &message[..8]);
    octets.extend(whole);
    octets.extend(cut);
    client.write_all(&octets).await.unwrap();
    tokio::spawn(echo(openings.recv().await.unwrap()));
    assert_eq!(answer(&mut client).await.0, 101);
    let mut echoed = [0; 7];
    client.read_exact(&mut echoed).await.unwrap();
    assert_eq!(echoed, *b"\x81\x05early");
    client.write_all(&message[8..]).await.unwrap();
    client.read_exact(&mut echoed).await.unwrap();
    assert_eq!(echoed, *b"\x81\x05early");
}

/// Every request is answered as our own server answers it, and judged the same.
#[tokio::test]
async fn requests_are_answered_by_the_rules_of_core() {
    let get = "GET /chat HTTP/1.1\r\n";
    let without = |line: &str| request("").replace(&format!("{line}\r\n"), "");
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let cases = [
        (request(""), 101),
        (request("Sec-WebSocket-Protocol: a, b, c\r\n"), 101),
        (request("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"), 101),
        (request("Origin: https://a.example\r\nCookie: a=b\r\nCookie: c=d\r\n"), 101),
        (request("Content-Length: 0\r\n"), 101),
        (request("").replace("/chat?a=b", "http://a.example/chat"), 101),
        (request("Origin: https://b.example\r\n"), 403),
        (request("Origin: https://a.example\r\nOrigin: https://a.example\r\n"), 403),
        (request("").replace("GET", "POST"), 405),
        (format!("{get}Host: a.example\r\n\r\n"), 400),
        (request("").replace("HTTP/1.1", "HTTP/1.0"), 505),
        (without("Host: a.example"), 400),
        (request("").replace("keep-alive, Upgrade", "keep-alive"), 400),
        (without("Upgrade: websocket"), 426),
        (request("").replace("websocket", "h2c"), 426),
        (without("Sec-WebSocket-Version: 13"), 400),
        (request("").replace(": 13", ": 8"), 426),
        (request("Sec-WebSocket-Version: 13\r\n"), 400),
        (without(key), 400),
        (request("").replace("Q==", "Q="), 400),
        (request(&format!("{key}\r\n")), 400),
        (request("Content-Length: 3\r\n"), 400),
        (request("Transfer-Encoding: chunked\r\n"), 400),
        (request("Sec-WebSocket-Protocol: a b\r\n"), 400),
        (request("Sec-WebSocket-Extensions: a;;\r\n"), 400),
        (request("").replace("/chat", "/private"), 401),
        (request("").replace("/chat", "/impossible"), 500),
    ];
    for (request, status) in cases {
        let (mut client, mut openings) = served(compressing());
        client.write_all(request.as_bytes()).await.unwrap();
        let opening = openings.recv().await.unwrap();
        let theirs = answer(&mut client).await;
        let verdict = opening.await;

        let (mut client, server) = duplex(1 << 20);
        client.write_all(request.as_bytes()).await.unwrap();
        let ours = accept_with(server, Arc::new(compressing()), &OriginPolicy::SameHost, decide);
        let (own_verdict, ours) = tokio::join!(ours, async {
            let answer = answer(&mut client).await;
            drop(client);
            answer
        });
        assert_eq!(theirs.0, status, "{request}");
        assert_eq!(theirs, ours, "{request}");
        let (verdict, own_verdict) = (summary(&verdict), summary(&own_verdict));
        assert_eq!(verdict, own_verdict, "{request}");
    }
}

fn compressing() -> Config {
    let config = Config::default();
    #[cfg(feature = "deflate")]
    let config = config.with_compression(tightwire_tokio::compression::Policy::DEFAULT);
    config
}

fn summary<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    verdict: &Result<tightwire_tokio::WebSocket<S>, OpenError>,
) -> String {
    match verdict {
        #[cfg(feature = "deflate")]
        Ok(socket) => format!("open {:?}", socket.compression()),
        #[cfg(not(feature = "deflate"))]
        Ok(_) => "open".into(),
        Err(error) => format!("{error:?}"),
    }
}

#[tokio::test]
async fn our_client_agrees_with_it() {
    let (client, mut openings) = served(compressing());
    tokio::spawn(async move { echo(openings.recv().await.unwrap()).await });
    let connector = Connector::new().with_config(Arc::new(compressing())).with_protocol("c");
    let (mut socket, agreed) = connector.open(Io(client), "ws://a.example/chat").await.unwrap();
    assert_eq!(agreed.protocol.as_deref(), Some("c"));
    #[cfg(feature = "deflate")]
    assert!(agreed.compression.is_some());
    for size in [0, 1, 200, 70_000, 1 << 20] {
        let text = "abcdefgh".repeat(size / 8);
        socket.send(&*text).await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap().as_str(), Some(&*text));
    }
    socket.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(socket.closed().unwrap().code, CloseCode::NORMAL);
}

#[tokio::test]
async fn a_response_that_is_not_sent_opens_nothing() {
    let headers = HEADERS.lines().map(|line| line.split_once(": ").unwrap());
    let mut plain = headers
        .fold(Request::builder().uri("/chat"), |request, (name, value)| request.header(name, value))
        .body(())
        .unwrap();
    // A request of no server: there is nothing to upgrade.
    let (response, opening) = upgrade::<_, Vec<u8>>(&mut plain, Arc::default(), &OriginPolicy::Any, decide);
    assert_eq!(response.status(), 500);
    assert!(matches!(opening.await, Err(OpenError::Transport(_))));

    // A server that goes away before it has answered.
    let (mut client, server) = duplex(1 << 20);
    let (openings, mut opened) = mpsc::unbounded_channel();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (_, opening) = upgrade::<_, Vec<u8>>(&mut request, Arc::default(), &OriginPolicy::Any, decide);
        openings.send(opening).unwrap();
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service);
    let connection = tokio::spawn(connection.with_upgrades());
    client.write_all(request("").as_bytes()).await.unwrap();
    let opening = opened.recv().await.unwrap();
    connection.abort();
    let error = opening.await.unwrap_err();
    assert!(matches!(error, OpenError::Transport(_)), "{error:?}");
}

#[tokio::test]
async fn a_response_that_is_never_written_is_given_up_at_the_deadline() {
    // The client takes nothing, so that the response stays where it is.
    let (mut client, server) = duplex(16);
    let (openings, mut opened) = mpsc::unbounded_channel();
    let mut config = Config::default();
    config.timeouts.handshake = Some(2);
    let config = Arc::new(config);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (response, opening) = upgrade(&mut request, config.clone(), &OriginPolicy::Any, decide);
        openings.send(opening).unwrap();
        async { Ok::<Response<Full<Bytes>>, Infallible>(response) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service);
    tokio::spawn(connection.with_upgrades());
    client.write_all(request("").as_bytes()).await.unwrap();
    let error = opened.recv().await.unwrap().await.unwrap_err();
    assert!(matches!(error, OpenError::Timeout), "{error:?}");
}

#[tokio::test]
async fn what_cannot_be_accepted_is_told_at_once() {
    let (mut client, mut openings) = served(Config::default());
    client.write_all(request("Origin: https://b.example\r\n").as_bytes()).await.unwrap();
    let error = openings.recv().await.unwrap().await.unwrap_err();
    assert!(matches!(error, OpenError::Request(HandshakeError::OriginRefused)), "{error:?}");
}

#[tokio::test]
async fn the_axum_example_echoes_beside_other_routes() {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener.into_inner(), example::routes()).await });

    let mut plain = tokio::net::TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut page = String::new();
    plain.read_to_string(&mut page).await.unwrap();
    assert!(page.starts_with("HTTP/1.1 200 ") && page.ends_with("the echo is at /echo\n"), "{page}");

    let connector = Connector::new().with_protocol("chat");
    let (mut socket, agreed) = connector.connect(&format!("ws://{address}/echo")).await.unwrap();
    assert_eq!(agreed.protocol.as_deref(), Some("chat"));
    socket.send("hello").await.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap().as_str(), Some("hello"));
    socket.close(CloseCode::NORMAL, "").await.unwrap();
}

/// What an application spawns must be able to move between threads.
#[test]
fn the_futures_can_be_spawned() {
    fn spawnable<X: Send>(_: X) {}
    let mut request = Request::new(());
    let (response, opening) = upgrade::<_, Vec<u8>>(&mut request, Arc::default(), &OriginPolicy::Any, decide);
    assert_eq!(response.status(), 400);
    spawnable(async { opening.await.unwrap().send("text").await });
}
