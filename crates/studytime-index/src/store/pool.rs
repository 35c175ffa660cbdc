use rusqlite::{Connection, OpenFlags};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Read connections, opened when needed and kept for the next query.
#[derive(Debug)]
pub(crate) struct Pool {
    path: PathBuf,
    keep: usize,
    free: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(crate) fn new(path: PathBuf, keep: usize) -> Self {
        Self {
            path,
            keep: keep.max(1),
            free: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn get(&self) -> rusqlite::Result<Pooled<'_>> {
        let free = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let conn = match free {
            Some(conn) => conn,
            None => self.connect()?,
        };
        Ok(Pooled {
            pool: self,
            conn: Some(conn),
        })
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let conn = Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        conn.pragma_update(None, "query_only", true)?;
        conn.pragma_update(None, "cache_size", -2048)?;
        conn.set_prepared_statement_cache_capacity(32);
        conn.busy_timeout(std::time::Duration::from_secs(10))?;
        Ok(conn)
    }
}

/// A connection that goes back when dropped.
#[derive(Debug)]
pub(crate) struct Pooled<'a> {
    pool: &'a Pool,
    conn: Option<Connection>,
}

impl Deref for Pooled<'_> {
    type Target = Connection;

    #[allow(clippy::expect_used)]
    fn deref(&self) -> &Connection {
        // Only `drop` takes it out.
        self.conn
            .as_ref()
            .expect("a pooled connection is there until it is dropped")
    }
}

impl Drop for Pooled<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            let mut free = self
                .pool
                .free
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if free.len() < self.pool.keep {
                free.push(conn);
            }
        }
    }
}
