//! What many peers can make this end keep: never more than is written down.

use super::super::incoming::{MAX_ASKED, MAX_WAITING};
use super::*;
use std::collections::BTreeSet;

const PEERS: u8 = 60;
/// More than an allowance holds.
const EACH: u32 = 20_000;

fn looked_for(wants: &mut Wants, now: u64) -> Vec<BlobId> {
    let looked = drain(wants, now).into_iter().filter_map(|o| match o {
        Output::NeedHave { blobs } => Some(blobs),
        _ => None,
    });
    looked.flatten().collect()
}

#[test]
fn a_flood_of_wants_is_bounded_and_the_others_are_served() {
    let config = WantsConfig::default();
    let mut wants = Wants::new(WantsConfig::default());
    for n in 1..=PEERS {
        friend(&mut wants, n);
    }
    let mut blobs = 0..;
    for n in 1..=PEERS {
        let some: Vec<_> = blobs.by_ref().take(EACH as usize).map(id).collect();
        for part in some.chunks(1_000) {
            let notes: Vec<_> = part.iter().map(|b| (*b, WANT)).collect();
            says(&mut wants, peer(n), &notes, 0);
        }
    }
    assert!(wants.asked.len() <= MAX_ASKED, "{}", wants.asked.len());
    let looked = looked_for(&mut wants, 0);
    assert_eq!(looked.len(), MAX_ASKED, "and that much is looked for");
    let absent: Vec<_> = looked.iter().map(|b| (*b, None)).collect();
    wants.handle_have(&absent, 0);
    let told = frames(&mut wants, 0);
    assert!(wants.asked.is_empty());
    assert!(wants.stats().sympathy <= config.max_sympathy);
    for peer in wants.peers.values() {
        assert!(peer.remembered.len() <= config.remembered_per_peer);
        assert!(peer.sympathies <= config.sympathy_per_peer);
        assert!(peer.waiting.len() <= MAX_WAITING);
        assert!(peer.announced.len() <= config.announced_per_peer);
    }
    let passed_on: BTreeSet<BlobId> = told
        .iter()
        .flat_map(|(_, notes)| notes.iter().map(|(blob, _)| *blob))
        .collect();
    assert!(passed_on.len() <= config.max_sympathy);

    // Somebody else wants something that is here.
    let honest = friend(&mut wants, 200);
    let blob = BlobId::of(b"moss");
    says(&mut wants, honest, &[(blob, WANT)], 1);
    assert_eq!(looked_for(&mut wants, 1), [blob]);
    wants.handle_have(&[(blob, Some(4))], 1);
    let answer = vec![(blob, Note::Has { size: 4 })];
    assert_eq!(frames(&mut wants, 1), [(honest, answer)]);

    // A second later the flood may say a little more, not all of it again.
    let before: usize = looked.len();
    for n in 1..=PEERS {
        let more: Vec<_> = blobs.by_ref().take(1_000).map(|b| (id(b), WANT)).collect();
        says(&mut wants, peer(n), &more, 1_000);
    }
    let more = looked_for(&mut wants, 1_000).len();
    let allowed = usize::from(PEERS) * config.entries_per_second as usize;
    assert!(more <= allowed, "{more} after {before}");

    for n in 1..=PEERS {
        wants.disconnect(peer(n), 2_000);
    }
    let _ = drain(&mut wants, 2_000);
    assert_eq!((wants.peers.len(), wants.stats().sympathy), (1, 0));
}

/// A peer that does not read is not talked to; what there is to say is bounded.
#[test]
fn who_does_not_listen_is_owed_little() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    wants.hold(a, true);
    let mut now = 0;
    for n in 0..200_000 {
        now += 6;
        let blob = id(n % 1_000);
        says(&mut wants, a, &[(blob, WANT)], now);
        let found: Vec<_> = looked_for(&mut wants, now)
            .into_iter()
            .map(|b| (b, Some(9)))
            .collect();
        wants.handle_have(&found, now);
    }
    assert!(frames(&mut wants, now).is_empty());
    let owed = wants.peers[&a].pending.len();
    assert!(owed <= crate::wants::announce::MAX_PENDING, "{owed}");
    wants.hold(a, false);
    let told: usize = frames(&mut wants, now).iter().map(|(_, n)| n.len()).sum();
    assert_eq!(told, owed);
}
