//! The node's own loops: what the write path, the index and the hub tell is
//! passed on here.

use crate::api::Event;
use crate::clock::now_ms;
use crate::hub::Chore;
use crate::indexer::IndexNews;
use crate::media::WantGuard;
use crate::node::Node;
use crate::prefetch::{self, Arrival};
use crate::store::LockKind;
use crate::writer::WriteNews;
use crate::{mirror, storage};
use std::sync::Arc;
use std::time::Duration;
use studytime_blobs::wants::{Priority, WantSpec};
use studytime_index::Changes;
use studytime_schema::BlobId;
use tokio::sync::mpsc;

/// Longest text taken out of a blob; the rest of a longer one is not searched.
const MAX_TEXT: usize = 2 << 20;
/// How long changes are gathered before what depends on them is worked out anew.
const SETTLE: Duration = Duration::from_millis(150);
/// How long connections may take to end when the node stops.
const LEAVING: Duration = Duration::from_millis(4_500);
/// How often connected nodes are asked what they offer.
const ASK_AGAIN: Duration = Duration::from_secs(300);
/// How long a pub gathers what came in before it looks what more to carry.
const CARRY: Duration = Duration::from_secs(1);
/// How often the store brings its deferred writes to disk.
const FLUSH: Duration = Duration::from_secs(30);

/// Starts the loops. They end when the node stops.
pub(crate) fn spawn(
    node: &Node,
    write: mpsc::UnboundedReceiver<WriteNews>,
    index: mpsc::UnboundedReceiver<IndexNews>,
) {
    let tasks = &node.inner().tasks;
    let (blob_tx, blob_rx) = mpsc::unbounded_channel();
    node.inner().set_blob_news(blob_tx);
    tasks.spawn(until_stopped(node.clone(), written(node.clone(), write)));
    tasks.spawn(until_stopped(node.clone(), indexed(node.clone(), index)));
    tasks.spawn(until_stopped(node.clone(), replanner(node.clone())));
    if node.inner().builder.is_pub {
        tasks.spawn(until_stopped(node.clone(), carrier(node.clone())));
    }
    tasks.spawn(until_stopped(node.clone(), arrivals(node.clone(), blob_rx)));
    tasks.spawn(until_stopped(node.clone(), timer(node.clone())));
    tasks.spawn(until_stopped(node.clone(), flusher(node.clone())));
    tasks.spawn(until_stopped(node.clone(), asker(node.clone())));
    tasks.spawn(until_stopped(node.clone(), prefetch::pacer(node.clone())));
    tasks.spawn(until_stopped(node.clone(), storage::keeper(node.clone())));
    tasks.spawn(until_stopped(node.clone(), mirror::fetcher(node.clone())));
    if node.inner().dir.kind() == LockKind::Serve {
        tasks.spawn(until_stopped(node.clone(), storage::repairer(node.clone())));
        tasks.spawn(until_stopped(node.clone(), storage::scrubber(node.clone())));
    }
    if let Some(chores) = node.inner().hub.take_chores() {
        // Not stopped early: the clocks of closing connections are saved last.
        tasks.spawn(do_chores(node.clone(), chores));
    }
}

async fn until_stopped(node: Node, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = node.inner().stop.cancelled() => {}
    }
}

async fn written(node: Node, mut news: mpsc::UnboundedReceiver<WriteNews>) {
    while let Some(news) = news.recv().await {
        match news {
            WriteNews::Written { outcomes, tips } => {
                node.ingested(&outcomes, &tips);
                if node.inner().policy.grown(outcomes.len() as u64) {
                    node.inner().replan.notify_one();
                }
                node.inner().indexer.wake();
            }
            WriteNews::Published { feed, sequence } => {
                node.inner().hub.appended(feed, sequence);
                node.inner().indexer.wake();
            }
            WriteNews::Trouble(text) => node.trouble(text),
        }
    }
}

async fn indexed(node: Node, mut news: mpsc::UnboundedReceiver<IndexNews>) {
    // Wants for texts, kept as long as they are missing.
    let texts = WantGuard::new(&node, &[]);
    node.refresh_texts(&texts).await;
    while let Some(first) = news.recv().await {
        let mut changes = Changes::default();
        let mut take = |news| match news {
            IndexNews::Changed(more) => changes.merge(more),
            IndexNews::Trouble(text) => node.trouble(text),
        };
        take(first);
        while let Ok(more) = news.try_recv() {
            take(more);
        }
        let plan = changes.learner
            || !changes.lists.is_empty()
            || !changes.newly_listed.is_empty()
            || !changes.unlisted.is_empty()
            || !changes.contacts.is_empty();
        if plan {
            node.inner().replan.notify_one();
        }
        // Who makes a list or course follows it.
        if !changes.contacts.is_empty() {
            let contacts = &changes.contacts;
            node.inner().hub.ask_info(|peer| contacts.contains(peer));
        }
        if !changes.text_blobs.is_empty() {
            node.refresh_texts(&texts).await;
        }
        let courses: Vec<_> = changes.courses.iter().copied().collect();
        // A new plan refreshes them all.
        if !plan {
            node.refresh_touched(&courses).await;
        }
        if !changes.is_empty() {
            node.emit(Event::CatalogChanged { courses });
        }
    }
}

impl Node {
    pub(crate) fn trouble(&self, text: String) {
        tracing::warn!("{text}");
        self.emit(Event::Problem { text });
    }

    /// Hands texts that are here to the index, and wants those that are not.
    async fn refresh_texts(&self, want: &WantGuard) {
        let missing = self
            .blocking(|n| {
                let needed = n.reader().text_blobs_needed();
                let needed = needed.map_err(|e| crate::calls::query_error(&e))?;
                let missing = n.take_texts(needed.iter().map(|t| t.blob));
                n.inner().set_texts(missing.iter().copied().collect());
                Ok(missing)
            })
            .await
            .unwrap_or_default();
        let list: Vec<_> = (0..)
            .zip(missing)
            .map(|(i, blob)| (blob, WantSpec::whole(Priority::Opened, i)))
            .collect();
        want.replace(&list);
    }

    /// Hands texts to the index; answers those that are not here.
    fn take_texts(&self, blobs: impl IntoIterator<Item = BlobId>) -> Vec<BlobId> {
        let mut texts: Vec<(BlobId, Arc<str>)> = Vec::new();
        let mut missing = Vec::new();
        for blob in blobs {
            match self.inner().blobs.read(&blob) {
                Ok(Some(bytes)) => texts.push((blob, blob_text(&bytes))),
                _ => missing.push(blob),
            }
        }
        if !texts.is_empty() {
            self.inner().indexer.texts(texts);
        }
        missing
    }

    async fn refresh_touched(&self, courses: &[studytime_schema::FeedId]) {
        if courses.is_empty() {
            return;
        }
        let fetched = self
            .blocking(|n| n.fetched_courses())
            .await
            .unwrap_or_default();
        for course in courses.iter().filter(|c| fetched.contains(c)) {
            self.refresh_course(*course).await;
        }
    }
}

fn blob_text(bytes: &[u8]) -> Arc<str> {
    let bytes = bytes.get(..MAX_TEXT).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// Works out anew what is wanted, once changes have settled.
async fn replanner(node: Node) {
    loop {
        node.inner().replan.notified().await;
        tokio::time::sleep(SETTLE).await;
        let begun = node.inner().replan.begin();
        node.settle().await;
        node.inner().replan.done(begun);
    }
}

/// Lists that a pub carries name courses that it is to carry, too.
async fn carrier(node: Node) {
    loop {
        node.inner().indexer.moved().await;
        tokio::time::sleep(CARRY).await;
        node.inner().replan.notify_one();
    }
}

/// Blobs that were stored, in groups.
async fn arrivals(node: Node, mut stored: mpsc::UnboundedReceiver<Arrival>) {
    let mut group = Vec::new();
    while stored.recv_many(&mut group, 512).await > 0 {
        let arrived = std::mem::take(&mut group);
        let blobs: Vec<BlobId> = arrived.iter().map(|a| a.blob).collect();
        let texts = node.inner().take_wanted_texts(&blobs);
        if !texts.is_empty() {
            let _ = node.blocking(move |n| Ok(n.take_texts(texts))).await;
        }
        node.prefetch_arrived(&arrived).await;
        node.inner().indexer.blobs_changed(blobs);
        // Gather the next ones while these are worked through.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn timer(node: Node) {
    let hub = &node.inner().hub;
    loop {
        let wait = match hub.next_timeout() {
            Some(at) => Duration::from_millis(at.saturating_sub(now_ms())),
            None => Duration::from_secs(3600),
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => hub.act(|s, now| {
                s.ebt.handle_timeout(now);
                s.wants.handle_timeout(now);
                s.review_locks(now);
            }),
            () = hub.timer.notified() => {}
        }
    }
}

/// What peers offer may change while they are connected.
async fn asker(node: Node) {
    let mut tick = tokio::time::interval(ASK_AGAIN);
    tick.tick().await;
    loop {
        tick.tick().await;
        node.inner().hub.ask_info(|_| true);
    }
}

async fn flusher(node: Node) {
    let mut tick = tokio::time::interval(FLUSH);
    tick.tick().await;
    loop {
        tick.tick().await;
        let flushed = node
            .blocking(|n| {
                n.inner().blobs.flush().map_err(|e| {
                    crate::api::ApiError::failed("blobs could not be brought to disk", &e)
                })
            })
            .await;
        if let Err(error) = flushed {
            node.trouble(error.message);
        }
        let _ = crate::calls::learner::publish_positions(&node, false).await;
        node.complete_unfinished().await;
    }
}

async fn do_chores(node: Node, mut chores: mpsc::UnboundedReceiver<Chore>) {
    let mut group = Vec::new();
    loop {
        let got = tokio::select! {
            n = chores.recv_many(&mut group, 256) => n,
            () = node.inner().stop.cancelled() => return last_chores(&node, chores, group).await,
        };
        if got == 0 {
            return;
        }
        do_some(&node, &mut group).await;
    }
}

/// What peers told is kept when their connections end, which takes a moment: lost,
/// it would be told again about every feed.
async fn last_chores(
    node: &Node,
    mut chores: mpsc::UnboundedReceiver<Chore>,
    mut group: Vec<Chore>,
) {
    let deadline = tokio::time::Instant::now() + LEAVING;
    loop {
        // In this order: who has left has handed in its last.
        let all_left = node.inner().hub.has_no_connection();
        while let Ok(chore) = chores.try_recv() {
            group.push(chore);
        }
        do_some(node, &mut group).await;
        if all_left || tokio::time::Instant::now() >= deadline {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn do_some(node: &Node, group: &mut Vec<Chore>) {
    if group.is_empty() {
        return;
    }
    let work = std::mem::take(group);
    let done = node.blocking(move |n| {
        n.chores(work);
        Ok(())
    });
    if let Err(error) = done.await {
        node.trouble(error.message);
    }
}

impl Node {
    fn chores(&self, chores: Vec<Chore>) {
        let inner = self.inner();
        for chore in chores {
            let failed: Option<Box<dyn std::error::Error>> = match chore {
                Chore::SaveClock(peer, changes) => inner
                    .feeds
                    .save_clock(&peer, &changes)
                    .err()
                    .map(Into::into),
                Chore::ForgetHeard(feed) => inner.feeds.forget_heard(&feed).err().map(Into::into),
                Chore::Shun(shunned) => inner.feeds.shun(&shunned).err().map(Into::into),
                Chore::SaveLock(feed, lock) => {
                    inner.state.set_lock(&feed, lock).err().map(Into::into)
                }
                Chore::LockChanged(feed, locked) => {
                    if !locked {
                        // What could not be published before can be now.
                        let node = self.clone();
                        inner
                            .tasks
                            .spawn(async move { node.complete_unfinished().await });
                    }
                    let reason = self.lock_info(feed).map(|l| l.reason);
                    self.emit(Event::Lock {
                        id: feed,
                        locked,
                        reason,
                    });
                    None
                }
                Chore::NeedHave(blobs) => {
                    let sizes = |b: &BlobId| inner.blobs.size(b).ok().flatten();
                    let have: Vec<_> = blobs.iter().map(|b| (*b, sizes(b))).collect();
                    inner.hub.act(|s, now| s.wants.handle_have(&have, now));
                    None
                }
                Chore::Lookup(blobs) => {
                    let here: Vec<_> = blobs.iter().map(|b| (*b, inner.holdings.has(b))).collect();
                    inner.hub.act(|s, _| {
                        here.iter()
                            .for_each(|(blob, here)| s.looked_up(blob, *here))
                    });
                    None
                }
                Chore::PushSeen { blob, peer } => {
                    inner.blobs.push_seen(&blob, &peer).err().map(Into::into)
                }
            };
            if let Some(error) = failed {
                self.trouble(format!("something could not be noted: {error}"));
            }
        }
    }
}
