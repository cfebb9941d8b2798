//! Writes text into lent memory, all or nothing. Knows nothing of what the text says.

/// Memory that is written from its front, or only measured when it has no room.
pub(super) struct Output<'o> {
    room: &'o mut [u8],
    octets: usize,
}

impl Output<'_> {
    /// Appends `part`.
    pub(super) fn put(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        if let Some(room) = self.room.get_mut(self.octets..).and_then(|room| room.get_mut(..part.len())) {
            room.copy_from_slice(part);
        }
        self.octets = self.octets.saturating_add(part.len());
    }

    /// Appends `number` in decimal digits.
    pub(super) fn put_number(&mut self, mut number: usize) {
        let mut digits = [0; 20];
        let mut start = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            start -= 1;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.put(digits.get(start..).unwrap_or_default());
    }

    /// Appends one header line.
    pub(super) fn put_header(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.put(name);
        self.put(": ");
        self.put(value);
        self.put("\r\n");
    }
}

/// Lets `write` fill `out` and returns the octets written, or the octets needed when `out` is too small; it
/// is then unchanged. `write` runs twice: once to measure.
pub(super) fn whole(out: &mut [u8], write: impl Fn(&mut Output<'_>)) -> Result<usize, usize> {
    let mut measured = Output { room: &mut [], octets: 0 };
    write(&mut measured);
    if measured.octets > out.len() {
        return Err(measured.octets);
    }
    let mut output = Output { room: out, octets: 0 };
    write(&mut output);
    Ok(output.octets)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn too_little_room_changes_nothing() {
        let mut out = [7; 4];
        assert_eq!(whole(&mut out, |output| output.put("hello")), Err(5));
        assert_eq!(out, [7; 4]);
        assert_eq!(whole(&mut out, |output| output.put("hey")), Ok(3));
        assert_eq!(&out, b"hey\x07");
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 9, 10, 4096, usize::MAX] {
            let mut out = [0; 20];
            let octets = whole(&mut out, |output| output.put_number(number)).unwrap();
            assert_eq!(out[..octets], *number.to_string().as_bytes());
        }
    }
}
