//! A node of ours as a process of its own, driven like the JavaScript peers: the
//! bench starts itself anew, so that what each side costs can be told apart.

#![allow(clippy::print_stdout, reason = "answers go out as lines")]

use crate::peer::NETWORK;
use crate::support::meter::{cpu_seconds, memory_mib};
use bytes::Bytes;
use serde_json::{Value, json};
use std::io::BufRead as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use studytime_node::{Builder, Handle, Node, api};
use studytime_schema::{BlobId, FeedId, NetworkKey};

const FLAG: &str = "--as-peer";

/// How often the state is looked at: seldom, as it costs the receiver.
const POLL: Duration = Duration::from_millis(50);

/// This program, to be started as a peer.
pub(crate) fn command(dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg(FLAG).arg(dir);
    command
}

/// Whether this process is to be a peer; runs it then, until its input ends.
pub(crate) fn run_if_asked() -> bool {
    let mut args = std::env::args().skip_while(|a| a != FLAG).skip(1);
    let Some(dir) = args.next() else {
        return false;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(serve(Path::new(&dir)));
    true
}

async fn serve(dir: &Path) {
    let node = Builder::new(dir)
        .network(NetworkKey::from_bytes(NETWORK))
        .listen(Some("127.0.0.1:0".parse().expect("an address")))
        .default_lists(false)
        .control(false)
        .schedule(false)
        .open()
        .await
        .expect("a node");
    let handle = node.handle();
    let status = handle.call(api::Status {}).await.expect("a status");
    println!(
        "{}",
        json!({ "hello": { "id": status.id, "address": status.address } })
    );
    let (lines, mut inbox) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
    while let Some(line) = inbox.recv().await {
        let request: Value = serde_json::from_str(&line).expect("a request");
        let answer = match answer(&node, &handle, &request).await {
            Ok(value) => json!({ "id": request["id"], "value": value }),
            Err(error) => json!({ "id": request["id"], "error": error.message }),
        };
        println!("{answer}");
        if request["do"] == "close" {
            break;
        }
    }
}

fn feed(value: &Value) -> FeedId {
    value
        .as_str()
        .and_then(|id| id.parse().ok())
        .expect("a feed")
}

fn blob(value: &Value) -> BlobId {
    let id = value.as_str().and_then(|id| id.parse().ok());
    id.expect("a blob")
}

async fn answer(node: &Node, h: &Handle, request: &Value) -> Result<Value, api::ApiError> {
    let text = |name: &str| request[name].as_str().expect("a text").to_owned();
    Ok(match request["do"].as_str().unwrap_or_default() {
        "cpu" => json!(cpu_seconds()),
        "memory" => json!(memory_mib()),
        "connect" => {
            let call = api::PeerConnect {
                address: text("address"),
                timeout_seconds: 60,
            };
            json!(h.call(call).await?.id)
        }
        "request" => {
            for id in request["feeds"].as_array().into_iter().flatten() {
                let relation = api::Relation::Follow;
                let id = feed(id);
                h.call(api::Follow { id, relation }).await?;
            }
            Value::Null
        }
        "list" => {
            let id = feed(&request["feed"]);
            h.call(api::CatalogAdd { id }).await?;
            Value::Null
        }
        "add" => {
            let file = std::fs::read_to_string(text("file")).expect("the messages");
            let lines: Vec<Bytes> = file.lines().map(|l| Bytes::from(l.to_owned())).collect();
            let count = lines.len() as u64;
            let done = node.ingest(lines).await?;
            assert_eq!(done.kept, count, "{done:?}");
            crate::support::caught_up(node).await;
            Value::Null
        }
        "reached" => {
            for (id, sequence) in request["clock"].as_object().into_iter().flatten() {
                let (id, sequence) = (feed(&json!(id)), sequence.as_u64().unwrap_or(0));
                while h.call(api::FeedStatus { id }).await?.sequence < sequence {
                    tokio::time::sleep(POLL).await;
                }
            }
            Value::Null
        }
        "messages" => {
            // As many, and the index caught up.
            let count = request["count"].as_u64().unwrap_or(0);
            while h.call(api::Status {}).await?.messages < count {
                tokio::time::sleep(POLL).await;
            }
            crate::support::caught_up(node).await;
            Value::Null
        }
        "addBlob" => {
            let path = text("file").into();
            let added = h.call(api::BlobAdd { path }).await?;
            json!({ "blob": added.id, "manifest": added.manifest })
        }
        // All at once; done when the last byte of the last one is here.
        "wantBlobs" => {
            let blobs = request["blobs"].as_array().into_iter().flatten();
            let wanted: Vec<_> = blobs
                .map(|wanted| {
                    let get = api::BlobGet {
                        id: blob(&wanted["blob"]),
                        manifest: wanted["manifest"].as_bool().unwrap_or(false),
                        output: None,
                        timeout_seconds: 600,
                    };
                    let h = h.clone();
                    tokio::spawn(async move { h.call(get).await })
                })
                .collect();
            let mut bytes = 0;
            for one in wanted {
                bytes += one.await.expect("no panic")?.size;
            }
            json!(bytes)
        }
        // Bytes received and sent over the connection to a peer; nothing without one.
        "traffic" => {
            let id = feed(&request["peer"]);
            let peers = h.call(api::PeerList {}).await?;
            let up = |p: &&api::PeerInfo| p.id == Some(id) && p.state == "connected";
            json!(peers.iter().find(up).map(|p| p.traffic))
        }
        "close" => {
            node.shutdown().await;
            Value::Null
        }
        other => return Err(api::ApiError::usage(format!("unknown: {other}"))),
    })
}
