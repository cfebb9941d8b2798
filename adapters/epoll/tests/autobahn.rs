//! The example `autobahn`, a client, against a fuzzing server in small: it asks for the number of cases, echoes in
//! each, and has the report written.
#![cfg(target_os = "linux")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use support::example;
use tightwire_epoll::tightwire::handshake::server::Acceptance;
use tightwire_epoll::tightwire::mask;

/// Accepts one connection and its handshake; gives what was asked for.
fn accept(listener: &TcpListener) -> (TcpStream, String) {
    let (mut socket, _) = listener.accept().unwrap();
    let target = support::accept(&mut socket, &Acceptance::default());
    (socket, target)
}

/// A masked frame of the client: its first octet and its payload.
fn frame(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    socket.read_exact(&mut head).unwrap();
    // RFC 6455 5.1: a client masks everything
    let short = head[1].checked_sub(0x80).unwrap();
    let length = match short {
        126 => {
            let mut length = [0; 2];
            socket.read_exact(&mut length).unwrap();
            usize::from(u16::from_be_bytes(length))
        }
        short => usize::from(short),
    };
    let mut key = [0; 4];
    socket.read_exact(&mut key).unwrap();
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload).unwrap();
    mask::mask(key, 0, &mut payload);
    (head[0], payload)
}

/// The closing handshake, begun here.
fn close(mut socket: TcpStream) {
    socket.write_all(&[0x88, 2, 3, 0xE8]).unwrap();
    assert_eq!(frame(&mut socket), (0x88, vec![3, 0xE8]));
}

#[test]
fn it_runs_every_case_and_has_the_report_written() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let child = Command::new(example("autobahn"))
        .arg(url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();

    let (mut socket, target) = accept(&listener);
    assert_eq!(target, "/getCaseCount");
    socket.write_all(b"\x81\x013").unwrap();
    close(socket);
    for case in 1..=3 {
        let (mut socket, target) = accept(&listener);
        assert_eq!(target, format!("/runCase?case={case}&agent=tightwire-epoll"));
        if case == 2 {
            // A case that ends badly does not end the run.
            drop(socket);
            continue;
        }
        // In two fragments with a Ping between.
        socket.write_all(b"\x02\x03one\x89\x01?\x80\x7e\x01\x00").unwrap();
        socket.write_all(&[7; 256]).unwrap();
        assert_eq!(frame(&mut socket), (0x8A, b"?".to_vec()));
        let (first, payload) = frame(&mut socket);
        assert!(first == 0x82 && payload == [&b"one"[..], &[7; 256]].concat());
        close(socket);
    }
    let (socket, target) = accept(&listener);
    assert_eq!(target, "/updateReports?agent=tightwire-epoll");
    close(socket);

    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "3 cases run\n");
}

#[test]
fn it_wants_an_address() {
    let output = Command::new(example("autobahn")).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("usage: autobahn ws://HOST:PORT"));
    // Nobody is there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = Command::new(example("autobahn")).arg(format!("ws://{nobody}")).output().unwrap();
    assert!(!output.status.success());
}
