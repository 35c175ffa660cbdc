//! Mirrors: where files are looked for when no peer has them.
//!
//! | file | is |
//! |---|---|
//! | `mod.rs` | the mirrors the user named |
//! | `folder.rs` | a folder on this machine, for example a stick |
//! | `web.rs`, `guard.rs` | a folder on a web server, and whom we do not ask |
//! | `s3.rs` | an S3-compatible store |
//! | `links.rs` | a video's own web address or magnet link, which its author gave |
//! | `torrent/` | BitTorrent |
//! | `fetch.rs` | asks them |

mod fetch;
mod folder;
#[cfg(feature = "http")]
mod guard;
#[cfg(feature = "http")]
mod links;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "bittorrent")]
pub(crate) mod torrent;
#[cfg(feature = "http")]
mod web;

#[cfg(all(test, feature = "http"))]
mod tests;

pub(crate) use fetch::fetcher;

use crate::api::{ApiError, BlobCount, MirrorInfo, MirrorSpec, mirror_shown};
use crate::calls::state_error;
use crate::clock::now_ms;
use crate::http::HttpOptions;
use crate::node::Node;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use studytime_blobs::mirror::Mirror;
#[cfg(feature = "http")]
use studytime_blobs::mirror::MirrorError;
use studytime_schema::BlobId;

/// Setting: the mirrors, as a JSON list.
const MIRRORS: &str = "mirrors";
/// Mirrors that can be named.
const MAX_MIRRORS: usize = 32;
/// Longest name or address.
const MAX_TEXT: usize = 1_000;
/// How long a mirror that failed is not asked, in milliseconds.
const PAUSE: u64 = 60_000;

/// A mirror that can be asked.
pub(crate) struct Known {
    spec: MirrorSpec,
    kind: &'static str,
    mirror: Arc<dyn Mirror>,
    gave: BlobCount,
    /// What went wrong last; and with which file, when it was with that one alone.
    trouble: Option<(String, Option<BlobId>)>,
    /// It is not asked before, in milliseconds since 1970.
    not_before: u64,
}

/// The mirrors the user named, in their order, and what was learnt of links.
#[derive(Default)]
pub(crate) struct Mirrors {
    known: Mutex<Vec<Known>>,
    #[cfg(feature = "http")]
    links: links::Links,
    /// Asks the addresses of videos; none when this machine trusts nobody.
    #[cfg(feature = "http")]
    web: std::sync::OnceLock<Option<Arc<web::Web>>>,
    #[cfg(feature = "bittorrent")]
    torrents: torrent::Torrents,
}

impl std::fmt::Debug for Mirrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mirrors")
    }
}

impl Mirrors {
    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One by its name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<dyn Mirror>> {
        let known = self.lock();
        let found = known.iter().find(|k| k.spec.name == name);
        found.map(|k| Arc::clone(&k.mirror))
    }

    /// Those that may be asked now, in order.
    fn ready(&self, now: u64) -> Vec<(String, Arc<dyn Mirror>)> {
        let known = self.lock();
        let ready = known.iter().filter(|k| k.not_before <= now);
        ready
            .map(|k| (k.spec.name.clone(), Arc::clone(&k.mirror)))
            .collect()
    }

    fn gave(&self, name: &str, blob: &BlobId, bytes: u64) {
        if let Some(k) = self.lock().iter_mut().find(|k| k.spec.name == name) {
            k.gave.count += 1;
            k.gave.bytes += bytes;
            // Another file says nothing of the wrong one.
            k.trouble.take_if(|(_, of)| of.is_none_or(|of| of == *blob));
        }
    }

    /// It failed: it rests for a while, unless only one `file` was wrong.
    fn failed(&self, name: &str, why: String, file: Option<BlobId>) {
        if let Some(k) = self.lock().iter_mut().find(|k| k.spec.name == name) {
            k.trouble = Some((why, file));
            if file.is_none() {
                k.not_before = now_ms().saturating_add(PAUSE);
            }
        }
    }
}

/// Makes what asks a mirror, or says why its address cannot be used.
fn open(spec: MirrorSpec, options: &HttpOptions) -> Result<Known, ApiError> {
    let (kind, mirror): (_, Arc<dyn Mirror>) = if Path::new(&spec.url).is_absolute() {
        ("folder", Arc::new(folder::Folder::new(&spec.url)))
    } else if let Some(url) = spec.url.strip_prefix("s3+") {
        ("s3", s3(&spec, url, options)?)
    } else {
        ("http", http(&spec, options)?)
    };
    Ok(Known {
        spec,
        kind,
        mirror,
        gave: BlobCount::default(),
        trouble: None,
        not_before: 0,
    })
}

#[cfg(feature = "http")]
fn http(spec: &MirrorSpec, options: &HttpOptions) -> Result<Arc<dyn Mirror>, ApiError> {
    let folder = web::WebFolder::new(&spec.url, spec.private, options);
    Ok(Arc::new(folder.map_err(|e| refused(&e))?))
}

#[cfg(not(feature = "http"))]
fn http(_: &MirrorSpec, _: &HttpOptions) -> Result<Arc<dyn Mirror>, ApiError> {
    Err(ApiError::refused(
        "this program was built without HTTP (feature `http` of studytime-node)",
    ))
}

#[cfg(feature = "s3")]
fn s3(spec: &MirrorSpec, url: &str, options: &HttpOptions) -> Result<Arc<dyn Mirror>, ApiError> {
    let store = s3::S3::new(spec, url, options);
    Ok(Arc::new(store.map_err(|e| refused(&e))?))
}

#[cfg(not(feature = "s3"))]
fn s3(_: &MirrorSpec, _: &str, _: &HttpOptions) -> Result<Arc<dyn Mirror>, ApiError> {
    Err(ApiError::refused(
        "this program was built without S3 (feature `s3` of studytime-node)",
    ))
}

#[cfg(feature = "http")]
fn refused(error: &MirrorError) -> ApiError {
    ApiError::refused(words(error))
}

/// The error with what is behind it.
pub(crate) fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

impl Node {
    /// Reads the mirrors that were named before.
    pub(crate) fn load_mirrors(&self) -> Result<(), ApiError> {
        let inner = self.inner();
        let text = inner.state.setting(MIRRORS).map_err(|e| state_error(&e))?;
        let specs: Vec<MirrorSpec> = text
            .and_then(|t| serde_json::from_str(&t).ok())
            .unwrap_or_default();
        for spec in specs {
            let name = spec.name.clone();
            match open(spec, &inner.builder.http) {
                Ok(known) => inner.mirrors.lock().push(known),
                // Named with another build of this program.
                Err(error) => self.trouble(format!(
                    "the mirror {name:?} is not used: {}",
                    error.message
                )),
            }
        }
        Ok(())
    }

    fn keep_mirrors(&self, known: &[Known]) -> Result<(), ApiError> {
        let specs: Vec<&MirrorSpec> = known.iter().map(|k| &k.spec).collect();
        let text = serde_json::to_string(&specs);
        let text = text.map_err(|e| ApiError::failed("the mirrors could not be written", &e))?;
        let kept = self.inner().state.set_setting(MIRRORS, &text);
        kept.map_err(|e| state_error(&e))
    }

    /// Names another mirror. Blocks.
    pub(crate) fn add_mirror(&self, spec: MirrorSpec) -> Result<(), ApiError> {
        let name = spec.name.trim();
        if name.is_empty() || name != spec.name {
            return Err(ApiError::usage(
                "a mirror needs a name, without spaces around it",
            ));
        }
        let texts = [&spec.name, &spec.url, &spec.region];
        if texts
            .iter()
            .any(|t| t.len() > MAX_TEXT || t.chars().any(char::is_control))
        {
            return Err(ApiError::usage(
                "the name or address of the mirror is too long",
            ));
        }
        if spec.access_key.is_some() != spec.secret_key.is_some() {
            return Err(ApiError::usage(
                "an access key and its secret are only of use together",
            ));
        }
        let inner = self.inner();
        let new = open(spec, &inner.builder.http)?;
        let mut known = inner.mirrors.lock();
        if known.iter().any(|k| k.spec.name == new.spec.name) {
            return Err(ApiError::refused(format!(
                "there is a mirror {:?} already",
                new.spec.name
            ))
            .hint("choose another name, or take that one away with `studytime mirror remove`"));
        }
        if known.len() >= MAX_MIRRORS {
            return Err(ApiError::refused(format!(
                "at most {MAX_MIRRORS} mirrors can be named"
            )));
        }
        known.push(new);
        if let Err(error) = self.keep_mirrors(&known) {
            known.pop();
            return Err(error);
        }
        Ok(())
    }

    /// Takes a mirror away. Blocks.
    pub(crate) fn remove_mirror(&self, name: &str) -> Result<(), ApiError> {
        let mut known = self.inner().mirrors.lock();
        let at = known.iter().position(|k| k.spec.name == name);
        let at = at.ok_or_else(|| unknown_mirror(name))?;
        let gone = known.remove(at);
        if let Err(error) = self.keep_mirrors(&known) {
            known.insert(at, gone);
            return Err(error);
        }
        Ok(())
    }

    /// The mirrors, in order.
    pub(crate) fn mirror_infos(&self) -> Vec<MirrorInfo> {
        let now = now_ms();
        let known = self.inner().mirrors.lock();
        let infos = known.iter().map(|k| MirrorInfo {
            name: k.spec.name.clone(),
            url: mirror_shown(&k.spec.url),
            kind: k.kind.to_owned(),
            private: k.spec.private,
            gave: k.gave,
            trouble: k.trouble.as_ref().map(|(why, _)| why.clone()),
            resting: k.not_before > now,
        });
        infos.collect()
    }
}

/// There is no mirror of that name.
pub(crate) fn unknown_mirror(name: &str) -> ApiError {
    ApiError::not_found(format!("there is no mirror {name:?}"))
        .hint("`studytime mirror list` shows them, `studytime mirror add` names one")
}
