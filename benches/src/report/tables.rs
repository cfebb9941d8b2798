//! The tables.

use crate::results::{Beside, Echo, Results, place};
use crate::roster::Kind;
use crate::workload::Workload;
use std::fmt::Write;

/// Everything in Markdown. `plots` are the names of the plots in the same folder, and what they show.
pub(super) fn markdown(results: &Results, plots: &[(String, String)]) -> String {
    let mut text = String::from("# Measurements\n\n");
    environment(results, &mut text);
    for (name, title) in plots {
        text += &format!("![{title}]({name})\n\n");
    }
    echo(results, &mut text);
    memory(results, &mut text);
    handshake(results, &mut text);
    broadcast(results, &mut text);
    micro_benchmarks(results, &mut text);
    instructions(results, &mut text);
    absent(results, &mut text);
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn environment(results: &Results, text: &mut String) {
    let here = &results.environment;
    *text += &table(
        &["", ""],
        2,
        vec![
            vec!["date".to_owned(), here.date.clone()],
            vec![
                "processor".to_owned(),
                format!("{}, {} cores, {} MiB of memory", here.processor, here.cores, here.memory),
            ],
            vec!["kernel".to_owned(), here.kernel.clone()],
            vec!["compiler".to_owned(), here.rustc.clone()],
            vec!["revision".to_owned(), here.revision.clone()],
        ],
    );
    *text += "Servers run on one thread on one core, the load on another core of the same machine. What the columns \
        mean: `benches/README.md`.\n\n```sh\n";
    results.commands.iter().for_each(|command| *text += &format!("{command}\n"));
    *text += "```\n\n";
}

/// Workloads in the order in which they were measured.
pub(super) fn workloads(results: &Results) -> Vec<Workload> {
    let mut workloads = Vec::new();
    for echo in &results.echo {
        if !workloads.contains(&echo.workload) {
            workloads.push(echo.workload);
        }
    }
    workloads.sort_by_key(|row| (row.deflate, row.size, row.depth, row.connections, row.content));
    workloads
}

/// The rows of a workload: those first that take the least of the processor for a message.
pub(super) fn rows(results: &Results, workload: Workload) -> Vec<&Echo> {
    let mut rows: Vec<_> = results.echo.iter().filter(|echo| echo.workload == workload).collect();
    rows.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    rows
}

/// A server that sleeps more than this waited for the load: how fast it is beyond that is not known.
const BUSY: f64 = 0.95;

fn echo(results: &Results, text: &mut String) {
    if results.echo.is_empty() {
        return;
    }
    *text += "## Echo\n\n### Messages for a second of processor, beside a bare TCP echo on epoll\n\n";
    overview(results, text, |echo| ratio(echo.cpus.floor));
    *text += "### Messages per second, beside a bare TCP echo on epoll\n\n\
        In parentheses: the server was not busy all the time, so this is not its limit.\n\n";
    overview(results, text, |echo| {
        let ratio = ratio(echo.rates.floor);
        if echo.server_share < BUSY && !ratio.is_empty() { format!("({ratio})") } else { ratio }
    });
    for workload in workloads(results) {
        *text += &format!("### {workload}\n\n");
        if let Some(echo) = results.echo.iter().find(|echo| echo.workload == workload) {
            let share = percent(echo.load_own);
            *text += &format!(
                "Of the load's time on its core, {share} were its own code, the rest the kernel's.\n\n"
            );
        }
        let head = [
            "server",
            "CPU us/message",
            "x own floor",
            "x floor",
            "+-",
            "messages/s",
            "x own floor",
            "x floor",
            "+-",
            "p50 us",
            "p99 us",
            "p99.9 us",
            "server CPU",
            "load CPU",
            "calls/message",
            "allocations/message",
        ];
        let rows = rows(results, workload).into_iter().map(|echo| {
            let mut counts = results.counts.iter();
            let counts = counts.find(|counts| counts.server == echo.server && counts.workload == workload);
            let mut cells = vec![bold(&echo.server, echo.kind), format!("{:.3}", echo.cpu)];
            cells.extend(beside(&echo.cpus));
            cells.push(count(echo.rate));
            cells.extend(beside(&echo.rates));
            cells.extend([echo.p50, echo.p99, echo.p999].map(micro));
            cells.extend([echo.server_share, echo.load_share].map(percent));
            cells.push(optional(counts.and_then(|counts| counts.calls), 2));
            cells.push(optional(counts.and_then(|counts| counts.allocations), 2));
            cells
        });
        *text += &table(&head, 1, rows.collect());
    }
}

fn beside(beside: &Beside) -> [String; 3] {
    [ratio(beside.own_floor), ratio(beside.floor), format!("{:.1}%", 100.0 * beside.uncertainty)]
}

/// One line for each workload, one column for each server.
fn overview(results: &Results, text: &mut String, cell: impl Fn(&Echo) -> String) {
    let mut servers: Vec<_> = results.echo.iter().map(|echo| (echo.server.as_str(), echo.kind)).collect();
    servers.sort_by(|a, b| place(a.0, a.1).cmp(&place(b.0, b.1)));
    servers.dedup();
    servers.retain(|(name, _)| *name != "floor-epoll");
    let names: Vec<_> = servers.iter().map(|(name, kind)| bold(name, *kind)).collect();
    let head: Vec<_> = ["workload"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let rows = workloads(results).into_iter().map(|workload| {
        let rows = rows(results, workload);
        let cells = servers.iter().map(|(name, _)| {
            rows.iter().find(|echo| echo.server == *name).map_or_else(String::new, |echo| cell(echo))
        });
        [workload.to_string()].into_iter().chain(cells).collect()
    });
    *text += &table(&head, 1, rows.collect());
}

fn memory(results: &Results, text: &mut String) {
    let mut rows: Vec<_> = results.memory.iter().collect();
    rows.sort_by(|a, b| a.idle.total_cmp(&b.idle));
    let Some(first) = rows.first() else { return };
    *text += &format!(
        "## Memory of a connection, in octets of user space ({} connections)\n\n",
        first.connections
    );
    let rows = rows
        .into_iter()
        .map(|memory| vec![bold(&memory.server, memory.kind), count(memory.idle), count(memory.after_burst)]);
    *text += &table(&["server", "idle", "idle after an echo of 16 KiB"], 1, rows.collect());
}

fn handshake(results: &Results, text: &mut String) {
    if results.handshake.is_empty() {
        return;
    }
    *text += "## Opening handshakes\n\n";
    let mut rows: Vec<_> = results.handshake.iter().collect();
    rows.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    let rows = rows
        .into_iter()
        .map(|row| vec![bold(&row.server, row.kind), count(row.rate), format!("{:.2}", row.cpu)]);
    *text +=
        &table(&["server", "handshakes/s", "CPU us each, with accepting and closing"], 1, rows.collect());
}

fn broadcast(results: &Results, text: &mut String) {
    if results.broadcast.is_empty() {
        return;
    }
    *text += "## Broadcast\n\n";
    let mut rows: Vec<_> = results.broadcast.iter().collect();
    rows.sort_by_key(|row| (row.workload.connections, row.workload.depth, place(&row.server, row.kind)));
    let rows = rows.into_iter().map(|row| {
        vec![
            row.workload.to_string(),
            bold(&row.server, row.kind),
            count(row.rate),
            format!("{:.3}", row.cpu),
            micro(row.p50),
            micro(row.p99),
        ]
    });
    *text += &table(
        &["subscribers", "server", "deliveries/s", "CPU us/delivery", "p50 us", "p99 us"],
        2,
        rows.collect(),
    );
}

/// A line for each work, a column for each crate.
fn micro_benchmarks(results: &Results, text: &mut String) {
    let (mut works, mut crates) = (Vec::new(), vec!["tightwire", "plain"]);
    for row in &results.micro {
        for (list, name) in [(&mut works, row.work.as_str()), (&mut crates, row.server.as_str())] {
            if !list.contains(&name) {
                list.push(name);
            }
        }
    }
    if works.is_empty() {
        return;
    }
    crates[2..].sort_unstable();
    *text += "## Small pieces of work, in nanoseconds\n\n\
        In parentheses: how many times as long as tightwire. Plain is what bounds it or is the usual way: an exclusive or \
        with one octet, copying, the standard library's validation, zlib-rs.\n\n";
    let head: Vec<_> = ["work"].into_iter().chain(crates.iter().copied()).collect();
    let rows = works.iter().map(|work| {
        let time = |name: &str| {
            let row = results.micro.iter().find(|row| row.work == *work && row.server == name);
            row.map(|row| row.nanoseconds)
        };
        let own = time("tightwire");
        let cells = crates.iter().map(|name| match (time(name), own) {
            (Some(time), Some(own)) if *name != "tightwire" => {
                format!("{} ({:.2})", micro(time), time / own)
            }
            (time, _) => time.map_or_else(String::new, micro),
        });
        [(*work).to_owned()].into_iter().chain(cells).collect()
    });
    *text += &table(&head, 1, rows.collect());
}

fn instructions(results: &Results, text: &mut String) {
    if results.instructions.is_empty() {
        return;
    }
    *text += "## Instructions\n\n";
    let rows = results.instructions.iter().map(|row| vec![row.work.clone(), format!("{:.1}", row.count)]);
    *text += &table(&["work", "instructions"], 1, rows.collect());
}

fn absent(results: &Results, text: &mut String) {
    if results.absent.is_empty() {
        return;
    }
    *text += "## What is missing\n\n";
    let rows = results
        .absent
        .iter()
        .map(|absence| vec![absence.server.clone(), absence.subject.clone(), absence.reason.clone()]);
    *text += &table(&["server", "where", "why"], 3, rows.collect());
}

/// A table whose first `texts` columns are text and whose others are numbers, padded so that it can be read as it is.
fn table(head: &[&str], texts: usize, rows: Vec<Vec<String>>) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or(3)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = String>| {
        text += "|";
        for (column, cell) in cells.enumerate() {
            let width = widths[column];
            let _ = if column < texts {
                write!(text, " {cell:<width$} |")
            } else {
                write!(text, " {cell:>width$} |")
            };
        }
        text += "\n";
    };
    line(&mut head.iter().map(|cell| (*cell).to_owned()));
    line(&mut (0..head.len()).map(|column| {
        let dashes = "-".repeat(widths[column] - 1);
        if column < texts { format!("-{dashes}") } else { format!("{dashes}:") }
    }));
    rows.iter().for_each(|row| line(&mut row.iter().cloned()));
    text + "\n"
}

fn bold(server: &str, kind: Kind) -> String {
    if kind == Kind::Ours { format!("**{server}**") } else { server.to_owned() }
}

/// A number with its thousands apart.
pub(super) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn percent(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}

fn ratio(ratio: Option<f64>) -> String {
    optional(ratio, 2)
}

fn optional(number: Option<f64>, digits: usize) -> String {
    number.map_or_else(String::new, |number| format!("{number:.digits$}"))
}

/// Microseconds, with as many digits as say something.
fn micro(microseconds: f64) -> String {
    if microseconds < 100.0 { format!("{microseconds:.1}") } else { count(microseconds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(count(0.4), "0");
        assert_eq!(count(999.6), "1,000");
        assert_eq!(count(1_234_567.0), "1,234,567");
        assert_eq!(count(12.0), "12");
        assert_eq!(percent(0.456), "46%");
        assert_eq!(micro(12.34), "12.3");
        assert_eq!(micro(1234.5), "1,234");
        assert_eq!(ratio(None), "");
    }

    #[test]
    fn tables_are_padded_and_numbers_stand_to_the_right() {
        let rows = vec![
            vec!["a".to_owned(), "x".to_owned(), "1.5".to_owned()],
            vec!["bcde".to_owned(), "y".to_owned(), "20.0".to_owned()],
        ];
        let wanted = "| name | note | rate |\n| ---- | ---- | ---: |\n| a    | x    |  1.5 |\n\
            | bcde | y    | 20.0 |\n\n";
        assert_eq!(table(&["name", "note", "rate"], 2, rows), wanted);
    }

    #[test]
    fn nothing_measured_is_no_table() {
        let text = markdown(&Results::default(), &[]);
        assert!(!text.contains("##"), "{text}");
    }
}
