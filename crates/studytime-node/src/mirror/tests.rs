//! Mirrors against real servers, honest ones and others.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use super::web::{Web, WebFolder};
use super::*;
use crate::api::*;
use crate::common::{connect, import, until, with_mirrors};
use axum::Router;
use axum::body::Body;
use axum::extract::Path as UrlPath;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use std::collections::HashMap;
use std::net::SocketAddr;
use studytime_blobs::mirror::{MirrorFetchError, fetch_into, path_of};
use studytime_blobs::store::{BlobStore as _, MemoryStore, StoreError};
use studytime_schema::{BlobId, FeedId};
use tokio::net::TcpListener;

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    at
}

/// A blob for each trick, and the server that plays them.
struct Tricks {
    blobs: HashMap<&'static str, BlobId>,
    at: SocketAddr,
}

async fn endless() -> Body {
    let pieces = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![7_u8; 65_536]));
    Body::from_stream(pieces)
}

impl Tricks {
    async fn new() -> Self {
        let names = [
            "honest", "wrong", "long", "endless", "cut", "gone", "secret", "broken", "round",
            "away", "inside", "moved",
        ];
        let blobs: HashMap<&str, BlobId> = names.map(|n| (n, BlobId::of(n.as_bytes()))).into();
        let by_path: HashMap<String, &str> =
            blobs.iter().map(|(n, id)| (path_of(id), *n)).collect();
        let answer = async move |UrlPath(path): UrlPath<String>| -> Response {
            let name = path.strip_prefix("files/").unwrap_or(&path);
            let by_name = by_path.get(name).copied();
            match by_name.or(name.strip_prefix("as/")) {
                Some("honest") => "honest".into_response(),
                Some("wrong") => "something else".into_response(),
                Some("long") => vec![0_u8; 2_000].into_response(),
                Some("endless") => endless().await.into_response(),
                Some("cut") => "cu".into_response(),
                Some("secret") => StatusCode::FORBIDDEN.into_response(),
                Some("broken") => StatusCode::BAD_GATEWAY.into_response(),
                Some("round") => Redirect::temporary("/files/as/round").into_response(),
                Some("away") => Redirect::temporary("file:///etc/passwd").into_response(),
                Some("inside") => Redirect::temporary("http://10.0.0.1/secret").into_response(),
                Some("moved") => Redirect::permanent("/elsewhere").into_response(),
                _ => StatusCode::NOT_FOUND.into_response(),
            }
        };
        let router = Router::new()
            .route("/elsewhere", get(async || "moved"))
            .route("/{*path}", get(answer));
        let at = serve(router).await;
        Self { blobs, at }
    }
}

/// What a web folder gives for a blob; what came is kept in a store.
async fn ask(folder: &Arc<WebFolder>, id: BlobId) -> Result<Vec<u8>, MirrorFetchError> {
    let folder = Arc::clone(folder);
    let asked = tokio::task::spawn_blocking(move || {
        let store = MemoryStore::new();
        let got = fetch_into(&*folder, &store, &id, 1_000, 1);
        if got.is_err() {
            assert_eq!(store.usage().unwrap().count, 0, "something was kept");
        }
        got.map(|_| store.read(&id).unwrap().unwrap())
    });
    asked.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_server_does_only_the_blob_is_taken() {
    let tricks = Tricks::new().await;
    let url = format!("http://{}/files", tricks.at);
    let folder = WebFolder::new(&url, true, &HttpOptions::default()).unwrap();
    let folder = Arc::new(folder);
    let of = async |name| ask(&folder, tricks.blobs[name]).await;
    assert_eq!(of("honest").await.unwrap(), b"honest");
    assert_eq!(of("moved").await.unwrap(), b"moved");
    assert!(matches!(
        of("wrong").await,
        Err(MirrorFetchError::Store(StoreError::WrongHash { .. }))
    ));
    assert!(matches!(
        of("long").await,
        Err(MirrorFetchError::Mirror(MirrorError::TooLarge {
            size: 2_000,
            max: 1_000,
            ..
        }))
    ));
    assert!(matches!(
        of("endless").await,
        Err(MirrorFetchError::TooLong { max: 1_000, .. })
    ));
    assert!(matches!(
        of("cut").await,
        Err(MirrorFetchError::Store(StoreError::WrongHash { .. }))
    ));
    assert!(matches!(
        of("gone").await,
        Err(MirrorFetchError::Mirror(MirrorError::NotFound { .. }))
    ));
    for (name, said) in [
        ("secret", "403"),
        ("broken", "502"),
        ("round", "more than 5 times"),
        ("away", "not a web address"),
    ] {
        let error = words(&of(name).await.unwrap_err());
        assert!(error.contains(said), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_no_blob() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4_096];
            let _ = stream.read(&mut asked).await;
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\nhonest";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let url = format!("http://{at}/");
    let folder = Arc::new(WebFolder::new(&url, true, &HttpOptions::default()).unwrap());
    let broken = ask(&folder, BlobId::of(b"honest")).await;
    assert!(
        matches!(broken, Err(MirrorFetchError::Broken { received: 6, .. })),
        "{broken:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_network_is_not_asked_unless_the_user_said_so() {
    let tricks = Tricks::new().await;
    let options = HttpOptions::default();
    let refused = |url: String| match WebFolder::new(&url, false, &options) {
        Err(error) => words(&error),
        Ok(_) => panic!("{url} was taken"),
    };
    let error = refused(format!("http://{}/files", tricks.at));
    assert!(
        error.contains("private network") && error.contains("--private"),
        "{error}"
    );
    refused(format!("http://[::ffff:127.0.0.1]:{}/", tricks.at.port()));
    for url in ["ftp://example.org/", "nonsense", "https://"] {
        refused(url.to_owned());
    }
    // By name it is found out when it is resolved.
    let url = format!("http://localhost:{}/files", tricks.at.port());
    let folder = Arc::new(WebFolder::new(&url, false, &options).unwrap());
    let error = words(&ask(&folder, tricks.blobs["honest"]).await.unwrap_err());
    assert!(error.contains("private network"), "{error}");
    // A redirect inwards is held to the same rule, wherever it comes from.
    let web = Web::with(false, &options, |client| {
        client.resolve("files.example", tricks.at)
    });
    let url = format!("http://files.example:{}/files", tricks.at.port());
    let folder = Arc::new(WebFolder::over(web.unwrap(), &url).unwrap());
    assert_eq!(
        ask(&folder, tricks.blobs["honest"]).await.unwrap(),
        b"honest"
    );
    let error = words(&ask(&folder, tricks.blobs["inside"]).await.unwrap_err());
    assert!(
        error.contains("10.0.0.1 lies in a private network"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_takes_files_and_says_when_it_is_not_there() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("stick");
    std::fs::create_dir(&path).unwrap();
    let folder = folder::Folder::new(path.to_str().unwrap());
    let id = BlobId::of(b"a lesson");
    assert_eq!(folder.claims(&id).unwrap(), None);
    assert!(matches!(
        folder.fetch(&id, 100),
        Err(MirrorError::NotFound { .. })
    ));
    folder.put(&id, b"a lesson").unwrap();
    assert_eq!(std::fs::read(path.join(path_of(&id))).unwrap(), b"a lesson");
    assert_eq!(folder.claims(&id).unwrap(), Some(8));
    let store = MemoryStore::new();
    assert_eq!(fetch_into(&folder, &store, &id, 100, 1).unwrap().size, 8);
    assert!(matches!(
        folder.fetch(&id, 7),
        Err(MirrorError::TooLarge { .. })
    ));
    std::fs::remove_dir_all(&path).unwrap();
    assert!(matches!(
        folder.claims(&id),
        Err(MirrorError::Unreachable { .. })
    ));
    assert!(folder.put(&id, b"a lesson").is_err());
    assert!(!path.exists(), "made where nothing is mounted");
}

/// A file on the web, in parts when asked for, which remembers what was asked.
async fn web_file(bytes: Vec<u8>, asked: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let answer = async move |headers: HeaderMap| -> Response {
        let range = headers.get(header::RANGE).and_then(|v| v.to_str().ok());
        let range = range.unwrap_or_default().to_owned();
        asked.lock().unwrap().push(range.clone());
        let parts = range.strip_prefix("bytes=").and_then(|r| r.split_once('-'));
        let Some((from, to)) = parts else {
            return bytes.clone().into_response();
        };
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        let said = format!("bytes {from}-{to}/{}", bytes.len());
        (
            StatusCode::PARTIAL_CONTENT,
            [(header::CONTENT_RANGE, said)],
            bytes[from..=to].to_vec(),
        )
            .into_response()
    };
    serve(Router::new().route("/film.mp4", get(answer))).await
}

/// A learner who has the messages and the manifest of a film whose source also says
/// where else its bytes are, and meets nobody.
pub(super) async fn film_learner(
    dir: &Path,
    bytes: &[u8],
    elsewhere: serde_json::Value,
    config: &str,
) -> (Node, BlobAdded, FeedId) {
    let author = with_mirrors(&dir.join("author")).await;
    let a = author.handle();
    let source = dir.join("Soil");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("01_What.md"), "# What\n\nSoil.\n").unwrap();
    let course = import(&a, source).await.course.unwrap();
    let path = dir.join("film.mp4");
    std::fs::write(&path, bytes).unwrap();
    let added = a.call(BlobAdd { path }).await.unwrap();
    let mut source = elsewhere;
    source["link"] = added.id.to_string().into();
    source["manifest"] = added.manifest.into();
    source["size"] = added.size.into();
    let video = serde_json::json!({
        "type": "studytime_course_lesson_video",
        "lesson_number": 1,
        "name": "Film",
        "sources": [source],
    });
    author.publish_values(course, vec![video]).await.unwrap();
    let list = a.call(CatalogList {}).await.unwrap()[0].id;

    // The learner gets messages and the manifest, and then the author is gone.
    let home = dir.join("learner");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("config.toml"), config).unwrap();
    let learner = with_mirrors(&home).await;
    let l = learner.handle();
    l.call(CatalogAdd { id: list }).await.unwrap();
    connect(&l, &a).await;
    until("the video is here", || async {
        let shown = l.call(CourseShow { id: course }).await.ok()?;
        (shown.detail.lessons.first()?.videos == 1).then_some(())
    })
    .await;
    let get = BlobGet {
        id: added.id,
        manifest: false,
        output: None,
        timeout_seconds: 30,
    };
    l.call(get).await.unwrap();
    author.shutdown().await;
    until("the author is gone", || async {
        let peers = l.call(PeerList {}).await.unwrap();
        (!peers.iter().any(|p| p.state == "connected")).then_some(())
    })
    .await;
    (learner, added, course)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_is_had_from_the_address_its_author_gave_part_by_part() {
    let tmp = tempfile::tempdir().unwrap();
    // Seven segments, and a file of its own.
    let film: Vec<u8> = (0..7_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let at = web_file(film.clone(), Arc::clone(&asked)).await;
    let url = serde_json::json!({ "url": format!("http://{at}/film.mp4") });
    let allowed = "private_video_links = true\n";
    let (learner, added, course) = film_learner(tmp.path(), &film, url, allowed).await;
    assert!(added.manifest);
    let l = learner.handle();

    l.call(CourseStart {
        id: course,
        wait: true,
    })
    .await
    .unwrap();
    let output = tmp.path().join("again.mp4");
    let get = BlobGet {
        id: added.id,
        manifest: true,
        output: Some(output.clone()),
        timeout_seconds: 30,
    };
    l.call(get).await.unwrap();
    assert!(std::fs::read(&output).unwrap() == film, "another film");
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 7, "{asked:?}");
    assert!(
        asked.contains(&"bytes=6291456-6999999".to_owned()),
        "{asked:?}"
    );

    // Without leave, the same address is not asked: it lies on this machine.
    let wanted: BlobId = {
        let manifest = learner.inner().holdings.manifest(&added.id).unwrap();
        manifest.segments[0]
    };
    let strict = Web::new(false, &HttpOptions::default()).unwrap();
    let parts = learner
        .blocking(move |n| Ok(n.parts_of(&wanted)))
        .await
        .unwrap();
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].range, Some((0, 1 << 20)));
    let links::Place::Web(url) = &parts[0].at else {
        panic!("{parts:?}");
    };
    assert!(words(&strict.url(url).unwrap_err()).contains("private network"));
    learner.shutdown().await;
}
