//! The JSON interface, and what is not there.

use crate::site::*;
use axum::http::StatusCode;
use studytime_node::api::path;
use studytime_schema::FeedId;

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
