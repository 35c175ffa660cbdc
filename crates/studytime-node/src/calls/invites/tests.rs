//! Invites handed out and redeemed, between nodes on loopback.

use crate::api::*;
use crate::common;
use crate::net::once::{self, OnceError};
use crate::net::{Address, DialError};
use crate::{Builder, Handle, Node};
use serde_json::{Value, json};
use std::path::Path;
use studytime_schema::{FeedId, Keypair};

fn builder(dir: &Path) -> Builder {
    common::builder(dir).control(false)
}

async fn new_invite(h: &Handle, uses: u32) -> String {
    let made = h.call(PeerNewInvite { uses, days: None }).await.unwrap();
    made.code
}

async fn contents(h: &Handle, id: FeedId) -> Vec<Value> {
    let (from, limit) = (1, 100);
    match h.call(FeedLog { id, from, limit }).await {
        Ok(log) => log
            .iter()
            .map(|m| serde_json::from_str::<Value>(m.value.get()).unwrap())
            .map(|m| m["content"].clone())
            .collect(),
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
            Vec::new()
        }
    }
}

fn feed(n: u8) -> FeedId {
    Keypair::from_seed(&[n; 32]).id()
}

/// Uses an invite for any feed, as somebody else's program would.
async fn use_for(node: &Node, code: &str, who: FeedId) -> Result<(), String> {
    ask(node, code, &["invite", "use"], &json!([{ "feed": who }])).await
}

async fn ask(node: &Node, code: &str, name: &[&str], args: &Value) -> Result<(), String> {
    let address: Address = code.parse().unwrap();
    let keys = address.invite_keys().unwrap();
    match once::call(node, &address, &keys, name, args).await {
        Ok(_) => Ok(()),
        Err(OnceError::Remote(text)) => Err(text),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pub_and_its_guest_follow_each_other_and_say_so() {
    let tmp = tempfile::tempdir().unwrap();
    let host = builder(&tmp.path().join("pub"))
        .public(true)
        .open()
        .await
        .unwrap();
    let guest = builder(&tmp.path().join("guest")).open().await.unwrap();
    let (p, g) = (host.handle(), guest.handle());
    let code = new_invite(&p, 1).await;

    // As it is pasted out of a mail, in the older form.
    let address: Address = code.parse().unwrap();
    let pasted = format!(" \"{code}#welcome\"\r\n");
    let done = g.call(PeerInvite { code: pasted }).await.unwrap();
    assert_eq!(
        (done.invite.as_str(), done.peer.state.as_str()),
        ("pub", "connected")
    );
    assert_eq!(done.peer.id, Some(host.id()));

    let said = contents(&p, host.id()).await;
    let follow = said.iter().find(|c| c["type"] == "contact").unwrap();
    assert_eq!(
        (&follow["contact"], &follow["following"], &follow["pub"]),
        (&json!(guest.id()), &json!(true), &json!(true))
    );
    let said = contents(&g, guest.id()).await;
    let follow = said.iter().find(|c| c["type"] == "contact").unwrap();
    assert_eq!(
        (&follow["contact"], &follow["autofollow"]),
        (&json!(host.id()), &json!(true))
    );
    let place = said.iter().find(|c| c["type"] == "pub").unwrap();
    assert_eq!(place["address"]["port"], json!(address.port));
    assert_eq!(place["address"]["key"], json!(host.id()));

    // Once more: nothing is said twice, and it is no error.
    let before = said.len();
    let again = g.call(PeerInvite { code }).await.unwrap();
    assert!(again.done.contains("already"), "{}", again.done);
    assert_eq!(contents(&g, guest.id()).await.len(), before);
    host.shutdown().await;
    guest.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_exactly_one_gets_the_only_use() {
    let tmp = tempfile::tempdir().unwrap();
    let host = builder(&tmp.path().join("pub")).open().await.unwrap();
    let asker = builder(&tmp.path().join("asker")).open().await.unwrap();
    let code = new_invite(&host.handle(), 1).await;
    let tries: Vec<_> = (10..18)
        .map(|n| {
            let (asker, code) = (asker.clone(), code.clone());
            tokio::spawn(async move { use_for(&asker, &code, feed(n)).await })
        })
        .collect();
    let mut got = Vec::new();
    for one in tries {
        got.push(one.await.unwrap());
    }
    assert_eq!(got.iter().filter(|r| r.is_ok()).count(), 1, "{got:?}");
    for refused in got.into_iter().filter_map(Result::err) {
        assert_eq!(refused, "invite has expired");
    }
    let follows = contents(&host.handle(), host.id()).await;
    assert_eq!(follows.iter().filter(|c| c["type"] == "contact").count(), 1);
    host.shutdown().await;
    asker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_feed_many_times_at_once_takes_one_use_and_gets_one_follow() {
    let tmp = tempfile::tempdir().unwrap();
    let host = builder(&tmp.path().join("pub")).open().await.unwrap();
    let asker = builder(&tmp.path().join("asker")).open().await.unwrap();
    let code = new_invite(&host.handle(), 2).await;
    let tries: Vec<_> = (0..6)
        .map(|_| {
            let (asker, code) = (asker.clone(), code.clone());
            tokio::spawn(async move { use_for(&asker, &code, feed(20)).await })
        })
        .collect();
    let mut granted = 0;
    for one in tries {
        match one.await.unwrap() {
            Ok(()) => granted += 1,
            Err(text) => assert_eq!(text, "already following"),
        }
    }
    assert_eq!(granted, 1);
    use_for(&asker, &code, feed(21)).await.unwrap();
    assert_eq!(
        use_for(&asker, &code, feed(22)).await.unwrap_err(),
        "invite has expired"
    );
    let follows = contents(&host.handle(), host.id()).await;
    assert_eq!(follows.iter().filter(|c| c["type"] == "contact").count(), 2);
    host.shutdown().await;
    asker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_opens_nothing_but_what_it_is_for() {
    let tmp = tempfile::tempdir().unwrap();
    let host = builder(&tmp.path().join("pub")).open().await.unwrap();
    let asker = builder(&tmp.path().join("asker")).open().await.unwrap();
    let code = new_invite(&host.handle(), 1).await;
    for name in [
        &["manifest"][..],
        &["whoami"],
        &["blobs", "has"],
        &["studytime", "info"],
        &["tunnel", "isRoom"],
    ] {
        let error = ask(&asker, &code, name, &json!([])).await.unwrap_err();
        assert!(
            error.contains("not in list of allowed methods"),
            "{name:?}: {error}"
        );
    }
    ask(&asker, &code, &["getAddress"], &json!([]))
        .await
        .unwrap();
    for args in [
        json!([]),
        json!([{}]),
        json!([{"feed": 7}]),
        json!([{"feed": "@x"}]),
        json!([{"feed": host.id()}]),
    ] {
        let error = ask(&asker, &code, &["invite", "use"], &args)
            .await
            .unwrap_err();
        assert_eq!(error, "feed to follow is missing", "{args}");
    }
    // None of it has used it up.
    use_for(&asker, &code, feed(30)).await.unwrap();
    host.shutdown().await;
    asker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_that_a_crash_left_without_a_follow_is_made_good_at_the_next_start() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("pub");
    let host = builder(&dir).open().await.unwrap();
    let code = new_invite(&host.handle(), 1).await;
    let invite = code.parse::<Address>().unwrap().invite_keys().unwrap().id();
    // What is on disk when the node is killed between the two steps.
    let used = host
        .inner()
        .state
        .use_invite(&invite, &feed(40), 1)
        .unwrap();
    assert_eq!(used, crate::store::InviteUse::Granted);
    host.shutdown().await;
    drop(host);
    let host = builder(&dir).open().await.unwrap();
    let follows = contents(&host.handle(), host.id()).await;
    let whom: Vec<_> = follows
        .iter()
        .filter(|c| c["type"] == "contact")
        .map(|c| &c["contact"])
        .collect();
    assert_eq!(whom, [&json!(feed(40))]);
    assert!(host.inner().state.unfollowed_uses().unwrap().is_empty());
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_invite_is_said_in_words() {
    let tmp = tempfile::tempdir().unwrap();
    let host = builder(&tmp.path().join("pub")).open().await.unwrap();
    let guest = builder(&tmp.path().join("guest")).open().await.unwrap();
    let (p, g) = (host.handle(), guest.handle());
    let code = new_invite(&p, 1).await;
    use_for(&guest, &code, feed(50)).await.unwrap();
    let error = g.call(PeerInvite { code: code.clone() }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains("expired") && error.hint.unwrap().contains("new one"));

    let plain = code.parse::<Address>().unwrap().plain();
    let error = g
        .call(PeerInvite {
            code: plain.to_string(),
        })
        .await
        .unwrap_err();
    assert!(error.hint.unwrap().contains("peer connect"));
    let error = g
        .call(PeerConnect {
            address: code,
            timeout_seconds: 5,
        })
        .await
        .unwrap_err();
    assert!(error.hint.unwrap().contains("peer invite"));

    // An invite nobody gave: an ordinary connection by a key nobody knows.
    let made_up = Address {
        seed: Some([9; 32]),
        ..plain.clone()
    };
    let error = g
        .call(PeerInvite {
            code: made_up.to_string(),
        })
        .await
        .unwrap_err();
    assert!(error.message.contains("no such invite"), "{error}");
    // Nobody there: the guest has said nothing to anybody.
    host.shutdown().await;
    let error = g
        .call(PeerInvite {
            code: made_up.to_string(),
        })
        .await
        .unwrap_err();
    assert!(
        error.message.contains("nobody listens") || error.message.contains("hung up"),
        "{error}"
    );
    assert!(
        contents(&g, guest.id())
            .await
            .iter()
            .all(|c| c["type"] != "contact")
    );
    guest.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_address_is_taken_when_the_first_is_dead() {
    let tmp = tempfile::tempdir().unwrap();
    let host = builder(&tmp.path().join("pub")).open().await.unwrap();
    let guest = builder(&tmp.path().join("guest")).open().await.unwrap();
    let code = new_invite(&host.handle(), 1).await;
    let good: Address = code.parse().unwrap();
    let dead = {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        taken.local_addr().unwrap().port()
    };
    let both = format!(
        "ws:h:1~shs:{};{};{code}",
        "x",
        Address {
            port: dead,
            ..good.clone()
        }
    );
    let done = guest
        .handle()
        .call(PeerInvite { code: both })
        .await
        .unwrap();
    assert_eq!(
        (done.peer.state.as_str(), done.peer.address),
        ("connected", good.plain().to_string())
    );
    // Likewise for an address.
    let third = builder(&tmp.path().join("third")).open().await.unwrap();
    let both = format!(
        "{};{}",
        Address {
            port: dead,
            ..good.plain()
        },
        good.plain()
    );
    let call = PeerConnect {
        address: both,
        timeout_seconds: 30,
    };
    assert_eq!(third.handle().call(call).await.unwrap().state, "connected");
    for node in [host, guest, third] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_has_uses_and_days() {
    let tmp = tempfile::tempdir().unwrap();
    let host = builder(&tmp.path().join("pub")).open().await.unwrap();
    let h = host.handle();
    for (uses, days) in [(0, None), (10_001, None), (1, Some(0)), (1, Some(3_651))] {
        let error = h.call(PeerNewInvite { uses, days }).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Usage);
    }
    let now = crate::clock::now_ms();
    let made = h
        .call(PeerNewInvite {
            uses: 3,
            days: Some(2),
        })
        .await
        .unwrap();
    let days = (made.expires - now) as f64 / 86_400_000.0;
    assert!((1.99..2.01).contains(&days), "{days}");
    host.shutdown().await;

    let deaf = builder(&tmp.path().join("deaf"))
        .listen(None)
        .open()
        .await
        .unwrap();
    let error = deaf
        .handle()
        .call(PeerNewInvite {
            uses: 1,
            days: None,
        })
        .await
        .unwrap_err();
    assert!(error.hint.unwrap().contains("--listen"));
    deaf.shutdown().await;
}

/// `once` says who could not be reached, and keeps the reason.
#[tokio::test]
async fn an_unreachable_pub_is_named() {
    let tmp = tempfile::tempdir().unwrap();
    let node = builder(tmp.path()).open().await.unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = Address {
        host: "127.0.0.1".into(),
        port,
        key: feed(1),
        seed: Some([1; 32]),
    };
    let keys = address.invite_keys().unwrap();
    let error = once::call(&node, &address, &keys, &["invite", "use"], &json!([]))
        .await
        .unwrap_err();
    assert!(
        matches!(error, OnceError::Dial(DialError::Connect { .. })),
        "{error}"
    );
    node.shutdown().await;
}
