//! What queries take and give: plain data with serde.

mod card;
mod detail;
mod learner;
mod list;
mod query;
mod since;

pub use card::{CourseCard, LessonHit, Snippet, SnippetPart};
pub use detail::{
    ContinueAt, CourseDetail, CourseProgress, CourseRef, LessonDetail, LessonRef, LessonSummary,
    ListRef, StepProgress,
};
pub use learner::{BookmarkView, EnrolledCourse, LearnerView, NoteView, ResultView};
pub use list::{
    About, KeywordCount, ListInfo, ListedCourse, NeededBlob, Problem, SubjectCount, SubjectEntry,
    Suggestion, SuggestionKind, TextBlob,
};
pub use query::{CourseQuery, DurationBand, FacetCount, Facets, Page, Sort};
pub use since::{Cursor, Since};
