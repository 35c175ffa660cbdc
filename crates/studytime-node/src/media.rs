//! Files of a course as byte streams, complete or still arriving.

use crate::api::ApiError;
use crate::holdings::Holdings;
use crate::node::Node;
use bytes::Bytes;
use std::future::Future;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use studytime_blobs::media::{MediaFile, Read, ReaderId};
use studytime_blobs::store::BlobRead;
use studytime_blobs::wants::{OwnerId, Priority, WantSpec};
use studytime_schema::BlobId;
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tokio::sync::Notify;

/// Bytes read from disk at a time.
const CHUNK: usize = 256 * 1024;
/// How long a manifest is waited for before a stream gives up.
const MANIFEST_WAIT: Duration = Duration::from_secs(30);

/// Withdraws its wants when dropped.
pub(crate) struct WantGuard {
    node: Node,
    owner: OwnerId,
}

impl WantGuard {
    pub(crate) fn new(node: &Node, list: &[(BlobId, WantSpec)]) -> Self {
        let owner = node.inner().hub.owner();
        node.inner().hub.want(owner, list);
        Self {
            node: node.clone(),
            owner,
        }
    }

    pub(crate) fn replace(&self, list: &[(BlobId, WantSpec)]) {
        self.node.inner().hub.want(self.owner, list);
    }
}

impl Drop for WantGuard {
    fn drop(&mut self) {
        self.node.inner().hub.want(self.owner, &[]);
    }
}

impl Node {
    /// Waits until a blob is here, wanting it meanwhile.
    pub(crate) async fn fetch_blob(
        &self,
        id: BlobId,
        priority: Priority,
        limit: Duration,
    ) -> Result<(), ApiError> {
        // Registered before looking, so that an arrival in between is not missed.
        let arrival = self.inner().hub.wait_for_blob(id);
        if self
            .blocking(move |n| Ok(n.inner().holdings.has(&id)))
            .await?
        {
            return Ok(());
        }
        let _want = WantGuard::new(self, &[(id, WantSpec::whole(priority, 0))]);
        match tokio::time::timeout(limit, arrival.notified()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(ApiError::not_found(format!(
                "nobody who is connected had {id} within {} s",
                limit.as_secs()
            ))
            .hint("connect to a peer that has it; `studytime peer list` shows who is there")),
        }
    }

    /// One small blob whole.
    pub(crate) async fn blob(&self, id: BlobId, limit: Duration) -> Result<Bytes, ApiError> {
        self.fetch_blob(id, Priority::Opened, limit).await?;
        self.blocking(move |n| {
            let store = &n.inner().blobs;
            let _ = store.touch(&[id], crate::clock::now_ms());
            store
                .read(&id)
                .map_err(|e| ApiError::failed("the blob could not be read", &e))?
                .map(Bytes::from)
                .ok_or_else(|| ApiError::not_found(format!("{id} is not here any more")))
        })
        .await
    }

    /// A file by its link.
    pub(crate) async fn media(
        &self,
        link: BlobId,
        manifest: bool,
    ) -> Result<MediaStream, ApiError> {
        self.fetch_blob(link, Priority::Opened, MANIFEST_WAIT)
            .await?;
        let (file, content_type) = self
            .blocking(move |n| media_file(n, link, manifest))
            .await?;
        let wake = Arc::new(Notify::new());
        let reader = self.inner().hub.act(|s, _| {
            let reader = s.media.open(Arc::clone(&file), None);
            s.add_reader(reader, Arc::clone(&wake));
            reader
        });
        Ok(MediaStream {
            size: file.size(),
            content_type,
            position: 0,
            chunk: Bytes::new(),
            pending: None,
            inner: Arc::new(Reader {
                node: self.clone(),
                reader,
                wake,
                open: tokio::sync::Mutex::new(None),
            }),
        })
    }
}

fn media_file(
    node: &Node,
    link: BlobId,
    manifest: bool,
) -> Result<(Arc<MediaFile>, Option<String>), ApiError> {
    if !manifest {
        let size = node.inner().blobs.size(&link);
        let size = size
            .map_err(|e| ApiError::failed("the blob could not be read", &e))?
            .unwrap_or(0);
        return Ok((Arc::new(MediaFile::blob(link, size)), None));
    }
    let manifest = manifest_of(&node.inner().holdings, &link)?;
    let file =
        MediaFile::segmented(link, &manifest).map_err(|e| ApiError::refused(e.to_string()))?;
    Ok((Arc::new(file), Some(manifest.content_type.clone())))
}

/// The manifest in a blob that is here.
pub(crate) fn manifest_of(
    holdings: &Holdings,
    link: &BlobId,
) -> Result<Arc<studytime_schema::Manifest>, ApiError> {
    holdings.manifest(link).ok_or_else(|| {
        let why = holdings.why_no_manifest(link);
        ApiError::refused(format!(
            "{link} is not a valid manifest ({why}); the file it stands for cannot be shown"
        ))
    })
}

struct Reader {
    node: Node,
    reader: ReaderId,
    wake: Arc<Notify>,
    /// The segment being read, kept open from one chunk to the next.
    open: tokio::sync::Mutex<Option<(BlobId, Arc<dyn BlobRead>)>>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.node.inner().hub.act(|s, _| s.drop_reader(self.reader));
    }
}

type Pending = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

/// A file of a course as a byte stream with seeking. A read on a part that is
/// not here waits until it has arrived and proven itself; seeking changes what
/// is fetched first; dropping it withdraws what it wanted. Nothing is fetched before
/// the first read.
pub struct MediaStream {
    size: u64,
    content_type: Option<String>,
    position: u64,
    chunk: Bytes,
    pending: Option<Pending>,
    inner: Arc<Reader>,
}

impl std::fmt::Debug for MediaStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaStream")
            .field("size", &self.size)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl MediaStream {
    /// Bytes of the whole file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How long the file plays, when that is known: so it is worked out how much to
    /// fetch ahead.
    pub fn set_duration(&mut self, seconds: u64) {
        let rate = self.size.checked_div(seconds);
        let reader = self.inner.reader;
        let hub = &self.inner.node.inner().hub;
        hub.act(|s, _| s.media.set_rate(reader, rate));
    }

    /// Nothing at or behind this position will be read: nothing there is fetched ahead.
    pub fn stop_at(&mut self, position: u64) {
        let reader = self.inner.reader;
        let hub = &self.inner.node.inner().hub;
        hub.act(|s, _| s.media.stop_at(reader, position));
    }

    /// MIME type as the manifest says; `None` for a plain blob.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }
}

impl Reader {
    /// The next bytes at the position; empty at the end.
    async fn next_chunk(self: Arc<Self>) -> io::Result<Bytes> {
        loop {
            let node = &self.node;
            match node.inner().hub.act(|s, _| s.media.read(self.reader)) {
                Read::Ready { blob, offset, len } => {
                    let len = usize::try_from(len).unwrap_or(CHUNK).min(CHUNK);
                    match self.read_at(blob, offset, len).await? {
                        Some(bytes) => {
                            let n = bytes.len() as u64;
                            node.inner().hub.act(|s, _| s.media.advance(self.reader, n));
                            return Ok(bytes);
                        }
                        // Deleted meanwhile: it is wanted again.
                        None => node.inner().hub.act(|s, _| s.media.segment_lost(&blob)),
                    }
                }
                Read::NeedSegment { .. } => {
                    tokio::select! {
                        () = self.wake.notified() => {}
                        () = node.inner().stop.cancelled() => {
                            return Err(io::Error::other("the node is shutting down"));
                        }
                    }
                }
                Read::Lookup { blob } => {
                    let here = node
                        .blocking(move |n| Ok(n.inner().holdings.has(&blob)))
                        .await
                        .map_err(io::Error::other)?;
                    node.inner().hub.act(|s, _| s.looked_up(&blob, here));
                }
                Read::End => return Ok(Bytes::new()),
                Read::Closed => return Err(io::Error::other("the stream was closed")),
            }
        }
    }

    async fn read_at(&self, blob: BlobId, offset: u64, len: usize) -> io::Result<Option<Bytes>> {
        let mut open = self.open.lock().await;
        let kept = open
            .as_ref()
            .filter(|(id, _)| *id == blob)
            .map(|(_, file)| Arc::clone(file));
        let read = self
            .node
            .blocking(move |n| {
                let file = match kept {
                    Some(file) => file,
                    None => match n.inner().blobs.open(&blob) {
                        Ok(Some(file)) => {
                            let _ = n.inner().blobs.touch(&[blob], crate::clock::now_ms());
                            Arc::from(file)
                        }
                        Ok(None) => return Ok(None),
                        Err(e) => return Err(ApiError::failed("the file could not be read", &e)),
                    },
                };
                let mut bytes = vec![0; len];
                let n = file
                    .read_at(offset, &mut bytes)
                    .map_err(|e| ApiError::failed("the file could not be read", &e))?;
                bytes.truncate(n);
                Ok((n > 0).then(|| (file, Bytes::from(bytes))))
            })
            .await
            .map_err(io::Error::other)?;
        match read {
            Some((file, bytes)) => {
                *open = Some((blob, file));
                Ok(Some(bytes))
            }
            None => {
                *open = None;
                Ok(None)
            }
        }
    }
}

impl AsyncRead for MediaStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.chunk.is_empty() {
            if self.position >= self.size {
                return Poll::Ready(Ok(()));
            }
            let inner = Arc::clone(&self.inner);
            let pending = self
                .pending
                .get_or_insert_with(|| Box::pin(inner.next_chunk()));
            let chunk = ready!(pending.as_mut().poll(cx));
            self.pending = None;
            self.chunk = chunk?;
        }
        let n = self.chunk.len().min(buf.remaining());
        buf.put_slice(&self.chunk.split_to(n));
        self.position += n as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for MediaStream {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let target = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(n) => self.size.checked_add_signed(n),
            SeekFrom::Current(n) => self.position.checked_add_signed(n),
        };
        let target = target.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a position before the start")
        })?;
        self.chunk = Bytes::new();
        self.pending = None;
        self.position = target;
        let reader = self.inner.reader;
        self.inner
            .node
            .inner()
            .hub
            .act(|s, _| s.media.seek(reader, target));
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position))
    }
}
