use crate::QueryError;
use crate::model::*;
use studytime_schema::view::CourseOutline;
use studytime_schema::{FeedId, LogPosition};

/// The querying side: cheap to clone, safe to share between threads.
#[derive(Debug, Clone, Default)]
pub struct Reader {}

impl Reader {
    /// The log position that answers reflect at least.
    pub fn position(&self) -> LogPosition {
        LogPosition(0)
    }

    /// Courses by filter, text and order, with facets.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn courses(&self, query: &CourseQuery) -> Result<Page<CourseCard>, QueryError> {
        Ok(Page {
            items: Vec::new(),
            total: 0,
            offset: query.offset,
            limit: query.limit,
            facets: Facets::default(),
            approximate: false,
        })
    }

    /// Categories and subjects with their counts, most popular first; courses
    /// that are deprecated do not count.
    pub fn subjects(&self) -> Vec<SubjectCount> {
        Vec::new()
    }

    /// Completions of what is being typed: at most `limit`.
    pub fn suggest(&self, prefix: &str, limit: usize) -> Vec<Suggestion> {
        let _ = (prefix, limit);
        Vec::new()
    }

    /// One course whole.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn course(&self, course: &FeedId) -> Result<Option<CourseDetail>, QueryError> {
        let _ = course;
        Ok(None)
    }

    /// All lessons of a course, with texts that stand in messages.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn outline(&self, course: &FeedId) -> Result<Option<CourseOutline>, QueryError> {
        let _ = course;
        Ok(None)
    }

    /// One lesson by its number.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn lesson(&self, course: &FeedId, number: u64) -> Result<Option<LessonDetail>, QueryError> {
        let _ = (course, number);
        Ok(None)
    }

    /// The user's lists, in the user's order.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn lists(&self) -> Result<Vec<ListInfo>, QueryError> {
        Ok(Vec::new())
    }

    /// All shown courses in the order of popularity, for the replication policy.
    pub fn listed_courses(&self) -> Vec<ListedCourse> {
        Vec::new()
    }

    /// What the user is learning.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn learner(&self) -> Result<LearnerView, QueryError> {
        Ok(LearnerView::default())
    }

    /// Every blob a course needs, in the order to fetch them: the course's own,
    /// then lesson by lesson.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn needed_blobs(&self, course: &FeedId) -> Result<Vec<NeededBlob>, QueryError> {
        let _ = course;
        Ok(Vec::new())
    }

    /// The blobs of shown courses whose text the index is missing.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn text_blobs_needed(&self) -> Result<Vec<TextBlob>, QueryError> {
        Ok(Vec::new())
    }

    /// What a feed says about itself.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn about(&self, feed: &FeedId) -> Result<Option<About>, QueryError> {
        let _ = feed;
        Ok(None)
    }

    /// What was not taken of a feed, and why, by sequence.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn problems(&self, feed: &FeedId) -> Result<Vec<Problem>, QueryError> {
        let _ = feed;
        Ok(Vec::new())
    }
}
