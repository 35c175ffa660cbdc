//! Peers that were met or typed, in `state.db`.

use super::state::{State, StateError};
use crate::net::{Kind, Record};
use rusqlite::params;
use std::collections::BTreeSet;
use studytime_schema::FeedId;

/// A peer that was met or typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownPeer {
    pub(crate) address: String,
    pub(crate) key: FeedId,
    /// Chosen by the user.
    pub(crate) keep: bool,
    pub(crate) kind: Kind,
    /// Where the address comes from, for people.
    pub(crate) source: String,
    pub(crate) record: Record,
}

impl KnownPeer {
    /// One that was met without having been chosen.
    pub(crate) fn new(
        address: &str,
        key: FeedId,
        kind: Kind,
        source: String,
        record: Record,
    ) -> Self {
        Self {
            address: address.to_owned(),
            key,
            keep: false,
            kind,
            source,
            record,
        }
    }
}

/// Peers that are remembered, but for those the user chose.
const MAX_PEERS: u32 = 1_000;

impl State {
    /// Peers whose address the user gave.
    pub(crate) fn chosen_peers(&self) -> Result<BTreeSet<FeedId>, StateError> {
        let chosen = self.feeds_of("SELECT DISTINCT key FROM peer WHERE keep LIMIT 2000")?;
        Ok(chosen.into_iter().collect())
    }

    pub(crate) fn peers(&self) -> Result<Vec<KnownPeer>, StateError> {
        let db = self.db();
        let mut q = db.prepare_cached(
            "SELECT address, key, keep, kind, source, failures, last_try, last_ok, birth, reason
             FROM peer ORDER BY keep DESC, last_ok DESC LIMIT 2000",
        )?;
        let rows = q.query_map([], |r| {
            Ok(KnownPeer {
                address: r.get(0)?,
                key: FeedId::from_bytes(r.get(1)?),
                keep: r.get(2)?,
                kind: Kind::from_name(&r.get::<_, String>(3)?),
                source: r.get(4)?,
                record: Record {
                    failures: r.get(5)?,
                    last_try: r.get(6)?,
                    last_ok: r.get(7)?,
                    birth: r.get(8)?,
                    reason: r.get(9)?,
                },
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Remembers a peer by its address; one already known keeps its history.
    pub(crate) fn know_peer(
        &self,
        address: &str,
        key: &FeedId,
        keep: bool,
    ) -> Result<(), StateError> {
        self.db().execute(
            "INSERT INTO peer(address, key, keep, birth) VALUES(?1, ?2, ?3, ?4)
             ON CONFLICT(address) DO UPDATE SET key = ?2, keep = max(keep, ?3)",
            params![address, key.as_bytes(), keep, crate::clock::now_ms()],
        )?;
        Ok(())
    }

    /// Remembers a peer that was reached, and forgets those least lately met
    /// when there are too many.
    pub(crate) fn met_peer(&self, peer: &KnownPeer) -> Result<(), StateError> {
        let mut db = self.db();
        let tx = db.transaction()?;
        let record = &peer.record;
        tx.execute(
            "INSERT INTO peer(address, key, keep, kind, source, failures, last_try, last_ok, birth, reason)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT(address) DO UPDATE SET
             key = ?2, kind = ?4, source = ?5, failures = ?6, last_try = ?7, last_ok = ?8, reason = ?10",
            params![
                peer.address,
                peer.key.as_bytes(),
                peer.keep,
                peer.kind.name(),
                peer.source,
                record.failures,
                record.last_try,
                record.last_ok,
                record.birth,
                record.reason
            ],
        )?;
        tx.execute(
            "DELETE FROM peer WHERE keep = 0 AND address NOT IN
             (SELECT address FROM peer WHERE keep = 0 ORDER BY last_ok DESC LIMIT ?1)",
            [MAX_PEERS],
        )?;
        tx.commit()?;
        Ok(())
    }

    /// Notes how a dial or a connection ended; an address that is not
    /// remembered stays so.
    pub(crate) fn save_record(&self, address: &str, record: &Record) -> Result<(), StateError> {
        self.db().execute(
            "UPDATE peer SET failures = ?2, last_try = ?3, last_ok = ?4, reason = ?5 WHERE address = ?1",
            params![
                address,
                record.failures,
                record.last_try,
                record.last_ok,
                record.reason
            ],
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_met_are_bounded_and_chosen_ones_stay() {
        let tmp = tempfile::tempdir().unwrap();
        let s = State::open(&tmp.path().join("state.db")).unwrap();
        s.db().pragma_update(None, "synchronous", "OFF").unwrap();
        s.know_peer("net:chosen", &FeedId::from_bytes([1; 32]), true)
            .unwrap();
        for n in 0..u64::from(MAX_PEERS) + 5 {
            let record = Record {
                last_ok: n + 1,
                ..Record::new(n)
            };
            let address = format!("net:{n}");
            let peer = KnownPeer::new(
                &address,
                FeedId::from_bytes([2; 32]),
                Kind::Lan,
                "the local network".into(),
                record,
            );
            s.met_peer(&peer).unwrap();
        }
        let all = s.peers().unwrap();
        assert_eq!(all.len(), MAX_PEERS as usize + 1);
        assert_eq!(all[0].address, "net:chosen");
        assert!(!all.iter().any(|p| p.address == "net:0"));
        assert_eq!(all[1].kind, Kind::Lan);
    }
}
