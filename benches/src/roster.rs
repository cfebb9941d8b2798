//! Who takes part: the floors, our servers, the peers that could be built, and servers named on the command line.

use crate::servers;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contestant {
    /// As in tables.
    pub name: String,
    /// How it is started; `{port}` stands for the port.
    pub command: Vec<String>,
    /// Whose it is.
    pub kind: Kind,
    /// The plain TCP echo on the same ground.
    pub floor: &'static str,
    /// Whether it has permessage-deflate.
    pub deflates: bool,
    /// Whether it can send to all what one sends.
    pub broadcasts: bool,
    /// Whether the opening handshake is its own, not the one of the benchmark.
    pub shakes_hands: bool,
}

/// Whose a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Bare TCP echo.
    Floor,
    /// tightwire.
    Ours,
    /// Another crate, or a server of the command line.
    Peer,
}

/// A server that should be there and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// The peers, by the names of their programs: whether they compress, broadcast, and bring a handshake.
const PEERS: [(&str, bool, bool, bool); 8] = [
    ("fastwebsockets", false, false, false),
    ("sockudo-ws", true, false, true),
    ("soketto", false, false, true),
    ("tokio-tungstenite", false, true, true),
    ("tokio-websockets", false, false, true),
    ("web-socket", false, false, false),
    ("wtx", false, false, true),
    ("yawc", true, false, false),
];

/// The few for a quick look.
const QUICK: [&str; 9] = [
    "floor-epoll",
    "floor-tokio",
    "floor-smol",
    "tightwire-epoll",
    "tightwire-tokio",
    "tightwire-smol",
    "fastwebsockets",
    "tokio-tungstenite",
    "sockudo-ws",
];

/// Whether a server belongs to the quick look.
pub fn is_quick(name: &str) -> bool {
    QUICK.contains(&name) || !PEERS.iter().any(|(peer, ..)| *peer == name) && !servers::NAMES.contains(&name)
}

/// The floors and our servers, all of them this program.
pub fn own() -> std::io::Result<Vec<Contestant>> {
    let program = std::env::current_exe()?.to_string_lossy().into_owned();
    let own = servers::NAMES.into_iter().map(|name| {
        let floor = match name.rsplit_once('-').map_or("", |(_, ground)| ground) {
            "tokio" => "floor-tokio",
            "smol" => "floor-smol",
            _ => "floor-epoll",
        };
        let is_floor = name.starts_with("floor");
        Contestant {
            name: name.to_owned(),
            command: [program.as_str(), "serve", name, "{port}"].map(str::to_owned).to_vec(),
            kind: if is_floor { Kind::Floor } else { Kind::Ours },
            floor,
            deflates: !is_floor,
            broadcasts: name == "tightwire-epoll",
            shakes_hands: !is_floor,
        }
    });
    Ok(own.collect())
}

/// A server of the command line: `NAME=COMMAND {port}`. It is measured against the floor on epoll.
pub fn external(text: &str) -> Result<Contestant, String> {
    let (name, command) = text.split_once('=').ok_or(format!("{text:?} is not NAME=COMMAND"))?;
    let command: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
    if !command.iter().any(|part| part.contains("{port}")) {
        return Err(format!("{text:?} does not say where the port belongs: {{port}}"));
    }
    Ok(Contestant {
        name: name.to_owned(),
        command,
        kind: Kind::Peer,
        floor: "floor-epoll",
        deflates: false,
        broadcasts: false,
        shakes_hands: true,
    })
}

/// Builds the peers and says which are there and which are not.
pub fn peers() -> (Vec<Contestant>, Vec<Absent>) {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--keep-going", "--bins", "--message-format=json"]);
    cargo.arg("--manifest-path").arg(manifest).stderr(Stdio::inherit());
    let (output, reason) = match cargo.output() {
        Ok(output) => (String::from_utf8_lossy(&output.stdout).into_owned(), "it did not build"),
        Err(_) => (String::new(), "cargo could not be run to build it"),
    };
    let built = executables(&output);
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    for (name, deflates, broadcasts, shakes_hands) in PEERS {
        let program = name.replace('-', "_");
        match built.iter().find(|path| path.file_name().is_some_and(|file| *file == *program)) {
            Some(path) => found.push(Contestant {
                name: name.to_owned(),
                command: vec![path.to_string_lossy().into_owned(), "{port}".to_owned()],
                kind: Kind::Peer,
                floor: "floor-tokio",
                deflates,
                broadcasts,
                shakes_hands,
            }),
            None => absent.push(Absent { name: name.to_owned(), reason: reason.to_owned() }),
        }
    }
    (found, absent)
}

/// The programs that cargo says it has made, from its messages.
fn executables(messages: &str) -> Vec<PathBuf> {
    #[derive(Deserialize)]
    struct Artifact {
        executable: Option<PathBuf>,
    }
    let lines = messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    lines.filter_map(|artifact| artifact.executable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_the_command_line_needs_a_port() {
        let server = external("uws=./echo --port {port}").unwrap();
        assert_eq!((server.name.as_str(), server.command.len()), ("uws", 3));
        assert!(is_quick(&server.name), "who names a server wants it measured");
        assert!(external("uws").is_err());
        assert!(external("uws=./echo 9001").is_err());
    }

    #[test]
    fn cargo_tells_what_it_built() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\nnoise\n\
            {\"reason\":\"compiler-artifact\",\"executable\":\"target/release/yawc\"}\n\
            {\"reason\":\"build-finished\",\"success\":true}";
        assert_eq!(executables(messages), [PathBuf::from("target/release/yawc")]);
    }

    #[test]
    fn every_adapter_has_its_floor() {
        for contestant in own().unwrap() {
            let ground = contestant.name.rsplit('-').next().unwrap();
            assert_eq!(contestant.floor, format!("floor-{ground}"));
        }
        assert!(is_quick("tightwire-smol") && !is_quick("soketto"));
    }
}
