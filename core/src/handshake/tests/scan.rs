//! The scanner: where a head ends, how early a fault shows, and the limits.

use super::*;
use std::vec;

#[track_caller]
fn scan(input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HandshakeError> {
    let whole = HeadScanner::new().scan(input, limits);
    // The same octets one at a time: the answer and the octet at which it comes must not change.
    let mut scanner = HeadScanner::new();
    for end in 0..=input.len() {
        let answer = scanner.scan(&input[..end], limits);
        let at_once = HeadScanner::new().scan(&input[..end], limits);
        assert_eq!(answer, at_once, "{end} octets");
        if answer != Ok(None) {
            assert_eq!(answer, whole);
            assert_eq!(scanner.scan(input, limits), whole, "the answer does not stay");
            return answer;
        }
    }
    assert_eq!(whole, Ok(None));
    whole
}

#[test]
fn the_end_of_a_head_is_found_and_nothing_behind_it_is_looked_at() {
    let limits = HeadLimits::DEFAULT;
    let length = SAMPLE_REQUEST.len();
    assert_eq!(scan(SAMPLE_REQUEST.as_bytes(), &limits), Ok(Some(length)));
    // Pipelined frames are not part of the head, whatever octets they have.
    let mut pipelined = SAMPLE_REQUEST.as_bytes().to_vec();
    pipelined.extend_from_slice(b"\x81\x85\0\0\0\0\r\r\n\n");
    assert_eq!(scan(&pipelined, &limits), Ok(Some(length)));
    // A response, with and without a reason.
    for response in ["HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n", "HTTP/1.1 101\r\n\r\n"] {
        assert_eq!(scan(response.as_bytes(), &limits), Ok(Some(response.len())));
    }
}

// RFC 9112 2.2, 5.1, 5.2, RFC 9110 5.5: each fault shows at the last octet given, not before and not later
#[test]
fn a_fault_shows_at_its_first_octet() {
    use HandshakeError::*;
    let rows: &[(&[u8], HandshakeError)] = &[
        (b"\n", BareLineBreak),
        (b"\r", InvalidStartLine),
        (b" ", InvalidStartLine),
        (b"\x16", ControlCharacter),
        (b"\xff", InvalidStartLine),
        (b"GET\t", InvalidStartLine),
        (b"GET\n", BareLineBreak),
        (b"GET\r", InvalidStartLine),
        (b"GET\0", ControlCharacter),
        (b"GET /\n", BareLineBreak),
        (b"GET /\r\n", InvalidStartLine),
        (b"GET /a\x7f", ControlCharacter),
        (b"GET /\xc3", InvalidStartLine),
        (b"GET /\t", InvalidStartLine),
        (b"GET / HTTP/1.1\n", BareLineBreak),
        (b"GET / HTTP/1.1\rH", BareLineBreak),
        (b"GET / HTTP/1.1\r\r", BareLineBreak),
        (b"GET / HTTP/1.1\0", ControlCharacter),
        (b"GET  / HTTP/1.1\r\n", InvalidStartLine),
        (b"GET /  HTTP/1.1\r\n", InvalidStartLine),
        (b"GET / HTTP/1.1 \r\n", InvalidStartLine),
        (b"GET / http/1.1\r\n", InvalidStartLine),
        (b"GET / HTTP/1.1x\r\n", InvalidStartLine),
        (b"GET / HTTP/11\r\n", InvalidStartLine),
        (b"GET / HTTP/+.1\r\n", InvalidStartLine),
        (b"GET / FTP/1.1\r\n", InvalidStartLine),
        (b"GET chat HTTP/1.1\r\n", InvalidStartLine),
        (b"GET * HTTP/1.1\r\n", InvalidStartLine),
        (b"GET /a#b HTTP/1.1\r\n", InvalidStartLine),
        (b"GET ftp://host/ HTTP/1.1\r\n", InvalidStartLine),
        (b"GET http:// HTTP/1.1\r\n", InvalidStartLine),
        (b"GET http://user@host/ HTTP/1.1\r\n", InvalidStartLine),
        (b"G(T / HTTP/1.1\r\n", InvalidStartLine),
        (b"SSH-2.0-OpenSSH_9.6\r", InvalidStartLine),
        (b"GET / HTTP/1.1\r\n ", LineFolding),
        (b"GET / HTTP/1.1\r\nA: b\r\n ", LineFolding),
        (b"GET / HTTP/1.1\r\nA: b\r\n\t", LineFolding),
        (b"GET / HTTP/1.1\r\n:", InvalidHeader),
        (b"GET / HTTP/1.1\r\n\xe9", InvalidHeader),
        (b"GET / HTTP/1.1\r\nHost ", InvalidHeader),
        (b"GET / HTTP/1.1\r\nHost\t", InvalidHeader),
        (b"GET / HTTP/1.1\r\nHost\r", InvalidHeader),
        (b"GET / HTTP/1.1\r\nHost\n", BareLineBreak),
        (b"GET / HTTP/1.1\r\nHo\0", ControlCharacter),
        (b"GET / HTTP/1.1\r\nHo(", InvalidHeader),
        (b"GET / HTTP/1.1\r\nA: b\n", BareLineBreak),
        (b"GET / HTTP/1.1\r\nA: b\rc", BareLineBreak),
        (b"GET / HTTP/1.1\r\nA: b\0", ControlCharacter),
        (b"GET / HTTP/1.1\r\nA: b\x1b", ControlCharacter),
        (b"GET / HTTP/1.1\r\nA: b\x7f", ControlCharacter),
        (b"GET / HTTP/1.1\r\n\n", BareLineBreak),
        (b"GET / HTTP/1.1\r\n\r\r", BareLineBreak),
        (b"GET / HTTP/1.1\r\nA: b\r\n\rx", BareLineBreak),
        (b"HTTP/1.1 101 OK\n", BareLineBreak),
    ];
    for (input, error) in rows {
        assert_eq!(scan(input, &HeadLimits::DEFAULT), Err(*error), "{}", input.escape_ascii());
        let before = &input[..input.len() - 1];
        assert_eq!(scan(before, &HeadLimits::DEFAULT), Ok(None), "{}", before.escape_ascii());
    }
}

#[test]
fn octets_that_were_seen_are_not_looked_at_again() {
    let limits = HeadLimits::DEFAULT;
    let mut scanner = HeadScanner::new();
    let mut input = SAMPLE_REQUEST.as_bytes().to_vec();
    for end in 0..input.len() {
        assert_eq!(scanner.scan(&input[..end], &limits), Ok(None));
        // From the headers on, whatever was seen may be spoilt and nobody notices.
        if end > 20 {
            input[..end].fill(0);
        }
    }
    assert_eq!(scanner.scan(&input, &limits), Ok(Some(input.len())));
}

// RFC 6585 5: 431 for a head over the limit, at the octet that reaches it
#[test]
fn the_head_is_limited() {
    let length = SAMPLE_REQUEST.len();
    let limits = HeadLimits::DEFAULT.with_head(length as u32);
    assert_eq!(scan(SAMPLE_REQUEST.as_bytes(), &limits), Ok(Some(length)));
    let limits = limits.with_head(length as u32 - 1);
    assert_eq!(scan(SAMPLE_REQUEST.as_bytes(), &limits), Err(HandshakeError::HeadTooLarge));
    assert_eq!(scan(&SAMPLE_REQUEST.as_bytes()[..length - 1], &limits), Err(HandshakeError::HeadTooLarge));
    assert_eq!(scan(&SAMPLE_REQUEST.as_bytes()[..length - 2], &limits), Ok(None));
    assert_eq!(scan(b"", &limits.with_head(0)), Err(HandshakeError::HeadTooLarge));
    // One endless line of each kind.
    let mut value = b"GET / HTTP/1.1\r\nA: ".to_vec();
    value.resize(10_000, b'b');
    let mut name = b"GET / HTTP/1.1\r\n".to_vec();
    name.resize(10_000, b'b');
    for endless in [vec![b'G'; 10_000], value, name] {
        assert_eq!(scan(&endless, &HeadLimits::DEFAULT), Err(HandshakeError::HeadTooLarge));
    }
    assert_eq!(HandshakeError::HeadTooLarge.status(), 431);
}

// RFC 6585 5: 431 for more headers than the limit; S7: a flood of headers
#[test]
fn the_headers_are_counted() {
    let mut draft = Draft::new();
    while draft.headers.len() < 64 {
        draft = draft.with("A", "b");
    }
    assert!(matches!(scan(draft.text().as_bytes(), &HeadLimits::DEFAULT), Ok(Some(_))));
    let text = draft.with("A", "b").text();
    assert_eq!(scan(text.as_bytes(), &HeadLimits::DEFAULT), Err(HandshakeError::TooManyHeaders));
    let limits = HeadLimits::DEFAULT.with_headers(65);
    assert_eq!(scan(text.as_bytes(), &limits), Ok(Some(text.len())));
    let limits = HeadLimits::DEFAULT.with_headers(0);
    assert_eq!(scan(b"GET / HTTP/1.1\r\n\r\n", &limits), Ok(Some(18)));
    assert_eq!(scan(b"GET / HTTP/1.1\r\nA", &limits), Err(HandshakeError::TooManyHeaders));
    assert_eq!(HandshakeError::TooManyHeaders.status(), 431);
}

// RFC 9110 15.5.15: 414 for a target over the limit
#[test]
fn the_target_is_limited() {
    let request = |length: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(length - 1));
    let text = request(4096);
    assert_eq!(scan(text.as_bytes(), &HeadLimits::DEFAULT), Ok(Some(text.len())));
    let text = request(4097);
    assert_eq!(scan(text.as_bytes(), &HeadLimits::DEFAULT), Err(HandshakeError::TargetTooLong));
    assert_eq!(scan(&text.as_bytes()[..4 + 4096], &HeadLimits::DEFAULT), Ok(None));
    // A target that alone fills the head is too long as well.
    let limits = HeadLimits::DEFAULT.with_target(u32::MAX).with_head(100);
    assert_eq!(scan(text.as_bytes(), &limits), Err(HandshakeError::TargetTooLong));
    assert_eq!(HandshakeError::TargetTooLong.status(), 414);
}

// The order of the faults: another version of HTTP comes before a head that is too large
#[test]
fn a_wrong_version_outweighs_the_limits() {
    let old = Draft::new().line("GET / HTTP/1.0").text();
    for limits in [HeadLimits::DEFAULT.with_headers(2), HeadLimits::DEFAULT.with_head(60)] {
        assert_eq!(scan(old.as_bytes(), &limits), Err(HandshakeError::UnsupportedHttpVersion));
    }
    let response = b"HTTP/1.0 200 OK\r\nA: b\r\nC: d\r\n\r\n";
    assert_eq!(scan(response, &HeadLimits::DEFAULT.with_headers(1)), Err(HandshakeError::TooManyHeaders));
}

#[test]
fn the_scanner_is_small() {
    assert_eq!(size_of::<HeadScanner>(), 12);
}
