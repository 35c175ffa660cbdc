//! `gossip.ping`: two peers keep a connection alive, and its dead end noticed, by
//! sending their clocks to and fro.
//!
//! They take turns: one serves a number, the other sends one back and serves the
//! next one after a pause. A number that answers is not answered; two peers that
//! answered everything would never come to rest.

use std::time::Duration;
use studytime_muxrpc::StreamId;
use tokio::time::Instant;

/// How long whoever answered waits before it serves.
pub(super) const PAUSE: Duration = Duration::from_secs(300);

/// How long to wait for a peer to serve that should. Some never do.
const PATIENCE: Duration = Duration::from_secs(450);

/// One stream of pings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ping {
    pub(super) id: StreamId,
    /// A number of ours has not been answered.
    serving: bool,
    /// When it is time to serve.
    pub(super) due: Instant,
}

impl Ping {
    /// A stream we opened: we serve first, at once.
    pub(super) fn opened(id: StreamId, now: Instant) -> Self {
        Self {
            id,
            serving: false,
            due: now,
        }
    }

    /// A stream the peer opened: it serves first.
    pub(super) fn called(id: StreamId, now: Instant) -> Self {
        Self {
            id,
            serving: false,
            due: now + PATIENCE,
        }
    }

    /// A number came. Answers whether to send one back.
    pub(super) fn heard(&mut self, now: Instant) -> bool {
        let answered = std::mem::take(&mut self.serving);
        self.due = now + if answered { PATIENCE } else { PAUSE };
        !answered
    }

    /// Answers whether it is time to serve a number.
    pub(super) fn serve(&mut self, now: Instant) -> bool {
        let due = self.due <= now;
        if due {
            self.serving = true;
            self.due = now + PAUSE;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use studytime_muxrpc::{CallKind, Limits, Mux, NO_ARGS};

    fn id() -> StreamId {
        let mut mux = Mux::new(Limits::default());
        mux.call(CallKind::Duplex, &["gossip", "ping"], &NO_ARGS)
            .expect("a fresh connection")
    }

    /// What each side sends within an hour: (who, after how many seconds).
    fn an_hour(mut sides: [Ping; 2], start: Instant, silent: bool) -> Vec<(usize, u64)> {
        let mut sent = Vec::new();
        let mut now = start;
        while now < start + Duration::from_secs(3600) {
            for from in 0..2 {
                let mut from = from;
                if silent && from == 1 {
                    continue;
                }
                let mut sends = sides[from].serve(now);
                while sends {
                    sent.push((from, (now - start).as_secs()));
                    assert!(sent.len() < 100, "they never come to rest: {sent:?}");
                    from = 1 - from;
                    if silent && from == 1 {
                        break;
                    }
                    sends = sides[from].heard(now);
                }
            }
            now += Duration::from_secs(1);
        }
        sent
    }

    #[test]
    fn they_take_turns() {
        let start = Instant::now();
        let sides = [Ping::opened(id(), start), Ping::called(id(), start)];
        let sent = an_hour(sides, start, false);
        assert_eq!(sent[..4], [(0, 0), (1, 0), (1, 300), (0, 300)]);
        assert_eq!(sent.len(), 24, "two numbers every five minutes");
    }

    #[test]
    fn a_peer_that_never_serves_is_served() {
        let start = Instant::now();
        let sides = [Ping::opened(id(), start), Ping::called(id(), start)];
        let sent = an_hour(sides, start, true);
        assert_eq!(sent[..3], [(0, 0), (0, 300), (0, 600)]);

        // It answers, and never serves: there still is traffic every ten minutes.
        let mut ours = Ping::opened(id(), start);
        assert!(ours.serve(start) && !ours.heard(start));
        assert!(!ours.serve(start + PAUSE) && ours.serve(start + PATIENCE));
        assert!(PATIENCE < super::super::INACTIVE);
    }
}
