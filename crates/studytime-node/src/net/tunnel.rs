//! A connection through a room, as a stream of bytes.
//!
//! Two ends with a bounded queue each way: [`TunnelStream`] is read and written
//! like a socket by the inner handshake and session; [`Tunnel`] stands in the
//! session with the room, which moves the bytes in frames of a muxrpc stream.

use bytes::{Buf as _, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// Bytes of one frame: a box with its header. Some peers take a frame for a box.
pub(crate) const FRAME: usize = 4096 + 34;
/// Bytes that wait to be sent to the room.
const OUT: usize = 128 * 1024;
/// Received bytes that wait for the inner end, before the room is held back.
const HIGH: usize = 256 * 1024;
/// And when it may go on.
const LOW: usize = 64 * 1024;
/// Longest frame that is taken from a room.
pub(crate) const MAX_FRAME: usize = 1 << 20;

#[derive(Debug, Default)]
struct State {
    /// From the room to the inner end.
    received: VecDeque<Bytes>,
    received_len: usize,
    reader: Option<Waker>,
    /// From the inner end to the room.
    out: BytesMut,
    writer: Option<Waker>,
    /// The inner end will not write any more.
    finished: bool,
    /// The inner end is gone.
    dropped: bool,
    /// The outer end is closed: in good order, or for a reason.
    closed: Option<Result<(), String>>,
    /// The outer end waits until there is room again.
    held: bool,
}

#[derive(Debug)]
struct Pipe {
    state: Mutex<State>,
    /// Wakes the session with the room.
    outer: Arc<Notify>,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the two ends. `wake` is notified when the outer end has something to do.
pub(crate) fn tunnel(wake: Arc<Notify>) -> (Tunnel, TunnelStream) {
    let pipe = Arc::new(Pipe {
        state: Mutex::default(),
        outer: wake,
    });
    (Tunnel(Arc::clone(&pipe)), TunnelStream(pipe))
}

/// The end in the session with the room.
#[derive(Debug)]
pub(crate) struct Tunnel(Arc<Pipe>);

impl Tunnel {
    /// Takes bytes from the room. `false` when the inner end does not keep up, so
    /// that the stream has to be held back until [`ready`](Self::ready).
    pub(crate) fn push(&self, bytes: Bytes) -> bool {
        let mut state = self.0.lock();
        if state.dropped || state.closed.is_some() || bytes.is_empty() {
            return true;
        }
        state.received_len += bytes.len();
        state.received.push_back(bytes);
        state.held = state.received_len >= HIGH;
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
        !state.held
    }

    /// Whether more bytes from the room are welcome.
    pub(crate) fn ready(&self) -> bool {
        !self.0.lock().held
    }

    /// The next frame for the room; never an empty one, which others take for a goodbye.
    pub(crate) fn pop(&self) -> Option<Bytes> {
        let mut state = self.0.lock();
        if state.out.is_empty() {
            return None;
        }
        let len = state.out.len().min(FRAME);
        let frame = state.out.split_to(len).freeze();
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
        Some(frame)
    }

    /// Whether the inner end is through: all it wrote has been popped.
    pub(crate) fn is_finished(&self) -> bool {
        let state = self.0.lock();
        (state.finished || state.dropped) && state.out.is_empty()
    }

    /// Ends the tunnel from this side; what was received can still be read.
    pub(crate) fn close(&self, why: Result<(), String>) {
        let mut state = self.0.lock();
        state.closed.get_or_insert(why);
        state.out.clear();
        for waker in [state.reader.take(), state.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }
}

/// Whoever loses the session with the room loses the tunnels through it.
impl Drop for Tunnel {
    fn drop(&mut self) {
        self.close(Err("the connection to the room ended".into()));
    }
}

/// The end that is used like a socket.
#[derive(Debug)]
pub(crate) struct TunnelStream(Arc<Pipe>);

impl TunnelStream {
    /// Why the room ended the tunnel, if it said why.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.0.lock().closed.clone()?.err()
    }
}

impl Drop for TunnelStream {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.dropped = true;
        state.received.clear();
        state.received_len = 0;
        state.held = false;
        drop(state);
        self.0.outer.notify_one();
    }
}

impl AsyncRead for TunnelStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        if state.received.is_empty() {
            return match &state.closed {
                Some(Ok(())) => Poll::Ready(Ok(())),
                Some(Err(why)) => Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    why.clone(),
                ))),
                None => {
                    state.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        while buf.remaining() > 0
            && let Some(front) = state.received.front_mut()
        {
            let len = front.len().min(buf.remaining());
            buf.put_slice(&front[..len]);
            front.advance(len);
            if front.is_empty() {
                state.received.pop_front();
            }
            state.received_len -= len;
        }
        if state.held && state.received_len <= LOW {
            state.held = false;
            drop(state);
            self.0.outer.notify_one();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TunnelStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if let Some(closed) = &state.closed {
            let why = closed.clone().err();
            let why = why.unwrap_or_else(|| "the other side ended the tunnel".into());
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, why)));
        }
        let len = bytes.len().min(OUT.saturating_sub(state.out.len()));
        if len == 0 && !bytes.is_empty() {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.out.extend_from_slice(&bytes[..len]);
        drop(state);
        self.0.outer.notify_one();
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().finished = true;
        self.0.outer.notify_one();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn ends() -> (Tunnel, TunnelStream) {
        tunnel(Arc::new(Notify::new()))
    }

    #[tokio::test]
    async fn frames_are_cut_to_boxes_and_never_empty() {
        let (outer, mut inner) = ends();
        let sent: Vec<u8> = (0..3 * FRAME + 5).map(|i| i as u8).collect();
        inner.write_all(&sent).await.unwrap();
        assert_eq!(inner.write(&[]).await.unwrap(), 0);
        let mut frames = Vec::new();
        while let Some(frame) = outer.pop() {
            assert!((1..=FRAME).contains(&frame.len()));
            frames.extend_from_slice(&frame);
        }
        assert_eq!(frames, sent);
        assert!(!outer.is_finished());
        inner.shutdown().await.unwrap();
        assert!(outer.is_finished());
    }

    #[tokio::test]
    async fn what_waits_is_bounded_both_ways() {
        let (outer, mut inner) = ends();
        let piece = vec![7; OUT];
        assert_eq!(inner.write(&piece).await.unwrap(), OUT);
        let more = tokio::spawn(async move {
            let written = inner.write(&[1, 2, 3]).await;
            (inner, written)
        });
        tokio::task::yield_now().await;
        assert!(!more.is_finished(), "the queue is full");
        assert_eq!(outer.pop().map(|f| f.len()), Some(FRAME));
        let (mut inner, written) = more.await.unwrap();
        assert_eq!(written.unwrap(), 3);

        let frame = Bytes::from(vec![0; 64 * 1024]);
        let mut frames = 0;
        while outer.push(frame.clone()) {
            frames += 1;
        }
        assert!(frames * frame.len() < HIGH && !outer.ready());
        let mut all = vec![0; (frames + 1) * frame.len()];
        inner.read_exact(&mut all).await.unwrap();
        assert!(outer.ready());
    }

    #[tokio::test]
    async fn what_came_before_the_end_is_read_and_then_the_reason() {
        let (outer, mut inner) = ends();
        assert!(outer.push(Bytes::from_static(b"last words")));
        outer.close(Err("could not connect to: @x".into()));
        let mut words = [0; 10];
        inner.read_exact(&mut words).await.unwrap();
        assert_eq!(&words, b"last words");
        let error = inner.read(&mut words).await.unwrap_err();
        assert!(error.to_string().contains("could not connect"));
        assert!(inner.write(b"x").await.is_err());
        assert_eq!(inner.refusal().as_deref(), Some("could not connect to: @x"));

        let (outer, mut inner) = ends();
        outer.close(Ok(()));
        assert_eq!(inner.read(&mut words).await.unwrap(), 0);
        let (outer, mut inner) = ends();
        drop(outer);
        assert!(
            inner
                .read(&mut words)
                .await
                .unwrap_err()
                .to_string()
                .contains("room ended")
        );
    }

    #[tokio::test]
    async fn a_dropped_inner_end_is_flushed_and_takes_no_more() {
        let (outer, mut inner) = ends();
        inner.write_all(b"bye").await.unwrap();
        drop(inner);
        assert!(!outer.is_finished());
        assert_eq!(outer.pop().as_deref(), Some(&b"bye"[..]));
        assert!(outer.is_finished());
        for _ in 0..100 {
            assert!(outer.push(Bytes::from(vec![0; 64 * 1024])));
        }
        assert_eq!(outer.0.lock().received_len, 0);
    }

    proptest! {
        #[test]
        fn bytes_arrive_as_they_were_sent(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..40), step in 1usize..300) {
            let sent: Vec<u8> = pieces.concat();
            let got = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
                let (outer, mut inner) = ends();
                for piece in &pieces {
                    outer.push(Bytes::from(piece.clone()));
                }
                outer.close(Ok(()));
                let (mut got, mut part) = (Vec::new(), vec![0; step]);
                loop {
                    let n = inner.read(&mut part).await.unwrap();
                    if n == 0 { return got; }
                    got.extend_from_slice(&part[..n]);
                }
            });
            prop_assert_eq!(got, sent);
        }
    }
}
