//! Which plots there are, and what is in them.

use super::chart::{Bar, Chart, Line, Panel, Scale};
use super::tables::{count, rows, workloads};
use crate::results::{Echo, Results, place};
use crate::roster::Kind;
use plotters::style::RGBColor;
use std::error::Error;
use std::path::Path;

/// Draws all plots that there are results for, and gives their file names and titles.
pub(super) fn draw(results: &Results, folder: &Path) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let charts = [
        ("echo-processor.svg", echo_processor(results)),
        ("echo-rate.svg", echo_rate(results)),
        ("echo-latency.svg", echo_latency(results)),
        ("echo-deflate.svg", echo_deflate(results)),
        ("memory.svg", memory(results)),
        ("handshake.svg", handshake(results)),
        ("broadcast.svg", broadcast(results)),
    ];
    let mut drawn = Vec::new();
    for (name, chart) in charts {
        if !chart.panels.is_empty() {
            chart.draw(&folder.join(name))?;
            drawn.push((name.to_owned(), chart.title));
        }
    }
    Ok(drawn)
}

/// Ours stand out; the floors stand back.
fn color(server: &str, kind: Kind) -> RGBColor {
    match (kind, server.rsplit('-').next()) {
        (Kind::Ours, Some("epoll")) => RGBColor(0x00, 0x5A, 0x9C),
        (Kind::Ours, Some("tokio")) => RGBColor(0x2E, 0x8B, 0xD0),
        (Kind::Ours, _) => RGBColor(0x7A, 0xBD, 0xE8),
        (Kind::Peer, _) => RGBColor(0xE0, 0x9A, 0x3E),
        (Kind::Floor, _) => RGBColor(0xBD, 0xBD, 0xBD),
    }
}

fn colors() -> String {
    "Blue: tightwire. Orange: other WebSocket servers. Grey: bare TCP echo.".to_owned()
}

/// A panel for each workload, with a line for each server that has something to show.
fn panels(results: &Results, deflate: bool, line: impl Fn(&Echo) -> Option<Bar>) -> Vec<Panel> {
    let workloads = workloads(results).into_iter().filter(|workload| workload.deflate == deflate);
    let panels = workloads.map(|workload| {
        let mut echoes = rows(results, workload);
        echoes.sort_by(|a, b| place(&a.server, a.kind).cmp(&place(&b.server, b.kind)));
        let lines = echoes
            .into_iter()
            .filter_map(|echo| Some(Line { label: echo.server.clone(), bars: vec![line(echo)?] }));
        Panel { title: workload.to_string(), lines: lines.collect() }
    });
    panels.filter(|panel| !panel.lines.is_empty()).collect()
}

fn echo_processor(results: &Results) -> Chart {
    beside_floor(
        results,
        "Echo: messages for a second of the server's processor, beside a bare TCP echo on epoll",
        |echo| {
            let ratio = echo.cpus.floor?;
            Some((ratio, format!("{ratio:.2}  ({} us)", brief(echo.cpu))))
        },
    )
}

fn echo_rate(results: &Results) -> Chart {
    beside_floor(results, "Echo: messages per second, beside a bare TCP echo on epoll", |echo| {
        let ratio = echo.rates.floor?;
        Some((ratio, format!("{ratio:.2}  ({}/s)", short(echo.rate))))
    })
}

fn beside_floor(results: &Results, title: &str, value: impl Fn(&Echo) -> Option<(f64, String)>) -> Chart {
    Chart {
        title: title.to_owned(),
        notes: vec![
            "Connections x payload; depth: messages in flight per connection. Longer is better; the line is the bare echo."
                .to_owned(),
            colors(),
        ],
        scale: Scale::Linear,
        reference: Some(1.0),
        columns: 3,
        panels: panels(results, false, |echo| {
            let (ratio, text) = value(echo)?;
            Some(bar(ratio, text, color(&echo.server, echo.kind)))
        }),
    }
}

fn echo_deflate(results: &Results) -> Chart {
    Chart {
        title: "Echo with permessage-deflate, without context takeover: messages per second".to_owned(),
        notes: vec![
            "The bare TCP echo does not compress: it shows what the octets alone cost.".to_owned(),
            colors(),
        ],
        scale: Scale::Linear,
        reference: None,
        columns: 3,
        panels: panels(results, true, |echo| {
            Some(bar(echo.rate, format!("{}/s", short(echo.rate)), color(&echo.server, echo.kind)))
        }),
    }
}

fn echo_latency(results: &Results) -> Chart {
    Chart {
        title: "Echo: latency under full load".to_owned(),
        notes: vec![
            "From the median (left) over 99 % (mark) to 99.9 % (right), in microseconds; logarithmic. Further left is better."
                .to_owned(),
            colors(),
        ],
        scale: Scale::Logarithmic,
        reference: None,
        columns: 3,
        panels: panels(results, false, |echo| {
            let text = format!("{} / {} / {}", brief(echo.p50), brief(echo.p99), brief(echo.p999));
            let color = color(&echo.server, echo.kind);
            Some(Bar { from: echo.p50, to: echo.p999, mark: Some(echo.p99), text, color })
        }),
    }
}

fn memory(results: &Results) -> Chart {
    let mut rows: Vec<_> = results.memory.iter().collect();
    rows.sort_by(|a, b| a.idle.total_cmp(&b.idle));
    let lines = rows.iter().map(|row| {
        let idle = color(&row.server, row.kind);
        let bars = vec![
            bar(row.idle, count(row.idle), idle),
            bar(row.after_burst, count(row.after_burst), lighter(idle)),
        ];
        Line { label: row.server.clone(), bars }
    });
    let connections = rows.first().map_or(0, |row| row.connections);
    let panel = Panel { title: "Octets per connection, logarithmic".to_owned(), lines: lines.collect() };
    Chart {
        title: "User memory of an idle connection".to_owned(),
        notes: vec![
            format!("{connections} connections. Dark: after the handshake. Pale: after an echo of 16 KiB."),
            colors(),
        ],
        scale: Scale::Logarithmic,
        reference: None,
        columns: 1,
        panels: Some(panel).filter(|panel| !panel.lines.is_empty()).into_iter().collect(),
    }
}

fn handshake(results: &Results) -> Chart {
    let mut rows: Vec<_> = results.handshake.iter().collect();
    rows.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    let lines = rows.iter().map(|row| {
        let text = format!("{:.1} us  ({}/s)", row.cpu, short(row.rate));
        Line { label: row.server.clone(), bars: vec![bar(row.cpu, text, color(&row.server, row.kind))] }
    });
    let panel =
        Panel { title: "Microseconds of the server's processor each".to_owned(), lines: lines.collect() };
    Chart {
        title: "Opening handshakes".to_owned(),
        notes: vec!["Accepting, the handshake and closing; shorter is better.".to_owned(), colors()],
        scale: Scale::Linear,
        reference: None,
        columns: 1,
        panels: Some(panel).filter(|panel| !panel.lines.is_empty()).into_iter().collect(),
    }
}

fn broadcast(results: &Results) -> Chart {
    let mut workloads: Vec<_> = results.broadcast.iter().map(|row| row.workload).collect();
    workloads.sort_unstable();
    workloads.dedup();
    let panels = workloads.into_iter().map(|workload| {
        let rows = results.broadcast.iter().filter(|row| row.workload == workload);
        let lines = rows.map(|row| {
            let text = format!("{:.2} us  ({}/s)", row.cpu, short(row.rate));
            Line { label: row.server.clone(), bars: vec![bar(row.cpu, text, color(&row.server, row.kind))] }
        });
        Panel { title: workload.to_string(), lines: lines.collect() }
    });
    Chart {
        title: "Broadcast: microseconds of the server's processor for a delivery".to_owned(),
        notes: vec!["Subscribers x payload; shorter is better.".to_owned(), colors()],
        scale: Scale::Linear,
        reference: None,
        columns: 2,
        panels: panels.collect(),
    }
}

fn bar(to: f64, text: String, color: RGBColor) -> Bar {
    Bar { from: 0.0, to, mark: None, text, color }
}

fn lighter(RGBColor(red, green, blue): RGBColor) -> RGBColor {
    let half = |part: u8| part / 2 + 127;
    RGBColor(half(red), half(green), half(blue))
}

/// `3.45M`, `61k`, `120`.
fn short(number: f64) -> String {
    match number {
        0.0..1e3 => format!("{number:.0}"),
        1e3..1e4 => format!("{:.1}k", number / 1e3),
        1e4..1e6 => format!("{:.0}k", number / 1e3),
        _ => format!("{:.2}M", number / 1e6),
    }
}

/// Microseconds in few letters.
fn brief(microseconds: f64) -> String {
    match microseconds {
        0.0..10.0 => format!("{microseconds:.1}"),
        10.0..1e4 => format!("{microseconds:.0}"),
        _ => format!("{:.0}k", microseconds / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(short(120.4), "120");
        assert_eq!(short(7_369.0), "7.4k");
        assert_eq!(short(61_400.0), "61k");
        assert_eq!(short(3_449_000.0), "3.45M");
        assert_eq!(brief(3.42), "3.4");
        assert_eq!(brief(342.0), "342");
        assert_eq!(brief(34_200.0), "34k");
    }
}
