//! Whom one could connect to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use studytime_schema::FeedId;

/// Why an address is a candidate, the preferred kind first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Heard on the local network.
    Lan,
    /// Typed by the user, an invite redeemed, or in `config.toml`.
    Typed,
    /// A room, to meet others in.
    Room,
    /// Named by a course list as a place that has it whole.
    Seeder,
    /// A community's pub.
    Pub,
    /// Somebody in a room, to be reached through it.
    RoomMember,
    /// Met before, nobody remembers how.
    Known,
}

impl Kind {
    /// Those that have a quota of their own.
    pub(crate) const GROUPS: [Self; 6] = [
        Self::Lan,
        Self::Typed,
        Self::Room,
        Self::Seeder,
        Self::Pub,
        Self::RoomMember,
    ];

    /// Whose quota it counts for.
    pub(crate) fn group(self) -> Self {
        match self {
            Self::Known => Self::Pub,
            other => other,
        }
    }

    /// Connections that the scheduler makes at a time.
    pub(crate) fn quota(self) -> usize {
        match self {
            Self::Lan | Self::Typed | Self::RoomMember => 8,
            Self::Room => 5,
            Self::Seeder | Self::Pub | Self::Known => 4,
        }
    }

    /// Pause after a first failure, in milliseconds.
    pub(super) fn first_pause(self) -> u64 {
        match self {
            Self::Lan => 2_000,
            _ => 4_000,
        }
    }

    /// Longest pause, in milliseconds, before jitter.
    pub(super) fn longest_pause(self) -> u64 {
        const MINUTE: u64 = 60_000;
        match self {
            // Its beacons say that it is there.
            Self::Lan => 5 * MINUTE,
            Self::Typed => 30 * MINUTE,
            Self::Room | Self::Seeder => 60 * MINUTE,
            Self::Pub | Self::RoomMember | Self::Known => 24 * 60 * MINUTE,
        }
    }

    /// Chosen by the user, or known to be there now.
    pub(super) fn is_chosen(self) -> bool {
        matches!(self, Self::Lan | Self::Typed | Self::Room)
    }

    /// As `state.db`, `peer list --json` and the API have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Typed => "typed",
            Self::Room => "room",
            Self::Seeder => "seeder",
            Self::Pub => "pub",
            Self::RoomMember => "room member",
            Self::Known => "known",
        }
    }

    /// The kind of that name; [`Kind::Known`] for any other text.
    pub(crate) fn from_name(name: &str) -> Self {
        let all = Self::GROUPS.into_iter();
        all.clone()
            .find(|k| k.name() == name)
            .unwrap_or(Self::Known)
    }
}

/// One address of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) kind: Kind,
    pub(crate) key: FeedId,
    /// Multiserver text; what it is known by.
    pub(crate) address: String,
    /// Where it comes from, for people: "config.toml", "the local network".
    pub(crate) source: String,
    /// Where to dial it, when the text does not say all (link-local IPv6).
    pub(crate) socket: Option<SocketAddr>,
}

/// What is remembered of an address over restarts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Record {
    /// Failures since it was last reached.
    pub(crate) failures: u32,
    pub(crate) last_try: u64,
    /// 0: never.
    pub(crate) last_ok: u64,
    /// When it was first heard of.
    pub(crate) birth: u64,
    /// How the last attempt or connection ended.
    pub(crate) reason: Option<String>,
}

impl Record {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            birth: now,
            ..Self::default()
        }
    }
}

/// How an address stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    Dialling {
        kind: Kind,
    },
    Up {
        /// By which it counts, even when that offer was taken back.
        kind: Kind,
    },
}

/// An address with its state.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: FeedId,
    /// Each kind it is offered as, with its source.
    pub(super) offers: BTreeMap<Kind, String>,
    pub(super) socket: Option<SocketAddr>,
    pub(super) needs_network: bool,
    /// The peer is a room, however its address came here.
    pub(super) is_room: bool,
    pub(super) record: Record,
    /// Connections in a row that ended at once.
    pub(super) flaps: u32,
    pub(super) phase: Phase,
    /// Of the last change of phase.
    pub(super) since: u64,
    pub(super) due: u64,
}

impl Entry {
    pub(super) fn new(candidate: &Candidate, record: Record, due: u64) -> Self {
        Self {
            key: candidate.key,
            offers: BTreeMap::from([(candidate.kind, candidate.source.clone())]),
            socket: candidate.socket,
            needs_network: needs_network(candidate),
            is_room: false,
            flaps: record.failures,
            phase: Phase::Idle,
            since: record.last_try,
            record,
            due,
        }
    }

    pub(super) fn offer(&mut self, candidate: Candidate) {
        self.socket = candidate.socket.or(self.socket);
        self.offers.insert(candidate.kind, candidate.source);
    }

    /// The best of the kinds it is offered as.
    pub(super) fn kind(&self) -> Kind {
        let best = self.offers.keys().next().copied();
        self.counted_as(best.unwrap_or(Kind::Known))
    }

    /// A room has a quota and pauses of its own, whoever named it; only one that
    /// was heard on the local network is as near as anybody else there.
    fn counted_as(&self, kind: Kind) -> Kind {
        match kind {
            Kind::Lan | Kind::RoomMember => kind,
            _ if self.is_room => Kind::Room,
            _ => kind,
        }
    }

    /// It turned out to be a room, or was known to be one.
    pub(super) fn set_room(&mut self) {
        self.is_room = true;
        let counted = |kind| self.counted_as(kind);
        self.phase = match self.phase {
            Phase::Idle => Phase::Idle,
            Phase::Dialling { kind } => Phase::Dialling {
                kind: counted(kind),
            },
            Phase::Up { kind } => Phase::Up {
                kind: counted(kind),
            },
        };
    }

    /// Where the address comes from, for people.
    pub(super) fn source(&self) -> String {
        let kind = self.active_kind();
        let source = self.offers.get(&kind).or(self.offers.values().next());
        source.cloned().unwrap_or_default()
    }

    /// Nobody offers it any more, and nothing goes on.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.offers.is_empty() && self.phase == Phase::Idle
    }

    /// The kind that its connection counts for; when there is none, the best.
    pub(super) fn active_kind(&self) -> Kind {
        match self.phase {
            Phase::Dialling { kind } | Phase::Up { kind } => kind,
            Phase::Idle => self.kind(),
        }
    }

    pub(super) fn is_dialling(&self) -> bool {
        matches!(self.phase, Phase::Dialling { .. })
    }

    pub(super) fn counts_for(&self, group: Kind) -> bool {
        self.phase != Phase::Idle && self.active_kind().group() == group
    }

    pub(super) fn dial(&mut self, kind: Kind, now: u64) {
        self.phase = Phase::Dialling {
            kind: self.counted_as(kind),
        };
        self.since = now;
        self.record.last_try = now;
    }

    pub(super) fn candidate(&self, address: &str) -> Candidate {
        Candidate {
            kind: self.active_kind(),
            key: self.key,
            address: address.to_owned(),
            source: self.source(),
            socket: self.socket,
        }
    }
}

/// Not for what is on this machine, nor for what a room that is connected passes on.
fn needs_network(candidate: &Candidate) -> bool {
    let text = candidate.address.as_str();
    let local = [
        "net:127.",
        "net:localhost:",
        "net:::1:",
        "net:[::1]:",
        "unix:",
    ];
    candidate.kind != Kind::RoomMember && !local.iter().any(|start| text.starts_with(start))
}
