//! Videos given over BitTorrent.

use super::Report;
use crate::api::{ApiError, Done, TorrentInfo, TorrentSeed, TorrentSeeded};
use crate::node::Node;
use studytime_schema::FeedId;

#[cfg(feature = "bittorrent")]
impl Node {
    pub(super) async fn torrent_seed(
        &self,
        call: TorrentSeed,
        report: Report<'_>,
    ) -> Result<TorrentSeeded, ApiError> {
        let TorrentSeed {
            course,
            trackers,
            private,
            publish,
        } = call;
        crate::mirror::torrent::seed_course(self, course, trackers, private, publish, report).await
    }

    pub(super) fn torrent_list(&self) -> Vec<TorrentInfo> {
        self.torrent_infos()
    }

    pub(super) async fn torrent_stop(&self, course: FeedId) -> Result<Done, ApiError> {
        crate::mirror::torrent::stop_course(self, course).await?;
        Ok(Done {})
    }
}

#[cfg(not(feature = "bittorrent"))]
impl Node {
    pub(super) async fn torrent_seed(
        &self,
        _: TorrentSeed,
        _: Report<'_>,
    ) -> Result<TorrentSeeded, ApiError> {
        Err(missing())
    }

    pub(super) fn torrent_list(&self) -> Vec<TorrentInfo> {
        Vec::new()
    }

    pub(super) async fn torrent_stop(&self, _: FeedId) -> Result<Done, ApiError> {
        Err(missing())
    }
}

#[cfg(not(feature = "bittorrent"))]
fn missing() -> ApiError {
    ApiError::refused(
        "this program was built without BitTorrent (feature `bittorrent` of studytime-node)",
    )
}
