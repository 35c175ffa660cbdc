//! Folders become courses.

use super::catalogs::apply_edit;
use super::making::Making;
use super::{Report, query_error};
use crate::api::{
    ApiError, ErrorKind, Import as ImportCall, ImportProblem, ImportReply, Progress, ProgressUnit,
};
use crate::clock::now_ms;
use crate::node::Node;
use crate::store::OwnKind;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use studytime_blobs::store::{BlobBatch, Pinner, PushScope};
use studytime_blobs::wants::PushSpec;
use studytime_import::{Current, Import, OpenError, Options, PublishError, Sink, SinkError, Stage};
use studytime_schema::content::{Content, Course, Patch};
use studytime_schema::{BlobId, FeedId};
use tokio::sync::mpsc;

/// Blobs made durable in one pass.
const BATCH: usize = 64;

/// Tells the blocking side that nobody waits any more.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Where an import writes.
struct NodeSink {
    node: Node,
    feed: FeedId,
    batch: Option<Box<dyn BlobBatch>>,
    stored: Vec<BlobId>,
    cancelled: Arc<AtomicBool>,
    progress: mpsc::Sender<Progress>,
}

impl NodeSink {
    fn flush(&mut self) -> Result<(), SinkError> {
        if let Some(batch) = self.batch.take() {
            for added in batch.commit()? {
                self.stored.push(added.id);
                self.node.inner().blob_stored(added.id, added.size, None);
            }
        }
        Ok(())
    }
}

impl Sink for NodeSink {
    fn has_blob(&mut self, id: &BlobId) -> Result<bool, SinkError> {
        let here = self.node.inner().blobs.size(id)?.is_some();
        if here {
            self.stored.push(*id);
        }
        Ok(here)
    }

    fn put_blob(&mut self, _id: BlobId, bytes: &[u8]) -> Result<(), SinkError> {
        let batch = match &mut self.batch {
            Some(batch) => batch,
            none => none.insert(self.node.inner().blobs.batch(now_ms())?),
        };
        batch.add(bytes)?;
        if batch.count() >= BATCH {
            self.flush()?;
        }
        Ok(())
    }

    fn sync_blobs(&mut self) -> Result<(), SinkError> {
        self.flush()?;
        // Also those that were here before, fetched, and not yet synced.
        self.node.inner().blobs.flush()?;
        // Before the messages: a course that stands is never without its pins.
        self.node.pin_course(&self.feed, &self.stored)?;
        Ok(())
    }

    fn publish_all(&mut self, messages: Vec<Content>) -> Result<(), SinkError> {
        if messages.is_empty() {
            return Ok(());
        }
        let publish = self.node.publish(self.feed, messages);
        tokio::runtime::Handle::current().block_on(publish)?;
        Ok(())
    }

    fn progress(&mut self, p: studytime_import::Progress<'_>) {
        // Ephemeral: when nobody reads, the next one tells as much.
        let _ = self.progress.try_send(Progress {
            stage: match p.stage {
                Stage::Publishing => "Publishing".into(),
                _ => "Storing".into(),
            },
            done: p.done,
            total: p.total,
            unit: ProgressUnit::Bytes,
            current: (!p.path.is_empty()).then(|| p.path.to_owned()),
        });
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

fn open_error(error: &OpenError) -> ApiError {
    let kind = match error {
        OpenError::NotFound { .. } => ErrorKind::NotFound,
        OpenError::Cancelled => ErrorKind::Cancelled,
        OpenError::Unreadable { .. } => ErrorKind::Failed,
        _ => ErrorKind::Refused,
    };
    let mut text = error.to_string();
    for problem in error.problems().iter().take(20) {
        text.push_str("\n  ");
        text.push_str(&problem.to_string());
    }
    ApiError::new(kind, text)
}

fn publish_error(error: &PublishError) -> ApiError {
    let kind = match error {
        PublishError::Cancelled => ErrorKind::Cancelled,
        PublishError::TooLong { .. } | PublishError::Changed { .. } => ErrorKind::Refused,
        _ => ErrorKind::Failed,
    };
    ApiError {
        kind,
        ..ApiError::failed("the import did not finish", error)
    }
}

impl Node {
    pub(super) async fn import(
        &self,
        call: ImportCall,
        report: Report<'_>,
    ) -> Result<ImportReply, ApiError> {
        if let Some(into) = call.into
            && self.own_kind(&into) != Some(OwnKind::Course)
        {
            return Err(ApiError::refused(format!(
                "{into} is not a course of yours, so nothing can be imported into it"
            )));
        }
        if let Some(old) = call.replaces {
            if call.into.is_some() {
                return Err(ApiError::usage(
                    "an import into a course cannot take the place of another one",
                ));
            }
            self.caught_up().await?;
            let outline = self
                .blocking(move |n| n.reader().outline(&old).map_err(|e| query_error(&e)))
                .await?;
            if outline.is_none_or(|o| o.lessons.is_empty()) {
                return Err(ApiError::not_found(format!(
                    "the lessons of {old} are not here, so none can be replaced"
                ))
                .hint("connect to a peer that has the course, or import without --replaces"));
            }
        }
        if !call.dry_run {
            // Before anything is read: an import is published whole or not at all.
            if let Some(into) = &call.into {
                self.check_unlocked(into)?;
            } else {
                self.check_unlocked(&self.id())?;
            }
            match call.catalog.as_deref().map(|c| self.own_list(c)) {
                Some(Ok(list)) => self.check_unlocked(&list)?,
                Some(Err(_)) => self.check_unlocked(&self.id())?,
                None => {}
            }
        }
        let cancelled = Arc::new(AtomicBool::new(false));
        let guard = CancelOnDrop(Arc::clone(&cancelled));
        let (tx, mut rx) = mpsc::channel(8);
        let node = self.clone();
        let mut work = tokio::task::spawn_blocking(move || {
            node.import_blocking(&call, &cancelled, &tx)
                .map(|r| (r, call))
        });
        let (done, call) = loop {
            tokio::select! {
                Some(progress) = rx.recv() => report(progress),
                done = &mut work => break done.map_err(|e| ApiError::failed("the import failed", &e))??,
            }
        };
        // From here on the course stands; what follows makes it known.
        drop(guard);
        let (mut reply, course, making) = done;
        match (making, reply.course, course) {
            (Some(making), _, listing) => {
                reply.messages += self.complete(&making.work, listing).await?;
            }
            (None, Some(feed), Some(listing)) => {
                self.blocking(move |n| n.push_course(&feed)).await?;
                if let Some(catalog) = &call.catalog {
                    reply.messages += self.put_on_list(feed, catalog, Some(listing)).await?;
                }
            }
            _ => return Ok(reply),
        }
        if let Some(feed) = reply.course {
            self.opened(feed);
            self.settle().await;
        }
        Ok(reply)
    }

    #[allow(clippy::type_complexity, reason = "parts that go to one caller")]
    fn import_blocking(
        &self,
        call: &ImportCall,
        cancelled: &Arc<AtomicBool>,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<(ImportReply, Option<Course>, Option<Making>), ApiError> {
        let edit = &call.edit;
        let level = match edit
            .level
            .as_deref()
            .map(str::trim)
            .filter(|l| !l.is_empty())
        {
            Some(text) => Some(text.parse().map_err(|_| {
                ApiError::usage(format!(
                    "{text:?} is no level: say beginner, intermediate or advanced"
                ))
            })?),
            None => None,
        };
        let options = Options {
            name: edit.name.clone(),
            description: edit.description.clone(),
            language: edit.language.clone(),
            license: edit.license.clone(),
            keywords: edit.keywords.clone().unwrap_or_default(),
            provider: edit.provider.clone(),
            source_url: edit.source_url.clone(),
            level,
            duration_minutes: edit.duration_minutes,
            faststart: call.faststart,
            layout: None,
        };
        let mut watch = |r: studytime_import::Reading<'_>| {
            let _ = progress.try_send(Progress {
                stage: "Reading".into(),
                done: r.done as u64,
                total: r.total as u64,
                unit: ProgressUnit::Items,
                current: Some(r.path.to_owned()),
            });
            if cancelled.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let mut import =
            Import::open_watched(&call.path, &options, &mut watch).map_err(|e| open_error(&e))?;
        let draft = import.draft();
        let mut reply = ImportReply {
            course: call.into,
            name: draft.name.clone(),
            lessons: draft.totals.lessons,
            items: draft.items(),
            messages: 0,
            blobs: draft.totals.blobs,
            bytes: draft.totals.bytes,
            problems: draft
                .problems
                .iter()
                .map(|p| ImportProblem {
                    path: p.path.clone(),
                    problem: p.problem.clone(),
                })
                .collect(),
            outline: if call.dry_run {
                draft.outline_lines()
            } else {
                Vec::new()
            },
        };
        if call.dry_run {
            return Ok((reply, None, None));
        }
        let making = match call.into {
            Some(_) => None,
            None => Some(self.begin(OwnKind::Course, &reply.name, call.catalog.as_deref())?),
        };
        let feed = making.as_ref().map(|m| m.work.feed).or(call.into);
        let feed = feed.ok_or_else(|| ApiError::usage("no course to import into"))?;
        let mut sink = NodeSink {
            node: self.clone(),
            feed,
            batch: None,
            stored: Vec::new(),
            cancelled: Arc::clone(cancelled),
            progress: progress.clone(),
        };
        let published = match call.into {
            None => {
                let old = match call.replaces {
                    Some(old) => self.reader().outline(&old).map_err(|e| query_error(&e))?,
                    None => None,
                };
                match old {
                    Some(old) => import.publish_in_place_of(feed, &old, &mut sink),
                    None => import.publish_new(feed, &mut sink),
                }
            }
            Some(_) => {
                let reader = self.reader();
                let record = reader
                    .course(&feed)
                    .map_err(|e| query_error(&e))?
                    .map(|d| d.record);
                let outline = reader
                    .outline(&feed)
                    .map_err(|e| query_error(&e))?
                    .unwrap_or_default();
                let current = Current {
                    record: record.as_ref(),
                    outline: &outline,
                    prune: call.prune,
                };
                import.publish_into(feed, &current, &mut sink)
            }
        };
        let published = match published {
            Ok(published) => published,
            Err(error) => {
                if let Some(making) = &making {
                    self.give_up(making);
                }
                return Err(publish_error(&error));
            }
        };
        reply.course = Some(feed);
        reply.messages = published.messages;
        reply.blobs = published.blobs;
        reply.bytes = published.bytes;
        let mut course = published.course;
        // The list says what the course says; the caller's words go first.
        let mut name = Patch::Set(course.name.clone());
        let mut edit = edit.clone();
        if course.fields.description_blob.value().is_some() {
            // It is the caller's, and too long for a message.
            edit.description = edit.description.filter(|text| text.trim().is_empty());
        }
        apply_edit(&edit, &mut name, &mut course.fields)?;
        if let Some(name) = name.into_value() {
            course.name = name;
        }
        Ok((reply, Some(course), making))
    }

    /// Pushes an own course's blobs: small ones to everybody, segments only to
    /// seeders.
    pub(super) fn push_course(&self, course: &FeedId) -> Result<(), ApiError> {
        let inner = self.inner();
        let failed = |e: &(dyn std::error::Error + 'static)| {
            ApiError::failed("the course's blobs could not be noted", e)
        };
        let stored = inner.blobs.pinned(&Pinner::Course(*course));
        let stored = stored.map_err(|e| failed(&e))?;
        let needed = self.needed_blobs(course)?;
        let whole: Vec<BlobId> = needed.iter().map(|b| b.blob).collect();
        let segments: Vec<BlobId> = stored
            .iter()
            .filter(|b| !whole.contains(b))
            .copied()
            .collect();
        for (blobs, scope) in [(whole, PushScope::Everyone), (segments, PushScope::Seeders)] {
            inner.blobs.push(&blobs, scope).map_err(|e| failed(&e))?;
            let sizes: Vec<(BlobId, u64)> = blobs
                .iter()
                .filter_map(|b| Some((*b, inner.blobs.size(b).ok().flatten()?)))
                .collect();
            inner.hub.act(|s, now| {
                for (id, size) in sizes {
                    s.wants.push(
                        PushSpec {
                            id,
                            size,
                            scope,
                            seen: Vec::new(),
                        },
                        now,
                    );
                }
            });
        }
        Ok(())
    }
}
