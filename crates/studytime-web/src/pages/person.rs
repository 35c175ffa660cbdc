use super::done_at;
use super::network::{Locked, feed_name};
use crate::app::App;
use crate::form::{Form, Query};
use crate::page::{Problem, Shell, html};
use crate::text;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use studytime_node::api::{CatalogList, FeedStatus, Follow, Relation, Status, path};
use studytime_schema::FeedId;

#[derive(Template)]
#[template(path = "person.html")]
struct Person {
    shell: Shell,
    id: String,
    href: String,
    name: String,
    messages: String,
    wanted: bool,
    reason: String,
    forked_at: Option<u64>,
    evidence: Vec<Evidence>,
    locked: Option<Locked>,
    refused: Option<String>,
    me: bool,
    is_list: bool,
    courses_href: String,
}

/// Two messages for one place.
struct Evidence {
    sequence: u64,
    ours: String,
    theirs: String,
}

fn feed(text: &str) -> Result<FeedId, Problem> {
    path::feed_in_path(text).ok_or_else(|| Problem::not_found("That is not the address of a feed."))
}

pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query,
) -> Result<Response, Problem> {
    let id = feed(&id)?;
    let (feed, status, lists) = tokio::try_join!(
        app.node.call(FeedStatus { id }),
        app.node.call(Status {}),
        app.node.call(CatalogList {}),
    )?;
    let peer = status
        .peers
        .iter()
        .find(|p| p.id == Some(id))
        .and_then(|p| p.name.as_deref());
    let list = lists.iter().find(|list| list.id == id);
    let name = feed_name(peer.or(list.map(|l| l.name.as_str())), &id);
    let segment = path::feed_segment(&id);
    html(&Person {
        shell: Shell::new(&app, "network", name.clone()).notice(query.get("done")),
        id: id.to_string(),
        href: format!("/person/{segment}"),
        name,
        messages: text::count(feed.sequence, "message", "messages"),
        wanted: feed.wanted,
        reason: feed.reason,
        forked_at: feed.forked_at,
        evidence: feed
            .forks
            .into_iter()
            .map(|fork| Evidence {
                sequence: fork.sequence,
                ours: fork.ours.to_string(),
                theirs: fork.theirs.to_string(),
            })
            .collect(),
        locked: feed.locked.map(Locked::new),
        refused: (!feed.refused.is_empty()).then(|| {
            let count = text::count(feed.refused.len() as u64, "message", "messages");
            let last = feed.refused.first().map_or("", |r| r.reason.as_str());
            format!("{count}; the last one because {last}")
        }),
        me: status.id == id,
        is_list: list.is_some(),
        courses_href: format!("/courses?list={segment}"),
    })
}

pub(crate) async fn relate(
    State(app): State<App>,
    Path(id): Path<String>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let id = feed(&id)?;
    let word = form.get("relation").unwrap_or_default();
    let relation = match word {
        "follow" => Relation::Follow,
        "unfollow" => Relation::Unfollow,
        "block" => Relation::Block,
        "unblock" => Relation::Unblock,
        _ => return Err(Problem::usage("That is nothing one can do with a feed.")),
    };
    app.node.call(Follow { id, relation }).await?;
    Ok(done_at(
        &format!("/person/{}", path::feed_segment(&id)),
        word,
    ))
}
