//! What differs between the items of a draft and those that stand.

use crate::changes::Changes;
use crate::import::{Change, Current};
use crate::messages::ReadyLesson;
use std::collections::{BTreeMap, BTreeSet};
use studytime_schema::MessageId;
use studytime_schema::content::{Attachment, ItemUpdate, Patch, Test, Video, VideoSource};
use studytime_schema::view::{AttachmentView, LessonView, TestView, VideoView};

/// An item as it stands, and the lesson it stands in.
struct Standing<'a, V> {
    lesson: MessageId,
    view: &'a V,
}

/// The id and the path of an item.
trait Item {
    fn id(&self) -> MessageId;
    fn path(&self) -> Option<&str>;
}

macro_rules! item {
    ($view:ident) => {
        impl Item for $view {
            fn id(&self) -> MessageId {
                self.item
            }
            fn path(&self) -> Option<&str> {
                self.path.as_deref()
            }
        }
    };
}
item!(VideoView);
item!(AttachmentView);
item!(TestView);

/// All items of one kind, and which of them the draft has found again.
struct Pool<'a, V> {
    all: Vec<Standing<'a, V>>,
    by_path: BTreeMap<&'a str, Vec<usize>>,
    found: BTreeSet<MessageId>,
}

impl<'a, V: Item> Pool<'a, V> {
    fn new(lessons: &'a [LessonView], items: impl Fn(&'a LessonView) -> &'a [V]) -> Self {
        let all: Vec<Standing<'a, V>> = lessons
            .iter()
            .flat_map(|lesson| {
                items(lesson).iter().map(|view| Standing {
                    lesson: lesson.id,
                    view,
                })
            })
            .collect();
        let mut by_path: BTreeMap<&'a str, Vec<usize>> = BTreeMap::new();
        for (at, standing) in all.iter().enumerate() {
            if let Some(path) = standing.view.path() {
                by_path.entry(path).or_default().push(at);
            }
        }
        Self {
            all,
            by_path,
            found: BTreeSet::new(),
        }
    }

    /// The item with this path: in the same lesson, or else wherever it is.
    fn take(&mut self, path: Option<&str>, lesson: Option<MessageId>) -> Option<&Standing<'a, V>> {
        let free = || {
            let places = path.and_then(|p| self.by_path.get(p)).into_iter().flatten();
            places
                .filter_map(|at| self.all.get(*at))
                .filter(|s| !self.found.contains(&s.view.id()))
        };
        let here = free().find(|s| Some(s.lesson) == lesson);
        let found = here.or_else(|| free().next())?;
        self.found.insert(found.view.id());
        Some(found)
    }

    /// Items that came from a folder and are no longer in it.
    fn vanished(&self, removed: &BTreeSet<MessageId>) -> Vec<(MessageId, String)> {
        self.all
            .iter()
            .filter(|s| !self.found.contains(&s.view.id()) && !removed.contains(&s.lesson))
            .filter_map(|s| Some((s.view.id(), s.view.path()?.to_owned())))
            .collect()
    }
}

/// Adds the messages about items to `out`.
pub(crate) fn between(
    lessons: &[ReadyLesson],
    matched: &[Option<&LessonView>],
    current: &Current<'_>,
    removed: &BTreeSet<MessageId>,
    out: &mut Changes,
) {
    let outline = &current.outline.lessons;
    let mut videos = Pool::new(outline, |l| &l.videos);
    let mut files = Pool::new(outline, |l| &l.attachments);
    let mut tests = Pool::new(outline, |l| &l.tests);
    for (lesson, old) in lessons.iter().zip(matched) {
        let id = old.map(|l| l.id);
        for video in &lesson.videos {
            let update = videos
                .take(video.path.as_deref(), id)
                .map(|s| (s.lesson, video_update(video, s.view)));
            add(
                out,
                update,
                id,
                video.lesson_number,
                video.path.as_ref(),
                || video.clone().into(),
            );
        }
        for file in &lesson.attachments {
            let update = files
                .take(file.path.as_deref(), id)
                .map(|s| (s.lesson, attachment_update(file, s.view)));
            add(
                out,
                update,
                id,
                file.lesson_number,
                file.path.as_ref(),
                || file.clone().into(),
            );
        }
        for test in &lesson.tests {
            let update = tests
                .take(test.path.as_deref(), id)
                .map(|s| (s.lesson, test_update(test, s.view)));
            add(
                out,
                update,
                id,
                test.lesson_number,
                test.path.as_ref(),
                || test.clone().into(),
            );
        }
    }
    let vanished = videos
        .vanished(removed)
        .into_iter()
        .chain(files.vanished(removed))
        .chain(tests.vanished(removed));
    for (id, path) in vanished {
        if current.prune {
            let mut update = ItemUpdate::new(id);
            update.removed = Some(true);
            out.messages.push(update.into());
            out.changes.push(Change::Removed { path, id });
        } else {
            out.changes.push(Change::Kept { path, id });
        }
    }
}

/// Publishes an item that is new, or what differs of one that stands.
fn add(
    out: &mut Changes,
    standing: Option<(MessageId, ItemUpdate)>,
    lesson: Option<MessageId>,
    number: u64,
    path: Option<&String>,
    message: impl FnOnce() -> studytime_schema::content::Content,
) {
    let path = path.cloned().unwrap_or_default();
    match standing {
        None => {
            out.messages.push(message());
            out.changes.push(Change::Added { path });
        }
        Some((old_lesson, mut update)) => {
            if Some(old_lesson) != lesson {
                update.lesson_number = Some(number);
            }
            let id = update.item;
            if update != ItemUpdate::new(id) {
                out.messages.push(update.into());
                out.changes.push(Change::Updated { path, id });
            }
        }
    }
}

fn rename(update: &mut ItemUpdate, new: &str, old: &str) {
    if new != old {
        update.name = Patch::Set(new.to_owned());
    }
}

/// The sources without what a folder cannot know: other places of the same bytes.
fn bare(sources: &[VideoSource]) -> Vec<VideoSource> {
    sources
        .iter()
        .map(|s| VideoSource {
            url: None,
            magnet: None,
            ..s.clone()
        })
        .collect()
}

fn video_update(new: &Video, old: &VideoView) -> ItemUpdate {
    let mut update = ItemUpdate::new(old.item);
    rename(&mut update, &new.name, &old.name);
    if bare(&old.sources) != new.sources {
        let mut sources = new.sources.clone();
        for source in &mut sources {
            if let Some(same) = old.sources.iter().find(|s| s.link == source.link) {
                source.url.clone_from(&same.url);
                source.magnet.clone_from(&same.magnet);
            }
        }
        update.sources = Patch::Set(sources);
    }
    if new.captions_blob.is_some() {
        if new.captions_blob != old.captions_blob {
            update.captions_blob = new.captions_blob.map_or(Patch::Keep, Patch::Set);
        }
    } else if new.captions != old.captions || old.captions_blob.is_some() {
        update.captions = if new.captions.is_empty() {
            Patch::Clear
        } else {
            Patch::Set(new.captions.clone())
        };
    }
    if new.poster != old.poster {
        update.poster = new.poster.map_or(Patch::Clear, Patch::Set);
    }
    update
}

fn attachment_update(new: &Attachment, old: &AttachmentView) -> ItemUpdate {
    let mut update = ItemUpdate::new(old.item);
    rename(&mut update, &new.name, &old.name);
    let same = new.link == old.media.link
        && new.manifest == old.media.manifest
        && new.content_type == old.media.content_type
        && new.size == old.media.size;
    if !same {
        update.link = Patch::Set(new.link);
        update.manifest = Some(new.manifest);
        update.content_type = new.content_type.clone().map_or(Patch::Keep, Patch::Set);
        update.size = new.size.map_or(Patch::Keep, Patch::Set);
    }
    update
}

fn test_update(new: &Test, old: &TestView) -> ItemUpdate {
    let mut update = ItemUpdate::new(old.item);
    rename(&mut update, &new.name, &old.name);
    let percent = new.pass_percent.unwrap_or(0);
    if percent != old.pass_percent {
        update.pass_percent = Patch::Set(percent);
    }
    if new.questions_blob.is_some() {
        if new.questions_blob != old.questions_blob {
            update.questions_blob = new.questions_blob.map_or(Patch::Keep, Patch::Set);
        }
    } else if new.questions != old.questions || old.questions_blob.is_some() {
        update.questions = Patch::Set(new.questions.clone());
    }
    update
}
