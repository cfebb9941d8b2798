//! Masking in place and while copying, in any pieces at any offset, against one octet at a time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tightwire::mask::{mask, mask_copy};

fuzz_target!(|input: ([u8; 4], usize, Vec<u8>, usize, &[u8])| {
    let (key, offset, cuts, room, octets) = input;
    // RFC 6455 5.3: octet i of the payload is combined with octet i mod 4 of the key
    let naive: Vec<u8> =
        octets.iter().enumerate().map(|(index, octet)| octet ^ key[(offset % 4 + index) % 4]).collect();

    // In place, in pieces.
    let mut masked = octets.to_vec();
    let (mut at, mut cuts) = (0, cuts.into_iter());
    while at < masked.len() {
        let left = masked.len() - at;
        let piece = cuts.next().map_or(left, |cut| usize::from(cut) % (left + 1));
        mask(key, offset.wrapping_add(at), &mut masked[at..at + piece]);
        at += piece;
    }
    assert_eq!(masked, naive);

    // While copying, into less or more room than there are octets. Nothing behind them is touched.
    let room = room % (octets.len() + 40);
    let mut copy = vec![0xA5; room];
    let copied = mask_copy(key, offset, octets, &mut copy);
    assert_eq!(copied, room.min(octets.len()));
    assert_eq!(copy[..copied], naive[..copied]);
    assert!(copy[copied..].iter().all(|octet| *octet == 0xA5));

    // Masking twice is nothing.
    mask(key, offset, &mut masked);
    assert_eq!(masked, octets);
});
