//! The write path over a store that fails at every operation there is.

use super::*;
use serde_json::json;
use std::collections::HashMap;
use studytime_replicate::MemoryStore;
use studytime_replicate::store::conformance::{chain, keys};
use studytime_replicate::store::fault::{Failure, FaultStore};
use studytime_schema::MessageId;

const SOON: Duration = Duration::from_millis(5);

struct Bench {
    store: Arc<FaultStore>,
    writer: Writer,
    news: mpsc::UnboundedReceiver<WriteNews>,
    /// What was told to be kept, and of which sequence.
    told: HashMap<(FeedId, u64), Option<MessageId>>,
    troubles: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let store = Arc::new(FaultStore::new(Arc::new(MemoryStore::new())));
        let (tx, news) = mpsc::unbounded_channel();
        let writer = Writer::start_with(store.clone(), None, tx, SOON).unwrap();
        Self {
            store,
            writer,
            news,
            told: HashMap::new(),
            troubles: Vec::new(),
        }
    }

    fn receive(&self, message: &Message) {
        self.writer.ingest(Received {
            feed: message.author(),
            sequence: message.sequence(),
            wire: message.wire().to_owned().into(),
            from: Source::Peer(PeerId::new(message.author(), 1)),
            permit: None,
        });
    }

    /// Takes news until so many received messages have an outcome.
    async fn outcomes(&mut self, mut count: usize) {
        while count > 0 {
            match self.news.recv().await.expect("the writer lives") {
                WriteNews::Written { outcomes, tips } => {
                    count -= outcomes.len();
                    for done in outcomes {
                        let Outcome::Append(appended) = &done.outcome else {
                            panic!("{done:?}");
                        };
                        assert!(appended.is_kept(), "{done:?}");
                        assert!(tips[&done.feed] >= done.sequence);
                        self.told.insert((done.feed, done.sequence), None);
                    }
                }
                WriteNews::Trouble(text) => self.troubles.push(text),
                WriteNews::Published { .. } => {}
            }
        }
    }

    async fn publish(&mut self, n: u64) -> bool {
        let draft = |part: u64| Draft::Public(json!({"type": "test", "n": n, "part": part}));
        let batch = Batch {
            keys: keys(9),
            drafts: vec![draft(0), draft(1)],
        };
        match self.writer.publish(batch).await.expect("the writer lives") {
            Ok(published) => {
                for p in published {
                    let at = (p.message.author(), p.message.sequence());
                    let before = self.told.insert(at, Some(p.message.id()));
                    assert_eq!(before, None, "two messages at {at:?}");
                }
                true
            }
            Err(_) => false,
        }
    }

    /// All that was told is there, and every chain is whole.
    fn check(&self) {
        let store = self.store.inner();
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
        for ((feed, sequence), id) in &self.told {
            let stored = store.get(feed, *sequence).unwrap();
            let stored = stored.unwrap_or_else(|| panic!("{sequence} of {feed} is gone"));
            if let Some(id) = id {
                assert_eq!(stored.message().unwrap().id(), *id);
            }
        }
    }
}

/// Own messages between received ones; the same each time.
async fn script(bench: &mut Bench) {
    let (a, b) = (chain(&keys(1), None, 6, "a"), chain(&keys(2), None, 4, "b"));
    let mut missing = 0;
    for (n, part) in (0..).zip([&a[..3], &b[..], &a[3..]]) {
        for message in part {
            bench.receive(message);
        }
        missing += usize::from(!bench.publish(n).await);
        bench.outcomes(part.len()).await;
    }
    // What failed can be done again at once.
    for n in 0..missing {
        assert!(bench.publish(10 + n as u64).await);
    }
    bench.check();
    let own = bench.store.inner().tip(&keys(9).id()).unwrap().unwrap();
    let least = 6;
    assert!(own.sequence >= least, "{own:?}");
    for (seed, length) in [(1, 6), (2, 4)] {
        let tip = bench.store.inner().tip(&keys(seed).id()).unwrap();
        assert_eq!(tip.map(|t| t.sequence), Some(length));
    }
}

#[tokio::test]
async fn an_operation_that_fails_costs_nothing_that_was_told() {
    let mut sound = Bench::new();
    script(&mut sound).await;
    let operations = sound.store.operations();
    assert!(sound.troubles.is_empty());
    assert!(operations >= 8, "{operations}");
    for operation in 1..=operations {
        for failure in [Failure::Before, Failure::After] {
            let mut bench = Bench::new();
            bench.store.fail_at(operation, failure);
            script(&mut bench).await;
        }
    }
}

/// As with a full disk: trouble is told, a publication fails at once instead of
/// waiting, and when there is room again nothing is missing.
#[tokio::test]
async fn while_the_disk_is_full_publishing_fails_at_once_and_nothing_is_lost() {
    let mut bench = Bench::new();
    assert!(bench.publish(0).await);
    let received = chain(&keys(1), None, 5, "a");
    bench.store.fail_all(Some(Failure::Before));
    for message in &received {
        bench.receive(message);
    }
    while bench.troubles.len() < 3 {
        match bench.news.recv().await.unwrap() {
            WriteNews::Trouble(text) => bench.troubles.push(text),
            WriteNews::Written { .. } => panic!("told, but not kept"),
            WriteNews::Published { .. } => {}
        }
    }
    assert!(bench.troubles[0].contains("full"), "{:?}", bench.troubles);
    assert!(!bench.publish(1).await);
    bench.store.fail_all(None);
    bench.outcomes(5).await;
    assert!(bench.publish(2).await);
    bench.check();
    let own = bench.store.inner().tip(&keys(9).id()).unwrap().unwrap();
    assert_eq!(own.sequence, 4);
}

/// The program ends although the disk is still full.
#[tokio::test]
async fn a_full_disk_does_not_keep_the_writer_from_ending() {
    let mut bench = Bench::new();
    bench.store.fail_all(Some(Failure::Before));
    bench.receive(&chain(&keys(1), None, 1, "a")[0]);
    assert!(matches!(
        bench.news.recv().await,
        Some(WriteNews::Trouble(_))
    ));
    bench.writer.stop();
    assert_eq!(bench.store.inner().counts().unwrap().messages, 0);
}
