//! permessage-deflate between two connections over a transport in memory: agreed on, in both directions, whole and
//! streamed, cut and dropped anywhere, within the limits, and in no more memory than is said.

mod common;

use common::*;
use std::pin::pin;
use std::sync::Arc;
use tightwire::deflate::Agreement;
use tightwire::handshake::OriginPolicy;
use tightwire::handshake::client::Offer;
use tightwire::{CloseCode, Connection, Kind, Limits, Message, Violation};
use tightwire_async::compression::{Codecs, Effort, Level, Policy, Terms, WindowBits};
use tightwire_async::{Config, Error, OpenError, PreparedMessage, WebSocket, accept, open, tightwire};

const ALWAYS: Effort = Effort::DEFAULT.with_threshold(0);
const COMPRESSED: u8 = 0x40;

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

fn agreed(window: u8, takeover: bool) -> Agreement {
    let terms = Terms::new(bits(window), takeover);
    Agreement { server: terms, client: terms }
}

fn server_with(io: End, config: &Arc<Config>, agreement: Agreement) -> ServerSocket {
    WebSocket::new(io, Connection::server().with_compression(agreement), &[], config.clone())
}

fn client_with(io: End, config: &Arc<Config>, agreement: Agreement) -> ClientSocket {
    let connection = Connection::client(Keys::default()).with_compression(agreement);
    WebSocket::new(io, connection, &[], config.clone())
}

/// Words, some of which come again.
fn prose(random: &mut Random, length: usize) -> String {
    const WORDS: [&str; 8] =
        ["window ", "octet ", "äußerst ", "message ", "流れる ", "of ", "{\"a\":", "0.25, "];
    let mut text = String::new();
    while text.len() < length {
        text.push_str(WORDS[random.below(WORDS.len())]);
        if random.below(5) == 0 {
            text.push(char::from(b'a' + random.below(26) as u8));
        }
    }
    text
}

#[test]
fn both_roles_echo_messages_of_every_size_on_all_terms() {
    let mut round = 0;
    for (window, takeover) in [(8, false), (8, true), (9, true), (12, true), (15, false), (15, true)] {
        for (level, buffer) in [(Level::Fastest, 64 << 10), (Level::Balanced, 300)] {
            for pace in [Pace::Free, Pace::Random(Random::new(7))] {
                round += 1;
                let (near, far, wire) = pair();
                wire.input.set_pace(&pace);
                wire.output.set_pace(&pace);
                let mut config = small(buffer).with_effort(ALWAYS.with_level(level));
                // Larger ones go in pieces.
                config.fragment = 20_000;
                let config = Arc::new(config);
                let agreement = agreed(window, takeover);
                let mut server = server_with(near, &config, agreement);
                let mut client = client_with(far, &config, agreement);
                assert_eq!((server.compression(), client.compression()), (Some(agreement), Some(agreement)));
                let mut executor = Executor::new(round);
                executor.spawn(async move {
                    while let Some((message, mut sender)) = server.recv_with_sender().await.unwrap() {
                        sender.feed(message).await.unwrap();
                    }
                });
                let checked = executor.spawn(async move {
                    let mut random = Random::new(round);
                    for size in [0, 1, 40, 300, 5000, 66_000, 100, 3000] {
                        let text = prose(&mut random, size);
                        client.send(text.as_str()).await.unwrap();
                        assert_eq!(client.recv().await.unwrap().unwrap().as_str(), Some(text.as_str()));
                        // What does not become smaller goes as it is, and later messages do not refer to it.
                        let noise = random.octets(size);
                        client.send(&noise[..]).await.unwrap();
                        assert_eq!(client.recv().await.unwrap(), Some(Message::Binary(&noise)), "{size}");
                    }
                    client.close(CloseCode::NORMAL, "").await.unwrap();
                });
                executor.run();
                checked.output();
                assert_eq!(config.codecs.windows(), 0, "all is given back");
            }
        }
    }
}

// RFC 7692 7.2.3.2: with takeover a message refers to the one before
#[test]
fn takeover_makes_a_repeated_message_small() {
    let text = prose(&mut Random::new(3), 400);
    let mut sizes = Vec::new();
    for takeover in [false, true] {
        let config = Arc::new(untimed());
        let (near, wire) = raw();
        let mut server = server_with(near, &config, agreed(15, takeover));
        for _ in 0..2 {
            block_on(server.send(text.as_str())).unwrap();
        }
        let sent = frames(&wire.take());
        assert!(sent.iter().all(|(first, _)| *first == TEXT | COMPRESSED));
        sizes.push([sent[0].1.len(), sent[1].1.len()]);
    }
    let [[first, second], [once, again]] = sizes[..] else { panic!() };
    assert!(first < 400 && first == second && once == first, "{sizes:?}");
    assert!(again < 30, "{sizes:?}");
}

#[test]
fn small_messages_and_those_told_so_go_as_they_are() {
    let config = Arc::new(untimed());
    let (near, wire) = raw();
    let mut server = server_with(near, &config, agreed(15, false));
    let text = "a".repeat(128);
    block_on(async {
        server.send(&text[..127]).await.unwrap();
        server.send(&*text).await.unwrap();
        server.send_uncompressed(&*text).await.unwrap();
        server.feed_fragment(Kind::Text, text.as_bytes(), true).await.unwrap();
        server.set_effort(Effort::DEFAULT.with_threshold(129));
        server.send(&*text).await.unwrap();
        server.set_effort(ALWAYS.with_level(Level::Best));
        server.send(&text[..60]).await.unwrap();
        let mut writer = server.writer(Kind::Text).unwrap().uncompressed();
        writer.write_all(text.as_bytes()).await.unwrap();
        writer.finish().await.unwrap();
    });
    let sent: Vec<u8> = frames(&wire.take()).iter().map(|(first, _)| *first).collect();
    assert_eq!(sent, [TEXT, TEXT | COMPRESSED, TEXT, TEXT, TEXT, TEXT | COMPRESSED, TEXT]);
}

/// Halves, readers and writers: a message of any size through small buffers.
#[test]
fn messages_are_streamed_both_ways() {
    for (window, takeover) in [(8, false), (15, true)] {
        for pace in [Pace::Free, Pace::Random(Random::new(5))] {
            let (near, far, wire) = pair();
            wire.input.set_pace(&pace);
            wire.output.set_pace(&pace);
            let config = Arc::new(small(512).with_effort(ALWAYS));
            let (mut reader, mut writer) = server_with(near, &config, agreed(window, takeover)).split();
            let mut client = client_with(far, &config, agreed(window, takeover));
            assert_eq!(reader.compression(), writer.compression());
            let mut executor = Executor::new(1);
            executor.spawn(async move {
                while let Some(mut message) = reader.recv_reader().await.unwrap() {
                    let mut answer = writer.writer(message.kind()).unwrap();
                    let mut flushes = 0;
                    while let Some(chunk) = message.chunk().await.unwrap() {
                        answer.write_all(chunk).await.unwrap();
                        flushes += 1;
                        if flushes % 7 == 0 {
                            answer.flush().await.unwrap();
                        }
                    }
                    answer.finish().await.unwrap();
                }
            });
            let checked = executor.spawn(async move {
                let mut random = Random::new(11);
                for size in [0, 10, 600, 50_000] {
                    let text = prose(&mut random, size);
                    let noise = random.octets(size);
                    for (kind, octets) in [(Kind::Text, text.as_bytes()), (Kind::Binary, &noise)] {
                        let mut message = client.writer(kind).unwrap();
                        for part in octets.chunks(777) {
                            message.write_all(part).await.unwrap();
                        }
                        message.finish().await.unwrap();
                        let echo = client.recv().await.unwrap().unwrap();
                        assert_eq!((echo.kind(), echo.octets()), (kind, octets));
                        // Whole ones between streamed ones keep the codecs in step.
                        client.send(text.as_str()).await.unwrap();
                        assert_eq!(client.recv().await.unwrap().unwrap().as_str(), Some(text.as_str()));
                    }
                }
                client.close(CloseCode::NORMAL, "").await.unwrap();
            });
            executor.run();
            checked.output();
        }
    }
}

/// A flush lets the peer have everything that was written before it.
#[test]
fn a_flush_inside_a_message_arrives() {
    let (near, far, _wire) = pair();
    let config = Arc::new(untimed());
    let mut server = server_with(near, &config, agreed(15, true));
    let mut client = client_with(far, &config, agreed(15, true));
    block_on(async {
        let mut writer = server.writer(Kind::Text).unwrap();
        writer.write_all(b"first part").await.unwrap();
        writer.flush().await.unwrap();
        let mut reader = client.recv_reader().await.unwrap().unwrap();
        assert_eq!(reader.chunk().await.unwrap(), Some(&b"first part"[..]));
        writer.write_all(b", second").await.unwrap();
        writer.finish().await.unwrap();
        assert_eq!(reader.chunk().await.unwrap(), Some(&b", second"[..]));
        assert_eq!(reader.chunk().await.unwrap(), None);
    });
}

/// The frames that a server sends for these messages, to be fed to another one as a client would send them.
fn sent_by_peer(agreement: Agreement, texts: &[&str]) -> Vec<(u8, Vec<u8>)> {
    let (near, wire) = raw();
    let mut peer = server_with(near, &Arc::new(untimed().with_effort(ALWAYS)), agreement);
    for text in texts {
        block_on(peer.send(*text)).unwrap();
    }
    frames(&wire.take())
}

/// A future of `recv` that is dropped in mid-message loses nothing, whoever takes the rest.
#[test]
fn a_dropped_recv_loses_nothing() {
    let text = prose(&mut Random::new(9), 4000);
    let compressed = &sent_by_peer(agreed(15, true), &[&text])[0].1;
    for cut in [1, 2, 100, compressed.len() - 1] {
        for streams in [true, false] {
            let (io, wire) = raw();
            let mut server = server_with(io, &Arc::new(small(300)), agreed(15, true));
            wire.put(&masked((TEXT | COMPRESSED) & MORE, &compressed[..cut]));
            assert!(settle(pin!(server.recv())).is_pending());
            wire.put(&masked(CONTINUATION, &compressed[cut..]));
            block_on(async {
                if streams {
                    let mut whole = Vec::new();
                    let mut reader = server.recv_reader().await.unwrap().unwrap();
                    while let Some(chunk) = reader.chunk().await.unwrap() {
                        whole.extend_from_slice(chunk);
                    }
                    assert_eq!(whole, text.as_bytes());
                } else {
                    assert_eq!(server.recv().await.unwrap().unwrap().as_str(), Some(&*text));
                }
            });
        }
    }
}

/// What is discarded is inflated all the same: with takeover the next message refers to it.
#[test]
fn the_rest_of_a_message_that_is_not_wanted_is_discarded() {
    let text = prose(&mut Random::new(2), 3000);
    let sent = sent_by_peer(agreed(12, true), &[&text, &text]);
    assert!(3 * sent[1].1.len() < sent[0].1.len(), "{} {}", sent[0].1.len(), sent[1].1.len());
    for take in [0, 1, 3] {
        let (io, wire) = raw();
        let mut server = server_with(io, &Arc::new(small(300)), agreed(12, true));
        for (first, payload) in &sent {
            wire.put(&masked(*first, payload));
        }
        block_on(async {
            let mut reader = server.recv_reader().await.unwrap().unwrap();
            for _ in 0..take {
                assert!(reader.chunk().await.unwrap().is_some());
            }
            drop(reader);
            assert_eq!(server.recv().await.unwrap().unwrap().as_str(), Some(&*text));
        });
    }
}

/// Dropped anywhere, a message that is sent arrives whole or not at all.
#[test]
fn a_dropped_send_never_cuts_a_message() {
    let text = prose(&mut Random::new(4), 30_000);
    for fragment in [1000, 1 << 20] {
        for polls in 0..12 {
            let (near, far, wire) = pair();
            wire.input.state().capacity = 700;
            let mut config = small(512).with_effort(ALWAYS);
            config.fragment = fragment;
            let config = Arc::new(config);
            let mut client = client_with(far, &config, agreed(9, true));
            let mut server = server_with(near, &config, agreed(9, true));
            {
                let mut sending = Box::pin(client.send(&*text));
                for _ in 0..polls {
                    assert!(settle(sending.as_mut()).is_pending());
                    let _ = settle(pin!(server.recv()));
                }
            }
            let mut executor = Executor::new(polls);
            executor.spawn(async move {
                client.send("after").await.unwrap();
                client.close(CloseCode::NORMAL, "").await.unwrap();
            });
            let text = text.clone();
            let seen = executor.spawn(async move {
                let mut seen = Vec::new();
                while let Some(message) = server.recv().await.unwrap() {
                    seen.push(message.as_str().unwrap() == text);
                }
                seen
            });
            executor.run();
            let seen = seen.output();
            assert!(seen == [false] || seen == [true, false], "{seen:?}");
        }
    }
}

fn fails_with(config: Config, octets: &[u8], violation: Violation, code: u16) {
    for streams in [false, true] {
        let (io, wire) = raw();
        let mut config_of = untimed().with_limits(config.limits);
        config_of.pool = config.pool.clone();
        let config = Arc::new(config_of);
        let mut server = server_with(io, &config, agreed(15, false));
        wire.put(octets);
        wire.input.end();
        let error = block_on(async {
            if streams {
                let mut reader = server.recv_reader().await?.unwrap();
                while reader.chunk().await?.is_some() {}
                return Ok(());
            }
            server.recv().await.map(|_| ())
        });
        assert!(matches!(error, Err(Error::Violation(found)) if found == violation), "{error:?}");
        assert_eq!(frames(&wire.take()), [(CLOSE, close_payload(code, ""))]);
        // Failure sticks.
        assert!(matches!(block_on(server.recv()), Err(Error::Violation(found)) if found == violation));
    }
}

#[test]
fn faults_found_while_inflating_close_the_connection() {
    let compressed = TEXT | COMPRESSED;
    // RFC 7692 6.2: what does not inflate fails the connection
    fails_with(untimed(), &masked(compressed, &[0xFF; 20]), Violation::InvalidCompression, 1007);
    // RFC 6455 8.1, RFC 7692 6.2: text is UTF-8 after inflating
    let (near, wire) = raw();
    let mut peer = server_with(near, &Arc::new(untimed().with_effort(ALWAYS)), agreed(15, false));
    block_on(peer.send(&[&[b'a'; 300][..], &[0xFF; 30]].concat()[..])).unwrap();
    let sent = frames(&wire.take());
    assert_eq!(sent[0].0, BINARY | COMPRESSED);
    fails_with(untimed(), &masked(compressed, &sent[0].1), Violation::InvalidUtf8, 1007);
    // A bomb stops at the limit.
    let bomb = &sent_by_peer(agreed(15, false), &[&"a".repeat(1 << 20)])[0].1;
    assert!(bomb.len() < 8000);
    let limits = Limits::DEFAULT.with_message(10_000);
    fails_with(untimed().with_limits(limits), &masked(compressed, bomb), Violation::MessageTooLarge, 1009);
    let limits = Limits::DEFAULT.with_message(1 << 21).with_ratio(50);
    fails_with(untimed().with_limits(limits), &masked(compressed, bomb), Violation::RatioTooLarge, 1009);
}

// RFC 6455 5.2: RSV1 means nothing unless it was negotiated
#[test]
fn without_an_agreement_a_compressed_message_is_a_violation() {
    let (mut server, wire) = lone_server(untimed().with_compression(Policy::DEFAULT));
    wire.put(&masked(TEXT | COMPRESSED, &[0]));
    wire.input.end();
    assert!(
        matches!(block_on(server.recv()), Err(Error::Violation(violation)) if violation.close_code() == CloseCode::PROTOCOL_ERROR)
    );
}

#[test]
fn a_prepared_message_is_compressed_once_for_each_window() {
    let config = Arc::new(untimed());
    let prepared = PreparedMessage::new("window ".repeat(100), &config);
    let mut seen = Vec::new();
    for agreement in [Some((15, false)), Some((9, false)), Some((15, false)), Some((15, true)), None] {
        let (io, wire) = raw();
        let mut server = match agreement {
            Some((window, takeover)) => server_with(io, &config, agreed(window, takeover)),
            None => server(io, &config),
        };
        block_on(async {
            server.feed_prepared(&prepared).await.unwrap();
            server.send_prepared(&prepared).await.unwrap();
        });
        let sent = frames(&wire.take());
        assert_eq!(sent[0], sent[1]);
        seen.push(sent[0].clone());
        let (reader, mut writer) = server.split();
        block_on(writer.send_prepared(&prepared)).unwrap();
        assert_eq!(frames(&wire.take())[0], seen[seen.len() - 1]);
        drop(reader);
    }
    let firsts: Vec<u8> = seen.iter().map(|(first, _)| *first).collect();
    assert_eq!(firsts, [TEXT | COMPRESSED, TEXT | COMPRESSED, TEXT | COMPRESSED, TEXT, TEXT]);
    // A peer on the smaller window inflates it.
    let (io, wire) = raw();
    let mut client = client_with(io, &config, agreed(9, false));
    wire.put(&frame(TEXT | COMPRESSED, &seen[1].1));
    assert_eq!(block_on(client.recv()).unwrap().unwrap().as_str(), Some(&*"window ".repeat(100)));
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

fn accepted(config: Config, extensions: &[&str]) -> (ServerSocket, String) {
    let (io, wire) = raw();
    let lines: String =
        extensions.iter().map(|value| format!("Sec-WebSocket-Extensions: {value}\r\n")).collect();
    wire.put(format!("{REQUEST}{lines}\r\n").as_bytes());
    let socket = block_on(accept(io, Arc::new(config), &OriginPolicy::Any)).unwrap();
    (socket, String::from_utf8(wire.take()).unwrap())
}

// RFC 7692 5, 7.1: offers over several header lines, the first that can be met
#[test]
fn a_server_agrees_on_the_first_offer_that_it_can_meet() {
    const ANSWER: &str = "Sec-WebSocket-Extensions: permessage-deflate";
    let offers = [
        "x-other",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=10",
    ];
    let (socket, answer) = accepted(untimed().with_compression(Policy::DEFAULT), &offers);
    assert_eq!(answer.matches(ANSWER).count(), 1);
    assert!(answer.contains("server_max_window_bits=10") && answer.contains("client_no_context_takeover"));
    let agreement = socket.compression().unwrap();
    assert_eq!(agreement.server, Terms::new(bits(10), false));
    assert_eq!(agreement.client, Terms::new(bits(15), false));
    // Off by default.
    let (socket, answer) = accepted(untimed(), &offers);
    assert!(socket.compression().is_none() && !answer.contains(ANSWER));
    let (socket, answer) = accepted(untimed().with_compression(Policy::DEFAULT), &[]);
    assert!(socket.compression().is_none() && !answer.contains(ANSWER));
}

#[test]
fn without_memory_for_windows_no_takeover_is_agreed_on() {
    let policy = Policy::DEFAULT.with_takeover(true, true);
    let codecs = Arc::new(Codecs::default().with_windows(100_000));
    let config = || untimed().with_compression(policy).with_codecs(codecs.clone());
    let (first, _) = accepted(config(), &["permessage-deflate"]);
    assert!(first.compression().unwrap().client.takeover());
    assert_eq!(codecs.windows(), 1 << 15);
    let (second, _) = accepted(config(), &["permessage-deflate"]);
    assert_eq!(codecs.windows(), 2 << 15);
    let (third, _) = accepted(config(), &["permessage-deflate"]);
    assert!(!third.compression().unwrap().client.takeover());
    drop((first, second));
    assert_eq!(codecs.windows(), 0);
    let (fourth, _) = accepted(config(), &["permessage-deflate"]);
    assert!(fourth.compression().unwrap().client.takeover());
}

/// A sender that may keep what it has sent does not have to.
#[test]
fn under_pressure_a_sender_forgets_between_messages() {
    let text = prose(&mut Random::new(8), 400);
    let codecs = Arc::new(Codecs::default());
    let config = Arc::new(untimed().with_codecs(codecs.clone()));
    let (near, far, _wire) = pair();
    let mut server = server_with(near, &config, agreed(12, true));
    let mut client = client_with(far, &config, agreed(12, true));
    let mut held = Vec::new();
    for windows in [usize::MAX, usize::MAX, 0, 0, usize::MAX, usize::MAX] {
        codecs.set_windows(windows);
        block_on(async {
            server.send(&*text).await.unwrap();
            assert_eq!(client.recv().await.unwrap().unwrap().as_str(), Some(&*text));
        });
        held.push(codecs.windows());
    }
    let both = 2 * bits(12).octets();
    assert!(held[0] > both && held[0] == held[1] && held[0] == held[4], "{held:?}");
    assert_eq!(held[2..4], [both; 2]);
}

async fn opened(answer: &str, policy: Option<Policy>) -> (String, Result<Option<Agreement>, ()>) {
    let (io, wire) = raw();
    let mut config = untimed();
    config.compression = policy;
    let config = Arc::new(config);
    let offer = Offer::new("example.org", "/").with_extensions("x-other");
    wire.put(
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{answer}\r\n"
        )
        .as_bytes(),
    );
    let opened = open(io, config, &offer, *b"the sample nonce", Keys::default()).await;
    let request = String::from_utf8(wire.take()).unwrap();
    let result = match opened {
        Ok((socket, agreed)) => {
            assert_eq!(socket.compression(), agreed.compression);
            Ok(agreed.compression)
        }
        Err(OpenError::Compression(_) | OpenError::Answer(_)) => Err(()),
        Err(error) => panic!("{error:?}"),
    };
    (request, result)
}

#[test]
fn a_client_offers_and_judges_the_answer() {
    let line = |value: &str| format!("Sec-WebSocket-Extensions: {value}\r\n");
    let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    block_on(async {
        let policy = Some(Policy::DEFAULT);
        let (request, agreed) = opened(&line(both), policy).await;
        assert!(request.contains("permessage-deflate; ") && request.contains(", x-other\r\n"), "{request}");
        assert_eq!(agreed.unwrap().unwrap().server, Terms::new(bits(15), false));
        assert_eq!(opened("", policy).await.1, Ok(None));
        let two = format!("{}{}", line("x-other"), line(both));
        assert!(opened(&two, policy).await.1.unwrap().is_some());
        // RFC 7692 7.1: an answer that does not fit the offer fails the connection
        for bad in
            ["permessage-deflate", &format!("{both}; client_max_window_bits=16"), &format!("{both}, {both}")]
        {
            assert_eq!(opened(&line(bad), policy).await.1, Err(()), "{bad}");
        }
        // Off by default: then an answer of it was not offered.
        let (request, agreed) = opened(&line(both), None).await;
        assert!(!request.contains("permessage-deflate"));
        assert_eq!(agreed, Err(()));
    });
}
