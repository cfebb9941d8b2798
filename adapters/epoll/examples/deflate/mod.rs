//! The options of compression that the examples share: `--deflate`, and `--takeover`, `--window BITS`,
//! `--level fastest|fast|balanced|best`, `--threshold OCTETS` and, with feature `zlib-rs`, `--zlib`, each of which
//! implies it. They need feature `deflate`.

use tightwire_epoll::Config;

/// The options, for a line of usage.
pub(crate) const USAGE: &str =
    "[--deflate] [--takeover] [--window BITS] [--level LEVEL] [--threshold OCTETS]";

/// Takes one option, with its value, if it is one of these.
#[cfg(feature = "deflate")]
pub(crate) fn take(
    config: &mut Config,
    option: &str,
    arguments: &mut impl Iterator<Item = String>,
) -> Result<bool, Box<dyn std::error::Error>> {
    use tightwire_epoll::compression::{Level, Policy, WindowBits};
    let mut policy = config.compression.unwrap_or(Policy::DEFAULT);
    let mut value = || arguments.next().ok_or(format!("{option} needs a value"));
    match option {
        "--deflate" => {}
        "--takeover" => policy = policy.with_takeover(true, true),
        "--window" => {
            let window = WindowBits::new(value()?.parse()?).ok_or("a window has 8 to 15 bits")?;
            policy = policy.with_windows(window, window);
        }
        "--level" => {
            let level = match value()?.as_str() {
                "fastest" => Level::Fastest,
                "fast" => Level::Fast,
                "balanced" => Level::Balanced,
                "best" => Level::Best,
                other => return Err(format!("no such level: {other}").into()),
            };
            config.effort = config.effort.with_level(level);
        }
        "--threshold" => config.effort = config.effort.with_threshold(value()?.parse()?),
        #[cfg(feature = "zlib-rs")]
        "--zlib" => config.backend = tightwire_epoll::compression::Backend::Zlib,
        _ => return Ok(false),
    }
    config.compression = Some(policy);
    Ok(true)
}

/// Takes one option, with its value, if it is one of these.
#[cfg(not(feature = "deflate"))]
pub(crate) fn take(
    _: &mut Config,
    option: &str,
    _: &mut impl Iterator<Item = String>,
) -> Result<bool, Box<dyn std::error::Error>> {
    match option {
        "--deflate" | "--takeover" | "--window" | "--level" | "--threshold" => {
            Err(format!("{option} needs feature deflate").into())
        }
        _ => Ok(false),
    }
}
