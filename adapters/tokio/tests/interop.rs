//! Compression with other people's programs: the package `ws` of Node and `websockets` of Python, each as server and
//! as client, on windows of 2^9 and 2^15 octets, with takeover and without.
//!
//! A peer that is not installed is skipped, loudly. `NODE_PATH` and `PYTHONPATH` say where they are.
#![cfg(feature = "deflate")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tightwire_tokio::compression::{Effort, Policy, WindowBits};
use tightwire_tokio::{Answer, CloseCode, Config, Connector, Listener, Message, OriginPolicy, accept_with};

/// A child that ends with its test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn config(bits: u8, takeover: bool) -> Arc<Config> {
    let window = WindowBits::new(bits).unwrap();
    let policy = Policy::DEFAULT.with_takeover(takeover, takeover).with_windows(window, window);
    Arc::new(Config::default().with_compression(policy).with_effort(Effort::DEFAULT.with_threshold(0)))
}

#[test]
fn node_ws() {
    peer("node", "-e", "require('ws')", "peer.js");
}

#[test]
fn python_websockets() {
    peer("python3", "-c", "import websockets.asyncio.server", "peer.py");
}

fn peer(program: &str, flag: &str, probe: &str, script: &str) {
    let installed = Command::new(program).args([flag, probe]).stderr(Stdio::null()).status();
    if !installed.is_ok_and(|status| status.success()) {
        println!("SKIPPED: {program} cannot run {probe:?}");
        return;
    }
    let script = format!("{}/tests/interop/{script}", env!("CARGO_MANIFEST_DIR"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for bits in [9, 15] {
        for takeover in [false, true] {
            let word = if takeover { "yes" } else { "no" };
            let arguments = |mode: &str| [script.clone(), mode.into(), bits.to_string(), word.into()];
            runtime.block_on(serve_them(program, &arguments("talk"), config(bits, takeover)));
            let server = Command::new(program).args(arguments("serve")).stdout(Stdio::piped()).spawn();
            let mut server = Peer(server.unwrap());
            let mut port = String::new();
            BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
            runtime.block_on(talk_to_them(port.trim(), config(bits, takeover), takeover));
        }
    }
}

/// Our echo server, their client.
async fn serve_them(program: &str, arguments: &[String], config: Arc<Config>) {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut client = Peer(Command::new(program).args(arguments).arg(port).spawn().unwrap());
    let (stream, _) = listener.accept().await.unwrap();
    let opening = accept_with(stream, config, &OriginPolicy::Any, |_| Answer::accept());
    let mut socket = opening.await.unwrap();
    assert!(socket.compression().is_some());
    while let Some((message, mut sender)) = socket.recv_with_sender().await.unwrap() {
        sender.feed(message).await.unwrap();
    }
    assert!(client.0.wait().unwrap().success(), "{arguments:?}");
}

/// Our client, their echo server.
async fn talk_to_them(port: &str, config: Arc<Config>, takeover: bool) {
    let connector = Connector::new().with_config(config);
    let (mut socket, agreed) = connector.connect(&format!("ws://127.0.0.1:{port}")).await.unwrap();
    assert_eq!(agreed.compression.unwrap().server.takeover(), takeover);
    for round in 0..2 {
        for size in [0, 1, 10, 200, 3000, 70_000_usize] {
            let text = "window äußerst ".repeat(size / 10);
            socket.send(text.as_str()).await.unwrap();
            assert_eq!(socket.recv().await.unwrap().unwrap().as_str(), Some(text.as_str()));
            let octets: Vec<u8> = (0..size).map(|at| (at * at * 31 / 7 + round) as u8).collect();
            socket.send(&octets[..]).await.unwrap();
            assert_eq!(socket.recv().await.unwrap(), Some(Message::Binary(&octets)));
        }
    }
    socket.close(CloseCode::NORMAL, "").await.unwrap();
}
