//! Scuttlebutt feeds: verified, kept, wanted and exchanged.
//!
//! - [`ingest`] turns bytes from a peer into verified messages and appends them;
//!   it also publishes own ones.
//! - [`FeedStore`] keeps feeds: [`SqliteStore`] on disk, [`MemoryStore`] for tests.
//! - [`Graph`] knows who follows and blocks whom.
//! - [`Ebt`] exchanges feeds with all peers at once; [`HistoryServer`] and
//!   [`HistoryClient`] speak the older `createHistoryStream`.
//! - [`wire`] reads and writes the arguments and frames of these calls.
//!
//! The protocols are sans-io: plain structs that take what happened
//! (`handle_…`), what the application wants (commands), and give what to do next
//! (`poll_…`). Time is passed in, in milliseconds since 1970; there is no socket,
//! no disk and no randomness inside. Stores block; call them from threads that
//! may wait.

pub mod clock;
pub mod ebt;
pub mod graph;
pub mod history;
pub mod ingest;
pub mod store;
pub mod wire;

pub use clock::{Heard, Note, PeerClock};
pub use ebt::{Ebt, Output, PeerId, Role, Want};
pub use graph::{Edge, Graph};
pub use history::{HistoryClient, HistoryServer};
pub use store::{FeedStore, MemoryStore, SqliteStore, StoreError, StoredMessage};
