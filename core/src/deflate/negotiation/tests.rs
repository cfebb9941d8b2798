use super::*;
use proptest::prelude::*;
use std::{format, string::String, vec::Vec};

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

fn agreement(server: (u8, bool), client: (u8, bool)) -> Agreement {
    Agreement { server: Terms::new(bits(server.0), server.1), client: Terms::new(bits(client.0), client.1) }
}

const OPEN: Policy = Policy::DEFAULT.with_takeover(true, true);

/// What a server answers, and what has been agreed.
fn answered(policy: Policy, values: &[&str]) -> Option<(String, Agreement)> {
    let answer = policy.answer(values).unwrap()?;
    Some((format!("{}", answer.header), answer.agreement))
}

#[test]
fn the_default_accepts_without_takeover() {
    let (header, agreed) =
        answered(Policy::default(), &["permessage-deflate; client_max_window_bits"]).unwrap();
    assert_eq!(header, "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    assert_eq!(agreed, agreement((15, false), (15, false)));
}

#[test]
fn windows_as_asked() {
    for asked in 8..=15 {
        let offer =
            format!("permessage-deflate; server_max_window_bits={asked}; client_max_window_bits=\"{asked}\"");
        let (header, agreed) = answered(OPEN, &[&offer]).unwrap();
        // RFC 7692 7.1.2.1: an offered bound is always answered, 15 as well
        let expected =
            format!("permessage-deflate; server_max_window_bits={asked}; client_max_window_bits={asked}");
        assert_eq!(header, expected);
        assert_eq!(agreed, agreement((asked, true), (asked, true)));
    }
}

#[test]
fn bounds_of_the_server_hold() {
    let policy = OPEN.with_windows(bits(10), bits(12));
    let (header, agreed) = answered(policy, &["permessage-deflate; client_max_window_bits"]).unwrap();
    assert_eq!(header, "permessage-deflate; server_max_window_bits=10; client_max_window_bits=12");
    assert_eq!(agreed, agreement((10, true), (12, true)));

    let offer = "permessage-deflate; client_max_window_bits=9; server_max_window_bits=15";
    let (header, agreed) = answered(policy, &[offer]).unwrap();
    assert_eq!(header, "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9");
    assert_eq!(agreed, agreement((10, true), (9, true)));

    // RFC 7692 7.1.2.2: a client that does not offer the parameter cannot be bound
    assert_eq!(answered(policy, &["permessage-deflate"]), None);
    assert_eq!(
        answered(policy, &["permessage-deflate, permessage-deflate; client_max_window_bits"]).unwrap().1,
        { agreement((10, true), (12, true)) }
    );
}

#[test]
fn takeover_ends_when_either_side_wants() {
    for (offer, server, client) in [
        ("permessage-deflate", true, true),
        ("permessage-deflate; server_no_context_takeover", false, true),
        ("permessage-deflate; client_no_context_takeover", true, false),
        ("permessage-deflate; client_no_context_takeover; server_no_context_takeover", false, false),
    ] {
        for (server_allows, client_allows) in [(false, false), (false, true), (true, false), (true, true)] {
            let policy = Policy::DEFAULT.with_takeover(server_allows, client_allows);
            let (header, agreed) = answered(policy, &[offer]).unwrap();
            let (server, client) = (server && server_allows, client && client_allows);
            assert_eq!(agreed, agreement((15, server), (15, client)));
            assert_eq!(header.contains(SERVER_NO_CONTEXT_TAKEOVER), !server);
            assert_eq!(header.contains(CLIENT_NO_CONTEXT_TAKEOVER), !client);
        }
    }
}

/// Parameters that decline an offer and fail an answer. RFC 7692 7.1.
const BAD: &[&str] = &[
    "unknown",
    "unknown=1",
    "Server_no_context_takeover",
    "server_no_context_takeover=1",
    "server_no_context_takeover=\"true\"",
    "server_no_context_takeover; server_no_context_takeover",
    "client_no_context_takeover=0",
    "client_no_context_takeover; client_no_context_takeover",
    "server_max_window_bits",
    "server_max_window_bits=7",
    "server_max_window_bits=16",
    "server_max_window_bits=0",
    "server_max_window_bits=08",
    "server_max_window_bits=010",
    "server_max_window_bits=\"08\"",
    "server_max_window_bits=100",
    "server_max_window_bits=18446744073709551624",
    "server_max_window_bits=+9",
    "server_max_window_bits=9a",
    "server_max_window_bits=1a",
    "server_max_window_bits=-9",
    "server_max_window_bits=9; server_max_window_bits=9",
    "client_max_window_bits=7",
    "client_max_window_bits=16",
    "client_max_window_bits=08",
    "client_max_window_bits=x",
    "client_max_window_bits=10; client_max_window_bits",
];

#[test]
fn a_bad_parameter_declines_its_offer_and_the_next_is_tried() {
    for bad in BAD {
        let alone = format!("permessage-deflate; {bad}");
        assert_eq!(answered(OPEN, &[&alone]), None, "{bad}");

        let last = "permessage-deflate; server_max_window_bits=9";
        let in_line = format!("x-other, {alone}, {last}");
        let by_line = [&*alone, "x-other; a=b", last, "permessage-deflate; server_max_window_bits=10"];
        let one = answered(OPEN, &[&in_line]).unwrap();
        assert_eq!(one.1, agreement((9, true), (15, true)), "{bad}");
        assert_eq!(answered(OPEN, &by_line), Some(one), "{bad}");
    }
}

#[test]
fn nothing_offered_is_nothing_answered() {
    for values in
        [&[][..], &[""], &["x-webkit-deflate-frame"], &["permessage-bzip2; a", "Permessage-deflate"]]
    {
        assert_eq!(answered(OPEN, values), None);
    }
}

#[test]
fn a_broken_grammar_fails_both_ends_wherever_it_stands() {
    for values in [["permessage-deflate", "foo;"], ["a/b", "permessage-deflate"]] {
        assert_eq!(OPEN.answer(values).err(), Some(NegotiationError::Malformed));
    }
    assert_eq!(OPEN.verify(["permessage-deflate", ";"]).err(), Some(NegotiationError::Malformed));
}

#[test]
fn quoted_and_escaped_values() {
    let offer = "permessage-deflate; server_max_window_bits=\"1\\2\"; client_max_window_bits=\"8\"";
    assert_eq!(answered(OPEN, &[offer]).unwrap().1, agreement((12, true), (8, true)));
}

#[test]
fn what_a_client_offers() {
    assert_eq!(OPEN.offer().as_str(), "permessage-deflate; client_max_window_bits");
    let longest = Policy::DEFAULT.with_windows(bits(14), bits(13)).offer();
    assert_eq!(
        longest.as_str(),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=14; client_max_window_bits=13"
    );
    assert_eq!(longest.as_bytes().len(), HeaderValue::CAPACITY);
}

#[test]
fn a_client_takes_an_answer_that_fits() {
    let verify = |policy: Policy, answer: &str| policy.verify([answer]).unwrap().unwrap();
    assert_eq!(OPEN.verify([""; 0]), Ok(None));
    assert_eq!(verify(OPEN, "permessage-deflate"), agreement((15, true), (15, true)));
    // RFC 7692 7.1.1, 7.1.2.1: these may be answered without having been offered
    let answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8";
    assert_eq!(verify(OPEN, answer), agreement((8, false), (15, false)));
    assert_eq!(
        verify(OPEN, "permessage-deflate;client_max_window_bits=\"11\""),
        agreement((15, true), (11, true))
    );
    // What the client has said of its own messages was a hint: it keeps to it.
    let hinting = OPEN.with_takeover(true, false).with_windows(bits(15), bits(10));
    assert_eq!(verify(hinting, "permessage-deflate"), agreement((15, true), (10, false)));
    assert_eq!(
        verify(hinting, "permessage-deflate; client_max_window_bits=12"),
        agreement((15, true), (10, false))
    );
}

#[test]
fn a_client_refuses_an_answer_that_does_not_fit() {
    let bad = Err(NegotiationError::BadParameter);
    for parameter in BAD {
        assert_eq!(OPEN.verify([format!("permessage-deflate; {parameter}")]), bad, "{parameter}");
    }
    // RFC 7692 7.1.2.2: valued in a response
    assert_eq!(OPEN.verify(["permessage-deflate; client_max_window_bits"]), bad);
    // RFC 7692 7.1.1.1 and 7.1.2.1: what was asked of the server's messages must be answered
    assert_eq!(Policy::DEFAULT.verify(["permessage-deflate"]), bad);
    let bounded = OPEN.with_windows(bits(10), bits(15));
    assert_eq!(bounded.verify(["permessage-deflate"]), bad);
    assert_eq!(bounded.verify(["permessage-deflate; server_max_window_bits=11"]), bad);
    assert!(bounded.verify(["permessage-deflate; server_max_window_bits=10"]).is_ok());

    // Another extension is another's to judge.
    assert!(OPEN.verify(["x-other; a", "permessage-deflate"]).unwrap().is_some());
    assert_eq!(OPEN.verify(["permessage-deflate, permessage-deflate"]), Err(NegotiationError::Repeated));
}

#[test]
fn through_the_opening_handshake() {
    use crate::handshake::{OriginPolicy, Slot, client, server};
    const HEADER: &str = "Sec-WebSocket-Extensions";

    for (policy, agreed) in [(Policy::DEFAULT, (15, false)), (OPEN.with_windows(bits(9), bits(9)), (9, true))]
    {
        let nonce = [7; 16];
        let offered = policy.offer();
        let offer = client::Offer::new("example.com", "/").with_extensions(offered.as_str());
        let (mut request, mut response) = ([0; 1024], [0; 1024]);
        let length = offer.write(nonce, &mut request).unwrap();

        let mut slots = [Slot::EMPTY; 16];
        let parsed = server::Request::parse(&request[..length], &mut slots).unwrap();
        let upgrade = parsed.check(&OriginPolicy::SameHost).unwrap();
        let answer = policy.answer(upgrade.request().values(HEADER)).unwrap().unwrap();
        let acceptance =
            server::Acceptance { extensions: Some(answer.header.as_str()), ..server::Acceptance::default() };
        let length = upgrade.accept(&acceptance, &mut response).unwrap();

        let mut slots = [Slot::EMPTY; 16];
        let parsed = client::Response::parse(&response[..length], &mut slots).unwrap();
        let accepted = offer.verify(&parsed, nonce).unwrap();
        let verified = policy.verify(accepted.response().values(HEADER)).unwrap();
        assert_eq!(verified, Some(answer.agreement));
        assert_eq!(verified, Some(agreement(agreed, agreed)));
    }
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (any::<bool>(), any::<bool>(), 8..=15u8, 8..=15u8).prop_map(
        |(server, client, server_bits, client_bits)| {
            Policy::DEFAULT.with_takeover(server, client).with_windows(bits(server_bits), bits(client_bits))
        },
    )
}

proptest! {
    /// Both ends come to the same terms, and neither is given more than it allows.
    #[test]
    fn our_ends_agree(client in any_policy(), server in any_policy()) {
        let answer = server.answer([client.offer()]).unwrap().unwrap();
        let agreed = client.verify([answer.header]).unwrap().unwrap();
        prop_assert_eq!(agreed, answer.agreement);
        for policy in [client, server] {
            prop_assert!(agreed.server.window() <= policy.server_window);
            prop_assert!(agreed.client.window() <= policy.client_window);
            prop_assert!(policy.server_takeover || !agreed.server.takeover());
            prop_assert!(policy.client_takeover || !agreed.client.takeover());
        }
    }

    /// However offers are spread over header fields, the choice is the same.
    #[test]
    fn lines_are_one_list(offers in proptest::collection::vec(0..BAD.len() + 3, 0..6), at in 0..6usize) {
        let offers: Vec<String> = offers.iter().map(|&index| match BAD.get(index) {
            Some(bad) => format!("permessage-deflate; {bad}"),
            None => format!("permessage-deflate; server_max_window_bits={}", index - BAD.len() + 8),
        }).collect();
        let (front, back) = offers.split_at(at.min(offers.len()));
        let whole = OPEN.answer([offers.join(", ")]).unwrap().map(|answer| answer.agreement);
        let split = OPEN.answer([front.join(","), back.join(" , ")]).unwrap().map(|answer| answer.agreement);
        prop_assert_eq!(whole, split);
    }
}
