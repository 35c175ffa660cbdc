//! A peer in a process of its own: a request a line, an answer a line, each with
//! its number. `interop/peers/main.js` says what can be asked.

#![allow(dead_code, reason = "the bench uses a part, the tests another")]

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use studytime_schema::FeedId;
use tokio::sync::oneshot;

/// For an answer to come; reached only when something is broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// A network of the tests' own.
pub(crate) const NETWORK: [u8; 32] = [0x6a; 32];

/// The two JavaScript stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    Modern,
    Legacy,
}

impl Stack {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
        }
    }
}

type Answers = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

pub(crate) struct Peer {
    pub(crate) id: FeedId,
    /// Where it listens; empty when it does not.
    pub(crate) address: String,
    process: Process,
    stdin: Mutex<Option<ChildStdin>>,
    answers: Answers,
    number: AtomicU64,
}

pub(crate) fn interop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop")
}

/// Whether the modules are installed.
pub(crate) fn installed() -> bool {
    interop().join("node_modules/secret-stack").is_dir()
}

impl Peer {
    /// One of the programs in `interop/peers`; `with` are its further settings.
    pub(crate) async fn javascript(stack: &str, dir: &Path, with: Value) -> Self {
        assert!(
            installed(),
            "the JavaScript peers are not installed: run ./scripts/setup"
        );
        std::fs::create_dir_all(dir).expect("a folder for the peer");
        let mut settings = json!({ "stack": stack, "dir": dir, "network": base64(&NETWORK) });
        if let (Some(all), Some(more)) = (settings.as_object_mut(), with.as_object()) {
            all.extend(more.clone());
        }
        let mut command = Command::new("node");
        command
            .arg("peers/main.js")
            .arg(settings.to_string())
            .current_dir(interop());
        // Another program may have taken the port that was free a moment ago.
        for _ in 0..3 {
            if let Some(peer) = Self::start(&mut command).await {
                return peer;
            }
        }
        panic!("the {stack} peer did not start; is its error above?");
    }

    /// A program that speaks the same way; `None` when it ended at once.
    pub(crate) async fn start(command: &mut Command) -> Option<Self> {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the peer's program did not start: run ./scripts/setup");
        let mut process = Process(child);
        let stdin = process.0.stdin.take();
        let stdout = BufReader::new(process.0.stdout.take()?);
        let answers = Answers::default();
        let (hello_tx, hello_rx) = oneshot::channel();
        let inbox = Arc::clone(&answers);
        std::thread::spawn(move || {
            let mut hello_tx = Some(hello_tx);
            for line in stdout.lines() {
                let Ok(line) = line else { break };
                let Ok(mut answer) = serde_json::from_str::<Value>(&line) else {
                    eprint_line(&line);
                    continue;
                };
                if let Some(hello) = answer.get_mut("hello") {
                    if let Some(tx) = hello_tx.take() {
                        let _ = tx.send(hello.take());
                    }
                } else if let Some(id) = answer["id"].as_u64()
                    && let Some(tx) = inbox.lock().expect("not poisoned").remove(&id)
                {
                    let _ = tx.send(answer);
                }
            }
            // Whoever waits is told that there will be no answer.
            inbox.lock().expect("not poisoned").clear();
        });
        let hello = tokio::time::timeout(LIMIT, hello_rx)
            .await
            .expect("the peer starts");
        let hello = hello.ok()?;
        Some(Self {
            id: hello["id"].as_str()?.parse().ok()?,
            address: hello["address"].as_str().unwrap_or_default().to_owned(),
            process,
            stdin: Mutex::new(stdin),
            answers,
            number: AtomicU64::new(1),
        })
    }

    /// Asks; the text of what went wrong otherwise.
    pub(crate) async fn try_ask(&self, what: &str, with: Value) -> Result<Value, String> {
        let id = self.number.fetch_add(1, Ordering::Relaxed);
        let mut line = json!({ "id": id, "do": what });
        if let (Some(all), Some(more)) = (line.as_object_mut(), with.as_object()) {
            all.extend(more.clone());
        }
        let (tx, rx) = oneshot::channel();
        self.answers.lock().expect("not poisoned").insert(id, tx);
        let text = format!("{line}\n");
        if let Some(stdin) = self.stdin.lock().expect("not poisoned").as_mut() {
            stdin
                .write_all(text.as_bytes())
                .map_err(|e| format!("the peer is gone: {e}"))?;
        }
        let answer = tokio::time::timeout(LIMIT, rx)
            .await
            .unwrap_or_else(|_| panic!("no answer to {what} within {} s", LIMIT.as_secs()))
            .map_err(|_| "the peer ended".to_owned())?;
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["value"].clone()),
        }
    }

    /// Asks, and takes an error for a fault of the test.
    pub(crate) async fn ask(&self, what: &str, with: Value) -> Value {
        self.try_ask(what, with)
            .await
            .unwrap_or_else(|e| panic!("the peer could not {what}: {e}"))
    }

    /// Waits until the feeds have come so far there.
    pub(crate) async fn reached(&self, feeds: &[(FeedId, u64)]) {
        let clock: serde_json::Map<String, Value> = feeds
            .iter()
            .map(|(feed, sequence)| (feed.to_string(), (*sequence).into()))
            .collect();
        self.ask("reached", json!({ "clock": clock })).await;
    }

    /// Asks it to fetch feeds and pass them on.
    pub(crate) async fn request(&self, feeds: &[FeedId]) {
        self.ask("request", json!({ "feeds": feeds })).await;
    }

    /// Ends it in order: its stores are written.
    pub(crate) async fn close(mut self) {
        let _ = self.try_ask("close", json!({})).await;
        *self.stdin.lock().expect("not poisoned") = None;
        let _ = self.process.0.wait();
    }
}

/// Killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[allow(
    clippy::print_stderr,
    reason = "what a peer printed, beside the test's own words"
)]
fn eprint_line(line: &str) {
    eprintln!("{line}");
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
