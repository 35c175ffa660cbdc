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
//! may wait. Nothing here starts a thread or a runtime.
//!
//! # Example
//!
//! An author publishes, a learner fetches: two machines, two stores, and a loop
//! that does what both put out. A real driver does the same with sockets, and
//! ingests in batches on other threads.
//!
//! ```
//! use bytes::Bytes;
//! use serde_json::json;
//! use studytime_replicate::ebt::{Config, Ebt, IngestOutcome, Output, PeerId, Priority, Role, Want};
//! use studytime_replicate::ingest::{self, Draft, Verifier};
//! use studytime_replicate::{FeedStore, MemoryStore, PeerClock};
//! use studytime_schema::Keypair;
//!
//! struct Node {
//!     ebt: Ebt,
//!     store: MemoryStore,
//! }
//!
//! impl Node {
//!     /// Does what the machine puts out; returns the frames for the other side.
//!     fn drive(&mut self, now: u64) -> Result<Vec<Bytes>, Box<dyn std::error::Error>> {
//!         let mut frames = Vec::new();
//!         while let Some(output) = self.ebt.poll_output() {
//!             match output {
//!                 Output::Send { payload, .. } => {
//!                     frames.push(Bytes::copy_from_slice(payload.as_bytes()));
//!                 }
//!                 Output::Read { peer, feed, from, max_count, max_bytes } => {
//!                     let messages = self.store.read(&feed, from, max_count, max_bytes)?;
//!                     self.ebt.handle_read(peer, &feed, &messages);
//!                 }
//!                 Output::Ingest { peer, feed, sequence, wire } => {
//!                     let message = Verifier::new(None).verify(&feed, &wire)?;
//!                     let report = ingest::append(&self.store, &[message], now)?;
//!                     let tip = report.tips[&feed];
//!                     self.ebt.handle_ingested(peer, &feed, sequence, tip, IngestOutcome::Kept, now);
//!                 }
//!                 _ => {}
//!             }
//!         }
//!         Ok(frames)
//!     }
//! }
//!
//! let (author, learner) = (Keypair::from_seed(&[1; 32]), Keypair::from_seed(&[2; 32]));
//! let now = 1_700_000_000_000;
//! let node = || Node { ebt: Ebt::new(Config::default()), store: MemoryStore::new() };
//! let (mut a, mut b) = (node(), node());
//!
//! let drafts: Vec<Draft> = (0..3).map(|n| Draft::Public(json!({ "type": "post", "n": n }))).collect();
//! ingest::publish(&a.store, &author, &drafts, None, now)?;
//! a.ebt.load(a.store.tips()?.into_iter().map(|(feed, tip)| (feed, tip.sequence)));
//! a.ebt.load_wanted([(author.id(), Want::own())]);
//! b.ebt.load_wanted([(author.id(), Want::fetch(Priority::STARTED))]);
//!
//! // The learner dials the author; the author's notes come first.
//! let (at_a, at_b) = (PeerId::new(learner.id(), 1), PeerId::new(author.id(), 1));
//! a.ebt.connect(at_a, Role::Acceptor, true, PeerClock::new(), now);
//! b.ebt.connect(at_b, Role::Dialer, true, PeerClock::new(), now);
//! a.ebt.handle_open(at_a, now)?;
//! loop {
//!     let (to_b, to_a) = (a.drive(now)?, b.drive(now)?);
//!     if to_b.is_empty() && to_a.is_empty() {
//!         break;
//!     }
//!     for frame in &to_b {
//!         b.ebt.handle_frame(at_b, frame, now)?;
//!     }
//!     for frame in &to_a {
//!         a.ebt.handle_frame(at_a, frame, now)?;
//!     }
//! }
//! assert_eq!(b.store.tip(&author.id())?, a.store.tip(&author.id())?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod clock;
pub mod ebt;
pub mod graph;
pub mod guard;
pub mod history;
pub mod ingest;
pub mod store;
pub mod wire;

pub use clock::{Heard, Note, PeerClock};
pub use ebt::{Ebt, Output, PeerId, Role, Want};
pub use graph::{Edge, Graph};
pub use guard::Guard;
pub use history::{HistoryClient, HistoryServer};
#[cfg(feature = "sqlite")]
pub use store::SqliteStore;
pub use store::{FeedStore, MemoryStore, StoreError, StoredMessage};

/// The example in the README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
