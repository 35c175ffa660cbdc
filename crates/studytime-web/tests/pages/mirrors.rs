//! The page with the mirrors.

use crate::site::*;
use axum::http::StatusCode;
use studytime_node::api::{Import, MirrorList};

#[tokio::test]
async fn mirrors_are_named_checked_and_taken_away() {
    let site = Site::open().await;
    let page = text(site.get("/mirrors").await).await;
    assert!(page.contains("No mirror is named yet"), "{page}");
    let stick = site.dir.path().join("stick");
    std::fs::create_dir(&stick).unwrap();
    let url = stick.to_str().unwrap().replace('/', "%2F");
    let added = site
        .post("/mirrors/add", &format!("name=The+%3Cstick%3E&url={url}"))
        .await;
    assert_eq!(header_of(&added, "location"), "/mirrors?done=mirror-added");
    let page = text(site.get("/mirrors?done=mirror-added").await).await;
    for part in [
        "The mirror is added",
        "The &#60;stick&#62;",
        "A folder on this device",
        "Asked when no device has a file",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }

    // Nothing can be looked for before there is a course.
    let name = "name=The+%3Cstick%3E";
    let refused = site.post("/mirrors/check", name).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text(refused).await.contains("role=\"alert\""));
    let course = site.dir.path().join("Soil");
    std::fs::create_dir(&course).unwrap();
    std::fs::write(course.join("01_What.pdf"), b"%PDF-1.4 soil").unwrap();
    let import = Import {
        catalog: Some("Botany".into()),
        ..Import::new(course)
    };
    site.handle().call(import).await.unwrap();
    let checked = text(site.post("/mirrors/check", name).await).await;
    assert!(checked.contains("1 file is missing"), "{checked}");
    assert!(checked.contains("It is not there."), "{checked}");

    // A mirror whose folder is gone says so.
    std::fs::remove_dir(&stick).unwrap();
    let gone = text(site.post("/mirrors/check", name).await).await;
    assert!(gone.contains("stick"), "{gone}");
    let removed = site.post("/mirrors/remove", name).await;
    assert_eq!(
        header_of(&removed, "location"),
        "/mirrors?done=mirror-removed"
    );
    let again = site.post("/mirrors/remove", name).await;
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    site.node.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_a_mirror_is_refused_and_what_was_typed_stays() {
    let site = Site::open().await;
    let form = "name=school&url=ftp%3A%2F%2Fx&access-key=AK%26&secret-key=hush-hush&private=1";
    let refused = site.post("/mirrors/add", form).await;
    assert!(refused.status().is_client_error());
    let page = text(refused).await;
    assert!(page.contains("role=\"alert\""), "{page}");
    for part in [
        "value=\"school\"",
        "value=\"ftp://x\"",
        "AK&#38;",
        " checked",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("hush-hush"), "a secret is shown again");
    for empty in ["name=", "url=x", "name=x"] {
        let refused = site.post("/mirrors/add", empty).await;
        assert!(refused.status().is_client_error(), "{empty}");
    }
    assert!(site.handle().call(MirrorList {}).await.unwrap().is_empty());
    site.node.shutdown().await;
}
