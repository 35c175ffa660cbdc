//! A thousand connections on one node, without a socket.

use super::*;
use crate::hub::NewSlot;
use studytime_blobs::wire::{Note as BlobNote, WantFrame};
use studytime_replicate::ebt::Payload;
use studytime_replicate::store::conformance::{chain, keys};
use studytime_replicate::wire::{MAX_NOTES_BYTES, NotesWriter};
use studytime_replicate::{MemoryStore, Note, PeerClock};

const CONNECTIONS: u64 = 1_000;
const MOSS: u8 = 100;

fn feed(n: u64) -> FeedId {
    let mut bytes = [3; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    FeedId::from_bytes(bytes)
}

/// What a driver would do of an errand: its bytes, and whether it reads a feed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Owed {
    bytes: usize,
    want_entries: usize,
    reads: Vec<FeedId>,
}

fn owed(hub: &Hub, connection: u64) -> Owed {
    let (mut errands, mut owed) = (VecDeque::new(), Owed::default());
    hub.errands(connection, &mut errands);
    for errand in errands {
        match errand {
            Errand::Ebt(Payload::Notes(bytes)) => owed.bytes += bytes.len(),
            Errand::Ebt(Payload::Message(text)) => owed.bytes += text.len(),
            Errand::Wants(frame) => owed.want_entries += frame.notes.len(),
            Errand::ReadFeed { feed, .. } => owed.reads.push(feed),
            other => panic!("{other:?}"),
        }
    }
    owed
}

#[test]
fn a_thousand_connections_that_ask_for_much_leave_room_for_one_that_asks_for_little() {
    let store = MemoryStore::new();
    let moss = chain(&keys(MOSS), None, 5, "moss");
    store.append(&moss, 1).unwrap();
    let feeds: Arc<dyn FeedStore> = Arc::new(store);
    let blobs: Arc<dyn BlobStore> = Arc::new(studytime_blobs::store::MemoryStore::new());
    let hub = Hub::new(&feeds, &blobs, &[], BTreeSet::new()).unwrap();
    let mut chores = hub.take_chores().unwrap();
    let me = feed(0);
    let slot = || NewSlot {
        address: String::new(),
        outgoing: false,
        known: false,
        clock: PeerClock::new(),
        wake: Arc::new(Notify::new()),
    };
    let open = |n: u64| {
        let peer = PeerId::new(feed(n), n);
        assert!(hub.connect(me, peer, slot()));
        hub.act(|s, now| {
            s.ebt.handle_open(peer, now).unwrap();
            s.wants.opened(blob_peer(peer), now);
        });
        peer
    };
    let note = |sequence| Note::Have {
        sequence,
        receive: true,
    };
    for n in 1..=CONNECTIONS {
        let peer = open(n);
        let mut notes = NotesWriter::new();
        for other in 0..500 {
            notes.push(&feed(n << 32 | other), note(1));
        }
        let notes = notes.finish();
        let wants = (0..500u64).map(|b| {
            let blob = BlobId::of(&(n << 32 | b).to_be_bytes());
            (blob, BlobNote::Want { hops: 1 })
        });
        let wants = WantFrame {
            notes: wants.collect(),
        };
        hub.act(|s, now| {
            s.ebt.handle_frame(peer, &notes, now).unwrap();
            s.wants.handle_frame(blob_peer(peer), &wants, now);
        });
    }
    // One of them asks for what is here.
    let honest = open(CONNECTIONS + 1);
    let id = keys(MOSS).id();
    let mut notes = NotesWriter::new();
    notes.push(&id, note(0));
    let notes = notes.finish();
    hub.act(|s, now| s.ebt.handle_frame(honest, &notes, now).unwrap());
    assert_eq!(owed(&hub, honest.connection).reads, [id]);

    // Nobody took anything so far: what waits for each is bounded.
    let mut waits = 0;
    for n in 1..=CONNECTIONS {
        let owed = owed(&hub, n);
        assert!(owed.bytes <= MAX_NOTES_BYTES, "{} bytes", owed.bytes);
        assert!(owed.reads.is_empty());
        waits += owed.want_entries;
    }
    // The wants of all of them together are taken up for a few.
    let mut lookups = 0;
    while let Ok(chore) = chores.try_recv() {
        match chore {
            Chore::NeedHave(blobs) => lookups += blobs.len(),
            other => panic!("{other:?}"),
        }
    }
    assert!((1..=65_536).contains(&lookups), "{lookups}");
    assert_eq!(waits, 0, "nothing is passed on before it was looked up");

    // News reach whoever asked for them, and cost the others nothing.
    hub.act(|s, now| {
        s.ebt.writable(honest, 1 << 20);
        s.ebt
            .handle_read(honest, &id, &feeds.read(&id, 1, 10, 1 << 20).unwrap());
        let _ = now;
    });
    let more = chain(&keys(MOSS), Some(moss[4].tip()), 1, "news");
    feeds.append(&more, 2).unwrap();
    hub.appended(id, 6);
    let told = owed(&hub, honest.connection);
    assert!(told.bytes > 0 && told.reads == [id], "{told:?}");
    for n in 1..=CONNECTIONS {
        assert_eq!(owed(&hub, n), Owed::default());
    }

    for n in 1..=CONNECTIONS {
        hub.disconnect(PeerId::new(feed(n), n));
    }
    hub.disconnect(honest);
    assert!(hub.has_no_connection());
    let kept = hub.lock().tips.len();
    assert_eq!(kept, 1, "nothing is left of what they named");
}
