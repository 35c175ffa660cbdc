//! `course list`, `course search`, `course subjects`.

use super::amount;
use crate::args::CourseFilter;
use crate::context::{Context, Needs};
use crate::failure::Failure;
use crate::render::{Fit, Table, count};
use serde::de::DeserializeOwned;
use studytime_node::api::{ApiError, CourseList, Status, Subjects};

/// Courses asked for at a time.
const PAGE: usize = 500;
/// Answers to a search when the user names no limit.
const BEST: usize = 20;

pub(super) async fn list(context: &Context, filter: CourseFilter) -> Result<(), Failure> {
    let limit = filter.limit.unwrap_or(usize::MAX);
    run(context, &query("", filter)?, limit).await
}

pub(super) async fn search(
    context: &Context,
    text: &str,
    filter: CourseFilter,
) -> Result<(), Failure> {
    let limit = filter.limit.unwrap_or(BEST);
    run(context, &query(text, filter)?, limit).await
}

/// The request for the first page.
fn query(text: &str, filter: CourseFilter) -> Result<CourseList, Failure> {
    let mut call = CourseList {
        query: Default::default(),
    };
    let query = &mut call.query;
    query.text = text.to_owned();
    query.category = filter.category;
    query.subject = filter.subject;
    query.language = filter.language;
    query.level = filter.level;
    query.provider = filter.provider;
    query.license = filter.license;
    query.list = filter.catalog;
    query.started = filter.started.then_some(true);
    query.on_device = filter.on_device;
    query.include_deprecated = filter.deprecated;
    query.facets = false;
    if let Some(length) = filter.duration {
        query.duration = Some(spelled(length.word())?);
    }
    if let Some(order) = filter.sort {
        query.sort = spelled(order.word())?;
    }
    Ok(call)
}

/// What the index calls so.
fn spelled<T: DeserializeOwned>(word: &str) -> Result<T, Failure> {
    let value = serde_json::from_value(word.into());
    value.map_err(|e| ApiError::failed("that cannot be asked for", &e).into())
}

/// The subjects, and how many courses each has.
pub(super) async fn subjects(context: &Context) -> Result<(), Failure> {
    let subjects = context.call(Subjects {}).await?;
    context.out.list(&subjects, |t| {
        if subjects.is_empty() {
            t.dim(NOTHING);
            return;
        }
        let mut table = Table::new([
            ("Category", Fit::Cut),
            ("Subject", Fit::Cut),
            ("Courses", Fit::Number),
        ]);
        for category in &subjects {
            for subject in &category.subjects {
                table.row([
                    category.category.clone(),
                    subject.subject.clone(),
                    subject.count.to_string(),
                ]);
            }
        }
        t.table(&table);
    })
}

/// What is said where no course is known.
const NOTHING: &str =
    "No courses: connect to a node, or add a course list with `studytime catalog add ID`";

/// Prints up to `limit` courses; JSON lines as their pages come.
async fn run(context: &Context, first: &CourseList, limit: usize) -> Result<(), Failure> {
    context
        .with(Needs::Store, async |session| {
            let (mut cards, mut total, mut approximate) = (Vec::new(), 0, false);
            let (mut shown, mut after) = (0, None);
            while shown < limit {
                let mut call = first.clone();
                call.query.offset = shown;
                call.query.after = after;
                call.query.limit = PAGE.min(limit - shown);
                let page = session.call(call).await?;
                shown += page.items.len();
                after = page.items.last().map(|card| card.feed_id);
                (total, approximate) = (page.total, page.approximate);
                let last = page.offset + page.items.len() >= total || page.items.is_empty();
                match context.out.json() {
                    true => context.out.list(&page.items, |_| {})?,
                    false => cards.extend(page.items),
                }
                if last {
                    break;
                }
            }
            if context.out.json() {
                return Ok(());
            }
            let filtered = {
                let mut all = CourseList {
                    query: Default::default(),
                };
                (all.query.sort, all.query.facets) = (first.query.sort, first.query.facets);
                all.query != first.query
            };
            let behind = session.call(Status {}).await?.index_behind;
            context.out.list(&cards, |t| {
                if behind > 0 {
                    t.dim(format!(
                        "The course index is being brought up to date, {} to go: this may not be all yet.",
                        count(behind, "message", "messages")
                    ));
                }
                if cards.is_empty() && behind > 0 {
                    return;
                }
                if cards.is_empty() {
                    t.dim(match first.query.text.is_empty() {
                        true if !filtered => NOTHING,
                        true => "No course is such a one.",
                        false => "Nothing was found.",
                    });
                    return;
                }
                if approximate {
                    t.dim("Little or nothing matches exactly, so similar words were taken in:");
                }
                // What was found in a lesson leads to that lesson.
                let hits = cards.iter().any(|card| card.hit.is_some());
                let mut table = Table::new([
                    ("Name", Fit::Cut),
                    (if hits { "Found in lesson" } else { "Subject" }, Fit::Cut),
                    ("Language", Fit::Whole),
                    ("Lessons", Fit::Number),
                    ("Here", Fit::Whole),
                    ("You", Fit::Whole),
                    ("Id", Fit::Whole),
                ]);
                for card in &cards {
                    let lessons = match card.lessons {
                        0 => String::new(),
                        n => n.to_string(),
                    };
                    let you = match (card.started, card.percent) {
                        (true, Some(percent)) => format!("{percent} %"),
                        (true, None) => "started".into(),
                        (false, _) => String::new(),
                    };
                    let name = if card.deprecated {
                        format!("{} (no longer recommended)", card.name)
                    } else {
                        card.name.clone()
                    };
                    table.row([
                        name,
                        match (&card.hit, hits) {
                            (Some(hit), _) => format!("{} {}", hit.lesson_number, hit.name),
                            (None, true) => String::new(),
                            (None, false) => card.subject.clone(),
                        },
                        card.language.clone().unwrap_or_default(),
                        lessons,
                        if card.on_device {
                            "all".into()
                        } else {
                            amount(card.bytes_here, card.bytes_total)
                        },
                        you,
                        card.feed_id.to_string(),
                    ]);
                }
                t.table(&table);
                if hits {
                    t.dim("Read one with `studytime lesson show ID NUMBER`.");
                }
                if total > cards.len() {
                    t.dim(format!(
                        "and {} more: --limit N",
                        count((total - cards.len()) as u64, "course", "courses")
                    ));
                }
            })
        })
        .await
}
