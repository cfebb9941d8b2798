//! Any request head to a server: how it is cut makes no difference, a refusal is an HTTP error, and what is accepted
//! satisfies the rules of RFC 6455 4.2.1 as a naive reading of the head finds them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tightwire::handshake::client::Response;
use tightwire::handshake::server::{Acceptance, Request, ResponseError};
use tightwire::handshake::{
    HandshakeError, HeadLimits, HeadScanner, OriginPolicy, Slot, accept_key, parse_key,
};

const START: &[u8] = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fuzz_target!(|input: (bool, u8, Vec<u8>, &[u8])| {
    let (good_start, policy, cuts, octets) = input;
    // A good start lets the fuzzer work on what more may stand in a request.
    let received = if good_start { [START, octets].concat() } else { octets.to_vec() };
    let limits = HeadLimits::DEFAULT.with_head(1000).with_target(200).with_headers(20);
    let whole = HeadScanner::new().scan(&received, &limits);
    assert_eq!(scan_cut(&received, &limits, &cuts), whole);
    match whole {
        Ok(Some(length)) => {
            assert!(received[..length].ends_with(b"\r\n\r\n") && length <= 1000);
            judge(&received[..length], policy);
        }
        Ok(None) => assert!(received.len() < 1000, "a head without an end"),
        Err(error) => refuse(error),
    }
});

/// The verdict when the octets come in pieces.
fn scan_cut(received: &[u8], limits: &HeadLimits, cuts: &[u8]) -> Result<Option<usize>, HandshakeError> {
    let (mut scanner, mut at, mut cuts) = (HeadScanner::new(), 0, cuts.iter());
    loop {
        at = cuts.next().map_or(received.len(), |cut| at + usize::from(*cut)).min(received.len());
        match scanner.scan(&received[..at], limits) {
            Ok(None) if at < received.len() => {}
            verdict => return verdict,
        }
    }
}

fn judge(head: &[u8], policy: u8) {
    let policy = match policy % 3 {
        0 => OriginPolicy::SameHost,
        1 => OriginPolicy::AllowList(&["https://a", "null"]),
        _ => OriginPolicy::Any,
    };
    let mut slots = [Slot::EMPTY; 20];
    let request = match Request::parse(head, &mut slots) {
        Ok(request) => request,
        Err(error) => return refuse(error),
    };
    let upgrade = match request.check(&policy) {
        Ok(upgrade) => upgrade,
        Err(error) => return refuse(error),
    };
    // RFC 6455 4.2.1, read from the text of the head line by line.
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    assert!(line.starts_with("GET ") && line.ends_with(" HTTP/1.1"), "{line}");
    let values = |name: &str| -> Vec<String> {
        let values = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        values
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    };
    let lists = |name: &str, token: &str| {
        values(name).join(",").split(',').any(|item| item.trim().eq_ignore_ascii_case(token))
    };
    assert!(lists("Connection", "upgrade") && lists("Upgrade", "websocket"));
    assert_eq!((values("Host").len(), values("Sec-WebSocket-Version")), (1, vec!["13".to_owned()]));
    assert!(values("Transfer-Encoding").is_empty());
    let keys = values("Sec-WebSocket-Key");
    let [key] = &keys[..] else { panic!("one key") };
    let key = parse_key(key.as_bytes()).expect("the base64 of 16 octets");

    let protocol = upgrade.request().protocols().next();
    let acceptance = Acceptance { protocol, headers: &[("X-Fuzz", "yes")], ..Acceptance::default() };
    let mut out = vec![0xEE; 2000];
    let length = upgrade.accept(&acceptance, &mut out).expect("room for the response");
    // All or nothing
    let mut short = vec![0xEE; length - 1];
    assert_eq!(upgrade.accept(&acceptance, &mut short), Err(ResponseError::NeedsSpace(length)));
    assert!(short.iter().all(|octet| *octet == 0xEE));
    let mut slots = [Slot::EMPTY; 20];
    assert_eq!(HeadScanner::new().scan(&out, &HeadLimits::DEFAULT), Ok(Some(length)));
    let response = Response::parse(&out[..length], &mut slots).expect("a response");
    assert_eq!(response.status(), 101);
    assert_eq!(response.header("Sec-WebSocket-Accept"), Some(&accept_key(&key).as_bytes()[..]));
    assert_eq!(response.text("Sec-WebSocket-Protocol"), protocol);
}

/// A refusal is an HTTP error that a client can read.
fn refuse(error: HandshakeError) {
    let mut out = vec![0; 2000];
    let length = error.rejection().write(&mut out).expect("room for the response");
    let head =
        HeadScanner::new().scan(&out[..length], &HeadLimits::DEFAULT).expect("well formed").expect("whole");
    let mut slots = [Slot::EMPTY; 20];
    let response = Response::parse(&out[..head], &mut slots).expect("a response");
    assert_eq!(response.status(), error.status());
    assert!((400..=505).contains(&error.status()));
}
