//! The feeds all sessions share: what is here, what is wanted, who sends it.

use super::api::{Audience, PeerId, Priority, Want};
use crate::clock::Note;
use crate::store::MAX_SHUNNED;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use studytime_schema::FeedId;

/// A feed's number in the table; sessions keep their state by it.
pub(super) type Ix = u32;

/// The peer that a feed is fetched from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub(super) peer: PeerId,
    /// When it was asked or last sent something of this feed.
    pub(super) heard: u64,
    /// How often it was asked again without an answer.
    pub(super) attempts: u8,
}

#[derive(Debug)]
pub(super) struct Feed {
    pub(super) id: FeedId,
    /// The last sequence in the store; 0 for none.
    pub(super) tip: u64,
    /// When it last grew.
    pub(super) grown: u64,
    pub(super) want: Option<Want>,
    /// We block its author.
    pub(super) blocked: bool,
    /// Its last message is not passed on.
    pub(super) withheld: bool,
    pub(super) source: Option<Source>,
    /// The highest sequence handed out for ingestion, per peer it came from.
    pub(super) inflight: Vec<(PeerId, u64)>,
    /// A message came too early; ask again once nothing is in flight.
    pub(super) gap: bool,
    /// Since when somebody else has news while the source has none.
    pub(super) news_since: Option<u64>,
    /// How often the source changed without progress.
    pub(super) switches: u8,
    due: Option<u64>,
}

impl Feed {
    fn new(id: FeedId) -> Self {
        Self {
            id,
            tip: 0,
            grown: 0,
            want: None,
            blocked: false,
            withheld: false,
            source: None,
            inflight: Vec::new(),
            gap: false,
            news_since: None,
            switches: 0,
            due: None,
        }
    }

    pub(super) fn receives(&self) -> bool {
        !self.blocked && self.want.is_some_and(|w| w.receive)
    }

    pub(super) fn own(&self) -> bool {
        self.want.is_some_and(|w| w.own)
    }

    pub(super) fn priority(&self) -> Priority {
        self.want.map_or(Priority::HELD, |w| w.priority)
    }

    /// The last sequence that is passed on.
    pub(super) fn shown(&self) -> u64 {
        self.tip.saturating_sub(u64::from(self.withheld))
    }

    /// The sequence that would be news: beyond the store and beyond what is on
    /// its way there.
    pub(super) fn expected(&self) -> u64 {
        let on_its_way = self.inflight.iter().map(|(_, to)| *to).max().unwrap_or(0);
        self.tip.max(on_its_way) + 1
    }

    /// When it is looked at again.
    pub(super) fn due(&self) -> Option<u64> {
        self.due
    }

    pub(super) fn is_source(&self, peer: PeerId) -> bool {
        self.source.is_some_and(|s| s.peer == peer)
    }
}

/// Why a feed is not fetched from a peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) sequence: u64,
    pub(super) fork: bool,
}

#[derive(Debug, Default)]
pub(super) struct FeedTable {
    ids: HashMap<FeedId, Ix>,
    list: Vec<Feed>,
    /// Who is blocked by which authors.
    blocked_by: HashMap<FeedId, HashSet<FeedId>>,
    /// Bad experience, by (peer, feed).
    shunned: BTreeMap<(FeedId, FeedId), Mark>,
    due: BTreeSet<(u64, Ix)>,
}

impl FeedTable {
    pub(super) fn ix(&self, id: &FeedId) -> Option<Ix> {
        self.ids.get(id).copied()
    }

    pub(super) fn ensure(&mut self, id: FeedId) -> Ix {
        if let Some(ix) = self.ids.get(&id) {
            return *ix;
        }
        let ix = Ix::try_from(self.list.len()).unwrap_or(Ix::MAX);
        self.ids.insert(id, ix);
        self.list.push(Feed::new(id));
        ix
    }

    /// Numbers only come from this table, so there always is a feed.
    pub(super) fn get(&self, ix: Ix) -> &Feed {
        &self.list[ix as usize]
    }

    pub(super) fn get_mut(&mut self, ix: Ix) -> &mut Feed {
        &mut self.list[ix as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Ix, &Feed)> {
        (0..).zip(self.list.iter())
    }

    pub(super) fn indices(&self) -> std::ops::Range<Ix> {
        0..Ix::try_from(self.list.len()).unwrap_or(Ix::MAX)
    }

    /// Whether this peer may know of the feed at all.
    pub(super) fn visible(&self, feed: &Feed, peer: &FeedId, known: bool) -> bool {
        let audience = feed.want.map_or(Audience::Everyone, |w| w.audience);
        !feed.blocked
            && (known || audience == Audience::Everyone)
            && !self
                .blocked_by
                .get(peer)
                .is_some_and(|by| by.contains(&feed.id))
    }

    /// The note this peer should have of us now.
    pub(super) fn note_for(&self, ix: Ix, peer: PeerId, known: bool) -> Note {
        let feed = self.get(ix);
        if !self.visible(feed, &peer.feed, known) || (feed.want.is_none() && feed.tip == 0) {
            return Note::Refuse;
        }
        Note::Have {
            sequence: feed.shown(),
            receive: feed.receives() && feed.is_source(peer),
        }
    }

    /// Records that `author` blocks `target`. Returns whether that is news.
    pub(super) fn set_block(&mut self, author: FeedId, target: FeedId, blocked: bool) -> bool {
        if blocked {
            return self.blocked_by.entry(target).or_default().insert(author);
        }
        let Some(by) = self.blocked_by.get_mut(&target) else {
            return false;
        };
        let changed = by.remove(&author);
        if by.is_empty() {
            self.blocked_by.remove(&target);
        }
        changed
    }

    pub(super) fn shun(&mut self, peer: FeedId, feed: FeedId, mark: Mark) {
        self.shunned.insert((peer, feed), mark);
        if self.shunned.len() > MAX_SHUNNED {
            // Any will do: one that is asked again shows again what it is.
            self.shunned.pop_first();
        }
    }

    pub(super) fn forgive(&mut self, feed: &FeedId) {
        self.shunned.retain(|(_, f), _| f != feed);
    }

    /// An invalid message is forgiven once the feed went on past it by other ways;
    /// another branch stays another branch.
    pub(super) fn is_shunned(&self, peer: &FeedId, feed: &Feed) -> bool {
        !self.shunned.is_empty()
            && self
                .shunned
                .get(&(*peer, feed.id))
                .is_some_and(|m| m.fork || feed.tip < m.sequence)
    }

    /// When to look at this feed again.
    pub(super) fn schedule(&mut self, ix: Ix, due: Option<u64>) {
        let feed = &mut self.list[ix as usize];
        if feed.due == due {
            return;
        }
        if let Some(old) = feed.due.take() {
            self.due.remove(&(old, ix));
        }
        if let Some(new) = due {
            self.due.insert((new, ix));
        }
        self.list[ix as usize].due = due;
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(super) fn pop_due(&mut self, now: u64) -> Option<Ix> {
        let (at, ix) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.schedule(ix, None);
        Some(ix)
    }
}
