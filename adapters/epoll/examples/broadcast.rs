//! What a broadcast costs: `broadcast [SUBSCRIBERS] [OCTETS] [DEPTH] [--rounds N]`, by default 1,000 subscribers,
//! 128 octets, one publication at a time, and two million deliveries.
//!
//! This process is the server, on one thread, and measures the processor time of that thread. The subscribers are a
//! process of their own; one of them publishes, and waits until everybody has the publication.
//! `broadcast serve [ADDR]` only serves: everybody is subscribed, and what anybody sends is published.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("serve") => server::main(arguments.get(1).map_or("127.0.0.1:9001", String::as_str)),
        Some("load") => load::main(&arguments),
        _ => run::main(&arguments),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod server {
    use std::error::Error;
    use tightwire_epoll::tightwire::Message;
    use tightwire_epoll::tightwire::handshake::OriginPolicy;
    use tightwire_epoll::tightwire::handshake::server::Acceptance;
    use tightwire_epoll::{Answer, Builder, Conn, Handler, Opening, Server, limits};

    pub(crate) const TOPIC: &str = "everybody";

    pub(crate) struct Everybody;

    impl Handler for Everybody {
        type Session = ();

        fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
            opening.accept(&OriginPolicy::Any, &Acceptance::default())
        }

        fn open(&mut self, conn: &mut Conn<'_, ()>) {
            conn.subscribe(TOPIC);
        }

        fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
            conn.reactor().publish(TOPIC, message);
        }
    }

    pub(crate) fn start(address: &str) -> Result<Server<Everybody>, Box<dyn Error>> {
        limits::raise_descriptors()?;
        Ok(Builder::new().threads(1).listen(address.parse()?).start(|_| Everybody)?)
    }

    pub(crate) fn main(address: &str) -> Result<(), Box<dyn Error>> {
        let server = start(address)?;
        for address in server.addresses() {
            println!("broadcasting on ws://{address}/");
        }
        server.join()?;
        Ok(())
    }
}

/// The process of the subscribers.
#[cfg(target_os = "linux")]
mod load {
    use std::error::Error;
    use std::net::SocketAddr;
    use std::sync::mpsc;
    use tightwire_epoll::tightwire::handshake::client::Offer;
    use tightwire_epoll::tightwire::handshake::server::Response;
    use tightwire_epoll::tightwire::{Message, Timeouts};
    use tightwire_epoll::{
        Answer, Builder, Closed, Config, Conn, ConnectError, Handler, Opening, Reactor, Token, limits,
    };

    /// Connections that are being opened at a time.
    const IN_FLIGHT: usize = 128;

    #[derive(Clone, Copy)]
    struct Plan {
        server: SocketAddr,
        subscribers: usize,
        depth: usize,
        rounds: usize,
    }

    struct Load {
        plan: Plan,
        begun: usize,
        open: usize,
        publisher: Option<Token>,
        payload: Vec<u8>,
        published: usize,
        got: usize,
        told: mpsc::Sender<Result<(), String>>,
    }

    impl Load {
        fn fail(&self, why: String) {
            let _ = self.told.send(Err(why));
        }

        fn connect(&mut self, reactor: &mut Reactor<()>) {
            while self.begun < self.plan.subscribers && self.begun - self.open < IN_FLIGHT {
                self.begun += 1;
                if let Err(error) = reactor.connect(self.plan.server, None, &Offer::new("localhost", "/"), ())
                {
                    self.fail(error.to_string());
                }
            }
        }

        /// Publishes while there are rounds left and not too many are on their way.
        fn publish(&mut self, reactor: &mut Reactor<()>) {
            let done = self.got / self.plan.subscribers;
            while self.published < self.plan.rounds && self.published < done + self.plan.depth {
                self.published += 1;
                let Some(mut conn) = self.publisher.and_then(|token| reactor.conn(token)) else { return };
                if let Err(refused) = conn.send(&self.payload[..]) {
                    self.fail(refused.to_string());
                }
            }
        }
    }

    impl Handler for Load {
        type Session = ();

        fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
            opening.respond(&Response::new(404))
        }

        fn open(&mut self, conn: &mut Conn<'_, ()>) {
            self.open += 1;
            self.publisher = Some(conn.token());
            self.connect(conn.reactor());
            if self.open == self.plan.subscribers {
                let _ = self.told.send(Ok(()));
            }
        }

        fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
            if message.as_str().is_some() {
                // The word to begin; what is published from here is binary.
                return self.publish(conn.reactor());
            }
            self.got += 1;
            if self.got == self.plan.rounds * self.plan.subscribers {
                let _ = self.told.send(Ok(()));
            } else if self.got.is_multiple_of(self.plan.subscribers) {
                self.publish(conn.reactor());
            }
        }

        fn failed(&mut self, _: &mut Conn<'_, ()>, failure: ConnectError) {
            self.fail(failure.to_string());
        }

        fn close(&mut self, _: &mut Conn<'_, ()>, closed: Closed<'_>) {
            self.fail(format!("a connection ended: {closed:?}"));
        }
    }

    pub(crate) fn main(arguments: &[String]) -> Result<(), Box<dyn Error>> {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        limits::raise_descriptors()?;
        let [_, server, numbers @ ..] = arguments else { return Err("load SERVER NUMBERS".into()) };
        let numbers: Vec<usize> = numbers.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
        let [subscribers, octets, depth, rounds] = numbers[..] else { return Err("four numbers".into()) };
        let plan = Plan { server: server.parse()?, subscribers, depth, rounds };
        let (told, tells) = mpsc::channel();
        let load = move |_| Load {
            plan,
            begun: 1,
            open: 0,
            publisher: None,
            payload: vec![b'b'; octets],
            published: 0,
            got: 0,
            told: told.clone(),
        };
        let config = Config::default().with_timeouts(Timeouts::NONE);
        let reactors = Builder::new().config(config).threads(1).start(load)?;
        let reactor = reactors.senders().first().cloned().ok_or("no reactor")?;
        // The others follow from the events of the first.
        let first = move |reactor: &mut Reactor<()>| {
            drop(reactor.connect(plan.server, None, &Offer::new("localhost", "/"), ()));
        };
        reactor.run(first)?;
        tells.recv()??;
        println!("open");
        tells.recv()??;
        println!("done");
        Ok(())
    }
}

/// The process that serves and measures.
#[cfg(target_os = "linux")]
mod run {
    use std::error::Error;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, ChildStdout, Command, Stdio};
    use std::time::Instant;

    const USAGE: &str =
        "usage: broadcast [SUBSCRIBERS] [OCTETS] [DEPTH] [--rounds N] | broadcast serve [ADDR]";
    const DELIVERIES: usize = 2_000_000;

    /// The subscribers. They end with this.
    struct Subscribers(Child);

    impl Drop for Subscribers {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    pub(crate) fn main(arguments: &[String]) -> Result<(), Box<dyn Error>> {
        let (mut numbers, mut rounds) = (Vec::new(), None);
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let is_rounds = argument == "--rounds";
            let text = if is_rounds { rest.next().ok_or(USAGE)? } else { argument };
            let number: usize = text.replace('_', "").parse().map_err(|_| USAGE)?;
            if is_rounds { rounds = Some(number) } else { numbers.push(number.max(1)) }
        }
        let [subscribers, octets, depth] = match numbers[..] {
            [] => [1000, 128, 1],
            [subscribers] => [subscribers, 128, 1],
            [subscribers, octets] => [subscribers, octets, 1],
            [subscribers, octets, depth] => [subscribers, octets, depth],
            _ => return Err(USAGE.into()),
        };
        let rounds = rounds.unwrap_or(DELIVERIES / subscribers).max(1);

        let server = super::server::start("127.0.0.1:0")?;
        let address = server.addresses().first().ok_or("no address")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["load", &address.to_string()]);
        command.args([subscribers, octets, depth, rounds].map(|number| number.to_string()));
        let mut child = Subscribers(command.stdout(Stdio::piped()).spawn()?);
        let mut lines = BufReader::new(child.0.stdout.take().ok_or("no output")?);
        expect(&mut lines, "open")?;
        let (before, start) = (processor_time()?, Instant::now());
        server.publish(super::server::TOPIC, "go")?;
        expect(&mut lines, "done")?;
        let (seconds, after) = (start.elapsed().as_secs_f64(), processor_time()?);

        let deliveries = (subscribers * rounds) as f64;
        println!(
            "{subscribers} subscribers, {octets} octets, {depth} publications at a time, {rounds} in all"
        );
        println!("deliveries per second          {:.0}", deliveries / seconds);
        println!("processor time per delivery    {:.3} us", (after - before) as f64 / 1000.0 / deliveries);
        let stats = server.stats();
        println!("messages refused, buffers used {}, {}", stats.refused_messages, stats.buffers);
        Ok(())
    }

    fn expect(lines: &mut BufReader<ChildStdout>, word: &str) -> Result<(), Box<dyn Error>> {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        if line.trim_end() == word { Ok(()) } else { Err(format!("the subscribers said {line:?}").into()) }
    }

    /// Nanoseconds that the threads of this process have run.
    fn processor_time() -> Result<u64, Box<dyn Error>> {
        let mut sum = 0;
        for thread in std::fs::read_dir("/proc/self/task")? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            sum += text.split(' ').next().ok_or("no time")?.parse::<u64>()?;
        }
        Ok(sum)
    }
}
