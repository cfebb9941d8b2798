//! Finds the end of an HTTP head as its octets arrive, and refuses a malformed one as early as it shows.
//!
//! It knows lines and limits. What the lines say is for `server` and `client`.

use super::error::HandshakeError;
use super::start_line::check_request_line;
use crate::octet::{is_space, is_token, is_value, is_visible};

/// How much a peer may send as the head of its request or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadLimits {
    /// Octets of the whole head, its last line break included. Default: 8192.
    pub head: u32,
    /// Octets of the request target. Default: 4096.
    pub target: u32,
    /// Header lines. Default: 64. More than 128 cannot be parsed.
    pub headers: u16,
}

impl HeadLimits {
    /// The defaults: a head of 8192 octets, a target of 4096, 64 headers.
    pub const DEFAULT: Self = Self { head: 8192, target: 4096, headers: 64 };

    /// The same limits with another bound on the whole head, in octets.
    #[must_use]
    pub const fn with_head(self, octets: u32) -> Self {
        Self { head: octets, ..self }
    }

    /// The same limits with another bound on the request target, in octets.
    #[must_use]
    pub const fn with_target(self, octets: u32) -> Self {
        Self { target: octets, ..self }
    }

    /// The same limits with another bound on the number of header lines.
    #[must_use]
    pub const fn with_headers(self, headers: u16) -> Self {
        Self { headers, ..self }
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Looks for the end of a head, at each octet once, however the octets are cut.
///
/// For requests and responses alike. It holds 12 octets and none of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadScanner {
    seen: u32,
    target: u32,
    headers: u16,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Method,
    Target,
    Version,
    StartLineEnd,
    LineStart,
    Name,
    Value,
    LineEnd,
    HeadEnd,
    Done,
}

impl HeadScanner {
    /// A scanner that has seen nothing.
    pub const fn new() -> Self {
        Self { seen: 0, target: 0, headers: 0, state: State::Method }
    }

    /// Looks at the octets that are new in `input`: all octets received so far, from the first one on.
    ///
    /// Returns the length of the head in octets, its final CR LF CR LF included, or `None` when more input is
    /// needed. What follows the head in `input` is not looked at: after a handshake it belongs to the
    /// connection. Called again after the end or an error, it answers the same.
    ///
    /// # Errors
    /// 400 for bare CR or LF, control characters, line folding and malformed lines, as soon as they are seen;
    /// [`TargetTooLong`](HandshakeError::TargetTooLong), [`HeadTooLarge`](HandshakeError::HeadTooLarge) and
    /// [`TooManyHeaders`](HandshakeError::TooManyHeaders), for which
    /// [`UnsupportedHttpVersion`](HandshakeError::UnsupportedHttpVersion) stands in when the request line
    /// already asks for another version.
    pub fn scan(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HandshakeError> {
        let window = input.get(..limits.head as usize).unwrap_or(input);
        while self.state != State::Done {
            let fresh = window.get(self.seen as usize..).unwrap_or_default();
            let Some(&octet) = fresh.first() else {
                return if self.seen >= limits.head { Err(self.too_large(input)) } else { Ok(None) };
            };
            // Most of a head is names and values: step over them without the state machine.
            let run = match self.state {
                State::Name => run(fresh, is_token),
                State::Value => run(fresh, is_value),
                _ => 0,
            };
            if run > 0 {
                self.seen += run as u32;
                continue;
            }
            self.state = self.step(octet, input, limits)?;
            self.seen += 1;
        }
        Ok(Some(self.seen as usize))
    }

    /// The state after `octet`. An error changes nothing, so it is found again when asked again.
    fn step(&mut self, octet: u8, input: &[u8], limits: &HeadLimits) -> Result<State, HandshakeError> {
        match self.state {
            State::Method => match octet {
                b' ' if self.seen > 0 => Ok(State::Target),
                _ if is_visible(octet) => Ok(State::Method),
                _ => Err(misplaced(octet, HandshakeError::InvalidStartLine)),
            },
            State::Target => match octet {
                b' ' => Ok(State::Version),
                b'\r' => Ok(State::StartLineEnd),
                _ if !is_visible(octet) => Err(misplaced(octet, HandshakeError::InvalidStartLine)),
                // RFC 9110 15.5.15: 414 when the target is longer than the server is willing to interpret
                _ if self.target >= limits.target => Err(HandshakeError::TargetTooLong),
                _ => {
                    self.target += 1;
                    Ok(State::Target)
                }
            },
            State::Version => match octet {
                b'\r' => Ok(State::StartLineEnd),
                _ if is_value(octet) => Ok(State::Version),
                _ => Err(misplaced(octet, HandshakeError::InvalidStartLine)),
            },
            // RFC 9112 2.2: a bare CR is not a line break
            State::StartLineEnd => match octet {
                b'\n' => self.check_start_line(input).map(|()| State::LineStart),
                _ => Err(HandshakeError::BareLineBreak),
            },
            State::LineStart => match octet {
                b'\r' => Ok(State::HeadEnd),
                // RFC 9112 5.2: a server refuses obsolete line folding
                _ if is_space(octet) => Err(HandshakeError::LineFolding),
                _ if !is_token(octet) => Err(misplaced(octet, HandshakeError::InvalidHeader)),
                _ if self.headers >= limits.headers => {
                    Err(self.request_fault(input).unwrap_or(HandshakeError::TooManyHeaders))
                }
                _ => {
                    self.headers += 1;
                    Ok(State::Name)
                }
            },
            State::Name => match octet {
                b':' => Ok(State::Value),
                // RFC 9112 5.1: no space between name and colon
                _ => Err(misplaced(octet, HandshakeError::InvalidHeader)),
            },
            State::Value => match octet {
                b'\r' => Ok(State::LineEnd),
                _ => Err(misplaced(octet, HandshakeError::ControlCharacter)),
            },
            State::LineEnd => match octet {
                b'\n' => Ok(State::LineStart),
                _ => Err(HandshakeError::BareLineBreak),
            },
            State::HeadEnd => match octet {
                b'\n' => Ok(State::Done),
                _ => Err(HandshakeError::BareLineBreak),
            },
            State::Done => Ok(State::Done),
        }
    }

    /// Refuses a malformed request line as soon as it ends. A wrong version waits until the headers have been
    /// seen, because a malformed header is the graver fault.
    fn check_start_line(&self, input: &[u8]) -> Result<(), HandshakeError> {
        match self.request_fault(input) {
            None | Some(HandshakeError::UnsupportedHttpVersion) => Ok(()),
            Some(fault) => Err(fault),
        }
    }

    /// The limit that the head has run into.
    fn too_large(&self, input: &[u8]) -> HandshakeError {
        match self.state {
            State::Target => HandshakeError::TargetTooLong,
            State::Method | State::Version | State::StartLineEnd => HandshakeError::HeadTooLarge,
            _ => self.request_fault(input).unwrap_or(HandshakeError::HeadTooLarge),
        }
    }

    /// What is wrong with the first line of `input` as a request line; nothing when it is a status line.
    fn request_fault(&self, input: &[u8]) -> Option<HandshakeError> {
        if input.starts_with(b"HTTP/") {
            return None;
        }
        let end = input.iter().position(|&octet| octet == b'\r')?;
        check_request_line(input.get(..end)?).err()
    }
}

/// Makes sure that `head` is a whole well-formed head and nothing more.
///
/// This is what keeps httparse strict, which itself would take bare line feeds or empty lines in front.
pub(super) fn check_head(head: &[u8]) -> Result<(), HandshakeError> {
    let mut scanner = HeadScanner::new();
    match scanner.scan(head, &HeadLimits { head: u32::MAX, target: u32::MAX, headers: u16::MAX })? {
        Some(length) if length == head.len() => Ok(()),
        // A caller that passes more or less has cut the head in the wrong place.
        Some(_) => Err(HandshakeError::InvalidHeader),
        None => Err(match scanner.state {
            State::Method | State::Target | State::Version => HandshakeError::InvalidStartLine,
            State::StartLineEnd | State::LineEnd | State::HeadEnd => HandshakeError::BareLineBreak,
            State::LineStart | State::Name | State::Value | State::Done => HandshakeError::InvalidHeader,
        }),
    }
}

/// How many octets at the front of `octets` are of one kind.
fn run(octets: &[u8], kind: fn(u8) -> bool) -> usize {
    octets.iter().position(|&octet| !kind(octet)).unwrap_or(octets.len())
}

/// The fault of an octet that may not stand where it stands.
fn misplaced(octet: u8, otherwise: HandshakeError) -> HandshakeError {
    match octet {
        b'\n' => HandshakeError::BareLineBreak,
        b'\r' | b'\t' => otherwise,
        0..=0x1f | 0x7f => HandshakeError::ControlCharacter,
        _ => otherwise,
    }
}
