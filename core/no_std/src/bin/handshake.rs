//! Parsed heads, and all that can be done with them. httparse splits them, and it has a panic that the compiler cannot
//! prove unreachable. So this program links, and `check` looks at who can reach a panic in it.
#![no_std]
#![no_main]

use core::hint::black_box;
use tightwire::handshake::client::{Offer, Response};
use tightwire::handshake::server::{Acceptance, Request};
use tightwire::handshake::{OriginPolicy, Slot};

/// Stays a function of its own, so that whoever can panic is seen to call something.
#[inline(never)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// What the C library starts. 42 says that it ran to its end.
#[allow(unsafe_code)] // the name is all that the start of a C program knows
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    let memory = black_box([b'G'; 600]);
    let Some(input) = memory.get(..black_box(600)) else { return 1 };
    server(input);
    client(input);
    42
}

fn server(head: &[u8]) {
    let mut out = black_box([0; 512]);
    let mut slots = [Slot::EMPTY; 16];
    let Ok(request) = Request::parse(head, &mut slots) else { return };
    black_box((request.path(), request.query(), request.host(), request.origin()));
    black_box((request.client_choice(&["a", "b"]), request.server_choice(&["a", "b"])));
    for extension in request.extensions() {
        for param in extension.params() {
            black_box(param);
        }
    }
    for header in request.headers() {
        black_box(header);
    }
    for policy in [OriginPolicy::SameHost, OriginPolicy::AllowList(&["https://a"]), OriginPolicy::Any] {
        if let Ok(upgrade) = request.check(&policy) {
            let acceptance = Acceptance {
                protocol: black_box(Some("a")),
                extensions: black_box(None),
                headers: black_box(&[("X-A", "b")]),
            };
            let _ = black_box(upgrade.accept(&acceptance, &mut out));
        }
    }
}

fn client(head: &[u8]) {
    let offer = Offer::new(black_box("example.com"), black_box("/")).with_protocols(black_box(&["a", "b"]));
    let mut slots = [Slot::EMPTY; 16];
    if let Ok(response) = Response::parse(head, &mut slots)
        && let Ok(accepted) = offer.verify(&response, black_box([9; 16]))
    {
        black_box((accepted.protocol(), accepted.extensions().count(), accepted.response().reason()));
    }
}
