/// What a peer may make us hold, per connection.
///
/// muxrpc has no windows: a peer can send as much as it likes. These limits are where we stop
/// taking it. Start from [`Limits::default`] and change what is needed:
///
/// ```
/// use studytime_muxrpc::Limits;
/// let limits = Limits::default().with_json_body(1 << 20).with_peer_streams(64);
/// assert_eq!(limits.json_body(), 1 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    json_body: usize,
    binary_body: usize,
    own_streams: usize,
    peer_streams: usize,
    stream_queue: usize,
    total_queue: usize,
    unpolled: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Notes frames of other peers grow by some 60 bytes a feed: 600 kB for 10,000 feeds.
            json_body: 8 << 20,
            // No peer is known to send more than 100 kB at once, but a whole blob in one frame is
            // conceivable.
            binary_body: 8 << 20,
            own_streams: 4096,
            // Older JavaScript peers open one history stream for every feed they want, and leave it
            // open.
            peer_streams: 4096,
            stream_queue: 512 << 10,
            total_queue: 4 << 20,
            unpolled: 4 << 20,
        }
    }
}

macro_rules! limit {
    ($(#[$doc:meta])* $name:ident, $with:ident) => {
        $(#[$doc])*
        pub fn $name(&self) -> usize {
            self.$name
        }

        #[doc = concat!("Sets [`", stringify!($name), "`](Self::", stringify!($name), "). Zero is taken as one.")]
        #[must_use]
        pub fn $with(mut self, value: usize) -> Self {
            self.$name = value.max(1);
            self
        }
    };
}

impl Limits {
    limit!(
        /// Longest JSON or text body, in bytes, received or sent. A longer one that is received
        /// ends the connection. Default 8 MiB.
        json_body,
        with_json_body
    );
    limit!(
        /// Longest binary body in one packet, in bytes. A longer one that is received ends the
        /// connection. Long binary packets of a stream are handed on in pieces of 64 KiB, so this
        /// much is never held at once. Default 8 MiB.
        binary_body,
        with_binary_body
    );
    limit!(
        /// Calls of ours that may be open at a time. Default 4096.
        own_streams,
        with_own_streams
    );
    limit!(
        /// Calls of the peer that may be open at a time; more are answered with an error. Default
        /// 4096.
        peer_streams,
        with_peer_streams
    );
    limit!(
        /// Bytes queued for sending on one stream before `send` says
        /// [`Full`](crate::SendError::Full). The body that reaches the limit is still taken.
        /// Default 512 KiB.
        stream_queue,
        with_stream_queue
    );
    limit!(
        /// Bytes queued for sending on all streams together. Half of it is for binary bodies and
        /// half for the others, so that neither can shut the other out. Default 4 MiB.
        total_queue,
        with_total_queue
    );
    limit!(
        /// Bytes received and not yet polled, bodies of paused streams included, above which
        /// [`wants_bytes`](crate::Mux::wants_bytes) is false. Every event counts 128 bytes on top
        /// of its body. Default 4 MiB.
        unpolled,
        with_unpolled
    );
}
