//! The options of the examples that turn compression on, on any runtime.
//!
//! It is included by the examples of the runtime adapters, which name theirs `adapter`.

use crate::adapter::Config;
use crate::adapter::compression::{Effort, Level, Policy, WindowBits};

pub(crate) const OPTIONS: &str =
    "[--deflate [--takeover] [--window BITS] [--level fastest|fast|balanced|best] [--threshold OCTETS]]";

/// What the command line says of compression: nothing by default.
#[derive(Clone, Copy, Default)]
pub(crate) struct Compression {
    policy: Option<Policy>,
    effort: Effort,
}

impl Compression {
    /// Takes an option, and its value, if it is one of these; `None` if its value makes no sense.
    pub(crate) fn option(&mut self, option: &str, values: &mut impl Iterator<Item = String>) -> Option<bool> {
        let policy = self.policy.unwrap_or_default();
        match option {
            "--deflate" => self.policy = Some(policy),
            "--takeover" => self.policy = Some(policy.with_takeover(true, true)),
            "--window" => {
                let bits = WindowBits::new(values.next()?.parse().ok()?)?;
                self.policy = Some(policy.with_windows(bits, bits));
            }
            "--level" => {
                self.effort = self.effort.with_level(match values.next()?.as_str() {
                    "fastest" => Level::Fastest,
                    "fast" => Level::Fast,
                    "balanced" => Level::Balanced,
                    "best" => Level::Best,
                    _ => return None,
                });
            }
            "--threshold" => self.effort = self.effort.with_threshold(values.next()?.parse().ok()?),
            _ => return Some(false),
        }
        Some(true)
    }

    pub(crate) fn config(&self, config: Config) -> Config {
        let config = config.with_effort(self.effort);
        match self.policy {
            Some(policy) => config.with_compression(policy),
            None => config,
        }
    }
}
