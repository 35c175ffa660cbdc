//! What was promised, held against what is on the disk.

use super::victim::Ack;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use studytime_replicate::{FeedStore, SqliteStore};
use studytime_schema::{
    BlobId, FeedId, Keypair, LogPosition, Manifest, Message, MessageId, Tip, chain,
};

/// Unfinished files that may lie about after a kill: as many as are written at once.
const MAX_LEFT_OVER: usize = 80;

#[derive(Default)]
pub(crate) struct Ledger {
    /// Everything ever seen in the store.
    seen: HashMap<(FeedId, u64), MessageId>,
    ids: HashSet<MessageId>,
    tips: BTreeMap<FeedId, Tip>,
    reached: LogPosition,
    /// Acknowledged, and not yet looked for.
    published: Vec<MessageId>,
    blobs: Vec<(BlobId, bool)>,
    have: HashMap<FeedId, u64>,
    pub(crate) courses: HashMap<FeedId, u64>,
    positions: HashMap<MessageId, u64>,
    pub(crate) acknowledged: usize,
}

impl Ledger {
    pub(crate) fn take(&mut self, ack: Ack) {
        self.acknowledged += 1;
        match ack {
            Ack::Ready => self.acknowledged -= 1,
            Ack::Published(p) => self.published.extend(p.messages),
            Ack::Have { feed, sequence } => {
                let most = self.have.entry(feed).or_default();
                *most = sequence.max(*most);
            }
            Ack::Blob(b) => self.blobs.push((b.id, b.manifest)),
            // One of its messages is the listing.
            Ack::Course(c) => {
                self.courses.insert(c.course.unwrap(), c.messages - 1);
            }
            Ack::Position(p) => {
                self.positions.insert(p.item, p.position_seconds);
            }
            Ack::Failed(text) => panic!("failed on a sound disk: {text}"),
        }
    }

    /// Messages seen in all.
    pub(crate) fn messages(&self) -> usize {
        self.seen.len()
    }

    /// Compares everything with the directory; `whole` reads all of the log
    /// again, otherwise only what is new.
    pub(crate) fn check(&mut self, data: &Path, whole: bool) {
        let store = SqliteStore::open(data.join("feeds.db")).unwrap();
        self.read_log(&store, whole);
        if whole {
            assert_eq!(store.check().unwrap(), Vec::<String>::new());
        }
        drop(store);
        for id in self.published.drain(..) {
            assert!(
                self.ids.contains(&id),
                "the acknowledged message {id} is gone"
            );
        }
        for (feed, sequence) in &self.have {
            let here = self.tips.get(feed).map_or(0, |t| t.sequence);
            assert!(
                here >= *sequence,
                "{feed} fell back from {sequence} to {here}"
            );
        }
        for (blob, manifest) in std::mem::take(&mut self.blobs) {
            let bytes = read_blob(data, &blob);
            if manifest {
                for segment in Manifest::from_json(&bytes).unwrap().segments {
                    read_blob(data, &segment);
                }
            }
        }
        self.check_positions(data);
        self.check_keys(data);
        let left = files(&data.join("blobs/tmp")).len();
        assert!(left <= MAX_LEFT_OVER, "{left} unfinished blobs");
        let generations = files(&data.join("index"));
        assert!(generations.len() <= 4, "{generations:?}");
    }

    fn read_log(&mut self, store: &SqliteStore, whole: bool) {
        let mut tips = BTreeMap::new();
        let mut count = 0;
        if whole {
            self.reached = LogPosition(0);
        } else {
            tips.clone_from(&self.tips);
            count = self.seen.len();
        }
        loop {
            let batch = store.scan(self.reached, 500).unwrap();
            let Some(last) = batch.last() else { break };
            self.reached = last.position;
            for stored in &batch {
                // With its signature: nothing the store says is believed.
                let message = Message::verify(stored.wire.as_bytes(), None).unwrap();
                let (feed, sequence) = (message.author(), message.sequence());
                assert_eq!((feed, sequence), (stored.feed, stored.sequence));
                chain::check(tips.get(&feed), &message).unwrap();
                tips.insert(feed, message.tip());
                let known = *self
                    .seen
                    .entry((feed, sequence))
                    .or_insert_with(|| message.id());
                assert_eq!(known, message.id(), "two messages at {sequence} of {feed}");
                self.ids.insert(message.id());
                count += 1;
            }
        }
        assert_eq!(count, self.seen.len(), "messages that were here are gone");
        let told: BTreeMap<FeedId, Tip> = store.tips().unwrap().into_iter().collect();
        assert_eq!(told, tips, "the tips do not fit the log");
        self.tips = tips;
    }

    /// Places only move on, so that what is kept is what was told or later.
    fn check_positions(&self, data: &Path) {
        let state = rusqlite::Connection::open(data.join("state.db")).unwrap();
        for (item, seconds) in &self.positions {
            let sql = "SELECT seconds FROM position WHERE item = ?1";
            let kept = state.query_row(sql, [item.as_bytes()], |r| r.get::<_, u64>(0));
            assert!(kept.unwrap() >= *seconds, "the place in {item} fell back");
        }
    }

    /// Every key file is whole; every own feed has its key.
    fn check_keys(&self, data: &Path) {
        let mut unfinished = 0;
        for path in files(&data.join("keys")) {
            if path.extension().is_some_and(|e| e == "secret") {
                let text = std::fs::read_to_string(&path).unwrap();
                if let Err(e) = Keypair::from_secret_file(&text) {
                    panic!("{}: {e}", path.display());
                }
            } else {
                unfinished += 1;
            }
        }
        assert!(unfinished <= 1, "{unfinished} unfinished keys");
    }

    /// After a proper start: no key without a feed, no course half published,
    /// and every course with the same number of messages.
    pub(crate) fn check_courses(&self, data: &Path) {
        let mut keyed = HashSet::new();
        for path in files(&data.join("keys")) {
            let text = std::fs::read_to_string(&path).unwrap();
            let id = Keypair::from_secret_file(&text).unwrap().id();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let length = self.tips.get(&id).map_or(0, |t| t.sequence);
            if name.starts_with("course-") {
                keyed.insert(id);
                assert!(length > 0, "{name} is the key of nothing");
                for known in self.courses.values() {
                    assert_eq!(length, *known, "the course {id} is published in part");
                }
            } else if name.starts_with("list-") {
                assert!(length > 0, "{name} is the key of nothing");
            }
        }
        for course in self.courses.keys() {
            assert!(keyed.contains(course), "the key of {course} is gone");
        }
    }
}

/// A blob as it lies on the disk, which must hash to its name.
pub(crate) fn read_blob(data: &Path, id: &BlobId) -> Vec<u8> {
    let hex: String = id.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let path = data.join("blobs/sha256").join(&hex[..2]).join(&hex[2..]);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{id} is gone: {e}"));
    assert_eq!(BlobId::of(&bytes), *id, "{id} is damaged");
    bytes
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.map(|e| e.unwrap().path()).collect()
}
