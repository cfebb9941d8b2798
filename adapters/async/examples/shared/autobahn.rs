//! What the client under test of an Autobahn fuzzing server does, on any runtime: it asks for the number of
//! cases, runs every case, and has the reports written.
//!
//! It is included by the examples of the runtime adapters, which name theirs `adapter`.

use crate::adapter::{Config, Connector, Limits};
use crate::compression::{self, Compression};
use std::error::Error;
use std::sync::Arc;

const USAGE: &str = "usage: autobahn ws://HOST:PORT [AGENT]";
/// Large enough for every case of the conformance suite, which sends messages octet by octet too.
const LIMITS: Limits = Limits::DEFAULT.with_message(64 << 20).with_fragments(1 << 20);

/// Runs all cases of the server that the command line names, as the agent that it names or as `agent`.
pub(crate) async fn run(agent: &str) -> Result<(), Box<dyn Error>> {
    let usage = || format!("{USAGE}\n       {}", compression::OPTIONS);
    let (mut names, mut compression) = (Vec::new(), Compression::default());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if !argument.starts_with('-') {
            names.push(argument);
        } else if !compression.option(&argument, &mut arguments).ok_or_else(usage)? {
            return Err(usage().into());
        }
    }
    let mut names = names.into_iter();
    let server = names.next().ok_or_else(usage)?;
    let agent = names.next().unwrap_or_else(|| agent.into());
    let config = compression.config(Config::default().with_limits(LIMITS));
    let connector = Connector::new().with_config(Arc::new(config));

    let cases = case_count(&connector, &format!("{server}/getCaseCount")).await?;
    for case in 1..=cases {
        // What a case does to the connection is judged by the fuzzing server.
        if let Err(error) = echo(&connector, &format!("{server}/runCase?case={case}&agent={agent}")).await {
            println!("case {case} of {cases}: {error}");
        }
    }
    echo(&connector, &format!("{server}/updateReports?agent={agent}")).await?;
    println!("ran {cases} cases");
    Ok(())
}

async fn case_count(connector: &Connector, uri: &str) -> Result<u32, Box<dyn Error>> {
    let (mut socket, _) = connector.connect(uri).await?;
    let message = socket.recv().await?.ok_or("the server sent no number of cases")?;
    let count = message.as_str().ok_or("the number of cases is not text")?.parse()?;
    while socket.recv().await?.is_some() {}
    Ok(count)
}

async fn echo(connector: &Connector, uri: &str) -> Result<(), Box<dyn Error>> {
    let (mut socket, _) = connector.connect(uri).await?;
    while let Some((message, mut sender)) = socket.recv_with_sender().await? {
        sender.feed(message).await?;
    }
    Ok(())
}
