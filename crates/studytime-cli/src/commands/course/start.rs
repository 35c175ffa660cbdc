//! `course start`

use super::amount;
use crate::args::Patience;
use crate::context::{Context, Needs, Session};
use crate::failure::Failure;
use crate::render::{bytes, count};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use studytime_node::api::{ApiError, CourseCarry, CourseReply, CourseShow, CourseStart};
use studytime_schema::FeedId;
use tokio::time::Instant;

pub(super) async fn run(
    context: &Context,
    id: FeedId,
    wait: bool,
    from: Option<FeedId>,
    patience: Patience,
) -> Result<(), Failure> {
    let needs = if wait { Needs::Peers } else { Needs::Store };
    let bars = context.out.bars();
    let (reply, carried) = context
        .with(needs, async |session| {
            let mut reply = match wait {
                true => all_of_it(session, id, patience.limit(), bars).await?,
                false => session.call(CourseStart { id, wait: false }).await?,
            };
            let carried = match from {
                Some(from) => {
                    let carried = session.call(CourseCarry { id, from }).await?;
                    reply = session.call(CourseShow { id }).await?;
                    Some(carried)
                }
                None => None,
            };
            Ok((reply, carried))
        })
        .await?;
    context.out.value(&reply, |t| {
        t.line(format!("You have started {:?}.", reply.detail.record.name));
        if let Some(carried) = carried {
            t.line(match (carried.lessons, carried.items) {
                (0, 0) => "Nothing was carried over: no lesson here says that it replaces one you worked on, or all was carried before.".to_owned(),
                (lessons, items) => format!(
                    "Carried over: what you did in {} and {}.",
                    count(lessons, "lesson", "lessons"),
                    count(items, "video, file or test", "videos, files and tests")
                ),
            });
        }
        let detail = &reply.detail;
        t.line(match amount(reply.bytes_here, reply.bytes_total) {
            _ if !detail.feed_here => {
                "Its lessons come as soon as a node that has them is connected.".to_owned()
            }
            here if reply.bytes_here < reply.bytes_total => {
                format!("Here: {here}. A running node (`studytime` or `studytime serve`) fetches the rest.")
            }
            _ => "All of it is here.".to_owned(),
        });
        let next = detail.progress.continue_at.as_ref();
        let next = next.map(|at| at.lesson.lesson_number);
        if let Some(number) = next.or(detail.lessons.first().map(|l| l.lesson_number)) {
            let word = match detail.progress.percent {
                0 => "Begin",
                _ => "Go on",
            };
            t.line(format!("{word}: studytime lesson show '{id}' {number}"));
        }
    })
}

/// How far it is, and since when.
#[derive(Clone, Copy)]
struct Reached {
    done: u64,
    total: u64,
    at: Instant,
}

/// Starts the course and waits for all of it; gives up when nothing comes for
/// `limit`.
async fn all_of_it(
    session: &Session,
    id: FeedId,
    limit: Duration,
    mut bars: crate::render::Bars,
) -> Result<CourseReply, Failure> {
    let reached = Arc::new(Mutex::new(Reached {
        done: 0,
        total: 0,
        at: Instant::now(),
    }));
    let look = || *reached.lock().unwrap_or_else(PoisonError::into_inner);
    let mark = Arc::clone(&reached);
    let call = session
        .handle
        .call_with(CourseStart { id, wait: true }, move |progress| {
            let mut reached = mark.lock().unwrap_or_else(PoisonError::into_inner);
            if (progress.done, progress.total) != (reached.done, reached.total) {
                *reached = Reached {
                    done: progress.done,
                    total: progress.total,
                    at: Instant::now(),
                };
            }
            drop(reached);
            bars.update(progress);
        });
    tokio::pin!(call);
    loop {
        tokio::select! {
            reply = &mut call => return Ok(reply?),
            () = tokio::time::sleep_until(look().at + limit) => {
                let now = look();
                if now.at.elapsed() >= limit {
                    let text = format!(
                        "nothing more of the course came within {} s; {} of {} are here",
                        limit.as_secs(), bytes(now.done), bytes(now.total)
                    );
                    return Err(ApiError::not_found(text)
                        .hint("connect to a node that has it (`studytime peer connect ADDRESS`); the course stays started, and a running node goes on fetching it")
                        .into());
                }
            }
        }
    }
}
