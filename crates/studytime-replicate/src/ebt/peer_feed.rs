//! What one session knows of one feed. There is one of these for each feed and
//! peer, half a million in a busy pub, so it is kept small.

use super::feeds::Ix;
use crate::clock::{Heard, Note};

/// A note, or none, in eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot(i64);

impl Slot {
    /// No number on the wire means this.
    const NONE: Self = Self(i64::MIN);

    fn get(self) -> Option<Note> {
        (self != Self::NONE).then(|| Note::decode(self.0))
    }

    fn set(&mut self, note: Option<Note>) {
        *self = note.map_or(Self::NONE, |n| Self(n.encode()));
    }
}

/// One peer's side of one feed.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerFeed {
    theirs: Slot,
    mine: Slot,
    heard: Slot,
    heard_at: u64,
    /// The last sequence it has from us, by its note or because we sent it.
    pub(super) sent: u64,
    /// Stands in the push queue.
    pub(super) queued: bool,
    /// The next note goes out even if it says nothing new.
    pub(super) forced: bool,
    /// A message that is not news was looked at once for a fork.
    pub(super) checked_old: bool,
    /// Stands in line to be told our progress.
    pub(super) telling: bool,
    /// What was heard has not been given out to be saved.
    pub(super) unsaved: bool,
}

impl Default for PeerFeed {
    fn default() -> Self {
        Self::NOTHING
    }
}

impl PeerFeed {
    const NOTHING: Self = Self {
        theirs: Slot::NONE,
        mine: Slot::NONE,
        heard: Slot::NONE,
        heard_at: 0,
        sent: 0,
        queued: false,
        forced: false,
        checked_old: false,
        telling: false,
        unsaved: false,
    };

    /// The peer's last note; `None` while it has not mentioned the feed.
    pub(super) fn theirs(&self) -> Option<Note> {
        self.theirs.get()
    }

    pub(super) fn set_theirs(&mut self, note: Note) {
        self.theirs.set(Some(note));
    }

    /// Our last note; `None` while we have sent none.
    pub(super) fn mine(&self) -> Option<Note> {
        self.mine.get()
    }

    pub(super) fn set_mine(&mut self, note: Option<Note>) {
        self.mine.set(note);
    }

    /// Whether the peer wants to be sent this feed.
    pub(super) fn asks(&self) -> bool {
        self.theirs().is_some_and(Note::receive)
    }

    /// The last thing known of what the peer holds, by word or by deed, in this
    /// session or before.
    pub(super) fn heard(&self) -> Option<Heard> {
        let note = self.heard.get()?;
        Some(Heard {
            sequence: note.sequence(),
            at: self.heard_at,
        })
    }

    pub(super) fn set_heard(&mut self, heard: Option<Heard>) {
        let note = heard.map(|h| match h.sequence {
            None => Note::Refuse,
            Some(sequence) => Note::Have {
                sequence,
                receive: false,
            },
        });
        self.heard.set(note);
        self.heard_at = heard.map_or(0, |h| h.at);
    }

    /// The sequence the peer says it holds, in this session.
    pub(super) fn claim(&self) -> Option<u64> {
        self.theirs()?;
        self.heard.get()?.sequence()
    }

    /// Forgets what belongs to one stream; what was heard stays.
    fn end_of_stream(&mut self) {
        *self = Self {
            heard: self.heard,
            heard_at: self.heard_at,
            unsaved: self.unsaved,
            ..Self::NOTHING
        };
    }
}

/// All feeds of one session, by their number.
#[derive(Debug, Default)]
pub(super) struct PeerFeeds(Vec<PeerFeed>);

impl PeerFeeds {
    /// What is known of a feed; nothing, when it was never mentioned.
    pub(super) fn get(&self, ix: Ix) -> PeerFeed {
        self.0.get(ix as usize).copied().unwrap_or_default()
    }

    pub(super) fn get_mut(&mut self, ix: Ix) -> &mut PeerFeed {
        let ix = ix as usize;
        if self.0.len() <= ix {
            self.0.resize(ix + 1, PeerFeed::NOTHING);
        }
        &mut self.0[ix]
    }

    /// Makes room for so many feeds at once.
    pub(super) fn reserve(&mut self, feeds: usize) {
        self.0.reserve_exact(feeds.saturating_sub(self.0.len()));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Ix, &PeerFeed)> {
        (0..).zip(self.0.iter())
    }

    pub(super) fn end_of_stream(&mut self) {
        self.0.iter_mut().for_each(PeerFeed::end_of_stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MAX_SEQUENCE;

    #[test]
    fn notes_are_kept_whole() {
        let mut pf = PeerFeed::default();
        assert_eq!((pf.theirs(), pf.heard(), pf.claim()), (None, None, None));
        for (sequence, receive) in [
            (0, true),
            (1, false),
            (MAX_SEQUENCE, false),
            (MAX_SEQUENCE, true),
        ] {
            let note = Note::Have { sequence, receive };
            pf.set_theirs(note);
            pf.set_mine(Some(note));
            assert_eq!((pf.theirs(), pf.mine()), (Some(note), Some(note)));
        }
        pf.set_theirs(Note::Refuse);
        assert_eq!(pf.theirs(), Some(Note::Refuse));
        for sequence in [None, Some(0), Some(MAX_SEQUENCE)] {
            let heard = Some(Heard { sequence, at: 9 });
            pf.set_heard(heard);
            assert_eq!((pf.heard(), pf.claim()), (heard, sequence));
        }
        assert!(std::mem::size_of::<PeerFeed>() <= 48);
    }

    #[test]
    fn what_was_heard_outlives_the_stream() {
        let mut feeds = PeerFeeds::default();
        let heard = Some(Heard {
            sequence: Some(3),
            at: 7,
        });
        feeds.get_mut(5).set_heard(heard);
        feeds.get_mut(5).set_theirs(Note::Refuse);
        feeds.end_of_stream();
        assert_eq!((feeds.get(5).heard(), feeds.get(5).theirs()), (heard, None));
        assert_eq!(feeds.get(1_000_000).heard(), None);
    }
}
