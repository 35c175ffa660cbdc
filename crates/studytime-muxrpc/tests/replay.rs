//! Conversations in the shape JavaScript peers hold them: `<` is what they write, `>` what we have
//! to answer with.

#![allow(clippy::unwrap_used)]

mod common;

use common::{frame, packets};
use serde_json::json;
use studytime_muxrpc::{Body, CallKind, End, Event, Limits, Mux, NO_ARGS, StreamId};

/// A small node: serves wants and replication, asks for both, fetches what it is told of.
#[derive(Default)]
struct Node {
    wants: Option<StreamId>,
    ebt: Option<StreamId>,
    blob: Vec<u8>,
    messages: Vec<String>,
    ends: Vec<(i32, End)>,
    goodbyes: usize,
}

impl Node {
    fn act(&mut self, mux: &mut Mux) {
        while let Some(event) = mux.poll_event() {
            match event {
                Event::Call { id, call } => match (call.method(), call.kind()) {
                    ("blobs.createWants", CallKind::Source) => {
                        self.wants = Some(id);
                        mux.send(id, Body::raw_json("{}")).unwrap();
                    }
                    ("ebt.replicate", CallKind::Duplex) => {
                        self.ebt = Some(id);
                        mux.send(id, Body::raw_json(r#"{"@b":0}"#)).unwrap();
                    }
                    ("createHistoryStream", CallKind::Source) => {
                        let arg: serde_json::Value = call.first_arg().unwrap().unwrap();
                        assert_eq!(arg["keys"], false);
                        mux.send(id, Body::raw_json(r#"{"previous":null,"sequence":1}"#))
                            .unwrap();
                    }
                    ("tunnel.isRoom", CallKind::Async) => {
                        mux.reply(id, Body::json(&false).unwrap()).unwrap()
                    }
                    ("gossip.ping", CallKind::Duplex) => mux
                        .send(id, Body::json(&1_700_000_000_000_u64).unwrap())
                        .unwrap(),
                    _ => mux.refuse(id),
                },
                Event::Data {
                    body: Body::Json(bytes),
                    ..
                } => {
                    self.messages
                        .push(String::from_utf8(bytes.to_vec()).unwrap());
                    if bytes.starts_with(b"{\"&big\"") {
                        let args = [json!({"key": "&big", "max": 5_242_880})];
                        mux.call(CallKind::Source, &["blobs", "get"], &args)
                            .unwrap();
                    }
                }
                Event::Data { body, .. } => self.blob.extend_from_slice(body.as_bytes()),
                Event::Ended { id, end } => self.ends.push((id.number(), end)),
                Event::Goodbye => self.goodbyes += 1,
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Plays the lines `<flags request body` and `>flags request body`; bytes arrive in pieces of
/// `step`.
fn play(mux: &mut Mux, node: &mut Node, script: &str, step: usize) {
    let mut sent = packets(mux);
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (side, rest) = line.split_at(1);
        let mut parts = rest.splitn(3, ' ');
        let flags = u8::from_str_radix(parts.next().unwrap(), 16).unwrap();
        let request: i32 = parts.next().unwrap().parse().unwrap();
        let body = parts.next().unwrap_or("");
        let body = match body.strip_prefix('*') {
            Some(len) => vec![0x5a; len.parse().unwrap()],
            None => body.as_bytes().to_vec(),
        };
        if side == "<" {
            for piece in frame(flags, request, &body).chunks(step) {
                mux.handle_bytes(piece).unwrap();
                node.act(mux);
                sent.extend(packets(mux));
            }
        } else {
            assert!(!sent.is_empty(), "nothing sent, expected: {line}");
            let (got_flags, got_request, got) = sent.remove(0);
            assert_eq!(
                (got_flags, got_request, String::from_utf8_lossy(&got)),
                (flags, request, String::from_utf8_lossy(&body)),
                "{line}"
            );
        }
    }
    assert_eq!(sent, [], "more was sent than expected");
}

const STEPS: [usize; 4] = [1, 7, 4096, 1 << 20];

#[test]
fn we_are_dialled_by_a_current_peer() {
    for step in STEPS {
        let mut mux = Mux::new(Limits::default());
        let mut node = Node::default();
        mux.call(CallKind::Source, &["blobs", "createWants"], &NO_ARGS)
            .unwrap();
        play(
            &mut mux,
            &mut node,
            r#"
            >0a 1 {"name":["blobs","createWants"],"args":[],"type":"source"}
            <0a 1 {"name":["ebt","replicate"],"args":[{"version":3,"format":"classic"}],"type":"duplex"}
            >0a -1 {"@b":0}
            <0a 2 {"name":["blobs","createWants"],"args":[],"type":"source"}
            >0a -2 {}
            <0a -1 {}
            <0a 3 {"name":["gossip","ping"],"args":[{"timeout":300000}],"type":"duplex"}
            >0a -3 1700000000000
            <0a 3 1700000000001
            <02 4 {"name":["room","metadata"],"args":[]}
            >06 -4 {"name":"Error","message":"method:room,metadata is not in list of allowed methods","stack":""}
            <02 5 {"name":["tunnel","isRoom"],"args":[]}
            >02 -5 false
            <0a 1 {"@b":2,"@a":0}
            <0a 1 {"previous":null,"sequence":1,"author":"@b"}
            <0e 1 {"message":"unexpected end of parent stream","name":"Error","stack":"(left out)"}
            >0e -1 {"name":"Error","message":"unexpected end of parent stream","stack":""}
            <00 0
            >00 0
            "#,
            step,
        );
        assert_eq!(node.messages.len(), 4);
        assert_eq!(node.goodbyes, 1);
        assert!(mux.is_finished());
        assert_eq!(mux.open_streams(), 0);
        assert_eq!(node.ends.len(), 4);
        assert!(
            matches!(&node.ends[0], (-1, End::Error(error)) if error.message() == "unexpected end of parent stream")
        );
        assert!(
            node.ends[1..]
                .iter()
                .all(|(_, end)| *end == End::ConnectionClosed)
        );
    }
}

#[test]
fn a_blob_is_wanted_found_and_fetched() {
    for step in STEPS {
        let mut mux = Mux::new(Limits::default());
        let mut node = Node::default();
        mux.call(
            CallKind::Duplex,
            &["ebt", "replicate"],
            &[json!({"version": 3, "format": "classic"})],
        )
        .unwrap();
        mux.call(CallKind::Source, &["blobs", "createWants"], &NO_ARGS)
            .unwrap();
        play(
            &mut mux,
            &mut node,
            r#"
            >0a 1 {"name":["ebt","replicate"],"args":[{"format":"classic","version":3}],"type":"duplex"}
            >0a 2 {"name":["blobs","createWants"],"args":[],"type":"source"}
            <0a 1 {"name":["blobs","createWants"],"args":[],"type":"source"}
            >0a -1 {}
            <0a -1 {"@a":0}
            <0a -2 {}
            <0a -2 {"&big":150000}
            >0a 3 {"name":["blobs","get"],"args":[{"key":"&big","max":5242880}],"type":"source"}
            <08 -3 *65536
            <08 -3 *65536
            <08 -3 *18928
            <0e -3 true
            >0e 3 true
            "#,
            step,
        );
        assert_eq!(node.blob.len(), 150_000);
        assert!(node.blob.iter().all(|byte| *byte == 0x5a));
        assert_eq!(node.ends, [(3, End::Done)]);
        // Hanging up, as they do: an error for the duplex stream, nothing for the source.
        mux.goodbye();
        play(
            &mut mux,
            &mut node,
            r#"
            >0e -1 {"name":"Error","message":"the connection is closing","stack":""}
            >0e 1 {"name":"Error","message":"the connection is closing","stack":""}
            >0e 2 true
            >00 0
            <0e -1 {"name":"Error","message":"the connection is closing","stack":""}
            <00 0
            "#,
            step,
        );
        assert!(mux.is_finished());
        assert_eq!(mux.open_streams(), 0);
    }
}

#[test]
fn an_older_peer_pulls_history() {
    for step in STEPS {
        let mut mux = Mux::new(Limits::default());
        let mut node = Node::default();
        let args = [json!({"id": "@a", "seq": 1, "keys": false})];
        mux.call(CallKind::Source, &["createHistoryStream"], &args)
            .unwrap();
        play(
            &mut mux,
            &mut node,
            r#"
            >0a 1 {"name":["createHistoryStream"],"args":[{"id":"@a","keys":false,"seq":1}],"type":"source"}
            <0a 1 {"name":["createHistoryStream"],"args":[{"id":"@b","seq":3,"live":true,"keys":false}],"type":"source"}
            >0a -1 {"previous":null,"sequence":1}
            <0a -1 {"previous":null,"sequence":1,"author":"@a"}
            <0a -1 {"previous":"%1","sequence":2,"author":"@a"}
            <0e -1 true
            >0e 1 true
            <0e 1 true
            >0e -1 true
            <0a 1 {"late":"data of a closed stream"}
            <0e 1 true
            <0a -1 {"late":"answer"}
            <00 0
            >00 0
            "#,
            step,
        );
        assert_eq!(node.messages.len(), 2);
        assert_eq!(mux.open_streams(), 0);
    }
}
