//! Making a course's entry in the columns from its rows.

use crate::columns::kept::{self, Dictionaries};
use crate::columns::{Columns, CourseColumn};
use crate::facts::Facts;
use crate::merge::{Merged, merge};
use crate::popularity::{Popularity, popularity};
use crate::store::{CourseStats, ListingRow, number_of, read};
use crate::text::key;
use rusqlite::Connection;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use studytime_schema::FeedId;
use studytime_schema::fold::LearnerState;
use studytime_schema::subjects::{SubjectTable, classify};
use studytime_schema::view::CourseRecord;

/// What an entry depends on beside rows, and the words that entries share.
#[derive(Debug, Default)]
pub(crate) struct Maker {
    pub(crate) facts: Arc<Facts>,
    pub(crate) learner: Arc<LearnerState>,
    /// Another table of subjects than the built-in one.
    pub(crate) subjects: Option<Arc<SubjectTable>>,
    words: Dictionaries,
    /// The own and the opened feeds, to look up.
    own: HashSet<FeedId>,
    opened: HashSet<FeedId>,
}

impl Maker {
    pub(crate) fn new(facts: Facts, subjects: Option<Arc<SubjectTable>>) -> Self {
        let mut maker = Self {
            subjects,
            ..Self::default()
        };
        maker.set_facts(Arc::new(facts));
        maker
    }

    pub(crate) fn set_facts(&mut self, facts: Arc<Facts>) {
        self.own = facts.own.iter().copied().collect();
        self.opened = facts.opened.iter().copied().collect();
        self.facts = facts;
    }

    /// Whether a course is shown though no list names it.
    fn is_wanted(&self, feed: &FeedId) -> bool {
        self.own.contains(feed) || self.opened.contains(feed) || self.learner.is_enrolled(feed)
    }

    /// Courses that are shown whether a list names them or not.
    pub(crate) fn wanted(&self) -> BTreeSet<FeedId> {
        let enrolled = self.learner.enrolments().into_iter().map(|e| e.feed_id);
        let facts = &self.facts;
        enrolled
            .chain(facts.opened.iter().copied())
            .chain(facts.own.iter().copied())
            .collect()
    }

    /// Makes a course's entry from its rows; `None` when it is not shown.
    pub(crate) fn make(
        &mut self,
        conn: &Connection,
        number: i64,
        feed: FeedId,
        rows: &[ListingRow],
        stats: Option<CourseStats>,
        popularity: Popularity,
    ) -> rusqlite::Result<Option<CourseColumn>> {
        let wanted = self.is_wanted(&feed);
        let facts = self.facts.clone();
        let merged = merge(feed, rows, &facts.lists).filter(|m| wanted || !m.lists.is_empty());
        let started = self.learner.is_enrolled(&feed);
        let merged = match merged {
            Some(merged) => merged,
            // A course that nothing describes is shown when the user came to it
            // on purpose, or made it.
            None if started || self.opened.contains(&feed) => nameless(conn, number, feed)?,
            None if wanted && stats.is_some_and(|s| s.lessons > 0) => nameless(conn, number, feed)?,
            None => return Ok(None),
        };
        let percent = if started {
            let outline = read::outline(conn, number)?;
            self.learner.course_progress(&feed, &outline).percent
        } else {
            0
        };
        let record = merged.record;
        let subject = match &self.subjects {
            Some(table) => table.classify(&record.keywords),
            None => classify(&record.keywords),
        };
        let (category, subject) = (subject.category.to_owned(), subject.subject.to_owned());
        let tag = record
            .language
            .as_deref()
            .unwrap_or_default()
            .to_lowercase();
        let primary = tag.split(['-', '_']).next().unwrap_or_default().to_owned();
        let rest = rest_of(&record);
        let text = |field: &Option<String>| field.as_deref().unwrap_or_default().trim().to_owned();
        let words = &mut self.words;
        Ok(Some(CourseColumn {
            number,
            feed,
            key: key(&record.name),
            category: words.categories.share(&category),
            subject: words.subjects.share(&subject),
            language: words.languages.share(&primary),
            language_tag: words.tags.share(&tag),
            level: record.level,
            minutes: record.duration_minutes,
            provider: words.providers.share(&text(&record.provider)),
            license: words.licenses.share(&text(&record.license)),
            deprecated: record.deprecated,
            successor: record.replaced_by(),
            name: record.name,
            keywords: record
                .keywords
                .iter()
                .map(|k| words.keywords.share(k))
                .collect(),
            lists: merged.lists,
            place: merged.place,
            since: merged.since,
            popularity,
            stats: stats.unwrap_or_default(),
            feed_here: stats.is_some(),
            started,
            percent,
            gave: merged.gave,
            rest,
        }))
    }

    /// Reads one course anew; `None` when it is not shown.
    pub(crate) fn read(
        &mut self,
        conn: &Connection,
        number: i64,
        feed: FeedId,
    ) -> rusqlite::Result<Option<CourseColumn>> {
        let rows = read::listings_of(conn, number)?;
        let stats = read::stats_of(conn, number)?;
        let learners = read::enrolments_of(conn, number)?;
        let popularity = popularity(&learners, &self.facts);
        self.make(conn, number, feed, &rows, stats, popularity)
    }

    /// Reads all courses.
    pub(crate) fn read_all(&mut self, conn: &Connection) -> rusqlite::Result<Columns> {
        let mut columns = Columns::new(self);
        let mut stats: HashMap<i64, CourseStats> = read::all_stats(conn)?.into_iter().collect();
        let popularities = self.popularities(conn)?;
        let mut done: HashSet<FeedId> = HashSet::new();
        let mut rows: Vec<ListingRow> = Vec::new();
        let mut add = |rows: &[ListingRow]| -> rusqlite::Result<()> {
            let Some(first) = rows.first() else {
                return Ok(());
            };
            let (number, feed) = (first.course, first.listing.course());
            done.insert(feed);
            let popularity = popularities.get(&number).copied().unwrap_or_default();
            let column = self.make(conn, number, feed, rows, stats.remove(&number), popularity)?;
            if column.is_some() {
                columns.put(number, feed, column);
            }
            Ok(())
        };
        read::all_listings(conn, |row| {
            if rows.first().is_some_and(|first| first.course != row.course) {
                add(&rows)?;
                rows.clear();
            }
            rows.push(row);
            Ok(())
        })?;
        add(&rows)?;
        // Started, opened and own courses may have no row at all.
        for feed in self.wanted() {
            if !done.contains(&feed)
                && let Some(number) = number_of(conn, &feed)?
            {
                let column = self.read(conn, number, feed)?;
                columns.put(number, feed, column);
            }
        }
        Ok(columns)
    }

    /// All courses as a file of the columns has them, where it was made from the
    /// same lists and subjects, and from rows of which only few changed until
    /// `now`; with the change that it was made as of. `None` when it was not.
    pub(crate) fn read_kept(
        &mut self,
        conn: &Connection,
        file: Vec<u8>,
        now: u64,
    ) -> rusqlite::Result<Option<(Columns, u64)>> {
        let opened = kept::open(file, self.made_from(), &mut self.words);
        // Rows that fell back (a power cut) are others than the file knows.
        let Some(opened) = opened.filter(|opened| opened.change <= now) else {
            return Ok(None);
        };
        let change = opened.change;
        let mut columns = Columns::of(self, opened);
        let few = columns.places() / 4 + 16;
        let changed = read::changed_after(conn, (change, i64::MAX), few)?;
        if changed.len() == few {
            return Ok(None);
        }
        let mut again: BTreeMap<FeedId, i64> = BTreeMap::new();
        again.extend(changed.into_iter().map(|(feed, number, _)| (feed, number)));
        // Whether a course is shown that no list names, and how far the learner
        // is, depends on more than rows.
        let standings = columns.taken().filter_map(|at| columns.standing(at));
        let unlisted = standings.filter(|standing| standing.lists == 0);
        again.extend(unlisted.map(|standing| (standing.feed, standing.number)));
        for feed in self.wanted() {
            if let Some(number) = number_of(conn, &feed)? {
                again.insert(feed, number);
            }
        }
        // Who is near the user may have changed since, and with it popularity.
        let popularities = self.popularities(conn)?;
        let mut other = Vec::new();
        for standing in columns.taken().filter_map(|at| columns.standing(at)) {
            let now = popularities.get(&standing.number).copied();
            let now = now.unwrap_or_default();
            if now != standing.popularity {
                other.push((standing.feed, now));
            }
        }
        for (feed, popularity) in other {
            if let Some(course) = columns.by_feed(&feed).map(Cow::into_owned) {
                let course = CourseColumn {
                    popularity,
                    ..course
                };
                columns.put(course.number, feed, Some(course));
            }
        }
        for (feed, number) in again {
            let column = self.read(conn, number, feed)?;
            columns.put(number, feed, column);
        }
        Ok(Some((columns, change)))
    }

    /// The columns, made from the rows as of this change, for a file.
    pub(crate) fn kept(&self, columns: &Columns, change: u64) -> Option<Vec<u8>> {
        kept::write(self.made_from(), change, columns)
    }

    /// A fingerprint of what entries are made from beside rows.
    fn made_from(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        let facts = &self.facts;
        (&facts.lists, &facts.own, &facts.opened).hash(&mut hasher);
        match &self.subjects {
            Some(table) => table.fingerprint(),
            None => SubjectTable::builtin_fingerprint(),
        }
        .hash(&mut hasher);
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        hasher.finish()
    }

    /// How much the courses that have learners within reach are studied, by
    /// number.
    pub(crate) fn popularities(
        &self,
        conn: &Connection,
    ) -> rusqlite::Result<HashMap<i64, Popularity>> {
        let mut learners: HashMap<i64, Vec<FeedId>> = HashMap::new();
        read::enrolments(conn, self.facts.reach.keys(), |course, learner| {
            learners.entry(course).or_default().push(learner);
        })?;
        let weighed = learners
            .iter()
            .map(|(course, l)| (*course, popularity(l, &self.facts)));
        Ok(weighed.collect())
    }
}

/// A course known by nothing but its feed, under the name the feed gives itself.
fn nameless(conn: &Connection, number: i64, feed: FeedId) -> rusqlite::Result<Merged> {
    Ok(Merged {
        record: nameless_record(conn, number, feed)?,
        gave: Vec::new(),
        lists: Vec::new(),
        place: u64::MAX,
        since: 0,
    })
}

/// The record of a course that nothing describes.
pub(crate) fn nameless_record(
    conn: &Connection,
    number: i64,
    feed: FeedId,
) -> rusqlite::Result<CourseRecord> {
    let about = read::about(conn, number)?.unwrap_or_default();
    Ok(CourseRecord {
        feed_id: feed,
        name: about.name.unwrap_or_default(),
        description: about.description,
        description_blob: None,
        image: about.image,
        keywords: Vec::new(),
        language: None,
        level: None,
        duration_minutes: None,
        provider: None,
        license: None,
        source_url: None,
        prerequisites: Vec::new(),
        deprecated: false,
        successor: None,
        deprecation_reason: None,
        listed_by: Vec::new(),
    })
}

/// A fingerprint of the fields that columns do not hold, so that a change of
/// them is seen too.
fn rest_of(record: &CourseRecord) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    record.description.hash(&mut hasher);
    record.description_blob.hash(&mut hasher);
    record.image.hash(&mut hasher);
    record.source_url.hash(&mut hasher);
    record.prerequisites.hash(&mut hasher);
    record.deprecation_reason.hash(&mut hasher);
    hasher.finish()
}
