//! The head of a frame (RFC 6455 5.2), parsed and written. Pure: knows no message, no connection.

use crate::error::{SendError, Violation};
use crate::message::Kind;

/// The most octets that a head takes: two, a 64-bit length, a mask key.
pub const HEAD_MAX: usize = 14;
/// The most payload octets of a control frame (RFC 6455 5.5).
pub const CONTROL_PAYLOAD_MAX: usize = 125;
/// The most octets that a whole control frame takes: two, a mask key, 125 of payload.
pub const CONTROL_FRAME_MAX: usize = 2 + 4 + CONTROL_PAYLOAD_MAX;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// What a frame is (RFC 6455 11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpCode {
    /// Continues the message that an earlier frame began.
    Continuation = 0,
    /// Begins a text message.
    Text = 1,
    /// Begins a binary message.
    Binary = 2,
    /// Begins or answers the closing handshake.
    Close = 8,
    /// Asks for a Pong.
    Ping = 9,
    /// Answers a Ping, or shows that this end is alive.
    Pong = 10,
}

impl OpCode {
    /// The opcode in the low four bits of a frame's first octet; `None` for a reserved one.
    pub const fn parse(bits: u8) -> Option<Self> {
        Some(match bits & 0x0F {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// Whether this is Close, Ping or Pong (RFC 6455 5.5).
    pub const fn is_control(self) -> bool {
        self as u8 & 0x08 != 0
    }
}

/// What the connection allows in a head that it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Whether frames must be masked: true on a server, false on a client (RFC 6455 5.1).
    pub masked: bool,
    /// Whether an agreed extension gives RSV1 a meaning on the first frame of a message (RFC 7692 6).
    pub rsv1: bool,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// Whether the message is compressed (RFC 7692 6).
    pub rsv1: bool,
    /// What the frame is.
    pub opcode: OpCode,
    /// The mask key, on frames from a client.
    pub key: Option<[u8; 4]>,
    /// Payload octets that follow the head.
    pub length: u64,
}

impl Head {
    /// The octets that this head takes on the wire: 2 to 14.
    pub const fn encoded_len(&self) -> usize {
        let length = match self.length {
            0..=125 => 0,
            126..=0xFFFF => 2,
            _ => 8,
        };
        2 + length + if self.key.is_some() { 4 } else { 0 }
    }

    /// Writes the head to the front of `out` and returns how many octets it took.
    ///
    /// # Errors
    /// [`SendError::NeedsSpace`] if `out` is too short; it is then unchanged.
    #[inline]
    pub fn write(&self, out: &mut [u8]) -> Result<usize, SendError> {
        let taken = self.encoded_len();
        let Some(out) = out.get_mut(..taken) else { return Err(SendError::NeedsSpace(taken)) };
        let masked = if self.key.is_some() { MASKED } else { 0 };
        let first = if self.fin { FIN } else { 0 } | if self.rsv1 { RSV1 } else { 0 } | self.opcode as u8;
        // RFC 6455 5.2: the length is written in the fewest octets
        let rest = match self.length {
            length @ 0..=125 => fill(out, [first, masked | length as u8]),
            length @ 126..=0xFFFF => {
                let [high, low] = (length as u16).to_be_bytes();
                fill(out, [first, masked | 126, high, low])
            }
            length => {
                let [a, b, c, d, e, f, g, h] = length.to_be_bytes();
                fill(out, [first, masked | 127, a, b, c, d, e, f, g, h])
            }
        };
        if let Some(key) = self.key {
            fill(rest, key);
        }
        Ok(taken)
    }
}

/// Copies `octets` to the front of `out` and returns the rest of it.
#[inline]
fn fill<const N: usize>(out: &mut [u8], octets: [u8; N]) -> &mut [u8] {
    match out.split_first_chunk_mut::<N>() {
        Some((front, rest)) => {
            *front = octets;
            rest
        }
        None => &mut [],
    }
}

/// Parses the head at the front of `input`: the head and the octets it took, or `None` when more octets are
/// needed. A fault is found as soon as the octet that shows it is there.
///
/// # Errors
/// Each [`Violation`] that a head can be.
#[inline]
pub fn parse(input: &[u8], expect: Expect) -> Result<Option<(Head, usize)>, Violation> {
    let Some((&first, rest)) = input.split_first() else { return Ok(None) };
    let Some(opcode) = OpCode::parse(first) else { return Err(Violation::ReservedOpcode) };
    let fin = first & FIN != 0;
    let rsv1 = first & RSV1 != 0;
    // RFC 6455 5.2: reserved bits are 0 unless an agreed extension defines them; RFC 7692 6: RSV1 belongs
    // on the first frame of a data message only
    let rsv1_allowed = expect.rsv1 && matches!(opcode, OpCode::Text | OpCode::Binary);
    if first & RESERVED & !(if rsv1_allowed { RSV1 } else { 0 }) != 0 {
        return Err(Violation::ReservedBits);
    }
    // RFC 6455 5.5: control frames must not be fragmented
    if opcode.is_control() && !fin {
        return Err(Violation::ControlFragmented);
    }
    let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
    // RFC 6455 5.1: a client masks every frame, a server none
    if (second & MASKED != 0) != expect.masked {
        return Err(if expect.masked { Violation::NotMasked } else { Violation::Masked });
    }
    let short = second & !MASKED;
    // RFC 6455 5.5: control frames carry at most 125 octets
    if opcode.is_control() && usize::from(short) > CONTROL_PAYLOAD_MAX {
        return Err(Violation::ControlTooLong);
    }
    let (length, rest) = match short {
        126 => {
            let Some((octets, rest)) = rest.split_first_chunk() else { return Ok(None) };
            let length = u64::from(u16::from_be_bytes(*octets));
            // RFC 6455 5.2: the minimal number of octets must be used
            if length < 126 {
                return Err(Violation::LengthNotMinimal);
            }
            (length, rest)
        }
        127 => {
            let Some((octets, rest)) = rest.split_first_chunk() else { return Ok(None) };
            let length = u64::from_be_bytes(*octets);
            // RFC 6455 5.2: the most significant bit must be 0
            if length >> 63 != 0 {
                return Err(Violation::LengthTooLarge);
            }
            if length <= 0xFFFF {
                return Err(Violation::LengthNotMinimal);
            }
            (length, rest)
        }
        short => (u64::from(short), rest),
    };
    let (key, rest) = if expect.masked {
        let Some((key, rest)) = rest.split_first_chunk() else { return Ok(None) };
        (Some(*key), rest)
    } else {
        (None, rest)
    };
    Ok(Some((Head { fin, rsv1, opcode, key, length }, input.len() - rest.len())))
}

/// What [`parse`] says of most heads, in fewer steps: a whole message in one frame, without reserved bits. `None`
/// for everything else, faults and incomplete heads included.
#[inline(always)]
pub(crate) fn parse_whole(input: &[u8], masked: bool) -> Option<(Kind, Head, usize)> {
    const TEXT: u8 = FIN | OpCode::Text as u8;
    const BINARY: u8 = FIN | OpCode::Binary as u8;
    let (&[first, second], rest) = input.split_first_chunk()?;
    let (kind, opcode) = match first {
        TEXT => (Kind::Text, OpCode::Text),
        BINARY => (Kind::Binary, OpCode::Binary),
        _ => return None,
    };
    if (second & MASKED != 0) != masked {
        return None;
    }
    let (length, rest, front) = match second & !MASKED {
        126 => {
            let (octets, rest) = rest.split_first_chunk()?;
            let length = u64::from(u16::from_be_bytes(*octets));
            (if length < 126 { None } else { Some(length) }?, rest, 4)
        }
        127 => {
            let (octets, rest) = rest.split_first_chunk()?;
            let length = u64::from_be_bytes(*octets);
            (if length <= 0xFFFF || length >> 63 != 0 { None } else { Some(length) }?, rest, 10)
        }
        short => (u64::from(short), rest, 2),
    };
    let (key, taken) = if masked { (Some(*rest.first_chunk()?), front + 4) } else { (None, front) };
    Some((kind, Head { fin: true, rsv1: false, opcode, key, length }, taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM_SERVER: Expect = Expect { masked: false, rsv1: false };
    const FROM_CLIENT: Expect = Expect { masked: true, rsv1: false };
    const OPCODES: [OpCode; 6] =
        [OpCode::Continuation, OpCode::Text, OpCode::Binary, OpCode::Close, OpCode::Ping, OpCode::Pong];

    fn round_trip(head: Head) {
        let expect = Expect { masked: head.key.is_some(), rsv1: head.rsv1 };
        let mut wire = [0; HEAD_MAX + 1];
        let taken = head.write(&mut wire).unwrap();
        assert_eq!(taken, head.encoded_len());
        assert_eq!(parse(&wire, expect), Ok(Some((head, taken))));
        for cut in 0..taken {
            assert_eq!(parse(&wire[..cut], expect), Ok(None), "cut at {cut} of {head:?}");
            let mut short = [0xEE; HEAD_MAX];
            assert_eq!(head.write(&mut short[..cut]), Err(SendError::NeedsSpace(taken)));
            assert_eq!(short, [0xEE; HEAD_MAX], "a refused write changes nothing");
        }
    }

    #[test]
    fn what_is_written_is_parsed() {
        for opcode in OPCODES {
            for length in [0, 1, 125, 126, 127, 0xFFFF, 0x1_0000, u64::MAX >> 1] {
                for fin in [true, false] {
                    for key in [None, Some([1, 2, 3, 4])] {
                        if opcode.is_control() && (!fin || length > 125) {
                            continue;
                        }
                        round_trip(Head { fin, rsv1: false, opcode, key, length });
                    }
                }
            }
        }
        round_trip(Head { fin: true, rsv1: true, opcode: OpCode::Text, key: None, length: 5 });
    }

    /// The short way agrees with the long one, on every cut of every head.
    #[test]
    fn the_short_way_sees_what_the_long_one_sees() {
        let mut seen = 0;
        for first in 0..=255 {
            for second in 0..=255 {
                for rest in [
                    [0; 12],
                    [0xFF; 12],
                    [0, 125, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
                    [0, 0, 0, 0, 0, 1, 0, 0, 5, 6, 7, 8],
                ] {
                    let mut wire = [0; HEAD_MAX];
                    wire[..2].copy_from_slice(&[first, second]);
                    wire[2..].copy_from_slice(&rest);
                    for cut in 0..=HEAD_MAX {
                        for masked in [false, true] {
                            let long = parse(&wire[..cut], Expect { masked, rsv1: false });
                            let plain = |head: &Head| {
                                head.fin && matches!(head.opcode, OpCode::Text | OpCode::Binary)
                            };
                            let long = long.ok().flatten().filter(|(head, _)| plain(head));
                            let short = parse_whole(&wire[..cut], masked);
                            assert_eq!(
                                short.map(|(_, head, taken)| (head, taken)),
                                long,
                                "{:x?}",
                                &wire[..cut]
                            );
                            if let Some((kind, head, _)) = short {
                                assert_eq!(kind == Kind::Text, head.opcode == OpCode::Text);
                                seen += 1;
                            }
                        }
                    }
                }
            }
        }
        assert!(seen > 1000);
    }

    // RFC 6455 5.7: the examples
    #[test]
    fn the_examples_of_the_rfc() {
        let text = Head { fin: true, rsv1: false, opcode: OpCode::Text, key: None, length: 5 };
        assert_eq!(parse(&[0x81, 0x05, 0x48], FROM_SERVER), Ok(Some((text, 2))));
        let masked = Head { key: Some([0x37, 0xfa, 0x21, 0x3d]), ..text };
        assert_eq!(parse(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f], FROM_CLIENT), Ok(Some((masked, 6))));
        let binary = Head { opcode: OpCode::Binary, length: 256, ..text };
        assert_eq!(parse(&[0x82, 0x7E, 0x01, 0x00], FROM_SERVER), Ok(Some((binary, 4))));
        let large = Head { length: 65536, ..binary };
        assert_eq!(parse(&[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0], FROM_SERVER), Ok(Some((large, 10))));
    }

    // RFC 6455 5.2: reserved bits and opcodes
    #[test]
    fn every_first_octet_is_judged_by_itself() {
        for first in 0..=255u8 {
            for rsv1 in [false, true] {
                let expect = Expect { masked: false, rsv1 };
                let data = matches!(first & 0x0F, 1 | 2);
                let fault = if !matches!(first & 0x0F, 0..=2 | 8..=10) {
                    Some(Violation::ReservedOpcode)
                } else if first & 0x30 != 0 || first & 0x40 != 0 && !(rsv1 && data) {
                    Some(Violation::ReservedBits)
                } else if first & 0x08 != 0 && first & 0x80 == 0 {
                    Some(Violation::ControlFragmented)
                } else {
                    None
                };
                assert_eq!(parse(&[first], expect).err(), fault, "{first:#x}");
            }
        }
    }

    // RFC 6455 5.5: at most 125 octets in a control frame
    #[test]
    fn a_long_control_frame_is_refused_at_its_second_octet() {
        for first in [0x88, 0x89, 0x8A] {
            for second in [126, 127] {
                assert_eq!(parse(&[first, second], FROM_SERVER), Err(Violation::ControlTooLong));
            }
            assert_eq!(parse(&[first, 125], FROM_SERVER).map(|head| head.is_some()), Ok(true));
        }
    }

    // RFC 6455 5.2: the fewest octets, and never the top bit
    #[test]
    fn lengths_are_minimal() {
        for length in 0..126u16 {
            let [high, low] = length.to_be_bytes();
            assert_eq!(parse(&[0x82, 126, high, low], FROM_SERVER), Err(Violation::LengthNotMinimal));
        }
        let long = |length: u64| {
            let mut wire = [0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0];
            wire[2..].copy_from_slice(&length.to_be_bytes());
            parse(&wire, FROM_SERVER).err()
        };
        assert_eq!(long(0), Some(Violation::LengthNotMinimal));
        assert_eq!(long(0xFFFF), Some(Violation::LengthNotMinimal));
        assert_eq!(long(0x1_0000), None);
        assert_eq!(long(1 << 63), Some(Violation::LengthTooLarge));
        assert_eq!(long(u64::MAX), Some(Violation::LengthTooLarge));
    }

    // RFC 6455 5.1: which direction is masked
    #[test]
    fn the_mask_fits_the_direction() {
        assert_eq!(parse(&[0x82, 0x00], FROM_CLIENT), Err(Violation::NotMasked));
        assert_eq!(parse(&[0x82, 0x80], FROM_SERVER), Err(Violation::Masked));
    }
}
