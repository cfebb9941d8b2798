//! An interactive client: `cargo run --release -p tightwire-tokio --example client -- ws://HOST[:PORT][/PATH]`.
//!
//! Each line of standard input is sent as a text message; each message that arrives is printed on a line. The end
//! of the input closes the connection.

use std::error::Error;
use std::fmt::Write;
use tightwire_tokio::{Client, CloseCode, Closed, Message, Reader, SystemKeys, connect};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::net::TcpStream;

const USAGE: &str = "usage: client ws://HOST[:PORT][/PATH]";
/// The octets of a binary message that are shown.
const SHOWN: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let uri = std::env::args().nth(1).ok_or(USAGE)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(talk(&uri));
    // A read from a terminal cannot be called off: it is left behind.
    runtime.shutdown_background();
    result
}

async fn talk(uri: &str) -> Result<(), Box<dyn Error>> {
    let socket = connect(uri).await?;
    eprintln!("connected to {}", escaped(uri));
    let (reader, mut writer) = socket.split();
    let mut receiving = tokio::spawn(print_messages(reader));
    let mut lines = BufReader::new(stdin()).lines();
    let closed = loop {
        tokio::select! {
            closed = &mut receiving => break closed??,
            line = lines.next_line() => match line? {
                Some(line) => writer.send(line.as_str()).await?,
                None => {
                    // The server may have been faster: then there is nothing left to say.
                    let _ = writer.close(CloseCode::NORMAL, "").await;
                    break receiving.await??;
                }
            },
        }
    };
    if let Some(Closed { code, reason, .. }) = closed {
        eprintln!("closed with {code} {}", escaped(&reason));
    }
    Ok(())
}

/// Prints what arrives until the connection is closed, and tells how it was.
async fn print_messages(
    mut reader: Reader<TcpStream, Client<SystemKeys>>,
) -> Result<Option<Closed>, tightwire_tokio::Error> {
    while let Some(message) = reader.recv().await? {
        println!("{}", shown(&message));
    }
    Ok(reader.closed().cloned())
}

/// A message as one line that is safe on a terminal.
pub(crate) fn shown(message: &Message<'_>) -> String {
    match message {
        Message::Text(text) => escaped(text.as_str()),
        Message::Binary(octets) => {
            let mut line = format!("{} octets:", octets.len());
            for octet in octets.iter().take(SHOWN) {
                // Writing to a string does not fail.
                let _ = write!(line, " {octet:02x}");
            }
            if octets.len() > SHOWN {
                line.push_str(" ...");
            }
            line
        }
    }
}

/// Text from a peer may hold escape sequences that a terminal would obey, or marks that turn its order around:
/// everything that does not print is written as an escape.
pub(crate) fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '"' | '\'' => line.push(char),
            _ => line.extend(char.escape_debug()),
        }
    }
    line
}
