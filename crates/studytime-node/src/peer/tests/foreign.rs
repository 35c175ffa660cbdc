//! A peer made of parts: handshake and muxrpc as they are, and a program that a
//! test writes.

use crate::builder::Builder;
use crate::common::{self, LIMIT, network};
use crate::node::Node;
use crate::shs::{self, Secure};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use studytime_muxrpc::{Body, Call, CallKind, End, Event, Limits, Mux, StreamId};
use studytime_replicate::store::conformance::keys;
use studytime_schema::{FeedId, Keypair, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(super) fn builder(dir: &std::path::Path) -> Builder {
    common::builder(dir).schedule(false).control(false)
}

pub(super) struct Foreign {
    pub(super) keys: Keypair,
    stream: TcpStream,
    secure: Secure,
    pub(super) mux: Mux,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// What the other side called, by method.
    pub(super) calls: BTreeMap<String, Vec<(StreamId, Call)>>,
    pub(super) data: BTreeMap<StreamId, Vec<Bytes>>,
    pub(super) ends: BTreeMap<StreamId, End>,
    /// The connection is over.
    pub(super) gone: bool,
}

impl Foreign {
    /// Dials a node.
    pub(super) async fn dial(node: &Node, n: u8) -> Self {
        let address = node.listening().expect("it listens");
        let mut stream = TcpStream::connect(address).await.expect("a listener");
        let keys = keys(n);
        let secure = shs::dial(&mut stream, &keys, &network(), node.id(), LIMIT)
            .await
            .expect("a handshake");
        Self::new(keys, stream, secure)
    }

    /// Is dialled by a node.
    pub(super) async fn accept(node: &Node, n: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let keys = keys(n);
        let key = keys.id().to_string();
        let key = key.trim_start_matches('@').trim_end_matches(".ed25519");
        let port = listener.local_addr().expect("bound").port();
        let address = format!("net:127.0.0.1:{port}~shs:{key}");
        let dialler = node.clone();
        let dialling = tokio::spawn(async move { dialler.connect(&address, false, LIMIT).await });
        let (mut stream, _) = listener.accept().await.expect("a dialler");
        let secure = shs::accept(&mut stream, &keys, &network(), |_| true, LIMIT)
            .await
            .expect("a handshake");
        dialling.await.expect("no panic").expect("it is up");
        Self::new(keys, stream, secure)
    }

    fn new(keys: Keypair, stream: TcpStream, secure: Secure) -> Self {
        stream.set_nodelay(true).expect("a socket");
        Self {
            keys,
            stream,
            secure,
            // Takes whatever a test says at once.
            mux: Mux::new(
                Limits::default()
                    .with_stream_queue(32 << 20)
                    .with_total_queue(128 << 20),
            ),
            incoming: Vec::new(),
            outgoing: Vec::new(),
            calls: BTreeMap::new(),
            data: BTreeMap::new(),
            ends: BTreeMap::new(),
            gone: false,
        }
    }

    pub(super) fn id(&self) -> FeedId {
        self.keys.id()
    }

    /// Sends what waits and takes in what comes, until something came. Safe to drop.
    pub(super) async fn pump(&mut self) {
        let mut plain = Vec::new();
        while self.mux.poll_transmit(&mut plain, 64 << 10) > 0 {
            self.secure.seal.seal(&plain, &mut self.outgoing);
            plain.clear();
        }
        while !self.outgoing.is_empty() {
            match self.stream.write(&self.outgoing).await {
                Ok(0) | Err(_) => {
                    self.gone = true;
                    return;
                }
                Ok(n) => drop(self.outgoing.drain(..n)),
            }
        }
        match self.stream.read_buf(&mut self.incoming).await {
            Ok(0) | Err(_) => self.gone = true,
            Ok(_) => {
                let opened = self.secure.open.open(&self.incoming, &mut plain);
                drop(self.incoming.drain(..opened.expect("sound boxes")));
                self.mux.handle_bytes(&plain).expect("sound packets");
                self.sort();
            }
        }
    }

    fn sort(&mut self) {
        while let Some(event) = self.mux.poll_event() {
            match event {
                Event::Call { id, call } => {
                    let method = call.method().to_owned();
                    if method == "manifest" {
                        let empty = Body::raw_json("{}");
                        self.mux.reply(id, empty).expect("an open call");
                    }
                    self.calls.entry(method).or_default().push((id, call));
                }
                Event::Reply { id, body } | Event::Data { id, body } => {
                    self.data.entry(id).or_default().push(body.into_bytes());
                }
                Event::Ended { id, end } => {
                    // A duplex stream is ended by both sides.
                    self.mux.end(id);
                    self.ends.insert(id, end);
                }
                _ => {}
            }
        }
    }

    /// Goes on until `done` says so.
    pub(super) async fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let work = async {
            while !done(self) {
                assert!(!self.gone, "the other side hung up before: {what}");
                self.pump().await;
            }
        };
        tokio::time::timeout(LIMIT, work)
            .await
            .unwrap_or_else(|_| panic!("never happened: {what}"));
    }

    /// Goes on until something else is done.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = self.pump() => assert!(!self.gone, "the other side hung up"),
            }
        }
    }

    pub(super) fn call(&mut self, kind: CallKind, method: &[&str], args: &Value) -> StreamId {
        self.mux.call(kind, method, args).expect("a free number")
    }

    /// Calls and waits for the answer.
    pub(super) async fn ask(&mut self, method: &[&str], args: &Value) -> Result<Value, End> {
        let id = self.call(CallKind::Async, method, args);
        let over = |f: &mut Self| f.data.contains_key(&id) || f.ends.contains_key(&id);
        self.until("an answer", over).await;
        match self.data.remove(&id) {
            Some(bodies) => Ok(serde_json::from_slice(&bodies[0]).expect("JSON")),
            None => Err(self.ends[&id].clone()),
        }
    }

    /// All that was sent before is handled when this returns: streams take turns.
    pub(super) async fn settle(&mut self) {
        for _ in 0..3 {
            self.ask(&["manifest"], &serde_json::json!([]))
                .await
                .expect("an answer");
        }
    }

    pub(super) fn send(&mut self, id: StreamId, json: impl Into<Bytes>) {
        self.mux
            .send(id, Body::raw_json(json))
            .expect("an open stream");
    }

    pub(super) fn text(&self, id: StreamId, n: usize) -> &str {
        let body = self.data.get(&id).and_then(|all| all.get(n));
        std::str::from_utf8(body.map_or(b"", |b| b)).expect("text")
    }

    pub(super) fn received(&self, id: StreamId) -> usize {
        self.data.get(&id).map_or(0, Vec::len)
    }
}

/// Puts a chain into the node's store, as if it had come in.
pub(super) fn hold(node: &Node, chain: &[std::sync::Arc<Message>]) {
    node.inner().feeds.append(chain, 1).expect("a sound chain");
    let feed = chain[0].author();
    let tip = chain.last().expect("not empty").sequence();
    node.inner().hub.appended(feed, tip);
}
