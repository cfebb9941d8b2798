//! Scenarios of the whole handshake, and what they share.

extern crate std;

mod client;
mod properties;
mod scan;
mod server;
mod split;

use super::server::{Acceptance, Request};
use super::{HandshakeError, HeadLimits, HeadScanner, OriginPolicy, Slot};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// RFC 6455 1.2 and 1.3: the sample request.
const SAMPLE_REQUEST: &str = "GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Version: 13\r\n\
    \r\n";

/// A request that can be spoilt in one place or several.
#[derive(Clone)]
struct Draft {
    line: String,
    headers: Vec<(String, String)>,
}

impl Draft {
    fn new() -> Self {
        let headers = [
            ("Host", "server.example.com"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ];
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_string())).to_vec();
        Self { line: "GET /chat HTTP/1.1".to_string(), headers }
    }

    fn line(mut self, line: &str) -> Self {
        self.line = line.to_string();
        self
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    fn set(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    fn text(&self) -> String {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{}\r\n{headers}\r\n", self.line)
    }
}

/// What a server makes of `input`: the error, or that the request is accepted.
fn judge(input: &[u8], policy: &OriginPolicy<'_>) -> Result<(), HandshakeError> {
    judge_pieces(&[input], policy)
}

/// Like [`judge`], for octets that arrive in pieces.
fn judge_pieces(pieces: &[&[u8]], policy: &OriginPolicy<'_>) -> Result<(), HandshakeError> {
    let mut scanner = HeadScanner::new();
    let mut received = Vec::new();
    let mut found = None;
    for piece in pieces {
        received.extend_from_slice(piece);
        found = scanner.scan(&received, &HeadLimits::DEFAULT)?;
        if found.is_some() {
            break;
        }
    }
    let length = found.expect("a whole head");
    let mut slots = [Slot::EMPTY; 64];
    let request = Request::parse(&received[..length], &mut slots)?;
    // The same request, split by somebody else, is judged the same.
    let headers: Vec<_> = request.headers().collect();
    let split = Request::from_parts(request.method(), request.target(), &headers).unwrap();
    assert!(split.headers().eq(request.headers()));
    let (upgrade, split) = (request.check(policy), split.check(policy));
    assert_eq!(upgrade.as_ref().err(), split.as_ref().err());
    let (upgrade, split) = (upgrade?, split.unwrap());
    let mut out = [0; 256];
    let length = upgrade.accept(&Acceptance::default(), &mut out).unwrap();
    let mut text = String::from("HTTP/1.1 101 Switching Protocols\r\n");
    split.answer(&Acceptance::default(), |name, value| text.extend([name, ": ", value, "\r\n"])).unwrap();
    assert_eq!(out[..length], *(text + "\r\n").as_bytes());
    Ok(())
}

/// The error of a draft, which must be the same over every cut of it in two.
#[track_caller]
fn refused(draft: &Draft, error: HandshakeError, status: u16) {
    refused_text(&draft.text(), error, status);
}

#[track_caller]
fn refused_text(text: &str, error: HandshakeError, status: u16) {
    for cut in 0..=text.len() {
        let (front, back) = text.as_bytes().split_at(cut);
        let verdict = judge_pieces(&[front, back], &OriginPolicy::SameHost);
        assert_eq!(verdict, Err(error), "cut at {cut} of {text:?}");
    }
    assert_eq!(error.status(), status);
    assert_eq!(error.rejection().status(), status);
}

#[track_caller]
fn accepted(draft: &Draft) {
    let text = draft.text();
    for cut in 0..=text.len() {
        let (front, back) = text.as_bytes().split_at(cut);
        assert_eq!(judge_pieces(&[front, back], &OriginPolicy::SameHost), Ok(()), "cut at {cut} of {text:?}");
    }
}
