//! What breaks replication with one known program or another, in the order of the
//! table in docs/protocol.md. The rest of it is tested where it lives.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod talk;

use studytime_replicate::clock::Heard;
use studytime_replicate::ebt::{Config, Want};
use studytime_replicate::history::{ClientConfig, ClientOutput};
use studytime_replicate::store::conformance::{chain, keys};
use studytime_replicate::wire::{ArgsError, HistoryRequest, REPLICATE_ARGS, check_replicate_args};
use studytime_replicate::{
    Ebt, FeedStore, HistoryClient, HistoryServer, MemoryStore, Output, PeerClock, Role,
};
use talk::{FETCH, NOW, accepted, drain, frame, id, note, outputs, peer, sent};

/// scuttlego refuses a call without `format`; JavaScript says which version it
/// wants in words that others look for.
#[test]
fn trap_5_replicate_names_version_and_format() {
    let args: serde_json::Value = serde_json::from_str(REPLICATE_ARGS).unwrap();
    assert_eq!(
        args,
        serde_json::json!([{"version": 3, "format": "classic"}])
    );
    // Older programs leave the format out.
    assert_eq!(check_replicate_args(br#"[{"version":3}]"#), Ok(()));
    let refused = check_replicate_args(br#"[{"version":2}]"#).unwrap_err();
    assert_eq!(refused, ArgsError::Version);
    assert_eq!(refused.to_string(), "expected ebt.replicate({version: 3})");
}

/// The dialer opens; the acceptor's frame comes first, even when it is empty; the
/// dialer sends nothing before it, neither notes nor messages.
#[test]
fn trap_6_the_acceptor_speaks_first() {
    let mut acceptor = accepted(&[]);
    assert_eq!(sent(&mut acceptor), ["{}"]);
    // Once only: an empty frame that says nothing new is not sent again.
    acceptor.handle_timeout(NOW + 10_000);
    assert_eq!(sent(&mut acceptor), [""; 0]);

    let mut waiting = Ebt::new(Config::default());
    waiting.connect(peer(2), Role::Acceptor, true, PeerClock::new(), NOW);
    assert_eq!(outputs(&mut waiting), [], "who was dialled opens nothing");

    let mut dialer = Ebt::new(Config::default());
    dialer.load([(id(1), 3)]);
    dialer.load_wanted([(id(1), Want::own()), (id(2), FETCH)]);
    dialer.connect(peer(2), Role::Dialer, true, PeerClock::new(), NOW);
    assert_eq!(outputs(&mut dialer), [Output::Open { peer: peer(2) }]);
    dialer.appended(id(1), 4, NOW + 1);
    dialer.set_wanted(id(3), FETCH, NOW + 2);
    dialer.writable(peer(2), 1 << 20);
    dialer.handle_timeout(NOW + 3_000);
    assert_eq!(sent(&mut dialer), [""; 0], "not a word before their frame");
    frame(&mut dialer, peer(2), "{}", NOW + 4_000);
    let first = sent(&mut dialer).concat();
    assert!(first.contains(&format!("\"{}\":8", id(1))), "{first}");
}

/// `seq` and an explicit `keys`, counted from 1 and itself included; both names
/// are read.
#[test]
fn trap_7_history_starts_at_seq_itself() {
    let store = MemoryStore::new();
    store.append(&chain(&keys(7), None, 5, "x"), 1).unwrap();
    let feed = keys(7).id();
    for name in ["seq", "sequence"] {
        let args = format!(r#"[{{"id":"{feed}","{name}":3,"keys":false}}]"#);
        let request = HistoryRequest::from_args(args.as_bytes()).unwrap();
        let mut server = HistoryServer::new(request, 5, true, 1 << 20);
        let (items, _) = drain(&mut server, &store);
        let sequence = |item: &String| {
            let item: serde_json::Value = serde_json::from_str(item).unwrap();
            item["sequence"].as_u64().unwrap()
        };
        let sequences: Vec<u64> = items.iter().map(sequence).collect();
        assert_eq!(sequences, [3, 4, 5], "{name}");
    }
    // What we have three of is asked for from the fourth on.
    let mut client = HistoryClient::new(ClientConfig::default());
    client.want(feed, 3, studytime_replicate::ebt::Priority::STARTED, NOW);
    let Some(ClientOutput::Call { request, .. }) = client.poll_output() else {
        panic!("no call");
    };
    let args = request.to_args();
    assert!(
        args.contains("\"seq\":4") && args.contains("\"keys\":false"),
        "{args}"
    );
    assert!(!args.contains("sequence"));
}

/// A peer that believes us up to date never mentions our own feed. It is named in
/// every session, with what is here, and a claim of more is told to the caller.
#[test]
fn trap_10_a_lost_own_feed_is_named_and_asked_for() {
    for stored in [0, 3] {
        let mut ebt = Ebt::new(Config::default());
        ebt.load_wanted([(id(1), Want::own())]);
        // What the peer told before the loss, or after it.
        let heard = Heard {
            sequence: Some(stored),
            at: NOW - 1,
        };
        let clock = PeerClock::from([(id(1), heard)]);
        ebt.connect(peer(2), Role::Acceptor, true, clock, NOW);
        ebt.handle_open(peer(2), NOW).unwrap();
        assert_eq!(sent(&mut ebt), [note(id(1), 0)], "stored {stored}");
        frame(&mut ebt, peer(2), &note(id(1), 7), NOW + 100);
        let ahead = Output::OwnAhead {
            peer: peer(2),
            feed: id(1),
            claimed: 3,
            here: 0,
        };
        assert_eq!(outputs(&mut ebt), [ahead]);
        assert_eq!(ebt.source(&id(1)), Some(peer(2)));
        let message = &chain(&keys(1), None, 1, "back")[0];
        frame(&mut ebt, peer(2), message.wire(), NOW + 200);
        assert!(matches!(
            outputs(&mut ebt)[..],
            [Output::Ingest { sequence: 1, .. }]
        ));
    }
}
