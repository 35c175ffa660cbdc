//! The way in for other processes of the same user: muxrpc over a Unix socket
//! in the data directory (mode 0600), or, where there are none or the path is
//! too long for one, over loopback with a token in a private file.
//!
//! - `studytime.hello` (async) `[{"api":1,"token":"…"?}]` answers `{"api","version"}`;
//! - `studytime.request` (source) `[Request]` sends `{"progress":…}` any number of
//!   times, then one `{"reply":…}` or `{"error":…}`; ending it early cancels the request;
//! - `studytime.events` (source) sends [`Event`](crate::api::Event)s.

mod client;
mod server;
mod wire;

pub use client::Client;
pub(crate) use server::serve;

use crate::api::{ApiError, Progress, Reply};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Longest socket path every system takes.
const MAX_SOCKET_PATH: usize = 100;

/// Where the Unix socket of a data directory is.
pub(crate) fn socket_path(dir: &Path) -> PathBuf {
    dir.join("control.sock")
}

/// Where the port and the token stand when loopback is used instead.
fn token_path(dir: &Path) -> PathBuf {
    dir.join("control.token")
}

fn uses_socket(dir: &Path) -> bool {
    cfg!(unix) && socket_path(dir).as_os_str().len() <= MAX_SOCKET_PATH
}

#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    api: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// What comes on a request's stream.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Item {
    Progress(Progress),
    Reply(Box<Reply>),
    Error(ApiError),
}

#[derive(Debug, Serialize, Deserialize)]
struct TokenFile {
    port: u16,
    token: String,
}
