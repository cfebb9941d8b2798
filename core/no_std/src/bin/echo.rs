//! A server and a client in lent memory: opening handshake, echo of a text and a binary message, a Ping, the
//! closing handshake. No std, no allocator, no operating system but for the exit status.
#![no_std]
#![no_main]

use tightwire::handshake::client::{Offer, Response};
use tightwire::handshake::server::{Acceptance, Request};
use tightwire::handshake::{HeadLimits, HeadScanner, OriginPolicy, Slot};
use tightwire::{
    Client, CloseCode, CloseFrame, Connection, Inbox, KeySource, Limits, Message, Output, Progress, Role,
};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// What the C library starts. 42: every octet was right; else the number of the step that went wrong.
#[allow(unsafe_code)] // the name is all that the start of a C program knows
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    match run() {
        Ok(()) => 42,
        Err(step) => step,
    }
}

/// For this program any keys will do. Real ones come from a generator seeded by hardware (RFC 6455 10.3).
struct Counter(u32);

impl KeySource for Counter {
    fn mask_key(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_mul(0x9E37_79B9).wrapping_add(1);
        self.0.to_be_bytes()
    }
}

type End<R> = (Connection<R>, Inbox<[u8; 256]>);

fn run() -> Result<(), i32> {
    shake_hands()?;
    let mut server: End<_> = (Connection::server(), Inbox::new([0; 256]));
    let mut client: End<Client<Counter>> = (Connection::client(Counter(1)), Inbox::new([0; 256]));
    for message in [Message::from("gr\u{fc}n"), Message::from(&[0, 255, 3]), Message::from("")] {
        let mut memory = [0; 256];
        let mut out = Output::new(&mut memory);
        client.0.ping(b"alive?", &mut out).map_err(|_| 10)?;
        client.0.encode(message, &mut out).map_err(|_| 11)?;
        let (mut replies, mut echo) = ([0; 256], 0);
        for octet in out.written() {
            // One octet at a time, as a slow line brings them.
            let mut out = Output::with_written(&mut replies, echo);
            if let Some(Progress::Message) = receive(&mut server, &[*octet], &mut out)? {
                let received = server.1.message().ok_or(12)?;
                server.0.encode(received, &mut out).map_err(|_| 13)?;
            }
            echo = out.len();
        }
        let mut none = Output::new(&mut []);
        let replies = replies.get(..echo).ok_or(14)?;
        if receive(&mut client, replies, &mut none)? != Some(Progress::Pong)
            || client.1.control() != b"alive?"
        {
            return Err(15);
        }
        if receive(&mut client, &[], &mut none)? != Some(Progress::Message) {
            return Err(16);
        }
        if client.1.message() != Some(message) {
            return Err(17);
        }
    }
    close(&mut server, &mut client)
}

/// Puts octets into an inbox and polls it: what came first, or nothing.
fn receive<R: Role>(end: &mut End<R>, octets: &[u8], out: &mut Output<'_>) -> Result<Option<Progress>, i32> {
    let (connection, inbox) = end;
    if inbox.extend(octets) < octets.len() {
        return Err(20);
    }
    match inbox.poll(&mut connection.decoder(out, &Limits::DEFAULT)) {
        Ok(Progress::NeedInput) => Ok(None),
        Ok(progress) => Ok(Some(progress)),
        Err(_) => Err(21),
    }
}

fn shake_hands() -> Result<(), i32> {
    let (nonce, mut request, mut response) = ([7; 16], [0; 512], [0; 512]);
    let offer = Offer::new("example.com", "/chat").with_protocols(&["echo"]);
    let length = offer.write(nonce, &mut request).map_err(|_| 30)?;
    let request = request.get(..length).ok_or(31)?;

    let mut scanner = HeadScanner::new();
    let head = scanner.scan(request, &HeadLimits::DEFAULT).map_err(|_| 32)?.ok_or(33)?;
    let mut slots = [Slot::EMPTY; 16];
    let request = Request::parse(request.get(..head).ok_or(34)?, &mut slots).map_err(|_| 35)?;
    let upgrade = request.check(&OriginPolicy::SameHost).map_err(|_| 36)?;
    let acceptance =
        Acceptance { protocol: upgrade.request().client_choice(&["echo"]), ..Acceptance::default() };
    let length = upgrade.accept(&acceptance, &mut response).map_err(|_| 37)?;

    let mut slots = [Slot::EMPTY; 16];
    let response = Response::parse(response.get(..length).ok_or(38)?, &mut slots).map_err(|_| 39)?;
    let accepted = offer.verify(&response, nonce).map_err(|_| 40)?;
    if accepted.protocol() == Some("echo") { Ok(()) } else { Err(41) }
}

fn close<R: Role, S: Role>(server: &mut End<R>, client: &mut End<S>) -> Result<(), i32> {
    let (mut first, mut second) = ([0; 16], [0; 16]);
    let mut out = Output::new(&mut first);
    let frame = CloseFrame { code: CloseCode::NORMAL, reason: "done" };
    client.0.close(Some(frame), &mut out).map_err(|_| 50)?;
    let mut answer = Output::new(&mut second);
    if receive(server, out.written(), &mut answer)? != Some(Progress::Close)
        || server.1.close_frame() != Some(frame)
    {
        return Err(51);
    }
    if receive(client, answer.written(), &mut Output::new(&mut []))? != Some(Progress::Close) {
        return Err(52);
    }
    if server.0.is_finished() && client.0.is_finished() { Ok(()) } else { Err(53) }
}
