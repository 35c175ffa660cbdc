//! What the learner does: positions, notes, bookmarks, tests.

use super::lessons::note_info;
use super::{query_error, state_error};
use crate::api::{ApiError, Done, NoteInfo, Published, SavePosition, TestReply};
use crate::clock::now_ms;
use crate::node::Node;
use crate::store::SavedPosition;
use studytime_index::LearnerView;
use studytime_schema::content::{
    Answer, Bookmark, Content, Note, Progress, ProgressEntry, Target, TestResult, grade_test,
};
use studytime_schema::view::TestView;
use studytime_schema::{FeedId, MessageId};

/// Least time between two publications of positions.
const PUBLISH_EVERY_MS: u64 = 600_000;
/// Setting: when positions were last published.
const PUBLISHED_AT: &str = "positions_published";
/// Entries in one message; an encrypted message must stay below the size limit.
const ENTRIES: usize = 15;
/// Percent of a video that counts as having watched it.
const WATCHED: u8 = 90;
/// Characters of a note in one message.
const NOTE_PART: usize = 1_200;
/// Longest note.
const MAX_NOTE: usize = 50_000;

/// Publishes positions saved since the last time, at most once in ten minutes;
/// `leaving` does it anyway.
pub(crate) async fn publish_positions(node: &Node, leaving: bool) -> Result<(), ApiError> {
    let due = node
        .blocking(move |n| {
            let state = &n.inner().state;
            let last: u64 = state
                .setting(PUBLISHED_AT)
                .map_err(|e| state_error(&e))?
                .and_then(|t| t.parse().ok())
                .unwrap_or(0);
            if !leaving && now_ms().saturating_sub(last) < PUBLISH_EVERY_MS {
                return Ok(Vec::new());
            }
            state.unpublished_positions().map_err(|e| state_error(&e))
        })
        .await?;
    if due.is_empty() {
        return Ok(());
    }
    node.publish_progress(due.iter().map(entry).collect())
        .await?;
    node.blocking(move |n| {
        let state = &n.inner().state;
        state.mark_published(&due).map_err(|e| state_error(&e))?;
        state
            .set_setting(PUBLISHED_AT, &now_ms().to_string())
            .map_err(|e| state_error(&e))
    })
    .await
}

fn entry(p: &SavedPosition) -> ProgressEntry {
    ProgressEntry {
        position_seconds: Some(p.seconds),
        percent: Some(p.percent),
        done: (p.percent >= WATCHED).then_some(true),
        ..ProgressEntry::new(p.course, Target::Item(p.item))
    }
}

impl Node {
    /// Publishes progress, encrypted, in as many messages as it takes.
    pub(super) async fn publish_progress(
        &self,
        entries: Vec<ProgressEntry>,
    ) -> Result<(), ApiError> {
        if entries.is_empty() {
            return Ok(());
        }
        let contents = entries
            .chunks(ENTRIES)
            .map(|part| {
                Content::Progress(Progress {
                    entries: part.to_vec(),
                })
            })
            .collect();
        self.publish_private(contents).await?;
        Ok(())
    }

    pub(super) async fn save_position(&self, call: SavePosition) -> Result<Done, ApiError> {
        let saved = SavedPosition {
            course: call.id,
            item: call.item,
            seconds: call.position_seconds,
            percent: call.percent.min(100),
            updated: now_ms(),
        };
        self.blocking(move |n| {
            n.inner()
                .state
                .save_position(&saved)
                .map_err(|e| state_error(&e))?;
            n.show_positions()
        })
        .await?;
        if call.settled || call.percent >= WATCHED {
            publish_positions(self, false).await?;
        }
        Ok(Done {})
    }

    /// Has the index show positions that are not published yet.
    pub(crate) fn show_positions(&self) -> Result<(), ApiError> {
        let due = self
            .inner()
            .state
            .unpublished_positions()
            .map_err(|e| state_error(&e))?;
        let entries = due.iter().map(|p| (entry(p), p.updated)).collect();
        self.inner().indexer.positions(entries);
        Ok(())
    }

    pub(super) async fn learner_view(&self) -> Result<LearnerView, ApiError> {
        self.blocking(|n| n.reader().learner().map_err(|e| query_error(&e)))
            .await
    }

    pub(super) async fn note_add(
        &self,
        id: FeedId,
        number: u64,
        text: String,
    ) -> Result<Published, ApiError> {
        let text = text.trim().to_owned();
        if text.is_empty() {
            return Err(ApiError::usage("the note is empty"));
        }
        if text.chars().count() > MAX_NOTE {
            return Err(ApiError::refused(format!(
                "a note has at most {MAX_NOTE} characters; split it"
            )));
        }
        let lesson = self
            .blocking(move |n| n.lesson_detail(&id, number))
            .await?
            .lesson
            .id;
        let note = Note::new(id, Some(Target::Lesson(lesson)), text);
        let mut parts = note.split(NOTE_PART).into_iter();
        let first = parts.next().into_iter().map(Content::Note).collect();
        let mut published = self.publish_private(first).await?;
        // The other parts name the first one; until they are there, it stands alone.
        let name = published.messages.first().copied();
        let rest: Vec<Content> = parts
            .map(|part| Content::Note(Note { note: name, ..part }))
            .collect();
        if !rest.is_empty() {
            published
                .messages
                .extend(self.publish_private(rest).await?.messages);
        }
        Ok(published)
    }

    pub(super) async fn note_list(&self, id: Option<FeedId>) -> Result<Vec<NoteInfo>, ApiError> {
        let learner = self.learner_view().await?;
        let notes = learner
            .notes
            .iter()
            .filter(|n| id.is_none_or(|id| n.course.feed_id == id));
        Ok(notes.map(note_info).collect())
    }

    pub(super) async fn bookmark(
        &self,
        id: FeedId,
        number: Option<u64>,
        set: bool,
    ) -> Result<Done, ApiError> {
        let lesson = match number {
            Some(number) => Some(
                self.blocking(move |n| n.lesson_detail(&id, number))
                    .await?
                    .lesson
                    .id,
            ),
            None => None,
        };
        let bookmark = Bookmark {
            feed_id: id,
            lesson,
            item: None,
            bookmarked: set,
            position_seconds: None,
        };
        self.publish_private(vec![Content::Bookmark(bookmark)])
            .await?;
        Ok(Done {})
    }

    pub(super) async fn test_submit(
        &self,
        id: FeedId,
        item: MessageId,
        answers: Vec<Option<Answer>>,
    ) -> Result<TestReply, ApiError> {
        let (test, lesson, questions) = self.blocking(move |n| n.find_test(&id, &item)).await?;
        if questions.is_empty() {
            return Err(
                ApiError::not_found("the questions of this test are not here yet")
                    .hint("connect to a peer that has the course"),
            );
        }
        let answers: Vec<Answer> = answers
            .into_iter()
            .map(|a| a.unwrap_or(Answer::Skipped))
            .collect();
        let grade = grade_test(&questions, &answers);
        let passed = grade.passes(test.pass_percent);
        let result = TestResult {
            feed_id: id,
            lesson: Some(lesson),
            item,
            score: grade.percent,
            passed: Some(passed),
            answers: Vec::new(),
        };
        self.publish_private(vec![Content::TestResult(result)])
            .await?;
        Ok(TestReply {
            percent: grade.percent,
            passed,
            grades: grade.grades,
            questions,
        })
    }

    fn find_test(
        &self,
        id: &FeedId,
        item: &MessageId,
    ) -> Result<
        (
            TestView,
            MessageId,
            Vec<studytime_schema::content::Question>,
        ),
        ApiError,
    > {
        let outline = self
            .reader()
            .outline(id)
            .map_err(|e| query_error(&e))?
            .unwrap_or_default();
        for lesson in outline.lessons {
            if let Some(test) = lesson.tests.iter().find(|t| t.item == *item) {
                return Ok((test.clone(), lesson.id, self.questions(test)));
            }
        }
        Err(ApiError::not_found(format!(
            "the course has no test {item}"
        )))
    }
}
