//! Every screen is whole; other sites get nothing.

use crate::site::*;
use axum::body::Body;
use axum::http::header::{self};
use axum::http::{Method, Request, StatusCode, request};
use studytime_node::api::Settings;
use studytime_web::MAX_BODY;

const SCREENS: [&str; 8] = [
    "/",
    "/courses",
    "/courses?q=x&level=beginner&sort=newest&page=3",
    "/learning",
    "/downloads",
    "/mirrors",
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
    let answer = async |request: request::Builder| {
        let request = request.body(Body::empty()).unwrap();
        site.send(request).await.status()
    };
    for host in [
        "evil.example",
        "evil.example:8989",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:8989.evil.example",
        "",
    ] {
        let status = answer(Request::get("/").header(header::HOST, host)).await;
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    let none = Request::get("/");
    let two = Request::get("/")
        .header(header::HOST, HOST)
        .header(header::HOST, "evil.example");
    let absolute = Request::get("http://evil.example/").header(header::HOST, HOST);
    for request in [none, two, absolute] {
        assert_eq!(answer(request).await, StatusCode::MISDIRECTED_REQUEST);
    }
    let local = Request::get("/").header(header::HOST, "LocalHost:8989");
    assert_eq!(answer(local).await, StatusCode::OK);
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
    let from = |name: &str, value: &str| {
        Request::post("/settings")
            .header(header::HOST, HOST)
            .header(name, value)
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(good.clone()))
            .unwrap()
    };
    let saying = |cookie: &str, form: &str| {
        post("/settings")
            .header(header::COOKIE, cookie)
            .body(Body::from(form.to_owned()))
            .unwrap()
    };
    let foreign = [
        from("origin", "http://evil.example"),
        from("origin", "null"),
        from("sec-fetch-site", "same-site"),
        post("/settings").body(Body::from(good.clone())).unwrap(),
        saying("studytime=0", &good),
        saying(&cookie, "share=no"),
        saying(&cookie, "share=no&token=0"),
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
