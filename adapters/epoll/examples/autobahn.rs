//! The testee client of an Autobahn fuzzing server: `autobahn ws://HOST:PORT`.
//!
//! With feature `deflate` and option `--deflate` it offers compression; see `deflate/mod.rs` for more of that.
//! It asks for the number of cases, runs each of them, one after another, and has the report written.

#[cfg(target_os = "linux")]
mod deflate;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use crate::deflate;
    use std::net::{SocketAddr, ToSocketAddrs};
    use std::sync::mpsc;
    use tightwire_epoll::tightwire::handshake::client::Offer;
    use tightwire_epoll::tightwire::handshake::server::Response;
    use tightwire_epoll::tightwire::handshake::uri::Uri;
    use tightwire_epoll::tightwire::{Limits, Message};
    use tightwire_epoll::{
        Answer, Builder, Closed, Config, Conn, ConnectError, Handler, Opening, Reactor, Sender, Sent,
    };

    const AGENT: &str = "tightwire-epoll";

    /// What a connection is for.
    #[derive(Default)]
    struct Session {
        counts: bool,
    }

    struct Testee {
        done: mpsc::Sender<Result<u32, ConnectError>>,
        cases: u32,
    }

    impl Handler for Testee {
        type Session = Session;

        fn handshake(&mut self, opening: Opening<'_, Session>) -> Answer {
            opening.respond(&Response::new(404))
        }

        fn message(&mut self, conn: &mut Conn<'_, Session>, message: Message<'_>) {
            if conn.session().counts {
                self.cases = message.as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
            } else if let Ok(Sent::Buffered(_)) = conn.send(message) {
                conn.pause();
            }
        }

        fn drained(&mut self, conn: &mut Conn<'_, Session>) {
            conn.resume();
        }

        fn close(&mut self, _: &mut Conn<'_, Session>, _: Closed<'_>) {
            let _ = self.done.send(Ok(self.cases));
        }

        fn failed(&mut self, _: &mut Conn<'_, Session>, failure: ConnectError) {
            let _ = self.done.send(Err(failure));
        }
    }

    /// One connection, from its beginning to its end.
    struct Runner {
        reactor: Sender<Session>,
        server: SocketAddr,
        host: String,
        done: mpsc::Receiver<Result<u32, ConnectError>>,
    }

    impl Runner {
        fn run(&self, target: String, counts: bool) -> Result<u32, Box<dyn std::error::Error>> {
            let (server, host) = (self.server, self.host.clone());
            let (begun, result) = mpsc::channel();
            self.reactor.run(move |reactor: &mut Reactor<Session>| {
                let offer = Offer::new(&host, &target);
                let session = Session { counts };
                let _ = begun.send(reactor.connect(server, None, &offer, session).map(drop));
            })?;
            result.recv()??;
            Ok(self.done.recv()??)
        }
    }

    pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let limits = Limits::DEFAULT.with_message(64 << 20).with_fragments(1 << 20);
        let mut config = Config::default().with_limits(limits);
        let mut url = None;
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            if !deflate::take(&mut config, &argument, &mut arguments)? {
                url = Some(argument);
            }
        }
        let url = url.ok_or_else(|| format!("usage: autobahn ws://HOST:PORT {}", deflate::USAGE))?;
        let uri = Uri::parse(&url)?;
        let server = (uri.host(), uri.port()).to_socket_addrs()?.next().ok_or("the host has no address")?;
        let (send, done) = mpsc::channel();
        let testee = move |_| Testee { done: send.clone(), cases: 0 };
        let reactors = Builder::new().threads(1).config(config).start(testee)?;
        let reactor = reactors.senders().first().cloned().ok_or("no reactor")?;
        let runner = Runner { reactor, server, host: uri.authority().to_owned(), done };
        let cases = runner.run("/getCaseCount".to_owned(), true)?;
        for case in 1..=cases {
            if let Err(error) = runner.run(format!("/runCase?case={case}&agent={AGENT}"), false) {
                eprintln!("case {case}: {error}");
            }
        }
        runner.run(format!("/updateReports?agent={AGENT}"), false)?;
        println!("{cases} cases run");
        reactors.shutdown(std::time::Duration::ZERO);
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
