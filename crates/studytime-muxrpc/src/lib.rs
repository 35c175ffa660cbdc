//! muxrpc, the remote procedure calls of Secure Scuttlebutt, as a state machine without I/O.
//!
//! Peers on the Scuttlebutt network call each other's methods over one encrypted connection, both
//! ways at the same time. A call has one answer (`async`) or opens a stream (`source`, `sink`,
//! `duplex`). [`Mux`] is one side of such a connection: bytes in, events and bytes out. It knows
//! nothing of sockets, clocks or tasks, so it can be driven by any runtime, by a test in virtual
//! time, or by a fuzzer.
//!
//! Use it to speak with other Scuttlebutt peers, over a box stream or anything else that carries
//! bytes in order. It does not encrypt, does not know what any method means, and does not set time
//! limits: the driver does that.
//!
//! # What it takes care of
//!
//! - Every stream is ended by both sides, errors have the one form all known peers can read, and
//!   unsupported methods are refused with the text they look for ([`Mux::refuse`],
//!   [`RemoteError::is_unsupported`]).
//! - No packet with an empty body is ever sent: other peers take it for a goodbye.
//! - Nothing is allocated on a peer's word; what a peer can make us hold is bounded by [`Limits`].
//! - Back-pressure both ways: [`Mux::wants_bytes`] and [`Mux::pause`] for what comes,
//!   [`Mux::writable`] and [`Event::Writable`] for what goes.
//! - A big blob does not hold up small messages, nor the other way round.
//!
//! # Example
//!
//! Two peers; one asks the other to count, and takes what comes until it has heard enough.
//!
//! ```
//! use studytime_muxrpc::{Body, CallKind, End, Event, Limits, Mux};
//!
//! /// Moves bytes both ways until there are none, as two sockets would.
//! fn exchange(a: &mut Mux, b: &mut Mux) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut wire = Vec::new();
//!     while a.has_transmit() || b.has_transmit() {
//!         a.poll_transmit(&mut wire, 64 << 10);
//!         b.handle_bytes(&std::mem::take(&mut wire))?;
//!         b.poll_transmit(&mut wire, 64 << 10);
//!         a.handle_bytes(&std::mem::take(&mut wire))?;
//!     }
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut alice = Mux::new(Limits::default());
//! let mut bob = Mux::new(Limits::default());
//!
//! let counting = alice.call(CallKind::Source, &["count", "up"], &[10])?;
//! exchange(&mut alice, &mut bob)?;
//!
//! // Bob answers. For a method he does not have he would say `bob.refuse(id)`.
//! let Some(Event::Call { id, call }) = bob.poll_event() else { panic!("no call") };
//! assert_eq!((call.kind(), call.method()), (CallKind::Source, "count.up"));
//! let from: u32 = call.first_arg()?.unwrap_or_default();
//! for number in from..from + 2 {
//!     bob.send(id, Body::json(&number)?)?;
//! }
//! exchange(&mut alice, &mut bob)?;
//!
//! let Some(Event::Data { body, .. }) = alice.poll_event() else { panic!("no data") };
//! assert_eq!(body.parse::<u32>()?, 10);
//! alice.end(counting); // enough: what else was sent is dropped
//! exchange(&mut alice, &mut bob)?;
//! assert_eq!(bob.poll_event(), Some(Event::Ended { id, end: End::Done }));
//! assert_eq!(alice.poll_event(), Some(Event::Ended { id: counting, end: End::Done }));
//!
//! alice.goodbye();
//! exchange(&mut alice, &mut bob)?;
//! assert!(alice.is_finished() && bob.is_finished());
//! # Ok(())
//! # }
//! ```

mod body;
mod call;
mod error;
mod event;
mod incoming;
mod limits;
mod mux;
mod numbers;
mod outgoing;
mod packet;
mod stream;

pub use body::{Body, BodyType};
pub use call::{Call, CallKind};
pub use error::{CallError, End, MuxError, RemoteError, SendError};
pub use event::Event;
pub use limits::Limits;
pub use mux::Mux;
pub use stream::StreamId;

/// The arguments of a call that has none, for [`Mux::call`].
pub const NO_ARGS: [(); 0] = [];

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
