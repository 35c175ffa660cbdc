//! The thread itself: takes jobs, pulls pages, mends what is damaged.

use super::pages::{Page, Pages};
use super::{IndexNews, Job, options};
use crate::clock::now_ms;
use crate::policy::{SharedGraph, save_graph};
use crate::store::State;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use studytime_index::{ApplyError, Changes, Facts, Index, Reader};
use studytime_replicate::FeedStore;
use studytime_schema::content::ProgressEntry;
use studytime_schema::subjects::SubjectTable;
use studytime_schema::{Keypair, LogPosition};
use tokio::sync::{mpsc, watch};

/// While the log is ahead, texts become searchable this often, in milliseconds:
/// each time costs as much as a thousand messages.
const BEHIND_TICK_MS: u64 = 400;
/// The same while the log is very far ahead: what arrives now is not looked at
/// for seconds in any case, and few large steps cost a third less than many small
/// ones.
const FAR_BEHIND_TICK_MS: u64 = 4_000;
/// Messages that take the index some seconds.
const FAR: u64 = 50_000;
/// How long to rest after the index could not be written (a full disk).
const RETRY: Duration = Duration::from_secs(5);
/// Times a damaged index is built anew in one run: more point to a disk that
/// fails, which nothing here can mend.
const MAX_REPAIRS: u32 = 3;

/// The thread's state.
pub(super) struct Worker {
    pub(super) index: Index,
    pub(super) feeds: Arc<dyn FeedStore>,
    pub(super) keys: Keypair,
    pub(super) graph: Arc<Mutex<SharedGraph>>,
    pub(super) state: Arc<State>,
    pub(super) news: mpsc::UnboundedSender<IndexNews>,
    pub(super) position: watch::Sender<LogPosition>,
    pub(super) stuck: watch::Sender<bool>,
    pub(super) rebuilding: bool,
    pub(super) repairs: u32,
    /// Whether a repair has just begun.
    pub(super) begun: bool,
    pub(super) dir: PathBuf,
    /// What was told last, for an index that is built anew.
    pub(super) facts: Facts,
    /// Another table of subjects than the built-in one.
    pub(super) subjects: Option<Arc<SubjectTable>>,
    pub(super) positions: Vec<(ProgressEntry, u64)>,
    pub(super) reader: Arc<RwLock<Reader>>,
    /// What was read of the log and is not taken in yet.
    pub(super) ahead: Option<Page>,
}

impl Worker {
    pub(super) fn run(mut self, inbox: &Receiver<Job>) {
        let mut due: Option<u64> = None;
        let mut ticked: u64 = 0;
        loop {
            let wait = match due {
                Some(at) => Duration::from_millis(at.saturating_sub(now_ms())),
                None => Duration::from_secs(3600),
            };
            let first = match inbox.recv_timeout(wait) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.finish(),
            };
            for job in first
                .into_iter()
                .chain(std::iter::from_fn(|| inbox.try_recv().ok()))
            {
                if matches!(job, Job::Stop) {
                    return self.finish();
                }
                self.guard(|w| w.job(job));
            }
            let more = match self.guard(Self::catch_up) {
                Some(more) => {
                    self.stuck.send_replace(false);
                    self.begun = false;
                    more
                }
                // A new index was begun: it can be filled at once.
                None if std::mem::take(&mut self.begun) => true,
                None => {
                    self.stuck.send_replace(true);
                    std::thread::sleep(RETRY);
                    due = Some(now_ms());
                    continue;
                }
            };
            let now = now_ms();
            due = more.then_some(now);
            // A clock that was set back must not hold texts up.
            if more && (ticked..ticked.saturating_add(self.pause())).contains(&now) {
                continue;
            }
            ticked = now;
            if let Some(Some(next)) = self.guard(|w| w.tick(now)) {
                due = Some(due.map_or(next, |at| at.min(next)));
            }
            if std::mem::take(&mut self.begun) {
                due = Some(now);
            }
        }
    }

    fn finish(mut self) {
        self.guard(|w| w.index.flush().map(drop));
        save_graph(
            &mut self.graph.lock().unwrap_or_else(PoisonError::into_inner),
            &self.state,
        );
    }

    /// Runs a step; trouble is told, and the step is tried again later because
    /// the cursor has not moved. Damage, also one that trips the code that reads
    /// it, has the index built anew.
    fn guard<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, ApplyError>) -> Option<T> {
        // What a panic leaves half done is in the index, which is thrown away.
        let done = catch_unwind(AssertUnwindSafe(|| step(self)));
        let error = match done {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(error)) => error,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                ApplyError::Damaged(text.unwrap_or("it cannot be read").to_owned())
            }
        };
        self.trouble("the index could not be updated", &error);
        if let ApplyError::Damaged(_) = error {
            // Also when this run ends before the new one is whole.
            if let Err(error) = self.index.condemn() {
                self.trouble("the damage could not be noted", &error);
            }
            self.repair();
        }
        None
    }

    fn trouble(&self, what: &str, error: &(dyn std::error::Error + 'static)) {
        let text = crate::api::ApiError::failed(what, error).message;
        let _ = self.news.send(IndexNews::Trouble(text));
    }

    /// Begins a new index beside the damaged one; catching up fills it.
    fn repair(&mut self) {
        if self.repairs >= MAX_REPAIRS {
            return;
        }
        let begun = Index::rebuild(&self.dir, options(&self.facts, self.subjects.as_ref()));
        match begun {
            Ok(index) => {
                self.repairs += 1;
                self.begun = true;
                // The old one goes on answering, as far as it can.
                self.index = index;
                self.rebuilding = true;
                self.position.send_replace(self.index.position());
                let positions = self.positions.clone();
                if let Err(error) = self.index.set_local_progress(&positions) {
                    self.trouble("the learner's places cannot be shown", &error);
                }
            }
            Err(error) => self.trouble("the index cannot be built anew", &error),
        }
    }

    fn tell(&self, changes: Changes) {
        if !changes.is_empty() {
            let _ = self.news.send(IndexNews::Changed(changes));
        }
    }

    fn job(&mut self, job: Job) -> Result<(), ApplyError> {
        match job {
            Job::Wake | Job::Stop => {}
            Job::Repair(reason) => {
                // One that is being built is not what the query saw.
                if !self.rebuilding {
                    return Err(ApplyError::Damaged(reason));
                }
            }
            Job::Facts(facts) => {
                self.facts.clone_from(&facts);
                let changes = self.index.set_facts(*facts)?;
                self.tell(changes);
            }
            Job::Texts(texts) => {
                let changes = self.index.apply_text(&texts)?;
                self.tell(changes);
            }
            Job::Blobs(blobs) => self.index.blobs_changed(blobs),
            Job::Positions(positions) => {
                self.positions.clone_from(&positions);
                let changes = self.index.set_local_progress(&positions)?;
                self.tell(changes);
            }
        }
        Ok(())
    }

    /// Takes in the next messages of the log; says whether more wait. One batch
    /// at a time, so that texts and other jobs get their turn during a long sync.
    fn catch_up(&mut self) -> Result<bool, ApplyError> {
        let from = self.index.position();
        let pages = Pages {
            feeds: self.feeds.clone(),
            keys: self.keys.clone(),
        };
        let page = match self.ahead.take() {
            Some(page) if page.from == from => page,
            _ => pages.read(from),
        };
        for trouble in &page.troubles {
            let _ = self.news.send(IndexNews::Trouble(trouble.clone()));
        }
        if page.reached > from {
            self.follow(&page);
            // The next page is read while this one is taken in.
            let (changes, ahead) = std::thread::scope(|scope| {
                let reached = page.reached;
                let ahead = page.more.then(|| scope.spawn(move || pages.read(reached)));
                let changes = self.index.apply_to(&page.entries, page.reached);
                (changes, ahead.and_then(|thread| thread.join().ok()))
            });
            self.ahead = ahead;
            self.tell(changes?);
        }
        if page.more {
            // Whoever waits for the end waits until the new index answers.
            let held_back = u64::from(self.rebuilding);
            let position = self.index.position().0.saturating_sub(held_back);
            self.position.send_replace(LogPosition(position));
            return Ok(true);
        }
        if self.rebuilding && page.sound {
            self.index.swap_in()?;
            *self.reader.write().unwrap_or_else(PoisonError::into_inner) = self.index.reader();
            self.rebuilding = false;
        }
        self.position.send_replace(self.index.position());
        Ok(false)
    }

    /// Milliseconds between two ticks while more of the log waits.
    fn pause(&self) -> u64 {
        // Where the end is not known, it is taken to be near.
        let end = self.feeds.last_position().unwrap_or_default();
        match end.0.saturating_sub(self.index.position().0) > FAR {
            true => FAR_BEHIND_TICK_MS,
            false => BEHIND_TICK_MS,
        }
    }

    /// What is due; says when to call again.
    fn tick(&mut self, now: u64) -> Result<Option<u64>, ApplyError> {
        let tick = self.index.tick(now)?;
        self.tell(tick.changes);
        Ok(tick.next)
    }

    /// Takes new follows and blocks into the graph, before the index tells of them.
    fn follow(&self, page: &Page) {
        let mut shared = self.graph.lock().unwrap_or_else(PoisonError::into_inner);
        let known = shared.position;
        for entry in page.entries.iter().filter(|e| e.position > known) {
            if entry.message.content_type() == Some("contact")
                && let Some(content) = entry.message.public_content()
            {
                shared
                    .graph
                    .apply(&entry.message.author(), entry.message.sequence(), content);
                shared.unsaved = true;
            }
        }
        shared.position = shared.position.max(page.reached);
        if shared.is_far_ahead() {
            save_graph(&mut shared, &self.state);
        }
    }
}
