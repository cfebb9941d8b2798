//! Echo and broadcast on tightwire-epoll.

use super::Options;
use std::error::Error;
use tightwire_epoll::tightwire::deflate::Policy;
use tightwire_epoll::tightwire::handshake::OriginPolicy;
use tightwire_epoll::tightwire::handshake::server::Acceptance;
use tightwire_epoll::tightwire::{Limits, Message};
use tightwire_epoll::{Answer, Builder, Config, Conn, Handler, Opening, Sent};

const TOPIC: &str = "all";

struct Echo {
    broadcast: bool,
}

impl Handler for Echo {
    type Session = ();

    fn handshake(&mut self, opening: Opening<'_, ()>) -> Answer {
        opening.accept(&OriginPolicy::Any, &Acceptance::default())
    }

    fn open(&mut self, conn: &mut Conn<'_, ()>) {
        if self.broadcast {
            conn.subscribe(TOPIC);
        }
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        if self.broadcast {
            conn.reactor().publish(TOPIC, message);
        } else if let Ok(Sent::Buffered(_)) = conn.send(message) {
            // A client that does not read its echoes is not read from either.
            conn.pause();
        }
    }

    fn drained(&mut self, conn: &mut Conn<'_, ()>) {
        conn.resume();
    }
}

pub(super) fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    let mut config = Config::default().with_limits(Limits::DEFAULT.with_message(64 << 20));
    if options.deflate {
        config = config.with_compression(Policy::DEFAULT);
    }
    let builder = Builder::new().config(config).threads(1).listen(options.address);
    let server = builder.start(move |_| Echo { broadcast: options.broadcast })?;
    server.join()?;
    Ok(())
}
