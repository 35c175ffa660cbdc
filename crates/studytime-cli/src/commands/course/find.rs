//! `course list`, `course search`.

use super::amount;
use crate::args::CourseFilter;
use crate::context::{Context, Needs};
use crate::failure::Failure;
use crate::render::{Fit, Table, count};
use studytime_node::api::{ApiError, CourseList};

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
    query.subject = filter.subject;
    query.language = filter.language;
    query.level = filter.level;
    query.started = filter.started.then_some(true);
    query.on_device = filter.on_device;
    query.include_deprecated = filter.deprecated;
    query.facets = false;
    if let Some(order) = filter.sort {
        query.sort = serde_json::from_value(order.word().into())
            .map_err(|e| ApiError::failed("the order cannot be asked for", &e))?;
    }
    Ok(call)
}

/// Prints up to `limit` courses; JSON lines as their pages come.
async fn run(context: &Context, first: &CourseList, limit: usize) -> Result<(), Failure> {
    context
        .with(Needs::Store, async |session| {
            let (mut cards, mut total, mut approximate) = (Vec::new(), 0, false);
            let mut shown = 0;
            while shown < limit {
                let mut call = first.clone();
                call.query.offset = shown;
                call.query.limit = PAGE.min(limit - shown);
                let page = session.call(call).await?;
                shown += page.items.len();
                (total, approximate) = (page.total, page.approximate);
                let last = page.items.is_empty() || shown >= total;
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
            context.out.list(&cards, |t| {
                if cards.is_empty() {
                    t.dim(match first.query.text.is_empty() {
                        true => "No courses: connect to a node, or add a course list with `studytime catalog add ID`",
                        false => "Nothing was found.",
                    });
                    return;
                }
                if approximate {
                    t.dim("Nothing matches exactly; these are similar:");
                }
                let mut table = Table::new([
                    ("Name", Fit::Cut),
                    ("Subject", Fit::Cut),
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
                    let name = if card.deprecated { format!("{} (no longer recommended)", card.name) } else { card.name.clone() };
                    table.row([
                        name,
                        card.subject.clone(),
                        card.language.clone().unwrap_or_default(),
                        lessons,
                        if card.on_device { "all".into() } else { amount(card.bytes_here, card.bytes_total) },
                        you,
                        card.feed_id.to_string(),
                    ]);
                }
                t.table(&table);
                if total > cards.len() {
                    t.dim(format!("and {} more: --limit N", count((total - cards.len()) as u64, "course", "courses")));
                }
            })
        })
        .await
}
