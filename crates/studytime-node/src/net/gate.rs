//! Who may call: how many handshakes and connections of others there are at a
//! time, and who makes room when there are too many. No I/O.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Calls at a time whose handshake is not finished. Each holds a socket and a few
/// hundred bytes; whoever calls beyond takes the place of another.
pub(crate) const MAX_HANDSHAKES: usize = 128;
/// Calls at a time that are connections; more are refused until one ends.
pub(crate) const MAX_CONNECTIONS: usize = 256;
/// Of these, strangers: the others are kept for peers that are known.
pub(crate) const MAX_STRANGERS: usize = 192;
/// Strangers from one address. A school behind one router is not one stranger,
/// but nobody alone shall take all places.
pub(crate) const MAX_STRANGERS_PER_ADDRESS: usize = 64;

/// Where a call comes from: an IPv4 address, or the IPv6 net that one subscriber
/// has whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Origin(IpAddr);

impl Origin {
    fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(v6) => {
                let net = u128::from(v6) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(net))
            }
            v4 => v4,
        })
    }
}

/// Why a peer that proved who it is may not stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    #[error("{MAX_CONNECTIONS} others are connected")]
    All,
    #[error("{MAX_STRANGERS} strangers are connected")]
    Strangers,
    #[error("{MAX_STRANGERS_PER_ADDRESS} strangers are connected from its address")]
    Address,
}

#[derive(Debug, Default)]
struct State {
    /// Unfinished handshakes, the oldest first.
    shaking: BTreeMap<u64, (Origin, CancellationToken)>,
    next: u64,
    connected: usize,
    strangers: HashMap<Origin, usize>,
    /// Somebody was put out, and it was said.
    told: bool,
}

impl State {
    /// The oldest handshake of the address that has most of them.
    fn oldest_of_busiest(&self) -> Option<u64> {
        let mut count: HashMap<Origin, usize> = HashMap::new();
        for (origin, _) in self.shaking.values() {
            *count.entry(*origin).or_default() += 1;
        }
        let most = count.values().copied().max()?;
        let busy = |origin: &Origin| count.get(origin) == Some(&most);
        let (number, _) = self.shaking.iter().find(|(_, (o, _))| busy(o))?;
        Some(*number)
    }

    fn strangers(&self) -> usize {
        self.strangers.values().sum()
    }
}

/// The gate of a node, shared by all its listeners.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<State>>);

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody calls. There is always room for one more handshake: who has most of
    /// them under way loses the oldest, so that honest ones, which take a moment,
    /// are not held up by those that take their time.
    pub(crate) fn enter(&self, from: IpAddr) -> Turn {
        let (origin, put_out) = (Origin::of(from), CancellationToken::new());
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.shaking.insert(number, (origin, put_out.clone()));
        if state.shaking.len() > MAX_HANDSHAKES
            && let Some(oldest) = state.oldest_of_busiest()
            && let Some((whose, token)) = state.shaking.remove(&oldest)
        {
            token.cancel();
            if !std::mem::replace(&mut state.told, true) {
                tracing::warn!(
                    "{MAX_HANDSHAKES} calls have not finished their handshake, most of them from {}: the oldest ones from the busiest address are put out",
                    whose.0
                );
            }
        }
        drop(state);
        Turn {
            gate: self.clone(),
            number,
            put_out,
        }
    }

    /// A peer that called has proven who it is: whether it may stay.
    ///
    /// # Errors
    /// [`Full`]: it may not.
    pub(crate) fn admit(&self, from: IpAddr, known: bool) -> Result<Place, Full> {
        let stranger = (!known).then(|| Origin::of(from));
        let mut state = self.lock();
        if state.connected >= MAX_CONNECTIONS {
            return Err(Full::All);
        }
        if let Some(origin) = stranger {
            if state.strangers() >= MAX_STRANGERS {
                return Err(Full::Strangers);
            }
            let here = state.strangers.entry(origin).or_default();
            if *here >= MAX_STRANGERS_PER_ADDRESS {
                return Err(Full::Address);
            }
            *here += 1;
        }
        state.connected += 1;
        drop(state);
        Ok(Place {
            gate: self.clone(),
            stranger,
        })
    }

    /// Handshakes under way, and connections.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.shaking.len(), state.connected)
    }
}

/// A handshake under way; over when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    gate: Gate,
    number: u64,
    put_out: CancellationToken,
}

impl Turn {
    /// Waits until somebody else needs the place.
    pub(crate) async fn put_out(&self) {
        self.put_out.cancelled().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.shaking.remove(&self.number);
        // The next flood is news again.
        state.told &= state.shaking.len() > MAX_HANDSHAKES / 2;
    }
}

/// The place of a connection; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    gate: Gate,
    stranger: Option<Origin>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.connected = state.connected.saturating_sub(1);
        if let Some(origin) = self.stranger
            && let Some(here) = state.strangers.get_mut(&origin)
        {
            *here = here.saturating_sub(1);
            if *here == 0 {
                state.strangers.remove(&origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_out(turn: &Turn) -> bool {
        turn.put_out.is_cancelled()
    }

    #[test]
    fn the_oldest_of_the_busiest_address_makes_room() {
        let gate = Gate::default();
        let honest = gate.enter(ip("192.0.2.1"));
        let slow: Vec<Turn> = (1..MAX_HANDSHAKES)
            .map(|n| gate.enter(ip(if n % 8 == 0 { "192.0.2.3" } else { "192.0.2.2" })))
            .collect();
        assert!(!is_out(&honest) && !slow.iter().any(is_out));
        let late = gate.enter(ip("192.0.2.4"));
        assert!(is_out(&slow[0]) && !is_out(&slow[1]));
        assert!(!is_out(&honest) && !is_out(&late));
        // A thousand more of them only take each other's place.
        let more: Vec<Turn> = (0..1_000).map(|_| gate.enter(ip("192.0.2.2"))).collect();
        assert_eq!(gate.counts().0, MAX_HANDSHAKES);
        assert!(!is_out(&honest) && !is_out(&late));
        assert!(is_out(&more[0]) && !is_out(more.last().unwrap()));
        drop((slow, more, honest, late));
        assert_eq!(gate.counts().0, 0);
    }

    #[test]
    fn one_subscriber_is_one_address() {
        let gate = Gate::default();
        let honest = gate.enter(ip("2001:db8:0:1::1"));
        let many: Vec<Turn> = (0..2 * MAX_HANDSHAKES)
            .map(|n| gate.enter(ip(&format!("2001:db8:0:2::{n:x}"))))
            .collect();
        assert!(!is_out(&honest) && is_out(&many[0]));
        assert_eq!(
            Origin::of(ip("::ffff:192.0.2.1")),
            Origin::of(ip("192.0.2.1"))
        );
    }

    #[test]
    fn strangers_leave_places_for_those_who_are_known() {
        let gate = Gate::default();
        let mut places = Vec::new();
        let mut refused = None;
        'all: for net in 0..=255u8 {
            for _ in 0..=MAX_STRANGERS_PER_ADDRESS {
                match gate.admit(IpAddr::from([192, 0, 2, net]), false) {
                    Ok(place) => places.push(place),
                    Err(Full::Address) => break,
                    Err(full) => {
                        refused = Some(full);
                        break 'all;
                    }
                }
            }
        }
        assert_eq!(
            (places.len(), refused),
            (MAX_STRANGERS, Some(Full::Strangers))
        );
        let from = ip("192.0.2.0");
        let known: Vec<Place> = (0..MAX_CONNECTIONS - MAX_STRANGERS)
            .map(|_| gate.admit(from, true).unwrap())
            .collect();
        assert_eq!(gate.admit(from, true).unwrap_err(), Full::All);
        places.truncate(MAX_STRANGERS - 1);
        assert!(gate.admit(from, true).is_ok());
        drop((places, known));
        assert_eq!(gate.counts().1, 0);
        assert!(gate.lock().strangers.is_empty(), "nothing is kept");
    }
}
