//! Receiving what is compressed.

use super::{drop_at_every_poll, polled};
use crate::common::codec::{Codec, agreement, script};
use crate::common::{Pipe, Seen, push};
use tightwire_embedded::asynch::adopt;
use tightwire_embedded::{Connection, Inflation, Inline, Message, Opening};

#[test]
fn nothing_is_lost_or_inflated_twice() {
    let text = "tightwire \u{20ac} ".repeat(100);
    let wire = script(&[Message::from(&text[..]), Message::from(&[9; 600])]);
    let plain = Seen::text("as it is");
    let expected = [Seen::text(&text), plain.clone(), Seen::binary(&[9; 600]), plain];
    for (most, storage) in [1, 3, 1000].into_iter().flat_map(|most| [(most, 64), (most, 2000)]) {
        let pipe = Pipe::new(&wire).in_pieces(most).waiting();
        let opening = Opening::new(pipe, Inline::<200, 150>::inline(), &mut []);
        let mut socket = adopt(opening, Connection::server(), b"").unwrap().with_compression(agreement());
        let (mut codec, mut inflation) = (Codec::new(), Inflation::new(vec![0xEE; storage]));
        let mut seen = Vec::new();
        drop_at_every_poll(|polls| {
            let mut codec = codec.inflate(agreement().client);
            match polled(socket.recv_inflated(&mut inflation, &mut codec), polls) {
                Some(Ok(Some(received))) => push(&mut seen, &received),
                Some(Ok(None)) => return true,
                Some(Err(error)) => panic!("{error}"),
                None => {}
            }
            false
        });
        assert!(seen == expected, "pieces of {most} into {storage}");
        // The script has a Ping behind each of its two compressed messages.
        assert_eq!(socket.into_transport().output, b"\x8a\x01p\x8a\x01p\x88\x00");
    }
}
