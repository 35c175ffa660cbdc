//! A draft as messages: every file stored, every message within its limit.

use crate::draft::{BodyDraft, CourseDraft, FileDraft, LessonDraft, TestDraft, VideoDraft};
use crate::error::PublishError;
use crate::store::Store;
use serde_json::Value;
use studytime_schema::content::{
    About, Attachment, Caption, Content, Course, Lesson, LessonContentType, MAX_MENTIONS, Mention,
    Patch, Question, Test, Video, VideoSource,
};
use studytime_schema::{BlobId, FeedId, MAX_MESSAGE_UNITS, signed_units_of};

/// What an update of a thing may need more than its first message: the id of
/// what it updates, and fields that are said only then.
const MARGIN: usize = 256;
/// Longest text in the `about` that other clients show, in characters.
const MAX_ABOUT: usize = 280;

/// The messages of a whole course, not yet numbered into a feed.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) about: About,
    pub(crate) course: Course,
    pub(crate) lessons: Vec<ReadyLesson>,
}

/// One lesson with its items.
#[derive(Debug)]
pub(crate) struct ReadyLesson {
    pub(crate) lesson: Lesson,
    pub(crate) videos: Vec<Video>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) tests: Vec<Test>,
}

fn fits(content: impl Into<Content>) -> bool {
    signed_units_of(&content.into().to_value()) <= MAX_MESSAGE_UNITS - MARGIN
}

fn too_long(path: &str, field: &'static str) -> PublishError {
    PublishError::TooLong {
        path: path.to_owned(),
        field,
        limit: MAX_MESSAGE_UNITS,
    }
}

fn said<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Keep, Patch::Set)
}

/// Stores all files of the draft and builds its messages.
pub(crate) fn ready(
    draft: &CourseDraft,
    feed: FeedId,
    store: &mut Store<'_>,
) -> Result<Ready, PublishError> {
    let image = match &draft.image {
        Some(image) => Some(plain(store, image)?),
        None => None,
    };
    let course = course(draft, feed, image, store)?;
    let mut about = About::feed(feed);
    about.name = Patch::Set(draft.name.clone());
    about.image = said(image);
    about.description = said(draft.description.as_deref().and_then(opening));
    let mut lessons = Vec::new();
    for one in &draft.lessons {
        lessons.push(lesson(one, store)?);
    }
    Ok(Ready {
        about,
        course,
        lessons,
    })
}

/// A file that is known to be small enough for one blob.
fn plain(store: &mut Store<'_>, file: &FileDraft) -> Result<BlobId, PublishError> {
    Ok(store.file(&file.path, &file.content_type)?.link)
}

/// The first paragraph, without a heading in front, for clients that show little.
fn opening(text: &str) -> Option<String> {
    let document = crate::markdown::document(text);
    let first = document.first_paragraph?;
    let first = first.trim();
    let mut short: String = first.chars().take(MAX_ABOUT).collect();
    if short.len() < first.len() {
        short.push('\u{2026}');
    }
    Some(short).filter(|s| !s.is_empty())
}

fn course(
    draft: &CourseDraft,
    feed: FeedId,
    image: Option<BlobId>,
    store: &mut Store<'_>,
) -> Result<Course, PublishError> {
    let list = |list: &Vec<String>| said(Some(list.clone()).filter(|l| !l.is_empty()));
    let mut course = Course::new(feed, draft.name.clone());
    let fields = &mut course.fields;
    fields.description = said(draft.description.clone());
    fields.image = said(image);
    fields.keywords = list(&draft.keywords);
    fields.language = said(draft.language.clone());
    fields.level = said(draft.level);
    fields.duration_minutes = said(draft.duration_minutes);
    fields.provider = said(draft.provider.clone());
    fields.license = said(draft.license.clone());
    fields.source_url = said(draft.source_url.clone());
    fields.prerequisites = list(&draft.prerequisites);
    if !fits(course.clone())
        && let Some(text) = &draft.description
    {
        let blob = store.text("", text)?;
        course.fields.description_blob =
            Patch::Set(blob.ok_or_else(|| too_long("the course", "its description"))?);
        course.fields.description = Patch::Keep;
    }
    if !fits(course.clone()) {
        return Err(too_long("the course", "its keywords or prerequisites"));
    }
    Ok(course)
}

fn lesson(draft: &LessonDraft, store: &mut Store<'_>) -> Result<ReadyLesson, PublishError> {
    let mut lesson = Lesson::new(draft.number, draft.name.clone());
    lesson.fields.description = said(draft.description.clone());
    lesson.fields.section = said(draft.section.clone());
    lesson.fields.path = Patch::Set(draft.path.clone());
    if let Some(body) = &draft.body {
        add_body(&mut lesson, body, store)?;
    }
    shrink(&mut lesson, &draft.path)?;
    let mut ready = ReadyLesson {
        lesson,
        videos: Vec::new(),
        attachments: Vec::new(),
        tests: Vec::new(),
    };
    for one in &draft.videos {
        ready.videos.push(video(draft.number, one, store)?);
    }
    for one in &draft.attachments {
        ready
            .attachments
            .push(attachment(draft.number, one, store)?);
    }
    for one in &draft.tests {
        ready.tests.push(test(draft.number, one, store)?);
    }
    Ok(ready)
}

fn add_body(
    lesson: &mut Lesson,
    body: &BodyDraft,
    store: &mut Store<'_>,
) -> Result<(), PublishError> {
    let mut text = String::with_capacity(body.text.len());
    let mut mentions: Vec<Mention> = Vec::new();
    let mut at = 0;
    for link in &body.links {
        let link_id = plain(store, &link.file)?;
        text.push_str(body.text.get(at..link.start).unwrap_or(""));
        let id = link_id.to_string();
        if link.html {
            text.push_str(&id.replace('&', "&amp;"));
        } else {
            text.push_str(&id);
        }
        at = link.end;
        if mentions.len() < MAX_MENTIONS && !mentions.iter().any(|m| m.link == link_id) {
            mentions.push(Mention {
                link: link_id,
                name: Some(link.file.name.clone()),
                content_type: Some(link.file.content_type.clone()),
                size: Some(link.file.size),
            });
        }
    }
    text.push_str(body.text.get(at..).unwrap_or(""));
    if !mentions.is_empty() {
        lesson.fields.mentions = Patch::Set(mentions);
    }
    if body.content_type != LessonContentType::Markdown {
        lesson.fields.lesson_content_type = Patch::Set(body.content_type);
    }
    if text.trim().is_empty() {
        return Ok(());
    }
    // A text that is surely too long is not copied into a draft to measure it.
    if text.len() < 4 * MAX_MESSAGE_UNITS {
        lesson.fields.lesson_content = Patch::Set(text.clone());
        if fits(lesson.clone()) {
            return Ok(());
        }
    }
    let blob = store.text(&body.path, &text)?;
    lesson.fields.lesson_content = Patch::Keep;
    lesson.fields.lesson_content_blob =
        Patch::Set(blob.ok_or_else(|| too_long(&body.path, "the text"))?);
    Ok(())
}

/// Drops what a lesson can do without until it fits: details of mentions,
/// mentions (the text has the same links), its description.
fn shrink(lesson: &mut Lesson, path: &str) -> Result<(), PublishError> {
    if fits(lesson.clone()) {
        return Ok(());
    }
    if let Patch::Set(mentions) = &mut lesson.fields.mentions {
        for mention in mentions.iter_mut() {
            *mention = Mention::new(mention.link);
        }
    }
    while !fits(lesson.clone()) {
        let Patch::Set(mentions) = &mut lesson.fields.mentions else {
            break;
        };
        mentions.truncate(mentions.len() / 2);
        if mentions.is_empty() {
            lesson.fields.mentions = Patch::Keep;
        }
    }
    if !fits(lesson.clone()) {
        lesson.fields.description = Patch::Keep;
    }
    if fits(lesson.clone()) {
        Ok(())
    } else {
        Err(too_long(path, "the names of its folders and file"))
    }
}

fn video(number: u64, draft: &VideoDraft, store: &mut Store<'_>) -> Result<Video, PublishError> {
    let mut sources = Vec::new();
    for source in &draft.sources {
        let stored = store.file(&source.file.path, &source.file.content_type)?;
        sources.push(VideoSource {
            link: Some(stored.link),
            manifest: stored.manifest,
            content_type: Some(source.file.content_type.clone()),
            size: Some(source.file.size),
            duration_seconds: source.duration_seconds,
            height: source.height.map(u64::from),
            ..VideoSource::default()
        });
    }
    let mut captions = Vec::new();
    for track in &draft.captions {
        captions.push(Caption {
            link: store.caption(&track.path)?,
            language: Some(track.language.clone()),
            label: Some(track.label.clone()),
            kind: Some(track.kind.as_str().to_owned()),
        });
    }
    let poster = match &draft.poster {
        Some(poster) => Some(plain(store, poster)?),
        None => None,
    };
    let mut video = Video::new(number, draft.name.clone(), VideoSource::default());
    video.sources = sources;
    video.captions = captions;
    video.poster = poster;
    video.path = Some(draft.path.clone());
    if !fits(video.clone()) {
        let list: Vec<Value> = video.captions.iter().map(Caption::to_value).collect();
        video.captions.clear();
        let text = Value::Array(list).to_string();
        video.captions_blob = store.text(&draft.path, &text)?;
    }
    if !fits(video.clone()) {
        return Err(too_long(&draft.path, "its name or number of encodings"));
    }
    Ok(video)
}

fn attachment(
    number: u64,
    draft: &FileDraft,
    store: &mut Store<'_>,
) -> Result<Attachment, PublishError> {
    let stored = store.file(&draft.path, &draft.content_type)?;
    let mut attachment = Attachment::new(number, draft.name.clone(), stored.link);
    attachment.manifest = stored.manifest;
    attachment.content_type = Some(draft.content_type.clone());
    attachment.size = Some(draft.size);
    attachment.path = Some(draft.path.clone());
    if !fits(attachment.clone()) {
        return Err(too_long(&draft.path, "its name"));
    }
    Ok(attachment)
}

fn test(number: u64, draft: &TestDraft, store: &mut Store<'_>) -> Result<Test, PublishError> {
    let mut test = Test::new(number, draft.name.clone(), draft.questions.clone());
    test.pass_percent = draft.pass_percent;
    test.path = Some(draft.path.clone());
    if !fits(test.clone()) {
        let list: Vec<Value> = draft.questions.iter().map(Question::to_value).collect();
        let blob = store.text(&draft.path, &Value::Array(list).to_string())?;
        test.questions_blob = Some(blob.ok_or_else(|| too_long(&draft.path, "the test"))?);
        test.questions.clear();
    }
    if !fits(test.clone()) {
        return Err(too_long(&draft.path, "its name"));
    }
    Ok(test)
}

impl ReadyLesson {
    /// The lesson and its items, in order.
    pub(crate) fn into_messages(self) -> impl Iterator<Item = Content> {
        std::iter::once(Content::from(self.lesson))
            .chain(self.videos.into_iter().map(Content::from))
            .chain(self.attachments.into_iter().map(Content::from))
            .chain(self.tests.into_iter().map(Content::from))
    }

    /// Moves the lesson and its items to a number.
    pub(crate) fn set_number(&mut self, number: u64) {
        self.lesson.lesson_number = number;
        for video in &mut self.videos {
            video.lesson_number = number;
        }
        for attachment in &mut self.attachments {
            attachment.lesson_number = number;
        }
        for test in &mut self.tests {
            test.lesson_number = number;
        }
    }
}
