//! Courses: found, shown, started, changed.

use super::catalogs::apply_edit;
use super::{Report, query_error, state_error};
use crate::api::{
    ApiError, Carried, CourseDeprecate, CourseEdit, CourseReply, Done, Progress, ProgressUnit,
    Published,
};
use crate::node::Node;
use crate::store::OwnKind;
use std::time::Duration;
use studytime_blobs::store::Pinner;
use studytime_index::{CourseCard, CourseQuery, Page, Problem};
use studytime_schema::FeedId;
use studytime_schema::content::{Contact, Content, CourseUpdate, Enrolment, Patch, ProgressEntry};
use studytime_schema::fold::successors;
use tokio::time::Instant;

/// How long `--wait` waits without any progress.
const NO_PROGRESS: Duration = Duration::from_secs(120);

fn unknown(id: &FeedId) -> ApiError {
    ApiError::not_found(format!("no course {id} is known here")).hint(
        "connect to a peer that has it, or add the list that names it: `studytime catalog add ID`",
    )
}

impl Node {
    pub(super) async fn course_list(
        &self,
        query: CourseQuery,
    ) -> Result<Page<CourseCard>, ApiError> {
        self.blocking(move |n| n.reader().courses(&query).map_err(|e| query_error(&e)))
            .await
    }

    pub(super) async fn course_show(&self, id: FeedId) -> Result<CourseReply, ApiError> {
        self.opened(id);
        self.course_reply(id).await
    }

    async fn course_reply(&self, id: FeedId) -> Result<CourseReply, ApiError> {
        self.blocking(move |n| {
            let detail = n
                .reader()
                .course(&id)
                .map_err(|e| query_error(&e))?
                .ok_or_else(|| unknown(&id))?;
            let bytes = n.course_bytes(&id)?;
            Ok(CourseReply {
                detail,
                bytes_here: bytes.here,
                bytes_total: bytes.total,
                unknown_files: bytes.unknown,
                bytes_room: n.room()?.left(),
                pinned: n.pinned_courses()?.contains(&id),
                paused: n
                    .inner()
                    .state
                    .paused()
                    .map_err(|e| state_error(&e))?
                    .contains(&id),
                own: n.own_kind(&id).is_some(),
            })
        })
        .await
    }

    /// Whether the user studies a course.
    fn is_enrolled(&self, id: &FeedId) -> Result<bool, ApiError> {
        let learner = self.reader().learner().map_err(|e| query_error(&e))?;
        Ok(learner.courses.iter().any(|c| c.feed_id == *id))
    }

    async fn enrol(&self, id: FeedId, enrolled: bool) -> Result<(), ApiError> {
        let content = Content::Enrolment(Enrolment {
            feed_id: id,
            enrolled,
        });
        if self.shares_study() {
            let follow = Contact {
                contact: id,
                following: Some(enrolled),
                blocking: None,
            };
            let followed = format!("followed_by_start:{id}");
            let state = &self.inner().state;
            let undo = state
                .setting(&followed)
                .map_err(|e| state_error(&e))?
                .is_some();
            let already = self
                .inner()
                .policy
                .lock_graph()
                .graph
                .follows(&self.id())
                .any(|f| f == id);
            let mut contents = vec![content];
            // Leaving undoes only the follow that starting made.
            if (enrolled && !already) || (!enrolled && undo) {
                contents.push(Content::Contact(follow));
                if enrolled {
                    state
                        .set_setting(&followed, "1")
                        .map_err(|e| state_error(&e))?;
                }
            }
            self.publish(self.id(), contents).await?;
        } else {
            self.publish_private(vec![content]).await?;
        }
        Ok(())
    }

    pub(super) async fn course_start(
        &self,
        id: FeedId,
        wait: bool,
        report: Report<'_>,
    ) -> Result<CourseReply, ApiError> {
        self.opened(id);
        let known = self
            .blocking(move |n| n.reader().course(&id).map_err(|e| query_error(&e)))
            .await?;
        if known.is_none() {
            return Err(unknown(&id));
        }
        if !self.blocking(move |n| n.is_enrolled(&id)).await? {
            self.enrol(id, true).await?;
        }
        self.course_pause(id, false).await?;
        if wait {
            self.wait_for_course(id, report).await?;
        }
        self.course_reply(id).await
    }

    /// Waits until all of a course is here; gives up when nothing comes.
    async fn wait_for_course(&self, id: FeedId, report: Report<'_>) -> Result<(), ApiError> {
        let mut last = (u64::MAX, Instant::now());
        loop {
            let (bytes, here) = self
                .blocking(move |n| {
                    let detail = n.reader().course(&id).map_err(|e| query_error(&e))?;
                    Ok((n.course_bytes(&id)?, detail.is_some_and(|d| d.feed_here)))
                })
                .await?;
            report(Progress::new(
                "Fetching",
                ProgressUnit::Bytes,
                bytes.here,
                bytes.total,
            ));
            if here && bytes.complete {
                return Ok(());
            }
            let stands = self.blocking(|n| n.standstill()).await?;
            if let Some(why) = stands.filter(|_| here) {
                return Err(why);
            }
            if bytes.here != last.0 {
                last = (bytes.here, Instant::now());
            }
            if last.1.elapsed() > NO_PROGRESS {
                return Err(ApiError::not_found(format!(
                    "nothing more of the course came for {} s; {} of {} bytes are here",
                    NO_PROGRESS.as_secs(),
                    bytes.here,
                    bytes.total
                ))
                .hint("connect to a peer that has it; fetching goes on by itself as soon as one is there"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(super) async fn course_leave(&self, id: FeedId) -> Result<Done, ApiError> {
        if !self.blocking(move |n| n.is_enrolled(&id)).await? {
            return Err(ApiError::not_found(format!("you have not started {id}")));
        }
        self.enrol(id, false).await?;
        self.blocking(move |n| {
            let by = Pinner::Course(id);
            if n.pinned_courses()?.contains(&id) {
                return Ok(());
            }
            n.inner()
                .blobs
                .unpin(&by, None)
                .map_err(|e| ApiError::failed("the blobs could not be released", &e))
        })
        .await?;
        self.settle().await;
        Ok(Done {})
    }

    /// Publishes a change wherever it is ours to make: in the course's own feed,
    /// and on every own list that names it.
    async fn publish_update(
        &self,
        id: FeedId,
        update: CourseUpdate,
    ) -> Result<Published, ApiError> {
        let mut feeds = Vec::new();
        if self.own_kind(&id) == Some(OwnKind::Course) {
            feeds.push(id);
        }
        // Also lists that the user made and does not follow: others do.
        self.caught_up().await?;
        let naming = self
            .blocking(move |n| n.reader().naming(&id).map_err(|e| query_error(&e)))
            .await?;
        feeds.extend(
            naming
                .into_iter()
                .filter(|l| self.own_kind(l) == Some(OwnKind::List)),
        );
        let Some(first) = feeds.first().copied() else {
            return Err(ApiError::refused(format!(
                "{id} is neither your course nor on one of your lists"
            ))
            .hint("put it on a list of yours first: `studytime catalog publish NAME ID`"));
        };
        for feed in &feeds {
            self.check_unlocked(feed)?;
        }
        let mut messages = Vec::new();
        for feed in feeds {
            let done = self
                .publish(feed, vec![Content::CourseUpdate(update.clone())])
                .await?;
            messages.extend(done.messages);
        }
        self.settle().await;
        Ok(Published {
            feed: first,
            messages,
        })
    }

    pub(super) async fn course_update(
        &self,
        id: FeedId,
        edit: &CourseEdit,
    ) -> Result<Published, ApiError> {
        if *edit == CourseEdit::default() {
            return Err(ApiError::usage("nothing to change was given"));
        }
        let mut update = CourseUpdate::new(id);
        apply_edit(edit, &mut update.name, &mut update.fields)?;
        if update.name.is_clear() {
            return Err(ApiError::usage("a course must have a name"));
        }
        self.publish_update(id, update).await
    }

    pub(super) async fn course_deprecate(
        &self,
        call: CourseDeprecate,
    ) -> Result<Published, ApiError> {
        let CourseDeprecate {
            id,
            successor,
            reason,
            undo,
        } = call;
        if successor == Some(id) {
            return Err(ApiError::usage("a course cannot be its own successor"));
        }
        if undo && (successor.is_some() || reason.is_some()) {
            return Err(ApiError::usage(
                "a course that is recommended again has no successor and no reason",
            ));
        }
        let mut update = CourseUpdate::new(id);
        update.deprecated = Some(!undo);
        update.successor = successor.map_or(Patch::Keep, Patch::Set);
        update.deprecation_reason = reason.map_or(Patch::Keep, Patch::Set);
        self.publish_update(id, update).await
    }

    /// What was not taken of a feed's messages.
    pub(super) async fn problems(&self, id: FeedId) -> Result<Vec<Problem>, ApiError> {
        self.blocking(move |n| {
            let tip = n.inner().feeds.tip(&id);
            let tip = tip.map_err(|e| ApiError::failed("the log could not be read", &e))?;
            if tip.is_none() {
                let text = format!("nothing that {id} published is here yet");
                return Err(ApiError::not_found(text)
                    .hint("connect to a peer that has it: `studytime peer connect ADDRESS`"));
            }
            n.problems_of(&id)
        })
        .await
    }

    /// What was not taken of a feed's messages; an own list is taken for one
    /// whether the user follows it or not.
    pub(super) fn problems_of(&self, id: &FeedId) -> Result<Vec<Problem>, ApiError> {
        let reader = self.reader();
        match self.own_kind(id) {
            Some(OwnKind::List) => reader.problems_as_list(id),
            _ => reader.problems(id),
        }
        .map_err(|e| query_error(&e))
    }

    /// Carries what the learner did in `from` over to `id`, along the chain of
    /// successors when that leads there.
    pub(super) async fn course_carry(&self, id: FeedId, from: FeedId) -> Result<Carried, ApiError> {
        if id == from {
            return Err(ApiError::usage("a course cannot take its own place"));
        }
        self.caught_up().await?;
        let entries = self.blocking(move |n| n.brought_along(id, from)).await?;
        let items = entries.iter().filter(|e| e.item.is_some()).count();
        let carried = Carried {
            lessons: (entries.len() - items) as u64,
            items: items as u64,
        };
        self.publish_progress(entries).await?;
        Ok(carried)
    }

    fn brought_along(&self, id: FeedId, from: FeedId) -> Result<Vec<ProgressEntry>, ApiError> {
        let reader = self.reader();
        let mut chain = vec![from];
        chain.extend(successors(from, |course| {
            let detail = reader.course(course).ok().flatten();
            detail.and_then(|d| d.record.replaced_by())
        }));
        match chain.iter().position(|course| *course == id) {
            Some(at) => chain.truncate(at + 1),
            // Not announced there; what the lessons say is enough.
            None => chain = vec![from, id],
        }
        let mut outlines = Vec::with_capacity(chain.len());
        for course in chain {
            let outline = reader.outline(&course).map_err(|e| query_error(&e))?;
            outlines.push((course, outline.unwrap_or_default()));
        }
        if outlines.last().is_some_and(|(_, o)| o.lessons.is_empty()) {
            return Err(
                ApiError::not_found(format!("the lessons of {id} are not here yet"))
                    .hint("say the same again when they are; what you did is not lost"),
            );
        }
        Ok(reader.learner_state().carry_along(&outlines))
    }

    pub(super) async fn course_pin(&self, id: FeedId, pinned: bool) -> Result<Done, ApiError> {
        self.opened(id);
        self.blocking(move |n| n.set_pinned(id, pinned)).await?;
        self.settle().await;
        Ok(Done {})
    }

    pub(super) async fn course_pause(&self, id: FeedId, paused: bool) -> Result<Done, ApiError> {
        self.blocking(move |n| {
            n.inner()
                .state
                .set_paused(&id, paused)
                .map_err(|e| state_error(&e))
        })
        .await?;
        self.settle().await;
        Ok(Done {})
    }
}
