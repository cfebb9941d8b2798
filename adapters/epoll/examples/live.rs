//! A chat in the browser with live numbers: `live [ADDR]`, by default on 127.0.0.1:9001.
//!
//! One process serves the page over HTTP, and the chat and the numbers over its own WebSocket.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;
    use tightwire_epoll::tightwire::handshake::OriginPolicy;
    use tightwire_epoll::tightwire::handshake::server::{Acceptance, Response};
    use tightwire_epoll::tightwire::{CloseCode, Message};
    use tightwire_epoll::{Answer, Builder, Closed, Conn, Handler, Opening, limits};

    const PAGE: &str = include_str!("live.html");
    /// Everybody is subscribed to this.
    const TOPIC: &str = "live";
    /// Octets of one line of chat.
    const LINE_MAX: usize = 2000;

    struct Live {
        /// Guests so far, on all threads.
        guests: Arc<AtomicU32>,
    }

    /// A guest's number: all that this application keeps for a connection.
    type Guest = u32;

    impl Handler for Live {
        type Session = Guest;

        fn handshake(&mut self, opening: Opening<'_, Guest>) -> Answer {
            let html = &[("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")];
            match opening.request().path() {
                "/live" => opening.accept(&OriginPolicy::SameHost, &Acceptance::default()),
                "/" => opening.respond(&Response::new(200).with_headers(html).with_body(PAGE.as_bytes())),
                "/health" => opening.respond(&Response::new(204)),
                _ => opening.respond(&Response::new(404).with_body(b"not here\n")),
            }
        }

        fn open(&mut self, conn: &mut Conn<'_, Guest>) {
            let guest = self.guests.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            *conn.session() = guest;
            let _ = conn.send(format!("you\nguest {guest}").as_str());
            conn.subscribe(TOPIC);
            conn.reactor().publish(TOPIC, format!("note\nguest {guest} is here").as_str());
        }

        fn message(&mut self, conn: &mut Conn<'_, Guest>, message: Message<'_>) {
            match message.as_str() {
                Some(text) if text.len() <= LINE_MAX => {
                    let line = format!("chat\nguest {}\n{text}", conn.session());
                    conn.reactor().publish(TOPIC, line.as_str());
                }
                _ => {
                    let _ = conn.close(CloseCode::POLICY_VIOLATION, "short texts only");
                }
            }
        }

        fn close(&mut self, conn: &mut Conn<'_, Guest>, _: Closed<'_>) {
            let note = format!("note\nguest {} is gone", conn.session());
            conn.reactor().publish(TOPIC, note.as_str());
        }
    }

    pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
        let _ = limits::raise_descriptors();
        let guests = Arc::new(AtomicU32::new(0));
        let server =
            Builder::new().listen(address.parse()?).start(move |_| Live { guests: guests.clone() })?;
        for address in server.addresses() {
            println!("open http://{address}/ in a browser, or in two");
        }
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let stats = server.stats();
            let text = format!(
                "stats\nopen={}\nreceived={}\nsent={}\nbuffers={}\noctets={}\nmemory={}",
                stats.open,
                stats.messages_received,
                stats.messages_sent,
                stats.buffers,
                Conn::<Guest>::IDLE_OCTETS,
                memory()
            );
            server.publish(TOPIC, text)?;
        }
    }

    /// Octets of memory that this process has touched.
    fn memory() -> u64 {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
        pages * 4096
    }
}
