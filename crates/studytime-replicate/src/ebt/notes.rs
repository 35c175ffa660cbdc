//! Notes: which feeds a peer is told of, when, and what its own notes mean.

use super::Ebt;
use super::api::{Output, Payload, PeerId};
use super::feeds::Ix;
use crate::clock::Note;
use crate::wire::{MAX_NOTES_BYTES, NotesWriter};
use studytime_schema::FeedId;

impl Ebt {
    /// Decides whether a feed belongs into the first notes of a session, and
    /// whether this peer is asked to send it.
    ///
    /// Left out is what the peer, by its own word, holds exactly as far as we do,
    /// and what it refused lately. Own feeds are always in: a peer that believes
    /// us up to date would never mention a log we have lost.
    pub(super) fn introduce(&mut self, peer: PeerId, ix: Ix, now: u64) {
        let Some(session) = self.sessions.get(&peer) else {
            return;
        };
        let feed = self.feeds.get(ix);
        if !self.feeds.visible(feed, &peer.feed, session.known) {
            return;
        }
        let heard = session.feeds.get(ix).heard();
        let stale = heard.is_none_or(|h| now.saturating_sub(h.at) >= self.config.retry_after);
        let theirs = heard.and_then(|h| h.sequence);
        let due = match (feed.want, heard) {
            // Held, not wanted: only news for those who asked for it before.
            (None, _) => feed.tip > 0 && theirs.is_some_and(|s| s != feed.tip),
            (Some(want), _) if want.own => true,
            (Some(_), None) => true,
            (Some(_), Some(h)) => match h.sequence {
                None => stale,
                Some(s) => s != feed.tip || (s == 0 && stale),
            },
        };
        if !due {
            return;
        }
        let refused = heard.is_some_and(|h| h.sequence.is_none()) && !stale;
        let may_have_more = feed.tip == 0 || feed.own() || theirs.is_some_and(|s| s > feed.tip);
        if feed.receives()
            && feed.source.is_none()
            && may_have_more
            && !refused
            && !self.feeds.is_shunned(&peer.feed, feed)
        {
            self.set_source(ix, Some(peer), now);
        }
        self.mark(peer, ix, false);
    }

    /// Puts a note in line. Unless `forced`, it is dropped again if it would say
    /// what the last one said.
    pub(super) fn mark(&mut self, peer: PeerId, ix: Ix, forced: bool) {
        let priority = self.feeds.get(ix).priority();
        if let Some(session) = self.sessions.get_mut(&peer)
            && session.is_active()
        {
            session.feeds.get_mut(ix).forced |= forced;
            session.dirty.insert((priority, ix));
            self.ready.insert(peer);
        }
    }

    /// Corrects what peers were told of a feed, after it became wanted or
    /// unwanted, blocked or visible.
    pub(super) fn correct_notes(&mut self, ix: Ix) {
        let stale: Vec<PeerId> = self
            .sessions
            .values()
            .filter(|s| {
                s.feeds.get(ix).mine().is_some_and(|m| {
                    let now = self.feeds.note_for(ix, s.peer, s.known);
                    m.receive() != now.receive()
                        || m.sequence().is_some() != now.sequence().is_some()
                })
            })
            .map(|s| s.peer)
            .collect();
        for peer in stale {
            self.mark(peer, ix, false);
        }
    }

    /// The next frame of notes for a peer, most urgent feeds first; `None` when
    /// there is nothing to say.
    pub(super) fn notes_frame(&mut self, peer: PeerId, now: u64) -> Option<Output> {
        let session = self.sessions.get_mut(&peer)?;
        let limit = session.room.min(MAX_NOTES_BYTES);
        let mut frame = NotesWriter::new();
        while !frame.is_full(limit) {
            let Some((_, ix)) = session.dirty.pop_first() else {
                break;
            };
            let note = self.feeds.note_for(ix, peer, session.known);
            let peer_feed = session.feeds.get_mut(ix);
            if !std::mem::take(&mut peer_feed.forced) && peer_feed.mine() == Some(note) {
                continue;
            }
            peer_feed.set_mine(Some(note));
            let feed = self.feeds.get_mut(ix);
            if note.receive()
                && let Some(source) = &mut feed.source
            {
                source.heard = source.heard.max(now);
            }
            frame.push(&feed.id, note);
        }
        while !frame.is_full(limit) {
            match session.refusals.pop_first() {
                Some(feed) => frame.push(&feed, Note::Refuse),
                None => break,
            }
        }
        if frame.is_empty() && session.greeted {
            return None;
        }
        // The first frame goes out even when it is empty: the peer waits for it.
        session.greeted = true;
        let bytes = frame.finish();
        session.room = session.room.saturating_sub(bytes.len());
        Some(Output::Send {
            peer,
            payload: Payload::Notes(bytes),
        })
    }

    pub(super) fn handle_notes(&mut self, peer: PeerId, notes: Vec<(FeedId, Note)>, now: u64) {
        for (id, note) in notes {
            match self.feeds.ix(&id) {
                Some(ix) => self.handle_note(peer, ix, note, now),
                None => self.handle_foreign(peer, id, note),
            }
        }
    }

    /// A feed we know nothing of: refused, once.
    fn handle_foreign(&mut self, peer: PeerId, id: FeedId, note: Note) {
        let max = self.config.max_foreign;
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        let known = session.foreign.contains_key(&id);
        if note != Note::Refuse && (known || session.foreign.len() < max) {
            session.foreign.insert(id, note);
            if !known {
                session.refusals.insert(id);
                self.ready.insert(peer);
            }
        }
    }

    fn handle_note(&mut self, peer: PeerId, ix: Ix, note: Note, now: u64) {
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        let feed = self.feeds.get(ix);
        let visible = self.feeds.visible(feed, &peer.feed, session.known);
        let before = session.feeds.get(ix).heard().and_then(|h| h.sequence);
        session.hear(ix, note.sequence(), now);
        let peer_feed = session.feeds.get_mut(ix);
        let old = peer_feed.theirs();
        peer_feed.set_theirs(note);
        // A note that reports progress while we are sending acknowledges; any
        // other one says from where to go on.
        if let Some(sequence) = note.sequence() {
            let acknowledges = note.receive()
                && old.is_some_and(|o| o.receive() && o.sequence().is_some_and(|s| s < sequence))
                && sequence <= peer_feed.sent;
            if !acknowledges {
                peer_feed.sent = sequence;
            }
        }
        let told = peer_feed.mine();
        let answer = told.is_none() && note != Note::Refuse;
        if !visible {
            if answer {
                self.mark(peer, ix, false);
            }
            return;
        }
        let Note::Have { sequence, receive } = note else {
            return self.examine(ix, now);
        };
        let changed = before != Some(sequence);
        if changed {
            session.stalled.remove(&ix);
        }
        let (tip, own) = (feed.tip, feed.own());
        if own && sequence > tip && old.and_then(Note::sequence) != Some(sequence) {
            self.out.push_back(Output::OwnAhead {
                peer,
                feed: feed.id,
                claimed: sequence,
                here: tip,
            });
        }
        let shown = feed.shown();
        let behind = told.and_then(Note::sequence).is_some_and(|t| t < shown);
        if behind && sequence >= shown {
            session.tell_later(ix, now.saturating_add(self.config.tell_after));
        }
        if answer || (behind && !receive && sequence < shown) {
            self.mark(peer, ix, false);
        }
        if receive && sequence < shown {
            self.queue_push(peer, ix);
        }
        if let Some(source) = &mut self.feeds.get_mut(ix).source
            && source.peer == peer
            && changed
        {
            source.heard = source.heard.max(now);
        }
        let lowered = before.is_some_and(|b| b > tip && b > sequence);
        if sequence > tip || lowered || self.feeds.get(ix).is_source(peer) {
            self.reconsider(ix, peer, now);
        }
    }

    /// A feed grew: those who get it live are sent it, those who would want to
    /// know are told.
    pub(super) fn spread(&mut self, ix: Ix, now: u64) {
        let tip = self.feeds.get(ix).shown();
        let tell_at = now.saturating_add(self.config.tell_after);
        let (mut to_push, mut to_mark) = (Vec::new(), Vec::new());
        for session in self.sessions.values_mut().filter(|s| s.is_active()) {
            let peer_feed = session.feeds.get(ix);
            // Refused, in this session or lately; or never heard of.
            let Some(heard) = peer_feed.heard().and_then(|h| h.sequence) else {
                continue;
            };
            let asks = peer_feed.asks();
            let behind = || {
                peer_feed
                    .mine()
                    .and_then(Note::sequence)
                    .is_some_and(|t| t < tip)
            };
            let push = asks && peer_feed.sent < tip;
            let mark = !asks && heard < tip;
            if !push && !mark && !behind() {
                continue;
            }
            let feed = self.feeds.get(ix);
            if !self.feeds.visible(feed, &session.peer.feed, session.known) {
                continue;
            }
            if push {
                to_push.push(session.peer);
            } else if mark {
                to_mark.push(session.peer);
            } else {
                // It has as much; that we have caught up can wait for a quiet moment.
                session.tell_later(ix, tell_at);
            }
        }
        for peer in to_push {
            self.queue_push(peer, ix);
        }
        for peer in to_mark {
            self.mark(peer, ix, false);
        }
    }

    /// Tells a peer how far we got with what it sent. Without this, it would
    /// name all these feeds again in its next session.
    ///
    /// Not while a feed is still growing: other programs take such a note for a
    /// wish to go on from there, and send again what is on its way already.
    pub(super) fn tell_progress(&mut self, peer: PeerId, now: u64) {
        let wait = self.config.tell_after;
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        if session.tell_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        let tell = std::mem::take(&mut session.tell);
        for ix in &tell {
            session.feeds.get_mut(*ix).telling = false;
        }
        for ix in tell {
            let feed = self.feeds.get(ix);
            let moving = !feed.inflight.is_empty() || now.saturating_sub(feed.grown) < wait;
            if !moving {
                self.mark(peer, ix, false);
            } else if let Some(session) = self.sessions.get_mut(&peer) {
                session.tell_later(ix, now.saturating_add(wait));
            }
        }
    }
}
