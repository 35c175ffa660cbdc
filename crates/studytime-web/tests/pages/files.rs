//! Files: ranges, types, caching.

use crate::site::*;
use axum::body::Body;
use axum::http::header::{self};
use axum::http::{Request, StatusCode};
use studytime_node::api::path;

#[tokio::test]
async fn files_are_served_by_ranges() {
    let site = Site::open().await;
    // Over the size of a blob: segments and a manifest.
    let video: Vec<u8> = (0..6_500_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let (id, manifest) = site.add_blob("video.mp4", &video).await;
    assert!(manifest);
    let path = path::media_path(&id, true, Some(60), Some("video/mp4"), Some("My film"));

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
            .get(&path::media_path(&page, false, None, kind, Some("x.html")))
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
