use super::done_at;
use crate::app::App;
use crate::form::{Form, Query};
use crate::page::{Problem, Shell, html};
use crate::text;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use studytime_node::api::{
    CatalogAdd, CatalogInfo, CatalogList, CatalogMove, CatalogNearby, CatalogRemove, Downloads,
    DownloadsChange, DownloadsEdit, NearbyList, Settings, SettingsChange, Status, path,
};
use studytime_schema::FeedId;

/// Lists of others that are shown.
const MAX_NEARBY: usize = 50;
/// Bytes of the unit in which the quota is typed.
const GIGABYTE: f64 = 1e9;

/// Smallest quota that can be set, in bytes.
const MIN_QUOTA: f64 = 1e8;

/// Largest quota that can be set, in bytes: a petabyte.
const MAX_QUOTA: f64 = 1e15;

struct List {
    id: String,
    name: String,
    href: String,
    person_href: String,
    courses: String,
    own: bool,
    builtin: bool,
    first: bool,
    last: bool,
    up: usize,
    down: usize,
}

impl List {
    fn new(list: CatalogInfo, count: usize) -> Self {
        let segment = path::feed_segment(&list.id);
        Self {
            id: list.id.to_string(),
            href: format!("/courses?list={segment}"),
            person_href: format!("/person/{segment}"),
            courses: text::count(list.courses, "course", "courses"),
            own: list.own,
            builtin: list.builtin,
            last: list.position >= count,
            first: list.position <= 1,
            up: list.position.saturating_sub(1),
            down: list.position.saturating_add(1),
            name: if list.name.is_empty() {
                list.id.short()
            } else {
                list.name
            },
        }
    }
}

/// A list that somebody who is connected offers.
struct Near {
    id: String,
    name: String,
    person_href: String,
}

impl From<NearbyList> for Near {
    fn from(list: NearbyList) -> Self {
        Self {
            person_href: format!("/person/{}", path::feed_segment(&list.id)),
            name: if list.name.is_empty() {
                "A list without a name".to_owned()
            } else {
                list.name
            },
            id: list.id.to_string(),
        }
    }
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    shell: Shell,
    lists: Vec<List>,
    share: Option<bool>,
    quota: String,
    used: String,
    floor: String,
    limit: String,
    hours: String,
    hops: u8,
    nearby: Vec<Near>,
    budget_messages: u64,
    budget_gigabytes: String,
    budget_used: String,
    id: String,
    version: String,
}

pub(crate) async fn show(State(app): State<App>, Query(query): Query) -> Result<Response, Problem> {
    let (settings, downloads, lists, nearby, status) = tokio::try_join!(
        app.node.call(Settings {}),
        app.node.call(Downloads { by_class: false }),
        app.node.call(CatalogList {}),
        app.node.call(CatalogNearby {}),
        app.node.call(Status {}),
    )?;
    let count = lists.len();
    let gigabytes = settings.blob_quota as f64 / GIGABYTE;
    let budget_gigabytes = settings.budget_bytes as f64 / GIGABYTE;
    let used = &status.budget.used;
    let mut budget_used = format!(
        "{} messages of {} feeds in use, {}",
        used.messages,
        used.feeds,
        text::size(used.bytes)
    );
    if status.budget.left_out > 0 {
        budget_used.push_str(&format!("; {} feeds wait for room", status.budget.left_out));
    }
    html(&SettingsPage {
        shell: Shell::new(&app, "settings", "Settings").notice(query.get("done")),
        lists: lists
            .into_iter()
            .map(|list| List::new(list, count))
            .collect(),
        share: settings.share_study,
        quota: format!("{gigabytes:.1}"),
        used: text::size(status.blobs.bytes),
        floor: format!("{:.1}", downloads.free_floor as f64 / GIGABYTE),
        limit: downloads
            .limit
            .map_or_else(String::new, |l| l.div_ceil(1_000).to_string()),
        hours: downloads.hours.unwrap_or_default(),
        hops: settings.hops,
        nearby: nearby
            .into_iter()
            .filter(|list| !list.chosen)
            .take(MAX_NEARBY)
            .map(Near::from)
            .collect(),
        budget_messages: settings.budget_messages,
        budget_gigabytes: format!("{budget_gigabytes:.1}"),
        budget_used,
        id: status.id.to_string(),
        version: status.version,
    })
}

pub(crate) async fn save(State(app): State<App>, Form(form): Form) -> Result<Response, Problem> {
    let share_study = match form.get("share") {
        Some("yes") => Some(true),
        Some("no") => Some(false),
        _ => None,
    };
    let blob_quota = form.get("quota").map(gigabytes).transpose()?;
    let budget_bytes = form.get("budget-gigabytes").map(gigabytes).transpose()?;
    let budget_messages = match form.get("budget-messages") {
        None => None,
        Some(typed) => Some(typed.trim().parse::<u64>().map_err(|_| {
            Problem::usage("The limit of messages must be a whole number, such as 2000000.")
        })?),
    };
    let hops = form.read::<u8>("hops").map(|hops| hops.min(3));
    let change = SettingsChange {
        share_study,
        blob_quota,
        hops,
        budget_messages,
        budget_bytes,
    };
    let edit = DownloadsEdit {
        limit: form.typed("limit").map(kilobytes).transpose()?,
        hours: form.typed("hours").map(str::to_owned),
        free_floor: form.get("floor").map(floor).transpose()?,
        ..DownloadsEdit::default()
    };
    if edit != DownloadsEdit::default() {
        app.node.call(DownloadsChange { edit }).await?;
    }
    app.node.call(change).await?;
    Ok(done_at("/settings", "saved"))
}

/// Bytes a second of what was typed as thousands of them; empty is 0, no limit.
pub(super) fn kilobytes(typed: &str) -> Result<u64, Problem> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(0);
    }
    let number = typed
        .parse::<u64>()
        .ok()
        .filter(|n| (1..=1_000_000_000).contains(n));
    number.map(|n| n * 1_000).ok_or_else(|| {
        Problem::usage("The speed must be a whole number of kilobytes a second, such as 500.")
    })
}

/// Bytes of what was typed as gigabytes to keep free; none is allowed.
fn floor(typed: &str) -> Result<u64, Problem> {
    match typed.trim().replace(',', ".").parse::<f64>() {
        Ok(0.0) => Ok(0),
        _ => gigabytes(typed),
    }
}

/// Bytes of what was typed as gigabytes.
fn gigabytes(typed: &str) -> Result<u64, Problem> {
    let bytes = typed.replace(',', ".").parse::<f64>().unwrap_or(f64::NAN) * GIGABYTE;
    if !(MIN_QUOTA..=MAX_QUOTA).contains(&bytes) {
        return Err(Problem::usage(
            "The limit must be a number of gigabytes, at least 0.1.",
        ));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Ok(bytes.round() as u64)
}

fn list_id(form: &crate::form::Fields) -> Result<FeedId, Problem> {
    FeedId::parse_lenient(form.get("id").unwrap_or_default())
        .map_err(|error| Problem::usage(error.to_string()))
}

pub(crate) async fn add_list(
    State(app): State<App>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let id = list_id(&form)?;
    app.node.call(CatalogAdd { id }).await?;
    Ok(done_at("/settings#lists", "list-added"))
}

pub(crate) async fn remove_list(
    State(app): State<App>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let id = list_id(&form)?;
    app.node.call(CatalogRemove { id }).await?;
    Ok(done_at("/settings#lists", "list-removed"))
}

pub(crate) async fn move_list(
    State(app): State<App>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let id = list_id(&form)?;
    let position = form
        .read::<usize>("position")
        .filter(|place| *place >= 1)
        .ok_or_else(|| Problem::usage("There was no place to move the list to."))?;
    app.node.call(CatalogMove { id, position }).await?;
    Ok(done_at("/settings#lists", "list-moved"))
}
