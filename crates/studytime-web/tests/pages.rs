//! The pages over a real node in a temporary directory, asked as a browser asks.
#![allow(clippy::unwrap_used)] // A helper that cannot go on must fail its test.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{self, HeaderName};
use axum::http::{Method, Request, Response, StatusCode};
use std::net::SocketAddr;
use studytime_node::api::{BlobAdd, CourseEdit, Import, Settings, path};
use studytime_node::{Builder, Handle, Node};
use studytime_schema::{BlobId, FeedId};
use studytime_web::{MAX_BODY, Options};
use tower::ServiceExt as _;

const HOST: &str = "127.0.0.1:8989";

struct Site {
    router: Router,
    node: Node,
    dir: tempfile::TempDir,
}

impl Site {
    async fn open() -> Self {
        Self::open_in(tempfile::tempdir().unwrap()).await
    }

    /// On a directory that was prepared: the node's data lies in `data`.
    async fn open_in(dir: tempfile::TempDir) -> Self {
        let node = Builder::new(dir.path().join("data"))
            .listen(None)
            .schedule(false)
            .control(false)
            .default_lists(false)
            .open()
            .await
            .unwrap();
        let address: SocketAddr = HOST.parse().unwrap();
        let router = studytime_web::router(node.handle(), Options::new(address));
        Self { router, node, dir }
    }

    fn handle(&self) -> Handle {
        self.node.handle()
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> Response<Body> {
        self.send(get(path).body(Body::empty()).unwrap()).await
    }

    async fn get_with(&self, path: &str, name: HeaderName, value: &str) -> Response<Body> {
        self.send(get(path).header(name, value).body(Body::empty()).unwrap())
            .await
    }

    /// The cookie and the form token, as a browser has them after one page.
    async fn session(&self) -> (String, String) {
        let response = self.get("/").await;
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let page = text(response).await;
        let (_, rest) = page
            .split_once("name=\"studytime-token\" content=\"")
            .unwrap();
        (cookie, rest.split('"').next().unwrap().to_owned())
    }

    async fn post(&self, path: &str, form: &str) -> Response<Body> {
        let (cookie, token) = self.session().await;
        let body = format!("{form}&token={token}");
        self.send(
            post(path)
                .header(header::COOKIE, cookie)
                .body(body.into())
                .unwrap(),
        )
        .await
    }

    async fn add_blob(&self, name: &str, bytes: &[u8]) -> (BlobId, bool) {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let added = self.handle().call(BlobAdd { path }).await.unwrap();
        (added.id, added.manifest)
    }
}

fn get(path: &str) -> axum::http::request::Builder {
    Request::get(path).header(header::HOST, HOST)
}

fn post(path: &str) -> axum::http::request::Builder {
    Request::post(path)
        .header(header::HOST, HOST)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
}

async fn bytes(response: Response<Body>) -> Vec<u8> {
    to_bytes(response.into_body(), 64 << 20)
        .await
        .unwrap()
        .to_vec()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(bytes(response).await).unwrap()
}

fn header_of<'r>(response: &'r Response<Body>, name: &str) -> &'r str {
    response
        .headers()
        .get(name)
        .map_or("", |v| v.to_str().unwrap())
}

const SCREENS: [&str; 7] = [
    "/",
    "/courses",
    "/courses?q=x&level=beginner&sort=newest&page=3",
    "/learning",
    "/downloads",
    "/network",
    "/settings",
];

#[tokio::test]
async fn every_screen_is_whole_and_safe() {
    let site = Site::open().await;
    for path in SCREENS {
        let response = site.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let policy = header_of(&response, "content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        assert_eq!(header_of(&response, "x-content-type-options"), "nosniff");
        assert_eq!(header_of(&response, "referrer-policy"), "same-origin");
        assert!(
            response
                .headers()
                .get(header::ACCESS_CONTROL_ALLOW_ORIGIN)
                .is_none()
        );
        let page = text(response).await;
        assert_eq!(page.matches("<h1").count(), 1, "{path}");
        for part in [
            "<html lang=",
            "<main id=\"main\"",
            "class=\"skip\"",
            "<nav class=\"menu\"",
            "aria-current=\"page\"",
        ] {
            assert!(page.contains(part), "{path}: {part}");
        }
        // The policy would block these, so they must not be relied on.
        for part in [
            " style=\"",
            " onclick=",
            "<style",
            "src=\"http",
            "href=\"http://",
        ] {
            assert!(!page.contains(part), "{path}: {part}");
        }
        for field in page.split("<input ").skip(1) {
            let tag = field.split('>').next().unwrap();
            let labelled = tag.contains("type=\"hidden\"")
                || tag.contains("type=\"radio\"")
                || tag.contains("type=\"checkbox\"")
                || tag.split("id=\"").nth(1).is_some_and(|rest| {
                    let id = rest.split('"').next().unwrap();
                    page.contains(&format!("for=\"{id}\""))
                });
            assert!(labelled, "{path}: no label for <input {tag}>");
        }
    }
    site.node.shutdown().await;
}

#[tokio::test]
async fn only_own_names_are_answered_to() {
    let site = Site::open().await;
    for host in [
        "evil.example",
        "evil.example:8989",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:8989.evil.example",
        "",
    ] {
        let request = Request::get("/")
            .header(header::HOST, host)
            .body(Body::empty())
            .unwrap();
        assert_eq!(
            site.send(request).await.status(),
            StatusCode::MISDIRECTED_REQUEST,
            "{host}"
        );
    }
    let none = Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(
        site.send(none).await.status(),
        StatusCode::MISDIRECTED_REQUEST
    );
    let two = Request::get("/")
        .header(header::HOST, HOST)
        .header(header::HOST, "evil.example");
    assert_eq!(
        site.send(two.body(Body::empty()).unwrap()).await.status(),
        StatusCode::MISDIRECTED_REQUEST
    );
    let absolute = Request::get("http://evil.example/").header(header::HOST, HOST);
    assert_eq!(
        site.send(absolute.body(Body::empty()).unwrap())
            .await
            .status(),
        StatusCode::MISDIRECTED_REQUEST
    );
    let local = Request::get("/").header(header::HOST, "LocalHost:8989");
    assert_eq!(
        site.send(local.body(Body::empty()).unwrap()).await.status(),
        StatusCode::OK
    );
    site.node.shutdown().await;
}

#[tokio::test]
async fn other_sites_can_load_nothing() {
    let site = Site::open().await;
    for (mode, dest, status) in [
        ("no-cors", "image", StatusCode::FORBIDDEN),
        ("cors", "empty", StatusCode::FORBIDDEN),
        ("navigate", "iframe", StatusCode::FORBIDDEN),
        ("navigate", "document", StatusCode::OK),
    ] {
        let request = get("/")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-dest", dest);
        let response = site.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), status, "{mode} {dest}");
    }
    site.node.shutdown().await;
}

#[tokio::test]
async fn forms_need_the_origin_the_cookie_and_the_token() {
    let site = Site::open().await;
    let (cookie, token) = site.session().await;
    let good = format!("share=no&token={token}");
    let with = |name: &str, value: &str| {
        post("/settings")
            .header(header::COOKIE, &cookie)
            .header(name, value)
            .body(Body::from(good.clone()))
            .unwrap()
    };
    let foreign = [
        Request::post("/settings")
            .header(header::HOST, HOST)
            .header(header::ORIGIN, "http://evil.example")
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(good.clone()))
            .unwrap(),
        Request::post("/settings")
            .header(header::HOST, HOST)
            .header(header::ORIGIN, "null")
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(good.clone()))
            .unwrap(),
        Request::post("/settings")
            .header(header::HOST, HOST)
            .header("sec-fetch-site", "same-site")
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(good.clone()))
            .unwrap(),
        post("/settings").body(Body::from(good.clone())).unwrap(),
        post("/settings")
            .header(header::COOKIE, "studytime=0")
            .body(Body::from(good.clone()))
            .unwrap(),
        post("/settings")
            .header(header::COOKIE, &cookie)
            .body(Body::from("share=no"))
            .unwrap(),
        post("/settings")
            .header(header::COOKIE, &cookie)
            .body(Body::from("share=no&token=0"))
            .unwrap(),
    ];
    for (i, request) in foreign.into_iter().enumerate() {
        assert_eq!(
            site.send(request).await.status(),
            StatusCode::FORBIDDEN,
            "{i}"
        );
    }
    assert_eq!(
        site.handle().call(Settings {}).await.unwrap().share_study,
        None
    );
    let response = site.send(with("x-nothing", "1")).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(header_of(&response, "location"), "/settings?done=saved");
    assert_eq!(
        site.handle().call(Settings {}).await.unwrap().share_study,
        Some(false)
    );

    // No other cookie jar, no JSON without the header, nothing but GET, HEAD, POST.
    let json = Request::post("/api/position")
        .header(header::HOST, HOST)
        .header(header::COOKIE, &cookie)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from("{}"))
        .unwrap();
    assert_eq!(site.send(json).await.status(), StatusCode::FORBIDDEN);
    let plain = Request::post("/settings")
        .header(header::HOST, HOST)
        .header(header::COOKIE, &cookie)
        .header(header::CONTENT_TYPE, "text/plain")
        .body(Body::from(good.clone()))
        .unwrap();
    assert_eq!(
        site.send(plain).await.status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    for method in [Method::DELETE, Method::PUT, Method::OPTIONS, Method::TRACE] {
        let request = Request::builder()
            .method(method)
            .uri("/settings")
            .header(header::HOST, HOST);
        let response = site.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    site.node.shutdown().await;
}

#[tokio::test]
async fn too_much_is_refused() {
    let site = Site::open().await;
    let long = format!("/courses?q={}", "x".repeat(9000));
    assert_eq!(site.get(&long).await.status(), StatusCode::URI_TOO_LONG);
    let (cookie, _) = site.session().await;
    let huge = post("/settings")
        .header(header::COOKIE, cookie)
        .body(Body::from(vec![b'x'; MAX_BODY + 1]));
    assert_eq!(
        site.send(huge.unwrap()).await.status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    site.node.shutdown().await;
}

#[tokio::test]
async fn what_is_not_there_is_said_in_words() {
    let site = Site::open().await;
    let nobody = path::course_path(&FeedId::from_bytes([7; 32]));
    for path in [
        "/nothing",
        "/course/rubbish",
        &nobody,
        &format!("{nobody}/lesson/1"),
        &format!("{nobody}/lesson/x"),
        "/person/x",
        "/cover/x.svg",
    ] {
        let response = site.get(path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let page = text(response).await;
        assert!(page.contains("<h1>Not found here</h1>"), "{path}");
    }
    let response = site.get("/api/nothing").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(text(response).await.starts_with("{\"kind\":\"not_found\""));
    let response = site.post("/network/connect", "address=rubbish").await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let page = text(response).await;
    assert!(page.contains("role=\"alert\"") && page.contains("value=\"rubbish\""));
    site.node.shutdown().await;
}

#[tokio::test]
async fn the_json_api_answers() {
    let site = Site::open().await;
    for path in [
        "/api/status",
        "/api/courses?q=x",
        "/api/subjects",
        "/api/learner",
        "/api/suggest?q=al",
    ] {
        let response = site.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(
            header_of(&response, "content-type"),
            "application/json",
            "{path}"
        );
        let value: serde_json::Value = serde_json::from_slice(&bytes(response).await).unwrap();
        assert!(value.is_object() || value.is_array());
    }
    let response = site.get("/api/events").await;
    assert_eq!(header_of(&response, "content-type"), "text/event-stream");
    site.node.shutdown().await;
}

#[tokio::test]
async fn files_are_served_by_ranges() {
    let site = Site::open().await;
    // Over the size of a blob: segments and a manifest.
    let video: Vec<u8> = (0..6_500_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let (id, manifest) = site.add_blob("video.mp4", &video).await;
    assert!(manifest);
    let path = path::media_path(&id, true, Some("video/mp4"), Some("My film"));

    let whole = site.get(&path).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(header_of(&whole, "content-type"), "video/mp4");
    assert_eq!(header_of(&whole, "accept-ranges"), "bytes");
    assert_eq!(header_of(&whole, "content-length"), "6500000");
    assert!(header_of(&whole, "content-disposition").starts_with("inline"));
    let etag = header_of(&whole, "etag").to_owned();
    assert!(etag.starts_with('"'));
    assert_eq!(bytes(whole).await, video);

    // Across the border of two segments, open-ended, the end.
    for (range, from, to) in [
        ("bytes=1048570-1048580", 1_048_570, 1_048_581),
        ("bytes=6499990-", 6_499_990, 6_500_000),
        ("bytes=-7", 6_499_993, 6_500_000),
        ("bytes=0-0", 0, 1),
    ] {
        let part = site.get_with(&path, header::RANGE, range).await;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(
            header_of(&part, "content-range"),
            format!("bytes {from}-{}/6500000", to - 1)
        );
        assert_eq!(header_of(&part, "content-length"), (to - from).to_string());
        assert_eq!(bytes(part).await, video[from..to], "{range}");
    }
    let beyond = site.get_with(&path, header::RANGE, "bytes=6500000-").await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(header_of(&beyond, "content-range"), "bytes */6500000");

    let head = Request::head(&path)
        .header(header::HOST, HOST)
        .body(Body::empty())
        .unwrap();
    let head = site.send(head).await;
    assert_eq!(
        (head.status(), header_of(&head, "content-length")),
        (StatusCode::OK, "6500000")
    );
    assert!(bytes(head).await.is_empty());

    let known = site.get_with(&path, header::IF_NONE_MATCH, &etag).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    for (tag, status) in [
        (etag.as_str(), StatusCode::PARTIAL_CONTENT),
        ("\"other\"", StatusCode::OK),
    ] {
        let request = get(&path)
            .header(header::RANGE, "bytes=5-9")
            .header(header::IF_RANGE, tag);
        assert_eq!(
            site.send(request.body(Body::empty()).unwrap())
                .await
                .status(),
            status,
            "{tag}"
        );
    }
    site.node.shutdown().await;
}

#[tokio::test]
async fn hostile_files_are_downloads() {
    let site = Site::open().await;
    let (page, _) = site
        .add_blob("x.html", b"<html><script>alert(1)</script>")
        .await;
    for kind in [
        None,
        Some("text/html"),
        Some("image/svg+xml"),
        Some("application/xhtml+xml"),
    ] {
        let response = site
            .get(&path::media_path(&page, false, kind, Some("x.html")))
            .await;
        assert_eq!(
            header_of(&response, "content-type"),
            "application/octet-stream",
            "{kind:?}"
        );
        assert!(
            header_of(&response, "content-disposition").starts_with("attachment"),
            "{kind:?}"
        );
        assert!(
            header_of(&response, "content-security-policy").contains("sandbox"),
            "{kind:?}"
        );
        assert_eq!(header_of(&response, "x-content-type-options"), "nosniff");
    }
    let response = site.get(&path::blob_path(&page)).await;
    assert_eq!(
        header_of(&response, "content-type"),
        "application/octet-stream"
    );

    let (svg, _) = site
        .add_blob(
            "x.svg",
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        )
        .await;
    let response = site.get(&path::blob_path(&svg)).await;
    assert_eq!(header_of(&response, "content-type"), "image/svg+xml");
    assert!(header_of(&response, "content-disposition").starts_with("attachment"));
    assert!(header_of(&response, "content-security-policy").contains("sandbox"));

    let (png, _) = site.add_blob("x.png", b"\x89PNG\r\n\x1a\n0000").await;
    let response = site.get(&path::blob_path(&png)).await;
    assert_eq!(header_of(&response, "content-type"), "image/png");
    assert!(header_of(&response, "cache-control").contains("immutable"));

    let (srt, _) = site
        .add_blob("x.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n")
        .await;
    let response = site.get(&path::captions_path(&srt)).await;
    assert_eq!(
        header_of(&response, "content-type"),
        "text/vtt; charset=utf-8"
    );
    assert!(
        text(response)
            .await
            .starts_with("WEBVTT\n\n1\n00:00:01.000")
    );
    site.node.shutdown().await;
}

#[tokio::test]
async fn static_files_are_kept_for_good() {
    let site = Site::open().await;
    let page = text(site.get("/").await).await;
    for (start, kind) in [
        ("href=\"/static/", "text/css; charset=utf-8"),
        ("src=\"/static/", ""),
    ] {
        let path = page
            .split(start)
            .skip(1)
            .map(|rest| format!("/static/{}", rest.split('"').next().unwrap()))
            .find(|path| kind.is_empty() || path.ends_with(".css"))
            .unwrap();
        let response = site.get(&path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert!(header_of(&response, "cache-control").contains("immutable"));
        let etag = header_of(&response, "etag").to_owned();
        let again = site.get_with(&path, header::IF_NONE_MATCH, &etag).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
    assert_eq!(site.get("/static/0/app.css").await.status(), StatusCode::OK);
    assert_eq!(
        site.get("/static/0/other").await.status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(site.get("/favicon.ico").await.status(), StatusCode::OK);
    site.node.shutdown().await;
}

/// A course is imported, started, read, tested and annotated, all by forms.
#[tokio::test]
async fn a_course_is_studied() {
    let site = Site::open().await;
    let folder = site.dir.path().join("Knots");
    std::fs::create_dir_all(folder.join("02 Bends")).unwrap();
    std::fs::create_dir_all(folder.join("01 Loops")).unwrap();
    std::fs::write(folder.join("01 Loops/01 Bowline.md"), BOWLINE).unwrap();
    std::fs::write(folder.join("01 Loops/knot.png"), b"\x89PNG\r\n\x1a\n0000").unwrap();
    std::fs::write(folder.join("01 Loops/01 Bowline.quiz.json"), QUIZ).unwrap();
    std::fs::write(folder.join("02 Bends/01 Sheet bend.txt"), "Over, under.").unwrap();
    let import = Import {
        path: folder,
        edit: CourseEdit {
            license: Some("CC0-1.0".into()),
            language: Some("ar".into()),
            ..CourseEdit::default()
        },
        catalog: Some("Mine".into()),
        into: None,
        prune: false,
        dry_run: false,
    };
    let course = site.handle().call(import).await.unwrap().course.unwrap();
    let (page, lesson) = (path::course_path(&course), path::lesson_path(&course, 1));

    let html = text(site.get(&page).await).await;
    for part in [
        "<h1 dir=\"rtl\" lang=\"ar\">Knots</h1>",
        "CC0",
        "Bowline",
        "Sheet bend",
        "Loops",
        "Start this course",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // Texts are searchable a moment after they are published.
    let mut html = String::new();
    for _ in 0..100 {
        html = text(site.get("/courses?q=knot").await).await;
        if html.contains(&page) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(
        html.contains(&page) && html.contains("Remove filter: "),
        "{html}"
    );

    // Starting asks once whether others may see it.
    let html = text(site.post(&format!("{page}/start"), "").await).await;
    assert!(html.contains("May others see what you study?"));
    let started = site.post(&format!("{page}/start"), "share=no").await;
    assert_eq!(
        header_of(&started, "location"),
        format!("{page}?done=started")
    );

    let html = text(site.get(&lesson).await).await;
    assert_eq!(html.matches("<h1").count(), 1);
    assert!(
        html.contains("<math") && html.contains("src=\"/blob/") && html.contains("hl-k"),
        "{html}"
    );
    assert!(!html.contains("alert(1)") && html.contains("on another site, not loaded"));
    assert!(html.contains("Rabbit test") && html.contains("name=\"q1\" value=\"0\""));

    let action = html
        .split("action=\"")
        .find(|rest| rest.contains("/test/"))
        .unwrap();
    let action = action.split('"').next().unwrap();
    let result = text(site.post(action, "q0=1&q1=0&q1=1").await).await;
    assert!(
        result.contains("<b>100 %</b>") && result.contains("2 of 2 right"),
        "{result}"
    );
    assert!(result.contains("It runs around the tree."));
    let result = text(site.post(action, "q0=0").await).await;
    assert!(
        result.contains("Not passed yet") && result.contains("left out"),
        "{result}"
    );

    let noted = site
        .post(
            &format!("{lesson}/note"),
            "text=Out+of+the+*hole*+%3Cscript%3E",
        )
        .await;
    assert_eq!(
        header_of(&noted, "location"),
        format!("{lesson}?done=note#notes")
    );
    site.post(&format!("{lesson}/bookmark"), "set=1").await;
    let done = site.post(&format!("{lesson}/done"), "set=1&go_on=1").await;
    assert_eq!(
        header_of(&done, "location"),
        format!("{}?done=lesson-done", path::lesson_path(&course, 2))
    );

    let html = text(site.get("/learning").await).await;
    for part in [
        "Knots",
        "1 of 2 lessons",
        "Rabbit test",
        "<b class=\"good\">100 %</b>",
        "Out of the <em>hole</em>",
        "Bowline",
    ] {
        assert!(html.contains(part), "{part} not in {html}");
    }
    assert!(!html.contains("<script>"));
    let html = text(site.get("/downloads").await).await;
    assert!(html.contains("All here"), "{html}");
    let html = text(site.get("/").await).await;
    assert!(html.contains("Continue learning"));
    let html = text(site.get(&path::lesson_path(&course, 2)).await).await;
    assert!(html.contains("Over, under."));
    site.node.shutdown().await;
}

const BOWLINE: &str = "# Bowline\n\nA loop of length $\\frac{1}{2}$.\n\n![Knot](knot.png)\n\n\
    ![Spy](https://spy.example/x.png)\n\n<script>alert(1)</script>\n\n```rust\nfn tie() {}\n```\n";

const QUIZ: &str = r#"{"name":"Rabbit test","pass_percent":50,"questions":[
    {"kind":"single","question":"What does the rabbit do?","options":["sleeps","runs"],"answer":1,"explanation":"It runs around the tree."},
    {"kind":"multiple","question":"What is there?","options":["a hole","a tree","a car"],"answers":[0,1]}]}"#;

/// A restored identity: the pages say what is locked, why, and what to do; what
/// would publish is refused with the same words.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_feed_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let keys = studytime_schema::Keypair::from_seed(&[3; 32]);
    let secret = dir.path().join("secret");
    std::fs::write(&secret, keys.to_secret_file()).unwrap();
    studytime_node::restore_secret(&dir.path().join("data"), &secret).unwrap();
    let site = Site::open_in(dir).await;
    let person = format!("/person/{}", path::feed_segment(&keys.id()));
    for page in ["/network", &person] {
        let page = text(site.get(page).await).await;
        assert!(page.contains("be published on it for now"), "{page}");
        assert!(page.contains("it was restored") || page.contains("It was restored"));
        assert!(page.contains("--accept-loss"), "{page}");
    }
    let other = studytime_schema::Keypair::from_seed(&[4; 32]).id();
    let other = format!("/person/{}", path::feed_segment(&other));
    let answer = site.post(&other, "relation=follow").await;
    assert!(!answer.status().is_success() && !answer.status().is_redirection());
    assert!(text(answer).await.contains("locked"));
    // Nothing of the kind where nothing was restored.
    let page = text(Site::open().await.get("/network").await).await;
    assert!(!page.contains("accept-loss"));
}
