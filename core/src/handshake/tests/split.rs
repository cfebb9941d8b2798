//! Requests and responses whose octets are read and written by somebody else.

use super::*;
use crate::handshake::server::{Response, ResponseError};
use std::vec;

const HEADERS: [(&str, &[u8]); 5] = [
    ("host", b"server.example.com"),
    ("upgrade", b"websocket"),
    ("connection", b"Upgrade"),
    ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", b"13"),
];

// (That the checks are those of a parsed request, every scenario of this module shows: see `judge_pieces`.)
#[test]
fn what_could_not_stand_in_a_head_is_refused() {
    assert!(Request::from_parts("GET", "/chat?a=b", &HEADERS).is_ok());
    for (method, target) in [
        ("", "/"),
        ("G T", "/"),
        ("GET", ""),
        ("GET", "*"),
        ("GET", "/a b"),
        ("GET", "/#a"),
        ("GET", "/\r\nA: b"),
    ] {
        let error = Request::from_parts(method, target, &HEADERS).unwrap_err();
        assert_eq!(error, HandshakeError::InvalidStartLine, "{method} {target}");
    }
    for (name, value, error) in [
        ("", &b"a"[..], HandshakeError::InvalidHeader),
        ("A b", b"a", HandshakeError::InvalidHeader),
        ("A:", b"a", HandshakeError::InvalidHeader),
        ("A", b"a\r\nB: c", HandshakeError::ControlCharacter),
        ("A", b"\0", HandshakeError::ControlCharacter),
    ] {
        let mut headers = HEADERS.to_vec();
        headers.push((name, value));
        assert_eq!(Request::from_parts("GET", "/", &headers).unwrap_err(), error, "{name:?}");
    }
}

#[test]
fn other_methods_have_other_targets() {
    for (method, target) in [("OPTIONS", "*"), ("CONNECT", "example.com:80"), ("POST", "/")] {
        let request = Request::from_parts(method, target, &HEADERS).unwrap();
        assert_eq!((request.method(), request.target()), (method, target));
        assert_eq!(request.check(&OriginPolicy::Any).unwrap_err(), HandshakeError::MethodNotGet);
    }
}

#[test]
fn an_answer_is_told_like_it_is_written() {
    let mut headers = HEADERS.to_vec();
    headers.extend([("sec-websocket-protocol", &b"a, b"[..]), ("sec-websocket-extensions", b"x-a; b")]);
    let upgrade = Request::from_parts("GET", "/", &headers).unwrap().check(&OriginPolicy::Any).unwrap();
    let acceptance =
        Acceptance { protocol: Some("b"), extensions: Some("x-a; b"), headers: &[("Set-Cookie", "a=b")] };
    let mut told = vec![];
    upgrade.answer(&acceptance, |name, value| told.push(format!("{name}: {value}"))).unwrap();
    let expected = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Protocol: b",
        "Sec-WebSocket-Extensions: x-a; b",
        "Set-Cookie: a=b",
    ];
    assert_eq!(told, expected);
    for (bad, error) in [
        (Acceptance { protocol: Some("c"), ..acceptance }, ResponseError::ProtocolNotOffered),
        (Acceptance { extensions: Some("x-b"), ..acceptance }, ResponseError::ExtensionNotOffered),
        (Acceptance { headers: &[("Upgrade", "a")], ..acceptance }, ResponseError::ReservedHeader),
        (Acceptance { headers: &[("A", "\n")], ..acceptance }, ResponseError::InvalidHeader),
    ] {
        assert_eq!(upgrade.answer(&bad, |name, _| panic!("{name} was told")), Err(error));
    }
}

#[test]
fn a_refusal_is_told_like_it_is_written() {
    let told = |response: Response<'_>| {
        let mut told = vec![];
        response.answer(|name, value| told.push(format!("{name}: {value}"))).map(|()| told)
    };
    // RFC 9110 7.8, 15.5.22: Upgrade is named in Connection
    assert_eq!(
        told(HandshakeError::UnsupportedVersion.rejection()).unwrap(),
        [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Content-Type: text/plain; charset=utf-8"
        ]
    );
    let location = Response::new(302).with_headers(&[("Location", "/b")]);
    assert_eq!(told(location).unwrap(), ["Location: /b"]);
    assert_eq!(told(Response::new(304).with_body(b"a")).unwrap(), [""; 0]);
    assert_eq!(told(Response::new(101)), Err(ResponseError::InvalidStatus));
    let spoilt = Response::new(302).with_headers(&[("Location", "/\r\nA: b")]);
    assert_eq!(told(spoilt), Err(ResponseError::InvalidHeader));
}
