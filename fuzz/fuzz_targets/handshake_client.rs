//! The client's side: every offer that can be written is one that a server reads as it was meant, and any response in
//! any cut is judged by the rules of RFC 6455 4.1.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tightwire::handshake::client::{Offer, OfferError, Response};
use tightwire::handshake::server::{Acceptance, Request};
use tightwire::handshake::{HeadLimits, HeadScanner, OriginPolicy, Slot};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    nonce: [u8; 16],
    host: &'a str,
    target: &'a str,
    origin: Option<&'a str>,
    protocols: Vec<&'a str>,
    extensions: Option<&'a str>,
    headers: Vec<(&'a str, &'a str)>,
    good_start: bool,
    cuts: Vec<u8>,
    response: &'a [u8],
}

const LIMITS: HeadLimits = HeadLimits::DEFAULT.with_head(1 << 20).with_target(1 << 20).with_headers(1000);

fuzz_target!(|input: Input<'_>| {
    let offer = Offer {
        host: input.host,
        target: input.target,
        origin: input.origin,
        protocols: &input.protocols,
        extensions: input.extensions,
        headers: &input.headers,
    };
    written(&offer, input.nonce);
    // A good start, so that the fuzzer works on what comes behind it.
    let offer = Offer::new("a", "/").with_protocols(&["x", "y"]).with_extensions("one, two");
    let start = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let start: &[u8] = if input.good_start { start } else { b"" };
    answered(&offer, *b"the sample nonce", &[start, input.response].concat(), &input.cuts);
});

fn written(offer: &Offer<'_>, nonce: [u8; 16]) {
    let mut out = vec![0xEE; 1 << 16];
    let length = match offer.write(nonce, &mut out) {
        Ok(length) => length,
        Err(error) => {
            assert!(out.iter().all(|octet| *octet == 0xEE), "a refusal writes nothing");
            assert!(!matches!(error, OfferError::NeedsSpace(octets) if octets <= out.len()));
            return;
        }
    };
    let head = &out[..length];
    // Nothing of the caller's ends a line: one request, with as many headers as were given.
    assert_eq!(HeadScanner::new().scan(&out, &LIMITS), Ok(Some(length)));
    let mut slots = vec![Slot::EMPTY; 1000];
    let request = Request::parse(head, &mut slots).expect("a request");
    let own = 5 + usize::from(offer.origin.is_some()) + usize::from(!offer.protocols.is_empty());
    assert_eq!(
        request.headers().count(),
        own + usize::from(offer.extensions.is_some()) + offer.headers.len()
    );
    assert_eq!(request.host(), Some(offer.host));
    assert!(request.target().ends_with(offer.target) && request.target().len() <= offer.target.len() + 1);
    assert!(request.protocols().eq(offer.protocols.iter().copied()));
    // A body or a header of the caller's can still make a server refuse, but for what it says, not how it is written.
    if offer.headers.is_empty() {
        let upgrade = request.check(&OriginPolicy::Any).expect("what a server accepts");
        let protocol = upgrade.request().protocols().last();
        let mut answer = vec![0; 1 << 16];
        let length = upgrade.accept(&Acceptance { protocol, ..Acceptance::default() }, &mut answer);
        let Ok(length) = length else { return };
        let mut slots = [Slot::EMPTY; 16];
        let response = Response::parse(&answer[..length], &mut slots).expect("a response");
        assert_eq!(offer.verify(&response, nonce).expect("our own answer").protocol(), protocol);
    }
}

fn answered(offer: &Offer<'_>, nonce: [u8; 16], received: &[u8], cuts: &[u8]) {
    let limits = HeadLimits::DEFAULT.with_head(1000).with_headers(20);
    let whole = HeadScanner::new().scan(received, &limits);
    let (mut scanner, mut at, mut cuts) = (HeadScanner::new(), 0, cuts.iter());
    let cut = loop {
        at = cuts.next().map_or(received.len(), |cut| at + usize::from(*cut)).min(received.len());
        match scanner.scan(&received[..at], &limits) {
            Ok(None) if at < received.len() => {}
            verdict => break verdict,
        }
    };
    assert_eq!(cut, whole);
    let Ok(Some(length)) = whole else { return };
    let mut slots = [Slot::EMPTY; 20];
    let Ok(response) = Response::parse(&received[..length], &mut slots) else { return };
    let Ok(accepted) = offer.verify(&response, nonce) else { return };
    assert_eq!(response.status(), 101);
    assert_eq!(response.header("Sec-WebSocket-Accept"), Some(&b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[..]));
    assert!(accepted.protocol().is_none_or(|protocol| offer.protocols.contains(&protocol)));
    assert!(accepted.extensions().all(|extension| ["one", "two"].contains(&extension.name())));
}
