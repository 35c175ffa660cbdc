//! What stands beside the log: peers' clocks, forks, refused messages.

use super::super::{
    ForkEvidence, MAX_REJECTED, MAX_REJECTED_PER_FEED, MAX_SHUNNED, Rejected, Shunned,
};
use super::Fault;
use super::read::{key, signed, text, unsigned};
use super::write::{Writer, feed_number};
use crate::clock::{Heard, PeerClock};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use studytime_schema::FeedId;

pub(super) fn clock(db: &Connection, peer: &FeedId) -> Result<PeerClock, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT f.key, c.sequence, c.at
         FROM clocks c JOIN feeds f ON f.id = c.feed JOIN feeds p ON p.id = c.peer
         WHERE p.key = ?1",
    )?;
    let rows = statement.query_map([peer.as_bytes()], |row| {
        let sequence: i64 = row.get(1)?;
        Ok((
            key(row, 0)?,
            Heard {
                sequence: u64::try_from(sequence).ok(),
                at: unsigned(row, 2)?,
            },
        ))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn forks(db: &Connection) -> Result<Vec<ForkEvidence>, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT f.key, k.sequence, k.ours, k.theirs, k.seen
         FROM forks k JOIN feeds f ON f.id = k.feed ORDER BY f.key, k.sequence",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(ForkEvidence {
            feed: key(row, 0)?,
            sequence: unsigned(row, 1)?,
            ours: text(row, 2)?,
            theirs: text(row, 3)?,
            seen: unsigned(row, 4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn rejected(db: &Connection) -> Result<Vec<Rejected>, Fault> {
    let mut statement =
        db.prepare_cached("SELECT feed, sequence, hash, reason, at FROM rejected ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        Ok(Rejected {
            feed: key(row, 0)?,
            sequence: unsigned(row, 1)?,
            hash: row.get(2)?,
            reason: row.get(3)?,
            at: unsigned(row, 4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn shunned(db: &Connection) -> Result<Vec<Shunned>, Fault> {
    let mut statement = db
        .prepare_cached("SELECT peer, feed, sequence, fork, at FROM shunned ORDER BY peer, feed")?;
    let rows = statement.query_map([], |row| {
        Ok(Shunned {
            peer: key(row, 0)?,
            feed: key(row, 1)?,
            sequence: unsigned(row, 2)?,
            fork: row.get(3)?,
            at: unsigned(row, 4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl Writer {
    pub(super) fn save_clock(&mut self, peer: &FeedId, changes: &PeerClock) -> Result<(), Fault> {
        let tx = self.begin()?;
        {
            let peer = feed_number(&tx, peer)?;
            let mut save = tx.prepare_cached(
                "INSERT OR REPLACE INTO clocks (peer, feed, sequence, at) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for (feed, heard) in changes {
                let feed = feed_number(&tx, feed)?;
                save.execute(params![
                    peer,
                    feed,
                    heard.sequence.map_or(-1, signed),
                    signed(heard.at)
                ])?;
            }
        }
        tx.commit()?;
        Ok(())
    }

    pub(super) fn forget_clocks(&mut self) -> Result<(), Fault> {
        self.db.execute("DELETE FROM clocks", [])?;
        Ok(())
    }

    pub(super) fn forget_heard(&mut self, feed: &FeedId) -> Result<(), Fault> {
        self.db.execute(
            "DELETE FROM clocks WHERE feed = (SELECT id FROM feeds WHERE key = ?1)",
            [feed.as_bytes()],
        )?;
        Ok(())
    }

    pub(super) fn reject(&mut self, rejected: &[Rejected]) -> Result<(), Fault> {
        if rejected.is_empty() {
            return Ok(());
        }
        let tx = self.begin()?;
        {
            let mut save = tx.prepare_cached(
                "INSERT OR REPLACE INTO rejected (feed, sequence, hash, reason, at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for r in rejected {
                save.execute(params![
                    r.feed.as_bytes(),
                    signed(r.sequence),
                    r.hash,
                    r.reason,
                    signed(r.at),
                ])?;
            }
            let mut forget = tx.prepare_cached(
                "DELETE FROM rejected WHERE feed = ?1 AND id <=
                 (SELECT id FROM rejected WHERE feed = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            )?;
            let most = i64::try_from(MAX_REJECTED_PER_FEED).unwrap_or(i64::MAX);
            let feeds: BTreeSet<FeedId> = rejected.iter().map(|r| r.feed).collect();
            for feed in feeds {
                forget.execute(params![feed.as_bytes(), most])?;
            }
            let most = i64::try_from(MAX_REJECTED).unwrap_or(i64::MAX);
            tx.prepare_cached(
                "DELETE FROM rejected WHERE id <=
                 (SELECT id FROM rejected ORDER BY id DESC LIMIT 1 OFFSET ?1)",
            )?
            .execute([most])?;
        }
        tx.commit()?;
        Ok(())
    }

    pub(super) fn shun(&mut self, s: &Shunned) -> Result<(), Fault> {
        let tx = self.begin()?;
        tx.execute(
            "INSERT OR REPLACE INTO shunned (peer, feed, sequence, fork, at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                s.peer.as_bytes(),
                s.feed.as_bytes(),
                signed(s.sequence),
                s.fork,
                signed(s.at)
            ],
        )?;
        let most = i64::try_from(MAX_SHUNNED).unwrap_or(i64::MAX);
        tx.execute(
            "DELETE FROM shunned WHERE (peer, feed) IN
             (SELECT peer, feed FROM shunned ORDER BY at DESC LIMIT -1 OFFSET ?1)",
            [most],
        )?;
        tx.commit()?;
        Ok(())
    }

    pub(super) fn forgive(&mut self, feed: &FeedId) -> Result<(), Fault> {
        let tx = self.begin()?;
        tx.execute("DELETE FROM rejected WHERE feed = ?1", [feed.as_bytes()])?;
        tx.execute("DELETE FROM shunned WHERE feed = ?1", [feed.as_bytes()])?;
        tx.commit()?;
        Ok(())
    }
}
