//! Videos, attachments and tests of a course, and how updates change them.

use super::IgnoredReason;
use super::body::rename;
use crate::content::{Content, ItemUpdate, Patch};
use crate::refs::MessageId;
use crate::view::{AttachmentView, LessonView, MediaLink, TestView, VideoView};
use serde::{Deserialize, Serialize};

/// One item, standing or removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ItemState {
    /// The lesson it belongs to: its index in the body.
    pub(super) lesson: usize,
    #[serde(default)]
    pub(super) removed: bool,
    pub(super) kind: Kind,
}

/// The item itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Video(VideoView),
    Attachment(AttachmentView),
    Test(TestView),
}

impl Kind {
    /// The item that a message publishes, and the number of its lesson.
    pub(super) fn from_content(id: MessageId, content: &Content) -> Option<(u64, Self)> {
        match content {
            Content::Video(video) => Some((
                video.lesson_number,
                Self::Video(VideoView {
                    item: id,
                    name: video.name.clone(),
                    description: video.description.clone(),
                    sources: video.sources.clone(),
                    captions: video.captions.clone(),
                    captions_blob: video.captions_blob,
                    poster: video.poster,
                    path: video.path.clone(),
                    replaces: video.replaces,
                }),
            )),
            Content::Attachment(file) => Some((
                file.lesson_number,
                Self::Attachment(AttachmentView {
                    item: id,
                    name: file.name.clone(),
                    media: MediaLink {
                        link: file.link,
                        manifest: file.manifest,
                        content_type: file.content_type.clone(),
                        size: file.size,
                    },
                    path: file.path.clone(),
                    replaces: file.replaces,
                }),
            )),
            Content::Test(test) => Some((
                test.lesson_number,
                Self::Test(TestView {
                    item: id,
                    name: test.name.clone(),
                    pass_percent: test.pass_percent.unwrap_or(0),
                    questions: test.questions.clone(),
                    questions_blob: test.questions_blob,
                    path: test.path.clone(),
                    replaces: test.replaces,
                }),
            )),
            _ => None,
        }
    }

    pub(super) const fn id(&self) -> &MessageId {
        match self {
            Self::Video(video) => &video.item,
            Self::Attachment(file) => &file.item,
            Self::Test(test) => &test.item,
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Video(video) => &video.name,
            Self::Attachment(file) => &file.name,
            Self::Test(test) => &test.name,
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Video(_) => "a video",
            Self::Attachment(_) => "an attachment",
            Self::Test(_) => "a test",
        }
    }
}

impl ItemState {
    /// Adds it to its lesson's view.
    pub(super) fn show_in(&self, lesson: &mut LessonView) {
        match &self.kind {
            Kind::Video(video) => lesson.videos.push(video.clone()),
            Kind::Attachment(file) => lesson.attachments.push(file.clone()),
            Kind::Test(test) => lesson.tests.push(test.clone()),
        }
    }

    /// Changes the item as an update says, but for the lesson it belongs to.
    pub(super) fn update(&mut self, update: &ItemUpdate) -> Vec<IgnoredReason> {
        if let Some(removed) = update.removed {
            self.removed = removed;
        }
        let mut reports = Vec::new();
        // Read the fields by name, so that a new one cannot be forgotten here.
        let ItemUpdate {
            item: _,
            lesson_number: _,
            removed: _,
            name,
            path,
            replaces,
            description,
            sources,
            captions,
            captions_blob,
            poster,
            link,
            manifest,
            content_type,
            size,
            pass_percent,
            questions,
            questions_blob,
        } = update;
        let of_video = [
            ("description", description.is_said()),
            ("sources", sources.is_said()),
            ("captions", captions.is_said()),
            ("captions_blob", captions_blob.is_said()),
            ("poster", poster.is_said()),
        ];
        let of_attachment = [
            ("link", link.is_said()),
            ("manifest", manifest.is_some()),
            ("content_type", content_type.is_said()),
            ("size", size.is_said()),
        ];
        let of_test = [
            ("pass_percent", pass_percent.is_said()),
            ("questions", questions.is_said()),
            ("questions_blob", questions_blob.is_said()),
        ];
        let word = self.kind.word();
        let mut refuse = |fields: &[(&str, bool)]| {
            for (field, _) in fields.iter().filter(|(_, said)| *said) {
                reports.push(IgnoredReason::DoesNotFit {
                    field: (*field).to_owned(),
                    kind: word.to_owned(),
                });
            }
        };
        let cannot_clear = |field: &str| IgnoredReason::CannotClear {
            field: field.to_owned(),
        };
        match &mut self.kind {
            Kind::Video(video) => {
                refuse(&of_attachment);
                refuse(&of_test);
                description.apply_to(&mut video.description);
                match sources {
                    Patch::Keep => {}
                    Patch::Clear => reports.push(cannot_clear("sources")),
                    Patch::Set(sources) => video.sources.clone_from(sources),
                }
                apply_list_pair(
                    (&mut video.captions, &mut video.captions_blob),
                    (captions, captions_blob),
                );
                poster.apply_to(&mut video.poster);
                path.apply_to(&mut video.path);
                replaces.apply_to(&mut video.replaces);
                reports.extend(rename(&mut video.name, name));
            }
            Kind::Attachment(file) => {
                refuse(&of_video);
                refuse(&of_test);
                match link {
                    Patch::Keep => {}
                    Patch::Clear => reports.push(cannot_clear("link")),
                    Patch::Set(link) if *link != file.media.link => {
                        // What was said of the old file is not true of the new one.
                        file.media.link = *link;
                        file.media.manifest = false;
                        file.media.size = None;
                    }
                    Patch::Set(_) => {}
                }
                if let Some(manifest) = manifest {
                    file.media.manifest = *manifest;
                }
                content_type.apply_to(&mut file.media.content_type);
                size.apply_to(&mut file.media.size);
                path.apply_to(&mut file.path);
                replaces.apply_to(&mut file.replaces);
                reports.extend(rename(&mut file.name, name));
            }
            Kind::Test(test) => {
                refuse(&of_video);
                refuse(&of_attachment);
                match pass_percent {
                    Patch::Keep => {}
                    Patch::Clear => test.pass_percent = 0,
                    Patch::Set(percent) => test.pass_percent = *percent,
                }
                let (old, old_blob) = (test.questions.clone(), test.questions_blob);
                apply_list_pair(
                    (&mut test.questions, &mut test.questions_blob),
                    (questions, questions_blob),
                );
                if test.questions.is_empty() && test.questions_blob.is_none() {
                    (test.questions, test.questions_blob) = (old, old_blob);
                    reports.push(cannot_clear("questions"));
                }
                path.apply_to(&mut test.path);
                replaces.apply_to(&mut test.replaces);
                reports.extend(rename(&mut test.name, name));
            }
        }
        reports
    }
}

/// A list that stands in the message or in a blob: setting one, and saying
/// nothing about the other, replaces the whole.
fn apply_list_pair<T: Clone, B: Clone>(
    (list, blob): (&mut Vec<T>, &mut Option<B>),
    (new_list, new_blob): (&Patch<Vec<T>>, &Patch<B>),
) {
    match new_list {
        Patch::Keep => {
            if new_blob.value().is_some() {
                list.clear();
            }
        }
        Patch::Clear => list.clear(),
        Patch::Set(new) => list.clone_from(new),
    }
    match new_blob {
        Patch::Keep => {
            if new_list.value().is_some() {
                *blob = None;
            }
        }
        Patch::Clear => *blob = None,
        Patch::Set(new) => *blob = Some(new.clone()),
    }
}
