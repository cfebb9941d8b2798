//! The examples as a person runs them: the echo server, and the client that talks to it.
//!
//! They are run through cargo, because the examples of the adapters have the same names and so overwrite each
//! other's files in a common target folder.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A child that ends with its test.
struct Example(Child);

impl Example {
    fn run(name: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO"));
        command.args(["run", "--quiet", "--package", "tightwire-tokio", "--example", name]);
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        command
            .arg("--")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        Self(command.spawn().unwrap())
    }

    fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        BufReader::new(self.0.stdout.take().unwrap()).lines().map_while(Result::ok)
    }

    fn input(&mut self) -> ChildStdin {
        self.0.stdin.take().unwrap()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_client_talks_to_the_echo_server() {
    let mut server = Example::run("echo", &["127.0.0.1:0", "--threads", "1"]);
    let mut printed = server.lines();
    let first = printed.next().unwrap();
    let address = first.split_whitespace().find(|word| word.starts_with("ws://")).unwrap().to_owned();
    // The next line says what to do, and is true.
    let advice = printed.next().unwrap();
    assert!(advice.ends_with(&format!("--example client -- {address}")), "{advice}");

    let mut client = Example::run("client", &[&address]);
    let mut printed = client.lines();
    assert!(printed.next().unwrap().starts_with("connected"));
    let mut input = client.input();
    writeln!(input, "hello").unwrap();
    assert_eq!(printed.next().unwrap(), "< hello");
    writeln!(input, "\u{1b}[31mred").unwrap();
    assert_eq!(printed.next().unwrap(), "< \\u{1b}[31mred");
    // The end of the input closes; the server answers with the same code.
    drop(input);
    assert_eq!(printed.next().unwrap(), "closed by the peer with code 1000 ");
    assert_eq!(printed.next(), None);
    assert!(client.0.wait().unwrap().success());
}

#[test]
fn the_client_ends_with_the_connection_whatever_its_input_does() {
    // A server that accepts and is gone.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Example::run("client", &[&format!("ws://{}", listener.local_addr().unwrap())]);
    let _input = client.input();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        listener.set_nonblocking(true).unwrap();
        let (stream, _) = tokio::net::TcpListener::from_std(listener).unwrap().accept().await.unwrap();
        drop(tightwire_tokio::accept(stream, &tightwire_tokio::OriginPolicy::Any).await.unwrap());
    });
    assert!(!client.0.wait().unwrap().success());
}
