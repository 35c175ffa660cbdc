//! Course lists.

use super::query_error;
use crate::api::{ApiError, CatalogInfo, CourseEdit, Done, Identity, Published};
use crate::node::Node;
use crate::store::OwnKind;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use studytime_schema::FeedId;
use studytime_schema::content::{
    About, Catalogs, Contact, Content, Course, CourseFields, CourseUpdate, MAX_CATALOGS, Patch,
};

/// Longest name of a list or course.
const MAX_NAME: usize = 200;
/// Courses in one file.
const MAX_LINES: usize = 10_000;
/// Longest line of such a file; a message is shorter.
const MAX_LINE: u64 = 64 * 1024;

/// Lays the edit over the fields: unset leaves, empty clears.
pub(super) fn apply_edit(
    edit: &CourseEdit,
    name: &mut Patch<String>,
    fields: &mut CourseFields,
) -> Result<(), ApiError> {
    fn text(new: &Option<String>, into: &mut Patch<String>) {
        if let Some(value) = new {
            *into = match value.trim() {
                "" => Patch::Clear,
                value => Patch::Set(value.to_owned()),
            };
        }
    }
    text(&edit.name, name);
    text(&edit.description, &mut fields.description);
    if edit.description.is_some() {
        // A text in a blob is the same field: it gives way to the new one.
        fields.description_blob = match fields.description {
            Patch::Clear => Patch::Clear,
            _ => Patch::Keep,
        };
    }
    text(&edit.language, &mut fields.language);
    text(&edit.provider, &mut fields.provider);
    text(&edit.license, &mut fields.license);
    text(&edit.source_url, &mut fields.source_url);
    if let Some(level) = &edit.level {
        fields.level = match level.trim() {
            "" => Patch::Clear,
            level => Patch::Set(level.parse().map_err(|_| {
                ApiError::usage(format!(
                    "{level:?} is no level: say beginner, intermediate or advanced"
                ))
            })?),
        };
    }
    if let Some(keywords) = &edit.keywords {
        let words: Vec<String> = keywords
            .iter()
            .map(|k| k.trim().to_owned())
            .filter(|k| !k.is_empty())
            .collect();
        fields.keywords = if words.is_empty() {
            Patch::Clear
        } else {
            Patch::Set(words)
        };
    }
    if let Some(minutes) = edit.duration_minutes {
        fields.duration_minutes = Patch::Set(minutes);
    }
    Ok(())
}

impl Node {
    /// The own list with this name or id.
    pub(super) fn own_list(&self, catalog: &str) -> Result<FeedId, ApiError> {
        let by_id = FeedId::parse_lenient(catalog).ok();
        let lists = self.keys().of_kind(OwnKind::List);
        for list in &lists {
            if by_id == Some(*list)
                || self.inner().state.own_name(list).ok().flatten().as_deref() == Some(catalog)
            {
                return Ok(*list);
            }
        }
        Err(ApiError::not_found(format!("you have no course list {catalog:?}"))
            .hint("make one with `studytime catalog new NAME`, or see yours with `studytime catalog list`"))
    }

    pub(super) async fn catalog_new(&self, name: &str) -> Result<Identity, ApiError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err(ApiError::usage(format!(
                "a list's name has 1 to {MAX_NAME} characters"
            )));
        }
        if self.own_list(name).is_ok() {
            return Err(ApiError::refused(format!(
                "you already have a course list named {name:?}"
            )));
        }
        // The main feed follows the list: not half of it while that is locked.
        self.check_unlocked(&self.id())?;
        // Before anything is made: its place among the lists comes last.
        check_number(self.current_lists().await?.len() + 1)?;
        let making = self.begin(OwnKind::List, name, None)?;
        let id = making.work.feed;
        let mut about = About::feed(id);
        about.name = Patch::Set(name.to_owned());
        if let Err(error) = self.publish(id, vec![Content::About(about)]).await {
            self.give_up(&making);
            return Err(error);
        }
        self.complete(&making.work, None).await?;
        Ok(Identity { id })
    }

    /// The main feed follows each list and course we publish, so that whoever
    /// carries the author carries them.
    pub(super) async fn follow_own(&self, id: FeedId) -> Result<(), ApiError> {
        let contact = Contact {
            contact: id,
            following: Some(true),
            blocking: None,
        };
        self.publish(self.id(), vec![Content::Contact(contact)])
            .await?;
        Ok(())
    }

    /// The user's lists as the log has them to its end. One that is to be changed
    /// must be whole: what is missing from it would be lost.
    pub(super) async fn current_lists(&self) -> Result<Vec<FeedId>, ApiError> {
        self.caught_up().await?;
        let learner = self
            .blocking(|n| n.reader().learner().map_err(|e| query_error(&e)))
            .await?;
        let defaults = || self.inner().policy.default_lists().to_vec();
        Ok(learner.catalogs.unwrap_or_else(defaults))
    }

    /// Publishes the user's choice of lists, encrypted, and acts on it.
    pub(super) async fn choose_lists(&self, lists: Vec<FeedId>) -> Result<(), ApiError> {
        check_number(lists.len())?;
        self.publish_private(vec![Content::Catalogs(Catalogs { lists })])
            .await?;
        self.replan_now().await;
        self.settle().await;
        Ok(())
    }

    pub(super) async fn catalog_list(&self) -> Result<Vec<CatalogInfo>, ApiError> {
        self.blocking(|node| {
            let known = node.reader().lists().map_err(|e| query_error(&e))?;
            let lists = node.inner().policy.lists();
            let infos = lists.iter().enumerate().map(|(i, id)| {
                let info = known.iter().find(|l| l.feed_id == *id);
                let own_name = node.inner().state.own_name(id).ok().flatten();
                CatalogInfo {
                    id: *id,
                    name: info
                        .and_then(|l| l.name.clone())
                        .or(own_name)
                        .unwrap_or_default(),
                    courses: info.map_or(0, |l| l.courses as u64),
                    own: node.own_kind(id).is_some(),
                    builtin: node.inner().policy.is_builtin(id),
                    position: i + 1,
                }
            });
            Ok(infos.collect())
        })
        .await
    }

    pub(super) async fn catalog_add(&self, id: FeedId) -> Result<Done, ApiError> {
        let mut lists = self.current_lists().await?;
        if lists.contains(&id) {
            return Ok(Done {});
        }
        lists.push(id);
        self.choose_lists(lists).await?;
        Ok(Done {})
    }

    pub(super) async fn catalog_remove(&self, id: FeedId) -> Result<Done, ApiError> {
        let mut lists = self.current_lists().await?;
        let before = lists.len();
        lists.retain(|l| *l != id);
        if lists.len() == before {
            return Err(ApiError::not_found(format!(
                "{id} is not one of your course lists"
            )));
        }
        self.choose_lists(lists).await?;
        Ok(Done {})
    }

    pub(super) async fn catalog_move(&self, id: FeedId, position: usize) -> Result<Done, ApiError> {
        let mut lists = self.current_lists().await?;
        let Some(at) = lists.iter().position(|l| *l == id) else {
            return Err(ApiError::not_found(format!(
                "{id} is not one of your course lists"
            )));
        };
        if position == 0 || position > lists.len() {
            return Err(ApiError::usage(format!(
                "the position is a number from 1 to {}",
                lists.len()
            )));
        }
        lists.remove(at);
        lists.insert(position - 1, id);
        self.choose_lists(lists).await?;
        Ok(Done {})
    }

    pub(super) async fn catalog_publish(
        &self,
        catalog: &str,
        course: FeedId,
        edit: &CourseEdit,
    ) -> Result<Published, ApiError> {
        let list = self.own_list(catalog)?;
        let known = self
            .blocking(move |n| n.reader().course(&course).map_err(|e| query_error(&e)))
            .await?
            .map(|d| d.record);
        let mut listing = Course::new(course, known.as_ref().map_or("", |r| r.name.as_str()));
        if let Some(record) = known {
            listing.fields = fields_of(&record);
        }
        let mut name = Patch::Set(listing.name.clone());
        apply_edit(edit, &mut name, &mut listing.fields)?;
        listing.name = name.into_value().unwrap_or_default();
        if listing.name.is_empty() {
            return Err(
                ApiError::refused(format!("nothing is known here of the course {course}"))
                    .hint("say how it is to be called with --name"),
            );
        }
        let published = self.publish(list, vec![Content::Course(listing)]).await?;
        self.settle().await;
        Ok(published)
    }

    pub(super) async fn catalog_unpublish(
        &self,
        catalog: &str,
        course: FeedId,
    ) -> Result<Published, ApiError> {
        let list = self.own_list(catalog)?;
        self.caught_up().await?;
        let naming = self
            .blocking(move |n| n.reader().naming(&course).map_err(|e| query_error(&e)))
            .await?;
        if !naming.contains(&list) {
            return Err(ApiError::not_found(format!(
                "{course} is not on your course list {catalog:?}"
            )));
        }
        let mut update = CourseUpdate::new(course);
        update.removed = Some(true);
        let published = self
            .publish(list, vec![Content::CourseUpdate(update)])
            .await?;
        self.settle().await;
        Ok(published)
    }

    pub(super) async fn catalog_publish_file(
        &self,
        catalog: &str,
        path: PathBuf,
    ) -> Result<Published, ApiError> {
        let list = self.own_list(catalog)?;
        let contents = self.blocking(move |_| read_listings(&path)).await?;
        let published = self.publish(list, contents).await?;
        self.settle().await;
        Ok(published)
    }

    /// Waits until what depends on new messages is worked out, so that the next
    /// command sees it.
    pub(crate) async fn settle(&self) {
        self.replan_now().await;
        self.refresh_prefetch().await;
    }
}

fn check_number(lists: usize) -> Result<(), ApiError> {
    if lists > MAX_CATALOGS {
        return Err(ApiError::refused(format!(
            "more than {MAX_CATALOGS} course lists are not supported"
        )));
    }
    Ok(())
}

/// What a list says of a course: all that is known.
pub(super) fn fields_of(record: &studytime_schema::view::CourseRecord) -> CourseFields {
    fn some<T: Clone>(value: &Option<T>) -> Patch<T> {
        value.clone().map_or(Patch::Keep, Patch::Set)
    }
    fn list(values: &[String]) -> Patch<Vec<String>> {
        if values.is_empty() {
            Patch::Keep
        } else {
            Patch::Set(values.to_vec())
        }
    }
    CourseFields {
        description: some(&record.description),
        description_blob: some(&record.description_blob),
        image: some(&record.image),
        keywords: list(&record.keywords),
        language: some(&record.language),
        level: some(&record.level),
        duration_minutes: some(&record.duration_minutes),
        provider: some(&record.provider),
        license: some(&record.license),
        source_url: some(&record.source_url),
        prerequisites: list(&record.prerequisites),
    }
}

fn read_listings(path: &std::path::Path) -> Result<Vec<Content>, ApiError> {
    let refuse = |line: usize, why: &dyn std::fmt::Display| {
        ApiError::refused(format!(
            "{} line {line}: {why}; nothing was published",
            path.display()
        ))
    };
    let file = std::fs::File::open(path)
        .map_err(|e| ApiError::not_found(format!("{} cannot be read: {e}", path.display())))?;
    let mut reader = BufReader::new(file);
    let mut contents = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        use std::io::Read as _;
        line.clear();
        let n = (&mut reader)
            .take(MAX_LINE + 1)
            .read_until(b'\n', &mut line)
            .map_err(|e| refuse(number, &e))?;
        if n == 0 {
            break;
        }
        if n as u64 > MAX_LINE || contents.len() >= MAX_LINES {
            return Err(refuse(
                number,
                &format!("more than {MAX_LINE} bytes in a line, or {MAX_LINES} courses"),
            ));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let mut value: serde_json::Value =
            serde_json::from_slice(&line).map_err(|e| refuse(number, &e))?;
        if let Some(map) = value.as_object_mut() {
            map.entry("type")
                .or_insert_with(|| studytime_schema::content::names::COURSE.into());
        }
        let parsed = Content::parse(&value.to_string()).map_err(|e| refuse(number, &e))?;
        if let Some(problem) = parsed.dropped.first() {
            return Err(refuse(number, problem));
        }
        match parsed.content {
            Content::Course(course) => contents.push(Content::Course(course)),
            _ => return Err(refuse(number, &"this is no studytime_course")),
        }
    }
    Ok(contents)
}
