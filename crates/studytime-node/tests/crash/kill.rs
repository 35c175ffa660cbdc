//! A node is killed again and again on one data directory.

use super::ledger::Ledger;
use super::random::Random;
use super::victim::{Ack, Orders, VARIABLE};
use super::view::{difference, everything, indexed};
use super::work::{self, LIST, course_folder};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use studytime_node::api::*;
use studytime_node::{Handle, Node};
use studytime_schema::FeedId;

/// How often the node is killed, unless `STUDYTIME_CRASH_ROUNDS` says otherwise.
const ROUNDS: u64 = 200;
/// A victim that says nothing for so long hangs: a failure, not a moment to kill.
const SILENCE: Duration = Duration::from_secs(60);

/// A second node, never killed, whose list grows all the time.
struct Source {
    node: Node,
    handle: Handle,
    list: FeedId,
    file: PathBuf,
    listed: u64,
}

impl Source {
    async fn start(dir: &Path) -> Self {
        let node = work::open(&dir.join("source"), true).await;
        let handle = node.handle();
        let name = "Source".to_owned();
        let list = handle.call(CatalogNew { name }).await.unwrap().id;
        let file = dir.join("listings.jsonl");
        Self {
            node,
            handle,
            list,
            file,
            listed: 0,
        }
    }

    async fn address(&self) -> String {
        let status = self.handle.call(Status {}).await.unwrap();
        status.address.unwrap()
    }

    async fn publish(&mut self, count: u64) {
        let mut lines = String::new();
        for n in self.listed..self.listed + count {
            let course = FeedId::from_bytes([(n % 150) as u8; 32]);
            let line = serde_json::json!({"feed_id": course, "name": format!("Lichen {n}")});
            lines.push_str(&format!("{line}\n"));
        }
        self.listed += count;
        std::fs::write(&self.file, lines).unwrap();
        let call = CatalogPublishFile {
            catalog: "Source".into(),
            path: self.file.clone(),
        };
        self.handle.call(call).await.unwrap();
    }
}

/// When to kill.
#[derive(Debug)]
enum Moment {
    /// So long after the start.
    After(Duration),
    /// So long after so many things were finished.
    Acks(u64, Duration),
}

impl Moment {
    /// `opening` is how long the last start took.
    fn choose(random: &mut Random, opening: Duration) -> Self {
        if random.one_in(4) {
            let span = opening.as_micros() as u64 * 5 / 4;
            return Self::After(Duration::from_micros(random.below(span)));
        }
        let most = if random.one_in(6) { 150 } else { 12 };
        let more = Duration::from_micros(random.below(4_000));
        Self::Acks(1 + random.below(most), more)
    }
}

/// Starts a victim, kills it at `moment`, and notes what it acknowledged before.
/// Answers how long it took to open, when it got so far.
fn kill_one(orders: &Orders, moment: &Moment, ledger: &mut Ledger) -> Option<Duration> {
    let started = Instant::now();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim::victim", "--ignored", "--nocapture"])
        .env(VARIABLE, serde_json::to_string(orders).unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = BufReader::new(child.stderr.take().unwrap());
    let errors = std::thread::spawn(move || {
        let lines: Vec<String> = errors.lines().map_while(Result::ok).collect();
        lines.join("\n")
    });
    let (tx, acks) = channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let Some((_, ack)) = line.split_once("ack ") else {
                continue;
            };
            // The last line may be cut off; then it was not said.
            let Ok(ack) = serde_json::from_str::<Ack>(ack) else {
                continue;
            };
            if tx.send((Instant::now(), ack)).is_err() {
                return;
            }
        }
    });
    let mut opened = None;
    let mut heard = 0;
    let mut note = |(at, ack): (Instant, Ack), ledger: &mut Ledger| {
        match ack {
            Ack::Ready => opened = Some(at - started),
            _ => heard += 1,
        }
        ledger.take(ack);
        heard
    };
    let gone = loop {
        let wait = match moment {
            Moment::After(span) => span.saturating_sub(started.elapsed()),
            Moment::Acks(..) => SILENCE,
        };
        match (acks.recv_timeout(wait), moment) {
            (Ok(ack), moment) => {
                let heard = note(ack, ledger);
                if let Moment::Acks(wanted, more) = moment
                    && heard >= *wanted
                {
                    std::thread::sleep(*more);
                    break None;
                }
            }
            (Err(RecvTimeoutError::Timeout), Moment::After(_)) => break None,
            (Err(_), _) => break Some("ended by itself or hangs"),
        }
    };
    // SIGKILL: no destructor, no handler.
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    for ack in acks {
        note(ack, ledger);
    }
    let errors = errors.join().unwrap();
    assert!(gone.is_none(), "the node {}: {errors}", gone.unwrap());
    assert!(!errors.contains("panicked"), "{errors}");
    opened
}

#[test]
fn killed_at_any_moment() {
    let mut random = Random::from_env("STUDYTIME_CRASH_SEED");
    let rounds = std::env::var("STUDYTIME_CRASH_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().unwrap());
    let tmp = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut source = runtime.block_on(Source::start(tmp.path()));
    let scratch = tmp.path().join("scratch");
    std::fs::create_dir_all(&scratch).unwrap();
    let mut orders = Orders {
        data: tmp.path().join("data"),
        scratch,
        folder: course_folder(tmp.path()),
        source: runtime.block_on(source.address()),
        source_list: source.list,
        seed: 0,
        round: 0,
    };
    let mut ledger = Ledger::default();
    let mut opening = Duration::from_millis(200);
    let mut early = 0;
    for round in 0..rounds {
        orders.round = round;
        orders.seed = random.next() >> 16;
        runtime.block_on(source.publish(random.below(40)));
        let moment = Moment::choose(&mut random, opening);
        match kill_one(&orders, &moment, &mut ledger) {
            Some(took) => opening = took,
            None => early += 1,
        }
        // A look of ours empties the write-ahead log; mostly the next victim
        // is to find what the last one left.
        if random.one_in(4) && orders.data.join("feeds.db").exists() {
            ledger.check(&orders.data, random.one_in(8));
        }
        if round % 50 == 49 {
            let done = ledger.acknowledged;
            println!(
                "{} kills, {early} before it was open; {done} things acknowledged",
                round + 1
            );
        }
    }
    ledger.check(&orders.data, true);
    runtime.block_on(afterwards(&orders, &mut ledger));
    println!(
        "{} messages, {} courses",
        ledger.messages(),
        ledger.courses.len()
    );
    runtime.block_on(source.node.shutdown());
}

/// A proper start finds everything, and its index is that of a new one.
async fn afterwards(orders: &Orders, ledger: &mut Ledger) {
    let node = work::open(&orders.data, false).await;
    let handle = node.handle();
    // What was cut off can be done again, and says when all is searchable.
    let reply = work::import(&handle, &orders.folder, "Utricularia".into()).await;
    let reply = reply.unwrap();
    ledger
        .courses
        .insert(reply.course.unwrap(), reply.messages - 1);
    indexed(&handle, "utricularia").await;
    // Leaving publishes the learner's last places; only then is the log at rest.
    drop(handle);
    work::close(node, &orders.data).await;
    let node = work::open(&orders.data, false).await;
    let handle = node.handle();
    indexed(&handle, "utricularia").await;
    let words = [
        "moss", "lichen", "sphagnum", "drosera", "course", "bryolog", "peat",
    ];
    let before = everything(&handle, &words).await.unwrap();
    let doctor = handle.call(Doctor {}).await.unwrap();
    let broken = doctor
        .findings
        .iter()
        .find(|f| f.place.contains("feeds.db"));
    assert!(broken.is_none(), "{broken:?}");
    for id in ledger.courses.keys() {
        let course = handle.call(CourseShow { id: *id }).await.unwrap();
        assert_eq!(course.detail.lessons.len(), 3, "{id}");
        assert_eq!(course.bytes_here, course.bytes_total, "{id}");
    }
    let lists = handle.call(CatalogList {}).await.unwrap();
    assert_eq!(
        lists.iter().filter(|l| l.name == LIST).count(),
        1,
        "{lists:?}"
    );
    drop(handle);
    work::close(node, &orders.data).await;

    ledger.check(&orders.data, true);
    ledger.check_courses(&orders.data);
    std::fs::remove_dir_all(orders.data.join("index")).unwrap();
    let node = work::open(&orders.data, false).await;
    let handle = node.handle();
    indexed(&handle, "utricularia").await;
    same(&handle, &before, &words).await;
    node.shutdown().await;
}

/// Waits until all that can be asked is as it was: texts that stand in blobs come
/// a moment later.
pub(crate) async fn same(handle: &Handle, before: &serde_json::Value, words: &[&str]) {
    let end = Instant::now() + SILENCE;
    loop {
        let now = everything(handle, words).await.unwrap_or_default();
        match difference(before, &now) {
            None => return,
            Some(d) if Instant::now() > end => panic!("the index built anew differs: {d}"),
            Some(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
