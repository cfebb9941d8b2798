//! Peers that stop: they do not read, do not answer, or never finish what they began.

use super::peer::{BINARY, CLOSE, PING, PONG, TEXT, masked, reason};
use super::{Peer, config, echo, millis, served};
use crate::adapter::tightwire::deadline::Timeout;
use crate::adapter::{Config, Error, Message, Pool, WebSocket};
use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A pool of small buffers, so that what is held shows.
fn small(config: Config) -> (Config, Arc<Pool>) {
    let pool = Arc::new(Pool::new(4096, 1 << 20));
    let mut config = config;
    config.pool = pool.clone();
    (config, pool)
}

/// A connection holds at most its input and its output, a buffer of the pool each.
const HELD: usize = 2 * (4096 + 1024);

/// Nothing is queued for a peer that asks and does not listen: it is not read from any more, and cut off.
#[test]
fn a_flood_of_pings_by_a_peer_that_never_reads_costs_nothing() {
    let mut config = config();
    config.timeouts.write = millis(500);
    let (config, pool) = small(config);
    let peer = |mut peer: Peer| {
        let pings = masked(PING, &[0x2e; 125]).repeat(100);
        let mut sent = 0;
        // Until the server has had enough.
        while peer.0.write_all(&pings).is_ok() {
            sent += pings.len();
        }
        sent
    };
    let (ended, sent) = served(config, peer, echo);
    assert!(matches!(ended, Err(Error::Timeout(Timeout::WriteStall))), "{ended:?}");
    // Far more than we hold was sent: the sockets held the rest of it.
    assert!(sent > 4 * HELD, "{sent}");
    assert!(pool.kept() <= HELD, "{}", pool.kept());
}

/// As before, but the peer reads at last: not a Pong is missing.
#[test]
fn a_flood_of_pings_is_answered_to_the_last_one_when_the_peer_reads_at_last() {
    const PINGS: u32 = 50_000;
    let (config, pool) = small(config());
    let peer = |mut peer: Peer| {
        let mut sender = peer.0.try_clone().unwrap();
        let flood = thread::spawn(move || {
            for number in 0..PINGS {
                sender.write_all(&masked(PING, &[&number.to_be_bytes()[..], &[0; 116]].concat())).unwrap();
            }
            sender.write_all(&masked(CLOSE, &reason(1000, ""))).unwrap();
        });
        // Time for the sockets to fill up.
        thread::sleep(Duration::from_millis(300));
        for number in 0..PINGS {
            let (first, payload) = peer.frame();
            assert_eq!((first, &payload[..4]), (PONG, &number.to_be_bytes()[..]));
        }
        assert_eq!(peer.closed(), 1000);
        flood.join().unwrap();
    };
    let (ended, ()) = served(config, peer, echo);
    ended.unwrap();
    assert!(pool.kept() <= HELD, "{}", pool.kept());
}

#[test]
fn a_peer_that_never_reads_our_output_is_cut_off() {
    for octets in [100, 100_000] {
        let mut config = config();
        config.timeouts.write = millis(500);
        let (config, pool) = small(config);
        // The peer is kept, and never read from.
        let peer = |peer: Peer| peer;
        let flood = async move |mut socket: WebSocket| {
            let payload = vec![7; octets];
            // Bounded: the sockets take a few MiB at most.
            for _ in 0..(1 << 30) / octets {
                socket.feed(Message::Binary(&payload)).await?;
            }
            Ok::<_, Error>(())
        };
        let (ended, _) = served(config, peer, flood);
        let error = ended.unwrap_err();
        assert!(matches!(error, Error::Timeout(Timeout::WriteStall)), "{octets}: {error:?}");
        assert!(error.is_timeout() && error.is_abnormal());
        assert!(pool.kept() <= HELD, "{}", pool.kept());
    }
}

#[test]
fn a_silent_peer_is_pinged_and_its_round_trip_measured() {
    let mut config = config();
    config.timeouts.ping = millis(200);
    // An answer brings the next Ping forward: it is not put off until the answer would have been late.
    config.timeouts.pong = millis(60_000);
    let peer = |mut peer: Peer| {
        for _ in 0..2 {
            let (first, payload) = peer.frame();
            assert_eq!(first, PING);
            peer.send_frame(PONG, &payload);
        }
        peer.send_frame(TEXT, b"still here");
        assert_eq!(peer.frame(), (TEXT, b"still here".to_vec()));
        peer.send_frame(CLOSE, b"");
        peer.rest().unwrap();
    };
    let echo_and_measure = async |mut socket: WebSocket| {
        while let Some((message, mut sender)) = socket.recv_with_sender().await? {
            sender.feed(message).await?;
        }
        Ok::<_, Error>(socket.round_trip())
    };
    let (measured, ()) = served(config, peer, echo_and_measure);
    assert!(measured.unwrap().is_some());
}

#[test]
fn a_peer_that_does_not_answer_a_ping_is_sent_away() {
    let mut config = config();
    config.timeouts.ping = millis(200);
    config.timeouts.pong = millis(300);
    let peer = |mut peer: Peer| {
        assert_eq!(peer.frame().0, PING);
        peer.closed()
    };
    let (ended, code) = served(config, peer, echo);
    assert!(matches!(ended, Err(Error::Timeout(Timeout::Pong))), "{ended:?}");
    assert_eq!(code, 1001);
}

#[test]
fn a_message_that_never_ends_is_given_up() {
    let frames = [
        masked(BINARY, &[0; 1000])[..500].to_vec(),
        masked(BINARY, &[0; 1000])[..3].to_vec(),
        masked(0x02, b"and"),
    ];
    for start in frames {
        let mut config = config();
        config.timeouts.progress = millis(300);
        let (config, pool) = small(config);
        let peer = move |mut peer: Peer| {
            peer.send(&start);
            peer.closed()
        };
        let (ended, code) = served(config, peer, echo);
        assert!(matches!(ended, Err(Error::Timeout(Timeout::Progress))), "{ended:?}");
        assert_eq!(code, 1008);
        assert!(pool.kept() <= HELD, "{}", pool.kept());
    }
}

/// One message that was late, and came to its end, does not excuse the next.
#[test]
fn each_message_that_never_ends_is_given_up() {
    let mut config = config();
    config.timeouts.progress = millis(500);
    let peer = |mut peer: Peer| {
        let frame = masked(TEXT, b"in two parts");
        for _ in 0..2 {
            peer.send(&frame[..9]);
            thread::sleep(Duration::from_millis(100));
            peer.send(&frame[9..]);
            assert_eq!(peer.frame(), (TEXT, b"in two parts".to_vec()));
        }
        peer.send(&frame[..9]);
        peer.closed()
    };
    let (ended, code) = served(config, peer, echo);
    assert!(matches!(ended, Err(Error::Timeout(Timeout::Progress))), "{ended:?}");
    assert_eq!(code, 1008);
}

/// A peer that did not read for a while, and left nothing unfinished, has missed nothing.
#[test]
fn a_peer_that_reads_at_last_is_not_blamed_for_what_waited_here() {
    let mut config = config();
    // Long enough that a busy machine is not taken for a stall.
    config.timeouts.progress = millis(2000);
    let (config, _) = small(config);
    let peer = |mut peer: Peer| {
        const PINGS: usize = 50_000;
        let mut sender = peer.0.try_clone().unwrap();
        let flood = thread::spawn(move || sender.write_all(&masked(PING, &[0; 120]).repeat(PINGS)));
        thread::sleep(Duration::from_millis(3000));
        for _ in 0..PINGS {
            assert_eq!(peer.frame().0, PONG);
        }
        flood.join().unwrap().unwrap();
        thread::sleep(Duration::from_millis(3000));
        peer.send_frame(TEXT, b"still here");
        assert_eq!(peer.frame(), (TEXT, b"still here".to_vec()));
        peer.send_frame(CLOSE, b"");
        peer.rest().unwrap();
    };
    served(config, peer, echo).0.unwrap();
}

#[test]
fn an_idle_peer_is_sent_away() {
    let mut config = config();
    config.timeouts.idle = millis(300);
    let (ended, code) = served(config, |mut peer: Peer| peer.closed(), echo);
    assert!(matches!(ended, Err(Error::Timeout(Timeout::Idle))), "{ended:?}");
    assert_eq!(code, 1001);
}
