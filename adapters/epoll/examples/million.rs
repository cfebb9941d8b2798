//! Opens very many connections, holds them and says what they cost:
//! `million [CONNECTIONS] [--per-process N] [--hold SECONDS]`, by default 10,000 connections.
//!
//! It starts servers and clients as processes of its own, all servers behind one port: as many as the hard
//! limit of descriptors asks for. Clients connect from many addresses of 127.0.0.0/8. When this process ends,
//! however it ends, the others do.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if matches!(first.as_deref(), Some("serve" | "load")) {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    }
    match first.as_deref() {
        Some("serve") => server::main(arguments.next().as_deref().unwrap_or("127.0.0.1:0")),
        Some("load") => load::main(&arguments.collect::<Vec<_>>()),
        first => run::main(first, arguments),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}

/// The server process: says its address, then serves until its standard input ends.
#[cfg(target_os = "linux")]
mod server {
    use std::error::Error;
    use tightwire_epoll::tightwire::handshake::OriginPolicy;
    use tightwire_epoll::tightwire::handshake::server::Acceptance;
    use tightwire_epoll::tightwire::{Message, Timeouts};
    use tightwire_epoll::{Answer, Builder, Config, Conn, Handler, Opening, TICKS_PER_SECOND, limits};

    struct Echo;

    impl Handler for Echo {
        type Session = ();

        fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
            opening.accept(&OriginPolicy::Any, &Acceptance::default())
        }

        fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
            let _ = conn.send(message);
        }
    }

    pub(crate) fn main(address: &str) -> Result<(), Box<dyn Error>> {
        limits::raise_descriptors()?;
        let mut timeouts = Timeouts::new(TICKS_PER_SECOND);
        // Ten minutes of silence are nothing unusual here.
        timeouts.ping = Some(600 * TICKS_PER_SECOND);
        let config = Config::default().with_timeouts(timeouts);
        let builder = Builder::new().config(config).threads(1).share_port(true);
        let server = builder.listen(address.parse()?).start(|_| Echo)?;
        for address in server.addresses() {
            println!("{address}");
        }
        for line in std::io::stdin().lines() {
            if line? == "stats" {
                let stats = server.stats();
                println!("{} {}", stats.open, stats.refused_connections);
            }
        }
        Ok(())
    }
}

/// The client process: opens connections, says how many, then does as standard input says.
#[cfg(target_os = "linux")]
mod load {
    use std::error::Error;
    use std::net::{IpAddr, SocketAddr};
    use std::sync::mpsc;
    use std::time::{Duration, Instant};
    use tightwire_epoll::tightwire::handshake::client::Offer;
    use tightwire_epoll::tightwire::handshake::server::Response;
    use tightwire_epoll::tightwire::{Message, Timeouts};
    use tightwire_epoll::{
        Answer, Builder, Closed, Config, Conn, ConnectError, DialError, Handler, Opening, Reactor, Sender,
        TICKS_PER_SECOND, limits,
    };

    /// Connections that are being opened at a time.
    const IN_FLIGHT: u32 = 128;
    /// The ports that connections are given, one after another.
    const PORTS: std::ops::RangeInclusive<u16> = 10_000..=65_000;
    /// Of these, the ones that the first connection tries.
    const FIRST: u16 = 100;

    #[derive(Clone, Copy)]
    struct Plan {
        server: SocketAddr,
        source: IpAddr,
        count: u32,
    }

    struct Load {
        plan: Plan,
        ports: std::ops::RangeInclusive<u16>,
        begun: u32,
        opened: u32,
        failed: u32,
        told: mpsc::Sender<Told>,
    }

    enum Told {
        /// All connections are open or have failed.
        Ready { opened: u32, failed: u32 },
        /// One echo came back.
        Echo,
        /// One connection ended.
        Lost,
    }

    impl Load {
        fn next(&mut self, reactor: &mut Reactor<()>) {
            while self.begun < self.plan.count && self.begun - self.opened - self.failed < IN_FLIGHT {
                self.begun += 1;
                if connect(reactor, self.plan, &mut self.ports).is_err() {
                    self.failed += 1;
                }
            }
            if self.opened + self.failed == self.plan.count {
                let _ = self.told.send(Told::Ready { opened: self.opened, failed: self.failed });
            }
        }
    }

    /// Begins a connection from the next port that is free.
    fn connect(
        reactor: &mut Reactor<()>,
        plan: Plan,
        ports: &mut std::ops::RangeInclusive<u16>,
    ) -> Result<(), Box<dyn Error>> {
        loop {
            let port = ports.next().ok_or("no port is left")?;
            let source = SocketAddr::new(plan.source, port);
            match reactor.connect(plan.server, Some(source), &Offer::new("localhost", "/"), ()) {
                Ok(_) => return Ok(()),
                Err(DialError::Io(error)) if error.kind() == std::io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    impl Handler for Load {
        type Session = ();

        fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
            opening.respond(&Response::new(404))
        }

        fn open(&mut self, conn: &mut Conn<'_, ()>) {
            self.opened += 1;
            self.next(conn.reactor());
        }

        fn failed(&mut self, conn: &mut Conn<'_, ()>, failure: ConnectError) {
            if self.failed == 0 {
                eprintln!("the first failure: {failure}");
            }
            self.failed += 1;
            self.next(conn.reactor());
        }

        fn message(&mut self, _: &mut Conn<'_, ()>, message: Message<'_>) {
            if message.octets() == b"sample" {
                let _ = self.told.send(Told::Echo);
            }
        }

        fn close(&mut self, _: &mut Conn<'_, ()>, _: Closed<'_>) {
            let _ = self.told.send(Told::Lost);
        }
    }

    pub(crate) fn main(arguments: &[String]) -> Result<(), Box<dyn Error>> {
        let [server, source, count] = arguments else { return Err("load SERVER SOURCE COUNT".into()) };
        let plan = Plan { server: server.parse()?, source: source.parse()?, count: count.parse()? };
        limits::raise_descriptors()?;
        let mut timeouts = Timeouts::NONE;
        timeouts.handshake = Some(60 * TICKS_PER_SECOND);
        let config = Config::default().with_timeouts(timeouts);
        let (told, tells) = mpsc::channel();
        // The first connection is begun from here; the others follow from its events.
        let mut ports = PORTS;
        let rest = *PORTS.start() + FIRST..=*PORTS.end();
        let load = move |_| {
            let (told, ports) = (told.clone(), rest.clone());
            Load { plan, ports, begun: 1, opened: 0, failed: 0, told }
        };
        let start = Instant::now();
        let reactors = Builder::new().config(config).threads(1).start(load)?;
        let reactor = reactors.senders().first().cloned().ok_or("no reactor")?;
        reactor.run(move |reactor| {
            if connect(reactor, plan, &mut ports).is_err() {
                std::process::exit(1);
            }
        })?;
        let mut lost = 0;
        while let Ok(told) = tells.recv() {
            match told {
                Told::Ready { opened, failed } => {
                    println!("{opened} {failed} {}", start.elapsed().as_millis());
                    break;
                }
                Told::Lost => lost += 1,
                Told::Echo => {}
            }
        }
        for line in std::io::stdin().lines() {
            if let Some(count) = line?.strip_prefix("sample ") {
                let echoed = sample(&reactor, &tells, count.parse()?, &mut lost)?;
                println!("{echoed} {lost}");
            }
        }
        Ok(())
    }

    /// Sends one message on each of `count` connections, spread over all, and counts the echoes.
    fn sample(
        reactor: &Sender<()>,
        tells: &mpsc::Receiver<Told>,
        count: usize,
        lost: &mut u32,
    ) -> Result<usize, Box<dyn Error>> {
        reactor.run(move |reactor| {
            let step = (reactor.len() / count.max(1)).max(1);
            let tokens: Vec<_> = reactor.tokens().step_by(step).take(count).collect();
            for token in tokens {
                if let Some(mut conn) = reactor.conn(token) {
                    let _ = conn.send(b"sample");
                }
            }
        })?;
        let mut echoed = 0;
        while echoed < count {
            match tells.recv_timeout(Duration::from_secs(10)) {
                Ok(Told::Echo) => echoed += 1,
                Ok(Told::Lost) => *lost += 1,
                Ok(Told::Ready { .. }) => {}
                Err(_) => break,
            }
        }
        Ok(echoed)
    }
}

/// The process that starts the others and measures.
#[cfg(target_os = "linux")]
mod run {
    use std::error::Error;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, ChildStdout, Command, Stdio};
    use std::time::{Duration, Instant};
    use tightwire_epoll::limits;

    const USAGE: &str = "usage: million [CONNECTIONS] [--per-process N] [--hold SECONDS]";
    /// Ports that one source address has are some 28,000.
    const PER_SOURCE: u64 = 20_000;
    /// Descriptors that a process has besides its connections.
    const SPARE: u64 = 64;
    /// What the first connections cost contains what every server has once. The cost of one more is measured
    /// from here on.
    const FIRST: u64 = 2000;
    /// Client processes that open connections at a time.
    const PARALLEL: usize = 2;

    /// A process of ours. It ends with this.
    struct Process {
        child: Child,
        lines: BufReader<ChildStdout>,
    }

    impl Process {
        fn start(arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
            let mut command = Command::new(std::env::current_exe()?);
            let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let lines = BufReader::new(child.stdout.take().ok_or("no output")?);
            Ok(Self { child, lines })
        }

        fn line(&mut self) -> Result<String, Box<dyn Error>> {
            let mut line = String::new();
            self.lines.read_line(&mut line)?;
            Ok(line.trim_end().to_owned())
        }

        fn numbers(&mut self) -> Result<Vec<u64>, Box<dyn Error>> {
            let line = self.line()?;
            let numbers: Result<_, _> = line.split(' ').map(str::parse).collect();
            Ok(numbers.map_err(|_| format!("a process of ours said {line:?}"))?)
        }

        fn ask(&mut self, question: &str) -> Result<(), Box<dyn Error>> {
            let stdin = self.child.stdin.as_mut().ok_or("no input")?;
            Ok(writeln!(stdin, "{question}")?)
        }

        /// Octets of memory that the process has.
        fn memory(&self) -> Result<u64, Box<dyn Error>> {
            let path = format!("/proc/{}/smaps_rollup", self.child.id());
            Ok(1024 * number(&path, "Anonymous:")?)
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn number(path: &str, name: &str) -> Result<u64, Box<dyn Error>> {
        let text = std::fs::read_to_string(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("a number is missing")?;
        Ok(line.split_whitespace().next().ok_or("a number is missing")?.parse()?)
    }

    struct Options {
        connections: u64,
        per_process: u64,
        hold: u64,
    }

    fn options(first: Option<&str>, rest: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
        let hard = limits::raise_descriptors()?;
        // The kernel spreads connections over the servers by chance: some get a little more than others.
        let mut options =
            Options { connections: 10_000, per_process: (hard - hard / 16).min(1 << 20), hold: 0 };
        let most = hard.saturating_sub(SPARE);
        let mut arguments = first.map(str::to_owned).into_iter().chain(rest);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(USAGE);
            match argument.as_str() {
                "--per-process" => {
                    options.per_process = value()?.replace('_', "").parse::<u64>()?.clamp(1, most)
                }
                "--hold" => options.hold = value()?.parse()?,
                count => options.connections = count.replace('_', "").parse().map_err(|_| USAGE)?,
            }
        }
        Ok(options)
    }

    pub(crate) fn main(
        first: Option<&str>,
        rest: impl Iterator<Item = String>,
    ) -> Result<(), Box<dyn Error>> {
        let Options { connections, per_process, hold } = options(first, rest)?;
        let servers_needed = connections.div_ceil(per_process).max(1);
        let mut servers = vec![Process::start(&["serve"])?];
        let address = servers[0].line()?;
        while (servers.len() as u64) < servers_needed {
            let mut server = Process::start(&["serve", &address])?;
            server.line()?;
            servers.push(server);
        }
        println!("{servers_needed} server processes on {address}");
        let before: u64 = memory(&servers)?;
        let kernel_before = number("/proc/meminfo", "Slab:")?;

        // Some clients at a time, each from an address of its own.
        let each = per_process.min(PER_SOURCE);
        let start = Instant::now();
        let (mut clients, mut opened, mut failed, mut asked) = (Vec::new(), 0, 0, 0);
        let mut first = None;
        let mut opening = Vec::new();
        while asked < connections || !opening.is_empty() {
            let parallel = if first.is_none() { 1 } else { PARALLEL };
            while asked < connections && opening.len() < parallel {
                let count = if asked == 0 { FIRST } else { each }.min(each).min(connections - asked);
                let place = clients.len() + opening.len();
                let source = format!("127.0.{}.{}", 1 + place / 250, 1 + place % 250);
                opening.push(Process::start(&["load", &address, &source, &count.to_string()])?);
                asked += count;
            }
            let mut client = opening.remove(0);
            let numbers = client.numbers()?;
            opened += numbers.first().copied().unwrap_or(0);
            failed += numbers.get(1).copied().unwrap_or(0);
            clients.push(client);
            println!("{opened} open, {failed} failed, {:.1} s", start.elapsed().as_secs_f64());
            if first.is_none() {
                first = Some((opened, memory(&servers)?));
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        std::thread::sleep(Duration::from_secs(hold.max(1)));

        let after = memory(&servers)?;
        let user = after.saturating_sub(before) as f64 / opened.max(1) as f64;
        // Both ends are on this machine.
        let kernel = (number("/proc/meminfo", "Slab:")?.saturating_sub(kernel_before) * 1024) as f64
            / opened.max(1) as f64
            / 2.0;
        let mut held = 0;
        for server in &mut servers {
            server.ask("stats")?;
            held += server.numbers()?.first().copied().unwrap_or(0);
        }
        let (mut sampled, mut echoed, mut lost) = (0, 0, 0);
        for client in &mut clients {
            client.ask("sample 100")?;
            let numbers = client.numbers()?;
            sampled += 100;
            echoed += numbers.first().copied().unwrap_or(0);
            lost += numbers.get(1).copied().unwrap_or(0);
        }
        println!("connections          {opened} opened, {failed} failed, {held} held, {lost} lost");
        println!("user octets each     {user:.1}");
        if let Some((first, at_first)) = first.filter(|(first, _)| *first < opened) {
            let marginal = after.saturating_sub(at_first) as f64 / (opened - first) as f64;
            println!("user octets of more  {marginal:.1}, from {first} connections on");
        }
        println!("user octets in all   {after}, {before} of them before the first connection");
        println!("kernel octets each   {kernel:.0}");
        println!("connects per second  {:.0}, {seconds:.1} s in all", opened as f64 / seconds);
        println!("echoes sampled       {echoed} of {sampled}");
        if failed > 0 || lost > 0 || held < opened || echoed < sampled {
            return Err("not every connection was opened, held and echoed".into());
        }
        Ok(())
    }

    fn memory(servers: &[Process]) -> Result<u64, Box<dyn Error>> {
        servers.iter().map(Process::memory).sum()
    }
}
