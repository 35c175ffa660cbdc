//! What peers tell each other about feeds: notes, and what is remembered of them.
//!
//! Protocol guide: "Epidemic broadcast trees", the vector clock. A note is one
//! number per feed; its lowest bit says whether messages may be sent now.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use studytime_schema::FeedId;

/// The highest sequence a note can carry: messages number with 32-bit signed
/// integers.
pub const MAX_SEQUENCE: u64 = i32::MAX as u64;

/// What one peer says about one feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Note {
    /// `-1`: this feed is neither given nor taken here.
    Refuse,
    /// The messages up to `sequence` are here.
    Have {
        /// The last sequence held; 0 when nothing is held.
        sequence: u64,
        /// Whether messages after `sequence` should be sent as they come.
        receive: bool,
    },
}

impl Note {
    /// The number that goes over the wire: `-1`, or `sequence << 1` with the
    /// lowest bit set when nothing should be sent.
    pub fn encode(self) -> i64 {
        match self {
            Self::Refuse => -1,
            Self::Have { sequence, receive } => {
                let sequence = sequence.min(MAX_SEQUENCE) as i64;
                sequence << 1 | i64::from(!receive)
            }
        }
    }

    /// Reads a number from the wire. Whatever no feed can have (negative, or
    /// beyond [`MAX_SEQUENCE`]) means [`Note::Refuse`].
    pub fn decode(number: i64) -> Self {
        match u64::try_from(number) {
            Ok(n) if n >> 1 <= MAX_SEQUENCE => Self::Have {
                sequence: n >> 1,
                receive: n & 1 == 0,
            },
            _ => Self::Refuse,
        }
    }

    /// The sequence held; `None` for [`Note::Refuse`].
    pub fn sequence(self) -> Option<u64> {
        match self {
            Self::Refuse => None,
            Self::Have { sequence, .. } => Some(sequence),
        }
    }

    /// Whether messages should be sent as they come.
    pub fn receive(self) -> bool {
        matches!(self, Self::Have { receive: true, .. })
    }
}

/// What a peer last told us about one feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The last sequence it holds; `None` when it refused the feed (`-1`).
    pub sequence: Option<u64>,
    /// When it said so, in milliseconds since 1970 by our clock.
    pub at: u64,
}

/// What a peer has told us in all sessions so far, feed by feed.
///
/// Only a hint: with it, feeds that have not changed are left out of the next
/// session's notes. Losing it costs one long first note.
pub type PeerClock = BTreeMap<FeedId, Heard>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        let have = |sequence, receive| Note::Have { sequence, receive };
        for (number, note) in [
            (-1, Note::Refuse),
            (0, have(0, true)),
            (1, have(0, false)),
            (2, have(1, true)),
            (3, have(1, false)),
            (450, have(225, true)),
            (4_294_967_294, have(2_147_483_647, true)),
        ] {
            assert_eq!(Note::decode(number), note);
            assert_eq!(note.encode(), number);
        }
        assert_eq!(Note::decode(4_294_967_296), Note::Refuse);
        assert_eq!(Note::decode(i64::MIN), Note::Refuse);
    }

    proptest! {
        #[test]
        fn reads_back(sequence in 0..=MAX_SEQUENCE, receive: bool) {
            let note = Note::Have { sequence, receive };
            prop_assert_eq!(Note::decode(note.encode()), note);
        }

        #[test]
        fn decodes_anything(number: i64) {
            let note = Note::decode(number);
            prop_assert!(note.sequence().is_none_or(|s| s <= MAX_SEQUENCE));
        }
    }
}
