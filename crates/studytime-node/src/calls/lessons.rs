//! One lesson with everything on its page.

use super::{query_error, state_error};
use crate::api::{
    ApiError, AttachmentInfo, CaptionInfo, Done, LessonReply, NoteInfo, TestInfo, VideoInfo, path,
};
use crate::node::Node;
use crate::store::SavedPosition;
use std::collections::HashMap;
use studytime_index::{LessonDetail, NoteView};
use studytime_schema::content::{
    Caption, Content, Progress, ProgressEntry, Question, Target, parse_captions, parse_questions,
};
use studytime_schema::view::{AttachmentView, TestView, VideoView};
use studytime_schema::{BlobId, FeedId, MessageId};

/// Longest blob of captions or questions that is read.
const MAX_LIST_BLOB: usize = 4 << 20;

impl Node {
    /// The lesson as the index has it; an error says what is missing.
    pub(super) fn lesson_detail(&self, id: &FeedId, number: u64) -> Result<LessonDetail, ApiError> {
        let reader = self.reader();
        if let Some(detail) = reader.lesson(id, number).map_err(|e| query_error(&e))? {
            return Ok(detail);
        }
        match reader.course(id).map_err(|e| query_error(&e))? {
            Some(course) if course.feed_here => Err(ApiError::not_found(format!(
                "the course {:?} has no lesson {number}",
                course.record.name
            ))),
            Some(course) => Err(ApiError::not_found(format!(
                "the lessons of {:?} are not here yet",
                course.record.name
            ))
            .hint("connect to a peer that has the course")),
            None => Err(ApiError::not_found(format!("no course {id} is known here"))),
        }
    }

    pub(super) async fn lesson_show(
        &self,
        id: FeedId,
        number: u64,
    ) -> Result<LessonReply, ApiError> {
        self.opened(id);
        self.blocking(move |n| n.lesson_reply(id, number)).await
    }

    fn lesson_reply(&self, id: FeedId, number: u64) -> Result<LessonReply, ApiError> {
        let detail = self.lesson_detail(&id, number)?;
        let saved: HashMap<MessageId, SavedPosition> = self
            .inner()
            .state
            .course_positions(&id)
            .map_err(|e| state_error(&e))?
            .into_iter()
            .map(|p| (p.item, p))
            .collect();
        let lesson = &detail.lesson;
        let videos = lesson
            .videos
            .iter()
            .map(|v| self.video(v, &detail, &saved))
            .collect();
        let attachments = lesson
            .attachments
            .iter()
            .map(|a| self.attachment(a))
            .collect();
        let tests = lesson.tests.iter().map(|t| self.test(t, &detail)).collect();
        let blobs_here = lesson
            .mentions
            .iter()
            .filter(|b| self.inner().holdings.has(b))
            .copied()
            .collect();
        let notes = detail.notes.iter().map(note_info).collect();
        Ok(LessonReply {
            feed_id: id,
            course_name: detail.course.name.clone(),
            content: detail.text.clone(),
            videos,
            attachments,
            tests,
            done: detail.done,
            previous: detail.previous.as_ref().map(|l| l.lesson_number),
            next: detail.next.as_ref().map(|l| l.lesson_number),
            notes,
            bookmarked: detail.bookmarked,
            blobs_here,
            lesson: detail.lesson,
        })
    }

    fn video(
        &self,
        video: &VideoView,
        detail: &LessonDetail,
        saved: &HashMap<MessageId, SavedPosition>,
    ) -> VideoInfo {
        let step = detail.steps.iter().find(|s| s.id == video.item);
        let local = saved.get(&video.item);
        let sources: Vec<(String, Option<String>)> = video
            .sources
            .iter()
            .filter_map(|s| {
                let link = s.link?;
                Some((
                    path::media_path(
                        &link,
                        s.manifest,
                        s.duration_seconds,
                        s.content_type.as_deref(),
                        None,
                    ),
                    s.content_type.clone(),
                ))
            })
            .collect();
        let first = video.sources.iter().find(|s| s.link.is_some());
        let bytes_here = first
            .and_then(|s| Some(self.inner().holdings.presence(&s.link?, s.manifest).bytes))
            .unwrap_or(0);
        let mut captions = video.captions.clone();
        if let Some(blob) = &video.captions_blob {
            captions.extend(self.list_blob(blob, parse_captions));
        }
        VideoInfo {
            item: video.item,
            name: video.name.clone(),
            description: video.description.clone(),
            content_type: first.and_then(|s| s.content_type.clone()),
            size: first.and_then(|s| s.size),
            path: sources.first().map(|(p, _)| p.clone()).unwrap_or_default(),
            sources,
            captions: captions
                .into_iter()
                .map(|caption: Caption| CaptionInfo {
                    path: path::captions_path(&caption.link),
                    caption,
                })
                .collect(),
            poster: video.poster.as_ref().map(path::blob_path),
            position_seconds: local
                .map(|p| p.seconds)
                .or(step.map(|s| s.position_seconds))
                .unwrap_or(0),
            done: step.is_some_and(|s| s.done),
            bytes_here,
        }
    }

    fn attachment(&self, attachment: &AttachmentView) -> AttachmentInfo {
        let media = &attachment.media;
        AttachmentInfo {
            item: attachment.item,
            name: attachment.name.clone(),
            content_type: media.content_type.clone(),
            size: media.size,
            path: path::media_path(
                &media.link,
                media.manifest,
                None,
                media.content_type.as_deref(),
                Some(&attachment.name),
            ),
            bytes_here: self
                .inner()
                .holdings
                .presence(&media.link, media.manifest)
                .bytes,
        }
    }

    fn test(&self, test: &TestView, detail: &LessonDetail) -> TestInfo {
        TestInfo {
            item: test.item,
            name: test.name.clone(),
            pass_percent: test.pass_percent,
            questions: self.questions(test),
            best_percent: detail
                .steps
                .iter()
                .find(|s| s.id == test.item)
                .and_then(|s| s.best_percent),
        }
    }

    /// A test's questions, wherever they are kept; empty while their blob is not here.
    pub(super) fn questions(&self, test: &TestView) -> Vec<Question> {
        match &test.questions_blob {
            Some(blob) if test.questions.is_empty() => self.list_blob(blob, parse_questions),
            _ => test.questions.clone(),
        }
    }

    fn list_blob<T, P, E>(
        &self,
        blob: &BlobId,
        parse: impl Fn(&str) -> Result<(Vec<T>, P), E>,
    ) -> Vec<T> {
        let bytes = self
            .inner()
            .blobs
            .read(blob)
            .ok()
            .flatten()
            .filter(|b| b.len() <= MAX_LIST_BLOB);
        bytes
            .and_then(|b| String::from_utf8(b).ok())
            .and_then(|text| parse(&text).ok())
            .map(|(list, _)| list)
            .unwrap_or_default()
    }

    pub(super) async fn lesson_done(
        &self,
        id: FeedId,
        number: u64,
        done: bool,
    ) -> Result<Done, ApiError> {
        let detail = self.blocking(move |n| n.lesson_detail(&id, number)).await?;
        let entry = ProgressEntry {
            done: Some(done),
            percent: done.then_some(100),
            ..ProgressEntry::new(id, Target::Lesson(detail.lesson.id))
        };
        self.publish_private(vec![Content::Progress(Progress {
            entries: vec![entry],
        })])
        .await?;
        Ok(Done {})
    }
}

/// A note as faces see it.
pub(super) fn note_info(note: &NoteView) -> NoteInfo {
    NoteInfo {
        feed_id: note.course.feed_id,
        course_name: note.course.name.clone(),
        lesson_number: note.lesson_number,
        text: note.text.clone(),
        time: note.time,
    }
}
