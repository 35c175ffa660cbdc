//! Wants of other peers.

use super::*;

#[test]
fn wants_of_others_are_looked_up_answered_and_remembered() {
    let mut wants = Wants::new(WantsConfig {
        sympathy: 0,
        ..WantsConfig::default()
    });
    let (a, b) = (friend(&mut wants, 1), friend(&mut wants, 2));
    says(&mut wants, a, &[(id(1), WANT), (id(2), WANT)], 0);
    says(&mut wants, b, &[(id(1), Note::Want { hops: 2 })], 0);
    assert_eq!(
        drain(&mut wants, 0),
        [Output::NeedHave {
            blobs: vec![id(1), id(2)]
        }]
    );
    wants.handle_have(&[(id(1), Some(70)), (id(2), None), (id(3), Some(1))], 1);
    let here = vec![(id(1), Note::Has { size: 70 })];
    assert_eq!(frames(&mut wants, 1), [(a, here.clone()), (b, here)]);
    assert_eq!(wants.stats().sympathy, 0);
    wants.handle_stored(id(2), 80, None, 2);
    let here = vec![(id(2), Note::Has { size: 80 })];
    assert_eq!(frames(&mut wants, 2), [(a, here)]);
    wants.handle_stored(id(2), 80, None, 3);
    assert_eq!(frames(&mut wants, 3), [], "told once");

    // A blob that comes while it is looked up is told, too.
    says(&mut wants, b, &[(id(5), WANT)], 4);
    drain(&mut wants, 4);
    wants.handle_stored(id(5), 9, None, 4);
    assert_eq!(
        frames(&mut wants, 4),
        [(b, vec![(id(5), Note::Has { size: 9 })])]
    );
    wants.handle_have(&[(id(5), None)], 5);
    assert_eq!(drain(&mut wants, 5), []);
}

#[test]
fn remembered_wants_and_allowances_are_bounded() {
    let config = WantsConfig {
        burst: 100,
        entries_per_second: 10,
        remembered_per_peer: 50,
        sympathy: 0,
        ..WantsConfig::default()
    };
    let mut wants = Wants::new(config);
    let a = friend(&mut wants, 1);
    let many: Vec<_> = (0..500).map(|n| (id(n), WANT)).collect();
    says(&mut wants, a, &many, 0);
    let mut asked = Vec::new();
    while let Some(Output::NeedHave { blobs }) = wants.poll_output(0) {
        asked.extend(blobs);
    }
    assert_eq!(asked.len(), 100, "what exceeds the allowance is ignored");
    let missing: Vec<_> = asked.iter().map(|b| (*b, None)).collect();
    wants.handle_have(&missing, 0);
    assert_eq!(wants.peers[&a].remembered.len(), 50);
    says(&mut wants, a, &many[300..], 2_000);
    let Some(Output::NeedHave { blobs }) = wants.poll_output(2_000) else {
        panic!()
    };
    assert_eq!(blobs.len(), 20, "ten a second");
}

#[test]
fn wants_of_others_are_taken_up_under_quotas_and_expire() {
    let config = WantsConfig {
        sympathy_per_peer: 3,
        max_sympathy: 5,
        ..WantsConfig::default()
    };
    let mut wants = Wants::new(config);
    let peers: Vec<_> = (1..=3).map(|n| friend(&mut wants, n)).collect();
    for (n, p) in (0u32..).zip(&peers) {
        let many: Vec<_> = (0..10).map(|m| (id(100 * n + m), WANT)).collect();
        says(&mut wants, *p, &many, 0);
        let far = Note::Want { hops: 3 };
        says(&mut wants, *p, &[(id(100 * n + 50), far)], 0);
    }
    while let Some(Output::NeedHave { blobs }) = wants.poll_output(0) {
        let none: Vec<_> = blobs.iter().map(|b| (*b, None)).collect();
        wants.handle_have(&none, 0);
    }
    assert_eq!(wants.stats().sympathy, 5);
    assert_eq!(wants.peers[&peers[0]].sympathies, 3);
    assert!(!wants.wants.contains_key(&id(50)), "too far away");
    // When one is done, the next is taken up.
    wants.handle_stored(id(0), 9, None, 1);
    drain(&mut wants, 1);
    assert_eq!(wants.stats().sympathy, 5);
    assert!(wants.wants.contains_key(&id(3)));
    // When a peer goes, so do the wants on its behalf.
    wants.disconnect(peers[0], 2);
    drain(&mut wants, 2);
    assert_eq!(wants.stats().sympathy, 5);
    assert!(!wants.wants.contains_key(&id(1)));
    for now in (0..40 * 600_000).step_by(600_000) {
        wants.handle_timeout(now);
        drain(&mut wants, now);
    }
    assert_eq!(wants.stats().sympathy, 0);
    assert_eq!(wants.stats().wanted, 0);
}
