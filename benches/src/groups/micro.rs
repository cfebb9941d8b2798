//! The micro benchmarks, of tightwire and of the peers: run one after the other, and kept as they print themselves.

use super::say;
use crate::results::Results;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs them into `micro.txt` of the folder.
///
/// # Errors
/// When the folder cannot be written to.
pub fn run(out: &Path, peers: bool, results: &mut Results) -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    let suites = [("tightwire", root.join("Cargo.toml")), ("peers", root.join("peers/Cargo.toml"))];
    for (name, manifest) in suites.into_iter().take(if peers { 2 } else { 1 }) {
        say(&format!("micro benchmarks: {name}"));
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.arg("bench").arg("--manifest-path").arg(manifest).stderr(Stdio::inherit());
        let output = cargo.output()?;
        if !output.status.success() {
            results.miss(name, "micro benchmarks", "cargo bench failed");
        }
        text += &format!("{name}\n\n{}\n", String::from_utf8_lossy(&output.stdout).trim());
    }
    fs::create_dir_all(out)?;
    Ok(fs::write(out.join("micro.txt"), text)?)
}
