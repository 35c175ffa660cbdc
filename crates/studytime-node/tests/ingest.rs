//! Messages given to a node by the program that embeds it.

use bytes::Bytes;
use serde_json::json;
use studytime_node::{Builder, Node, api};
use studytime_schema::{Keypair, Message, Tip};

fn chain(keys: &Keypair, count: u64, text: &str) -> Vec<Message> {
    let mut tip: Option<Tip> = None;
    (0..count)
        .map(|n| {
            let content = json!({ "type": "post", "text": format!("{text} {n}") });
            let message = Message::sign(keys, tip.as_ref(), 1_700_000_000_000 + n, &content, None)
                .expect("a message");
            tip = Some(message.tip());
            message
        })
        .collect()
}

fn bytes(message: &Message) -> Bytes {
    Bytes::from(message.wire().to_owned())
}

async fn node(dir: &tempfile::TempDir) -> Node {
    let builder = Builder::new(dir.path()).default_lists(false);
    builder.open().await.expect("a node")
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_from_elsewhere_are_kept_in_order_and_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir).await;
    let (a, b) = (Keypair::from_seed(&[1; 32]), Keypair::from_seed(&[2; 32]));
    let (of_a, of_b) = (chain(&a, 300, "a"), chain(&b, 300, "b"));

    // Two feeds in turns.
    let both = of_a
        .iter()
        .zip(&of_b)
        .flat_map(|(x, y)| [bytes(x), bytes(y)]);
    let report = node.ingest(both.collect::<Vec<_>>()).await.unwrap();
    assert_eq!((report.kept, report.total()), (600, 600));

    let other_branch = chain(&a, 2, "another");
    let last = of_b.last().map(Message::tip);
    let next = |tip: &Tip, text: &str| {
        let content = json!({ "type": "post", "text": text });
        Message::sign(&b, Some(tip), 1, &content, None).expect("a message")
    };
    let one = next(&last.unwrap(), "one");
    let two = next(&one.tip(), "two");
    let forged = two.wire().replace("\"two\"", "\"TWO\"");
    let report = node
        .ingest(vec![
            bytes(&of_a[0]),
            bytes(&other_branch[1]),
            bytes(&two),
            Bytes::from(forged),
            Bytes::from_static(b"{\"not\":\"a message\"}"),
            Bytes::from_static(b"\xff"),
        ])
        .await
        .unwrap();
    assert_eq!(
        (report.kept, report.known, report.gaps, report.refused),
        (0, 1, 1, 4),
        "{report:?}"
    );
    let of = |keys: &Keypair| {
        report
            .refusals
            .iter()
            .filter(|r| r.feed == Some(keys.id()))
            .count()
    };
    assert_eq!((of(&a), of(&b)), (1, 1), "{report:?}");
    assert!(report.refusals.iter().all(|r| !r.reason.is_empty()));

    // The forged one has cost its feed nothing.
    let report = node.ingest(vec![bytes(&one), bytes(&two)]).await.unwrap();
    assert_eq!((report.kept, report.refused), (2, 0), "{report:?}");

    let status = node.handle().call(api::Status {}).await.unwrap();
    assert_eq!(status.messages, 602);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let messages = chain(&Keypair::from_seed(&[3; 32]), 50, "kept");
    let first = node(&dir).await;
    let report = first
        .ingest(messages.iter().map(bytes).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!(report.kept, 50);
    first.shutdown().await;
    drop(first);

    let second = node(&dir).await;
    let report = second
        .ingest(messages.iter().map(bytes).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!((report.known, report.kept), (50, 0));
    second.shutdown().await;
}
