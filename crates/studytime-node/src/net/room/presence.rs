//! Who is in a room, from what the room says. No I/O.

use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeSet;
use studytime_schema::FeedId;

/// Attendants kept of one room; of a fuller one the others are not shown.
pub(crate) const MAX_ATTENDANTS: usize = 5_000;
/// Longest frame that is read: some fifteen thousand ids.
const MAX_FRAME: usize = 1 << 20;
/// Longest name of a room that is shown.
const MAX_NAME: usize = 80;

/// The feeds that can be reached through a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Presence {
    ids: BTreeSet<FeedId>,
}

/// Why a frame says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PresenceError {
    #[error("a list of attendants of {0} bytes (at most {MAX_FRAME})")]
    TooLong(usize),
    #[error("a list of attendants in a form nobody uses")]
    Form,
}

impl Presence {
    /// Everybody known to be there.
    pub(crate) fn ids(&self) -> impl ExactSizeIterator<Item = FeedId> + '_ {
        self.ids.iter().copied()
    }

    /// Takes a frame of `room.attendants`: the state, or who came and went.
    ///
    /// # Errors
    /// [`PresenceError`]; nothing has changed then.
    pub(crate) fn attendants(&mut self, frame: &[u8]) -> Result<(), PresenceError> {
        #[derive(Deserialize)]
        struct Frame<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
            #[serde(borrow, default)]
            ids: Vec<Cow<'a, str>>,
            #[serde(borrow, default)]
            id: Option<Cow<'a, str>>,
        }
        let frame: Frame<'_> = read(frame)?;
        let one = || frame.id.as_deref().and_then(feed);
        match frame.kind.as_ref() {
            "state" => self.replace(&frame.ids),
            "joined" => {
                if let Some(id) = one() {
                    self.add(id);
                }
            }
            // May come twice, and for somebody who was never here.
            "left" => {
                if let Some(id) = one() {
                    self.ids.remove(&id);
                }
            }
            // A newer room may tell more.
            _ => {}
        }
        Ok(())
    }

    /// Takes a frame of the older `tunnel.endpoints`: the whole list each time.
    ///
    /// # Errors
    /// [`PresenceError`]; nothing has changed then.
    pub(crate) fn endpoints(&mut self, frame: &[u8]) -> Result<(), PresenceError> {
        let ids: Vec<Cow<'_, str>> = read(frame)?;
        self.replace(&ids);
        Ok(())
    }

    fn replace(&mut self, ids: &[Cow<'_, str>]) {
        self.ids.clear();
        for id in ids {
            if let Some(id) = feed(id) {
                self.add(id);
            }
        }
    }

    fn add(&mut self, id: FeedId) {
        if self.ids.len() < MAX_ATTENDANTS {
            self.ids.insert(id);
        }
    }
}

fn read<'a, T: Deserialize<'a>>(frame: &'a [u8]) -> Result<T, PresenceError> {
    if frame.len() > MAX_FRAME {
        return Err(PresenceError::TooLong(frame.len()));
    }
    serde_json::from_slice(frame).map_err(|_| PresenceError::Form)
}

fn feed(text: &str) -> Option<FeedId> {
    FeedId::parse_lenient(text).ok()
}

/// The name in the answer to `room.metadata`; `None` when that is no room's answer.
pub(crate) fn metadata(body: &[u8]) -> Option<Option<String>> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let fields = value.as_object()?;
    Some(fields.get("name").and_then(|n| n.as_str()).and_then(name))
}

/// Whether the answer to `tunnel.isRoom` is a room's: `true`, or an object.
pub(crate) fn is_room(body: &[u8]) -> Option<Option<String>> {
    match serde_json::from_slice(body) {
        Ok(serde_json::Value::Bool(true)) => Some(None),
        Ok(serde_json::Value::Object(fields)) => {
            Some(fields.get("name").and_then(|n| n.as_str()).and_then(name))
        }
        _ => None,
    }
}

/// A room's name, fit to be shown.
fn name(text: &str) -> Option<String> {
    let shown: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_NAME)
        .collect();
    let shown = shown.trim();
    (!shown.is_empty()).then(|| shown.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn id(n: u32) -> FeedId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        FeedId::from_bytes(bytes)
    }

    fn tell(presence: &mut Presence, frame: &Value) {
        presence.attendants(frame.to_string().as_bytes()).unwrap();
    }

    #[test]
    fn people_come_and_go() {
        let mut here = Presence::default();
        tell(
            &mut here,
            &json!({"type": "state", "ids": [id(1), id(2), "rubbish", id(2)]}),
        );
        assert_eq!(here.ids().collect::<Vec<_>>(), [id(1), id(2)]);
        tell(&mut here, &json!({"type": "joined", "id": id(3)}));
        tell(&mut here, &json!({"type": "left", "id": id(1)}));
        tell(&mut here, &json!({"type": "left", "id": id(1)}));
        tell(&mut here, &json!({"type": "party", "id": id(9)}));
        tell(&mut here, &json!({"type": "joined"}));
        assert_eq!(here.ids().collect::<Vec<_>>(), [id(2), id(3)]);
        tell(&mut here, &json!({"type": "state", "ids": []}));
        assert_eq!(here.ids().len(), 0);
    }

    #[test]
    fn an_older_room_sends_the_whole_list() {
        let mut here = Presence::default();
        here.endpoints(json!([id(1), id(2)]).to_string().as_bytes())
            .unwrap();
        here.endpoints(json!([id(2)]).to_string().as_bytes())
            .unwrap();
        assert_eq!(here.ids().collect::<Vec<_>>(), [id(2)]);
    }

    #[test]
    fn a_wrong_frame_changes_nothing_and_a_full_house_is_full() {
        let mut here = Presence::default();
        tell(&mut here, &json!({"type": "state", "ids": [id(1)]}));
        let before = here.clone();
        for frame in [
            "",
            "7",
            "null",
            "[]",
            "{\"type\":7}",
            "{\"type\":\"state\",\"ids\":7}",
            "{\"ids\":[]}",
        ] {
            assert_eq!(
                here.attendants(frame.as_bytes()),
                Err(PresenceError::Form),
                "{frame}"
            );
        }
        for frame in ["", "{}", "[7]", "true"] {
            assert_eq!(
                here.endpoints(frame.as_bytes()),
                Err(PresenceError::Form),
                "{frame}"
            );
        }
        let long = vec![b' '; MAX_FRAME + 1];
        assert_eq!(
            here.attendants(&long),
            Err(PresenceError::TooLong(long.len()))
        );
        assert_eq!(here, before);
        let all: Vec<FeedId> = (0..6000).map(id).collect();
        tell(&mut here, &json!({"type": "state", "ids": all}));
        assert_eq!(here.ids().len(), MAX_ATTENDANTS);
        tell(&mut here, &json!({"type": "joined", "id": id(7000)}));
        assert_eq!(here.ids().len(), MAX_ATTENDANTS);
    }

    #[test]
    fn a_room_is_told_by_its_answers() {
        let meta = json!({"name": " Moss\u{7}land ", "membership": true, "features": ["tunnel"]});
        assert_eq!(
            metadata(meta.to_string().as_bytes()),
            Some(Some("Mossland".into()))
        );
        assert_eq!(metadata(b"{}"), Some(None));
        for body in ["true", "[]", "null", ""] {
            assert_eq!(metadata(body.as_bytes()), None, "{body}");
        }
        assert_eq!(is_room(b"true"), Some(None));
        assert_eq!(is_room(br#"{"name":"x"}"#), Some(Some("x".into())));
        for body in ["false", "null", "1", "[]", "\"yes\""] {
            assert_eq!(is_room(body.as_bytes()), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(frame in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut here = Presence::default();
            let _ = (here.attendants(&frame), here.endpoints(&frame), metadata(&frame), is_room(&frame));
        }
    }
}
