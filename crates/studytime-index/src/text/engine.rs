//! The text index on disk: opening, writing in batches, committing with the
//! stamp that says how far it has come.

use super::analyze::Splitter;
use std::fmt;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use tantivy::directory::MmapDirectory;
use tantivy::indexer::{IndexWriterOptions, UserOperation};
use tantivy::merge_policy::LogMergePolicy;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{
    IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, Term,
};

/// Changes whenever fields, splitting or folding change: then documents must be
/// made anew from their rows.
pub(crate) const TEXT_VERSION: u32 = 2;

/// Bytes of text index that are checked when it is opened: some milliseconds.
const MAX_CHECKED: u64 = 32 << 20;

/// Bytes of documents that are handed to the writer's thread at once: each time
/// the two threads meet costs more than a short document.
const AT_ONCE: usize = 256 * 1024;

const SPLITTER: &str = "studytime";

/// The fields of a document. Its weight in a search falls in this order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    /// The row it is made from.
    pub(crate) doc: Field,
    /// The row of its course.
    pub(crate) course: Field,
    /// Of a lesson: its number.
    pub(crate) number: Field,
    pub(crate) title: Field,
    pub(crate) keywords: Field,
    pub(crate) provider: Field,
    pub(crate) about: Field,
    pub(crate) lesson: Field,
    pub(crate) body: Field,
}

/// A document, as its row says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Doc {
    pub(crate) doc: u64,
    pub(crate) course: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) keywords: String,
    pub(crate) provider: String,
    pub(crate) about: String,
    pub(crate) lesson: String,
    pub(crate) body: String,
}

impl Doc {
    fn texts(&self) -> [&String; 6] {
        [
            &self.title,
            &self.keywords,
            &self.provider,
            &self.about,
            &self.lesson,
            &self.body,
        ]
    }

    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        64 + self.texts().map(String::len).iter().sum::<usize>()
    }
}

/// The searching side, shared with all readers.
#[derive(Clone)]
pub(crate) struct TextReader {
    pub(crate) fields: Fields,
    reader: IndexReader,
}

impl TextReader {
    pub(crate) fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    /// Files whose bytes are not those that were written.
    pub(crate) fn unsound(&self) -> tantivy::Result<Vec<PathBuf>> {
        let found = self.searcher().index().validate_checksum()?;
        Ok(found.into_iter().collect())
    }
}

impl fmt::Debug for TextReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TextReader")
    }
}

pub(crate) struct TextIndex {
    index: tantivy::Index,
    fields: Fields,
    reader: IndexReader,
    writer: Option<IndexWriter>,
    /// What was put and not handed over to the writer yet, and its bytes.
    pending: (Vec<UserOperation>, usize),
    budget: usize,
    generation: u64,
    stamp: Option<u64>,
}

impl fmt::Debug for TextIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextIndex")
            .field("stamp", &self.stamp)
            .finish_non_exhaustive()
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Payload {
    version: u32,
    generation: u64,
    stamp: u64,
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let text = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(SPLITTER)
            .set_index_option(IndexRecordOption::WithFreqs)
            .set_fieldnorms(true),
    );
    let row: NumericOptions = (FAST | INDEXED).into();
    let fields = Fields {
        doc: schema.add_u64_field("doc", row),
        course: schema.add_u64_field("course", FAST),
        number: schema.add_u64_field("number", FAST),
        title: schema.add_text_field("title", text.clone()),
        keywords: schema.add_text_field("keywords", text.clone()),
        provider: schema.add_text_field("provider", text.clone()),
        about: schema.add_text_field("about", text.clone()),
        lesson: schema.add_text_field("lesson", text.clone()),
        body: schema.add_text_field("body", text),
    };
    (schema.build(), fields)
}

fn size_of_files(dir: &Path) -> std::io::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(dir)? {
        total += entry?.metadata()?.len();
    }
    Ok(total)
}

impl TextIndex {
    /// Opens what is in `dir`, or begins an empty one when there is nothing
    /// sound that belongs to `generation`: it can always be made from rows.
    pub(crate) fn open(dir: &Path, generation: u64, budget: usize) -> tantivy::Result<Self> {
        // Damage can trip the code that reads it; that is damage all the same.
        match catch_unwind(|| Self::existing(dir, generation, budget)) {
            Ok(Ok(Some(found))) => Ok(found),
            _ => Self::anew(dir, generation, budget),
        }
    }

    /// Begins an empty one in place of what is in `dir`.
    pub(crate) fn anew(dir: &Path, generation: u64, budget: usize) -> tantivy::Result<Self> {
        if dir.exists() {
            std::fs::remove_dir_all(dir)?;
        }
        std::fs::create_dir_all(dir)?;
        let index = tantivy::Index::builder()
            .schema(schema().0)
            .settings(IndexSettings {
                docstore_compress_dedicated_thread: false,
                ..IndexSettings::default()
            })
            .open_or_create(MmapDirectory::open(dir)?)?;
        Self::with(index, generation, budget, None)
    }

    fn existing(dir: &Path, generation: u64, budget: usize) -> tantivy::Result<Option<Self>> {
        if !dir.join("meta.json").exists() {
            return Ok(None);
        }
        let index = tantivy::Index::open(MmapDirectory::open(dir)?)?;
        if index.schema() != schema().0 {
            return Ok(None);
        }
        // Its files say what they should hold. Larger ones would hold up the
        // start; there damage is found when it is met.
        if size_of_files(dir)? <= MAX_CHECKED && !index.validate_checksum()?.is_empty() {
            return Ok(None);
        }
        let payload = index.load_metas()?.payload.unwrap_or_default();
        match serde_json::from_str::<Payload>(&payload) {
            Ok(p) if p.generation == generation => {
                // Of another version it answers until all is made anew.
                let stamp = (p.version == TEXT_VERSION).then_some(p.stamp);
                Self::with(index, generation, budget, stamp).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn with(
        index: tantivy::Index,
        generation: u64,
        budget: usize,
        stamp: Option<u64>,
    ) -> tantivy::Result<Self> {
        index.tokenizers().register(SPLITTER, Splitter);
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        Ok(Self {
            fields: schema().1,
            index,
            reader,
            writer: None,
            pending: (Vec::new(), 0),
            budget,
            generation,
            stamp,
        })
    }

    /// The stamp of the last commit; `None` when nothing was ever committed.
    pub(crate) fn stamp(&self) -> Option<u64> {
        self.stamp
    }

    /// Whether it holds no document.
    pub(crate) fn is_empty(&self) -> bool {
        self.reader.searcher().num_docs() == 0
    }

    pub(crate) fn reader(&self) -> TextReader {
        TextReader {
            fields: self.fields,
            reader: self.reader.clone(),
        }
    }

    /// The writer holds threads and buffers, so there is one only while there
    /// is something to write.
    fn writer(&mut self) -> tantivy::Result<&mut IndexWriter> {
        if self.writer.is_none() {
            let options = IndexWriterOptions::builder()
                .memory_budget_per_thread(self.budget.max(15_000_000))
                .num_worker_threads(1)
                .num_merge_threads(1)
                .build();
            let writer: IndexWriter = self.index.writer_with_options(options)?;
            let mut policy = LogMergePolicy::default();
            policy.set_min_num_segments(6);
            writer.set_merge_policy(Box::new(policy));
            self.writer = Some(writer);
        }
        self.writer
            .as_mut()
            .ok_or_else(|| tantivy::TantivyError::InternalError("no writer".to_owned()))
    }

    /// Puts a document in the place of whatever its row had: nothing when it is
    /// `fresh`, which spares looking for it in every segment.
    pub(crate) fn put(&mut self, doc: &Doc, fresh: bool) -> tantivy::Result<()> {
        let fields = self.fields;
        if !fresh {
            self.remove(doc.doc)?;
        }
        let mut out = TantivyDocument::new();
        out.add_u64(fields.doc, doc.doc);
        out.add_u64(fields.course, doc.course);
        out.add_u64(fields.number, doc.number);
        let searched = [
            fields.title,
            fields.keywords,
            fields.provider,
            fields.about,
            fields.lesson,
            fields.body,
        ];
        for (field, text) in searched.into_iter().zip(doc.texts()) {
            if !text.is_empty() {
                out.add_text(field, text);
            }
        }
        self.hand(UserOperation::Add(out), doc.bytes())
    }

    /// Takes a row's document away.
    pub(crate) fn remove(&mut self, doc: u64) -> tantivy::Result<()> {
        let term = Term::from_field_u64(self.fields.doc, doc);
        self.hand(UserOperation::Delete(term), 64)
    }

    fn hand(&mut self, operation: UserOperation, bytes: usize) -> tantivy::Result<()> {
        self.pending.0.push(operation);
        self.pending.1 += bytes;
        if self.pending.1 >= AT_ONCE {
            self.hand_over()?;
        }
        Ok(())
    }

    fn hand_over(&mut self) -> tantivy::Result<()> {
        let (operations, _) = std::mem::take(&mut self.pending);
        self.writer()?.run(operations)?;
        Ok(())
    }

    /// Makes what was put searchable and durable, with the stamp reached.
    pub(crate) fn commit(&mut self, stamp: u64) -> tantivy::Result<()> {
        let payload = Payload {
            version: TEXT_VERSION,
            generation: self.generation,
            stamp,
        };
        let payload = serde_json::to_string(&payload)
            .map_err(|e| tantivy::TantivyError::InternalError(e.to_string()))?;
        self.hand_over()?;
        let writer = self.writer()?;
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&payload);
        commit.commit()?;
        self.stamp = Some(stamp);
        self.reader.reload()
    }

    /// Forgets what was put since the last commit, after a failure.
    pub(crate) fn roll_back(&mut self) {
        // Dropping the writer discards what is not committed.
        self.writer = None;
        self.pending = (Vec::new(), 0);
    }

    /// Gives the writer's threads and buffers back; the next write makes new ones.
    pub(crate) fn rest(&mut self) -> tantivy::Result<()> {
        match self.writer.take() {
            Some(writer) => {
                writer.wait_merging_threads()?;
                self.reader.reload()
            }
            None => Ok(()),
        }
    }

    /// Whether the writer holds threads and buffers.
    pub(crate) fn is_awake(&self) -> bool {
        self.writer.is_some()
    }
}
