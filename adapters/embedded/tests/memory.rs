//! The memory table of the README, for 64-bit machines, and what futures hold.
#![cfg(target_pointer_width = "64")]

mod common;

use common::Pipe;
use tightwire_embedded::deflate::{Deflater, Inflater, Level, Options, WindowBits};
use tightwire_embedded::{
    Client, Inflation, Inline, OVERHEAD, Opening, OriginPolicy, RECEIVE_MIN, Reply, Server, Slices, Slot,
    TRANSMIT_MIN, asynch, blocking, client,
};

type Keys = fn() -> [u8; 4];

#[test]
fn what_the_readme_says() {
    assert_eq!((RECEIVE_MIN, TRANSMIT_MIN), (131, 131));
    let server = size_of::<blocking::WebSocket<(), Server, Slices<'static>>>();
    let inline = size_of::<blocking::WebSocket<(), Server, Inline<200, 131>>>();
    let client = size_of::<blocking::WebSocket<(), Client<Keys>, Slices<'static>>>();
    assert_eq!((server, inline, client, OVERHEAD), (152, 448, 168, 120));
    assert_eq!((size_of::<Slot>(), size_of::<Reply>(), size_of::<Inflation<&mut [u8]>>()), (16, 128, 88));
    assert_eq!(size_of::<Deflater>(), 104);
    const SMALL: Options = Options::new(Level::Fastest, WindowBits::new(10).unwrap());
    assert_eq!((size_of::<Inflater>(), 2 * SMALL.words() + SMALL.octets()), (7296, 5120));
}

fn accepting<const I: usize>() -> usize {
    let opening = Opening::new(Pipe::new(b""), Inline::<I, 200>::inline(), &mut []);
    size_of_val(&asynch::accept(opening, &OriginPolicy::Any))
}

fn connecting<const I: usize>() -> usize {
    let opening = Opening::new(Pipe::new(b""), Inline::<I, 200>::inline(), &mut []);
    size_of_val(&asynch::connect(opening, &client::Offer::new("host", "/"), (|| [0; 4]) as Keys))
}

// Not again for each function that hands it on
#[test]
fn a_handshake_holds_inline_storage_once() {
    assert_eq!(accepting::<4000>() - accepting::<1000>(), 3000);
    assert_eq!(connecting::<4000>() - connecting::<1000>(), 3000);
}
