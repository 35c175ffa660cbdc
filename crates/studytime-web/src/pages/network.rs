use super::done_at;
use crate::app::App;
use crate::form::{Form, Query};
use crate::page::{Problem, Shell, html};
use crate::text::{self, Moment};
use crate::view;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use studytime_node::api::{InviteCode, PeerConnect, PeerInfo, PeerInvite, PeerNewInvite, Status, StatusReply, path};
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
    direction: &'static str,
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
            _ => ("Not connected", ""),
        };
        let name = peer.name.or_else(|| peer.id.map(|id| id.short()));
        let (received, sent) = peer.traffic;
        Self {
            name: name.unwrap_or_else(|| "Not known yet".to_owned()),
            href: peer.id.map(|id| format!("/person/{}", path::feed_segment(&id))),
            state,
            class,
            reason: peer.reason,
            direction: if peer.outgoing { "we called" } else { "they called" },
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
    invite: Option<InviteCode>,
}

pub(crate) async fn show(State(app): State<App>, Query(query): Query) -> Result<Response, Problem> {
    // A feed id typed into the form leads to that feed's page.
    if let Some(feed) = query.get("feed") {
        let id = FeedId::parse_lenient(feed)
            .map_err(|error| Problem::usage(error.to_string()))?;
        return Ok(Redirect::to(&format!("/person/{}", path::feed_segment(&id))).into_response());
    }
    page(&app, query.get("done"), None).await
}

async fn page(app: &App, done: Option<&str>, invite: Option<InviteCode>) -> Result<Response, Problem> {
    let status: StatusReply = app.node.call(Status {}).await?;
    let (connected, others) = status.peers.into_iter().partition(|p: &PeerInfo| p.state == "connected");
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
        invite,
    })
}

pub(crate) async fn connect(State(app): State<App>, Form(form): Form) -> Result<Response, Problem> {
    let address = form.get("address").unwrap_or_default().to_owned();
    if address.is_empty() {
        return Err(Problem::usage("There was no address. Go back and paste one."));
    }
    let timeout_seconds = CONNECT_SECONDS;
    app.node.call(PeerConnect { address, timeout_seconds }).await?;
    Ok(done_at("/network", "connected"))
}

pub(crate) async fn invite(State(app): State<App>, Form(form): Form) -> Result<Response, Problem> {
    let code = form.get("code").unwrap_or_default().to_owned();
    if code.is_empty() {
        return Err(Problem::usage("There was no invite code. Go back and paste one."));
    }
    app.node.call(PeerInvite { code }).await?;
    Ok(done_at("/network", "invited"))
}

pub(crate) async fn new_invite(State(app): State<App>, Form(form): Form) -> Result<Response, Problem> {
    let uses = form.read("uses").unwrap_or(1).clamp(1, 1000);
    let code = app.node.call(PeerNewInvite { uses }).await?;
    page(&app, None, Some(code)).await
}

/// A feed by its name or id, for other pages.
pub(crate) fn feed_name(name: Option<&str>, id: &FeedId) -> String {
    name.map_or_else(|| id.short(), view::named)
}
