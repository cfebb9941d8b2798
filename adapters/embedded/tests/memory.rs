//! The memory table of the README, for 64-bit machines.
#![cfg(target_pointer_width = "64")]

use tightwire_embedded::deflate::{Deflater, Inflater, Level, Options, WindowBits};
use tightwire_embedded::{
    Client, Inflation, Inline, OVERHEAD, RECEIVE_MIN, Reply, Server, Slices, Slot, TRANSMIT_MIN, blocking,
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
