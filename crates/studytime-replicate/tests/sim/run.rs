//! The course of events: what drivers, links and disks do with what the machines
//! put out.

use super::{BUFFER, Event, World};
use bytes::Bytes;
use std::sync::Arc;
use studytime_replicate::ebt::{IngestOutcome, Payload, Tally};
use studytime_replicate::guard::{Arrived, Claim, GuardOutput};
use studytime_replicate::ingest::{self, Verifier};
use studytime_replicate::store::{Appended, Shunned};
use studytime_replicate::{FeedStore, Output, PeerId};
use studytime_schema::{FeedId, Message};

impl World {
    pub(super) fn at(&mut self, time: u64, event: Event) {
        self.count += 1;
        self.events.insert((time, self.count), event);
    }

    fn peer(&self, node: usize, link: u64) -> (PeerId, usize) {
        let ends = self.links[&link].ends;
        let other = if ends[0] == node { ends[1] } else { ends[0] };
        (PeerId::new(self.id(other), link), other)
    }

    fn arrival(&mut self, link: u64, to: usize) -> u64 {
        let jitter = self.rng.below(10);
        let now = self.now;
        let l = self.links.get_mut(&link).unwrap();
        let side = usize::from(l.ends[1] == to);
        let time = (now + l.delay + jitter).max(l.arrives[side]);
        l.arrives[side] = time;
        time
    }

    /// What a node's driver does after every call: all outputs, then the timer.
    pub fn drive(&mut self, node: usize) {
        loop {
            if let Some(output) = self.nodes[node].ebt.poll_output() {
                self.perform(node, output);
            } else if let Some(output) = self.nodes[node].guard.poll_output() {
                self.guarded(node, output);
            } else {
                break;
            }
        }
        let due = self.nodes[node].guard.poll_timeout();
        if self.nodes[node].review != due {
            self.nodes[node].review = due;
            let life = self.nodes[node].life;
            if let Some(at) = due {
                self.at(at.max(self.now + 1), Event::Review { node, life, at });
            }
        }
        let n = &mut self.nodes[node];
        let due = n.ebt.poll_timeout();
        if n.timer != due {
            n.timer = due;
            let life = n.life;
            if let Some(at) = due {
                self.at(at.max(self.now + 1), Event::Timer { node, life, at });
            }
        }
    }

    fn perform(&mut self, node: usize, output: Output) {
        let life = self.nodes[node].life;
        let now = self.now;
        match output {
            Output::Open { peer } => {
                let (_, to) = self.peer(node, peer.connection);
                let at = self.arrival(peer.connection, to);
                self.at(
                    at,
                    Event::Opened {
                        to,
                        link: peer.connection,
                    },
                );
            }
            Output::Send { peer, payload } => {
                let link = peer.connection;
                let (_, to) = self.peer(node, link);
                let sent = &mut self.nodes[node].sent;
                match &payload {
                    Payload::Notes(bytes) => {
                        let text = String::from_utf8(bytes.to_vec()).unwrap();
                        assert!(text.len() <= studytime_replicate::wire::MAX_NOTES_BYTES);
                        sent.frames += 1;
                        sent.notes += text.matches(".ed25519").count();
                        self.nodes[node].told.push((peer, text));
                    }
                    Payload::Message(_) => sent.messages += 1,
                }
                let at = self.arrival(link, to);
                let l = self.links.get_mut(&link).unwrap();
                let side = usize::from(l.ends[1] == to);
                l.queued[side] += payload.as_bytes().len();
                self.at(at, Event::Frame { to, link, payload });
            }
            Output::Read {
                peer,
                feed,
                from,
                max_count,
                max_bytes,
            } => {
                let at = now + self.rng.below(5);
                let event = Event::Read {
                    node,
                    life,
                    peer,
                    feed,
                    from,
                    count: max_count,
                    bytes: max_bytes,
                };
                self.at(at, event);
            }
            Output::Ingest {
                peer,
                feed,
                sequence,
                wire,
            } => {
                self.nodes[node].received += 1;
                self.nodes[node].queue.push((peer, feed, sequence, wire));
                if !std::mem::replace(&mut self.nodes[node].ingesting, true) {
                    let at = now + 1 + self.rng.below(self.nodes[node].ingest_ms);
                    self.at(at, Event::Ingest { node, life });
                }
            }
            Output::SaveClock { peer, changes } => {
                self.nodes[node].store.save_clock(&peer, &changes).unwrap();
            }
            Output::Renew { feed } => {
                self.nodes[node].store.forget_heard(&feed).unwrap();
            }
            Output::Fallback { .. } => self.nodes[node].fallbacks += 1,
            Output::Resumed { .. } => self.nodes[node].resumed += 1,
            Output::Restart { peer } => {
                self.nodes[node].restarts += 1;
                let (_, to) = self.peer(node, peer.connection);
                let at = self.arrival(peer.connection, to);
                self.at(
                    at,
                    Event::Closed {
                        to,
                        link: peer.connection,
                    },
                );
            }
            Output::Fetch { peer, feed, from } => {
                self.nodes[node].fetches += 1;
                self.at(
                    now + 500,
                    Event::Fetched {
                        node,
                        life,
                        peer,
                        feed,
                        from,
                    },
                );
            }
            Output::Shun {
                peer,
                feed,
                sequence,
                fork,
            } => {
                let shunned = Shunned {
                    peer,
                    feed,
                    sequence,
                    fork,
                    at: now,
                };
                self.nodes[node].store.shun(&shunned).unwrap();
            }
            Output::OwnAhead {
                peer,
                feed,
                claimed,
                here,
            } => {
                self.nodes[node].own_ahead.push((claimed, here));
                if self.guarded {
                    let chosen = self.nodes[node].chosen.contains(&peer.feed);
                    let claim = Claim {
                        peer,
                        sequence: claimed,
                        chosen,
                    };
                    self.nodes[node].guard.handle_ahead(claim, feed, here, now);
                }
            }
            other => panic!("unknown output {other:?}"),
        }
    }

    fn guarded(&mut self, node: usize, output: GuardOutput) {
        let (now, life) = (self.now, self.nodes[node].life);
        let n = &mut self.nodes[node];
        match output {
            GuardOutput::Save { feed, lock } => {
                n.ebt.set_withheld(feed, lock.is_some(), now);
                match lock {
                    Some(lock) => n.locks.insert(feed, lock),
                    None => n.locks.remove(&feed),
                };
            }
            GuardOutput::Ask { peer, feed, from } => {
                let event = Event::Fetched {
                    node,
                    life,
                    peer,
                    feed,
                    from,
                };
                self.at(now + 200, event);
            }
            GuardOutput::Freed { feed, cause } => n.freed.push((feed, cause, now)),
            other => panic!("unknown output {other:?}"),
        }
    }

    fn review(&mut self, node: usize) {
        let now = self.now;
        for feed in self.nodes[node].guard.watched() {
            let tip = self.tip(node, &feed);
            let n = &mut self.nodes[node];
            let claims: Vec<Claim> = n
                .ebt
                .claims(&feed)
                .into_iter()
                .filter(|(peer, _)| !n.ebt.shuns(&peer.feed, &feed))
                .map(|(peer, sequence)| Claim {
                    peer,
                    sequence,
                    chosen: n.chosen.contains(&peer.feed),
                })
                .collect();
            n.guard.review(feed, tip, &claims, now);
        }
        self.drive(node);
    }

    fn verify(&mut self, feed: &FeedId, wire: &Bytes) -> Option<Arc<Message>> {
        if let Some(known) = self.verified.get(wire) {
            return known.clone();
        }
        let message = Verifier::new(None).verify(feed, wire).ok();
        self.verified.insert(wire.clone(), message.clone());
        message
    }

    fn ingest(&mut self, node: usize) {
        let now = self.now;
        self.nodes[node].ingesting = false;
        let queue = std::mem::take(&mut self.nodes[node].queue);
        let mut good = Vec::new();
        let mut of = Vec::new();
        for (i, (_, feed, _, wire)) in queue.iter().enumerate() {
            if let Some(message) = self.verify(feed, wire) {
                good.push(message);
                of.push(i);
            }
        }
        let store = self.nodes[node].store.clone();
        let report = ingest::append(store.as_ref(), &good, now).unwrap();
        let mut outcomes: Vec<Option<Appended>> = vec![None; queue.len()];
        for (i, outcome) in of.into_iter().zip(report.outcomes) {
            outcomes[i] = Some(outcome);
        }
        let mut tally = Tally::new();
        for ((peer, feed, sequence, _), outcome) in queue.into_iter().zip(outcomes) {
            let outcome = outcome.as_ref();
            let own = self.nodes[node].wants.get(&feed).is_some_and(|w| w.own);
            if own && self.guarded {
                let tip = self.tip(node, &feed);
                let n = &mut self.nodes[node];
                let arrived = |new| Arrived { sequence, new, tip };
                let chosen = n.chosen.contains(&peer.feed);
                let guard = &mut n.guard;
                match outcome {
                    Some(Appended::At(_)) => {
                        guard.handle_arrived(peer.feed, chosen, feed, arrived(true), now)
                    }
                    Some(Appended::Duplicate) => {
                        guard.handle_arrived(peer.feed, chosen, feed, arrived(false), now)
                    }
                    Some(Appended::Gap { .. }) => {}
                    Some(Appended::Fork { .. }) | None => guard.handle_bad(&peer.feed, &feed),
                }
            }
            let outcome = outcome.map_or(IngestOutcome::Invalid { sequence }, IngestOutcome::from);
            tally.add(peer, feed, sequence, outcome);
        }
        for (peer, feed, through, outcome) in tally.into_words() {
            let tip = self.tip(node, &feed);
            let ebt = &mut self.nodes[node].ebt;
            ebt.handle_ingested(peer, &feed, through, tip, outcome, now);
        }
        self.drive(node);
    }

    /// Runs for so long, in milliseconds of virtual time.
    pub fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        let mut steps = 0u64;
        while let Some(((time, n), _)) = self
            .events
            .first_key_value()
            .filter(|((t, _), _)| *t <= end)
        {
            let key = (*time, *n);
            self.now = self.now.max(key.0);
            let event = self.events.remove(&key).unwrap();
            self.handle(event);
            steps += 1;
            assert!(steps < 3_000_000, "the network never comes to rest");
        }
        self.now = end;
    }

    fn handle(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Opened { to, link } => {
                if self.links[&link].up {
                    let (peer, _) = self.peer(to, link);
                    if self.nodes[to].ebt.handle_open(peer, now).is_ok() {
                        self.drive(to);
                    }
                }
            }
            Event::Frame { to, link, payload } => {
                let (peer, from) = self.peer(to, link);
                let l = self.links.get_mut(&link).unwrap();
                let side = usize::from(l.ends[1] == to);
                l.queued[side] -= payload.as_bytes().len();
                let room = BUFFER.saturating_sub(l.queued[side]);
                let lost = l.mute[side] && matches!(payload, Payload::Message(_));
                if !l.up {
                    return;
                }
                let back = PeerId::new(self.id(to), link);
                self.nodes[from].ebt.writable(back, room);
                self.drive(from);
                if !lost {
                    let frame = Bytes::copy_from_slice(payload.as_bytes());
                    // A stream that was just closed may still hold a frame.
                    let _ = self.nodes[to].ebt.handle_frame(peer, &frame, now);
                    self.drive(to);
                }
            }
            Event::Closed { to, link } => {
                if self.links[&link].up {
                    let (peer, _) = self.peer(to, link);
                    self.nodes[to].ebt.handle_closed(peer, now);
                    self.drive(to);
                }
            }
            Event::Gone { to, link } => {
                let (peer, _) = self.peer(to, link);
                self.nodes[to].ebt.disconnect(peer, now);
                self.drive(to);
            }
            Event::Read {
                node,
                life,
                peer,
                feed,
                from,
                count,
                bytes,
            } => {
                if self.nodes[node].life == life {
                    let found = self.nodes[node]
                        .store
                        .read(&feed, from, count, bytes)
                        .unwrap();
                    self.nodes[node].ebt.handle_read(peer, &feed, &found);
                    self.drive(node);
                }
            }
            Event::Ingest { node, life } => {
                if self.nodes[node].life == life {
                    self.ingest(node);
                }
            }
            Event::Fetched {
                node,
                life,
                peer,
                feed,
                from,
            } => {
                let (_, other) = self.peer(node, peer.connection);
                if self.nodes[node].life == life && self.links[&peer.connection].up {
                    let shown = self.nodes[other].ebt.shown(&feed);
                    let found = self.nodes[other]
                        .store
                        .read(&feed, from, 1_000, usize::MAX)
                        .unwrap();
                    for m in found.into_iter().filter(|m| m.sequence <= shown) {
                        let wire = Bytes::copy_from_slice(m.wire.as_bytes());
                        self.nodes[node].queue.push((peer, feed, m.sequence, wire));
                    }
                    self.ingest(node);
                }
            }
            Event::Review { node, life, at } => {
                if self.nodes[node].life == life && self.nodes[node].review == Some(at) {
                    self.nodes[node].review = None;
                    self.review(node);
                }
            }
            Event::Timer { node, life, at } => {
                if self.nodes[node].life == life && self.nodes[node].timer == Some(at) {
                    self.nodes[node].timer = None;
                    self.nodes[node].ebt.handle_timeout(now);
                    self.drive(node);
                }
            }
        }
    }
}
