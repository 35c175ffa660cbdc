//! What several tests of a node do alike.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::path::PathBuf;
use studytime_node::Handle;
use studytime_node::api::{CourseEdit, Import, ImportReply};

/// Imports a folder as a new course on the list "Botany".
pub(crate) async fn import(h: &Handle, path: PathBuf) -> ImportReply {
    h.call(Import {
        path,
        edit: CourseEdit::default(),
        catalog: Some("Botany".into()),
        into: None,
        prune: false,
        dry_run: false,
    })
    .await
    .unwrap()
}
