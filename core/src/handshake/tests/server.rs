//! The server: each status and the order of them, what is read from a request, what is written.

use super::*;
use crate::handshake::server::{Response, ResponseError, Upgrade};
use HandshakeError::*;
use std::vec;

fn with_request<T>(text: &str, then: impl FnOnce(Request<'_, '_>) -> T) -> T {
    let mut slots = [Slot::EMPTY; 64];
    then(Request::parse(text.as_bytes(), &mut slots).unwrap())
}

fn with_upgrade<T>(draft: &Draft, then: impl FnOnce(Upgrade<'_, '_>) -> T) -> T {
    with_request(&draft.text(), |request| then(request.check(&OriginPolicy::Any).unwrap()))
}

// RFC 6455 1.2, 1.3, 4.2.2: the sample handshake, to the octet
#[test]
fn the_sample_request_is_answered_as_in_the_rfc() {
    let mut slots = [Slot::EMPTY; 16];
    let request = Request::parse(SAMPLE_REQUEST.as_bytes(), &mut slots).unwrap();
    let allowed = OriginPolicy::AllowList(&["http://example.com"]);
    let upgrade = request.check(&allowed).unwrap();
    let acceptance = Acceptance { protocol: Some("chat"), ..Acceptance::default() };
    let mut out = [0; 512];
    let length = upgrade.accept(&acceptance, &mut out).unwrap();
    let expected = "HTTP/1.1 101 Switching Protocols\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Sec-WebSocket-Protocol: chat\r\n\
        \r\n";
    assert_eq!(core::str::from_utf8(&out[..length]).unwrap(), expected);
}

#[test]
fn the_draft_is_accepted() {
    accepted(&Draft::new());
}

// RFC 9112 3 and 5, RFC 9110 5.5: 400 for a malformed request line or header
#[test]
fn malformed_heads_are_400() {
    refused(&Draft::new().line("GET /chat"), InvalidStartLine, 400);
    refused(&Draft::new().line("GET  /chat HTTP/1.1"), InvalidStartLine, 400);
    refused(&Draft::new().line("GET /chat HTTP/1.1 "), InvalidStartLine, 400);
    refused(&Draft::new().line("GET /a#b HTTP/1.1"), InvalidStartLine, 400);
    refused(&Draft::new().line("\r\nGET /chat HTTP/1.1"), InvalidStartLine, 400);
    refused(&Draft::new().with("Bad Name", "x"), InvalidHeader, 400);
    refused(&Draft::new().with("Bad ", "x"), InvalidHeader, 400);
    refused(&Draft::new().with("", "x"), InvalidHeader, 400);
    refused(&Draft::new().with("A", "b\r\nno colon"), InvalidHeader, 400);
    refused(&Draft::new().with("A", "b\r\n folded"), LineFolding, 400);
    refused(&Draft::new().with("A", "b\r\n\tfolded"), LineFolding, 400);
    refused(&Draft::new().with("A", "b\nC: d"), BareLineBreak, 400);
    refused(&Draft::new().with("A", "b\rC: d"), BareLineBreak, 400);
    refused(&Draft::new().with("A", "b\0"), ControlCharacter, 400);
    refused(&Draft::new().with("A", "\x08"), ControlCharacter, 400);
    refused_text(&Draft::new().text().replace("\r\n", "\n"), BareLineBreak, 400);
}

// RFC 6455 4.2.1, item 1: HTTP/1.1; RFC 9110 15.6.6: 505
#[test]
fn other_versions_of_http_are_505() {
    for version in ["HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.1"] {
        refused(&Draft::new().line(&format!("GET /chat {version}")), UnsupportedHttpVersion, 505);
    }
    // RFC 9113 3.4: the preface of HTTP/2
    refused_text("PRI * HTTP/2.0\r\n\r\n", UnsupportedHttpVersion, 505);
}

// RFC 6585 5: 431; RFC 9110 15.5.15: 414
#[test]
fn what_is_too_large_is_431_or_414() {
    let flood = (0..65).fold(Draft::new(), |draft, _| draft.with("A", ""));
    assert_eq!(judge(flood.text().as_bytes(), &OriginPolicy::Any), Err(TooManyHeaders));
    let large = Draft::new().with("A", &"b".repeat(8192));
    assert_eq!(judge(large.text().as_bytes(), &OriginPolicy::Any), Err(HeadTooLarge));
    let long = Draft::new().line(&format!("GET /{} HTTP/1.1", "a".repeat(4096)));
    assert_eq!(judge(long.text().as_bytes(), &OriginPolicy::Any), Err(TargetTooLong));
}

#[test]
fn too_few_slots_are_431() {
    let text = Draft::new().text();
    for count in 0..8 {
        let mut slots = vec![Slot::EMPTY; count];
        let parsed = Request::parse(text.as_bytes(), &mut slots).map(|request| request.headers().count());
        assert_eq!(parsed, if count < 5 { Err(TooManyHeaders) } else { Ok(5) });
    }
    // A malformed line outweighs the want of slots, and so does the version.
    let text = Draft::new().with("A b", "").text();
    assert_eq!(Request::parse(text.as_bytes(), &mut []).err(), Some(InvalidHeader));
    let text = Draft::new().line("GET / HTTP/1.0").text();
    assert_eq!(Request::parse(text.as_bytes(), &mut []).err(), Some(UnsupportedHttpVersion));
}

#[test]
fn more_than_128_headers_are_431() {
    let mut slots = [Slot::EMPTY; 200];
    let many = |line: &str, count: usize| format!("{line}\r\n{}\r\n", "A: b\r\n".repeat(count));
    let text = many("GET / HTTP/1.1", 128);
    assert_eq!(Request::parse(text.as_bytes(), &mut slots).unwrap().headers().count(), 128);
    let text = many("GET / HTTP/1.1", 129);
    assert_eq!(Request::parse(text.as_bytes(), &mut [Slot::EMPTY; 200]).err(), Some(TooManyHeaders));
    // The version and a malformed line outweigh it here, too.
    for version in ["HTTP/1.0", "HTTP/2.0"] {
        let text = many(&format!("GET / {version}"), 129);
        let error = Request::parse(text.as_bytes(), &mut [Slot::EMPTY; 200]).err();
        assert_eq!(error, Some(UnsupportedHttpVersion), "{version}");
    }
    let text = many("GET / HTTP/1.0", 129).replace("\r\n\r\n", "\r\n:\r\n\r\n");
    assert_eq!(Request::parse(text.as_bytes(), &mut [Slot::EMPTY; 200]).err(), Some(InvalidHeader));
}

// What httparse would let pass: empty lines in front, lines that end with LF alone
#[test]
fn parsing_is_strict_without_a_scan_before() {
    let text = Draft::new().text();
    let parse = |text: &str| Request::parse(text.as_bytes(), &mut [Slot::EMPTY; 9]).err();
    assert_eq!(parse(&text), None);
    assert_eq!(parse(&format!("\r\n{text}")), Some(InvalidStartLine));
    assert_eq!(parse(&format!("\n{text}")), Some(BareLineBreak));
    assert_eq!(parse(&text.replace("\r\n", "\n")), Some(BareLineBreak));
    assert_eq!(parse(&text.replacen("/chat", "/\u{e9}", 1)), Some(InvalidStartLine));
    assert_eq!(parse(&text.replacen("/chat", "/#", 1)), Some(InvalidStartLine));
    // Cut in the start line, in a header, between CR and LF
    assert_eq!(parse("GET / HTTP/1.1"), Some(InvalidStartLine));
    assert_eq!(parse("GET / HTTP/1.1\r\n"), Some(InvalidHeader));
    assert_eq!(parse("GET / HTTP/1.1\r\nHost: a\r\n\r"), Some(BareLineBreak));
}

// RFC 6455 4.2.1, item 1: GET; RFC 9110 15.5.6: 405 with Allow
#[test]
fn other_methods_are_405() {
    for line in [
        "POST /chat HTTP/1.1",
        "HEAD / HTTP/1.1",
        "get / HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "CONNECT a:1 HTTP/1.1",
    ] {
        refused(&Draft::new().line(line), MethodNotGet, 405);
    }
    assert_eq!(MethodNotGet.rejection().headers(), [("Allow", "GET")]);
}

// RFC 6455 4.2.1, item 4: 400 without the token upgrade in Connection
#[test]
fn connection_must_list_upgrade() {
    refused(&Draft::new().without("Connection"), NoConnectionUpgrade, 400);
    for value in ["", "keep-alive", "upgraded", "Up grade", "\"Upgrade\"", "keep-alive; Upgrade"] {
        refused(&Draft::new().set("Connection", value), NoConnectionUpgrade, 400);
    }
    for value in ["upgrade", "UPGRADE", "keep-alive, Upgrade", ",,\t Upgrade ,", "Upgrade,Upgrade"] {
        accepted(&Draft::new().set("Connection", value));
    }
    accepted(&Draft::new().set("Connection", "keep-alive").with("connection", "te, upgrade"));
}

// RFC 6455 4.2.1, item 3; RFC 9110 15.5.22: 426 with Upgrade
#[test]
fn upgrade_must_list_websocket() {
    refused(&Draft::new().without("Upgrade"), NoUpgradeWebSocket, 426);
    for value in ["", "h2c", "websockets", "web socket"] {
        refused(&Draft::new().set("Upgrade", value), NoUpgradeWebSocket, 426);
    }
    for value in ["WebSocket", "h2c, websocket", "WEBSOCKET ,"] {
        accepted(&Draft::new().set("Upgrade", value));
    }
    accepted(&Draft::new().set("Upgrade", "h2c").with("UPGRADE", "websocket"));
    assert!(NoUpgradeWebSocket.rejection().headers().contains(&("Upgrade", "websocket")));
}

// RFC 6455 4.2.2, 4.4: 426 with the version that the server speaks; 4.2.1: 400 without or with two
#[test]
fn the_version_must_be_13_once() {
    for value in ["8", "7", "0", "12", "14", "013", "13, 8", "1 3", "", "thirteen"] {
        refused(&Draft::new().set("Sec-WebSocket-Version", value), UnsupportedVersion, 426);
    }
    refused(&Draft::new().without("Sec-WebSocket-Version"), InvalidVersion, 400);
    refused(&Draft::new().with("Sec-WebSocket-Version", "13"), InvalidVersion, 400);
    refused(&Draft::new().with("sec-websocket-version", "8"), InvalidVersion, 400);
    accepted(&Draft::new().set("Sec-WebSocket-Version", " \t13 "));
    assert!(UnsupportedVersion.rejection().headers().contains(&("Sec-WebSocket-Version", "13")));
}

// RFC 6455 4.2.1, item 5: 400 unless there is one key, the base64 of 16 octets
#[test]
fn the_key_must_be_16_octets_once() {
    refused(&Draft::new().without("Sec-WebSocket-Key"), InvalidKey, 400);
    refused(&Draft::new().with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), InvalidKey, 400);
    for value in ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZXM=", "dGhl,HNhbXBsZSBub25jZQ=="] {
        refused(&Draft::new().set("Sec-WebSocket-Key", value), InvalidKey, 400);
    }
}

// RFC 9112 3.2: 400 unless there is one valid Host
#[test]
fn the_host_must_be_valid_once() {
    refused(&Draft::new().without("Host"), InvalidHost, 400);
    refused(&Draft::new().with("host", "server.example.com"), InvalidHost, 400);
    for value in
        ["", "a b", "user@host", "host/", "host:port", "host:65536", "[::1", "[1.2.3.4]", "h\u{e9}", "a,b:x"]
    {
        refused(&Draft::new().set("Host", value), InvalidHost, 400);
    }
    for value in ["localhost", "LOCALHOST:9001", "127.0.0.1:80", "[::1]:9001", "a_b.example", "host:"] {
        accepted(&Draft::new().set("Host", value));
    }
}

// S12: a body in front of the first frame is request smuggling
#[test]
fn a_body_is_400() {
    for value in ["5", "00001", "+0", "-0", "0x0", "", "0, 0"] {
        refused(&Draft::new().with("Content-Length", value), RequestBody, 400);
    }
    refused(&Draft::new().with("Content-Length", "0").with("Content-Length", "7"), RequestBody, 400);
    refused(&Draft::new().with("Transfer-Encoding", "chunked"), RequestBody, 400);
    refused(&Draft::new().with("transfer-encoding", "identity"), RequestBody, 400);
    accepted(&Draft::new().with("Content-Length", "0"));
}

// RFC 6455 4.2.1, 4.3, 9.1: 400 for lists that violate the grammar
#[test]
fn malformed_lists_are_400() {
    for value in ["a b", "chat, su per", "\"chat\"", "a/b", "chat;q=1"] {
        refused(&Draft::new().with("Sec-WebSocket-Protocol", value), InvalidProtocols, 400);
    }
    for value in
        ["a b", "a;", "a; =b", "a; b=", "a; b=\"", "a; b=\"\"", "a; b=\"c d\"", "a; b=\"c\"d", "/", "a=b"]
    {
        refused(&Draft::new().with("Sec-WebSocket-Extensions", value), InvalidExtensions, 400);
    }
    accepted(&Draft::new().with("Sec-WebSocket-Protocol", "").with("Sec-WebSocket-Extensions", " , "));
}

// The order of the issue: of two faults, the earlier one is answered
#[test]
fn the_faults_are_found_in_order() {
    type Spoil = fn(Draft) -> Draft;
    let faults: [(HandshakeError, Spoil); 12] = [
        (InvalidHeader, |mut draft| {
            draft.headers.insert(0, ("Bad Name".to_string(), String::new()));
            draft
        }),
        (UnsupportedHttpVersion, |draft| {
            let line = draft.line.replace("HTTP/1.1", "HTTP/1.0");
            draft.line(&line)
        }),
        (TooManyHeaders, |draft| (0..64).fold(draft, |draft, _| draft.with("A", ""))),
        (MethodNotGet, |draft| {
            let line = draft.line.replace("GET", "POST");
            draft.line(&line)
        }),
        (NoConnectionUpgrade, |draft| draft.set("Connection", "close")),
        (NoUpgradeWebSocket, |draft| draft.set("Upgrade", "h2c")),
        (UnsupportedVersion, |draft| draft.set("Sec-WebSocket-Version", "8")),
        (InvalidHost, |draft| draft.without("Host")),
        (InvalidKey, |draft| draft.without("Sec-WebSocket-Key")),
        (RequestBody, |draft| draft.with("Content-Length", "1")),
        (InvalidExtensions, |draft| draft.with("Sec-WebSocket-Extensions", "=")),
        (OriginRefused, |draft| draft.with("Origin", "http://evil.example")),
    ];
    for (index, (error, spoil)) in faults.iter().enumerate() {
        let one = spoil(Draft::new());
        assert_eq!(judge(one.text().as_bytes(), &OriginPolicy::SameHost), Err(*error));
        for (later, also) in &faults[index + 1..] {
            let both = also(spoil(Draft::new())).text();
            assert_eq!(
                judge(both.as_bytes(), &OriginPolicy::SameHost),
                Err(*error),
                "{error:?} and {later:?}"
            );
        }
    }
}

// Plain HTTP is for the caller to answer
#[test]
fn a_plain_request_can_be_read() {
    let text = "GET /health?full HTTP/1.1\r\nHost: a\r\nA: b\r\nempty:\r\n\r\n";
    with_request(text, |request| {
        assert!(!request.wants_websocket());
        assert_eq!((request.method(), request.target()), ("GET", "/health?full"));
        assert_eq!((request.path(), request.query()), ("/health", Some("full")));
        assert_eq!(request.host(), Some("a"));
        assert_eq!(request.header("EMPTY"), Some(&b""[..]));
        assert_eq!(request.header("none"), None);
        let names: Vec<&str> = request.headers().map(|(name, _)| name).collect();
        assert_eq!(names, ["Host", "A", "empty"]);
    });
    for half in ["Connection", "Upgrade"] {
        with_request(&Draft::new().without(half).text(), |request| assert!(!request.wants_websocket()));
    }
    with_request(SAMPLE_REQUEST, |request| {
        assert!(request.wants_websocket());
        assert_eq!(request.origin(), Some("http://example.com"));
        assert_eq!((request.path(), request.query()), ("/chat", None));
    });
}

#[test]
fn values_need_not_be_text() {
    let head = b"GET / HTTP/1.1\r\nA: \xff\r\n\r\n";
    let mut slots = [Slot::EMPTY; 1];
    let request = Request::parse(head, &mut slots).unwrap();
    assert_eq!(request.header("a"), Some(&b"\xff"[..]));
    assert_eq!(request.text("a"), None);
}

// RFC 6455 4.2.1, item 1: an absolute URI contains the resource name; RFC 9112 3.2.2: and replaces Host
#[test]
fn a_target_may_be_absolute() {
    for (target, path, query) in [
        ("http://other.example:81/a/b?c?d", "/a/b", Some("c?d")),
        ("HTTPS://other.example:81", "/", None),
        ("https://other.example:81?x=/y", "/", Some("x=/y")),
    ] {
        let draft = Draft::new().line(&format!("GET {target} HTTP/1.1"));
        accepted(&draft);
        with_request(&draft.text(), |request| {
            assert_eq!((request.path(), request.query()), (path, query));
            assert_eq!(request.host(), Some("other.example:81"));
            assert_eq!(request.target(), target);
        });
    }
}

#[test]
fn a_head_that_is_cut_wrongly_is_refused() {
    let text = Draft::new().text();
    for end in 0..text.len() {
        assert!(Request::parse(&text.as_bytes()[..end], &mut [Slot::EMPTY; 9]).is_err(), "{end} octets");
    }
    let longer = format!("{text}\r\n");
    assert_eq!(Request::parse(longer.as_bytes(), &mut [Slot::EMPTY; 9]).err(), Some(InvalidHeader));
}

// RFC 6455 4.2.2, item 5.5: the server picks from the client's list
#[test]
fn subprotocols_are_chosen_in_either_order() {
    let draft = Draft::new().with("Sec-WebSocket-Protocol", "v1, v2 ,").with("sec-websocket-protocol", "v3");
    with_request(&draft.text(), |request| {
        assert!(request.protocols().eq(["v1", "v2", "v3"]));
        assert_eq!(request.client_choice(&["v3", "v2"]), Some("v2"));
        assert_eq!(request.server_choice(&["v9", "v3", "v2"]), Some("v3"));
        // RFC 6455 4.1, item 6: names are compared as they are
        assert_eq!(request.client_choice(&["V1"]), None);
        assert_eq!(request.server_choice(&[]), None);
    });
}

// RFC 6455 9.1: several lines are one list
#[test]
fn extensions_are_read_over_all_lines() {
    let draft = Draft::new()
        .with("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits, x-a")
        .with("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=\"1\\0\"");
    with_upgrade(&draft, |upgrade| {
        let offers: Vec<_> = upgrade.request().extensions().collect();
        assert!(offers.iter().map(|offer| offer.name()).eq([
            "permessage-deflate",
            "x-a",
            "permessage-deflate"
        ]));
        let param = offers[0].params().next().unwrap();
        assert_eq!((param.name, param.value), ("client_max_window_bits", None));
        let param = offers[2].params().next().unwrap();
        assert!(param.value.unwrap().is("10"));
    });
}

#[test]
fn an_acceptance_is_written_whole_or_not_at_all() {
    let draft =
        Draft::new().with("Sec-WebSocket-Protocol", "chat").with("Sec-WebSocket-Extensions", "x-a; b");
    let acceptance = Acceptance {
        protocol: Some("chat"),
        extensions: Some("x-a; b"),
        headers: &[("Set-Cookie", "a=b"), ("X-Empty", "")],
    };
    with_upgrade(&draft, |upgrade| {
        let mut out = [0; 512];
        let length = upgrade.accept(&acceptance, &mut out).unwrap();
        let text = core::str::from_utf8(&out[..length]).unwrap();
        let tail = "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x-a; b\r\nSet-Cookie: a=b\r\n\
            X-Empty: \r\n\r\n";
        assert!(text.ends_with(tail), "{text}");
        for size in 0..length {
            let mut small = vec![7; size];
            assert_eq!(upgrade.accept(&acceptance, &mut small), Err(ResponseError::NeedsSpace(length)));
            assert!(small.iter().all(|&octet| octet == 7));
        }
        assert_eq!(upgrade.accept(&acceptance, &mut vec![0; length]), Ok(length));
    });
}

// S25: nothing of the application's can split the response
#[test]
fn an_acceptance_is_guarded() {
    let draft = Draft::new().with("Sec-WebSocket-Protocol", "chat").with("Sec-WebSocket-Extensions", "x-a");
    with_upgrade(&draft, |upgrade| {
        let mut out = [0; 512];
        let mut accept = |acceptance: Acceptance<'_>| upgrade.accept(&acceptance, &mut out);
        for header in [
            ("A", "b\r\nC: d"),
            ("A", "b\n"),
            ("A", "\0"),
            ("A b", "c"),
            ("", "c"),
            ("A:", "c"),
            ("A\r\n", ""),
        ] {
            let acceptance = Acceptance { headers: &[header], ..Acceptance::default() };
            assert_eq!(accept(acceptance), Err(ResponseError::InvalidHeader), "{header:?}");
        }
        for name in [
            "connection",
            "UPGRADE",
            "Content-Length",
            "Transfer-Encoding",
            "sec-websocket-accept",
            "Sec-WebSocket-Protocol",
        ] {
            let acceptance = Acceptance { headers: &[(name, "x")], ..Acceptance::default() };
            assert_eq!(accept(acceptance), Err(ResponseError::ReservedHeader), "{name}");
        }
        // RFC 6455 4.2.2: only what the client offered
        for protocol in ["other", "", "CHAT", "chat\r\nA: b"] {
            let acceptance = Acceptance { protocol: Some(protocol), ..Acceptance::default() };
            assert_eq!(accept(acceptance), Err(ResponseError::ProtocolNotOffered), "{protocol:?}");
        }
        for extensions in ["x-b", "x-a, x-b", "x-a;", "x-a\r\nA: b"] {
            let acceptance = Acceptance { extensions: Some(extensions), ..Acceptance::default() };
            assert_eq!(accept(acceptance), Err(ResponseError::ExtensionNotOffered), "{extensions:?}");
        }
    });
}

fn written(response: &Response<'_>) -> String {
    let mut out = [0; 1024];
    let length = response.write(&mut out).unwrap();
    String::from_utf8(out[..length].to_vec()).unwrap()
}

#[test]
fn rejections_say_why() {
    let expected = "HTTP/1.1 426 Upgrade Required\r\n\
        Connection: close, Upgrade\r\n\
        Upgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\
        Content-Length: 33\r\n\
        \r\n\
        Sec-WebSocket-Version must be 13\n";
    assert_eq!(written(&UnsupportedVersion.rejection()), expected);
    let text = written(&OriginRefused.rejection());
    assert!(text.starts_with("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n"), "{text}");
    let text = written(&MethodNotGet.rejection());
    assert!(text.contains("\r\nAllow: GET\r\n"), "{text}");
}

#[test]
fn every_error_has_an_answer_with_a_reason() {
    for error in [
        InvalidStartLine,
        InvalidHeader,
        BareLineBreak,
        LineFolding,
        ControlCharacter,
        UnsupportedHttpVersion,
        HeadTooLarge,
        TooManyHeaders,
        TargetTooLong,
        MethodNotGet,
        NoConnectionUpgrade,
        NoUpgradeWebSocket,
        UnsupportedVersion,
        InvalidVersion,
        InvalidHost,
        InvalidKey,
        RequestBody,
        InvalidProtocols,
        InvalidExtensions,
        OriginRefused,
    ] {
        let text = written(&error.rejection());
        assert!(text.starts_with(&format!("HTTP/1.1 {} ", error.status())), "{text}");
        assert!(!text.starts_with(&format!("HTTP/1.1 {} \r\n", error.status())), "{text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{text}");
        assert_eq!(body, format!("{error}\n"));
    }
}

#[test]
fn other_answers_can_be_written() {
    let text = written(&Response::new(200).with_body(b"ok\n"));
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(text, format!("{head}ok\n"));
    // RFC 9110 9.3.2: the answer to HEAD has no body, but the length of it
    assert_eq!(written(&Response::new(200).with_body(b"ok\n").answering("HEAD")), head);
    let json = Response::new(503).with_headers(&[("content-type", "application/json")]).with_body(b"{}");
    assert_eq!(
        written(&json),
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\ncontent-type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    );
    let redirect = Response::new(307).with_headers(&[("Location", "wss://example.com/")]);
    assert_eq!(
        written(&redirect),
        "HTTP/1.1 307 Temporary Redirect\r\nConnection: close\r\nLocation: wss://example.com/\r\nContent-Length: 0\r\n\r\n"
    );
    // RFC 9110 8.6: no Content-Length in a 204
    assert_eq!(
        written(&Response::new(204).with_body(b"x")),
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    );
    assert!(written(&Response::new(599)).starts_with("HTTP/1.1 599 \r\n"));
}

#[test]
fn other_answers_are_guarded() {
    let mut out = [7; 1024];
    for status in [0, 100, 101, 199, 600, 999] {
        assert_eq!(Response::new(status).write(&mut out), Err(ResponseError::InvalidStatus), "{status}");
    }
    for name in ["Connection", "content-length", "Transfer-Encoding", "Sec-WebSocket-Accept"] {
        let headers = [(name, "x")];
        let response = Response::new(400).with_headers(&headers);
        assert_eq!(response.write(&mut out), Err(ResponseError::ReservedHeader), "{name}");
    }
    let response = Response::new(302).with_headers(&[("Location", "/a\r\nSet-Cookie: b")]);
    assert_eq!(response.write(&mut out), Err(ResponseError::InvalidHeader));
    let response = Response::new(404).with_body(b"no such page");
    let length = response.write(&mut [0; 1024]).unwrap();
    assert_eq!(response.write(&mut out[..length - 1]), Err(ResponseError::NeedsSpace(length)));
    assert_eq!(out, [7; 1024]);
}
