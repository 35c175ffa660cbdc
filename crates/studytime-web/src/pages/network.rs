use super::done_at;
use crate::app::App;
use crate::form::{Form, Query};
use crate::page::{Problem, Shell, html, sentence};
use crate::text::{self, Moment};
use crate::view;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use studytime_node::api::{
    ApiError, InviteCode, LockInfo, PeerConnect, PeerInfo, PeerInvite, PeerNewInvite, Status,
    StatusReply, path,
};
use studytime_schema::FeedId;

/// Seconds that a person waits for a connection.
const CONNECT_SECONDS: u64 = 20;

struct Peer {
    name: String,
    href: Option<String>,
    address: String,
    state: &'static str,
    class: &'static str,
    reason: Option<String>,
    /// How it came here, or that it called.
    origin: String,
    studytime: bool,
    traffic: Option<String>,
    since: Option<Moment>,
}

impl Peer {
    fn new(peer: PeerInfo) -> Self {
        let (state, class) = match peer.state.as_str() {
            "connected" => ("Connected", "good"),
            "connecting" => ("Connecting", ""),
            "waiting" => ("Waiting to try again", ""),
            "failed" => ("Could not be reached", "warn"),
            "blocked" => ("Blocked", ""),
            "in room" => ("In a room with you", ""),
            _ => ("Not connected", ""),
        };
        let name = peer.name.or_else(|| peer.id.map(|id| id.short()));
        let (received, sent) = peer.traffic;
        let origin = match (peer.outgoing, peer.source.as_str()) {
            (false, _) => "they called".to_owned(),
            (true, "") => "we called".to_owned(),
            (true, "typed") => "address typed by you".to_owned(),
            (true, source) => format!("found through {source}"),
        };
        Self {
            name: name.unwrap_or_else(|| "Not known yet".to_owned()),
            href: peer
                .id
                .map(|id| format!("/person/{}", path::feed_segment(&id))),
            state,
            class,
            reason: peer.reason,
            origin,
            studytime: peer.studytime,
            traffic: (received + sent > 0)
                .then(|| format!("{} in, {} out", text::size(received), text::size(sent))),
            since: text::moment(peer.since),
            address: peer.address,
        }
    }
}

#[derive(Template)]
#[template(path = "network.html")]
struct Network {
    shell: Shell,
    id: String,
    address: Option<String>,
    listening: bool,
    connected: Vec<Peer>,
    others: Vec<Peer>,
    behind: Option<String>,
    locked: Vec<Locked>,
    invite: Option<InviteCode>,
    failed: Option<Failed>,
}

/// A feed of the user's that must not be published on for now.
pub(crate) struct Locked {
    pub(crate) what: String,
    pub(crate) href: String,
    pub(crate) reason: String,
    pub(crate) next: String,
}

impl Locked {
    pub(crate) fn new(lock: LockInfo) -> Self {
        let what = match lock.kind.as_str() {
            "main" => "Your own feed".to_owned(),
            kind => {
                let kind = if kind == "list" { "course list" } else { kind };
                format!(
                    "Your {kind} {}",
                    feed_name(lock.name.as_deref(), &lock.feed)
                )
            }
        };
        Self {
            what,
            href: format!("/person/{}", path::feed_segment(&lock.feed)),
            reason: sentence(&lock.reason),
            next: sentence(&lock.next),
        }
    }
}

/// What was tried without success.
struct Failed {
    typed: String,
    by_invite: bool,
    text: String,
    hint: Option<String>,
}

impl Failed {
    fn new(typed: String, by_invite: bool, error: ApiError) -> Self {
        Self {
            typed,
            by_invite,
            text: sentence(&error.message),
            hint: error.hint.as_deref().map(sentence),
        }
    }
}

pub(crate) async fn show(State(app): State<App>, Query(query): Query) -> Result<Response, Problem> {
    // A feed id typed into the form leads to that feed's page.
    if let Some(feed) = query.get("feed") {
        let id = FeedId::parse_lenient(feed).map_err(|error| Problem::usage(error.to_string()))?;
        return Ok(Redirect::to(&format!("/person/{}", path::feed_segment(&id))).into_response());
    }
    page(&app, query.get("done"), None, None).await
}

async fn page(
    app: &App,
    done: Option<&str>,
    invite: Option<InviteCode>,
    failed: Option<Failed>,
) -> Result<Response, Problem> {
    let status: StatusReply = app.node.call(Status {}).await?;
    let (connected, others) = status
        .peers
        .into_iter()
        .partition(|p: &PeerInfo| p.state == "connected");
    let peers = |list: Vec<PeerInfo>| list.into_iter().map(Peer::new).collect();
    html(&Network {
        shell: Shell::new(app, "network", "People and network").notice(done),
        id: status.id.to_string(),
        listening: status.listen.is_some(),
        address: status.address,
        connected: peers(connected),
        others: peers(others),
        behind: (status.index_behind > 0)
            .then(|| text::count(status.index_behind, "new message is", "new messages are")),
        locked: status.locked.into_iter().map(Locked::new).collect(),
        invite,
        failed,
    })
}

pub(crate) async fn connect(State(app): State<App>, Form(form): Form) -> Result<Response, Problem> {
    let address = form.get("address").unwrap_or_default().to_owned();
    if address.is_empty() {
        return Err(Problem::usage(
            "There was no address. Go back and paste one.",
        ));
    }
    let call = PeerConnect {
        address: address.clone(),
        timeout_seconds: CONNECT_SECONDS,
    };
    match app.node.call(call).await {
        Ok(_) => Ok(done_at("/network", "connected")),
        Err(error) => not_reached(&app, Failed::new(address, false, error)).await,
    }
}

/// The same page again, with what was typed and why it did not work.
async fn not_reached(app: &App, failed: Failed) -> Result<Response, Problem> {
    let page = page(app, None, None, Some(failed)).await?;
    Ok((StatusCode::BAD_GATEWAY, page).into_response())
}

pub(crate) async fn invite(State(app): State<App>, Form(form): Form) -> Result<Response, Problem> {
    let code = form.get("code").unwrap_or_default().to_owned();
    if code.is_empty() {
        return Err(Problem::usage(
            "There was no invite code or link. Go back and paste one.",
        ));
    }
    match app.node.call(PeerInvite { code: code.clone() }).await {
        Ok(_) => Ok(done_at("/network", "invited")),
        Err(error) => not_reached(&app, Failed::new(code, true, error)).await,
    }
}

pub(crate) async fn new_invite(
    State(app): State<App>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let uses = form.read("uses").unwrap_or(1).clamp(1, 1000);
    let code = app.node.call(PeerNewInvite { uses, days: None }).await?;
    page(&app, None, Some(code), None).await
}

/// A feed by its name or id, for other pages.
pub(crate) fn feed_name(name: Option<&str>, id: &FeedId) -> String {
    name.map_or_else(|| id.short(), view::named)
}
