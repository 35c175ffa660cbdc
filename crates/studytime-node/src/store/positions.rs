//! Where the learner is, kept before it is published, in `state.db`.

use super::state::{State, StateError};
use rusqlite::params;
use studytime_schema::{FeedId, MessageId};

/// Where the learner is in an item, kept before it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SavedPosition {
    pub(crate) course: FeedId,
    pub(crate) item: MessageId,
    pub(crate) seconds: u64,
    pub(crate) percent: u8,
    pub(crate) updated: u64,
}

impl State {
    pub(crate) fn save_position(&self, p: &SavedPosition) -> Result<(), StateError> {
        self.db().execute(
            "INSERT INTO position(course, item, seconds, percent, updated) VALUES(?1, ?2, ?3, ?4, ?5)
             ON CONFLICT(course, item) DO UPDATE SET seconds = ?3, percent = max(percent, ?4), updated = ?5",
            params![p.course.as_bytes(), p.item.as_bytes(), p.seconds, p.percent, p.updated],
        )?;
        Ok(())
    }

    /// Positions saved since they were last published, oldest first.
    pub(crate) fn unpublished_positions(&self) -> Result<Vec<SavedPosition>, StateError> {
        self.positions("WHERE published < updated ORDER BY updated")
    }

    /// All positions in one course.
    pub(crate) fn course_positions(
        &self,
        course: &FeedId,
    ) -> Result<Vec<SavedPosition>, StateError> {
        let mut all = self.positions("")?;
        all.retain(|p| p.course == *course);
        Ok(all)
    }

    fn positions(&self, filter: &str) -> Result<Vec<SavedPosition>, StateError> {
        let db = self.db();
        let mut q = db.prepare_cached(&format!(
            "SELECT course, item, seconds, percent, updated FROM position {filter}"
        ))?;
        let rows = q.query_map([], |r| {
            Ok(SavedPosition {
                course: FeedId::from_bytes(r.get(0)?),
                item: MessageId::from_bytes(r.get(1)?),
                seconds: r.get(2)?,
                percent: r.get(3)?,
                updated: r.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn mark_published(&self, positions: &[SavedPosition]) -> Result<(), StateError> {
        let mut db = self.db();
        let tx = db.transaction()?;
        for p in positions {
            tx.execute(
                "UPDATE position SET published = ?3 WHERE course = ?1 AND item = ?2",
                params![p.course.as_bytes(), p.item.as_bytes(), p.updated],
            )?;
        }
        tx.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_published_once() {
        let tmp = tempfile::tempdir().unwrap();
        let s = State::open(&tmp.path().join("state.db")).unwrap();
        let mut p = SavedPosition {
            course: FeedId::from_bytes([1; 32]),
            item: MessageId::from_bytes([2; 32]),
            seconds: 10,
            percent: 50,
            updated: 100,
        };
        s.save_position(&p).unwrap();
        let due = s.unpublished_positions().unwrap();
        assert_eq!(due, [p]);
        // A later position saved while publishing stays due.
        p.updated = 200;
        p.percent = 20;
        s.save_position(&p).unwrap();
        s.mark_published(&due).unwrap();
        let due = s.unpublished_positions().unwrap();
        assert_eq!((due.len(), due[0].percent), (1, 50));
        s.mark_published(&due).unwrap();
        assert!(s.unpublished_positions().unwrap().is_empty());
    }
}
