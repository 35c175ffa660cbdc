//! Fetches feeds from a peer by `createHistoryStream`: a few at a time, and then the
//! most urgent ones live.

use super::types::{ClientConfig, ClientOutput};
use crate::ebt::{IngestOutcome, Priority};
use crate::wire::{Frame, HistoryRequest, history_item};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use studytime_schema::FeedId;

/// How far ahead of the next message one is kept that came too early on a live
/// stream: there are many of them, and they bring little.
const LIVE_AHEAD: u64 = 16;
/// Items that are no messages a call may bring.
const MAX_IDLE: u64 = 8;

impl ClientConfig {
    fn deadline(&self, open: &Open) -> u64 {
        if open.live {
            return open.heard.saturating_add(self.longest);
        }
        (open.heard.saturating_add(self.silent_for)).min(open.started.saturating_add(self.longest))
    }
}

#[derive(Debug)]
struct Fetch {
    priority: Priority,
    tip: u64,
    due: u64,
    failures: u32,
    /// Asked for once only, not again and again.
    once: bool,
    /// The last call brought all that the peer has; a live one may follow.
    caught_up: bool,
    open: Option<Open>,
}

impl Fetch {
    fn is_live(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.live)
    }

    fn is_fetched(&self) -> bool {
        self.open.as_ref().is_some_and(|open| !open.live)
    }
}

/// A call, until its messages are stored.
#[derive(Debug)]
struct Open {
    call: u64,
    /// It goes on with what the peer gets later.
    live: bool,
    /// The sequence that comes next.
    next: u64,
    /// Messages that came too early: some peers send out of order.
    early: BTreeMap<u64, Bytes>,
    /// Messages that came, old ones and repetitions included.
    items: u64,
    /// Items that are no messages.
    idle: u64,
    started: u64,
    /// When something new last came.
    heard: u64,
    /// How the stream ended, while its messages are on their way into the store.
    ended: Option<bool>,
}

/// The feeds fetched from one peer. After each call of a method, poll until
/// nothing comes.
#[derive(Debug, Default)]
pub struct HistoryClient {
    config: ClientConfig,
    feeds: BTreeMap<FeedId, Fetch>,
    calls: BTreeMap<u64, FeedId>,
    last_call: u64,
    out: VecDeque<ClientOutput>,
}

impl HistoryClient {
    /// A client without feeds.
    pub fn new(config: ClientConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Fetches a feed of which `tip` is the last sequence here, again and again.
    pub fn want(&mut self, feed: FeedId, tip: u64, priority: Priority, now: u64) {
        self.add(feed, tip, priority, false, now);
    }

    /// Fetches a feed once, as [`Output::Fetch`](crate::ebt::Output::Fetch) asks.
    pub fn fetch_once(&mut self, feed: FeedId, tip: u64, now: u64) {
        self.add(feed, tip, Priority::OWN, true, now);
    }

    fn add(&mut self, feed: FeedId, tip: u64, priority: Priority, once: bool, now: u64) {
        let fetch = self.feeds.entry(feed).or_insert(Fetch {
            priority,
            tip,
            due: now,
            failures: 0,
            once,
            caught_up: false,
            open: None,
        });
        fetch.tip = fetch.tip.max(tip);
        if once {
            fetch.due = now;
        } else {
            fetch.priority = priority;
            fetch.once = false;
        }
        self.start(now);
        self.follow(now);
    }

    /// Stops fetching a feed.
    pub fn remove(&mut self, feed: &FeedId, now: u64) {
        if let Some(open) = self.feeds.remove(feed).and_then(|f| f.open) {
            self.close(&open);
        }
        self.start(now);
        self.follow(now);
    }

    /// Stops fetching all feeds that are fetched again and again: EBT does that
    /// now. What was asked for once goes on.
    pub fn stop(&mut self, now: u64) {
        let standing: Vec<FeedId> = self
            .feeds
            .iter()
            .filter(|(_, f)| !f.once)
            .map(|(feed, _)| *feed)
            .collect();
        for feed in standing {
            self.remove(&feed, now);
        }
    }

    /// A feed has grown by other ways.
    pub fn appended(&mut self, feed: &FeedId, tip: u64) {
        if let Some(fetch) = self.feeds.get_mut(feed) {
            fetch.tip = fetch.tip.max(tip);
        }
    }

    /// Feeds of which more may come now: a call is open for what is there already,
    /// or waits for its turn.
    pub fn outstanding(&self, now: u64) -> usize {
        let busy = |f: &&Fetch| f.is_fetched() || (f.open.is_none() && f.due <= now);
        self.feeds.values().filter(busy).count()
    }

    /// Whether nothing is wanted from this peer.
    pub fn is_empty(&self) -> bool {
        self.feeds.is_empty()
    }

    fn close(&mut self, open: &Open) {
        if self.calls.remove(&open.call).is_some() {
            self.out.push_back(ClientOutput::Cancel { call: open.call });
        }
    }

    /// Opens calls for what is due, most urgent first.
    fn start(&mut self, now: u64) {
        while self.feeds.values().filter(|f| f.is_fetched()).count() < self.config.concurrent {
            let due = self
                .feeds
                .iter()
                .filter(|(_, f)| f.open.is_none() && f.due <= now)
                .min_by_key(|(_, f)| (f.priority, f.due));
            let Some((feed, _)) = due else {
                return;
            };
            self.call(*feed, false, now);
        }
    }

    /// Keeps streams of the most urgent feeds open that are caught up with.
    fn follow(&mut self, now: u64) {
        loop {
            let idle = |f: &Fetch| f.caught_up && f.open.is_none() && !f.once;
            let next = self.feeds.iter().filter(|(_, f)| idle(f));
            let Some((priority, next)) = next.map(|(id, f)| (f.priority, *id)).min() else {
                return;
            };
            let live = self.feeds.iter().filter(|(_, f)| f.is_live());
            let live: Vec<(Priority, FeedId)> = live.map(|(id, f)| (f.priority, *id)).collect();
            if live.len() >= self.config.live {
                // A more urgent one takes the place of the least urgent.
                match live.iter().max() {
                    Some((least, feed)) if *least > priority => self.unfollow(*feed, now),
                    _ => return,
                }
            }
            self.call(next, true, now);
        }
    }

    fn unfollow(&mut self, feed: FeedId, now: u64) {
        let poll_every = self.config.poll_every;
        if let Some(fetch) = self.feeds.get_mut(&feed) {
            fetch.due = now.saturating_add(poll_every);
            fetch.caught_up = false;
            if let Some(open) = fetch.open.take() {
                self.close(&open);
            }
        }
    }

    fn call(&mut self, feed: FeedId, live: bool, now: u64) {
        let Some(fetch) = self.feeds.get_mut(&feed) else {
            return;
        };
        self.last_call += 1;
        let call = self.last_call;
        let next = fetch.tip + 1;
        fetch.caught_up = false;
        fetch.open = Some(Open {
            call,
            live,
            next,
            early: BTreeMap::new(),
            items: 0,
            idle: 0,
            started: now,
            heard: now,
            ended: None,
        });
        self.calls.insert(call, feed);
        let mut request = HistoryRequest::new(feed, next);
        request.live = live;
        request.limit = (!live).then_some(self.config.chunk);
        self.out.push_back(ClientOutput::Call { call, request });
    }

    fn open_mut(&mut self, call: u64) -> Option<(FeedId, &mut Open)> {
        let feed = *self.calls.get(&call)?;
        let open = self.feeds.get_mut(&feed)?.open.as_mut()?;
        (open.call == call).then_some((feed, open))
    }

    /// Takes an item of a call's stream.
    pub fn handle_item(&mut self, call: u64, item: &Bytes, now: u64) {
        let chunk = self.config.chunk;
        let Some((feed, open)) = self.open_mut(call) else {
            return;
        };
        let message = match history_item(item).and_then(|m| Frame::parse(&m)) {
            Ok(Frame::Message {
                author,
                sequence,
                wire,
            }) if author == feed => Some((sequence, wire)),
            // Some peers say `{"sync":true}` between what is old and what is new.
            Ok(Frame::Notes(notes)) if notes.is_empty() && open.idle < MAX_IDLE => {
                open.idle += 1;
                return;
            }
            _ => None,
        };
        let Some((sequence, wire)) = message else {
            return self.finish(call, false, true, now);
        };
        open.items += 1;
        let over = open.items >= chunk && !open.live;
        // Repetitions, and what is further off than the call can reach, are no
        // reason to go on waiting.
        let reach = if open.live { LIVE_AHEAD } else { chunk };
        let in_reach = (open.next..open.next.saturating_add(reach)).contains(&sequence);
        if in_reach && open.early.insert(sequence, wire).is_none() {
            open.heard = now;
        }
        let mut ready = Vec::new();
        while let Some(wire) = open.early.remove(&open.next) {
            ready.push(ClientOutput::Ingest {
                feed,
                sequence: open.next,
                wire,
            });
            open.next += 1;
        }
        self.out.extend(ready);
        if over {
            // A peer that passes over the limit would go on for ever.
            self.finish(call, true, true, now);
        }
    }

    /// A call's stream ended; `ok` is false when it ended with an error.
    pub fn handle_end(&mut self, call: u64, ok: bool, now: u64) {
        self.finish(call, ok, false, now);
    }

    fn finish(&mut self, call: u64, ok: bool, cancel: bool, now: u64) {
        let Some((feed, open)) = self.open_mut(call) else {
            return;
        };
        open.ended = Some(ok);
        open.early.clear();
        self.calls.remove(&call);
        if cancel {
            self.out.push_back(ClientOutput::Cancel { call });
        }
        self.settle(feed, now);
        self.start(now);
        self.follow(now);
    }

    /// Once a call has ended and all it brought is stored: when to ask again.
    /// Answers whether it has.
    fn settle(&mut self, feed: FeedId, now: u64) -> bool {
        let Some(fetch) = self.feeds.get_mut(&feed) else {
            return false;
        };
        let done = |o: &Open| o.ended.is_some() && fetch.tip + 1 >= o.next;
        let Some(open) = fetch.open.take_if(|o| done(o)) else {
            return false;
        };
        if open.ended == Some(false) {
            fetch.failures = fetch.failures.saturating_add(1);
            let doubled = self.config.retry_after << fetch.failures.saturating_sub(1).min(10);
            fetch.due = now.saturating_add(doubled.min(self.config.poll_every));
        } else {
            fetch.failures = 0;
            let more = open.items >= self.config.chunk && !open.live;
            // A peer that ends live streams is asked again and again.
            fetch.caught_up = !more && !open.live;
            fetch.due = if more {
                now
            } else {
                now.saturating_add(self.config.poll_every)
            };
        }
        if fetch.once && fetch.due > now {
            self.feeds.remove(&feed);
        }
        true
    }

    /// What became of the messages of a feed that were handed out by
    /// [`ClientOutput::Ingest`]. `tip` is its last sequence in the store now.
    pub fn handle_ingested(&mut self, feed: &FeedId, tip: u64, outcome: IngestOutcome, now: u64) {
        let Some(fetch) = self.feeds.get_mut(feed) else {
            return;
        };
        fetch.tip = fetch.tip.max(tip);
        let bad = match outcome {
            IngestOutcome::Kept => None,
            IngestOutcome::Gap | IngestOutcome::Failed => Some(None),
            IngestOutcome::Fork { sequence } => Some(Some((sequence, true))),
            IngestOutcome::Invalid { sequence } => Some(Some((sequence, false))),
        };
        match bad {
            None => {
                if !self.settle(*feed, now) {
                    return;
                }
            }
            Some(shunned) => {
                fetch.failures = fetch.failures.saturating_add(1);
                fetch.due = now.saturating_add(self.config.retry_after);
                if let Some(open) = fetch.open.take() {
                    self.close(&open);
                }
                if let Some((sequence, fork)) = shunned {
                    self.feeds.remove(feed);
                    self.out.push_back(ClientOutput::Shun {
                        feed: *feed,
                        sequence,
                        fork,
                    });
                }
            }
        }
        self.start(now);
        self.follow(now);
    }

    /// What to do next; `None` when there is nothing until something happens.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        self.out.pop_front()
    }

    /// When to call [`HistoryClient::handle_timeout`], in milliseconds since 1970.
    pub fn poll_timeout(&self) -> Option<u64> {
        let free = self.feeds.values().filter(|f| f.is_fetched()).count() < self.config.concurrent;
        let at = |f: &Fetch| match &f.open {
            Some(open) if open.ended.is_none() => Some(self.config.deadline(open)),
            Some(_) => None,
            None => free.then_some(f.due),
        };
        self.feeds.values().filter_map(at).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: u64) {
        let over: Vec<(FeedId, u64, bool, bool)> = self
            .feeds
            .iter()
            .filter_map(|(feed, f)| Some((*feed, f.open.as_ref()?)))
            .filter(|(_, o)| o.ended.is_none() && self.config.deadline(o) <= now)
            // A slow one that brought something is as good as others.
            .map(|(feed, o)| {
                let slow = o.heard.saturating_add(self.config.silent_for) > now;
                (feed, o.call, o.live, slow)
            })
            .collect();
        for (feed, call, live, slow) in over {
            self.finish(call, live || slow, true, now);
            // Whether the stream is alive shows when the feed is asked for again.
            if let Some(fetch) = self.feeds.get_mut(&feed).filter(|_| live) {
                fetch.due = now;
            }
        }
        self.start(now);
    }
}
