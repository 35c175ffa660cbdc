//! What we answer when the peer calls.

use super::ping::Ping;
use super::session::{Done, Session, Use};
use crate::api::ApiError;
use crate::calls::invites;
use crate::hub::blob_peer;
use serde_json::{Value, json};
use studytime_blobs::wire::{GetArgs, HasArgs};
use studytime_muxrpc::{Body, Call, CallKind, StreamId};
use studytime_schema::FeedId;
use tokio::time::Instant;

/// What may be called, in the form `manifest` answers it.
fn manifest() -> Value {
    json!({
        "manifest": "sync",
        "createHistoryStream": "source",
        "gossip": { "ping": "duplex" },
        "ebt": { "replicate": "duplex" },
        "blobs": {
            "has": "async", "size": "async", "get": "source", "getSlice": "source",
            "createWants": "source"
        },
        "tunnel": { "isRoom": "async", "connect": "duplex", "ping": "async" },
        "invite": { "use": "async" },
        "studytime": { "info": "async" }
    })
}

impl Session {
    pub(super) fn serve(&mut self, id: StreamId, call: &Call) {
        let method = call.method();
        if self.invited {
            return match method {
                "invite.use" => self.serve_invite(id, call),
                "getAddress" => self.serve_address(id),
                _ => self.mux.refuse(id),
            };
        }
        match (method, call.kind()) {
            ("manifest", CallKind::Async) => self.reply(id, &manifest()),
            ("tunnel.isRoom", CallKind::Async) => self.reply(id, &json!(false)),
            ("tunnel.ping", CallKind::Async) => self.reply(id, &json!(crate::clock::now_ms())),
            ("tunnel.connect", CallKind::Duplex) => self.serve_tunnel(id, call),
            ("studytime.info", CallKind::Async) => self.serve_info(id),
            ("gossip.ping", CallKind::Duplex) => {
                self.uses.insert(id, Use::Ping);
                let ping = Ping::called(id, Instant::now());
                if let Some(old) = self.pings[1].replace(ping) {
                    self.uses.remove(&old.id);
                    self.mux.end(old.id);
                }
            }
            ("blobs.createWants", CallKind::Source) => {
                if let Some(old) = self.wants_out.replace(id) {
                    self.mux.end(old);
                }
                self.uses.insert(id, Use::WantsOut);
                let peer = blob_peer(self.peer);
                self.node
                    .inner()
                    .hub
                    .act(|s, now| s.wants.opened(peer, now));
            }
            ("blobs.has", CallKind::Async) => self.serve_has(id, call),
            ("blobs.size", CallKind::Async) => self.serve_size(id, call),
            ("blobs.get", CallKind::Source) => self.serve_blob(id, call, false),
            ("blobs.getSlice", CallKind::Source) => self.serve_blob(id, call, true),
            ("ebt.replicate", CallKind::Duplex) => self.serve_ebt(id, call),
            ("createHistoryStream", CallKind::Source) => self.serve_history(id, call),
            _ => self.mux.refuse(id),
        }
    }

    fn reply(&mut self, id: StreamId, value: &Value) {
        let _ = self.mux.reply(id, Body::raw_json(value.to_string()));
    }

    /// Answers an async call with what a job on disk finds.
    fn answer(
        &mut self,
        id: StreamId,
        work: impl FnOnce(&crate::Node) -> Result<Value, ApiError> + Send + 'static,
    ) {
        self.uses.insert(id, Use::Answer);
        let node = self.node.clone();
        self.jobs.spawn(async move {
            let answer = node.blocking(work).await;
            Done::Answer(
                id,
                answer
                    .map(|v| Body::raw_json(v.to_string()))
                    .map_err(|e| e.message),
            )
        });
    }

    fn serve_info(&mut self, id: StreamId) {
        self.answer(id, |node| {
            let info = node.own_info();
            serde_json::to_value(info).map_err(|e| ApiError::failed("no answer could be made", &e))
        });
    }

    fn serve_has(&mut self, id: StreamId, call: &Call) {
        let args: Value = call.args().unwrap_or_default();
        match HasArgs::parse(&args) {
            Ok(args) => self.answer(id, move |node| {
                Ok(args.answer(|blob| node.inner().holdings.has(blob)))
            }),
            Err(error) => self.mux.fail(id, &error.to_string()),
        }
    }

    fn serve_size(&mut self, id: StreamId, call: &Call) {
        let args: Value = call.args().unwrap_or_default();
        match GetArgs::parse(&args, false) {
            Ok(args) => self.answer(id, move |node| {
                let size = node.inner().blobs.size(&args.id);
                Ok(json!(size.map_err(|e| ApiError::failed(
                    "the blob could not be read",
                    &e
                ))?))
            }),
            Err(error) => self.mux.fail(id, &error.to_string()),
        }
    }

    /// Where we are, for those who were invited.
    fn serve_address(&mut self, id: StreamId) {
        match self.node.own_address() {
            Some(address) => self.reply(id, &json!(address)),
            None => self.mux.fail(id, "this node does not listen"),
        }
    }

    fn serve_invite(&mut self, id: StreamId, call: &Call) {
        #[derive(serde::Deserialize)]
        struct Args {
            feed: FeedId,
        }
        let Ok(Some(args)) = call.first_arg::<Args>() else {
            return self.mux.fail(id, "feed to follow is missing");
        };
        self.uses.insert(id, Use::Answer);
        let (node, invite) = (self.node.clone(), self.peer.feed);
        self.jobs.spawn(async move {
            let answer = invites::redeemed(&node, invite, args.feed).await;
            Done::Answer(
                id,
                answer
                    .map(|v| Body::raw_json(v.to_string()))
                    .map_err(|e| e.message),
            )
        });
    }
}
