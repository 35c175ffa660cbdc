use std::path::PathBuf;

/// Why an index could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It cannot be used; nothing precious is lost. Call
    /// [`Index::rebuild`](crate::Index::rebuild) and apply the log from its start.
    #[error("the course index in {} must be rebuilt from the log: {reason}", dir.display())]
    Rebuild {
        /// The index folder.
        dir: PathBuf,
        /// Why, for a person.
        reason: String,
    },
    /// The folder could not be read or written.
    #[error("cannot use the index folder {}; check its permissions and the free space", path.display())]
    Folder {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The database failed in a way that a rebuild may not cure (disk full, locked).
    #[error(
        "cannot open the course index; check the free space and whether another program uses it"
    )]
    Rows(#[source] rusqlite::Error),
    /// The text index failed in a way that a rebuild may not cure.
    #[error("cannot open the text index; check the free space and whether another program uses it")]
    Text(#[source] Box<tantivy::TantivyError>),
}

/// Why the index did not take something in. Nothing of that call was kept; it
/// can be repeated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// What is stored is damaged: drop this index,
    /// [`rebuild`](crate::Index::rebuild) and apply the log from its start.
    #[error("the course index is damaged and must be rebuilt from the log: {0}")]
    Damaged(String),
    /// Writing rows failed (disk full?).
    #[error("cannot write the course index; check the free space")]
    Rows(#[source] rusqlite::Error),
    /// Writing the text index failed (disk full?). Rows are not affected.
    #[error("cannot write the text index; check the free space")]
    Text(#[source] Box<tantivy::TantivyError>),
    /// Swapping in a rebuilt index failed.
    #[error("cannot swap in the rebuilt index at {}", path.display())]
    Swap {
        /// The path that could not be written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Why a query has no answer. An empty result is not an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// What is stored is damaged: rebuild.
    #[error("the course index is damaged and must be rebuilt from the log: {0}")]
    Damaged(String),
    /// Reading rows failed.
    #[error("cannot read the course index")]
    Rows(#[source] rusqlite::Error),
    /// Reading the text index failed.
    #[error("cannot read the text index")]
    Text(#[source] Box<tantivy::TantivyError>),
}

/// SQLite's own words for a file that is not, or no longer, a sound database.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        rusqlite::Error::SqliteFailure(e, text) => {
            matches!(e.code, DatabaseCorrupt | NotADatabase)
                || text.as_deref().is_some_and(|t| {
                    t.starts_with("no such table") || t.starts_with("no such column")
                })
        }
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    }
}

/// Whether the text index is unsound, rather than out of disk.
pub(crate) fn is_text_damage(error: &tantivy::TantivyError) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    use tantivy::TantivyError as T;
    if let T::IoError(e) = error {
        // What was read makes no sense; other errors are the disk's.
        return matches!(e.kind(), InvalidData | InvalidInput | UnexpectedEof);
    }
    matches!(
        error,
        T::DataCorruption(_)
            | T::OpenReadError(_)
            | T::IncompatibleIndex(_)
            | T::SchemaError(_)
            | T::FieldNotFound(_)
            | T::InternalError(_)
            | T::DeserializeError(_)
    )
}

impl From<rusqlite::Error> for ApplyError {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) {
            Self::Damaged(error.to_string())
        } else {
            Self::Rows(error)
        }
    }
}

impl From<rusqlite::Error> for QueryError {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) {
            Self::Damaged(error.to_string())
        } else {
            Self::Rows(error)
        }
    }
}

impl From<tantivy::TantivyError> for ApplyError {
    fn from(error: tantivy::TantivyError) -> Self {
        if is_text_damage(&error) {
            Self::Damaged(error.to_string())
        } else {
            Self::Text(Box::new(error))
        }
    }
}

impl From<tantivy::TantivyError> for QueryError {
    fn from(error: tantivy::TantivyError) -> Self {
        if is_text_damage(&error) {
            Self::Damaged(error.to_string())
        } else {
            Self::Text(Box::new(error))
        }
    }
}
