//! The key of a client and the answer that proves that it was understood (RFC 6455 4.2.2, 5.4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt;

/// RFC 6455 1.3: what a server appends to the key before it hashes.
const GUID: &[u8; 36] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Accept`: 28 characters of base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AcceptKey([u8; 28]);

impl AcceptKey {
    /// The value as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The value as octets, for the header types of HTTP libraries.
    pub const fn as_bytes(&self) -> &[u8; 28] {
        &self.0
    }
}

impl fmt::Display for AcceptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AcceptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AcceptKey").field(&self.as_str()).finish()
    }
}

/// The answer to the `Sec-WebSocket-Key` of a client, for whoever writes the 101 response by other means.
///
/// [`parse_key`] makes the argument from a header value. RFC 6455 4.2.2, step 5.4.
pub fn accept_key(key: &[u8; 24]) -> AcceptKey {
    let mut text = [0; 60];
    let (front, back) = text.split_at_mut(key.len());
    front.copy_from_slice(key);
    back.copy_from_slice(GUID);
    AcceptKey(base64(sha1(&text)))
}

/// The value of `Sec-WebSocket-Key` if it is the base64 of 16 octets.
///
/// Unused bits of the last digit may be set: the example in RFC 6455 4.1 has them set.
pub fn parse_key(value: &[u8]) -> Option<[u8; 24]> {
    let key = <[u8; 24]>::try_from(value).ok()?;
    // 16 octets are 22 digits and two characters of padding.
    let digits = key.strip_suffix(b"==")?;
    let is_digit = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
    digits.iter().all(is_digit).then_some(key)
}

/// The `Sec-WebSocket-Key` for 16 random octets (RFC 6455 4.1, step 7).
pub(super) fn key_of(nonce: [u8; 16]) -> [u8; 24] {
    let mut octets = [0; 20];
    let (front, _) = octets.split_at_mut(nonce.len());
    front.copy_from_slice(&nonce);
    // The zeros behind the nonce are what fills its last digit; two characters of padding follow.
    let mut key = [b'='; 24];
    for (digit, encoded) in key.iter_mut().zip(base64(octets)).take(22) {
        *digit = encoded;
    }
    key
}

/// One array of known length, hashed in one place: then no panic is left in the hash.
#[inline(never)]
fn sha1(text: &[u8; 60]) -> [u8; 20] {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(text);
    hash.digest().bytes()
}

/// One size for both uses, in one place: then no panic is left in the encoder.
#[inline(never)]
fn base64(octets: [u8; 20]) -> [u8; 28] {
    let mut text = [0; 28];
    // 20 octets are 28 characters, so this cannot fail.
    let _ = STANDARD.encode_slice(octets, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 6455 1.3 and 4.2.2: the sample key and its answer
    #[test]
    fn the_sample_key_has_the_sample_answer() {
        let key = parse_key(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap();
        assert_eq!(accept_key(&key).as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(key_of(*b"the sample nonce"), key);
    }

    // RFC 6455 4.1: the key is the base64 of 16 octets; its own example has unused bits set
    #[test]
    fn a_key_is_the_base64_of_sixteen_octets() {
        assert!(parse_key(b"AQIDBAUGBwgJCgsMDQ4PEC==").is_some());
        assert!(parse_key(b"+/+/+/+/+/+/+/+/+/+/+A==").is_some());
        for bad in [
            &b""[..],
            b"dGhlIHNhbXBsZSBub25jZQ=",
            b"dGhlIHNhbXBsZSBub25jZQ",
            b"dGhlIHNhbXBsZSBub25jZQAA",
            b"dGhlIHNhbXBsZSBub25jZQA=",
            b"dGhlIHNhbXBsZSBub25jZ===",
            b"dGhlIHNhbXBsZSBub25jZQ==A",
            b"dGhlIHNhbXBsZSBub25j!Q==",
            b"dGhlIHNhbXBsZSBub25j-_==",
            b" GhlIHNhbXBsZSBub25jZQ==",
            b"dGhlIHNhbXBsZSBub25jZXM=",
            b"AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ] {
            assert_eq!(parse_key(bad), None, "{bad:?}");
        }
    }
}
