//! HTTP(S) for small JSON answers: invites and aliases that are links.
//!
//! Behind the feature `http`. Nothing is read from the environment, no proxy is
//! used, and no TLS provider is installed for the whole process.

#[cfg(feature = "http")]
mod client;
#[cfg(feature = "http")]
pub(crate) use client::{Http, tls};
#[cfg(not(feature = "http"))]
mod none;
#[cfg(not(feature = "http"))]
pub(crate) use none::Http;

#[cfg(all(test, feature = "http"))]
mod tests;

use std::time::Duration;

/// How long one question may take in all, redirects included.
const LIMIT: Duration = Duration::from_secs(10);
/// Longest answer that is read.
#[cfg_attr(not(feature = "http"), allow(dead_code))]
const MAX_BODY: usize = 64 * 1024;
/// Redirects followed at most.
#[cfg_attr(not(feature = "http"), allow(dead_code))]
const MAX_REDIRECTS: usize = 5;

/// Whom to trust, beyond the usual.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpOptions {
    /// Certificates (DER) trusted beside those of the system.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(crate) extra_roots: Vec<Vec<u8>>,
    /// Whether `http://` is spoken with this machine itself.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(crate) plain_loopback: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[cfg_attr(not(feature = "http"), allow(dead_code))]
pub(crate) enum HttpError {
    #[cfg_attr(feature = "http", allow(dead_code))]
    #[error("this program was built without HTTP (feature `http` of studytime-node)")]
    Absent,
    #[error("{0:?} is not a web address")]
    NotUrl(String),
    #[error(
        "{0} is not asked over http://, where anybody on the way could change the answer; use https://"
    )]
    NotHttps(String),
    #[error(
        "no certificates to trust were found on this machine (on Debian: the package ca-certificates)"
    )]
    Roots(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{host} cannot be asked")]
    Failed {
        host: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{host} did not answer within {} s", LIMIT.as_secs())]
    Timeout { host: String },
    #[error("{0} redirects more than {MAX_REDIRECTS} times")]
    Redirects(String),
    #[error("{0} redirects to nowhere")]
    BadRedirect(String),
    #[error("{0} answered more than {MAX_BODY} bytes")]
    TooLong(String),
    #[error("{host} answered {status}{}", said.as_ref().map(|s| format!(": {s}")).unwrap_or_default())]
    Status {
        host: String,
        status: u16,
        said: Option<String>,
    },
    #[error("{0} did not answer in JSON: it is no invite page of a room, or it wants a browser")]
    NotJson(String),
}
