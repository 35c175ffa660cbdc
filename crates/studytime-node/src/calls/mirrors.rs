//! Mirrors: named, filled, checked.

use super::Report;
use crate::api::{
    ApiError, Done, MirrorChecked, MirrorInfo, MirrorProblem, MirrorPushed, MirrorSpec, Progress,
    ProgressUnit,
};
use crate::mirror::{unknown_mirror, words};
use crate::node::Node;
use crate::store::OwnKind;
use std::io::Read as _;
use std::sync::Arc;
use studytime_blobs::mirror::{Mirror, MirrorError};
use studytime_schema::{BlobId, FeedId, MAX_BLOB_SIZE};
use tokio::task::JoinSet;

/// Files sent or asked for at a time.
const AT_A_TIME: usize = 4;
/// Problems that are told one by one.
const MAX_PROBLEMS: usize = 1_000;
/// After so many failures in a row nothing more is tried.
const GIVE_UP: usize = 20;

/// What became of one file.
enum Outcome {
    There(u64),
    Sent(u64),
    Absent,
    Missing,
    Wrong(String),
    /// The mirror itself fails.
    Failed(String),
}

impl Node {
    pub(super) fn mirror_list(&self) -> Vec<MirrorInfo> {
        self.mirror_infos()
    }

    pub(super) async fn mirror_add(&self, mirror: MirrorSpec) -> Result<Done, ApiError> {
        self.blocking(move |n| n.add_mirror(mirror)).await?;
        Ok(Done {})
    }

    pub(super) async fn mirror_remove(&self, name: String) -> Result<Done, ApiError> {
        self.blocking(move |n| n.remove_mirror(&name)).await?;
        Ok(Done {})
    }

    /// Brings the files of a course, or of all own ones, to a mirror.
    pub(super) async fn mirror_push(
        &self,
        name: &str,
        course: Option<FeedId>,
        report: Report<'_>,
    ) -> Result<MirrorPushed, ApiError> {
        let mut reply = MirrorPushed::default();
        self.each_file(
            name,
            course,
            "Sending",
            push_one,
            report,
            |blob, done| match done {
                Outcome::There(size) => {
                    reply.there.count += 1;
                    reply.there.bytes += size;
                }
                Outcome::Sent(size) => {
                    reply.sent.count += 1;
                    reply.sent.bytes += size;
                }
                Outcome::Absent => reply.absent += 1,
                Outcome::Missing => {}
                Outcome::Wrong(problem) | Outcome::Failed(problem) => {
                    note(&mut reply.problems, blob, problem);
                }
            },
        )
        .await?;
        Ok(reply)
    }

    /// Asks a mirror what it has of a course, or of all own ones.
    pub(super) async fn mirror_check(
        &self,
        name: &str,
        course: Option<FeedId>,
        read: bool,
        report: Report<'_>,
    ) -> Result<MirrorChecked, ApiError> {
        let mut reply = MirrorChecked {
            read,
            ..MirrorChecked::default()
        };
        let check = if read { read_one } else { claim_one };
        self.each_file(
            name,
            course,
            "Checking",
            check,
            report,
            |blob, done| match done {
                Outcome::There(size) | Outcome::Sent(size) => {
                    reply.there.count += 1;
                    reply.there.bytes += size;
                }
                Outcome::Missing | Outcome::Absent => {
                    reply.missing += 1;
                    note(&mut reply.problems, blob, "it is not there".into());
                }
                Outcome::Wrong(problem) | Outcome::Failed(problem) => {
                    note(&mut reply.problems, blob, problem);
                }
            },
        )
        .await?;
        Ok(reply)
    }

    /// Does something with every file of a course, or of all own ones, several
    /// at a time.
    async fn each_file(
        &self,
        name: &str,
        course: Option<FeedId>,
        stage: &str,
        work: fn(&Node, &dyn Mirror, &BlobId) -> Outcome,
        report: Report<'_>,
        mut tell: impl FnMut(BlobId, Outcome) + Send,
    ) -> Result<(), ApiError> {
        let mirror = self.inner().mirrors.get(name);
        let mirror: Arc<dyn Mirror> = mirror.ok_or_else(|| unknown_mirror(name))?;
        let files = self.blocking(move |n| n.files_to_mirror(course)).await?;
        let total = files.len() as u64;
        let mut files = files.into_iter();
        let mut running = JoinSet::new();
        let (mut done, mut failed) = (0, 0);
        loop {
            while failed < GIVE_UP && running.len() < AT_A_TIME {
                let Some(blob) = files.next() else { break };
                let (node, mirror) = (self.clone(), Arc::clone(&mirror));
                running.spawn_blocking(move || (blob, work(&node, &*mirror, &blob)));
            }
            let Some(next) = running.join_next().await else {
                break;
            };
            let (blob, what) = next.map_err(|e| ApiError::failed("a task failed", &e))?;
            done += 1;
            report(Progress::new(stage, ProgressUnit::Items, done, total));
            failed = match &what {
                Outcome::Failed(_) => failed + 1,
                _ => 0,
            };
            if let (true, Outcome::Failed(why)) = (failed >= GIVE_UP, &what) {
                return Err(ApiError::new(
                    crate::api::ErrorKind::Failed,
                    format!("the mirror {name:?} fails: {why}"),
                ));
            }
            tell(blob, what);
        }
        Ok(())
    }

    fn files_to_mirror(&self, course: Option<FeedId>) -> Result<Vec<BlobId>, ApiError> {
        let courses = match course {
            Some(course) => {
                let known = self.reader().course(&course);
                if known.map_err(|e| super::query_error(&e))?.is_none() {
                    return Err(ApiError::not_found(format!(
                        "no course {course} is known here"
                    )));
                }
                vec![course]
            }
            None => self.keys().of_kind(OwnKind::Course),
        };
        if courses.is_empty() {
            return Err(ApiError::refused("you have made no course; name one"));
        }
        let mut all = Vec::new();
        for course in courses {
            all.extend(self.course_blobs(&course)?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }
}

fn note(problems: &mut Vec<MirrorProblem>, blob: BlobId, problem: String) {
    if problems.len() < MAX_PROBLEMS {
        problems.push(MirrorProblem { blob, problem });
    }
}

fn size_here(node: &Node, blob: &BlobId) -> Option<u64> {
    node.inner().blobs.size(blob).ok().flatten()
}

fn push_one(node: &Node, mirror: &dyn Mirror, blob: &BlobId) -> Outcome {
    let here = size_here(node, blob);
    match mirror.claims(blob) {
        Ok(Some(size)) if here.is_none_or(|h| h == size) => return Outcome::There(size),
        Ok(_) => {}
        Err(error) => return Outcome::Failed(words(&error)),
    }
    let bytes = match node.inner().blobs.read(blob) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Outcome::Absent,
        Err(error) => return Outcome::Wrong(words(&error)),
    };
    // Others would only throw it away.
    if BlobId::of(&bytes) != *blob {
        return Outcome::Wrong("it is damaged here: `studytime blob scrub` mends that".into());
    }
    match mirror.put(blob, &bytes) {
        Ok(()) => Outcome::Sent(bytes.len() as u64),
        Err(error) => Outcome::Failed(words(&error)),
    }
}

fn claim_one(node: &Node, mirror: &dyn Mirror, blob: &BlobId) -> Outcome {
    match mirror.claims(blob) {
        Ok(Some(size)) => match size_here(node, blob).filter(|h| *h != size) {
            Some(here) => Outcome::Wrong(format!("it has {size} bytes there, and {here} here")),
            None => Outcome::There(size),
        },
        Ok(None) => Outcome::Missing,
        Err(error) => Outcome::Failed(words(&error)),
    }
}

fn read_one(_: &Node, mirror: &dyn Mirror, blob: &BlobId) -> Outcome {
    let mut body = match mirror.fetch(blob, MAX_BLOB_SIZE - 1) {
        Ok(body) => body.take(MAX_BLOB_SIZE),
        Err(MirrorError::NotFound { .. }) => return Outcome::Missing,
        Err(error @ MirrorError::TooLarge { .. }) => return Outcome::Wrong(words(&error)),
        Err(error) => return Outcome::Failed(words(&error)),
    };
    let mut bytes = Vec::new();
    if let Err(error) = body.read_to_end(&mut bytes) {
        return Outcome::Failed(words(&error));
    }
    match BlobId::of(&bytes) == *blob {
        true => Outcome::There(bytes.len() as u64),
        false => Outcome::Wrong("its bytes there are others".into()),
    }
}
