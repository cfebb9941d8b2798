//! The serial line as a transport: USART1 of an STM32F405 as embedded-io's `Read` and `Write`. It polls; it knows nothing
//! of WebSocket.

use core::fmt;
use embedded_io::{ErrorKind, ErrorType, Read, Write};
use stm32f4::stm32f405::{GPIOA, RCC, USART1};

/// 115,200 baud from the 16 MHz that the chip starts with: 16,000,000 / 16 / 115,200 = 8 + 11/16.
const DIVISOR: (u16, u8) = (8, 11);

/// USART1 with flow control by hardware: the chip holds the peer back while it is busy, so no octet is lost.
pub struct Line(USART1);

impl Line {
    /// 8 bits, no parity, one stop bit. Pins: PA9 transmits, PA10 receives, PA11 is clear to send, PA12 is ready to
    /// receive.
    pub fn new(usart: USART1, port: &GPIOA, clocks: &RCC) -> Self {
        clocks.ahb1enr().modify(|_, w| w.gpioaen().enabled());
        clocks.apb2enr().modify(|_, w| w.usart1en().enabled());
        port.afrh().modify(|_, w| w.afrh9().af7().afrh10().af7().afrh11().af7().afrh12().af7());
        port.moder().modify(|_, w| {
            w.moder9().alternate().moder10().alternate().moder11().alternate().moder12().alternate()
        });
        usart.brr().write(|w| w.div_mantissa().set(DIVISOR.0).div_fraction().set(DIVISOR.1));
        usart.cr3().write(|w| w.ctse().enabled().rtse().enabled());
        usart.cr1().write(|w| w.ue().enabled().te().enabled().re().enabled());
        Self(usart)
    }

    /// Drops an octet that has arrived; whether there was one.
    pub fn drop_received(&mut self) -> bool {
        let received = self.has_received();
        if received {
            self.0.dr().read();
        }
        received
    }

    fn has_received(&self) -> bool {
        self.0.sr().read().rxne().bit_is_set()
    }

    fn receive(&mut self) -> Result<u8, LineError> {
        loop {
            let status = self.0.sr().read();
            if status.rxne().bit_is_set() || status.ore().bit_is_set() {
                // Reading the octet takes the faults away, too.
                let [octet, _] = self.0.dr().read().dr().bits().to_le_bytes();
                return match () {
                    () if status.ore().bit_is_set() => Err(LineError::Overrun),
                    () if status.fe().bit_is_set() || status.nf().bit_is_set() => Err(LineError::Noise),
                    () => Ok(octet),
                };
            }
        }
    }
}

/// Why what arrives on the line cannot be relied on any more.
#[derive(Debug, Clone, Copy)]
pub enum LineError {
    /// An octet came before the one in front of it was read: the peer ignores the flow control.
    Overrun,
    /// An octet was not what was sent: the peer's speed is another, or the line is bad.
    Noise,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overrun => "an octet was lost",
            Self::Noise => "an octet was damaged",
        })
    }
}

impl core::error::Error for LineError {}

impl embedded_io::Error for LineError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for Line {
    type Error = LineError;
}

impl Read for Line {
    /// Waits for one octet, and takes those that have arrived behind it.
    fn read(&mut self, space: &mut [u8]) -> Result<usize, LineError> {
        let mut octets = 0;
        for place in space {
            if octets > 0 && !self.has_received() {
                break;
            }
            *place = self.receive()?;
            octets += 1;
        }
        Ok(octets)
    }
}

impl Write for Line {
    fn write(&mut self, octets: &[u8]) -> Result<usize, LineError> {
        for octet in octets {
            while self.0.sr().read().txe().bit_is_clear() {}
            self.0.dr().write(|w| w.dr().set(u16::from(*octet)));
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> Result<(), LineError> {
        while self.0.sr().read().tc().bit_is_clear() {}
        Ok(())
    }
}
