//! What differs between a draft and the course as it stands.

use crate::import::{Change, Current};
use crate::messages::Ready;
use std::collections::{BTreeMap, BTreeSet};
use studytime_schema::MessageId;
use studytime_schema::content::{Content, CourseUpdate, Lesson, LessonHandle, LessonUpdate, Patch};
use studytime_schema::view::{CourseOutline, CourseRecord, ItemView, LessonView};

/// The messages to publish and what they mean, in order.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) messages: Vec<Content>,
    pub(crate) changes: Vec<Change>,
}

/// The messages of a course that is new.
pub(crate) fn all(ready: Ready) -> Changes {
    let mut out = Changes::default();
    out.messages.push(ready.about.into());
    out.messages.push(ready.course.into());
    for lesson in ready.lessons {
        for message in lesson.into_messages() {
            out.changes
                .extend(path_of(&message).map(|path| Change::Added { path }));
            out.messages.push(message);
        }
    }
    out
}

/// The messages of a course that is new, and takes the place of an old one.
pub(crate) fn in_place_of(mut ready: Ready, old: &CourseOutline) -> Changes {
    let lessons = lessons_by_path(&old.lessons);
    // Items by kind too: a path may hold a video and its test.
    let mut items: BTreeMap<(u8, String), MessageId> = BTreeMap::new();
    for item in old.lessons.iter().flat_map(LessonView::items) {
        let kind = match item {
            ItemView::Video(_) => 0,
            ItemView::Attachment(_) => 1,
            ItemView::Test(_) => 2,
        };
        if let Some(path) = item.path() {
            items.entry((kind, path.to_owned())).or_insert(item.id());
        }
    }
    let item = |kind, path: &Option<String>| {
        let key = (kind, path.clone()?);
        items.get(&key).copied()
    };
    for one in &mut ready.lessons {
        if let Some(replaced) = lessons.get(path_text(&one.lesson)) {
            one.lesson.fields.replaces = Patch::Set(replaced.id);
        }
        for video in &mut one.videos {
            video.replaces = item(0, &video.path);
        }
        for file in &mut one.attachments {
            file.replaces = item(1, &file.path);
        }
        for test in &mut one.tests {
            test.replaces = item(2, &test.path);
        }
    }
    all(ready)
}

fn path_of(content: &Content) -> Option<String> {
    match content {
        Content::Lesson(lesson) => lesson.fields.path.value().cloned(),
        Content::Video(video) => video.path.clone(),
        Content::Attachment(file) => file.path.clone(),
        Content::Test(test) => test.path.clone(),
        _ => None,
    }
}

/// The messages that make the course what the draft says.
///
/// Numbers are settled first (removals, then moves), so that a new lesson
/// never lands on a number in use; items follow when their lessons stand.
pub(crate) fn between(mut ready: Ready, current: &Current<'_>, name_is_given: bool) -> Changes {
    let mut out = Changes::default();
    course(&ready, current.record, name_is_given, &mut out);

    let by_path = lessons_by_path(&current.outline.lessons);
    let matched: Vec<Option<&LessonView>> = ready
        .lessons
        .iter()
        .map(|l| by_path.get(path_text(&l.lesson)).copied())
        .collect();
    let kept_ids: BTreeSet<MessageId> = matched.iter().flatten().map(|l| l.id).collect();
    let mut removed = BTreeSet::new();
    let mut staying = Vec::new();
    for lesson in &current.outline.lessons {
        if kept_ids.contains(&lesson.id) {
            continue;
        }
        match &lesson.path {
            Some(path) if current.prune => {
                removed.insert(lesson.id);
                let mut update = LessonUpdate::new(LessonHandle::Id(lesson.id));
                update.removed = Some(true);
                out.messages.push(update.into());
                out.changes.push(Change::Removed {
                    path: path.clone(),
                    id: lesson.id,
                });
            }
            Some(path) => {
                staying.push(lesson);
                out.changes.push(Change::Kept {
                    path: path.clone(),
                    id: lesson.id,
                });
            }
            None => staying.push(lesson),
        }
    }

    let numbers = numbers(&current.outline.lessons, &matched, &staying);
    let mut updates = Vec::new();
    for (lesson, number) in staying.iter().zip(&numbers.staying) {
        if lesson.lesson_number != *number {
            let mut update = LessonUpdate::new(LessonHandle::Id(lesson.id));
            update.lesson_number = Some(*number);
            updates.push((lesson.lesson_number, *number, update, lesson.path.clone()));
        }
    }
    for ((lesson, old), number) in ready.lessons.iter_mut().zip(&matched).zip(&numbers.drafted) {
        lesson.set_number(*number);
        if let Some(old) = old
            && let Some(update) = lesson_update(&lesson.lesson, old, current.prune)
        {
            updates.push((old.lesson_number, *number, update, old.path.clone()));
        }
    }
    // Upward moves from the top and downward moves from the bottom need no
    // number that another lesson still holds.
    updates.sort_by_key(|(from, to, ..)| match to > from {
        true => (0, u64::MAX - from),
        false => (1, *from),
    });
    for (_, _, update, path) in updates {
        if let (LessonHandle::Id(id), path) = (update.lesson, path.unwrap_or_default()) {
            out.changes.push(Change::Updated { path, id });
        }
        out.messages.push(update.into());
    }
    for (lesson, old) in ready.lessons.iter().zip(&matched) {
        if old.is_none() {
            out.changes.push(Change::Added {
                path: path_text(&lesson.lesson).to_owned(),
            });
            out.messages.push(lesson.lesson.clone().into());
        }
    }
    crate::items::between(&ready.lessons, &matched, current, &removed, &mut out);
    out
}

fn path_text(lesson: &Lesson) -> &str {
    lesson.fields.path.value().map_or("", String::as_str)
}

fn lessons_by_path(lessons: &[LessonView]) -> BTreeMap<&str, &LessonView> {
    let mut out = BTreeMap::new();
    for lesson in lessons {
        if let Some(path) = lesson.path.as_deref() {
            out.entry(path).or_insert(lesson);
        }
    }
    out
}

/// Says a value when it is there and differs.
fn news<T: PartialEq + Clone>(new: &Patch<T>, old: Option<&T>) -> Patch<T> {
    match new {
        Patch::Set(value) if Some(value) != old => Patch::Set(value.clone()),
        _ => Patch::Keep,
    }
}

/// The course's own data. What the folder does not say stays as it is: it may
/// have been said by other means.
fn course(ready: &Ready, record: Option<&CourseRecord>, name_is_given: bool, out: &mut Changes) {
    let Some(record) = record else {
        out.messages.push(ready.about.clone().into());
        out.messages.push(ready.course.clone().into());
        out.changes.push(Change::Course);
        return;
    };
    let new = &ready.course.fields;
    let list = |list: &Vec<String>| Some(list.clone()).filter(|l| !l.is_empty());
    let mut update = CourseUpdate::new(ready.course.feed_id);
    if ready.course.name != record.name && (name_is_given || record.name.is_empty()) {
        update.name = Patch::Set(ready.course.name.clone());
    }
    update.fields.description = news(&new.description, record.description.as_ref());
    update.fields.description_blob = news(&new.description_blob, record.description_blob.as_ref());
    update.fields.image = news(&new.image, record.image.as_ref());
    update.fields.keywords = news(&new.keywords, list(&record.keywords).as_ref());
    update.fields.language = news(&new.language, record.language.as_ref());
    update.fields.level = news(&new.level, record.level.as_ref());
    update.fields.duration_minutes = news(&new.duration_minutes, record.duration_minutes.as_ref());
    update.fields.provider = news(&new.provider, record.provider.as_ref());
    update.fields.license = news(&new.license, record.license.as_ref());
    update.fields.source_url = news(&new.source_url, record.source_url.as_ref());
    update.fields.prerequisites = news(&new.prerequisites, list(&record.prerequisites).as_ref());
    if update == CourseUpdate::new(ready.course.feed_id) {
        return;
    }
    // What other clients show of the feed follows.
    let mut about = ready.about.clone();
    if update.name.is_keep() {
        about.name = Patch::Keep;
    }
    if update.fields.image.is_keep() {
        about.image = Patch::Keep;
    }
    if update.fields.description.is_keep() && update.fields.description_blob.is_keep() {
        about.description = Patch::Keep;
    }
    if about.name.is_said() || about.image.is_said() || about.description.is_said() {
        out.messages.push(about.into());
    }
    out.messages.push(update.into());
    out.changes.push(Change::Course);
}

/// What differs of one lesson's own message.
fn lesson_update(new: &Lesson, old: &LessonView, prune: bool) -> Option<LessonUpdate> {
    let empty = LessonUpdate::new(LessonHandle::Id(old.id));
    let mut update = empty.clone();
    if new.lesson_number != old.lesson_number {
        update.lesson_number = Some(new.lesson_number);
    }
    if new.name != old.name {
        update.name = Patch::Set(new.name.clone());
    }
    update.fields.section = match (&new.fields.section, &old.section) {
        (Patch::Keep, Some(_)) => Patch::Clear,
        (section, old) => news(section, old.as_ref()),
    };
    update.fields.description = news(&new.fields.description, old.description.as_ref());
    let text = news(&new.fields.lesson_content, old.lesson_content.as_ref());
    let blob = news(
        &new.fields.lesson_content_blob,
        old.lesson_content_blob.as_ref(),
    );
    let had_text = old.lesson_content.is_some() || old.lesson_content_blob.is_some();
    let has_text = new.fields.lesson_content.is_said() || new.fields.lesson_content_blob.is_said();
    let new_type = new
        .fields
        .lesson_content_type
        .value()
        .copied()
        .unwrap_or_default();
    if text.is_said() || blob.is_said() || (has_text && new_type != old.lesson_content_type) {
        update.fields.lesson_content = new.fields.lesson_content.clone();
        update.fields.lesson_content_blob = new.fields.lesson_content_blob;
        if new_type != old.lesson_content_type {
            update.fields.lesson_content_type = Patch::Set(new_type);
        }
        update.fields.mentions = match &new.fields.mentions {
            Patch::Keep if !old.mentions.is_empty() => Patch::Clear,
            mentions => mentions.clone(),
        };
    } else if had_text && !has_text && prune {
        update.fields.lesson_content = Patch::Clear;
        update.fields.lesson_content_blob = Patch::Clear;
        update.fields.mentions = Patch::Clear;
    }
    (update != empty).then_some(update)
}

/// The numbers all standing lessons get.
struct Numbers {
    drafted: Vec<u64>,
    staying: Vec<u64>,
}

/// Gives every lesson a place, changing as few numbers as possible.
fn numbers(
    outline: &[LessonView],
    matched: &[Option<&LessonView>],
    staying: &[&LessonView],
) -> Numbers {
    enum Slot {
        Drafted(usize),
        Staying(usize),
    }
    // A lesson that stays keeps its neighbour: it follows whom it followed.
    let kept: BTreeSet<MessageId> = matched.iter().flatten().map(|l| l.id).collect();
    let places: BTreeMap<MessageId, usize> = staying
        .iter()
        .enumerate()
        .map(|(at, l)| (l.id, at))
        .collect();
    let mut after: BTreeMap<Option<MessageId>, Vec<usize>> = BTreeMap::new();
    let mut neighbour = None;
    for lesson in outline {
        if kept.contains(&lesson.id) {
            neighbour = Some(lesson.id);
        } else if let Some(at) = places.get(&lesson.id) {
            after.entry(neighbour).or_default().push(*at);
        }
    }
    let mut slots: Vec<(Slot, Option<u64>)> = Vec::new();
    let mut follow = |slots: &mut Vec<(Slot, Option<u64>)>, whom: Option<MessageId>| {
        for at in after.remove(&whom).unwrap_or_default() {
            slots.push((Slot::Staying(at), staying.get(at).map(|l| l.lesson_number)));
        }
    };
    follow(&mut slots, None);
    for (at, old) in matched.iter().enumerate() {
        slots.push((Slot::Drafted(at), old.map(|l| l.lesson_number)));
        if let Some(old) = old {
            follow(&mut slots, Some(old.id));
        }
    }
    let old: Vec<Option<u64>> = slots.iter().map(|(_, old)| *old).collect();
    let mut out = Numbers {
        drafted: vec![0; matched.len()],
        staying: vec![0; staying.len()],
    };
    for ((slot, _), number) in slots.iter().zip(renumber(&old)) {
        let target = match slot {
            Slot::Drafted(at) => out.drafted.get_mut(*at),
            Slot::Staying(at) => out.staying.get_mut(*at),
        };
        if let Some(target) = target {
            *target = number;
        }
    }
    out
}

/// Ascending numbers from 1 that keep the longest run of old ones.
fn renumber(old: &[Option<u64>]) -> Vec<u64> {
    let keep = longest_ascending(old);
    let mut previous = 0;
    old.iter()
        .enumerate()
        .map(|(at, number)| {
            previous = match number {
                Some(number) if keep.contains(&at) && *number > previous => *number,
                _ => previous + 1,
            };
            previous
        })
        .collect()
}

/// The places of a longest strictly ascending subsequence.
fn longest_ascending(old: &[Option<u64>]) -> BTreeSet<usize> {
    // For each length, the place where a run of that length ends lowest.
    let mut ends: Vec<(u64, usize)> = Vec::new();
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    for (at, number) in old.iter().enumerate() {
        let Some(number) = number.filter(|n| *n > 0) else {
            continue;
        };
        let len = ends.partition_point(|(end, _)| *end < number);
        if let Some((_, previous)) = len.checked_sub(1).and_then(|l| ends.get(l)) {
            before.insert(at, *previous);
        }
        match ends.get_mut(len) {
            Some(end) => *end = (number, at),
            None => ends.push((number, at)),
        }
    }
    let mut keep = BTreeSet::new();
    let mut at = ends.last().map(|(_, at)| *at);
    while let Some(place) = at {
        keep.insert(place);
        at = before.get(&place).copied();
    }
    keep
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_change_little() {
        let some = |list: &[u64]| list.iter().map(|n| Some(*n)).collect::<Vec<_>>();
        assert_eq!(renumber(&some(&[1, 2, 3])), [1, 2, 3]);
        assert_eq!(renumber(&[None, None]), [1, 2]);
        assert_eq!(renumber(&[Some(1), None, Some(2), Some(3)]), [1, 2, 3, 4]);
        assert_eq!(renumber(&[Some(1), None, Some(5)]), [1, 2, 5]);
        assert_eq!(renumber(&some(&[2, 3, 1])), [2, 3, 4]);
        assert_eq!(renumber(&some(&[1, 3, 2, 4])), [1, 2, 3, 4]);
    }

    proptest! {
        #[test]
        fn numbers_ascend(old in prop::collection::vec(prop::option::of(0u64..30), 0..30)) {
            let new = renumber(&old);
            prop_assert_eq!(new.len(), old.len());
            prop_assert!(new.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(new.first().is_none_or(|n| *n > 0));
            let kept: Vec<Option<u64>> = new.iter().map(|n| Some(*n)).collect();
            prop_assert_eq!(renumber(&kept), new);
        }
    }
}
