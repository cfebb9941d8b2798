//! A WebSocket echo server on an STM32F405, over a serial line.
#![no_std]
#![no_main]

mod line;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::entry;
use line::{Line, LineError};
use panic_halt as _;
use stm32f4::stm32f405::Peripherals;
use tightwire_embedded::blocking::accept_with;
use tightwire_embedded::{Acceptance, Error, OpenError, Opening, OriginPolicy, Slices, Slot};

/// The memory of the connection. Messages of up to 1024 octets come as a whole, larger ones in pieces.
const RECEIVE: usize = 1024;
const TRANSMIT: usize = 512;

/// A second of the 16 MHz that the chip starts with.
const SILENCE: u32 = 16_000_000;

#[entry]
fn main() -> ! {
    static mut RECEIVE_STORAGE: [u8; RECEIVE] = [0; RECEIVE];
    static mut TRANSMIT_STORAGE: [u8; TRANSMIT] = [0; TRANSMIT];
    // Nobody has taken them yet.
    if let (Some(chip), Some(processor)) = (Peripherals::take(), cortex_m::Peripherals::take()) {
        let mut line = Line::new(chip.USART1, &chip.GPIOA, &chip.RCC);
        let mut timer = processor.SYST;
        loop {
            if serve(&mut line, RECEIVE_STORAGE, TRANSMIT_STORAGE).is_err() {
                await_silence(&mut line, &mut timer);
            }
        }
    }
    panic!()
}

/// One connection: from the request to the end of the closing handshake.
fn serve(line: &mut Line, receive: &mut [u8], transmit: &mut [u8]) -> Result<(), Fault> {
    let mut slots = [Slot::EMPTY; 16];
    let storage = Slices::new(receive, transmit).map_err(|_| Fault)?;
    let opening = Opening::new(line, storage, &mut slots);
    let mut socket = accept_with(opening, &OriginPolicy::Any, |request, responder| {
        responder.accept(&Acceptance { protocol: request.protocols().next(), ..Acceptance::default() })
    })?;
    while let Some((received, mut sender)) = socket.recv_with_sender()? {
        sender.feed_fragment(received.kind(), received.octets(), received.is_last())?;
    }
    Ok(())
}

/// A serial line cannot be closed. So after a fault what arrives is dropped until there was silence for a while; then
/// the next octet is the first one of a request.
fn await_silence(line: &mut Line, timer: &mut SYST) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(SILENCE - 1);
    timer.clear_current();
    timer.enable_counter();
    while !timer.has_wrapped() {
        if line.drop_received() {
            timer.clear_current();
        }
    }
    timer.disable_counter();
}

/// A connection that did not end in good order. The peer was told why; there is nobody else to be told.
struct Fault;

impl From<OpenError<LineError>> for Fault {
    fn from(_: OpenError<LineError>) -> Self {
        Self
    }
}

impl From<Error<LineError>> for Fault {
    fn from(_: Error<LineError>) -> Self {
        Self
    }
}
