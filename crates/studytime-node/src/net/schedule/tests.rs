use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const START: u64 = 1_700_000_000_000;
const HOUR: u64 = 3_600_000;

fn feed(n: u16) -> FeedId {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    FeedId::from_bytes(bytes)
}

fn candidate(kind: Kind, n: u16) -> Candidate {
    Candidate {
        kind,
        key: feed(n),
        address: format!("net:10.0.{}.{}:8008~shs:{n}", n / 256, n % 256),
        source: "a test".into(),
        socket: None,
    }
}

/// The world around a scheduler: who answers, and how long connections last.
struct World {
    scheduler: Scheduler,
    now: u64,
    /// How a dial of this peer ends, and after how long.
    answers: Box<dyn Fn(u16, u64) -> bool>,
    /// Attempts: when, whom, as what.
    tried: Vec<(u64, Candidate)>,
    /// Dials under way, by when they end.
    dials: Vec<(u64, Candidate)>,
    up: Vec<(u64, Candidate)>,
    drops: Vec<u64>,
    blocked: BTreeSet<FeedId>,
    next: u64,
}

fn number(c: &Candidate) -> u16 {
    let bytes = c.key.as_bytes();
    u16::from_be_bytes([bytes[0], bytes[1]])
}

impl World {
    fn new(seed: u64, answers: impl Fn(u16, u64) -> bool + 'static) -> Self {
        Self {
            scheduler: Scheduler::new(seed),
            now: START,
            answers: Box::new(answers),
            tried: Vec::new(),
            dials: Vec::new(),
            up: Vec::new(),
            drops: Vec::new(),
            blocked: BTreeSet::new(),
            next: 1,
        }
    }

    fn offer(&mut self, c: Candidate) {
        self.scheduler.offer(c, None, self.now);
    }

    fn used(&self, group: Kind) -> usize {
        let all = self.dials.iter().chain(&self.up);
        all.filter(|(_, c)| c.kind.group() == group).count()
    }

    /// Lets time pass; quotas are checked at every step.
    fn run(&mut self, until: u64) {
        while self.now < until {
            let blocked = self.blocked.clone();
            let action = self.scheduler.poll(self.now, &|key| blocked.contains(key));
            match action {
                Action::Dial(c) => {
                    assert!(!self.blocked.contains(&c.key), "dialled a blocked peer");
                    let busy = self.dials.iter().chain(&self.up);
                    assert!(
                        !busy.map(|(_, c)| c.key).any(|k| k == c.key),
                        "two ways to one peer"
                    );
                    self.tried.push((self.now, c.clone()));
                    self.dials.push((self.now + 500, c));
                    for group in Kind::GROUPS {
                        assert!(self.used(group) <= group.quota(), "{group:?}");
                    }
                    assert!(self.dials.len() <= MAX_DIALS);
                }
                Action::Drop { connection, .. } => {
                    self.up.retain(|(number, _)| *number != connection);
                    self.drops.push(connection);
                    self.scheduler
                        .handle_closed(connection, "dropped", self.now);
                }
                Action::Sleep(at) => {
                    assert!(at > self.now, "no progress");
                    let dial = self.dials.iter().map(|(at, _)| *at).min();
                    self.now = at.min(dial.unwrap_or(u64::MAX)).min(until);
                    self.settle();
                }
            }
        }
    }

    fn settle(&mut self) {
        let now = self.now;
        let (done, left) = self.dials.drain(..).partition(|(at, _)| *at <= now);
        self.dials = left;
        let done: Vec<(u64, Candidate)> = done;
        for (_, c) in done {
            if (self.answers)(number(&c), now) {
                let connection = self.next;
                self.next += 1;
                self.scheduler
                    .handle_connected(connection, c.key, Some(&c.address), now);
                self.up.push((connection, c));
            } else {
                self.scheduler
                    .handle_failed(&c.address, "nobody listens", now);
            }
        }
    }

    fn close_all(&mut self, why: &str) {
        for (connection, _) in std::mem::take(&mut self.up) {
            self.scheduler.handle_closed(connection, why, self.now);
        }
    }

    fn tries_of(&self, n: u16) -> Vec<u64> {
        let of = self.tried.iter().filter(|(_, c)| number(c) == n);
        of.map(|(at, _)| *at).collect()
    }
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![
        Kind::Lan,
        Kind::Typed,
        Kind::Room,
        Kind::Seeder,
        Kind::Pub,
        Kind::RoomMember,
        Kind::Known,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// `World::run` asserts quotas, one way to a peer, and blocks at each step.
    #[test]
    fn quotas_and_blocks_hold_whatever_happens(
        seed: u64,
        peers in prop::collection::vec((any_kind(), any::<bool>(), 0u8..4), 1..80),
        events in prop::collection::vec((0u8..5, 0u64..HOUR), 0..12),
    ) {
        let alive: Vec<bool> = peers.iter().map(|p| p.1).collect();
        let mut world = World::new(seed, move |n, _| alive[usize::from(n)]);
        for (n, (kind, _, fate)) in peers.iter().enumerate() {
            let n = n as u16;
            world.offer(candidate(*kind, n));
            if *fate == 0 {
                world.blocked.insert(feed(n));
            }
            if *fate == 1 {
                let mut other = candidate(Kind::Known, n);
                other.address.push('x');
                world.offer(other);
            }
        }
        for (event, pause) in events {
            let until = world.now + pause;
            world.run(until);
            let now = world.now;
            match event {
                0 => world.close_all("the peer hung up"),
                1 => world.scheduler.set_network(false, true, now),
                2 => world.scheduler.set_network(true, true, now),
                3 => world.scheduler.withdraw(peers[0].0, &candidate(peers[0].0, 0).address),
                _ => world.offer(candidate(Kind::Lan, 0)),
            }
        }
        let until = world.now + HOUR;
        world.run(until);
    }

    #[test]
    fn the_pause_is_cubic_with_jitter_and_capped(kind in any_kind(), failures in 0u32..1000, draw: u64, reached: bool) {
        let record = |failures| Record { failures, last_ok: u64::from(reached), ..Record::new(START) };
        let bare = backoff::bare_pause(kind, &record(failures));
        let more = backoff::bare_pause(kind, &record(failures + 1));
        prop_assert!(bare <= more && more <= kind.longest_pause());
        let pause = backoff::pause(kind, &record(failures), draw);
        prop_assert!(pause >= bare / 2 && pause <= bare + bare / 2 + 1, "{} of {}", pause, bare);
        if failures > 0 && failures < 64 && more < kind.longest_pause() && reached {
            let beyond = u64::from(failures);
            prop_assert_eq!(more - kind.first_pause(), beyond.pow(3) * 10_000);
        }
    }

    #[test]
    fn a_dead_peer_is_tried_ever_more_rarely(kind in any_kind(), seed: u64) {
        let mut world = World::new(seed, |_, _| false);
        world.offer(candidate(kind, 1));
        world.run(START + 240 * HOUR);
        let tries = world.tries_of(1);
        // As often as pauses of half the length would allow, never more.
        let mut allowed = 0;
        let mut at = 0;
        while at < 240 * HOUR {
            allowed += 1;
            let record = Record { failures: allowed, ..Record::new(START) };
            at += backoff::bare_pause(kind, &record) / 2;
        }
        prop_assert!(tries.len() <= allowed as usize, "{} > {}", tries.len(), allowed);
        // And it is never given up.
        prop_assert!(tries.len() >= 9, "{}", tries.len());
        let gaps: Vec<u64> = tries.windows(2).map(|w| w[1] - w[0]).collect();
        prop_assert!(gaps[gaps.len() - 1] > 10 * gaps[0]);
    }

    #[test]
    fn everyone_gets_a_turn(seed: u64, kind in any_kind(), dead in prop::collection::btree_set(0u16..40, 0..20)) {
        let gone = dead.clone();
        let mut world = World::new(seed, move |n, _| !gone.contains(&n));
        for n in 0..40 {
            world.offer(candidate(kind, n));
        }
        world.run(START + 60 * HOUR);
        for n in 0..40 {
            prop_assert!(!world.tries_of(n).is_empty(), "{} was never called", n);
        }
        // No connection was cut before its turn was over.
        let least = MIN_TURN_MS;
        for n in (0..40).filter(|n| !dead.contains(n)) {
            for pair in world.tries_of(n).windows(2) {
                prop_assert!(pair[1] - pair[0] >= least);
            }
        }
    }
}

#[test]
fn success_resets() {
    // Dead for a day, then alive.
    let mut world = World::new(1, |_, now| now > START + 24 * HOUR);
    world.offer(candidate(Kind::Typed, 1));
    world.run(START + 24 * HOUR);
    let (_, standing) = &world.scheduler.standings(world.now, &|_| false)[0];
    assert!(standing.failures > 5, "{standing:?}");
    world.run(START + 26 * HOUR);
    assert_eq!(world.up.len(), 1);
    world.close_all("went silent");
    let before = world.tried.len();
    // Called again within seconds, not hours.
    let until = world.now + 10_000;
    world.run(until);
    assert!(world.tried.len() > before);
}

#[test]
fn who_always_hangs_up_is_waited_for() {
    let mut world = World::new(2, |_, _| true);
    world.offer(candidate(Kind::Typed, 1));
    for _ in 0..2000 {
        let until = world.now + 1000;
        world.run(until);
        world.close_all("the peer hung up");
    }
    let tries = world.tries_of(1).len();
    assert!((3..12).contains(&tries), "{tries} calls in half an hour");
}

#[test]
fn the_local_network_comes_first() {
    let mut world = World::new(3, |_, _| true);
    let far = candidate(Kind::Typed, 1);
    let near = Candidate {
        address: "net:192.168.0.2:8008~shs:1".into(),
        ..candidate(Kind::Lan, 1)
    };
    world.offer(far.clone());
    world.offer(near.clone());
    world.run(START + 10_000);
    assert_eq!(world.tried.len(), 1);
    assert_eq!(world.tried[0].1.address, near.address);
    // When it fails, the other address is tried at once.
    let mut world = World::new(3, |_, _| false);
    world.offer(far);
    world.offer(near);
    world.run(START + 2_000);
    let order: Vec<Kind> = world.tried.iter().map(|(_, c)| c.kind).collect();
    assert_eq!(order[..2], [Kind::Lan, Kind::Typed]);
}

#[test]
fn without_a_network_it_waits_and_then_goes_at_once() {
    let mut world = World::new(4, |_, _| false);
    world.scheduler.set_network(false, false, START);
    world.offer(candidate(Kind::Typed, 1));
    let here = Candidate {
        address: "net:127.0.0.1:8008~shs:2".into(),
        ..candidate(Kind::Typed, 2)
    };
    world.offer(here);
    world.run(START + 5 * HOUR);
    assert!(world.tries_of(1).is_empty());
    assert!(
        !world.tries_of(2).is_empty(),
        "this machine needs no network"
    );
    let text = |world: &World| {
        let all = world.scheduler.standings(world.now, &|_| false);
        let mine = all.into_iter().find(|(_, s)| s.key == feed(1));
        mine.unwrap().1.reason.unwrap()
    };
    assert!(text(&world).contains("no network"), "{}", text(&world));
    let now = world.now;
    world.scheduler.set_network(true, true, now);
    world.run(now + SPREAD_MS + 100);
    assert_eq!(world.tries_of(1).len(), 1);
    // Many failures later, the same: another network, another chance.
    world.run(now + 100 * HOUR);
    let (before, now) = (world.tries_of(1).len(), world.now);
    world.scheduler.set_network(true, true, now);
    world.run(now + SPREAD_MS + 100);
    assert_eq!(world.tries_of(1).len(), before + 1);
}

#[test]
fn what_the_user_asks_for_is_done_at_once_and_the_surplus_goes() {
    let mut world = World::new(5, |_, _| true);
    for n in 0..8 {
        world.offer(candidate(Kind::Typed, n));
    }
    world.run(START + 60_000);
    assert_eq!(world.up.len(), Kind::Typed.quota());
    let wanted = candidate(Kind::Typed, 100);
    assert_eq!(
        world.scheduler.begin(wanted.clone(), world.now),
        Begin::Dial
    );
    assert_eq!(
        world.scheduler.begin(wanted.clone(), world.now),
        Begin::UnderWay
    );
    let now = world.now;
    world
        .scheduler
        .handle_connected(999, wanted.key, Some(&wanted.address), now);
    world.up.push((999, wanted));
    world.run(now + 30_000);
    assert!(world.drops.is_empty(), "not at once");
    world.run(now + 4 * SURPLUS_MS);
    assert!(!world.drops.is_empty());
    assert!(world.up.len() <= Kind::Typed.quota());
    assert!(world.up.iter().any(|(c, _)| *c == 999), "the oldest goes");
}

#[test]
fn what_is_withdrawn_is_forgotten_but_not_cut() {
    let mut world = World::new(6, |n, _| n == 1);
    world.offer(candidate(Kind::Lan, 1));
    world.offer(candidate(Kind::Lan, 2));
    world.run(START + 2_000);
    for n in [1, 2] {
        let address = candidate(Kind::Lan, n).address;
        world.scheduler.withdraw(Kind::Lan, &address);
    }
    assert_eq!(world.up.len(), 1);
    world.run(START + HOUR);
    assert_eq!(world.up.len(), 1);
    assert!(world.scheduler.standings(world.now, &|_| false).is_empty());
    world.close_all("gone");
    let before = world.tried.len();
    world.run(START + 3 * HOUR);
    assert_eq!(world.tried.len(), before);
    assert!(world.scheduler.entries.is_empty());
}

#[test]
fn an_earlier_run_is_remembered() {
    let record = Record {
        failures: 5,
        last_try: START - 1_000,
        last_ok: START - 90 * HOUR,
        birth: START - 100 * HOUR,
        reason: Some("nobody listens".into()),
    };
    let mut world = World::new(7, |_, _| true);
    let c = candidate(Kind::Typed, 1);
    world
        .scheduler
        .offer(c.clone(), Some(record.clone()), START);
    world.run(START + 60_000);
    assert!(world.tried.is_empty(), "still in its pause");
    let (_, s) = &world.scheduler.standings(START, &|_| false)[0];
    let reason = s.reason.clone().unwrap();
    assert!(
        reason.contains("nobody listens") && reason.contains("after 5 failures"),
        "{reason}"
    );
    // A pause that is over by now is not begun anew.
    let mut world = World::new(7, |_, _| true);
    let over = Record {
        last_try: START - 50 * HOUR,
        ..record
    };
    world.scheduler.offer(c, Some(over), START);
    world.run(START + 1_000);
    assert_eq!(world.tried.len(), 1);
}

#[test]
fn blocks_are_said_in_words() {
    let mut scheduler = Scheduler::new(8);
    scheduler.offer(candidate(Kind::Pub, 1), None, START);
    assert!(matches!(scheduler.poll(START, &|_| true), Action::Sleep(_)));
    let (_, s) = &scheduler.standings(START, &|_| true)[0];
    assert_eq!(s.state, "blocked");
    assert!(s.reason.as_ref().unwrap().contains("you block this peer"));
}

#[test]
fn candidates_are_bounded_but_for_what_the_user_types() {
    let mut scheduler = Scheduler::new(9);
    for n in 0..=MAX_CANDIDATES as u16 {
        scheduler.offer(candidate(Kind::RoomMember, n), None, START);
    }
    assert_eq!(scheduler.entries.len(), MAX_CANDIDATES);
    scheduler.offer(candidate(Kind::Typed, u16::MAX), None, START);
    assert_eq!(scheduler.entries.len(), MAX_CANDIDATES + 1);
}

#[test]
fn addresses_that_change_all_the_time_start_no_storm() {
    let mut world = World::new(10, |_, _| false);
    world.offer(candidate(Kind::Pub, 1));
    world.run(START + 50 * HOUR);
    let (before, start) = (world.tried.len(), world.now);
    for n in 1..=120 {
        let now = world.now;
        world.scheduler.set_network(true, true, now);
        world.run(start + n * 5_000);
    }
    // Ten minutes: at most once in half a minute.
    let more = world.tried.len() - before;
    assert!((10..=22).contains(&more), "{more}");
}

#[test]
fn a_newer_connection_over_the_same_address_goes_on() {
    let mut scheduler = Scheduler::new(11);
    let c = candidate(Kind::Typed, 1);
    assert_eq!(scheduler.begin(c.clone(), START), Begin::Dial);
    scheduler.handle_connected(1, c.key, Some(&c.address), START);
    scheduler.handle_connected(2, c.key, Some(&c.address), START + 1);
    assert_eq!(scheduler.handle_closed(1, "replaced", START + 2), None);
    assert_eq!(scheduler.begin(c.clone(), START + 3), Begin::UnderWay);
    assert!(scheduler.handle_closed(2, "gone", START + 4).is_some());
    assert_eq!(scheduler.begin(c, START + 5), Begin::Dial);
}

#[test]
fn who_comes_and_goes_is_not_called_each_time() {
    let mut world = World::new(12, |_, _| false);
    let c = candidate(Kind::RoomMember, 1);
    for n in 0..600u64 {
        world.offer(c.clone());
        let now = START + n * 2_000;
        world.run(now + 1_000);
        world.scheduler.withdraw(c.kind, &c.address);
        world.run(now + 2_000);
        let listed = world.scheduler.standings(world.now, &|_| false);
        assert!(listed.is_empty(), "{listed:?}");
    }
    // Twenty minutes: as rarely as one that stays.
    let tries = world.tries_of(1).len();
    assert!((2..12).contains(&tries), "{tries}");
    assert!(world.scheduler.last_reason(&c.address).is_some());
    world.run(START + 48 * HOUR);
    assert!(world.scheduler.entries.is_empty(), "and then forgotten");
}

#[test]
fn what_is_withdrawn_makes_room_for_others() {
    let mut scheduler = Scheduler::new(13);
    for n in 0..MAX_CANDIDATES as u16 {
        let c = candidate(Kind::Lan, n);
        scheduler.begin(c.clone(), START);
        scheduler.handle_failed(&c.address, "nobody listens", START);
        scheduler.withdraw(c.kind, &c.address);
    }
    assert_eq!(scheduler.entries.len(), MAX_CANDIDATES);
    scheduler.offer(candidate(Kind::Lan, u16::MAX), None, START);
    assert_eq!(scheduler.entries.len(), 1);
}

#[test]
fn a_room_counts_as_one_whoever_named_it() {
    let mut world = World::new(14, |_, _| true);
    for n in 0..10 {
        world.scheduler.know_room(feed(n));
        world.offer(candidate(Kind::Typed, n));
    }
    world.run(START + 60_000);
    assert_eq!(world.up.len(), Kind::Room.quota());
    let (_, standing) = &world.scheduler.standings(world.now, &|_| false)[0];
    assert_eq!(
        (standing.kind, standing.source.as_str()),
        (Kind::Room, "a test")
    );
    // One that turns out to be a room while it is connected.
    let late = candidate(Kind::Typed, 20);
    assert_eq!(world.scheduler.begin(late.clone(), world.now), Begin::Dial);
    world
        .scheduler
        .handle_connected(500, late.key, Some(&late.address), world.now);
    assert_eq!(world.scheduler.used(Kind::Typed), 1);
    world.scheduler.know_room(late.key);
    assert_eq!(world.scheduler.used(Kind::Typed), 0);
    assert_eq!(world.scheduler.origin(&late.address).unwrap().0, Kind::Room);
    // Heard on the local network it is a neighbour.
    let near = Candidate {
        address: "net:192.168.0.2:8008~shs:20".into(),
        ..candidate(Kind::Lan, 20)
    };
    world.scheduler.offer(near.clone(), None, START);
    assert_eq!(world.scheduler.origin(&near.address).unwrap().0, Kind::Lan);
}

#[test]
fn what_the_last_run_knew_counts_for_an_address_offered_before_it_was_read() {
    let mut world = World::new(15, |_, _| true);
    let c = candidate(Kind::Seeder, 1);
    world.scheduler.offer(c.clone(), None, START);
    let record = Record {
        failures: 5,
        last_try: START - 1_000,
        ..Record::new(START - HOUR)
    };
    world.scheduler.offer(c.clone(), Some(record), START);
    world.run(START + 60_000);
    assert!(world.tried.is_empty(), "still in its pause");
    // Not of one that was called since.
    world.run(START + 24 * HOUR);
    assert_eq!(world.up.len(), 1);
    world.scheduler.offer(c, Some(Record::new(1)), world.now);
    assert!(world.scheduler.entries.values().all(|e| e.record.birth > 1));
}
