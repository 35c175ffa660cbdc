//! A blob that was wanted, reported, withdrawn and is wanted again.

use studytime_blobs::wants::{
    Output, OwnerId, PeerId, PeerKind, Priority, WantSpec, Wants, WantsConfig,
};
use studytime_blobs::wire::{Note, WantFrame};
use studytime_schema::{BlobId, FeedId};

fn outputs(wants: &mut Wants) -> Vec<Output> {
    std::iter::from_fn(|| wants.poll_output(1)).collect()
}

fn announced(outputs: &[Output], blob: BlobId) -> bool {
    let says = |o: &Output| matches!(o, Output::SendWants { frame, .. } if frame.notes.iter().any(|(b, _)| *b == blob));
    outputs.iter().any(says)
}

#[test]
fn is_announced_again_and_fetched() {
    let (blob, owner) = (BlobId::of(b"segment"), OwnerId(1));
    let peer = PeerId {
        feed: FeedId::from_bytes([1; 32]),
        connection: 1,
    };
    let mut wants = Wants::new(WantsConfig::default());
    wants.connect(peer, PeerKind::StudyTime, 0);
    wants.opened(peer, 0);
    let spec = WantSpec::segment(Priority::Playing, 0, 7);
    for _ in 0..3 {
        wants.replace(owner, &[(blob, spec)], 1);
        assert!(announced(&outputs(&mut wants), blob));
        let has = WantFrame {
            notes: vec![(blob, Note::Has { size: 7 })],
        };
        wants.handle_frame(peer, &has, 1);
        let fetched = outputs(&mut wants);
        assert!(
            fetched.iter().any(|o| matches!(o, Output::Fetch { .. })),
            "{fetched:?}"
        );
        wants.replace(owner, &[], 1);
        outputs(&mut wants);
    }
}
