//! What the node does for each request; a file a noun.

mod blobs;
mod catalogs;
mod courses;
mod downloads;
pub(crate) mod exchange;
mod export;
mod feeds;
mod imports;
pub(crate) mod invites;
pub(crate) mod learner;
mod lessons;
mod making;
mod mirrors;
mod peers;
mod rooms;
mod status;
mod torrents;

use crate::api::{ApiError, ErrorKind, Progress, Reply, Request};
use crate::node::Node;

/// Says how far a call has come.
pub(crate) type Report<'a> = &'a mut (dyn FnMut(Progress) + Send);

impl Node {
    /// Answers one request. Dropping the future cancels it.
    pub(crate) async fn dispatch(
        &self,
        request: Request,
        on_progress: impl FnMut(Progress) + Send,
    ) -> Result<Reply, ApiError> {
        let answer = self.answer(request, on_progress).await;
        if let Err(error) = &answer
            && error.kind == ErrorKind::Damaged
        {
            self.inner().indexer.repair(error.message.clone());
        }
        answer
    }

    async fn answer(
        &self,
        request: Request,
        mut on_progress: impl FnMut(Progress) + Send,
    ) -> Result<Reply, ApiError> {
        use Request as Q;
        let report: Report<'_> = &mut on_progress;
        Ok(match request {
            Q::Whoami(_) => Reply::Whoami(crate::api::Identity { id: self.id() }),
            Q::Status(_) => Reply::Status(self.status().await?),
            Q::Doctor(_) => Reply::Doctor(self.doctor(report).await?),
            Q::Settings(_) => Reply::Settings(self.settings().await?),
            Q::SettingsChange(c) => Reply::SettingsChange(self.change_settings(c).await?),
            Q::Import(c) => Reply::Import(self.import(c, report).await?),
            Q::CatalogNew(c) => Reply::CatalogNew(self.catalog_new(&c.name).await?),
            Q::CatalogList(_) => Reply::CatalogList(self.catalog_list().await?),
            Q::CatalogNearby(_) => Reply::CatalogNearby(self.catalog_nearby().await?),
            Q::CatalogAdd(c) => Reply::CatalogAdd(self.catalog_add(c.id).await?),
            Q::CatalogRemove(c) => Reply::CatalogRemove(self.catalog_remove(c.id).await?),
            Q::CatalogMove(c) => Reply::CatalogMove(self.catalog_move(c.id, c.position).await?),
            Q::CatalogPublish(c) => {
                Reply::CatalogPublish(self.catalog_publish(&c.catalog, c.course, &c.edit).await?)
            }
            Q::CatalogPublishFile(c) => {
                Reply::CatalogPublishFile(self.catalog_publish_file(&c.catalog, c.path).await?)
            }
            Q::CatalogUnpublish(c) => {
                Reply::CatalogUnpublish(self.catalog_unpublish(&c.catalog, c.course).await?)
            }
            Q::CourseList(c) => Reply::CourseList(self.course_list(c.query).await?),
            Q::Subjects(_) => Reply::Subjects(self.blocking(|n| Ok(n.reader().subjects())).await?),
            Q::Suggest(c) => Reply::Suggest(
                self.blocking(move |n| Ok(n.reader().suggest(&c.prefix, c.limit.min(50))))
                    .await?,
            ),
            Q::CoursesSince(c) => Reply::CoursesSince(
                self.blocking(move |n| {
                    let since = n.reader().since(&c.cursor, c.limit);
                    since.map_err(|e| query_error(&e))
                })
                .await?,
            ),
            Q::UnknownKeywords(c) => Reply::UnknownKeywords(
                self.blocking(move |n| Ok(n.reader().unknown_keywords(c.limit)))
                    .await?,
            ),
            Q::Problems(c) => Reply::Problems(self.problems(c.id).await?),
            Q::CourseShow(c) => Reply::CourseShow(self.course_show(c.id).await?),
            Q::CourseStart(c) => Reply::CourseStart(self.course_start(c.id, c.wait, report).await?),
            Q::CourseCarry(c) => Reply::CourseCarry(self.course_carry(c.id, c.from).await?),
            Q::CourseLeave(c) => Reply::CourseLeave(self.course_leave(c.id).await?),
            Q::CourseUpdate(c) => Reply::CourseUpdate(self.course_update(c.id, &c.edit).await?),
            Q::CourseDeprecate(c) => Reply::CourseDeprecate(self.course_deprecate(c).await?),
            Q::CoursePin(c) => Reply::CoursePin(self.course_pin(c.id, c.pinned).await?),
            Q::CoursePause(c) => Reply::CoursePause(self.course_pause(c.id, c.paused).await?),
            Q::CourseExport(c) => {
                Reply::CourseExport(self.course_export(c.id, c.dir, report).await?)
            }
            Q::LessonShow(c) => Reply::LessonShow(self.lesson_show(c.id, c.number).await?),
            Q::LessonDone(c) => Reply::LessonDone(self.lesson_done(c.id, c.number, c.done).await?),
            Q::SavePosition(c) => Reply::SavePosition(self.save_position(c).await?),
            Q::TestSubmit(c) => Reply::TestSubmit(self.test_submit(c.id, c.item, c.answers).await?),
            Q::NoteAdd(c) => Reply::NoteAdd(self.note_add(c.id, c.number, c.text).await?),
            Q::NoteList(c) => Reply::NoteList(self.note_list(c.id).await?),
            Q::Bookmark(c) => Reply::Bookmark(self.bookmark(c.id, c.number, c.set).await?),
            Q::Learner(_) => Reply::Learner(self.learner_view().await?),
            Q::PeerList(_) => Reply::PeerList(self.peer_list().await?),
            Q::PeerConnect(c) => {
                Reply::PeerConnect(self.peer_connect(&c.address, c.timeout_seconds).await?)
            }
            Q::PeerExchange(c) => {
                Reply::PeerExchange(self.peer_exchange(c.id, c.timeout_seconds).await?)
            }
            Q::PeerInvite(c) => Reply::PeerInvite(self.peer_invite(&c.code).await?),
            Q::RoomList(_) => Reply::RoomList(self.room_list().await?),
            Q::PeerNewInvite(c) => {
                Reply::PeerNewInvite(self.peer_new_invite(c.uses, c.days).await?)
            }
            Q::Follow(c) => Reply::Follow(self.follow(c.id, c.relation).await?),
            Q::BlobAdd(c) => Reply::BlobAdd(self.blob_add(c.path, report).await?),
            Q::BlobGet(c) => Reply::BlobGet(self.blob_get(c, report).await?),
            Q::BlobList(_) => Reply::BlobList(self.blob_list().await?),
            Q::BlobGc(c) => Reply::BlobGc(self.blocking(move |n| n.clean_up(c.dry_run)).await?),
            Q::BlobScrub(_) => Reply::BlobScrub(self.scrub_all(report).await?),
            Q::Downloads(c) => Reply::Downloads(self.downloads(c.by_class).await?),
            Q::DownloadsChange(c) => Reply::DownloadsChange(self.downloads_change(c.edit).await?),
            Q::MirrorList(_) => Reply::MirrorList(self.mirror_list()),
            Q::MirrorAdd(c) => Reply::MirrorAdd(self.mirror_add(c.mirror).await?),
            Q::MirrorRemove(c) => Reply::MirrorRemove(self.mirror_remove(c.name).await?),
            Q::TorrentSeed(c) => Reply::TorrentSeed(self.torrent_seed(c, report).await?),
            Q::TorrentList(_) => Reply::TorrentList(self.torrent_list()),
            Q::TorrentStop(c) => Reply::TorrentStop(self.torrent_stop(c.course).await?),
            Q::MirrorPush(c) => {
                Reply::MirrorPush(self.mirror_push(&c.name, c.course, report).await?)
            }
            Q::MirrorCheck(c) => {
                Reply::MirrorCheck(self.mirror_check(&c.name, c.course, c.read, report).await?)
            }
            Q::Backup(c) => Reply::Backup(self.backup(c.path, c.blobs, report).await?),
            Q::FeedLog(c) => Reply::FeedLog(self.feed_log(c.id, c.from, c.limit).await?),
            Q::FeedStatus(c) => Reply::FeedStatus(self.feed_status(c.id).await?),
        })
    }
}

/// An index query that failed.
pub(crate) fn query_error(error: &studytime_index::QueryError) -> ApiError {
    let failed = ApiError::failed("the index could not be read", error);
    match error {
        studytime_index::QueryError::Damaged(_) => ApiError {
            kind: ErrorKind::Damaged,
            ..failed
        }
        .hint("it is built anew from the log now; try again in a moment"),
        _ => failed,
    }
}

/// A state.db call that failed.
pub(crate) fn state_error(error: &crate::store::StateError) -> ApiError {
    ApiError::failed("state.db could not be used", error)
}
