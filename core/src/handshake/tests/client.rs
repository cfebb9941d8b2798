//! The client: what is written, and what a server may and may not answer.

use super::*;
use crate::handshake::client::{Accepted, AnswerError, Offer, OfferError, Response};
use std::vec;

const NONCE: [u8; 16] = *b"the sample nonce";

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

fn written(offer: &Offer<'_>) -> String {
    let mut out = [0; 1024];
    let length = offer.write(NONCE, &mut out).unwrap();
    String::from_utf8(out[..length].to_vec()).unwrap()
}

/// What a client makes of a response, which is scanned over every cut.
#[track_caller]
fn answer<T>(
    offer: &Offer<'_>,
    text: &str,
    then: impl FnOnce(Result<Accepted<'_, '_>, AnswerError>) -> T,
) -> T {
    for cut in 0..=text.len() {
        let mut scanner = HeadScanner::new();
        let _ = scanner.scan(&text.as_bytes()[..cut], &HeadLimits::DEFAULT);
        assert_eq!(scanner.scan(text.as_bytes(), &HeadLimits::DEFAULT), Ok(Some(text.len())));
    }
    let mut slots = [Slot::EMPTY; 64];
    let response = Response::parse(text.as_bytes(), &mut slots).unwrap();
    then(offer.verify(&response, NONCE))
}

#[track_caller]
fn refused(offer: &Offer<'_>, text: &str, error: AnswerError) {
    answer(offer, text, |verdict| assert_eq!(verdict.err(), Some(error), "{text}"));
}

// RFC 6455 4.1: the requirements, item by item
#[test]
fn the_request_is_as_in_the_rfc() {
    let offer = Offer::new("server.example.com:8000", "/chat?room=1")
        .with_origin("http://example.com")
        .with_protocols(&["chat", "superchat"])
        .with_extensions("permessage-deflate; client_max_window_bits")
        .with_headers(&[("Cookie", "a=b"), ("Authorization", "Basic eA=="), ("cookie", "c=d")]);
    let expected = "GET /chat?room=1 HTTP/1.1\r\n\
        Host: server.example.com:8000\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\
        Origin: http://example.com\r\n\
        Sec-WebSocket-Protocol: chat, superchat\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
        Cookie: a=b\r\n\
        Authorization: Basic eA==\r\n\
        cookie: c=d\r\n\
        \r\n";
    assert_eq!(written(&offer), expected);
    for size in 0..expected.len() {
        let mut small = vec![7; size];
        assert_eq!(offer.write(NONCE, &mut small), Err(OfferError::NeedsSpace(expected.len())));
        assert!(small.iter().all(|&octet| octet == 7));
    }
}

// RFC 6455 3: an empty path stands for "/"
#[test]
fn an_empty_path_is_the_root() {
    for (target, line) in
        [("", "GET / HTTP/1.1\r\n"), ("?a=b", "GET /?a=b HTTP/1.1\r\n"), ("/a", "GET /a HTTP/1.1\r\n")]
    {
        assert!(written(&Offer::new("[::1]:80", target)).starts_with(line));
    }
}

#[test]
fn an_offer_is_guarded() {
    let plain = Offer::new("host", "/");
    let write = |offer: Offer<'_>| offer.write(NONCE, &mut [0; 512]).unwrap_err();
    for host in ["", "a b", "a\r\nB: c", "user@host", "host/", "host:x", "host:0", "[::g]", "h\u{f6}st"] {
        assert_eq!(write(Offer::new(host, "/")), OfferError::InvalidHost, "{host:?}");
    }
    for target in ["a", "*", "/a b", "/a#b", "/\r\n", "/\u{e9}", "http://host/", "/\0"] {
        assert_eq!(write(Offer::new("host", target)), OfferError::InvalidTarget, "{target:?}");
    }
    for origin in ["", "http://a\r\nB: c"] {
        assert_eq!(write(plain.with_origin(origin)), OfferError::InvalidOrigin, "{origin:?}");
    }
    for protocols in [&[""][..], &["a b"], &["a,b"], &["a\r\n"], &["a", "b", "a"]] {
        assert_eq!(write(plain.with_protocols(protocols)), OfferError::InvalidProtocol, "{protocols:?}");
    }
    for extensions in ["", " , ", "a;", "a\r\nB: c", "a b"] {
        assert_eq!(write(plain.with_extensions(extensions)), OfferError::InvalidExtensions, "{extensions:?}");
    }
    for header in [("A", "b\r\nC: d"), ("A", "\x7f"), ("A\n", "b"), ("", "b"), ("A b", "")] {
        assert_eq!(write(plain.with_headers(&[header])), OfferError::InvalidHeader, "{header:?}");
    }
    // Duplicates of what the handshake writes
    for name in [
        "host",
        "UPGRADE",
        "Connection",
        "origin",
        "Sec-WebSocket-Key",
        "sec-websocket-version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Content-Length",
        "Transfer-Encoding",
    ] {
        assert_eq!(write(plain.with_headers(&[(name, "x")])), OfferError::ReservedHeader, "{name}");
    }
}

// RFC 6455 4.1 and 4.2.2: the sample answer
#[test]
fn the_sample_answer_is_accepted() {
    let offer = Offer::new("server.example.com", "/chat").with_protocols(&["chat", "superchat"]);
    answer(&offer, &format!("{ACCEPTED}Sec-WebSocket-Protocol: chat\r\n\r\n"), |accepted| {
        let accepted = accepted.unwrap();
        assert_eq!(accepted.protocol(), Some("chat"));
        assert_eq!(accepted.extensions().count(), 0);
        assert_eq!(accepted.response().status(), 101);
        assert_eq!(accepted.response().reason(), "Switching Protocols");
    });
    answer(&offer, &format!("{ACCEPTED}\r\n"), |accepted| assert_eq!(accepted.unwrap().protocol(), None));
    // Tokens among others, in any case, over several lines
    let varied = ACCEPTED
        .replace("101 Switching Protocols", "101")
        .replace("websocket", "WebSocket")
        .replace("Connection: Upgrade", "connection: keep-alive\r\nCONNECTION: x, uPGRADE");
    answer(&offer, &format!("{varied}\r\n"), |accepted| assert!(accepted.is_ok()));
}

// RFC 6455 4.1, items 1 to 4 of what the client verifies
#[test]
fn a_wrong_answer_is_refused() {
    let offer = Offer::new("host", "/");
    let good = format!("{ACCEPTED}\r\n");
    for status in [100, 200, 301, 401, 403, 426, 500] {
        refused(&offer, &good.replace("101", &format!("{status}")), AnswerError::Status(status));
    }
    refused(&offer, &good.replace("HTTP/1.1", "HTTP/1.0"), AnswerError::HttpVersion);
    refused(&offer, &good.replace("Upgrade: websocket\r\n", ""), AnswerError::NoUpgradeWebSocket);
    refused(&offer, &good.replace(": websocket", ": h2c"), AnswerError::NoUpgradeWebSocket);
    refused(&offer, &good.replace("Connection: Upgrade\r\n", ""), AnswerError::NoConnectionUpgrade);
    refused(&offer, &good.replace(": Upgrade", ": keep-alive"), AnswerError::NoConnectionUpgrade);
    refused(&offer, &good.replace("s3pP", "S3pP"), AnswerError::InvalidAccept);
    refused(&offer, &good.replace("xOo=", "xOo"), AnswerError::InvalidAccept);
    let without = "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    refused(&offer, &format!("{without}\r\n"), AnswerError::InvalidAccept);
    let accept = ACCEPTED.split_once("Connection: Upgrade\r\n").unwrap().1;
    refused(&offer, &format!("{without}{accept}{accept}\r\n"), AnswerError::InvalidAccept);
}

// RFC 6455 4.1, item 6, and 11.3.4: one of the subprotocols offered, or none
#[test]
fn a_subprotocol_must_have_been_offered() {
    let offer = Offer::new("host", "/").with_protocols(&["a", "b"]);
    for lines in ["c", "", "A", "a, b", "a\r\nSec-WebSocket-Protocol: a", "a\r\nSec-WebSocket-Protocol: b"] {
        let text = format!("{ACCEPTED}Sec-WebSocket-Protocol: {lines}\r\n\r\n");
        refused(&offer, &text, AnswerError::ProtocolNotOffered);
    }
    let text = format!("{ACCEPTED}Sec-WebSocket-Protocol: a\r\n\r\n");
    refused(&Offer::new("host", "/"), &text, AnswerError::ProtocolNotOffered);
}

// RFC 6455 4.1, item 5, and 9.1: only extensions offered, each once
#[test]
fn an_extension_must_have_been_offered() {
    let offer = Offer::new("host", "/").with_extensions("x-a; b, x-c");
    let answer_of = |value: &str| format!("{ACCEPTED}Sec-WebSocket-Extensions: {value}\r\n\r\n");
    for value in ["x-b", "x-a, x-b", "X-A", "x-a\r\nSec-WebSocket-Extensions: x-b"] {
        refused(&offer, &answer_of(value), AnswerError::ExtensionNotOffered);
    }
    for value in ["x-a;", "x-a; b=\"", "x-a, x-a", "x-a, x-c, x-a", "x-a\r\nSec-WebSocket-Extensions: x-a"] {
        refused(&offer, &answer_of(value), AnswerError::InvalidExtensions);
    }
    refused(&Offer::new("host", "/"), &answer_of("x-a"), AnswerError::ExtensionNotOffered);
    answer(&offer, &answer_of("x-c, x-a; b=1"), |accepted| {
        assert!(accepted.unwrap().extensions().map(|extension| extension.name()).eq(["x-c", "x-a"]));
    });
}

#[test]
fn a_refusal_can_be_read() {
    let text =
        "HTTP/1.0 401 Who are you?\r\nWWW-Authenticate: Basic\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\nbody";
    let length = HeadScanner::new().scan(text.as_bytes(), &HeadLimits::DEFAULT).unwrap().unwrap();
    assert_eq!(&text[length..], "body");
    let mut slots = [Slot::EMPTY; 4];
    let response = Response::parse(&text.as_bytes()[..length], &mut slots).unwrap();
    assert_eq!((response.status(), response.reason()), (401, "Who are you?"));
    assert_eq!(response.text("www-authenticate"), Some("Basic"));
    assert!(response.values("Set-Cookie").eq([b"a", b"b"]));
    assert_eq!(response.headers().count(), 3);
    let verdict = Offer::new("host", "/").verify(&response, NONCE);
    assert_eq!(verdict.err(), Some(AnswerError::Status(401)));
}

// RFC 9112 4: the grammar of the status line
#[test]
fn a_malformed_status_line_is_refused() {
    for line in [
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 10",
        "HTTP/1.1 1010",
        "HTTP/1.1 0101 x",
        "HTTP/1.1 099 x",
        "HTTP/1.1  101 x",
        "HTTP/2.0 101 x",
        "HTTP/1.x 101 x",
        "HTTP/1.2 101 x",
        "HTTP/1.1 000 x",
        "http/1.1 101 x",
        "ICY 200 OK",
        "GET / HTTP/1.1",
    ] {
        let text = format!("{line}\r\n\r\n");
        let error = Response::parse(text.as_bytes(), &mut []).err();
        assert_eq!(error, Some(AnswerError::Head(HandshakeError::InvalidStartLine)), "{line}");
    }
    let error = Response::parse(b"HTTP/1.1 101 x\r\nA: b\r\n\r\n", &mut []).err();
    assert_eq!(error, Some(AnswerError::Head(HandshakeError::TooManyHeaders)));
    for (status, error) in
        [("101", HandshakeError::TooManyHeaders), ("099", HandshakeError::InvalidStartLine)]
    {
        let text = format!("HTTP/1.1 {status} x\r\n{}\r\n", "A: b\r\n".repeat(129));
        let found = Response::parse(text.as_bytes(), &mut [Slot::EMPTY; 200]).err();
        assert_eq!(found, Some(AnswerError::Head(error)));
    }
}

// RFC 9112 4: a reason is opaque above ASCII; it is given when it is text
#[test]
fn a_reason_may_be_beyond_ascii() {
    for (line, reason) in [
        (&b"HTTP/1.1 404 N\xc3\xa3o\r\n\r\n"[..], "N\u{e3}o"),
        (b"HTTP/1.1 404 N\xe3o\r\n\r\n", ""),
        (b"HTTP/1.1 404 \r\nA: b\r\n\r\n", ""),
        (b"HTTP/1.1 404\r\nA: b\r\n\r\n", ""),
    ] {
        let mut slots = [Slot::EMPTY; 1];
        assert_eq!(Response::parse(line, &mut slots).unwrap().reason(), reason);
    }
}
