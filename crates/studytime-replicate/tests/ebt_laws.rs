//! Laws of the machine that hold whatever peers and callers do.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod talk;

use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use studytime_replicate::ebt::{Config, IngestOutcome, Payload, Priority, Want};
use studytime_replicate::store::conformance::{chain, keys};
use studytime_replicate::{Ebt, FeedStore, MemoryStore, Output, PeerClock, PeerId, Role};
use studytime_schema::FeedId;
use talk::{FETCH, NOW, id, peer};

#[derive(Debug, Clone)]
enum Step {
    Notes(u8, Vec<(u8, i64)>),
    Message(u8, u8, usize),
    Garbage(u8, Vec<u8>),
    Open(u8),
    Close(u8),
    Disconnect(u8),
    Connect(u8, bool),
    Want(u8, u8),
    Remove(u8),
    Block(u8, u8, bool),
    Room(u8, usize),
    Ingested(u8, u8, u64, u8),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let p = 10u8..14;
    let f = 1u8..7;
    let one = prop_oneof![
        (
            p.clone(),
            proptest::collection::vec((f.clone(), -2i64..24), 0..6)
        )
            .prop_map(|(p, n)| Step::Notes(p, n)),
        (p.clone(), f.clone(), 0usize..12).prop_map(|(p, f, n)| Step::Message(p, f, n)),
        (p.clone(), proptest::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(p, b)| Step::Garbage(p, b)),
        p.clone().prop_map(Step::Open),
        p.clone().prop_map(Step::Close),
        p.clone().prop_map(Step::Disconnect),
        (p.clone(), any::<bool>()).prop_map(|(p, d)| Step::Connect(p, d)),
        (f.clone(), 0u8..4).prop_map(|(f, w)| Step::Want(f, w)),
        f.clone().prop_map(Step::Remove),
        (f.clone(), p.clone(), any::<bool>()).prop_map(|(f, p, b)| Step::Block(f, p, b)),
        (p.clone(), 0usize..3_000).prop_map(|(p, r)| Step::Room(p, r)),
        (p, f, 0u64..12, 0u8..5).prop_map(|(p, f, s, o)| Step::Ingested(p, f, s, o)),
        (1u64..20_000).prop_map(Step::Wait),
    ];
    proptest::collection::vec(one, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever peers and callers do, in whatever order: no panic, no endless
    /// output, never more than one source per feed, notes only of what is here,
    /// and never a message that was not asked for.
    #[test]
    fn laws_hold_whatever_happens(steps in steps(), slow: bool) {
        let feeds: BTreeMap<u8, _> = (1..7).map(|n| (n, chain(&keys(n), None, 12, "x"))).collect();
        let store = MemoryStore::new();
        let mut ebt = Ebt::new(Config::default());
        let mut now = NOW;
        // Half of the feeds are here, three peers are connected.
        for (n, chain) in &feeds {
            store.append(&chain[..usize::from(*n)], 1).unwrap();
            ebt.load([(id(*n), u64::from(*n))]);
            ebt.set_wanted(id(*n), FETCH, now);
        }
        for p in 10..13 {
            ebt.connect(peer(p), Role::Acceptor, true, PeerClock::new(), now);
            ebt.handle_open(peer(p), now).unwrap();
        }
        let mut asked: BTreeMap<(PeerId, FeedId), i64> = BTreeMap::new();
        let mut reads = Vec::new();
        for step in steps {
            let mut fresh = None;
            match step {
                Step::Notes(p, notes) => {
                    let body: Vec<String> = notes.iter().map(|(f, n)| format!("\"{}\":{n}", id(*f))).collect();
                    let text = Bytes::from(format!("{{{}}}", body.join(",")));
                    if ebt.handle_frame(peer(p), &text, now).is_ok() {
                        for (f, n) in notes {
                            asked.insert((peer(p), id(f)), n);
                        }
                    }
                }
                Step::Message(p, f, n) => {
                    let wire = Bytes::copy_from_slice(feeds[&f][n].wire().as_bytes());
                    let _ = ebt.handle_frame(peer(p), &wire, now);
                }
                Step::Garbage(p, bytes) => {
                    let _ = ebt.handle_frame(peer(p), &Bytes::from(bytes), now);
                }
                Step::Open(p) => {
                    if ebt.handle_open(peer(p), now).is_ok() {
                        fresh = Some(peer(p));
                    }
                }
                Step::Close(p) => {
                    ebt.handle_closed(peer(p), now);
                    fresh = Some(peer(p));
                }
                Step::Disconnect(p) => {
                    ebt.disconnect(peer(p), now);
                    fresh = Some(peer(p));
                }
                Step::Connect(p, dial) => {
                    let role = if dial { Role::Dialer } else { Role::Acceptor };
                    ebt.connect(peer(p), role, dial, PeerClock::new(), now);
                }
                Step::Want(f, w) => {
                    let want = [Want::own(), FETCH, Want::serve(Priority::HELD), FETCH.known_only()][usize::from(w)];
                    ebt.set_wanted(id(f), want, now);
                }
                Step::Remove(f) => ebt.remove_wanted(&id(f), now),
                Step::Block(f, p, on) => {
                    ebt.set_block(id(f), id(p), on, now);
                    ebt.set_blocked(id(p - 9), on, now);
                }
                Step::Room(p, room) => ebt.writable(peer(p), room),
                Step::Ingested(p, f, s, o) => {
                    let outcome = [
                        IngestOutcome::Kept,
                        IngestOutcome::Gap,
                        IngestOutcome::Failed,
                        IngestOutcome::Invalid { sequence: s },
                        IngestOutcome::Fork { sequence: s },
                    ][usize::from(o)];
                    let tip = store.tip(&id(f)).unwrap().map_or(0, |t| t.sequence);
                    ebt.handle_ingested(peer(p), &id(f), s, tip, outcome, now);
                }
                Step::Wait(ms) => {
                    now += ms;
                    ebt.handle_timeout(now);
                }
            }
            if let Some(p) = fresh {
                asked.retain(|(q, _), _| *q != p);
            }
            for (peer, feed, from, max_count, max_bytes) in std::mem::take(&mut reads) {
                let found = store.read(&feed, from, max_count, max_bytes).unwrap();
                ebt.handle_read(peer, &feed, &found);
            }
            let mut count = 0;
            while let Some(output) = ebt.poll_output() {
                count += 1;
                prop_assert!(count < 500, "no end of outputs");
                match output {
                    Output::Read { peer, feed, from, max_count, max_bytes } => {
                        // The store takes its time; the next step may come first.
                        if slow {
                            reads.push((peer, feed, from, max_count, max_bytes));
                            continue;
                        }
                        let found = store.read(&feed, from, max_count, max_bytes).unwrap();
                        ebt.handle_read(peer, &feed, &found);
                    }
                    Output::Ingest { peer, feed, sequence, .. } => {
                        let n = feeds.iter().find(|(_, c)| c[0].author() == feed).map(|(n, _)| *n).unwrap();
                        let message = feeds[&n][sequence as usize - 1].clone();
                        let kept = store.append(&[message], 1).unwrap()[0].is_kept();
                        let tip = store.tip(&feed).unwrap().map_or(0, |t| t.sequence);
                        let outcome = if kept { IngestOutcome::Kept } else { IngestOutcome::Gap };
                        ebt.handle_ingested(peer, &feed, sequence, tip, outcome, now);
                    }
                    Output::Restart { peer } => asked.retain(|(q, _), _| *q != peer),
                    Output::Send { peer, payload: Payload::Message(text) } => {
                        let m = studytime_schema::Message::from_log(text.as_bytes()).unwrap();
                        let note = asked.get(&(peer, m.author())).copied().unwrap_or(-1);
                        prop_assert!(note >= 0 && note % 2 == 0, "sent without being asked");
                        prop_assert!(m.sequence() > (note / 2) as u64);
                    }
                    Output::Send { payload: Payload::Notes(bytes), .. } => {
                        let notes: BTreeMap<FeedId, i64> = serde_json::from_slice(&bytes).unwrap();
                        for (feed, note) in notes {
                            let tip = store.tip(&feed).unwrap().map_or(0, |t| t.sequence);
                            prop_assert!(note == -1 || (note >> 1) as u64 == tip, "claims what is not there");
                        }
                    }
                    _ => {}
                }
            }
            prop_assert!(ebt.poll_timeout().is_none_or(|at| at > now || at > NOW));
        }
        // And time goes on without end of timers.
        for _ in 0..50 {
            let Some(at) = ebt.poll_timeout() else { break };
            prop_assert!(at <= now + Config::default().retry_after);
            now = now.max(at);
            ebt.handle_timeout(now);
            while let Some(output) = ebt.poll_output() {
                if let Output::Read { peer, feed, .. } = output {
                    ebt.handle_read(peer, &feed, &[]);
                }
            }
            prop_assert!(ebt.poll_timeout().is_none_or(|next| next > now), "a timer that does not move");
        }
    }
}
