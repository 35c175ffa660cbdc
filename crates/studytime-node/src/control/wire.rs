//! A muxrpc connection as a sequence of events.

use std::io;
use studytime_muxrpc::{Event, Limits, Mux};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes moved at a time.
const CHUNK: usize = 64 * 1024;

/// Any stream the control connection runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A muxrpc connection over a stream.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    pub(super) mux: Mux,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: impl Stream + 'static) -> Self {
        // The other end is the same user's: replies may be long, a whole list
        // of courses among them.
        let limits = Limits::default()
            .with_json_body(64 << 20)
            .with_stream_queue(64 << 20)
            .with_total_queue(256 << 20);
        Self {
            stream: Box::new(stream),
            mux: Mux::new(limits),
            incoming: Vec::new(),
            outgoing: Vec::new(),
        }
    }

    /// The next event; `None` when the connection is over. Safe to drop and
    /// call again.
    pub(super) async fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.mux.poll_event() {
                return Ok(Some(event));
            }
            while self.outgoing.len() < CHUNK
                && self.mux.poll_transmit(&mut self.outgoing, CHUNK) > 0
            {}
            let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
            tokio::select! {
                read = reader.read_buf(&mut self.incoming) => {
                    if read? == 0 {
                        return Ok(None);
                    }
                    let taken = self.mux.handle_bytes(&self.incoming);
                    self.incoming.clear();
                    taken.map_err(io::Error::other)?;
                }
                written = writer.write(&self.outgoing), if !self.outgoing.is_empty() => {
                    let n = written?;
                    if n == 0 {
                        return Ok(None);
                    }
                    self.outgoing.drain(..n);
                }
            }
        }
    }

    /// Brings what is queued onto the stream.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        while self.mux.poll_transmit(&mut self.outgoing, CHUNK) > 0 {}
        self.stream.write_all(&self.outgoing).await?;
        self.outgoing.clear();
        self.stream.flush().await
    }
}
