//! What people read: tables in Markdown and plots in SVG, all made from the results alone.

mod chart;
mod plots;
mod tables;

use crate::results::Results;
use std::error::Error;
use std::fs;
use std::path::Path;

/// Writes `results.md` and the plots into the folder.
///
/// # Errors
/// When the folder cannot be written to, or a plot cannot be drawn.
pub fn write(results: &Results, folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let plots = plots::draw(results, folder)?;
    Ok(fs::write(folder.join("results.md"), tables::markdown(results, &plots))?)
}
