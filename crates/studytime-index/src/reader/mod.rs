//! The querying side.

mod answer;
mod cards;
mod course;
mod courses;
mod filter;
mod learning;
mod suggest;

use crate::QueryError;
use crate::columns::Columns;
use crate::index::counts;
use crate::model::{
    About, CourseCard, CourseDetail, CourseQuery, Cursor, KeywordCount, LearnerView, LessonDetail,
    ListInfo, ListedCourse, NeededBlob, Page, Problem, Since, SubjectCount, Suggestion, TextBlob,
};
use crate::store::{Pool, number_of, read};
use crate::text::TextReader;
use crate::text::search::Scratch;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use studytime_schema::fold::{IgnoredReason, LearnerState};
use studytime_schema::view::CourseOutline;
use studytime_schema::{BlobId, FeedId, LogPosition};

/// Listings by a feed that is no list of the user's that are told as problems,
/// at most.
const MAX_FOREIGN: usize = 1_000;

/// What the writer and all readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    generation: u64,
    columns: RwLock<Arc<Columns>>,
    pool: Pool,
    text: TextReader,
    scratch: Scratch,
}

impl Shared {
    pub(crate) fn new(generation: u64, columns: Columns, pool: Pool, text: TextReader) -> Self {
        Self {
            generation,
            columns: RwLock::new(Arc::new(columns)),
            pool,
            text,
            scratch: Scratch::default(),
        }
    }

    /// A snapshot. The lock is held for the copy of one pointer.
    pub(crate) fn columns(&self) -> Arc<Columns> {
        self.columns
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes the columns: in place while no reader holds a snapshot, else a
    /// copy of them, which is made while readers go on. There is one writer.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Columns)) {
        let mut columns = self.columns.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(columns) = Arc::get_mut(&mut columns) {
            return change(columns);
        }
        let before = Arc::clone(&columns);
        drop(columns);
        let mut copy = Columns::clone(&before);
        change(&mut copy);
        self.replace(copy);
    }

    pub(crate) fn replace(&self, new: Columns) {
        *self.columns.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
    }
}

/// The querying side of an [`Index`](crate::Index): cheap to clone, safe to
/// share between threads. Every answer comes from one snapshot of the columns;
/// the writer is not held up by it.
///
/// All methods but [`subjects`](Self::subjects), [`suggest`](Self::suggest),
/// [`listed_courses`](Self::listed_courses) and the getters read from disk.
#[derive(Debug, Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The log position that answers reflect at least.
    pub fn position(&self) -> LogPosition {
        self.shared.columns().position
    }

    /// Courses by filter, text and order, with facets.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn courses(&self, query: &CourseQuery) -> Result<Page<CourseCard>, QueryError> {
        courses::courses(&self.shared, query)
    }

    /// Reads all that is stored and names what is unsound, a line each for a
    /// person; slow on a large index. Then [`rebuild`](crate::Index::rebuild).
    ///
    /// # Errors
    /// [`QueryError`] when it cannot be read at all.
    pub fn check(&self) -> Result<Vec<String>, QueryError> {
        let mut problems = read::unsound(&*self.shared.pool.get()?)?;
        for file in self.shared.text.unsound()? {
            problems.push(format!("{} does not hold what it should", file.display()));
        }
        Ok(problems)
    }

    /// Categories and subjects with their counts, most popular first, then most
    /// courses, then by name; what is in no subject comes last. Deprecated courses do
    /// not count.
    pub fn subjects(&self) -> Vec<SubjectCount> {
        suggest::subjects(&self.shared.columns())
    }

    /// The commonest keywords of courses that are in no subject, for whoever
    /// keeps the table of subjects ([`Options::subjects`](crate::Options::subjects)).
    pub fn unknown_keywords(&self, limit: usize) -> Vec<KeywordCount> {
        suggest::unknown_keywords(&self.shared.columns(), limit)
    }

    /// The courses that changed after a cursor, at most so many: for a view of
    /// one's own that is kept up with the index. Told are changes by messages and
    /// texts, of courses on lists and off, and of what is on this device; not
    /// popularity, which [`Changes`](crate::Changes) tell.
    ///
    /// Only the course is told, not what is new about it: ask for it, and put what
    /// you make of it in the place of what you had. So a course that is told twice
    /// does no harm, and a view that was away for a while needs nothing else to
    /// catch up. Ask again after each [`Index::apply`](crate::Index::apply) and
    /// [`Index::apply_text`](crate::Index::apply_text), or whenever you like.
    ///
    /// # Example
    /// A view of one's own: the courses of each provider.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use studytime_index::{Cursor, QueryError, Reader};
    /// use studytime_schema::FeedId;
    ///
    /// #[derive(Default)]
    /// struct Providers {
    ///     /// To be kept with the rest, in one transaction.
    ///     cursor: Cursor,
    ///     providers: BTreeMap<FeedId, String>,
    /// }
    ///
    /// impl Providers {
    ///     fn follow(&mut self, reader: &Reader) -> Result<(), QueryError> {
    ///         loop {
    ///             let since = reader.since(&self.cursor, 100)?;
    ///             if since.restart {
    ///                 self.providers.clear();
    ///             }
    ///             for course in since.courses {
    ///                 self.providers.remove(&course);
    ///                 // One that no list names has gone.
    ///                 let found = reader.course(&course)?.filter(|c| !c.lists.is_empty());
    ///                 if let Some(provider) = found.and_then(|c| c.record.provider) {
    ///                     self.providers.insert(course, provider);
    ///                 }
    ///             }
    ///             self.cursor = since.cursor;
    ///             if !since.more {
    ///                 return Ok(());
    ///             }
    ///         }
    ///     }
    /// }
    /// # use std::sync::Arc;
    /// # use studytime_index::{Facts, Index, Options};
    /// # use studytime_schema::{Entry, Keypair, LogPosition, Message};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let curator = Keypair::from_seed(&[1; 32]);
    /// # let course = Keypair::from_seed(&[2; 32]).id();
    /// # let facts = Facts { lists: vec![curator.id()], ..Facts::default() };
    /// # let mut index = Index::open(dir.path(), Options { facts, ..Options::default() })?;
    /// # let mut tip = None;
    /// # let mut say = |position, content: serde_json::Value| -> Result<Entry, Box<dyn std::error::Error>> {
    /// #     let message = Message::sign(&curator, tip.as_ref(), 1_700_000_000_000, &content, None)?;
    /// #     tip = Some(message.tip());
    /// #     Ok(Entry { position: LogPosition(position), received: 1_700_000_000_000,
    /// #         message: Arc::new(message), opened_private: None, blob_text: None })
    /// # };
    /// # let bare = course.to_bare();
    /// # let listed = say(1, serde_json::json!({"type": "studytime_course", "feed_id": bare,
    /// #     "name": "Knots", "provider": "Harbour school"}))?;
    /// # let updated = say(2, serde_json::json!({"type": "studytime_course_update", "feed_id": bare,
    /// #     "provider": "Sailing school"}))?;
    /// # let removed = say(3, serde_json::json!({"type": "studytime_course_update", "feed_id": bare,
    /// #     "removed": true}))?;
    ///
    /// let mut view = Providers::default();
    /// index.apply(&[listed])?;
    /// view.follow(&index.reader())?;
    /// assert_eq!(view.providers[&course], "Harbour school");
    /// index.apply(&[updated])?;
    /// view.follow(&index.reader())?;
    /// assert_eq!(view.providers[&course], "Sailing school");
    /// index.apply(&[removed])?;
    /// view.follow(&index.reader())?;
    /// assert!(view.providers.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn since(&self, cursor: &Cursor, most: usize) -> Result<Since, QueryError> {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        let columns = self.shared.columns();
        (&columns.facts.lists, &columns.facts.own).hash(&mut hasher);
        let (generation, facts) = (self.shared.generation, hasher.finish());
        let begun = *cursor != Cursor::default();
        let restart = begun && (cursor.generation, cursor.facts) != (generation, facts);
        let from = match restart {
            true => (0, 0),
            false => (cursor.change, cursor.course),
        };
        let most = most.clamp(1, CourseQuery::MAX_LIMIT);
        let conn = self.shared.pool.get()?;
        let changed = read::changed_after(&conn, from, most)?;
        let (change, course) = changed
            .last()
            .map_or(from, |(_, course, at)| (*at, *course));
        Ok(Since {
            restart,
            more: changed.len() == most,
            courses: changed.into_iter().map(|(feed, ..)| feed).collect(),
            cursor: Cursor {
                generation,
                facts,
                change,
                course,
            },
        })
    }

    /// Completions of what is being typed, at most `limit`: courses whose name
    /// begins with it, then courses with words that begin so, subjects,
    /// keywords; popular ones first.
    pub fn suggest(&self, prefix: &str, limit: usize) -> Vec<Suggestion> {
        suggest::suggest(&self.shared.columns(), prefix, limit)
    }

    /// One course whole. Courses that no list names are found too, as far as
    /// anything of them is here.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn course(&self, course: &FeedId) -> Result<Option<CourseDetail>, QueryError> {
        course::course(&self.shared, course)
    }

    /// All lessons of a course, with texts that stand in messages; `None` while
    /// nothing of its feed is here.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn outline(&self, course: &FeedId) -> Result<Option<CourseOutline>, QueryError> {
        let conn = self.shared.pool.get()?;
        let Some(number) = number_of(&conn, course)? else {
            return Ok(None);
        };
        if read::stats_of(&conn, number)?.is_none() {
            return Ok(None);
        }
        Ok(Some(read::outline(&conn, number)?))
    }

    /// One lesson by its number.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn lesson(&self, course: &FeedId, number: u64) -> Result<Option<LessonDetail>, QueryError> {
        course::lesson(&self.shared, course, number)
    }

    /// The text of a blob that was handed in with
    /// [`apply_text`](crate::Index::apply_text).
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn text(&self, blob: &BlobId) -> Result<Option<String>, QueryError> {
        let conn = self.shared.pool.get()?;
        Ok(read::text_of(&conn, blob)?)
    }

    /// The user's lists, in the user's order, whether anything of them is here
    /// or not.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn lists(&self) -> Result<Vec<ListInfo>, QueryError> {
        let columns = self.shared.columns();
        let lists = columns.facts.lists.iter().enumerate();
        lists
            .map(|(at, feed)| {
                let about = self.about(feed)?.unwrap_or_default();
                Ok(ListInfo {
                    feed_id: *feed,
                    name: about.name,
                    description: about.description,
                    image: about.image,
                    courses: columns.listed(at),
                })
            })
            .collect()
    }

    /// All shown courses, most popular first, for the replication policy.
    pub fn listed_courses(&self) -> Vec<ListedCourse> {
        let columns = self.shared.columns();
        let ranks = columns.ranks();
        let courses = ranks.order.iter().enumerate();
        courses
            .filter_map(|(rank, at)| {
                let lean = columns.lean(*at)?;
                Some(ListedCourse {
                    feed_id: columns.standing(*at)?.feed,
                    lists: answer::lists(&columns, &columns.lists(*at)),
                    rank,
                    started: lean.started,
                    deprecated: lean.deprecated,
                })
            })
            .collect()
    }

    /// Courses that a feed names other than itself, in the order in which it
    /// first did, at most so many; chosen list or not.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn named_by(&self, feed: &FeedId, most: usize) -> Result<Vec<FeedId>, QueryError> {
        let conn = self.shared.pool.get()?;
        let Some(number) = crate::store::number_of(&conn, feed)? else {
            return Ok(Vec::new());
        };
        let named = read::foreign_listings(&conn, number, most)?;
        Ok(named.iter().map(|row| row.listing.course()).collect())
    }

    /// Feeds that name a course now, other than itself, by id; chosen lists or
    /// not.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn naming(&self, course: &FeedId) -> Result<Vec<FeedId>, QueryError> {
        let conn = self.shared.pool.get()?;
        let Some(number) = number_of(&conn, course)? else {
            return Ok(Vec::new());
        };
        let mut feeds: Vec<FeedId> = read::listings_of(&conn, number)?
            .iter()
            .map(|row| &row.listing)
            .filter(|listing| listing.is_listed() && listing.list() != *course)
            .map(|listing| listing.list())
            .collect();
        feeds.sort_unstable();
        Ok(feeds)
    }

    /// Whether a feed has published anything that makes it a course, as far as
    /// it is here.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn is_course(&self, feed: &FeedId) -> Result<bool, QueryError> {
        let conn = self.shared.pool.get()?;
        Ok(match crate::store::number_of(&conn, feed)? {
            Some(number) => read::stats_of(&conn, number)?.is_some(),
            None => false,
        })
    }

    /// All feeds that are courses or name courses, as far as they are here.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn study_feeds(&self) -> Result<HashSet<FeedId>, QueryError> {
        Ok(crate::store::study_feeds(&*self.shared.pool.get()?)?)
    }

    /// What the user is learning.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn learner(&self) -> Result<LearnerView, QueryError> {
        learning::learner(&self.shared)
    }

    /// The folded state behind [`learner`](Self::learner), for what is decided
    /// by it: carrying progress over to a successor, what is published next.
    pub fn learner_state(&self) -> Arc<LearnerState> {
        self.shared.columns().learner.clone()
    }

    /// Every blob a course needs, in the order to fetch them: the course's own,
    /// then lesson by lesson. Other encodings of its videos are among them
    /// ([`BlobRole::Alternative`](studytime_schema::view::BlobRole::Alternative)).
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn needed_blobs(&self, course: &FeedId) -> Result<Vec<NeededBlob>, QueryError> {
        course::needed_blobs(&self.shared, course)
    }

    /// The courses whose lessons need a blob: what its arrival may complete.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn courses_needing(&self, blob: &BlobId) -> Result<Vec<FeedId>, QueryError> {
        let conn = self.shared.pool.get()?;
        let mut courses = Vec::new();
        for number in read::courses_needing(&conn, blob)? {
            courses.extend(crate::store::feed_of(&conn, number)?);
        }
        courses.sort_unstable();
        Ok(courses)
    }

    /// The blobs of shown courses whose text the index is missing, course by
    /// course, most popular first. Ask it once after a start; later ones are in
    /// [`Changes::text_blobs`](crate::Changes::text_blobs).
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn text_blobs_needed(&self) -> Result<Vec<TextBlob>, QueryError> {
        let columns = self.shared.columns();
        let ranks = columns.ranks();
        let conn = self.shared.pool.get()?;
        let mut found: Vec<(u32, TextBlob)> = Vec::new();
        read::docs_missing_text(&conn, None, |row, number, blob| {
            let Some(at) = columns.by_number(number) else {
                return;
            };
            if let Some(course) = columns.standing(at)
                && counts(&columns, row)
            {
                let rank = ranks.of(at);
                let course = course.feed;
                found.push((rank, TextBlob { blob, course }));
            }
        })?;
        // Within a course the order of rows stays: lessons come as published.
        found.sort_by_key(|(rank, _)| *rank);
        Ok(found.into_iter().map(|(_, text)| text).collect())
    }

    /// What a feed says about itself; `None` when it never did.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn about(&self, feed: &FeedId) -> Result<Option<About>, QueryError> {
        let conn = self.shared.pool.get()?;
        match number_of(&conn, feed)? {
            Some(number) => Ok(read::about(&conn, number)?),
            None => Ok(None),
        }
    }

    /// What was not taken of a feed, and why, by sequence: its first thousand
    /// such messages. Of a feed that is no list of the user's, also what it says
    /// of courses: one report a course.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn problems(&self, feed: &FeedId) -> Result<Vec<Problem>, QueryError> {
        let columns = self.shared.columns();
        let conn = self.shared.pool.get()?;
        let Some(number) = number_of(&conn, feed)? else {
            return Ok(Vec::new());
        };
        let mut problems = read::problems(&conn, number, *feed)?;
        if !columns.facts.lists.contains(feed) {
            for row in read::foreign_listings(&conn, number, MAX_FOREIGN)? {
                let listing = &row.listing;
                // One that never was a listing is among the others already.
                if listing.place().is_none() {
                    continue;
                }
                let course = listing.course();
                let mut reason = IgnoredReason::NotAList { course }.to_string();
                let (sequence, id) = row.first;
                if listing.seen() > sequence {
                    reason += &format!(
                        "; the same holds for what it says of that course later, up to message {}",
                        listing.seen()
                    );
                }
                problems.push(Problem {
                    feed: *feed,
                    sequence,
                    id,
                    reason,
                });
            }
            problems.sort_by_key(|p| p.sequence);
        }
        Ok(problems)
    }

    /// What a feed would be told to mend, its author's view: [`problems`](Self::problems)
    /// as if the user had added the feed as a list.
    ///
    /// # Errors
    /// [`QueryError`] when the store cannot be read.
    pub fn problems_as_list(&self, feed: &FeedId) -> Result<Vec<Problem>, QueryError> {
        let conn = self.shared.pool.get()?;
        match number_of(&conn, feed)? {
            Some(number) => Ok(read::problems(&conn, number, *feed)?),
            None => Ok(Vec::new()),
        }
    }
}
