//! What the tests share: small real files made by hand, and a feed to publish on.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod files;
pub mod zips;

use std::collections::BTreeMap;
use std::path::Path;
use studytime_import::{
    CourseDraft, Current, Import, Options, Problem, ProblemKind, Progress, PublishError, Published,
    Sink, SinkError,
};
use studytime_schema::content::Content;
use studytime_schema::fold::{CourseBody, Input, merge_course};
use studytime_schema::view::{CourseOutline, CourseRecord};
use studytime_schema::{BlobId, FeedId, Keypair, MAX_BLOB_SIZE, Message, Tip};

/// Writes files below a folder.
pub fn write(root: &Path, files: &[(&str, &[u8])]) {
    for (path, bytes) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// A new folder with these files.
pub fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), files);
    dir
}

pub fn open(path: &Path) -> Import {
    Import::open(path, &licensed()).unwrap()
}

/// Options that leave no general problems.
pub fn licensed() -> Options {
    Options {
        license: Some("CC-BY-4.0".into()),
        language: Some("en".into()),
        ..Options::default()
    }
}

/// Lessons as `section | name | path`.
pub fn names(draft: &CourseDraft) -> Vec<String> {
    draft
        .lessons
        .iter()
        .map(|l| {
            format!(
                "{} | {} | {}",
                l.section.as_deref().unwrap_or("-"),
                l.name,
                l.path
            )
        })
        .collect()
}

/// The problem kinds met for a path.
pub fn kinds(problems: &[Problem], path: &str) -> Vec<ProblemKind> {
    problems
        .iter()
        .filter(|p| p.path == path)
        .map(|p| p.kind)
        .collect()
}

/// A course feed in memory: blobs, signed messages, and the course they make.
pub struct Feed {
    keys: Keypair,
    tip: Option<Tip>,
    pub blobs: BTreeMap<BlobId, Vec<u8>>,
    pub put: usize,
    pub messages: Vec<Content>,
    pub batches: usize,
    pub body: CourseBody,
    pub cancel_after: Option<usize>,
    pub fail_after: Option<usize>,
    pub events: Vec<(String, u64, u64, u64)>,
    pub synced: bool,
}

impl Feed {
    pub fn new() -> Self {
        let keys = Keypair::from_seed(&[9; 32]);
        Self {
            body: CourseBody::new(keys.id()),
            keys,
            tip: None,
            blobs: BTreeMap::new(),
            put: 0,
            messages: Vec::new(),
            batches: 0,
            cancel_after: None,
            fail_after: None,
            events: Vec::new(),
            synced: false,
        }
    }

    pub fn id(&self) -> FeedId {
        self.keys.id()
    }

    pub fn outline(&self) -> CourseOutline {
        self.body.outline()
    }

    pub fn record(&self) -> Option<CourseRecord> {
        merge_course(self.id(), &[], self.body.own())
    }

    pub fn publish(&mut self, import: &mut Import) -> Result<Published, PublishError> {
        import.publish_new(self.id(), self)
    }

    pub fn publish_into(&mut self, import: &mut Import, prune: bool) -> Published {
        let (record, outline) = (self.record(), self.outline());
        let current = Current {
            record: record.as_ref(),
            outline: &outline,
            prune,
        };
        self.messages.clear();
        import.publish_into(self.id(), &current, self).unwrap()
    }

    /// The bytes of a file, put together again from its segments.
    pub fn bytes(&self, link: &BlobId, manifest: bool) -> Vec<u8> {
        let blob = self.blobs.get(link).expect("the blob is stored");
        if !manifest {
            return blob.clone();
        }
        let manifest = studytime_schema::Manifest::from_json(blob).unwrap();
        manifest
            .segments
            .iter()
            .flat_map(|id| self.blobs.get(id).expect("the segment is stored").clone())
            .collect()
    }
}

impl Sink for Feed {
    fn has_blob(&mut self, id: &BlobId) -> Result<bool, SinkError> {
        Ok(self.blobs.contains_key(id))
    }

    fn put_blob(&mut self, id: BlobId, bytes: &[u8]) -> Result<(), SinkError> {
        assert_eq!(BlobId::of(bytes), id);
        assert!((bytes.len() as u64) < MAX_BLOB_SIZE);
        assert_eq!(self.batches, 0, "blobs come before messages");
        if self.fail_after == Some(self.put) {
            return Err("no space left".into());
        }
        self.put += 1;
        self.blobs.insert(id, bytes.to_vec());
        Ok(())
    }

    fn sync_blobs(&mut self) -> Result<(), SinkError> {
        self.synced = true;
        Ok(())
    }

    fn publish_all(&mut self, messages: Vec<Content>) -> Result<(), SinkError> {
        assert!(self.synced);
        for content in &messages {
            let value = content.to_value();
            let text = value.to_string();
            let parsed = Content::parse(&text)?;
            assert!(parsed.dropped.is_empty(), "{:?}", parsed.dropped);
            assert_eq!(&parsed.content, content);
            let message = Message::sign(
                &self.keys,
                self.tip.as_ref(),
                1_700_000_000_000,
                &value,
                None,
            )?;
            let ignored = self.body.apply(Input {
                feed: message.author(),
                sequence: message.sequence(),
                id: message.id(),
                timestamp: message.timestamp(),
                content: message.public_content(),
                private: false,
            });
            assert!(ignored.is_empty(), "{ignored:?}");
            self.tip = Some(message.tip());
        }
        self.messages = messages;
        self.synced = false;
        Ok(())
    }

    fn progress(&mut self, p: Progress<'_>) {
        assert!(p.file_done <= p.file_total && p.done <= p.total);
        self.events
            .push((p.path.to_owned(), p.file_done, p.done, p.total));
    }

    fn cancelled(&self) -> bool {
        self.cancel_after.is_some_and(|n| self.put >= n)
    }
}
