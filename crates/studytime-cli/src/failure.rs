//! How a command fails, and what the shell is told.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use studytime_node::api::{ApiError, ErrorKind};
use studytime_node::{ConfigError, LockKind, OpenDirError, OpenError};

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// In words, to be printed.
    Error(ApiError),
    /// What was printed says it all; only the exit code is left to give.
    Reported(ErrorKind),
    /// Whoever read our output has left; that is not an error.
    ClosedPipe,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Error(ApiError::usage(message))
    }

    pub(crate) fn cancelled() -> Self {
        Self::Error(ApiError::new(
            ErrorKind::Cancelled,
            "stopped; nothing more was done",
        ))
    }

    /// The exit code: 0 ok, 1 failed, 2 usage, 3 not found, 4 refused.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Error(error) => exit_code(error.kind),
            Self::Reported(kind) => exit_code(*kind),
            Self::ClosedPipe => ExitCode::SUCCESS,
        }
    }
}

fn exit_code(kind: ErrorKind) -> ExitCode {
    ExitCode::from(match kind {
        ErrorKind::Usage => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Refused => 4,
        // Failed, Cancelled, and kinds that a later node may know.
        _ => 1,
    })
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::Error(open_error(&error))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Error(config_error(&error))
    }
}

/// The error of a file named on the command line.
pub(crate) fn file_error(path: &Path, error: &io::Error) -> ApiError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::NotFound => ApiError::not_found(text),
        _ => ApiError::new(ErrorKind::Failed, text),
    }
}

fn config_error(error: &ConfigError) -> ApiError {
    let failed = ApiError::failed("the settings cannot be used", error);
    ApiError {
        kind: ErrorKind::Refused,
        ..failed
    }
    .hint("correct the file, or delete it: every setting has a default")
}

fn open_error(error: &OpenError) -> ApiError {
    match error {
        OpenError::Dir(dir) => dir_error(dir),
        OpenError::Config(config) => config_error(config),
        OpenError::Listen { address, source } => {
            port_error(&address.to_string(), source, "--listen")
        }
        OpenError::FeedsGone { .. } | OpenError::Feeds(_) => {
            let failed = ApiError::failed("the node could not be started", error);
            if is_lost(error) {
                failed.hint(LOST)
            } else {
                failed
            }
        }
        other => ApiError::failed("the node could not be started", other),
    }
}

/// What to do without a log of messages.
const LOST: &str = "put feeds.db back if you moved it; else restore a backup into a new folder: \
    `studytime --data-dir NEW restore FILE`; without a backup, take keys/main.secret from here: \
    `studytime --data-dir NEW restore --secret FILE`, and your messages come back from peers that have them";

/// Whether the log of messages is gone or damaged, rather than unreachable for now.
fn is_lost(error: &OpenError) -> bool {
    use studytime_node::StoreError as E;
    match error {
        OpenError::FeedsGone { .. } => true,
        OpenError::Feeds(store) => {
            matches!(store, E::Corrupt(_) | E::NotAStore | E::Gone)
        }
        _ => false,
    }
}

fn dir_error(error: &OpenDirError) -> ApiError {
    let text = error.to_string();
    match error {
        OpenDirError::InUse { kind: Some(LockKind::Serve), .. } => {
            ApiError::new(ErrorKind::Failed, format!("{text} that does not answer"))
                .hint("it may be starting or stuck; try again, or end that process, or use another --data-dir")
        }
        OpenDirError::InUse { .. } => ApiError::new(ErrorKind::Failed, text)
            .hint("wait until it is done and try again, or use another --data-dir"),
        other => ApiError::failed("the node could not be started", other)
            .hint("choose a folder that you can write to with --data-dir"),
    }
}

/// An address that cannot be listened on; `option` is where to choose another.
pub(crate) fn port_error(address: &str, source: &io::Error, option: &str) -> ApiError {
    let error = |why: &str| {
        ApiError::new(
            ErrorKind::Failed,
            format!("cannot listen on {address}: {why}"),
        )
    };
    match source.kind() {
        io::ErrorKind::AddrInUse => error("another program uses this port")
            .hint(format!("end that program, or choose another port: {option} HOST:PORT (port 0 picks a free one)")),
        io::ErrorKind::PermissionDenied => error("ports below 1024 need special rights")
            .hint(format!("choose a higher port: {option} HOST:PORT")),
        io::ErrorKind::AddrNotAvailable => error("this computer has no such address")
            .hint(format!("choose another address: {option} HOST:PORT (0.0.0.0 stands for all of this computer's)")),
        _ => error(&source.to_string()).hint(format!("choose another address: {option} HOST:PORT")),
    }
}
