//! Panels of horizontal bars and ranges, side by side in one picture. It knows no servers: only labels and numbers.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;
use std::path::Path;

/// How long a bar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From zero on.
    Linear,
    /// A power of ten is as long as every other.
    Logarithmic,
}

/// One line of a panel.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) label: String,
    /// One bar for each.
    pub(super) bars: Vec<Bar>,
}

/// From where to where, and what stands behind it.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub(super) from: f64,
    pub(super) to: f64,
    /// A place in between that is marked.
    pub(super) mark: Option<f64>,
    pub(super) text: String,
    pub(super) color: RGBColor,
}

/// Lines under a title.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) lines: Vec<Line>,
}

/// A whole picture.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    /// What is better, and what colours mean.
    pub(super) notes: Vec<String>,
    pub(super) scale: Scale,
    /// A value that is marked in every panel.
    pub(super) reference: Option<f64>,
    pub(super) columns: usize,
    pub(super) panels: Vec<Panel>,
}

const LABEL: i32 = 138;
/// As wide as bars are in pictures of several columns, and of one.
const BARS: (i32, i32) = (210, 420);
const TEXT: i32 = 118;
const GAP: i32 = 24;
const MARGIN: i32 = 20;
const BAR: i32 = 14;
/// Between the lines of a panel.
const SPACE: i32 = 5;
const TITLE: i32 = 30;
/// A title and notes want this width.
const LEAST: i32 = 780;
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const FAINT: RGBColor = RGBColor(0xCC, 0xCC, 0xCC);

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

impl Panel {
    fn height(&self) -> i32 {
        TITLE + self.lines.iter().map(Line::height).sum::<i32>()
    }
}

impl Line {
    fn height(&self) -> i32 {
        BAR * self.bars.len().max(1) as i32 + SPACE
    }
}

impl Chart {
    /// Draws the picture into a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn draw(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let columns = self.columns.clamp(1, self.panels.len().max(1)) as i32;
        let width = (2 * MARGIN + columns * self.panel_width() + (columns - 1) * GAP).max(LEAST);
        let head = MARGIN + TITLE + 18 * self.notes.len() as i32 + 8;
        let heights: Vec<_> = self
            .panels
            .chunks(columns as usize)
            .map(|row| row.iter().map(Panel::height).max().unwrap_or(0) + GAP)
            .collect();
        let height = head + heights.iter().sum::<i32>() + MARGIN - GAP;
        let area = SVGBackend::new(path, (width as u32, height as u32)).into_drawing_area();
        area.fill(&WHITE)?;
        text(&area, &self.title, (MARGIN, MARGIN + 8), 20, HPos::Left)?;
        for (place, note) in self.notes.iter().enumerate() {
            text(&area, note, (MARGIN, MARGIN + TITLE + 4 + 18 * place as i32), 13, HPos::Left)?;
        }
        let mut top = head;
        for (row, height) in self.panels.chunks(columns as usize).zip(heights) {
            for (column, panel) in row.iter().enumerate() {
                self.panel(&area, panel, (MARGIN + column as i32 * (self.panel_width() + GAP), top))?;
            }
            top += height;
        }
        Ok(area.present()?)
    }

    /// How long the longest bar is.
    fn bars(&self) -> i32 {
        if self.columns > 1 { BARS.0 } else { BARS.1 }
    }

    fn panel_width(&self) -> i32 {
        LABEL + self.bars() + TEXT
    }

    fn panel(&self, area: &Area<'_>, panel: &Panel, (left, top): (i32, i32)) -> Result<(), Box<dyn Error>> {
        text(area, &panel.title, (left, top + 10), 15, HPos::Left)?;
        let axis = Axis::over(self, panel, left + LABEL);
        let mut y = top + TITLE;
        let bottom = top + panel.height() - SPACE;
        for line in &panel.lines {
            let middle = y + (line.height() - SPACE) / 2;
            text(area, &line.label, (left + LABEL - 6, middle), 13, HPos::Right)?;
            for (place, bar) in line.bars.iter().enumerate() {
                let above = y + BAR * place as i32;
                let (from, to) = (axis.place(bar.from), axis.place(bar.to));
                let corners = [(from, above + 1), (to.max(from + 1), above + BAR - 1)];
                area.draw(&Rectangle::new(corners, bar.color.filled()))?;
                if let Some(mark) = bar.mark {
                    let mark = axis.place(mark);
                    let corners = [(mark - 1, above - 1), (mark + 1, above + BAR + 1)];
                    area.draw(&Rectangle::new(corners, INK.filled()))?;
                }
                let right = left + LABEL + self.bars() + 8;
                text(area, &bar.text, (right, above + BAR / 2), 12, HPos::Left)?;
            }
            y += line.height();
        }
        let from = left + LABEL;
        area.draw(&PathElement::new(vec![(from, top + TITLE - 4), (from, bottom)], FAINT))?;
        if let Some(reference) = self.reference {
            let x = axis.place(reference);
            area.draw(&PathElement::new(vec![(x, top + TITLE - 4), (x, bottom)], INK.stroke_width(1)))?;
        }
        Ok(())
    }
}

/// Where values lie in a panel.
struct Axis {
    scale: Scale,
    left: i32,
    length: i32,
    least: f64,
    most: f64,
}

impl Axis {
    fn over(chart: &Chart, panel: &Panel, left: i32) -> Self {
        let bars = || panel.lines.iter().flat_map(|line| &line.bars);
        let most = bars().map(|bar| bar.to).chain(chart.reference).fold(f64::MIN_POSITIVE, f64::max);
        let least = bars().map(|bar| if bar.from > 0.0 { bar.from } else { bar.to });
        let least = least.filter(|value| *value > 0.0).fold(most, f64::min);
        match chart.scale {
            Scale::Linear => Self { scale: chart.scale, left, length: chart.bars(), least: 0.0, most },
            // The shortest bar is to be seen too.
            Scale::Logarithmic => {
                Self { scale: chart.scale, left, length: chart.bars(), least: least / 2.0, most }
            }
        }
    }

    fn place(&self, value: f64) -> i32 {
        let share = match self.scale {
            Scale::Linear => value / self.most,
            Scale::Logarithmic => (value.max(self.least) / self.least).ln() / (self.most / self.least).ln(),
        };
        self.left + (share.clamp(0.0, 1.0) * f64::from(self.length)) as i32
    }
}

fn text(area: &Area<'_>, text: &str, place: (i32, i32), size: i32, side: HPos) -> Result<(), Box<dyn Error>> {
    let style = ("sans-serif", size).into_font().color(&INK).pos(Pos::new(side, VPos::Center));
    Ok(area.draw(&Text::new(text.to_owned(), place, style))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale) -> (Chart, Panel) {
        let bar = |to| Bar { from: 0.0, to, mark: None, text: String::new(), color: INK };
        let line = |to| Line { label: String::new(), bars: vec![bar(to)] };
        let panel = Panel { title: String::new(), lines: vec![line(1.0), line(10.0), line(100.0)] };
        let (title, notes) = (String::new(), Vec::new());
        (Chart { title, notes, scale, reference: None, columns: 2, panels: vec![panel.clone()] }, panel)
    }

    #[test]
    fn a_linear_axis_begins_at_zero() {
        let (chart, panel) = chart(Scale::Linear);
        let axis = Axis::over(&chart, &panel, 100);
        assert_eq!(
            (axis.place(0.0), axis.place(50.0), axis.place(100.0)),
            (100, 100 + BARS.0 / 2, 100 + BARS.0)
        );
        assert_eq!(axis.place(1e9), 100 + BARS.0, "nothing leaves the panel");
    }

    #[test]
    fn powers_of_ten_are_equally_long() {
        let (chart, panel) = chart(Scale::Logarithmic);
        let axis = Axis::over(&chart, &panel, 0);
        let (one, ten, hundred) = (axis.place(1.0), axis.place(10.0), axis.place(100.0));
        assert!(one > 0 && hundred == BARS.0);
        assert!(((hundred - ten) - (ten - one)).abs() <= 1);
        assert_eq!(axis.place(0.0), 0);
    }
}
