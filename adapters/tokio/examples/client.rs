//! An interactive client: `cargo run --release -p tightwire-tokio --example client -- ws://HOST:PORT/PATH
//! [--deflate]`.
//!
//! Each line of the standard input is sent as a text message; what arrives is printed, with control characters
//! escaped so that a peer cannot speak to the terminal. Pings are answered without a word: `recv` gives
//! messages only, `recv_event` would show them. The end of the input closes the connection.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use tightwire_tokio as adapter;
use tightwire_tokio::{CloseCode, Config, Connector, Message};
use tokio::io::{AsyncBufReadExt, BufReader};

#[path = "../../async/examples/shared/compression.rs"]
mod compression;

use compression::Compression;

const USAGE: &str = "usage: client ws://HOST:PORT/PATH";
/// Octets of a binary message that are shown.
const SHOWN: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let usage = || format!("{USAGE} {}", compression::OPTIONS);
    let (mut uri, mut compression) = (None, Compression::default());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if !argument.starts_with('-') {
            uri = Some(argument);
        } else if !compression.option(&argument, &mut arguments).ok_or_else(usage)? {
            return Err(usage().into());
        }
    }
    let uri = uri.ok_or_else(usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(talk(&uri, compression));
    // Waiting for a line cannot be called off: it is left behind.
    runtime.shutdown_background();
    result
}

async fn talk(uri: &str, compression: Compression) -> Result<(), Box<dyn Error>> {
    let config = Arc::new(compression.config(Config::default()));
    let (mut socket, agreed) = Connector::new().with_config(config).connect(uri).await?;
    let compressed = if agreed.compression.is_some() { ", compressed" } else { "" };
    println!("connected{compressed}; each line is a message, the end of the input closes");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        // Both are cancel safe: what loses the race loses nothing.
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => socket.send(&*line).await?,
                None => break,
            },
            message = socket.recv() => match message? {
                Some(message) => println!("< {}", show(message)),
                None => break,
            },
        }
    }
    if socket.closed().is_none() {
        // What was sent last may still be answered: the answers come before the peer's Close.
        socket.start_close(CloseCode::NORMAL, "").await?;
        while let Some(message) = socket.recv().await? {
            println!("< {}", show(message));
        }
    }
    if let Some(closed) = socket.closed() {
        println!("closed by the peer with code {} {}", closed.code, escape(&closed.reason));
    }
    Ok(())
}

fn show(message: Message<'_>) -> String {
    match message {
        Message::Text(text) => escape(text.as_str()),
        Message::Binary(octets) => {
            let mut line = format!("{} octets:", octets.len());
            for octet in octets.iter().take(SHOWN) {
                let _ = write!(line, " {octet:02x}");
            }
            if octets.len() > SHOWN {
                line.push_str(" ...");
            }
            line
        }
    }
}

/// The text with everything escaped that could move the cursor, change colours or turn the direction of writing.
fn escape(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        let turns =
            matches!(character, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_speaks_to_a_terminal_is_printed() {
        assert_eq!(escape("\u{1b}[31mred\u{7}\r\n"), "\\u{1b}[31mred\\u{7}\\r\\n");
        assert_eq!(escape("\u{9b}31m \u{202e}txet"), "\\u{9b}31m \\u{202e}txet");
        assert_eq!(escape("na\u{ef}ve \u{4f60}\u{597d} \u{1f600}"), "na\u{ef}ve \u{4f60}\u{597d} \u{1f600}");
        for character in '\u{0}'..='\u{9f}' {
            assert!(!escape(&character.to_string()).contains(char::is_control), "{character:?}");
        }
    }

    #[test]
    fn a_long_binary_message_is_cut() {
        let line = show(Message::Binary(&[0xAB; 100]));
        assert!(
            line.starts_with("100 octets: ab ab") && line.ends_with("ab ...") && line.len() < 130,
            "{line}"
        );
    }
}
