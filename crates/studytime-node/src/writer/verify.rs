//! The verify threads: they share one queue, so that one long feed is verified on
//! all cores, and number what they take from it, so that the writer can put it back
//! into its order.

use super::{Job, Received, Source};
use crate::clock::now_ms;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use studytime_replicate::ingest::{self, RejectedSet, Verifier};
use studytime_replicate::store::Rejected;
use studytime_schema::{HmacKey, Message};
use tokio::sync::OwnedSemaphorePermit;

/// Messages a thread takes and hands on at a time, when so many wait: waking the
/// writer for each would cost as much as writing it.
const TAKEN: usize = 64;
/// Most threads; more than this outrun any disk.
const MAX_THREADS: usize = 8;

/// What a verify thread found.
pub(super) enum Checked {
    Verified(Arc<Message>, Source, Option<OwnedSemaphorePermit>),
    Refused(Box<Rejected>, Source),
}

/// The queue, as the threads see it.
struct Intake {
    queue: Receiver<Received>,
    /// The number of what is taken next.
    next: u64,
}

impl Intake {
    /// The next few and their number; waits for one. `None` at the end.
    fn take(intake: &Mutex<Self>) -> Option<(u64, Vec<Received>)> {
        // Whoever waits for a message holds the lock; the others wait for that.
        let mut intake = intake.lock().unwrap_or_else(PoisonError::into_inner);
        let first = intake.queue.recv().ok()?;
        let mut some = vec![first];
        some.extend(intake.queue.try_iter().take(TAKEN - 1));
        let number = intake.next;
        intake.next += 1;
        Some((number, some))
    }
}

/// Starts the threads, one a core. They end when the sender is dropped.
pub(super) fn start(
    jobs: &Sender<Job>,
    rejected: &Arc<RwLock<RejectedSet>>,
    hmac: Option<HmacKey>,
    threads: &mut Vec<JoinHandle<()>>,
) -> std::io::Result<Sender<Received>> {
    let count = std::thread::available_parallelism().map_or(1, |n| n.get().min(MAX_THREADS));
    let (tx, queue) = channel();
    let intake = Arc::new(Mutex::new(Intake { queue, next: 0 }));
    for i in 0..count {
        let (intake, jobs, rejected) = (Arc::clone(&intake), jobs.clone(), Arc::clone(rejected));
        threads.push(
            std::thread::Builder::new()
                .name(format!("studytime-verify-{i}"))
                .spawn(move || run(&intake, &jobs, &rejected, hmac))?,
        );
    }
    Ok(tx)
}

fn run(
    intake: &Mutex<Intake>,
    jobs: &Sender<Job>,
    rejected: &RwLock<RejectedSet>,
    hmac: Option<HmacKey>,
) {
    let mut verifier = Verifier::new(hmac);
    while let Some((number, some)) = Intake::take(intake) {
        let checked = check(&mut verifier, some, rejected);
        if jobs.send(Job::Checked(number, checked)).is_err() {
            return;
        }
    }
}

fn check(
    verifier: &mut Verifier,
    some: Vec<Received>,
    rejected: &RwLock<RejectedSet>,
) -> Vec<Checked> {
    let known_bad: Vec<bool> = {
        let set = rejected.read().unwrap_or_else(PoisonError::into_inner);
        some.iter()
            .map(|r| set.contains(&r.feed, &r.wire))
            .collect()
    };
    let unknown: Vec<_> = some
        .iter()
        .zip(&known_bad)
        .filter(|(_, bad)| !**bad)
        .map(|(r, _)| (r.feed, &r.wire[..]))
        .collect();
    let mut verdicts = verifier.verify_each(&unknown).into_iter();
    some.into_iter()
        .zip(known_bad)
        .map(|(r, bad)| {
            let refused = match if bad { None } else { verdicts.next() } {
                Some(Ok(message)) => return Checked::Verified(message, r.from, r.permit),
                Some(Err(error)) => {
                    ingest::rejected(&r.feed, r.sequence, &r.wire, &error, now_ms())
                }
                None => Rejected {
                    feed: r.feed,
                    sequence: r.sequence,
                    hash: ingest::wire_hash(&r.wire),
                    reason: "it was refused before".into(),
                    at: now_ms(),
                },
            };
            Checked::Refused(Box::new(refused), r.from)
        })
        .collect()
}
