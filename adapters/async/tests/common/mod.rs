//! What the scenario tests share: frames written and read by hand, connections over a transport in memory, a
//! virtual clock and an executor that polls nothing that was not woken.
#![allow(dead_code, unreachable_pub, unused_imports)] // each test file uses its part of it

pub mod executor;
pub mod pipe;

pub use executor::{Alarm, Executor, advance, block_on, settle};
pub use pipe::{End, Pace, Wire, pair, raw};

use std::sync::Arc;
use std::time::Duration;
use tightwire::{Client, Connection, Role, Server, Timeouts};
use tightwire_async::{Config, Pool, WebSocket, tightwire};

pub type ServerSocket = WebSocket<End, Server>;
pub type ClientSocket = WebSocket<End, Client<Keys>>;

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8A;
/// A frame that does not end its message.
pub const MORE: u8 = 0x7F;
pub const CONTINUATION: u8 = 0x80;

/// Keys that count up.
#[derive(Debug, Default)]
pub struct Keys(u32);

impl tightwire::KeySource for Keys {
    fn mask_key(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_add(0x9E37_79B9);
        self.0.to_be_bytes()
    }
}

/// A configuration without a deadline: what is not woken by octets is not woken at all.
pub fn untimed() -> Config {
    let mut config = Config::default();
    config.timeouts = Timeouts::NONE;
    config
}

/// The same with small buffers.
pub fn small(buffer: usize) -> Config {
    let mut config = untimed();
    config.pool = Arc::new(Pool::new(buffer, 1 << 20));
    config
}

pub fn server(io: End, config: &Arc<Config>) -> ServerSocket {
    WebSocket::new(io, Connection::server(), &[], config.clone())
}

pub fn client(io: End, config: &Arc<Config>) -> ClientSocket {
    WebSocket::new(io, Connection::client(Keys::default()), &[], config.clone())
}

/// A server and the wire to it.
pub fn lone_server(config: Config) -> (ServerSocket, Wire) {
    let (io, wire) = raw();
    (server(io, &Arc::new(config)), wire)
}

/// A client and the wire to it.
pub fn lone_client(config: Config) -> (ClientSocket, Wire) {
    let (io, wire) = raw();
    (client(io, &Arc::new(config)), wire)
}

/// An unmasked frame, its length in the fewest octets.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut wire = head(first, payload.len() as u64, None);
    wire.extend_from_slice(payload);
    wire
}

/// A masked frame.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0xA1, 0x0B, 0xC2, 0x7D];
    let mut wire = head(first, payload.len() as u64, Some(key));
    wire.extend(payload.iter().zip(key.iter().cycle()).map(|(octet, key)| octet ^ key));
    wire
}

/// A frame as the peer of a connection in role `R` sends it.
pub fn frame_to<R: Role>(first: u8, payload: &[u8]) -> Vec<u8> {
    if R::IS_CLIENT { frame(first, payload) } else { masked(first, payload) }
}

/// Only the head of a frame.
pub fn head(first: u8, length: u64, key: Option<[u8; 4]>) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let mut wire = vec![first];
    match length {
        0..=125 => wire.push(mask | length as u8),
        126..=0xFFFF => {
            wire.push(mask | 126);
            wire.extend((length as u16).to_be_bytes());
        }
        _ => {
            wire.push(mask | 127);
            wire.extend(length.to_be_bytes());
        }
    }
    wire.extend(key.into_iter().flatten());
    wire
}

/// The payload of a Close frame.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// The whole frames of an output, unmasked: first octet and payload.
///
/// # Panics
/// Something is left over.
pub fn frames(wire: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (frames, rest) = frames_and_rest(wire);
    assert!(rest.is_empty(), "{} octets of an incomplete frame", rest.len());
    frames
}

/// The whole frames in front, and what is left.
pub fn frames_and_rest(mut wire: &[u8]) -> (Vec<(u8, Vec<u8>)>, &[u8]) {
    let mut frames = Vec::new();
    while let Some((first, payload, rest)) = split_frame(wire) {
        frames.push((first, payload));
        wire = rest;
    }
    (frames, wire)
}

fn split_frame(wire: &[u8]) -> Option<(u8, Vec<u8>, &[u8])> {
    let (&[first, second], mut rest) = wire.split_first_chunk::<2>()?;
    let length = match second & 0x7F {
        126 => {
            let (length, after) = rest.split_first_chunk::<2>()?;
            rest = after;
            u64::from(u16::from_be_bytes(*length))
        }
        127 => {
            let (length, after) = rest.split_first_chunk::<8>()?;
            rest = after;
            u64::from_be_bytes(*length)
        }
        length => u64::from(length),
    };
    let mut key = [0; 4];
    if second & 0x80 != 0 {
        let (found, after) = rest.split_first_chunk::<4>()?;
        (key, rest) = (*found, after);
    }
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let payload = payload.iter().zip(key.iter().cycle()).map(|(octet, key)| octet ^ key).collect();
    Some((first, payload, rest))
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Small, seeded and good enough to pick schedules.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }

    pub fn octets(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}
