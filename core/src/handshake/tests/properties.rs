//! What holds for any input: no panic, no influence of cuts, agreement with naive readings of the grammar.

use super::*;
use crate::handshake::client::{AnswerError, Offer, Response};
use proptest::prelude::*;
use std::vec;

/// Octets that are close to heads: lines out of telling pieces.
fn almost_a_head() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => Just(&b"\r\n"[..]),
        2 => Just(&b"\r\n\r\n"[..]),
        2 => Just(&b"GET / HTTP/1.1\r\n"[..]),
        2 => Just(&b"HTTP/1.1 101 OK\r\n"[..]),
        1 => Just(&b"GET http://a/?b HTTP/1.0\r\n"[..]),
        1 => Just(&b" \t a:\tb\xff \t"[..]),
        4 => Just(&b"Host: a"[..]),
        4 => Just(&b"Upgrade: websocket"[..]),
        4 => Just(&b"Connection: Upgrade"[..]),
        4 => Just(&b"Sec-WebSocket-Version: 13"[..]),
        4 => Just(&b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="[..]),
        4 => Just(&b"Sec-WebSocket-Extensions: a; b=\"c\\d\", e"[..]),
        2 => Just(&b"A"[..]),
        2 => Just(&b": "[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b" "[..]),
        1 => Just(&b"\t"[..]),
        1 => Just(&b"\0"[..]),
        1 => Just(&b"\xff"[..]),
    ];
    let start = prop_oneof![
        4 => Just(&b""[..]),
        4 => Just(&b"GET / HTTP/1.1\r\n"[..]),
        1 => Just(&b"CONNECT a:1 HTTP/1.1\r\n"[..]),
        1 => Just(&b"GET /{} HTTP/2.0\r\n"[..]),
        1 => Just(&b"HTTP/1.1 101\r\n"[..]),
        1 => Just(&b"HTTP/1.0 404 \r\n"[..]),
        1 => Just(&b"HTTP/1.1 200 Is gr\xc3\xbcn\t \r\n"[..]),
        1 => Just(&b"HTTP/1.1 599 \xff\r\n"[..]),
        1 => Just(&b"HTTP/1.1 099 x\r\n"[..]),
        1 => Just(&b"HTTP/1.2 101 x\r\n"[..]),
    ];
    let pieces = prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat());
    (start, pieces).prop_map(|(start, pieces)| [start, &pieces].concat())
}

fn any_input() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![almost_a_head(), prop::collection::vec(any::<u8>(), 0..200)]
}

/// Heads that are well-formed, with any names and values that RFC 9110 5 allows.
fn a_head() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        Just(&b"GET /chat?a=b HTTP/1.1\r\n"[..]),
        Just(&b"HTTP/1.1 101 Switching Protocols\r\n"[..])
    ];
    let octet = any::<u8>().prop_filter("controls", |&octet| octet == b'\t' || !octet.is_ascii_control());
    let value = prop::collection::vec(octet, 0..40);
    let line = ("[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}", "[ \t]{0,3}", value, "[ \t]{0,3}").prop_map(
        |(name, before, value, after)| {
            [name.as_bytes(), b":", before.as_bytes(), &value, after.as_bytes(), b"\r\n"].concat()
        },
    );
    (start, prop::collection::vec(line, 0..12))
        .prop_map(|(start, lines)| [start, &lines.concat(), b"\r\n"].concat())
}

/// The length of a well-formed head by a naive reading: find the end, cut at line breaks, look at each line.
fn naive(input: &[u8]) -> Option<usize> {
    let end = input.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text: Vec<char> = input[..end].iter().map(|&octet| char::from(octet)).collect();
    let text: String = text.into_iter().collect();
    let mut lines = text[..text.len() - 4].split("\r\n");
    let start = lines.next()?;
    let is_value = |c: char| c == '\t' || !c.is_ascii_control();
    let visible = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_graphic());
    if start.starts_with("HTTP/") {
        let mut words = start.splitn(3, ' ');
        let rest = (visible(words.next()?), words.next()?, words.next().unwrap_or_default());
        let word = rest.1.chars().all(|c| c.is_ascii_graphic());
        if !rest.0 || !word || !rest.2.chars().all(is_value) {
            return None;
        }
    } else {
        let words: Vec<&str> = start.split(' ').collect();
        let [method, target, version] = words[..] else { return None };
        if !method.bytes().all(crate::octet::is_token) || !visible(method) || !visible(target) {
            return None;
        }
        let absolute = target.starts_with("http://a");
        if target.contains('#') || (method == "GET" && !target.starts_with('/') && !absolute) {
            return None;
        }
        let digits: Vec<char> = version.strip_prefix("HTTP/")?.chars().collect();
        if digits.len() != 3 || digits[1] != '.' || !digits[0].is_ascii_digit() || !digits[2].is_ascii_digit()
        {
            return None;
        }
    }
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let token = !name.is_empty() && name.chars().all(|c| c.is_ascii() && crate::octet::is_token(c as u8));
        if !token || !value.chars().all(is_value) {
            return None;
        }
    }
    Some(end)
}

/// A head in its parts: the three of the start line, and the headers.
struct Split {
    start: Vec<String>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Split {
    fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }
}

/// Splits a well-formed head: at each CR LF, at the spaces of the start line, at the first colon of a header.
/// What is not text in the start line is left out.
fn split(head: &[u8]) -> Split {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    for &octet in head {
        line.push(octet);
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
            lines.push(core::mem::take(&mut line));
        }
    }
    let start = lines.remove(0);
    let mut start: Vec<String> = start
        .splitn(3, |&octet| octet == b' ')
        .map(|part| String::from_utf8(part.to_vec()).unwrap_or_default())
        .collect();
    start.resize(3, String::new());
    lines.retain(|line| !line.is_empty());
    let headers = lines.iter().map(|line| {
        let colon = line.iter().position(|&octet| octet == b':').unwrap();
        let mut value = line[colon + 1..].to_vec();
        let space = |octet: Option<&u8>| octet.is_some_and(|octet| b" \t".contains(octet));
        while space(value.first()) {
            value.remove(0);
        }
        while space(value.last()) {
            value.pop();
        }
        (String::from_utf8(line[..colon].to_vec()).unwrap(), value)
    });
    Split { start, headers: headers.collect() }
}

proptest! {
    #[test]
    fn cuts_do_not_matter(input in any_input(), cuts in prop::collection::vec(0_usize..400, 0..6)) {
        let limits = HeadLimits::DEFAULT.with_head(150).with_headers(6);
        let whole = HeadScanner::new().scan(&input, &limits);
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|&cut| cut < input.len()).collect();
        cuts.push(input.len());
        cuts.sort_unstable();
        let mut scanner = HeadScanner::new();
        let mut answer = Ok(None);
        for cut in cuts {
            answer = scanner.scan(&input[..cut], &limits);
            if answer != Ok(None) {
                break;
            }
        }
        prop_assert_eq!(answer, whole);
        prop_assert_eq!(scanner.scan(&input, &limits), whole);
    }

    #[test]
    fn the_scanner_agrees_with_a_naive_reading(input in prop_oneof![any_input(), a_head()]) {
        let scanned = HeadScanner::new().scan(&input, &HeadLimits::DEFAULT);
        prop_assert_eq!(scanned.ok().flatten(), naive(&input), "{}", input.escape_ascii());
    }

    #[test]
    fn what_is_parsed_is_what_a_naive_splitter_finds(input in prop_oneof![any_input(), a_head()]) {
        let naive = naive(&input).map(|length| (&input[..length], split(&input[..length])));
        let mut slots = [Slot::EMPTY; 64];
        match naive {
            Some((head, split)) if !split.start[0].starts_with("HTTP/") => {
                let version = split.start[2].as_str();
                match Request::parse(head, &mut slots) {
                    Ok(request) => {
                        prop_assert_eq!([request.method(), request.target(), "HTTP/1.1"], &split.start[..]);
                        prop_assert!(request.headers().eq(split.headers()));
                    }
                    Err(error) => {
                        prop_assert_eq!(error, HandshakeError::UnsupportedHttpVersion);
                        prop_assert_ne!(version, "HTTP/1.1");
                    }
                }
            }
            Some((head, split)) => {
                let [version, status, reason] = &split.start[..] else { unreachable!() };
                let well_formed = ["HTTP/1.0", "HTTP/1.1"].contains(&version.as_str())
                    && status.len() == 3
                    && status.bytes().all(|octet| octet.is_ascii_digit())
                    && !status.starts_with('0');
                match Response::parse(head, &mut slots) {
                    Ok(response) => {
                        prop_assert!(well_formed);
                        prop_assert_eq!(response.status().to_string(), status.as_str());
                        prop_assert_eq!(response.reason(), reason);
                        prop_assert!(response.headers().eq(split.headers()));
                    }
                    Err(error) => {
                        prop_assert_eq!(error, AnswerError::Head(HandshakeError::InvalidStartLine));
                        prop_assert!(!well_formed, "{}", input.escape_ascii());
                    }
                }
            }
            None => {
                prop_assert!(Request::parse(&input, &mut slots).is_err());
                prop_assert!(Response::parse(&input, &mut slots).is_err());
            }
        }
    }

    #[test]
    fn no_input_panics(input in any_input(), policy in 0..4) {
        let check = |request: &Request<'_, '_>| request.path().len() > 1;
        let policy = match policy {
            0 => OriginPolicy::SameHost,
            1 => OriginPolicy::AllowList(&["http://a"]),
            2 => OriginPolicy::Any,
            _ => OriginPolicy::Check(&check),
        };
        let mut slots = [Slot::EMPTY; 8];
        if let Ok(request) = Request::parse(&input, &mut slots) {
            let _ = (request.path(), request.query(), request.host(), request.origin());
            let _ = request.extensions().map(|extension| extension.params().count()).sum::<usize>();
            if let Ok(upgrade) = request.check(&policy) {
                prop_assert!(upgrade.accept(&Acceptance::default(), &mut [0; 256]).is_ok());
            }
        }
        let mut slots = [Slot::EMPTY; 8];
        if let Ok(response) = Response::parse(&input, &mut slots) {
            let _ = Offer::new("a", "/").with_extensions("a").verify(&response, [0; 16]);
        }
    }

    #[test]
    fn both_ends_agree(
        nonce in any::<[u8; 16]>(),
        target in "(/[a-z0-9%|{}]{0,8}){0,3}([?][ -\"$-~]{0,9})?",
        protocols in prop::collection::btree_set("[!-+a-z]{1,6}", 0..4),
        extension in prop::option::of("[a-z]{1,6}(; ?[a-z]{1,4}(=[0-9]{1,2})?){0,2}"),
        header in "[ -~]{0,20}",
        chosen in any::<prop::sample::Index>(),
    ) {
        let target = target.replace(' ', "+");
        let protocols: Vec<String> = protocols.iter().map(|name| name.replace(['"', '(', ')', ','], "_")).collect();
        let mut protocols: Vec<&str> = protocols.iter().map(String::as_str).collect();
        protocols.sort_unstable();
        protocols.dedup();
        let headers = [("X-Header", header.as_str())];
        let offer = Offer { protocols: &protocols, extensions: extension.as_deref(), headers: &headers, ..Offer::new("host:1", &target) };
        let mut sent = vec![0; 1024];
        let length = offer.write(nonce, &mut sent).unwrap();

        prop_assert_eq!(HeadScanner::new().scan(&sent, &HeadLimits::DEFAULT), Ok(Some(length)));
        let mut slots = [Slot::EMPTY; 64];
        let request = Request::parse(&sent[..length], &mut slots).unwrap();
        prop_assert_eq!(request.target().strip_prefix('/').unwrap(), target.strip_prefix('/').unwrap_or(&target));
        prop_assert_eq!(request.text("x-header"), Some(header.trim()));
        prop_assert!(request.protocols().eq(protocols.iter().copied()));
        let upgrade = request.check(&OriginPolicy::SameHost).unwrap();
        let protocol = (!protocols.is_empty()).then(|| protocols[chosen.index(protocols.len())]);
        let acceptance = Acceptance { protocol, extensions: extension.as_deref(), headers: &headers };
        let mut answer = vec![0; 1024];
        let length = upgrade.accept(&acceptance, &mut answer).unwrap();

        prop_assert_eq!(HeadScanner::new().scan(&answer, &HeadLimits::DEFAULT), Ok(Some(length)));
        let mut slots = [Slot::EMPTY; 64];
        let response = Response::parse(&answer[..length], &mut slots).unwrap();
        let accepted = offer.verify(&response, nonce).unwrap();
        prop_assert_eq!(accepted.protocol(), protocol);
        prop_assert_eq!(accepted.extensions().count(), usize::from(extension.is_some()));
    }
}
