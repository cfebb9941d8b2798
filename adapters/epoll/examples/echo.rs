//! An echo server: `echo [ADDR] [--threads N]`, by default on 127.0.0.1:9001 with one thread for each core.
//!
//! With feature `deflate` and option `--deflate` it compresses; see `deflate/mod.rs` for more options of that.
//! It echoes every message on any path and selects the first subprotocol that a client offers.

#[cfg(target_os = "linux")]
mod deflate;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use crate::deflate;
    use tightwire_epoll::tightwire::handshake::OriginPolicy;
    use tightwire_epoll::tightwire::handshake::server::Acceptance;
    use tightwire_epoll::tightwire::{Limits, Message};
    use tightwire_epoll::{Answer, Builder, Config, Conn, Handler, Opening, Sent, limits};

    struct Echo;

    impl Handler for Echo {
        type Session = ();

        fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
            let protocol = opening.request().protocols().next();
            let acceptance = Acceptance { protocol, ..Acceptance::default() };
            opening.accept(&OriginPolicy::Any, &acceptance)
        }

        fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
            // A client that does not read its echoes is not read from either.
            if let Ok(Sent::Buffered(_)) = conn.send(message) {
                conn.pause();
            }
        }

        fn drained(&mut self, conn: &mut Conn<'_, ()>) {
            conn.resume();
        }
    }

    pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let mut address = "127.0.0.1:9001".to_owned();
        let mut builder = Builder::new();
        let limits = Limits::DEFAULT.with_message(64 << 20).with_fragments(1 << 20);
        let mut config = Config::default().with_limits(limits);
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--threads" => {
                    builder = builder.threads(arguments.next().ok_or("--threads needs a number")?.parse()?);
                }
                option if deflate::take(&mut config, option, &mut arguments)? => {}
                option if option.starts_with('-') => {
                    return Err(format!("usage: echo [ADDR] [--threads N] {}", deflate::USAGE).into());
                }
                _ => address = argument,
            }
        }
        let _ = limits::raise_descriptors();
        let server = builder.config(config).listen(address.parse()?).start(|_| Echo)?;
        for address in server.addresses() {
            println!("echoing on ws://{address}/");
        }
        server.join()?;
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
