//! The echo server over a transport that costs nothing: memory. It has no end; `host.py --count` counts how many
//! instructions lie between the writes. Every other frame arrives in one read, as from a network stack or by DMA; those
//! between them arrive octet by octet, as from a serial line.
#![no_std]
#![no_main]

use core::convert::Infallible;
use cortex_m_rt::entry;
use embedded_io::{ErrorType, Read, Write};
use panic_halt as _;
use stm32f4 as _;
use tightwire_embedded::blocking::adopt;
use tightwire_embedded::{Connection, Opening, Slices};

/// FIN and binary, masked and 128 octets long, and the key.
const HEAD: [u8; 8] = [0x82, 0xFE, 0, 128, 0x37, 0xFA, 0x21, 0x3D];
const FRAME: usize = HEAD.len() + 128;

struct Frames {
    /// How much of a frame has been read.
    read: usize,
    /// Whether it arrives as a whole.
    whole: bool,
}

impl ErrorType for Frames {
    type Error = Infallible;
}

impl Read for Frames {
    #[inline(never)] // not counted
    fn read(&mut self, space: &mut [u8]) -> Result<usize, Infallible> {
        let arrived = if self.whole { FRAME } else { 1 };
        let mut octets = 0;
        for place in space.iter_mut().take(arrived) {
            *place = HEAD.get(self.read).copied().unwrap_or(b'x');
            self.read += 1;
            octets += 1;
        }
        if self.read >= FRAME {
            *self = Self { read: 0, whole: !self.whole };
        }
        Ok(octets)
    }
}

impl Write for Frames {
    #[inline(never)] // the mark
    fn write(&mut self, octets: &[u8]) -> Result<usize, Infallible> {
        Ok(core::hint::black_box(octets).len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[entry]
fn main() -> ! {
    static mut RECEIVE: [u8; 1024] = [0; 1024];
    static mut TRANSMIT: [u8; 512] = [0; 512];
    let frames = Frames { read: 0, whole: true };
    if let Ok(storage) = Slices::new(RECEIVE, TRANSMIT)
        && let Ok(mut socket) = adopt(Opening::new(frames, storage, &mut []), Connection::server(), &[])
    {
        while let Ok(Some((received, mut sender))) = socket.recv_with_sender() {
            if sender.feed_fragment(received.kind(), received.octets(), received.is_last()).is_err() {
                break;
            }
        }
    }
    panic!()
}
