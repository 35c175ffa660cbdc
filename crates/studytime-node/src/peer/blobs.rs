//! Blobs over one connection: what we fetch and what we serve.
//!
//! Disk work runs as short jobs; between two of them a stream holds at most a
//! megabyte, then it is paused.

use super::session::{Done, Session, Use};
use crate::clock::now_ms;
use bytes::Bytes;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use studytime_blobs::store::Added;
use studytime_blobs::transfer::{Download, DownloadError, Start, Upload};
use studytime_blobs::wants::FetchFailure;
use studytime_blobs::wire::GetArgs;
use studytime_muxrpc::{Body, Call, CallKind, End, StreamId};
use studytime_schema::BlobId;

/// Bytes of one download that may wait for the disk.
const MAX_QUEUED: usize = 1 << 20;
/// Frames of one upload read at a time.
const READ_AHEAD: usize = 4;

/// How a peer ended a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Complete,
    Failed,
    /// It does not know the call.
    Unknown,
}

/// A download of ours.
#[derive(Default)]
struct Incoming {
    /// The call; none while it is being prepared.
    stream: Option<StreamId>,
    /// With a job while that works on it.
    download: Option<Download>,
    queue: Vec<Bytes>,
    queued: usize,
    /// How the peer ended it.
    ended: Option<Ending>,
    /// Only the rest of it was asked for.
    sliced: bool,
    cancelled: bool,
    /// What came is not worth keeping.
    worthless: bool,
    /// Asked for once more while the cancelled call was not over yet.
    again: Option<(u64, Option<u64>)>,
}

/// All downloads of a connection.
#[derive(Default)]
pub(super) struct Downloads {
    by_blob: HashMap<BlobId, Incoming>,
}

impl Downloads {
    /// Keeps what came of unfinished downloads.
    pub(super) fn interrupt(self) {
        for (_, incoming) in self.by_blob {
            if let Some(mut download) = incoming.download {
                let all = incoming.queue.iter().try_for_each(|c| download.chunk(c));
                if all.is_ok() {
                    let _ = download.interrupt(now_ms());
                }
            }
        }
    }
}

/// What a job did for a download.
pub(super) enum Written {
    Started(BlobId, Result<Start, DownloadError>),
    Chunks(BlobId, Result<Download, DownloadError>),
    Finished(BlobId, Result<Added, DownloadError>),
}

/// An upload to the peer.
#[derive(Default)]
struct Outgoing {
    /// With a job while that reads.
    upload: Option<Upload>,
    chunks: VecDeque<Bytes>,
    complete: bool,
}

/// Uploads of a connection.
#[derive(Default)]
pub(super) struct Uploads {
    by_stream: HashMap<StreamId, Outgoing>,
}

impl Uploads {
    pub(super) fn forget(&mut self, id: StreamId) {
        self.by_stream.remove(&id);
    }
}

/// What a job read for an upload.
pub(super) struct Read {
    id: StreamId,
    upload: Result<Upload, String>,
    chunks: Vec<Bytes>,
    complete: bool,
}

fn failure(error: &DownloadError) -> FetchFailure {
    match error {
        DownloadError::TooLong { .. } => FetchFailure::TooLong,
        DownloadError::WrongHash { resumed: true, .. } => FetchFailure::WrongHashResumed,
        DownloadError::WrongHash { .. } => FetchFailure::WrongHash,
        _ => FetchFailure::Local,
    }
}

impl Session {
    pub(super) fn start_download(&mut self, blob: BlobId, max: u64, resume: Option<u64>) {
        if let Some(incoming) = self.downloads.by_blob.get_mut(&blob) {
            incoming.again = Some((max, resume));
            return;
        }
        self.downloads.by_blob.insert(blob, Incoming::default());
        let node = self.node.clone();
        self.jobs.spawn_blocking(move || {
            let store = &*node.inner().blobs;
            Done::Download(Written::Started(
                blob,
                Download::start(store, &blob, max, resume, now_ms()),
            ))
        });
    }

    pub(super) fn cancel_download(&mut self, blob: &BlobId, keep: bool) {
        let Some(incoming) = self.downloads.by_blob.get_mut(blob) else {
            return;
        };
        incoming.cancelled = true;
        incoming.worthless = !keep;
        incoming.again = None;
        if let Some(stream) = incoming.stream {
            self.mux.end(stream);
        }
    }

    pub(super) fn download_chunk(&mut self, id: StreamId, blob: BlobId, bytes: Bytes) {
        let Some(incoming) = self.downloads.by_blob.get_mut(&blob) else {
            return;
        };
        let count = bytes.len() as u64;
        incoming.queued += bytes.len();
        incoming.queue.push(bytes);
        if incoming.queued > MAX_QUEUED {
            self.mux.pause(id);
        }
        let peer = crate::hub::blob_peer(self.peer);
        self.node
            .inner()
            .hub
            .act(|s, now| s.wants.handle_bytes(peer, &blob, count, now));
    }

    pub(super) fn download_ended(&mut self, _id: StreamId, blob: BlobId, end: &End) {
        if let Some(incoming) = self.downloads.by_blob.get_mut(&blob) {
            incoming.ended = Some(match end {
                End::Done => Ending::Complete,
                End::Error(error) if error.is_unsupported() => Ending::Unknown,
                _ => Ending::Failed,
            });
            incoming.stream = None;
        }
    }

    /// Gives waiting bytes, and ends, to jobs.
    pub(super) fn drive_downloads(&mut self) {
        let ready: Vec<BlobId> = self
            .downloads
            .by_blob
            .iter()
            .filter(|(_, d)| {
                d.download.is_some() && (!d.queue.is_empty() || d.ended.is_some() || d.cancelled)
            })
            .map(|(blob, _)| *blob)
            .collect();
        for blob in ready {
            let Some(incoming) = self.downloads.by_blob.get_mut(&blob) else {
                continue;
            };
            let Some(mut download) = incoming.download.take() else {
                continue;
            };
            let chunks = std::mem::take(&mut incoming.queue);
            incoming.queued = 0;
            if let Some(stream) = incoming.stream {
                self.mux.resume(stream);
            }
            let failed = incoming.ended.filter(|e| *e != Ending::Complete);
            if incoming.cancelled || failed.is_some() {
                let refused = !incoming.cancelled && download.received() == 0 && chunks.is_empty();
                let no_slices = incoming.sliced && failed == Some(Ending::Unknown);
                let (cancelled, again) = (incoming.cancelled, incoming.again);
                let keep = !incoming.worthless;
                self.downloads.by_blob.remove(&blob);
                self.jobs.spawn_blocking(move || {
                    if keep && chunks.iter().try_for_each(|c| download.chunk(c)).is_ok() {
                        let _ = download.interrupt(now_ms());
                    }
                    Done::Permit(None)
                });
                if let Some((max, resume)) = again {
                    self.start_download(blob, max, resume);
                } else if !cancelled {
                    let why = match refused {
                        _ if no_slices => FetchFailure::NoSlices,
                        true => FetchFailure::Refused,
                        false => FetchFailure::Broken,
                    };
                    self.node.inner().hub.fetch_failed(self.peer, &blob, why);
                }
                continue;
            }
            let last = incoming.ended == Some(Ending::Complete);
            self.jobs.spawn_blocking(move || {
                let written = chunks.iter().try_for_each(|c| download.chunk(c));
                Done::Download(match written {
                    Err(error) => Written::Chunks(blob, Err(error)),
                    Ok(()) if last => Written::Finished(blob, download.finish()),
                    Ok(()) => Written::Chunks(blob, Ok(download)),
                })
            });
        }
    }

    pub(super) fn download_written(&mut self, written: Written) {
        match written {
            Written::Started(blob, Ok(Start::Here(added))) => {
                self.downloads.by_blob.remove(&blob);
                self.node
                    .inner()
                    .blob_stored(blob, added.size, Some(self.peer));
            }
            Written::Started(blob, Ok(Start::Call(download, args))) => {
                let Some(incoming) = self.downloads.by_blob.get_mut(&blob) else {
                    return;
                };
                incoming.download = Some(download);
                incoming.sliced = args.slice.is_some();
                if incoming.cancelled {
                    return;
                }
                match self
                    .mux
                    .call(CallKind::Source, args.method(), &args.to_args())
                {
                    Ok(id) => {
                        incoming.stream = Some(id);
                        self.uses.insert(id, Use::Download(blob));
                    }
                    Err(_) => incoming.ended = Some(Ending::Failed),
                }
            }
            Written::Chunks(blob, Ok(download)) => {
                if let Some(incoming) = self.downloads.by_blob.get_mut(&blob) {
                    incoming.download = Some(download);
                }
            }
            Written::Finished(blob, Ok(added)) => {
                self.downloads.by_blob.remove(&blob);
                self.node
                    .inner()
                    .blob_stored(blob, added.size, Some(self.peer));
            }
            Written::Started(blob, Err(error))
            | Written::Chunks(blob, Err(error))
            | Written::Finished(blob, Err(error)) => {
                self.download_failed(blob, &error);
            }
        }
    }

    fn download_failed(&mut self, blob: BlobId, error: &DownloadError) {
        if let Some(incoming) = self.downloads.by_blob.remove(&blob)
            && let Some(stream) = incoming.stream
        {
            self.uses.remove(&stream);
            self.mux
                .fail(stream, "the bytes are not those that were asked for");
        }
        let why = failure(error);
        match error {
            // Told once, for all that are under way.
            DownloadError::Store(error) if error.is_full() => self.node.disk_refused(),
            _ if why == FetchFailure::Local => self
                .node
                .trouble(format!("{blob} could not be kept: {error}")),
            _ => {}
        }
        self.node.inner().hub.fetch_failed(self.peer, &blob, why);
    }

    pub(super) fn serve_blob(&mut self, id: StreamId, call: &Call, slice: bool) {
        let args: Value = call.args().unwrap_or_default();
        let args = match GetArgs::parse(&args, slice) {
            Ok(args) => args,
            Err(error) => return self.mux.fail(id, &error.to_string()),
        };
        self.uses.insert(id, Use::Upload);
        self.uploads.by_stream.insert(id, Outgoing::default());
        let node = self.node.clone();
        self.jobs.spawn_blocking(move || {
            let upload = Upload::start(&*node.inner().blobs, &args).map_err(|e| e.to_string());
            if upload.is_ok() {
                let _ = node.inner().blobs.touch(&[args.id], now_ms());
            }
            Done::Upload(read_on(id, upload))
        });
    }

    pub(super) fn upload_read(&mut self, read: Read) {
        let Read {
            id,
            upload,
            chunks,
            complete,
        } = read;
        let Some(outgoing) = self.uploads.by_stream.get_mut(&id) else {
            return;
        };
        match upload {
            Err(text) => {
                self.uploads.by_stream.remove(&id);
                self.mux.fail(id, &text);
            }
            Ok(upload) => {
                outgoing.upload = Some(upload);
                outgoing.chunks.extend(chunks);
                outgoing.complete = complete;
            }
        }
    }

    /// Sends what was read, and reads on for uploads whose stream has room.
    pub(super) fn drive_uploads(&mut self) {
        let Self {
            uploads, mux, jobs, ..
        } = self;
        uploads.by_stream.retain(|&id, outgoing| {
            while let Some(chunk) = outgoing.chunks.pop_front() {
                // Bytes are counted, not copied: the clone is cheap.
                if mux.send(id, Body::Binary(chunk.clone())).is_err() {
                    outgoing.chunks.push_front(chunk);
                    return true;
                }
            }
            if outgoing.complete {
                mux.end(id);
                return false;
            }
            if mux.writable(id)
                && let Some(upload) = outgoing.upload.take()
            {
                jobs.spawn_blocking(move || Done::Upload(read_on(id, Ok(upload))));
            }
            true
        });
    }
}

fn read_on(id: StreamId, upload: Result<Upload, String>) -> Read {
    let mut read = Read {
        id,
        upload,
        chunks: Vec::new(),
        complete: false,
    };
    if let Ok(upload) = &mut read.upload {
        while read.chunks.len() < READ_AHEAD {
            match upload.next_chunk() {
                Ok(Some(chunk)) => read.chunks.push(chunk),
                Ok(None) => {
                    read.complete = true;
                    break;
                }
                Err(error) => {
                    read.upload = Err(error.to_string());
                    break;
                }
            }
        }
        if let Ok(upload) = &read.upload {
            read.complete |= upload.remaining() == 0;
        }
    }
    read
}
