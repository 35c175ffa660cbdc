//! Asking mirrors for what no peer has.

use super::words;
use crate::clock::now_ms;
use crate::node::Node;
#[cfg(feature = "http")]
use std::sync::Arc;
use std::time::Duration;
use studytime_blobs::mirror::{Mirror, MirrorError, MirrorFetchError, fetch_into};
use studytime_blobs::store::StoreError;
use studytime_schema::BlobId;
use tokio::task::JoinSet;

/// Files asked for at a time.
const AT_A_TIME: usize = 4;
/// Between two looks at what is wanted.
const LOOK: Duration = Duration::from_millis(500);

/// Takes wants that no peer serves, and looks for them elsewhere, until the node
/// stops.
pub(crate) async fn fetcher(node: Node) {
    let mut running: JoinSet<()> = JoinSet::new();
    let wait = u64::try_from(node.inner().builder.mirror_wait.as_millis()).unwrap_or(u64::MAX);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            Some(_) = running.join_next() => {}
        }
        let free = AT_A_TIME.saturating_sub(running.len());
        if free == 0 || !node.has_mirrors() {
            continue;
        }
        let taken = node
            .inner()
            .hub
            .act(|s, now| s.wants.take_for_mirrors(free, wait, now));
        for (blob, max) in taken {
            let node = node.clone();
            running.spawn(async move {
                let asked = node.blocking(move |n| Ok(n.ask_mirrors(&blob, max))).await;
                match asked {
                    Ok(Some(size)) => node.inner().blob_mirrored(blob, size),
                    _ => node
                        .inner()
                        .hub
                        .act(|s, now| s.wants.mirror_failed(&blob, now)),
                }
            });
        }
    }
}

/// What became of asking one place.
pub(super) enum Asked {
    Got(u64),
    /// It does not have it.
    Not,
    /// It has something else, or too much, or failed; `rest` it for a while.
    Failed {
        why: String,
        rest: bool,
    },
    /// Nothing can be kept at the moment: no other place needs to be asked.
    NoRoom,
}

impl Node {
    /// Whether there is anybody to ask.
    fn has_mirrors(&self) -> bool {
        let links = cfg!(feature = "http") && self.inner().config.video_links != Some(false);
        links || !self.inner().mirrors.ready(now_ms()).is_empty()
    }

    /// Asks one mirror after the other, then the addresses that authors gave.
    /// Answers the blob's size once it is kept. Blocks.
    fn ask_mirrors(&self, blob: &BlobId, max: u64) -> Option<u64> {
        let mirrors = &self.inner().mirrors;
        for (name, mirror) in mirrors.ready(now_ms()) {
            if self.inner().stop.is_cancelled() {
                return None;
            }
            match self.ask_place(&*mirror, blob, max) {
                Asked::Got(size) => {
                    mirrors.gave(&name, blob, size);
                    return Some(size);
                }
                Asked::Not => {}
                Asked::NoRoom => return None,
                Asked::Failed { why, rest } => {
                    tracing::info!("the mirror {name:?}: {why}");
                    mirrors.failed(&name, why, (!rest).then_some(*blob));
                }
            }
        }
        self.ask_links(blob, max)
    }

    #[cfg(not(feature = "http"))]
    fn ask_links(&self, _: &BlobId, _: u64) -> Option<u64> {
        None
    }

    #[cfg(feature = "http")]
    fn ask_links(&self, blob: &BlobId, max: u64) -> Option<u64> {
        use super::links::Place;
        if self.inner().config.video_links == Some(false) {
            return None;
        }
        let parts = self.parts_of(blob);
        if parts.is_empty() {
            return None;
        }
        let web = self.link_web()?;
        for part in parts {
            let asked = match &part.at {
                Place::Web(url) => {
                    let place = At {
                        web: Arc::clone(&web),
                        url: url.clone(),
                        range: part.range,
                    };
                    self.ask_place(&place, blob, max)
                }
                #[cfg(feature = "bittorrent")]
                Place::Magnet(link) => self.ask_torrent(link, &part, &web, blob, max),
                #[cfg(not(feature = "bittorrent"))]
                Place::Magnet(_) => Asked::Not,
            };
            match asked {
                Asked::Got(size) => return Some(size),
                Asked::NoRoom => return None,
                Asked::Not => {}
                Asked::Failed { why, .. } => {
                    let (Place::Web(name) | Place::Magnet(name)) = &part.at;
                    tracing::info!("{name}: {why}");
                }
            }
        }
        None
    }

    /// What asks the addresses that authors gave.
    #[cfg(feature = "http")]
    fn link_web(&self) -> Option<Arc<super::web::Web>> {
        let private = self.inner().config.private_video_links == Some(true);
        let web = self.inner().mirrors.web.get_or_init(|| {
            let web = super::web::Web::new(private, &self.inner().builder.http);
            web.ok().map(Arc::new)
        });
        web.clone()
    }

    pub(super) fn ask_place(&self, mirror: &dyn Mirror, blob: &BlobId, max: u64) -> Asked {
        let store = &*self.inner().blobs;
        match fetch_into(mirror, store, blob, max, now_ms()) {
            Ok(added) => Asked::Got(added.size),
            Err(MirrorFetchError::Mirror(MirrorError::NotFound { .. })) => Asked::Not,
            Err(MirrorFetchError::Store(error)) if error.is_full() => {
                self.disk_refused();
                Asked::NoRoom
            }
            Err(error) => {
                let one = matches!(
                    error,
                    MirrorFetchError::TooLong { .. }
                        | MirrorFetchError::Mirror(MirrorError::TooLarge { .. })
                        | MirrorFetchError::Store(StoreError::WrongHash { .. })
                );
                Asked::Failed {
                    why: words(&error),
                    rest: !one,
                }
            }
        }
    }
}

/// What lies at one web address, as a mirror that has nothing else.
#[cfg(feature = "http")]
struct At {
    web: Arc<super::web::Web>,
    url: String,
    range: Option<(u64, u64)>,
}

#[cfg(feature = "http")]
impl Mirror for At {
    fn name(&self) -> &str {
        &self.url
    }

    fn fetch(&self, id: &BlobId, max: u64) -> Result<Box<dyn std::io::Read + Send>, MirrorError> {
        let url = self.web.url(&self.url)?;
        self.web.get(id, url, self.range, max)
    }

    fn claims(&self, _: &BlobId) -> Result<Option<u64>, MirrorError> {
        Ok(None)
    }

    fn put(&self, _: &BlobId, _: &[u8]) -> Result<(), MirrorError> {
        Err(MirrorError::Refused {
            reason: "nothing can be put at a video's address".into(),
        })
    }
}
