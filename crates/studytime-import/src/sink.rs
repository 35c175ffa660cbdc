//! Where an import writes: the seam between a draft and a node.

use crate::error::SinkError;
use studytime_schema::BlobId;
use studytime_schema::content::Content;

/// What an import needs from whoever keeps blobs and feeds.
///
/// The calls come in this order: [`has_blob`](Sink::has_blob) and
/// [`put_blob`](Sink::put_blob) for every blob, [`sync_blobs`](Sink::sync_blobs)
/// once, [`publish_all`](Sink::publish_all) at most once and last. An import
/// that fails or is cancelled never reaches `publish_all`.
pub trait Sink {
    /// Whether the blob is stored already; then it is not written again, and
    /// an interrupted import resumes at the speed of hashing.
    ///
    /// # Errors
    /// Whatever the store reports; it ends the import.
    fn has_blob(&mut self, id: &BlobId) -> Result<bool, SinkError> {
        let _ = id;
        Ok(false)
    }

    /// Stores one blob. `bytes` hashes to `id` and is always shorter than
    /// [`MAX_BLOB_SIZE`](studytime_schema::MAX_BLOB_SIZE): a plain file, one
    /// segment of 1 MiB, or a manifest.
    ///
    /// # Errors
    /// Whatever the store reports, for example a full disk; it ends the import.
    fn put_blob(&mut self, id: BlobId, bytes: &[u8]) -> Result<(), SinkError>;

    /// Makes everything stored so far durable.
    ///
    /// # Errors
    /// Whatever the store reports; it ends the import.
    fn sync_blobs(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Publishes all messages in this order on the course's feed, in one
    /// transaction: all of them, or none.
    ///
    /// # Errors
    /// Whatever the node reports; then none of the messages may stand.
    fn publish_all(&mut self, messages: Vec<Content>) -> Result<(), SinkError>;

    /// Told before each file and after each segment. Ephemeral: skipping
    /// events loses nothing.
    fn progress(&mut self, progress: Progress<'_>) {
        let _ = progress;
    }

    /// Asked before each blob and before publishing; `true` ends the import
    /// with [`PublishError::Cancelled`](crate::PublishError::Cancelled).
    fn cancelled(&self) -> bool {
        false
    }
}

/// How far an import is. All sizes are bytes of the files in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// What is being done.
    pub stage: Stage,
    /// The file being stored; empty while publishing.
    pub path: &'a str,
    /// Bytes of this file stored.
    pub file_done: u64,
    /// Bytes of this file.
    pub file_total: u64,
    /// Bytes of all files stored.
    pub done: u64,
    /// Bytes of all files.
    pub total: u64,
}

/// The two parts of publishing a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Files are hashed and stored.
    Storing,
    /// Messages are signed and published.
    Publishing,
}

/// A sink that keeps nothing: it tells what an import would do.
#[derive(Debug, Default)]
pub struct DryRun {
    /// The messages that would be published.
    pub messages: Vec<Content>,
}

impl Sink for DryRun {
    fn put_blob(&mut self, _id: BlobId, _bytes: &[u8]) -> Result<(), SinkError> {
        Ok(())
    }

    fn publish_all(&mut self, messages: Vec<Content>) -> Result<(), SinkError> {
        self.messages = messages;
        Ok(())
    }
}
