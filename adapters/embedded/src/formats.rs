//! How defmt prints what holds octets of the user's: by their count.

use crate::received::{Chunk, Received};
use defmt::{Format, Formatter, write};
use tightwire::Kind;

// Payloads are the user's and may be secrets, so they are not printed.
impl Format for Received<'_> {
    fn format(&self, f: Formatter<'_>) {
        let (octets, text) = (self.octets().len(), self.kind() == Kind::Text);
        match self {
            Self::Message(_) => write!(f, "Message(text: {=bool}, octets: {=usize})", text, octets),
            Self::Chunk(chunk) => chunk.format(f),
        }
    }
}

impl Format for Chunk<'_> {
    fn format(&self, f: Formatter<'_>) {
        let (octets, text) = (self.octets.len(), self.kind == Kind::Text);
        write!(
            f,
            "Chunk(text: {=bool}, octets: {=usize}, first: {=bool}, last: {=bool})",
            text, octets, self.first, self.last
        );
    }
}
