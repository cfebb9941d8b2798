//! The examples as their users run them: as processes.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tightwire_tokio::Message;

#[allow(dead_code)] // its `main` is for the process
#[path = "../examples/client.rs"]
mod client;

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts an example, which `cargo test` and `cargo build --examples` put beside the folder of this test.
fn start(example: &str, arguments: &[&str]) -> Process {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.extend(["examples", &format!("{example}{}", std::env::consts::EXE_SUFFIX)]);
    let child = Command::new(&path)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; build it with --examples", path.display()));
    Process(child)
}

/// An echo server on a free port, and its URI.
fn echo_server() -> (Process, String) {
    let mut server = start("echo", &["127.0.0.1:0", "--threads", "2"]);
    let mut line = String::new();
    BufReader::new(server.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let uri = line.split_whitespace().find(|word| word.starts_with("ws://")).unwrap().to_owned();
    (server, uri)
}

#[test]
fn the_client_sends_lines_and_prints_their_echoes() {
    let (_server, uri) = echo_server();
    let mut client = start("client", &[&uri]);
    let mut stdin = client.0.stdin.take().unwrap();
    let mut stdout = BufReader::new(client.0.stdout.take().unwrap());
    for (line, echo) in [("hello", "hello"), ("", ""), ("grün \x1b[31m red", "grün \\u{1b}[31m red")] {
        writeln!(stdin, "{line}").unwrap();
        let mut printed = String::new();
        stdout.read_line(&mut printed).unwrap();
        assert_eq!(printed, format!("{echo}\n"));
    }
    // The end of the input is the end of the connection.
    drop(stdin);
    let mut said = String::new();
    client.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(client.0.wait().unwrap().success(), "{said}");
    assert!(said.contains("closed with 1000"), "{said}");
}

#[test]
fn what_was_sent_before_the_end_of_the_input_is_echoed() {
    let (_server, uri) = echo_server();
    let mut client = start("client", &[&uri]);
    let input: String = (0..500).map(|number| format!("line {number}\n")).collect();
    client.0.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let mut printed = String::new();
    client.0.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!(printed, input);
    assert!(client.0.wait().unwrap().success());
}

#[test]
fn the_client_tells_why_it_has_no_connection() {
    for (arguments, reason) in [(&["http://localhost/"][..], ""), (&[], "usage: client")] {
        let mut client = start("client", arguments);
        let mut said = String::new();
        client.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(!client.0.wait().unwrap().success());
        assert!(said.contains(reason) && !said.is_empty(), "{said}");
    }
}

#[test]
fn nothing_that_a_terminal_would_obey_is_printed() {
    for (text, shown) in [
        ("plain, 'quoted' \"text\" grün 語", "plain, 'quoted' \"text\" grün 語"),
        ("\x1b]0;title\x07", "\\u{1b}]0;title\\u{7}"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\u{9b}31m\u{7f}\0", "\\u{9b}31m\\u{7f}\\0"),
        ("\u{202e}drawkcab", "\\u{202e}drawkcab"),
        ("\\u{1b}", "\\\\u{1b}"),
    ] {
        assert_eq!(client::escaped(text), shown);
        assert_eq!(client::shown(&text.into()), shown);
    }
    let every: String = (0..=0x10_FFFF).filter_map(char::from_u32).collect();
    assert!(!client::escaped(&every).contains(|char: char| char.is_control() || char == '\u{202e}'));
    assert_eq!(client::shown(&Message::Binary(&[0x1b, 0xFF])), "2 octets: 1b ff");
    assert!(client::shown(&Message::Binary(&[0; 100])).ends_with(" 00 ..."));
}
