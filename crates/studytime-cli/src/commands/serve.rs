//! A node that stays: `serve`, `demo`, and plain `studytime`.

mod events;
mod place;

use crate::args::{Demo, Serve};
use crate::commands::browser;
use crate::context::Context;
use crate::failure::Failure;
use crate::render::Text;
use place::Place;
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use studytime_node::api::{ApiError, ErrorKind, Status, StatusReply};
use studytime_node::{Builder, Client, Config, Handle, Lan, Node};
use studytime_web::Options;
use tokio::net::TcpListener;

const LISTEN: &str = "0.0.0.0:8008";
const PAGES: &str = "127.0.0.1:7008";

/// How a node that stays is set up.
struct Setup {
    builder: Builder,
    listen: Place,
    http: Option<Place>,
    http_names: Vec<String>,
    /// Whether to open the pages in a browser.
    browser: bool,
    /// A word in front, for people.
    greeting: &'static str,
}

/// `studytime serve`: what is asked for, or an error.
pub(crate) async fn serve(context: &Context, args: Serve) -> Result<(), Failure> {
    let config = Config::read(&context.dir.join("config.toml"))?;
    let lan = lan(&config, args.no_lan);
    let listen = Place::choose(args.listen, config.listen, LISTEN, "--listen");
    let http = (!args.no_http).then(|| Place::choose(args.http, config.http, PAGES, "--http"));
    let setup = Setup {
        builder: context
            .builder()
            .public(args.is_pub)
            .seed_lists(args.seed)
            .lan(lan),
        listen,
        http,
        http_names: args.http_name,
        browser: false,
        greeting: "This node is running.",
    };
    run(context, setup).await
}

/// Plain `studytime`: whatever it takes to show the pages.
pub(crate) async fn plain(context: &Context) -> Result<(), Failure> {
    if let Some(client) = Client::connect(&context.dir).await? {
        return running(context, Handle::Remote(client)).await;
    }
    let config = Config::read(&context.dir.join("config.toml"))?;
    let setup = Setup {
        builder: context.builder().lan(lan(&config, false)),
        listen: Place::choose(None, config.listen, LISTEN, "`listen` in config.toml,").or_free(),
        http: Some(Place::choose(None, config.http, PAGES, "`http` in config.toml,").or_free()),
        http_names: Vec::new(),
        browser: true,
        greeting: "StudyTime is running.",
    };
    run(context, setup).await
}

/// `studytime demo`: the same on a directory that is deleted at the end.
pub(crate) async fn demo(mut context: Context, args: Demo) -> Result<(), Failure> {
    let dir = tempfile::Builder::new()
        .prefix("studytime-demo-")
        .tempdir()
        .map_err(|e| ApiError::failed("no directory can be made for the demo", &e))?;
    context.dir = dir.path().to_owned();
    let setup = Setup {
        builder: context.builder(),
        listen: Place::choose(Some(args.listen), None, "", "--listen"),
        http: Some(Place::choose(Some(args.http), None, "", "--http")),
        http_names: Vec::new(),
        browser: true,
        greeting: "The demo is running. Everything you do in it is deleted when you end it.",
    };
    run(&context, setup).await
    // The directory goes after the node has left it.
}

/// Local discovery, unless the user does not want it.
fn lan(config: &Config, off: bool) -> Option<Lan> {
    (!off && config.lan != Some(false)).then(Lan::default)
}

/// A node runs on this directory already: its pages are what was asked for.
async fn running(context: &Context, node: Handle) -> Result<(), Failure> {
    let status = node.call(Status {}).await?;
    let Some(url) = status.http.clone() else {
        return Err(ApiError::new(
            ErrorKind::Failed,
            "a node is running here already, but without pages",
        )
        .hint("end it and start `studytime` instead, or start it with --http 127.0.0.1:7008")
        .into());
    };
    context.out.value(
        &Told {
            event: "running",
            status: &status,
        },
        |t| t.line(format!("StudyTime is running already: {url}")),
    )?;
    if !context.out.json() {
        browser::open(&url);
    }
    Ok(())
}

/// The status as an event line.
#[derive(Serialize)]
struct Told<'a> {
    event: &'static str,
    #[serde(flatten)]
    status: &'a StatusReply,
}

async fn run(context: &Context, setup: Setup) -> Result<(), Failure> {
    if let Some(http) = &setup.http {
        // A typing error is said before a node is started.
        http.resolve().await?;
    }
    let listen = setup.listen.free(&context.out).await?;
    let builder = setup.builder.clone().listen(Some(listen));
    let node = tokio::select! {
        node = context.open_serving(builder) => node?,
        () = context.interrupt.wait() => return Err(Failure::cancelled()),
    };
    let result = stay(context, &node, &setup).await;
    context.out.note("Ending …");
    node.shutdown().await;
    result
}

/// Serves the pages and tells what happens, until the user wants to stop.
async fn stay(context: &Context, node: &Node, setup: &Setup) -> Result<(), Failure> {
    let events = node.events();
    let handle = node.handle();
    let pages = match &setup.http {
        Some(place) => Some(pages(context, node, place, &setup.http_names).await?),
        None => None,
    };
    let serving = async move {
        match pages {
            Some((listener, router)) => studytime_web::serve(listener, router).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(serving);
    let status = tokio::select! {
        status = handle.call(Status {}) => status?,
        // Whoever asks for a page this early gets it.
        ended = &mut serving => return Err(pages_ended(ended)),
    };
    match context.out.value(
        &Told {
            event: "ready",
            status: &status,
        },
        |t| describe(t, setup.greeting, &status),
    ) {
        // A node outlives the reader of its output.
        Ok(()) | Err(Failure::ClosedPipe) => {}
        Err(failure) => return Err(failure),
    }
    if let (true, false, Some(url)) = (setup.browser, context.out.json(), &status.http) {
        browser::open(url);
    }
    tokio::select! {
        ended = serving => Err(pages_ended(ended)),
        () = events::print(&context.out, events) => Err(ApiError::new(ErrorKind::Failed, "the node has stopped").into()),
        () = context.interrupt.wait() => Ok(()),
    }
}

fn pages_ended(ended: std::io::Result<()>) -> Failure {
    let why = ended.err().map_or_else(String::new, |e| format!(": {e}"));
    ApiError::new(
        ErrorKind::Failed,
        format!("the pages can no longer be served{why}"),
    )
    .into()
}

async fn pages(
    context: &Context,
    node: &Node,
    place: &Place,
    names: &[String],
) -> Result<(TcpListener, axum::Router), Failure> {
    let listener = place.bind(&context.out).await?;
    let bound = listener
        .local_addr()
        .map_err(|e| ApiError::failed("the pages' address cannot be found out", &e))?;
    let mut options = Options::new(bound);
    let mut url = bound;
    if bound.ip().is_unspecified() {
        // This computer reaches them by its own names.
        url = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), bound.port());
        options = options
            .allow_host(url.to_string())
            .allow_host(format!("localhost:{}", bound.port()));
    }
    for name in names {
        options = options.allow_host(name);
    }
    if !bound.ip().is_loopback() {
        context.out.note(&format!(
            "The pages at {bound} have no password: whoever can reach that address learns and publishes as you."
        ));
    }
    node.set_http(Some(format!("http://{url}")));
    Ok((listener, studytime_web::router(node.handle(), options)))
}

fn describe(t: &mut Text, greeting: &str, status: &StatusReply) {
    t.heading(greeting);
    t.gap();
    t.facts([
        ("  pages", status.http.clone().unwrap_or_default()),
        ("  address", status.address.clone().unwrap_or_default()),
        ("  id", status.id.to_string()),
    ]);
    t.gap();
    if let Some(address) = &status.address {
        t.dim(format!(
            "Others connect with: studytime peer connect '{address}'"
        ));
    }
    t.dim("Ctrl-C ends it.");
}
