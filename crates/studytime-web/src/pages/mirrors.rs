use super::done_at;
use crate::app::App;
use crate::form::{Fields, Form, Query};
use crate::page::{Problem, Shell, html, sentence, status_of};
use crate::text;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use studytime_node::api::{
    ApiError, MirrorAdd, MirrorCheck, MirrorChecked, MirrorInfo, MirrorList, MirrorRemove,
    MirrorSpec, TorrentInfo, TorrentList,
};

/// Problems of a check that are shown.
const MAX_PROBLEMS: usize = 10;

struct Mirror {
    name: String,
    url: String,
    kind: &'static str,
    private: bool,
    /// What it gave since the start.
    gave: Option<String>,
    resting: bool,
    trouble: Option<String>,
}

impl From<MirrorInfo> for Mirror {
    fn from(mirror: MirrorInfo) -> Self {
        let gave = mirror.gave;
        Self {
            kind: match mirror.kind.as_str() {
                "folder" => "A folder on this device",
                "s3" => "An S3 store",
                _ => "A web server",
            },
            private: mirror.private && mirror.kind != "folder",
            gave: (gave.count > 0).then(|| {
                let files = text::count(gave.count, "file", "files");
                format!("{files}, {}", text::size(gave.bytes))
            }),
            resting: mirror.resting,
            trouble: mirror.trouble.as_deref().map(sentence),
            name: mirror.name,
            url: mirror.url,
        }
    }
}

struct Torrent {
    name: String,
    size: String,
    given: String,
    peers: String,
    magnet: String,
    listening: bool,
    trouble: Option<String>,
}

impl From<TorrentInfo> for Torrent {
    fn from(torrent: TorrentInfo) -> Self {
        Self {
            size: text::size(torrent.size),
            given: text::size(torrent.sent),
            peers: text::count(torrent.peers, "device", "devices"),
            listening: torrent.listening.is_some(),
            trouble: torrent.trouble.as_deref().map(sentence),
            magnet: torrent.magnet,
            name: torrent.name,
        }
    }
}

/// What a check found.
struct Checked {
    name: String,
    there: String,
    size: String,
    /// Files that are missing there.
    missing: Option<String>,
    problems: Vec<(String, String)>,
    /// Problems that are not shown.
    more: usize,
}

impl Checked {
    fn new(name: String, reply: MirrorChecked) -> Self {
        let problems = reply.problems.iter().take(MAX_PROBLEMS);
        Self {
            name,
            there: text::count(reply.there.count, "file is", "files are"),
            size: text::size(reply.there.bytes),
            missing: (reply.missing > 0)
                .then(|| text::count(reply.missing, "file is", "files are")),
            problems: problems
                .map(|p| (p.blob.to_string(), sentence(&p.problem)))
                .collect(),
            more: reply.problems.len().saturating_sub(MAX_PROBLEMS),
        }
    }

    fn well(&self) -> bool {
        self.missing.is_none() && self.problems.is_empty()
    }
}

/// What did not work, and what was typed; never a secret.
#[derive(Default)]
struct Failed {
    text: String,
    hint: Option<String>,
    typed: MirrorSpec,
}

impl Failed {
    fn new(error: &ApiError, typed: MirrorSpec) -> Self {
        Self {
            text: sentence(&error.message),
            hint: error.hint.as_deref().map(sentence),
            typed: MirrorSpec {
                secret_key: None,
                ..typed
            },
        }
    }
}

#[derive(Template)]
#[template(path = "mirrors.html")]
struct Mirrors {
    shell: Shell,
    mirrors: Vec<Mirror>,
    torrents: Vec<Torrent>,
    checked: Option<Checked>,
    failed: Option<Failed>,
    /// What stands in the form.
    typed: MirrorSpec,
}

pub(crate) async fn show(State(app): State<App>, Query(query): Query) -> Result<Response, Problem> {
    page(&app, query.get("done"), None, None).await
}

async fn page(
    app: &App,
    done: Option<&str>,
    checked: Option<Checked>,
    failed: Option<Failed>,
) -> Result<Response, Problem> {
    let (mirrors, torrents) =
        tokio::try_join!(app.node.call(MirrorList {}), app.node.call(TorrentList {}))?;
    html(&Mirrors {
        shell: Shell::new(app, "downloads", "Mirrors").notice(done),
        mirrors: mirrors.into_iter().map(Mirror::from).collect(),
        torrents: torrents.into_iter().map(Torrent::from).collect(),
        checked,
        typed: failed
            .as_ref()
            .map_or_else(MirrorSpec::default, |f| f.typed.clone()),
        failed,
    })
}

/// The same page again, with why it did not work.
async fn not_done(app: &App, error: ApiError, typed: MirrorSpec) -> Result<Response, Problem> {
    let (status, _) = status_of(error.kind);
    let page = page(app, None, None, Some(Failed::new(&error, typed))).await?;
    Ok((status, page).into_response())
}

/// Names a mirror.
pub(crate) async fn add(State(app): State<App>, Form(form): Form) -> Result<Response, Problem> {
    let text = |name| form.get(name).unwrap_or_default().to_owned();
    let mirror = MirrorSpec {
        name: text("name"),
        url: text("url"),
        region: text("region"),
        access_key: form.get("access-key").map(str::to_owned),
        secret_key: form.get("secret-key").map(str::to_owned),
        private: form.ticked("private"),
    };
    let call = MirrorAdd {
        mirror: mirror.clone(),
    };
    match app.node.call(call).await {
        Ok(_) => Ok(done_at("/mirrors", "mirror-added")),
        Err(error) => not_done(&app, error, mirror).await,
    }
}

fn named(form: &Fields) -> Result<String, Problem> {
    let name = form.get("name").map(str::to_owned);
    name.ok_or_else(|| Problem::usage("There was no name of a mirror."))
}

/// Takes a mirror away.
pub(crate) async fn remove(State(app): State<App>, Form(form): Form) -> Result<Response, Problem> {
    let name = named(&form)?;
    app.node.call(MirrorRemove { name }).await?;
    Ok(done_at("/mirrors", "mirror-removed"))
}

/// Asks a mirror what it has of the user's own courses.
pub(crate) async fn check(State(app): State<App>, Form(form): Form) -> Result<Response, Problem> {
    let name = named(&form)?;
    let call = MirrorCheck {
        name: name.clone(),
        course: None,
        read: false,
    };
    match app.node.call(call).await {
        Ok(reply) => page(&app, None, Some(Checked::new(name, reply)), None).await,
        Err(error) => not_done(&app, error, MirrorSpec::default()).await,
    }
}
