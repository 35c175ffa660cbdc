//! Lists and courses in the making. What is begun is noted in `state.db` before
//! its key is made, so that a stop in between leaves nothing, or the whole:
//! what was not published is taken back, what was is completed.

use super::state_error;
use crate::api::{ApiError, CourseEdit};
use crate::node::Node;
use crate::store::{OwnKind, Unfinished, generate};
use studytime_blobs::store::Pinner;
use studytime_schema::content::{Content, Course};
use studytime_schema::{BlobId, FeedId, Keypair};

/// Something being made by a call that runs; nobody else completes it meanwhile.
pub(super) struct Making {
    node: Node,
    pub(super) work: Unfinished,
}

impl Drop for Making {
    fn drop(&mut self) {
        self.node.lock_making().remove(&self.work.feed);
    }
}

impl Node {
    /// Makes a key for a new list or course.
    pub(super) fn begin(
        &self,
        kind: OwnKind,
        name: &str,
        catalog: Option<&str>,
    ) -> Result<Making, ApiError> {
        let no_key =
            |e: &(dyn std::error::Error + 'static)| ApiError::failed("no key could be made", e);
        let keys: Keypair = generate().map_err(|e| no_key(&e))?;
        let work = Unfinished {
            feed: keys.id(),
            name: name.to_owned(),
            catalog: catalog.map(str::to_owned),
        };
        self.lock_making().insert(work.feed);
        let making = Making {
            node: self.clone(),
            work,
        };
        let state = &self.inner().state;
        state.begin(&making.work).map_err(|e| state_error(&e))?;
        if let Err(error) = self.keys().keep(keys, kind) {
            let _ = state.finished(&making.work.feed);
            return Err(no_key(&error));
        }
        Ok(making)
    }

    /// After a failure: takes the key back when nothing was published with it.
    /// Otherwise, or when that is unknown, it stays, and is looked at again later.
    pub(super) fn give_up(&self, making: &Making) {
        let feed = making.work.feed;
        if let Ok(false) = self.is_published(&feed)
            && let Err(error) = self.take_back(&feed)
        {
            self.trouble(error.message);
        }
    }

    fn is_published(&self, feed: &FeedId) -> Result<bool, ApiError> {
        let tip = self.inner().feeds.tip(feed);
        let tip = tip.map_err(|e| ApiError::failed("the log could not be read", &e))?;
        Ok(tip.is_some())
    }

    fn take_back(&self, feed: &FeedId) -> Result<(), ApiError> {
        let inner = self.inner();
        let unpinned = inner.blobs.unpin(&Pinner::Course(*feed), None);
        unpinned.map_err(|e| ApiError::failed("its blobs could not be released", &e))?;
        self.keys().discard(feed);
        inner.state.finished(feed).map_err(|e| state_error(&e))
    }

    /// What makes a published list or course known: its name, the follow, its
    /// place among the lists or on one. `listing` is what the list is to say of
    /// a course; without it, what is known of the course. Repeating it changes
    /// nothing. Answers how many messages the listing took.
    pub(super) async fn complete(
        &self,
        work: &Unfinished,
        listing: Option<Course>,
    ) -> Result<u64, ApiError> {
        let (inner, feed) = (self.inner(), work.feed);
        let kind = self.own_kind(&feed);
        inner
            .state
            .name_own(&feed, &work.name)
            .map_err(|e| state_error(&e))?;
        if kind == Some(OwnKind::Course) {
            self.blocking(move |n| n.push_course(&feed)).await?;
        }
        let main = self.id();
        let followed = inner
            .policy
            .lock_graph()
            .graph
            .follows(&main)
            .any(|f| f == feed);
        if !followed {
            self.follow_own(feed).await?;
        }
        if kind == Some(OwnKind::List) {
            let mut lists = self.current_lists().await?;
            if !lists.contains(&feed) {
                lists.push(feed);
                self.choose_lists(lists).await?;
            }
        }
        let mut listed = 0;
        if let Some(catalog) = &work.catalog {
            listed = self.put_on_list(feed, catalog, listing).await?;
        }
        inner.state.finished(&feed).map_err(|e| state_error(&e))?;
        Ok(listed)
    }

    /// Lists a course on an own list, which is made when it is not there.
    pub(super) async fn put_on_list(
        &self,
        course: FeedId,
        catalog: &str,
        listing: Option<Course>,
    ) -> Result<u64, ApiError> {
        let list = match self.own_list(catalog) {
            Ok(list) => list,
            Err(_) => Box::pin(self.catalog_new(catalog)).await?.id,
        };
        let done = match listing {
            Some(listing) => self.publish(list, vec![Content::Course(listing)]).await?,
            None if self.is_listed(course, list).await? => return Ok(0),
            None => {
                let edit = CourseEdit::default();
                self.catalog_publish(catalog, course, &edit).await?
            }
        };
        Ok(done.messages.len() as u64)
    }

    async fn is_listed(&self, course: FeedId, list: FeedId) -> Result<bool, ApiError> {
        self.caught_up().await?;
        let listed = self.reader().listed_courses();
        Ok(listed
            .iter()
            .any(|c| c.feed_id == course && c.lists.contains(&list)))
    }

    /// Completes or takes back what earlier calls left. What cannot be done now
    /// is told, and tried again later.
    pub(crate) async fn complete_unfinished(&self) {
        let unfinished = match self.inner().state.unfinished() {
            Ok(unfinished) => unfinished,
            Err(error) => return self.trouble(state_error(&error).message),
        };
        // After a restore nothing can be published yet, and so nothing completed.
        if unfinished.is_empty() || self.check_unlocked(&self.id()).is_err() {
            return;
        }
        for work in unfinished {
            let feed = work.feed;
            // A call that runs sees to it.
            if !self.lock_making().insert(feed) {
                continue;
            }
            let making = Making {
                node: self.clone(),
                work,
            };
            let done = match self.is_published(&feed) {
                Ok(true) => match self.caught_up().await {
                    Ok(()) => self.complete(&making.work, None).await.map(drop),
                    Err(error) => Err(error),
                },
                Ok(false) => self.take_back(&feed),
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                let name = &making.work.name;
                self.trouble(format!(
                    "{name:?} could not be completed: {}",
                    error.message
                ));
            }
        }
    }

    /// Pins what a new course is made of, before it is published.
    pub(super) fn pin_course(&self, course: &FeedId, blobs: &[BlobId]) -> Result<(), ApiError> {
        let pinned = self.inner().blobs.pin(&Pinner::Course(*course), blobs);
        pinned.map_err(|e| ApiError::failed("the course's blobs could not be noted", &e))
    }
}
