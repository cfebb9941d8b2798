//! What a load does: how many connections, messages of which size and content, how many at a time. Pure.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What messages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Octets of all values.
    Binary,
    /// Text of one octet a letter, in words that compress.
    Ascii,
    /// Text of two octets a letter.
    Cyrillic,
}

impl Content {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Binary, "binary"), (Self::Ascii, "ascii"), (Self::Cyrillic, "cyrillic")];

    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(content, _)| *content == self).map_or("", |(_, name)| name)
    }
}

/// One row of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Workload {
    /// Connections that all send.
    pub connections: usize,
    /// Payload octets of each message.
    pub size: usize,
    /// Messages in flight on each connection.
    pub depth: usize,
    /// What they are made of.
    pub content: Content,
    /// Whether permessage-deflate is offered, without context takeover.
    pub deflate: bool,
}

impl Workload {
    /// Binary messages, not compressed.
    pub const fn new(connections: usize, size: usize, depth: usize) -> Self {
        Self { connections, size, depth, content: Content::Binary, deflate: false }
    }

    const fn of(self, content: Content) -> Self {
        Self { content, ..self }
    }

    const fn deflated(self) -> Self {
        Self { deflate: true, ..self }
    }

    /// Payload octets that may be in flight at a time.
    pub const fn in_flight(&self) -> usize {
        self.connections.saturating_mul(self.size).saturating_mul(self.depth)
    }
}

/// For people: `50 x 16 KiB, depth 16, ascii, deflate`.
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.connections, octets(self.size))?;
        if self.depth != 1 {
            write!(f, ", depth {}", self.depth)?;
        }
        if self.content != Content::Binary {
            write!(f, ", {}", self.content.name())?;
        }
        if self.deflate {
            f.write_str(", deflate")?;
        }
        Ok(())
    }
}

/// As on the command line: `CONNECTIONS,SIZE,DEPTH[,CONTENT][,deflate]`.
impl FromStr for Workload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let mut number = |name: &str| {
            let part = parts.next().ok_or(format!("{text:?}: the {name} is missing"))?;
            part.parse::<usize>().ok().filter(|number| *number > 0).ok_or(format!("{text:?}: no {name}"))
        };
        let mut workload = Self::new(number("connections")?, number("size")?, number("depth")?);
        for part in parts {
            match Content::ALL.into_iter().find(|(_, name)| *name == part) {
                Some((content, _)) => workload.content = content,
                None if part == "deflate" => workload = workload.deflated(),
                None => return Err(format!("{text:?}: {part:?} is neither a content nor deflate")),
            }
        }
        Ok(workload)
    }
}

/// Octets as people write them.
pub fn octets(octets: usize) -> String {
    match (octets % (1 << 20), octets % (1 << 10)) {
        (0, _) => format!("{} MiB", octets >> 20),
        (_, 0) => format!("{} KiB", octets >> 10),
        _ => format!("{octets} B"),
    }
}

/// Which rows are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// A few, for a look.
    Quick,
    /// Those that the committed results have.
    Standard,
    /// Every combination of size, connections, depth, content and compression that fits into memory.
    Full,
}

/// Payload octets in flight that a row of the full grid may have.
const MOST_IN_FLIGHT: usize = 256 << 20;

impl Grid {
    /// The rows, in the order in which they are measured.
    pub fn workloads(self) -> Vec<Workload> {
        let row = Workload::new;
        match self {
            Self::Quick => vec![
                row(200, 128, 1),
                row(200, 128, 16),
                row(50, 16 << 10, 1),
                row(50, 64 << 10, 1).of(Content::Cyrillic),
                row(50, 1024, 1).of(Content::Ascii).deflated(),
            ],
            Self::Standard => vec![
                row(1, 16, 1),
                row(1, 1024, 1),
                row(50, 16, 1),
                row(200, 128, 1),
                row(1000, 128, 1),
                row(1000, 16, 16),
                row(200, 128, 16),
                row(1000, 128, 16),
                row(50, 1024, 1),
                row(50, 1024, 16),
                row(200, 1024, 16).of(Content::Ascii),
                row(200, 1024, 16).of(Content::Cyrillic),
                row(50, 16 << 10, 1),
                row(1000, 16 << 10, 1),
                row(50, 64 << 10, 1),
                row(50, 64 << 10, 1).of(Content::Ascii),
                row(50, 64 << 10, 1).of(Content::Cyrillic),
                row(8, 1 << 20, 1),
                row(200, 128, 16).of(Content::Ascii).deflated(),
                row(50, 1024, 1).of(Content::Ascii).deflated(),
                row(50, 16 << 10, 1).of(Content::Ascii).deflated(),
            ],
            Self::Full => full(),
        }
    }
}

fn full() -> Vec<Workload> {
    let mut workloads = Vec::new();
    for (content, _) in Content::ALL {
        for size in [16, 128, 1 << 10, 16 << 10, 64 << 10, 1 << 20] {
            for connections in [1, 50, 200, 1000] {
                for depth in [1, 16] {
                    let workload = Workload::new(connections, size, depth).of(content);
                    if workload.in_flight() <= MOST_IN_FLIGHT {
                        workloads.push(workload);
                        workloads.push(workload.deflated());
                    }
                }
            }
        }
    }
    workloads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_read_as_it_is_written() {
        let workload = |text: &str| text.parse::<Workload>();
        assert_eq!(workload("50,16384,16"), Ok(Workload::new(50, 16384, 16)));
        assert_eq!(workload("1,16,1,cyrillic"), Ok(Workload::new(1, 16, 1).of(Content::Cyrillic)));
        assert_eq!(workload("1,16,1,deflate"), Ok(Workload::new(1, 16, 1).deflated()));
        for wrong in ["", "1", "1,2", "1,2,x", "0,2,3", "1,2,3,latin", "1,2,3,"] {
            assert!(workload(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn labels_say_what_is_not_usual() {
        assert_eq!(Workload::new(50, 16, 1).to_string(), "50 x 16 B");
        let row = Workload::new(8, 1 << 20, 16).of(Content::Ascii).deflated();
        assert_eq!(row.to_string(), "8 x 1 MiB, depth 16, ascii, deflate");
        let written: Vec<_> = [16, 1000, 1024, 3000, 64 << 10, 1 << 20].map(octets).into();
        assert_eq!(written, ["16 B", "1000 B", "1 KiB", "3000 B", "64 KiB", "1 MiB"]);
    }

    #[test]
    fn what_is_committed_has_every_value_of_the_full_grid() {
        let (some, all) = (Grid::Standard.workloads(), Grid::Full.workloads());
        for row in all {
            assert!(some.iter().any(|other| other.size == row.size), "{row}");
            assert!(some.iter().any(|other| other.connections == row.connections), "{row}");
            assert!(some.iter().any(|other| other.depth == row.depth), "{row}");
            assert!(some.iter().any(|other| other.content == row.content), "{row}");
            assert!(some.iter().any(|other| other.deflate == row.deflate), "{row}");
        }
    }

    #[test]
    fn grids_hold_no_row_twice_and_keep_to_memory() {
        for grid in [Grid::Quick, Grid::Standard, Grid::Full] {
            let rows = grid.workloads();
            let mut unique = rows.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), rows.len());
            assert!(rows.iter().all(|row| row.in_flight() <= MOST_IN_FLIGHT));
        }
        // Three contents, with and without compression, over 6 x 4 x 2 rows without four of 1 MiB and one of 64 KiB.
        assert_eq!(Grid::Full.workloads().len(), 6 * (48 - 5));
    }
}
