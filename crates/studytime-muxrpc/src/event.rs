use crate::body::Body;
use crate::call::Call;
use crate::error::End;
use crate::stream::StreamId;

/// What happened on a connection; from [`Mux::poll_event`](crate::Mux::poll_event).
///
/// For one stream the order is that of the wire: `Call` first (if the peer opened it), then `Data`,
/// at the end one `Ended` or, for an async call of ours that succeeded, one `Reply`. All of them
/// are delivered; `Writable` may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The peer calls. Answer an async call with [`reply`](crate::Mux::reply), a stream with
    /// [`send`](crate::Mux::send) and [`end`](crate::Mux::end); any of them with
    /// [`fail`](crate::Mux::fail) or [`refuse`](crate::Mux::refuse).
    Call {
        /// The stream the call opened.
        id: StreamId,
        /// Method, kind and arguments.
        call: Call,
    },
    /// The answer to an async call of ours, which is over with that.
    Reply {
        /// Our call.
        id: StreamId,
        /// The answer.
        body: Body,
    },
    /// A piece of a stream. Never empty.
    Data {
        /// The stream.
        id: StreamId,
        /// One packet, or 64 KiB of a longer binary one.
        body: Body,
    },
    /// The peer sends no more on this stream, or the async call of ours failed, or the connection
    /// has ended under it. Comes exactly once for every stream, also for one this side ended first,
    /// but not for an async call of ours that was given up with [`end`](crate::Mux::end). For an
    /// async call of the peer it comes only if the connection ends before the answer.
    ///
    /// This side's end is sent at once and without doing, except after a clean end of a duplex
    /// stream or of a sink that we serve: these stay open in our direction until
    /// [`end`](crate::Mux::end) or [`fail`](crate::Mux::fail).
    Ended {
        /// The stream.
        id: StreamId,
        /// In which way.
        end: End,
    },
    /// [`send`](crate::Mux::send) on this stream is worth another try, after it said `Full` or
    /// [`writable`](crate::Mux::writable) said no.
    Writable {
        /// The stream.
        id: StreamId,
    },
    /// The peer said goodbye, and so have we as soon as all is transmitted. Nothing comes after it
    /// but what paused streams still hold.
    Goodbye,
}
