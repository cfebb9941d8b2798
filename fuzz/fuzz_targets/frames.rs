//! Any octets to both roles: how they are cut, and how little room replies have, makes no difference.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tightwire::{Connection, Role};
use tightwire_fuzz::common::{AGREEMENT, Drive, client};
use tightwire_fuzz::{feed, limits};

fuzz_target!(|input: (bool, bool, Vec<u8>, u8, &[u8])| {
    let (small, compression, cuts, room, wire) = input;
    let cuts = [&cuts[..], &[1]].concat();
    same(wire, &cuts, room, || {
        let connection = Connection::server();
        let connection = if compression { connection.with_compression(AGREEMENT) } else { connection };
        Drive::new(connection).with_limits(limits(small))
    });
    same(wire, &cuts, room, || {
        let connection = client();
        let connection = if compression { connection.with_compression(AGREEMENT) } else { connection };
        Drive::new(connection).with_limits(limits(small))
    });
});

fn same<R: Role>(wire: &[u8], cuts: &[u8], room: u8, new: impl Fn() -> Drive<R>) {
    let mut whole = new();
    feed(&mut whole, wire, &[], 131);
    let mut cut = new();
    feed(&mut cut, wire, cuts, usize::from(room % 132));
    assert_eq!(cut.outcome(), whole.outcome());
    let failed = whole.violation.is_some();
    assert!(!failed || whole.connection.is_finished());
}
