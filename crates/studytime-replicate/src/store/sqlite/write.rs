//! Appending and deleting messages: the one connection that writes.

use super::super::{Appended, Counts, MAX_FORKS_PER_FEED, stored_id};
use super::Fault;
use super::read::{counts, range, signed, unsigned};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::HashMap;
use std::sync::Arc;
use studytime_schema::{ChainError, FeedId, LogPosition, Message, MessageId, Tip, chain};

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) db: Connection,
}

/// A feed, as far as the batch has come.
struct Current {
    id: i64,
    tip: Option<Tip>,
    bytes: u64,
    changed: bool,
}

impl Writer {
    pub(super) fn new(db: Connection) -> Self {
        Self { db }
    }

    /// Takes the write lock at the start, so that what is read inside stays true.
    pub(super) fn begin(&mut self) -> Result<Transaction<'_>, Fault> {
        Ok(self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    pub(super) fn append(
        &mut self,
        batch: &[Arc<Message>],
        received: u64,
    ) -> Result<Vec<Appended>, Fault> {
        let mut run = Run::new(self.begin()?, received)?;
        let outcomes = batch
            .iter()
            .map(|m| run.append(m))
            .collect::<Result<_, _>>()?;
        run.commit()?;
        Ok(outcomes)
    }

    pub(super) fn append_all(
        &mut self,
        batch: &[Arc<Message>],
        received: u64,
    ) -> Result<Vec<LogPosition>, Fault> {
        let mut run = Run::new(self.begin()?, received)?;
        let mut positions = Vec::with_capacity(batch.len());
        for (index, message) in batch.iter().enumerate() {
            match run.append(message)? {
                Appended::At(position) => positions.push(position),
                // The transaction is rolled back on its drop.
                outcome => return Err(Fault::Chain { index, outcome }),
            }
        }
        run.commit()?;
        Ok(positions)
    }

    pub(super) fn delete(&mut self, feed: &FeedId) -> Result<Counts, Fault> {
        let tx = self.begin()?;
        let gone = counts(&tx, Some(feed))?;
        let id: Option<i64> = tx
            .query_row(
                "SELECT id FROM feeds WHERE key = ?1",
                [feed.as_bytes()],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(id) = id {
            for table in ["log", "tips", "forks", "clocks"] {
                tx.execute(&format!("DELETE FROM {table} WHERE feed = ?1"), [id])?;
            }
        }
        tx.execute("DELETE FROM rejected WHERE feed = ?1", [feed.as_bytes()])?;
        tx.execute("DELETE FROM shunned WHERE feed = ?1", [feed.as_bytes()])?;
        tx.commit()?;
        Ok(gone)
    }

    pub(super) fn backup(&mut self, to: &str) -> Result<(), Fault> {
        self.db.execute("VACUUM INTO ?1", [to])?;
        Ok(())
    }
}

/// The number of a feed, given out when it is new.
pub(super) fn feed_number(tx: &Transaction<'_>, feed: &FeedId) -> Result<i64, Fault> {
    let found = tx
        .prepare_cached("SELECT id FROM feeds WHERE key = ?1")?
        .query_row([feed.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(match found {
        Some(id) => id,
        None => tx
            .prepare_cached("INSERT INTO feeds (key) VALUES (?1)")?
            .insert([feed.as_bytes()])?,
    })
}

/// One transaction of appending.
struct Run<'a> {
    tx: Transaction<'a>,
    received: u64,
    position: u64,
    feeds: HashMap<FeedId, Current>,
}

impl<'a> Run<'a> {
    fn new(tx: Transaction<'a>, received: u64) -> Result<Self, Fault> {
        let position = tx
            .prepare_cached("SELECT position FROM counter")?
            .query_row([], |row| unsigned(row, 0))?;
        Ok(Self {
            tx,
            received,
            position,
            feeds: HashMap::new(),
        })
    }

    fn load(&mut self, feed: FeedId) -> Result<(), Fault> {
        if self.feeds.contains_key(&feed) {
            return Ok(());
        }
        let id = feed_number(&self.tx, &feed)?;
        let found = self
            .tx
            .prepare_cached("SELECT sequence, id, bytes FROM tips WHERE feed = ?1")?
            .query_row([id], |row| {
                let tip = Tip {
                    sequence: unsigned(row, 0)?,
                    id: MessageId::from_bytes(row.get(1)?),
                };
                Ok((tip, unsigned(row, 2)?))
            })
            .optional()?;
        let (tip, bytes) = found.map_or((None, 0), |(tip, bytes)| (Some(tip), bytes));
        self.feeds.insert(
            feed,
            Current {
                id,
                tip,
                bytes,
                changed: false,
            },
        );
        Ok(())
    }

    fn append(&mut self, message: &Message) -> Result<Appended, Fault> {
        let author = message.author();
        self.load(author)?;
        let Some(current) = self.feeds.get_mut(&author) else {
            return Err(Fault::Db(rusqlite::Error::QueryReturnedNoRows));
        };
        match chain::check(current.tip.as_ref(), message) {
            Ok(()) => {
                self.position += 1;
                self.tx
                    .prepare_cached(
                        "INSERT INTO log (position, feed, sequence, received, bytes)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![
                        signed(self.position),
                        current.id,
                        signed(message.sequence()),
                        signed(self.received),
                        message.wire(),
                    ])?;
                current.tip = Some(message.tip());
                current.bytes += message.wire().len() as u64;
                current.changed = true;
                Ok(Appended::At(LogPosition(self.position)))
            }
            Err(ChainError::Old { sequence, .. }) => {
                let stored = range(&self.tx, &author, sequence, 1, usize::MAX)?;
                let Some(stored) = stored.into_iter().next().filter(|s| s.sequence == sequence)
                else {
                    return Err(Fault::Store(super::super::missing(&author, sequence)));
                };
                if *stored.wire == *message.wire() {
                    return Ok(Appended::Duplicate);
                }
                let id = stored_id(&stored)?;
                if id == message.id() {
                    return Ok(Appended::Duplicate);
                }
                self.keep_fork(message, &stored.wire)?;
                Ok(Appended::Fork {
                    sequence,
                    stored: id,
                })
            }
            Err(ChainError::Fork { sequence, tip, .. }) => {
                let before = sequence.saturating_sub(1);
                let stored = range(&self.tx, &author, before, 1, usize::MAX)?;
                if let Some(stored) = stored.first() {
                    self.keep_fork(message, &stored.wire)?;
                }
                Ok(Appended::Fork {
                    sequence,
                    stored: tip,
                })
            }
            Err(ChainError::Gap { expected, .. }) => Ok(Appended::Gap { expected }),
            Err(_) => Ok(Appended::Gap {
                expected: current.tip.map_or(0, |t| t.sequence) + 1,
            }),
        }
    }

    fn keep_fork(&self, message: &Message, ours: &str) -> Result<(), Fault> {
        let feed = feed_number(&self.tx, &message.author())?;
        let most = i64::try_from(MAX_FORKS_PER_FEED).unwrap_or(i64::MAX);
        self.tx
            .prepare_cached(
                "INSERT OR IGNORE INTO forks (feed, sequence, ours, theirs, seen)
                 SELECT ?1, ?2, ?3, ?4, ?5
                 WHERE (SELECT count(*) FROM forks WHERE feed = ?1) < ?6",
            )?
            .execute(params![
                feed,
                signed(message.sequence()),
                ours,
                message.wire(),
                signed(self.received),
                most,
            ])?;
        Ok(())
    }

    fn commit(self) -> Result<(), Fault> {
        {
            let mut save = self.tx.prepare_cached(
                "INSERT INTO tips (feed, sequence, id, bytes) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (feed) DO UPDATE SET
                 sequence = excluded.sequence, id = excluded.id, bytes = excluded.bytes",
            )?;
            for current in self.feeds.values().filter(|c| c.changed) {
                if let Some(tip) = &current.tip {
                    save.execute(params![
                        current.id,
                        signed(tip.sequence),
                        tip.id.as_bytes(),
                        signed(current.bytes),
                    ])?;
                }
            }
            self.tx
                .prepare_cached("UPDATE counter SET position = ?1 WHERE position < ?1")?
                .execute([signed(self.position)])?;
        }
        self.tx.commit()?;
        Ok(())
    }
}
