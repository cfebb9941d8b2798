//! The incremental validator against the standard library's, over any cut of the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tightwire::utf8::{Validator, text};

fuzz_target!(|input: (Vec<u16>, &[u8])| {
    let (cuts, octets) = input;
    let whole = core::str::from_utf8(octets);
    assert_eq!(text(octets).map_err(|error| error.valid_up_to), whole.map_err(|error| error.valid_up_to()));

    // RFC 6455 8.1: the first octet that cannot be continued. A text that is only cut short has none.
    let bad = whole
        .err()
        .filter(|error| error.error_len().is_some())
        .map(|error| first_bad(octets, error.valid_up_to()));

    let mut validator = Validator::new();
    let (mut at, mut rest, mut cuts) = (0, octets, cuts.into_iter());
    while !rest.is_empty() {
        let cut = cuts.next().map_or(rest.len(), |cut| usize::from(cut) % (rest.len() + 1));
        let (stretch, after) = rest.split_at(cut);
        let before = validator;
        match validator.feed(stretch) {
            Ok(()) => assert!(bad.is_none_or(|bad| bad >= at + cut), "octet {bad:?} passed"),
            Err(error) => {
                assert_eq!(Some(at + error.valid_up_to), bad);
                assert_eq!(validator, before, "a failed feed changed the state");
                return;
            }
        }
        at += cut;
        rest = after;
    }
    assert_eq!(bad, None);
    assert_eq!(validator.is_complete(), whole.is_ok());
});

/// The first octet at or after `from` with which no valid text goes on.
fn first_bad(octets: &[u8], from: usize) -> usize {
    let fails = |end: &usize| {
        core::str::from_utf8(&octets[from..*end]).is_err_and(|error| error.error_len().is_some())
    };
    (from + 1..=octets.len()).find(fails).map_or(octets.len(), |end| end - 1)
}
