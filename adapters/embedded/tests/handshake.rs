//! Opening handshakes in lent memory: what is accepted, what is refused and with which words, and what fits.

mod common;

use common::{CONFIG, Keys, Pipe, REQUEST, RESPONSE, block_on};
use core::cell::Cell;
use embedded_io::ErrorKind;
use tightwire_embedded::client::{AnswerError, Offer, OfferError};
use tightwire_embedded::handshake::HandshakeError;
use tightwire_embedded::handshake::server::ResponseError;
use tightwire_embedded::{
    Acceptance, Answered, Buffers, Inline, OpenError, Opening, OriginPolicy, Request, Responder, Response,
    Slices, Slot, TRANSMIT_MIN, TooSmall, asynch, blocking,
};

type Verdict = Result<(), OpenError<ErrorKind>>;

/// What a server answers to `request`, in so much memory.
fn answer_in(
    request: &[u8],
    [receive, transmit, slots]: [usize; 3],
    origins: &OriginPolicy<'_>,
    decide: impl Fn(&Request<'_, '_>, Responder<'_>) -> Answered,
) -> (Verdict, String) {
    let mut results = Vec::new();
    for most in [1, 7, 10_000] {
        let (mut receive, mut transmit) = (vec![0xEE; receive], vec![0xEE; transmit]);
        let mut slots = vec![Slot::EMPTY; slots];
        let mut pipe = Pipe::new(request).in_pieces(most);
        let buffers = Slices::new(&mut receive, &mut transmit).unwrap();
        let opening = Opening::new(&mut pipe, buffers, &mut slots).with_config(&CONFIG);
        let verdict = blocking::accept_with(opening, origins, &decide).map(|_| ());
        assert_eq!(pipe.unflushed, 0);
        results.push((verdict, String::from_utf8(pipe.output).unwrap()));
        let mut pipe = Pipe::new(request).in_pieces(most).waiting();
        let buffers = Slices::new(&mut receive, &mut transmit).unwrap();
        let opening = Opening::new(&mut pipe, buffers, &mut slots).with_config(&CONFIG);
        let verdict = block_on(asynch::accept_with(opening, origins, &decide)).map(|_| ());
        results.push((verdict, String::from_utf8(pipe.output).unwrap()));
    }
    let first = results.remove(0);
    assert!(results.iter().all(|result| *result == first), "{first:?} {results:?}");
    first
}

fn accept(_: &Request<'_, '_>, responder: Responder<'_>) -> Answered {
    responder.accept(&Acceptance::default())
}

fn answer(request: &str) -> (Verdict, String) {
    answer_in(request.as_bytes(), [400, TRANSMIT_MIN, 8], &OriginPolicy::SameHost, accept)
}

fn request() -> String {
    String::from_utf8(REQUEST.to_vec()).unwrap()
}

// RFC 6455 1.3: the example
#[test]
fn the_answer_fits_the_least_storage() {
    let (verdict, response) = answer(&request());
    assert_eq!(verdict, Ok(()));
    assert_eq!(response.len(), 129);
    assert_eq!(response.as_bytes(), RESPONSE);
}

#[test]
fn refusals_fit_the_least_storage() {
    for (bad, status) in [
        (
            request().replacen("GET", "PUT", 1),
            "405 Method Not Allowed\r\nConnection: close\r\nAllow: GET\r\n",
        ),
        (request().replace("websocket", "h2c"), "426 Upgrade Required\r\n"),
        (request().replace(": 13", ": 8"), "426 Upgrade Required\r\n"),
        (request().replace("Host", "Hose"), "400 Bad Request\r\n"),
        (request().replace("http://server", "http://evil"), "403 Forbidden\r\n"),
        (request().replace("HTTP/1.1", "HTTP/1.0"), "505 HTTP Version Not Supported\r\n"),
        (request().replace("Origin:", "Origin"), "400 Bad Request\r\n"),
        (request().replace("\r\n\r\n", &"\r\nA: b".repeat(99)), "431 Request Header Fields Too Large\r\n"),
        (
            request().replace("\r\n\r\n", "\r\nA: b\r\nA: b\r\n\r\n"),
            "431 Request Header Fields Too Large\r\n",
        ),
        (request().replace("/chat", &"/chat".repeat(99)), "414 URI Too Long\r\n"),
    ] {
        let (verdict, response) = answer(&bad);
        let Err(OpenError::Request(error)) = verdict else { panic!("{verdict:?} {bad}") };
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{response}");
        assert!(response.contains(&error.status().to_string()) && response.ends_with("\r\n\r\n"));
        // With room for it the response says why.
        let small = [400, 400, 8];
        let (_, response) = answer_in(bad.as_bytes(), small, &OriginPolicy::SameHost, accept);
        assert!(response.ends_with(&format!("\r\n\r\n{error}\n")), "{response}");
    }
}

#[test]
fn the_application_answers_as_it_likes() {
    let room = [400, 400, 8];
    let lists = ["superchat", "chat"];
    let (verdict, response) = answer_in(
        REQUEST,
        room,
        &OriginPolicy::Any,
        |request: &Request<'_, '_>, responder: Responder<'_>| {
            assert_eq!((request.path(), request.text("host")), ("/chat", Some("server.example.com")));
            let number = request.headers().count().to_string();
            let protocol = request.client_choice(&lists);
            let headers = [("X-Headers", number.as_str())];
            responder.accept(&Acceptance { protocol, headers: &headers, ..Acceptance::default() })
        },
    );
    assert_eq!(verdict, Ok(()));
    assert!(response.contains("\r\nSec-WebSocket-Protocol: chat\r\nX-Headers: 7\r\n\r\n"), "{response}");

    let (verdict, response) = answer_in(REQUEST, room, &OriginPolicy::Any, |_, responder: Responder<'_>| {
        responder.refuse(&Response::new(401).with_headers(&[("WWW-Authenticate", "Basic")]))
    });
    assert_eq!(verdict, Err(OpenError::Refused(401)));
    assert!(response.starts_with("HTTP/1.1 401 ") && response.contains("\r\nWWW-Authenticate: Basic\r\n"));

    // A plain request, which is no upgrade
    let plain = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
    let (verdict, response) =
        answer_in(plain, room, &OriginPolicy::Any, |request, responder: Responder<'_>| {
            assert!(!request.wants_websocket());
            responder.refuse(&Response::new(200).with_body(b"well"))
        });
    assert_eq!(verdict, Err(OpenError::Refused(200)));
    assert!(response.ends_with("\r\n\r\nwell"));
}

#[test]
fn an_answer_that_cannot_be_sent_is_a_500() {
    for (acceptance, error) in [
        (
            Acceptance { headers: &[("X-Long", "0123456789")], ..Acceptance::default() },
            ResponseError::NeedsSpace(149),
        ),
        (Acceptance { protocol: Some("other"), ..Acceptance::default() }, ResponseError::ProtocolNotOffered),
        (Acceptance { headers: &[("Upgrade", "x")], ..Acceptance::default() }, ResponseError::ReservedHeader),
    ] {
        let least = [400, TRANSMIT_MIN, 8];
        let (verdict, response) =
            answer_in(REQUEST, least, &OriginPolicy::Any, |_, responder: Responder<'_>| {
                responder.accept(&acceptance)
            });
        assert_eq!(verdict, Err(OpenError::Response(error)));
        assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    }
}

#[test]
fn an_end_in_mid_request_is_an_end() {
    for end in [0, 1, 100, REQUEST.len() - 1] {
        let (verdict, response) =
            answer_in(&REQUEST[..end], [400, TRANSMIT_MIN, 8], &OriginPolicy::Any, accept);
        assert_eq!((verdict, response), (Err(OpenError::Ended), String::new()));
    }
}

// A peer that sends an octet now and then does not hold the connection for ever
#[test]
fn a_slow_request_is_a_408() {
    let ticks = Cell::new(0);
    let mut pipe = Pipe::new(REQUEST).in_pieces(1);
    let mut slots = [Slot::EMPTY; 8];
    // Each look at the clock is 100 ms later, and the handshake may take 10 s.
    let opening = Opening::new(&mut pipe, Inline::<400, 131>::inline(), &mut slots).with_clock(|| {
        ticks.set(ticks.get() + 100);
        ticks.get()
    });
    let verdict = blocking::accept(opening, &OriginPolicy::Any).map(|_| ());
    assert_eq!(verdict, Err(OpenError::Timeout));
    assert!(pipe.output.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"));
}

/// What a client makes of `response`.
fn offer<'o>(response: &str, offer: &Offer<'o>) -> (Result<Option<&'o str>, OpenError<ErrorKind>>, usize) {
    let seen = Cell::new(0);
    let mut slots = [Slot::EMPTY; 8];
    let pipe = Pipe::new(response.as_bytes()).in_pieces(9);
    let opening = Opening::new(pipe.clone(), Inline::<300, 300>::inline(), &mut slots);
    let look = |response: &tightwire_embedded::client::Response<'_, '_>| seen.set(response.headers().count());
    let opened = blocking::connect_with(opening, offer, Keys::default(), look);
    let opening = Opening::new(pipe.waiting(), Inline::<300, 300>::inline(), &mut slots);
    let again = block_on(asynch::connect(opening, offer, Keys::default()));
    let verdict = opened.map(|(_, protocol)| protocol);
    assert_eq!(again.map(|(_, protocol)| protocol), verdict);
    (verdict, seen.get())
}

#[test]
fn a_client_verifies_the_answer() {
    let response = String::from_utf8(RESPONSE.to_vec()).unwrap();
    let plain = Offer::new("server.example.com", "/chat");
    let protocols = plain.with_protocols(&["chat", "superchat"]);
    assert_eq!(offer(&response, &plain), (Ok(None), 3));
    let chosen = response.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: superchat\r\n\r\n");
    assert_eq!(offer(&chosen, &protocols), (Ok(Some("superchat")), 4));
    let refused = OpenError::Answer(AnswerError::ProtocolNotOffered);
    assert_eq!(offer(&chosen, &plain), (Err(refused), 4));
    let wrong = response.replace("s3pP", "s4pP");
    assert_eq!(offer(&wrong, &plain).0, Err(OpenError::Answer(AnswerError::InvalidAccept)));
    let moved = "HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\n\r\n";
    assert_eq!(offer(moved, &plain), (Err(OpenError::Answer(AnswerError::Status(302))), 1));
    let malformed = OpenError::Answer(AnswerError::Head(HandshakeError::InvalidHeader));
    assert_eq!(offer("HTTP/1.1 101 x\r\nA\r\n\r\n", &plain).0, Err(malformed));
    assert_eq!(offer(&response[..40], &plain).0, Err(OpenError::Ended));
}

#[test]
fn a_request_needs_room() {
    let mut slots = [Slot::EMPTY; 8];
    let mut pipe = Pipe::new(RESPONSE);
    let opening = Opening::new(&mut pipe, Inline::<300, 131>::inline(), &mut slots);
    let offer = Offer::new("server.example.com", "/chat");
    let opened = blocking::connect(opening, &offer, Keys::default()).map(|_| ());
    assert_eq!(opened, Err(OpenError::Offer(OfferError::NeedsSpace(161))));
    assert_eq!(pipe.output, b"");
}

#[test]
fn octets_from_elsewhere_must_fit() {
    let buffers = Buffers::new([0; 131], [0; 131]).unwrap();
    let opening = Opening::new(Pipe::new(b""), buffers, &mut []);
    let adopted = blocking::adopt(opening, tightwire_embedded::Connection::server(), &[0; 132]).map(|_| ());
    assert_eq!(adopted, Err(TooSmall::Receive));
}
