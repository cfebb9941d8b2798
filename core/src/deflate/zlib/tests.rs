use super::*;
use crate::deflate::testing::{self, octets, sizes};
use core::convert::Infallible;
use proptest::prelude::*;
use std::{vec, vec::Vec};

fn terms(bits: u8, takeover: bool) -> Terms {
    Terms::new(WindowBits::new(bits).unwrap(), takeover)
}

fn deflate(
    deflater: &mut ZlibDeflater,
    message: &[u8],
    inputs: &[usize],
    outputs: &[usize],
    flush: Flush,
) -> Vec<u8> {
    let deflated = testing::drive(message, inputs, outputs, |input, output, last| {
        let flush = if last { Flush::Last } else { flush };
        Ok::<_, Infallible>(deflater.compress(input, output, flush))
    });
    deflated.unwrap()
}

struct Receiver(ZlibInflater, History, Vec<u8>, Terms);

impl Receiver {
    fn new(terms: Terms) -> Self {
        Self(ZlibInflater::new(), History::new(), vec![0xEE; terms.window().octets()], terms)
    }

    fn message(&mut self, payload: &[u8], inputs: &[usize], outputs: &[usize]) -> Result<Vec<u8>, Violation> {
        let Self(inflater, history, window, terms) = self;
        testing::drive(payload, inputs, outputs, |input, output, last| {
            ZlibInflate::new(inflater, history, window, *terms).unwrap().decompress(input, output, last)
        })
    }
}

#[test]
fn the_smallest_window_is_declined_for_sending() {
    assert!(ZlibDeflater::new(6, terms(8, false)).is_none());
    assert!(ZlibDeflater::new(6, terms(9, true)).is_some());
}

// RFC 7692 7.2.3: the examples, and a final block in the middle
#[test]
fn the_examples_of_the_rfc() {
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    for (inputs, outputs) in [(1, 1), (2, 3), (100, 100), (3, 1)] {
        for takeover in [false, true] {
            let mut receiver = Receiver::new(terms(8, takeover));
            for payload in [
                &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
                &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
                &last,
                &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
            ] {
                assert_eq!(receiver.message(payload, &[inputs], &[outputs]).as_deref(), Ok(&b"Hello"[..]));
                let second = receiver.message(&again, &[inputs], &[outputs]);
                assert_eq!(second.ok(), takeover.then(|| b"Hello".to_vec()));
            }
            let both = [&last[..7], &again].concat();
            assert_eq!(receiver.message(&both, &[inputs], &[outputs]).as_deref(), Ok(&b"HelloHello"[..]));
            assert_eq!(receiver.message(&[0], &[inputs], &[outputs]).as_deref(), Ok(&b""[..]));
            // RFC 7692 7.2.1: it must end at the end of a block
            for bad in [&b""[..], &[0xff; 5], &[0xf2, 0x48, 0xcd], &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48]] {
                assert!(receiver.message(bad, &[inputs], &[outputs]).is_err(), "{bad:x?}");
            }
        }
    }
}

// A message that is taken back is not referred to
#[test]
fn what_is_taken_back_is_forgotten() {
    let mut deflater = ZlibDeflater::new(6, terms(15, true)).unwrap();
    let mut receiver = Receiver::new(terms(15, true));
    let texts = ["as you like it, as you like it", "qwertzuiop", "as you like it, qwertzuiop qwertzuiop"];
    for text in texts {
        let mut output = [0; 64];
        if let Some(length) = deflater.message(text.as_bytes(), &mut output) {
            assert_eq!(receiver.message(&output[..length], &[9], &[9]).as_deref(), Ok(text.as_bytes()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_level_and_window_in_any_cut(
        messages in proptest::collection::vec(octets(3000), 1..5),
        level in 1u8..=9,
        bits in 9u8..=15,
        takeover in any::<bool>(),
        inputs in sizes(),
        outputs in sizes(),
        flush in prop::sample::select(vec![Flush::No, Flush::Sync]),
    ) {
        let mut deflater = ZlibDeflater::new(level, terms(bits, takeover)).unwrap();
        let mut receiver = Receiver::new(terms(bits, takeover));
        let payloads: Vec<_> =
            messages.iter().map(|message| deflate(&mut deflater, message, &inputs, &outputs, flush)).collect();
        for (message, payload) in messages.iter().zip(&payloads) {
            prop_assert_eq!(&receiver.message(payload, &outputs, &inputs), &Ok(message.clone()));
        }
        prop_assert_eq!(testing::zlib_inflate(&payloads, bits, takeover), Some(messages));
    }
}
