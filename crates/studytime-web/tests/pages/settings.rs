//! Settings: what is kept of others, and lists that are offered.

use crate::site::*;
use axum::http::StatusCode;
use std::time::Duration;
use studytime_node::Builder;
use studytime_node::api::{
    CatalogAdd, CatalogNearby, CatalogNew, Downloads, PeerConnect, Settings, Status,
};

#[tokio::test]
async fn what_is_kept_of_others_is_shown_and_changed() {
    let site = Site::open().await;
    let page = text(site.get("/settings").await).await;
    assert!(page.contains("name=\"budget-messages\""), "{page}");
    assert!(page.contains("value=\"2000000\""), "{page}");
    assert!(page.contains("0 messages of 0 feeds in use"), "{page}");
    let form = "budget-messages=5000&budget-gigabytes=1%2C5";
    let saved = site.post("/settings", form).await;
    assert_eq!(header_of(&saved, "location"), "/settings?done=saved");
    let settings = site.handle().call(Settings {}).await.unwrap();
    assert_eq!(
        (settings.budget_messages, settings.budget_bytes),
        (5_000, 1_500_000_000)
    );
    for wrong in [
        "budget-messages=many",
        "budget-messages=-1",
        "budget-gigabytes=x",
    ] {
        let refused = site.post("/settings", wrong).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{wrong}");
        assert!(text(refused).await.contains("must be a"), "{wrong}");
    }
    let settings = site.handle().call(Settings {}).await.unwrap();
    assert_eq!(settings.budget_messages, 5_000);
    site.node.shutdown().await;
}

#[tokio::test]
async fn downloads_have_hours_a_speed_and_a_pause() {
    let site = Site::open().await;
    let page = text(site.get("/settings").await).await;
    for name in ["floor", "limit", "hours"] {
        assert!(page.contains(&format!("name=\"{name}\"")), "{name}: {page}");
    }
    let form = "floor=2,5&limit=500&hours=22%3A00-06%3A00";
    let saved = site.post("/settings", form).await;
    assert_eq!(header_of(&saved, "location"), "/settings?done=saved");
    let ask = async || {
        site.handle()
            .call(Downloads { by_class: false })
            .await
            .unwrap()
    };
    let set = ask().await;
    assert_eq!((set.free_floor, set.limit), (2_500_000_000, Some(500_000)));
    assert_eq!(set.hours.as_deref(), Some("22:00-06:00"));
    let page = text(site.get("/downloads").await).await;
    assert!(
        page.contains("at 22:00-06:00, at most 500 kB a second"),
        "{page}"
    );
    for wrong in ["limit=fast", "hours=whenever", "floor=much"] {
        let refused = site.post("/settings", wrong).await;
        assert!(refused.status().is_client_error(), "{wrong}");
    }
    // Empty fields lift limits; absent ones leave them.
    site.post("/settings", "hours=").await;
    assert_eq!(
        (ask().await.hours, ask().await.limit),
        (None, Some(500_000))
    );
    site.post("/settings", "limit=").await;
    assert_eq!(ask().await.limit, None);

    let paused = site.post("/downloads/pause", "set=1").await;
    assert_eq!(header_of(&paused, "location"), "/downloads?done=all-paused");
    assert!(ask().await.paused);
    let page = text(site.get("/downloads?done=all-paused").await).await;
    assert!(page.contains("Resume all downloads"), "{page}");
    site.post("/downloads/pause", "set=0").await;
    assert!(!ask().await.paused);
    site.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_connected_people_are_offered() {
    let site = Site::open().await;
    let dir = tempfile::tempdir().unwrap();
    let other = Builder::new(dir.path())
        .listen(Some("127.0.0.1:0".parse().unwrap()))
        .default_lists(false)
        .control(false)
        .open()
        .await
        .unwrap();
    let o = other.handle();
    let name = "Evening <b>school</b>".to_owned();
    let list = o.call(CatalogNew { name }).await.unwrap().id;
    let address = o.call(Status {}).await.unwrap().address.unwrap();
    let mine = site.handle();
    mine.call(PeerConnect {
        address,
        timeout_seconds: 30,
    })
    .await
    .unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while mine.call(CatalogNearby {}).await.unwrap().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "nothing is offered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let page = text(site.get("/settings").await).await;
    assert!(page.contains("Evening &#60;b&#62;school"), "{page}");
    assert!(
        page.contains(&format!("name=\"id\" value=\"{}", &list.to_string()[..20])),
        "{page}"
    );
    mine.call(CatalogAdd { id: list }).await.unwrap();
    let page = text(site.get("/settings").await).await;
    assert!(!page.contains("Offered by people"), "{page}");
    other.shutdown().await;
    site.node.shutdown().await;
}
