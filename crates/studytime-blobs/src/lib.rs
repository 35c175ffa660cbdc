//! Scuttlebutt blobs: kept, wanted, exchanged, streamed and mirrored.
//!
//! Blobs are pictures, papers and the segments of videos: up to 5 MiB of bytes
//! named by their hash. This crate holds all of it but the sockets:
//!
//! | module | is |
//! |---|---|
//! | [`store`] | where blobs are kept: a blocking trait, in memory or as files |
//! | [`wants`] | which blobs are wanted, who has them, who is asked for which |
//! | [`transfer`] | one blob moving, on either side |
//! | [`wire`] | the arguments and frames of the `blobs.*` calls |
//! | [`media`] | playing a file that is still arriving |
//! | [`range`] | HTTP byte ranges |
//! | [`progress`] | how far it is |
//! | [`quota`] | what to delete when room is short |
//! | [`pace`] | a limit on bytes in a second |
//! | [`mirror`] | other places to fetch from |
//!
//! No runtime, no socket and no clock: protocols are plain structs that are fed
//! events and milliseconds since 1970, and say what is to be done; stores
//! block. So it can be embedded in any Scuttlebutt client, whatever carries its
//! calls, and be tested in virtual time.
//!
//! It keeps to the [protocol guide](https://ssbc.github.io/scuttlebutt-protocol-guide/#blobs)
//! and to what its implementations do in practice.
//!
//! # Example
//!
//! One node has a blob, another one wants it. The calls that would travel
//! over the network are made by hand.
//!
//! ```
//! use studytime_blobs::store::{BlobStore, Durability, MemoryStore};
//! use studytime_blobs::transfer::{Download, Start, Upload};
//! use studytime_blobs::wants::{
//!     Output, OwnerId, PeerId, PeerKind, Priority, WantSpec, Wants, WantsConfig,
//! };
//! use studytime_schema::FeedId;
//!
//! let (author_store, learner_store) = (MemoryStore::new(), MemoryStore::new());
//! let (mut author, mut learner) = (
//!     Wants::new(WantsConfig::default()),
//!     Wants::new(WantsConfig::default()),
//! );
//! let blob = author_store.add(b"lecture notes", Durability::Synced, 0)?.id;
//!
//! // Each is connected to the other and has called `createWants`.
//! let peer = |n| PeerId { feed: FeedId::from_bytes([n; 32]), connection: 1 };
//! let (author_id, learner_id) = (peer(1), peer(2));
//! author.connect(learner_id, PeerKind::StudyTime, 0);
//! author.opened(learner_id, 0);
//! learner.connect(author_id, PeerKind::StudyTime, 0);
//! learner.opened(author_id, 0);
//!
//! learner.want(OwnerId(1), blob, WantSpec::whole(Priority::Opened, 0), 0);
//!
//! let mut now = 0;
//! while learner_store.size(&blob)?.is_none() {
//!     now += 1;
//!     while let Some(output) = learner.poll_output(now) {
//!         match output {
//!             Output::SendWants { frame, .. } => author.handle_frame(learner_id, &frame, now),
//!             Output::Fetch { peer, blob, max, resume } => {
//!                 let start = Download::start(&learner_store, &blob, max, resume, now)?;
//!                 let Start::Call(mut download, call) = start else { continue };
//!                 // `blobs.get` on the author's side, piece by piece.
//!                 let mut upload = Upload::start(&author_store, &call)?;
//!                 while let Some(piece) = upload.next_chunk()? {
//!                     download.chunk(&piece)?;
//!                     learner.handle_bytes(peer, &blob, piece.len() as u64, now);
//!                 }
//!                 let added = download.finish()?; // the hash was right
//!                 learner.handle_stored(added.id, added.size, Some(peer), now);
//!             }
//!             other => println!("{other:?}"),
//!         }
//!     }
//!     while let Some(output) = author.poll_output(now) {
//!         match output {
//!             Output::SendWants { frame, .. } => learner.handle_frame(author_id, &frame, now),
//!             Output::NeedHave { blobs } => {
//!                 let sizes: Result<Vec<_>, _> = blobs
//!                     .iter()
//!                     .map(|id| author_store.size(id).map(|size| (*id, size)))
//!                     .collect();
//!                 author.handle_have(&sizes?, now);
//!             }
//!             other => println!("{other:?}"),
//!         }
//!     }
//! }
//! assert_eq!(learner_store.read(&blob)?.unwrap(), b"lecture notes");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod media;
pub mod mirror;
pub mod pace;
pub mod progress;
pub mod quota;
pub mod range;
pub mod store;
pub mod transfer;
pub mod wants;
pub mod wire;

/// The example of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
