use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use studytime_schema::{BlobId, FeedId};

/// What the index must know besides messages. None of it is kept in the index:
/// hand it over at [`open`](crate::Index::open) and again, by
/// [`set_facts`](crate::Index::set_facts), when it changes.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The user's own feeds: only these tell what the user is learning.
    pub own: Vec<FeedId>,
    /// The course lists the user added, in the user's order. No other feed acts
    /// as a list.
    pub lists: Vec<FeedId>,
    /// Courses to show though no list names them: opened by a link, pinned.
    /// Started courses and own ones need not stand here.
    pub opened: Vec<FeedId>,
    /// Who is within reach in the follow graph. Whoever is absent does not
    /// count for popularity.
    pub reach: HashMap<FeedId, Reach>,
    /// What is on this device.
    pub bytes_here: BytesHere,
}

/// How far a feed is from the user in the follow graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Follows from the user to it: 1 for a friend, 2 for a friend's friend.
    pub hops: u8,
    /// The last feed before this one that every shortest path from the user goes
    /// through: whoever is behind it may be its invention. `None` when there is
    /// none, as for a friend, or for whom two friends know.
    pub only_through: Option<FeedId>,
}

/// A look-up of what is on this device: bytes of the whole thing that are here
/// for a link, which is a plain blob or (`true`) a manifest of segments.
///
/// It is called while courses are counted, so it should answer from memory.
/// The default knows of nothing.
#[derive(Clone)]
pub struct BytesHere(Arc<Lookup>);

type Lookup = dyn Fn(&BlobId, bool) -> Presence + Send + Sync;

/// How much of a blob, or of what a manifest names, is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Presence {
    /// Bytes that are here.
    pub bytes: u64,
    /// Whether that is all of it.
    pub complete: bool,
}

impl BytesHere {
    /// Wraps a look-up.
    pub fn new(lookup: impl Fn(&BlobId, bool) -> Presence + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// What is here of `blob`; `manifest` says that it names segments.
    pub fn get(&self, blob: &BlobId, manifest: bool) -> Presence {
        (self.0)(blob, manifest)
    }
}

impl Default for BytesHere {
    fn default() -> Self {
        Self::new(|_, _| Presence::default())
    }
}

impl fmt::Debug for BytesHere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BytesHere(..)")
    }
}
