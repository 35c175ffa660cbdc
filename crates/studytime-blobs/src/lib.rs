//! Scuttlebutt blobs: kept, wanted, exchanged, streamed and mirrored.
pub mod media;
pub mod mirror;
pub mod progress;
pub mod quota;
pub mod range;
pub mod store;
pub mod transfer;
pub mod wants;
pub mod wire;
