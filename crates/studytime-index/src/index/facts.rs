//! What is known beside messages.

use super::Index;
use super::diff::{Missing, compare, missing_texts, note_missing, put_columns, read_touched};
use super::open::{learner, number_wanted};
use crate::store::read;
use crate::{ApplyError, Changes, Facts};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use studytime_schema::FeedId;
use studytime_schema::content::ProgressEntry;
use studytime_schema::fold::LearnerState;

impl Index {
    /// Replaces the facts. Only rows are read, and only those that the
    /// difference touches: a new order of lists costs no new text, a new follow
    /// only what the followed study.
    ///
    /// A new look-up of bytes is used from now on; for what it says of courses
    /// counted before, call [`blobs_changed`](Self::blobs_changed) or
    /// [`recount_blobs`](Self::recount_blobs).
    ///
    /// # Errors
    /// [`ApplyError`]; the old facts stay then.
    pub fn set_facts(&mut self, facts: Facts) -> Result<Changes, ApplyError> {
        let (old_facts, old_learner) = (self.maker.facts.clone(), self.maker.learner.clone());
        if (&facts.own, &facts.lists, &facts.opened)
            != (&old_facts.own, &old_facts.lists, &old_facts.opened)
        {
            self.saved = 0;
        }
        let result = if facts.own == old_facts.own && facts.lists == old_facts.lists {
            self.set_nearby(facts)
        } else {
            self.set_all(facts)
        };
        result.map_err(|error| {
            self.numbers.forget();
            self.maker.set_facts(old_facts);
            self.maker.learner = old_learner;
            error.into()
        })
    }

    /// New lists or own feeds: everything is merged anew.
    fn set_all(&mut self, facts: Facts) -> rusqlite::Result<Changes> {
        let mut changes = Changes {
            position: self.position,
            ..Changes::default()
        };
        let old = self.maker.facts.clone();
        if old.lists != facts.lists {
            changes.lists.extend(old.lists.iter().chain(&facts.lists));
        }
        if old.own != facts.own {
            let mut learner = learner(&self.conn, &facts.own)?;
            learner.set_local(self.local.iter().map(|(entry, time)| (entry, *time)));
            let learner = Arc::new(learner);
            changes.learner = learner != self.maker.learner;
            self.maker.learner = learner;
        }
        self.maker.set_facts(Arc::new(facts));
        number_wanted(&mut self.conn, &mut self.numbers, &self.maker)?;
        let mut columns = self.maker.read_all(&self.conn)?;
        columns.position = self.position;
        let mut missing = Missing::new();
        read::docs_missing_text(&self.conn, None, |row, course, blob| {
            missing.push((row, course, blob));
        })?;
        note_missing(&columns, &missing, &mut changes);
        compare(&self.shared.columns(), &columns, &mut changes);
        self.shared.replace(columns);
        Ok(changes)
    }

    /// The same lists: only courses that were opened or closed, and those whose
    /// learners came within reach or left it.
    fn set_nearby(&mut self, facts: Facts) -> rusqlite::Result<Changes> {
        let facts = Arc::new(facts);
        let old = self.maker.facts.clone();
        self.maker.set_facts(facts.clone());
        number_wanted(&mut self.conn, &mut self.numbers, &self.maker)?;
        let shown = self.shared.columns();
        let mut touched = BTreeMap::new();
        let opened: BTreeSet<FeedId> = old.opened.iter().copied().collect();
        let open: BTreeSet<FeedId> = facts.opened.iter().copied().collect();
        for feed in opened.symmetric_difference(&open) {
            touched.insert(self.numbers.number(&self.conn, feed)?, *feed);
        }
        if old.reach != facts.reach {
            let now = self.maker.popularities(&self.conn)?;
            for course in shown.taken().filter_map(|at| shown.standing(at)) {
                let new = now.get(&course.number).copied().unwrap_or_default();
                if new != course.popularity {
                    touched.insert(course.number, course.feed);
                }
            }
        }
        drop(shown);
        let missing = missing_texts(&self.conn, touched.keys().copied())?;
        let columns = read_touched(&self.conn, &mut self.maker, &touched)?;
        let mut changes = Changes {
            position: self.position,
            ..Changes::default()
        };
        self.shared.update(|all| {
            all.facts = facts;
            put_columns(all, columns, &mut changes);
            note_missing(all, &missing, &mut changes);
        });
        Ok(changes)
    }

    /// Lays progress over that is kept by the node and not published yet, with
    /// its time in milliseconds since 1970, so that pages show it at once.
    /// Replaces what was laid over before; it is not stored here.
    ///
    /// # Errors
    /// [`ApplyError`] when rows could not be read.
    pub fn set_local_progress(
        &mut self,
        entries: &[(ProgressEntry, u64)],
    ) -> Result<Changes, ApplyError> {
        self.local = entries.to_vec();
        let mut learner = LearnerState::clone(&self.maker.learner);
        let mut courses: BTreeSet<FeedId> = learner.courses();
        learner.set_local(entries.iter().map(|(entry, time)| (entry, *time)));
        if learner == *self.maker.learner {
            return Ok(Changes {
                position: self.position,
                ..Changes::default()
            });
        }
        courses.extend(entries.iter().map(|(entry, _)| entry.feed_id));
        let mut touched = BTreeMap::new();
        let shown = self.shared.columns();
        for feed in courses {
            if let Some(course) = shown.by_feed(&feed).filter(|c| c.started) {
                touched.insert(course.number, feed);
            }
        }
        drop(shown);
        self.maker.learner = Arc::new(learner);
        let columns = read_touched(&self.conn, &mut self.maker, &touched)?;
        let mut changes = Changes {
            position: self.position,
            learner: true,
            ..Changes::default()
        };
        let learner = self.maker.learner.clone();
        self.shared.update(|all| {
            all.learner = learner;
            put_columns(all, columns, &mut changes);
        });
        Ok(changes)
    }
}
