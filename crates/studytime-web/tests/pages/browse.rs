//! Courses are browsed and searched: pages, filters, completions.

use crate::site::*;
use studytime_node::api::{CatalogNew, CatalogPublishFile};

/// Puts courses on a new list: their numbers, names and keywords.
async fn listed(site: &Site, name: &str, courses: &[(u8, String, &str)]) {
    let id = |n: u8| studytime_schema::FeedId::from_bytes([n; 32]).to_string();
    let lines = courses.iter().map(|(n, name, keyword)| {
        serde_json::json!({"feed_id": id(*n), "name": name, "keywords": [keyword]}).to_string()
    });
    let path = site.dir.path().join(format!("{name}.jsonl"));
    std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let name = name.to_owned();
    let node = site.handle();
    node.call(CatalogNew { name: name.clone() }).await.unwrap();
    let catalog = name;
    let publish = CatalogPublishFile { catalog, path };
    node.call(publish).await.unwrap();
}

/// The address of the first link that is marked so before it.
fn link(html: &str, mark: &str) -> String {
    let (_, after) = html.split_once(mark).unwrap();
    let (_, after) = after.split_once("href=\"").unwrap();
    after.split('"').next().unwrap().replace("&#38;", "&")
}

fn tiles(html: &str) -> Vec<String> {
    let all = html.split("<article class=\"tile").skip(1);
    let name = |tile: &str| {
        let (_, rest) = tile.split_once("<h3").unwrap();
        let (_, rest) = rest.split_once("\">").unwrap();
        let (_, rest) = rest.split_once("\">").unwrap_or(("", rest));
        rest.split('<').next().unwrap().to_owned()
    };
    all.map(name).collect()
}

#[tokio::test]
async fn the_next_page_goes_on_where_this_one_ended() {
    let site = Site::open().await;
    let courses: Vec<_> = (1..=40)
        .map(|n| (n, format!("Course {n:02}"), "algebra"))
        .collect();
    listed(&site, "First", &courses).await;
    let first = text(site.get("/courses?sort=newest").await).await;
    let next = link(&first, "rel=\"next\"");
    assert!(
        next.contains("page=2") && next.contains("sort=newest"),
        "{next}"
    );
    let fresh: Vec<_> = (101..=105)
        .map(|n| (n, format!("Fresh {n}"), "algebra"))
        .collect();
    listed(&site, "Second", &fresh).await;
    let second = text(site.get(&next).await).await;
    let mut seen = [tiles(&first), tiles(&second)].concat();
    seen.sort();
    let all: Vec<_> = courses.into_iter().map(|(_, name, _)| name).collect();
    assert_eq!(seen, all);
    assert!(second.contains("30 to 45"), "{second}");
    // Back again, to what came in meanwhile.
    let back = link(&second, "rel=\"prev\"");
    assert_eq!(back, "/courses?sort=newest");
    let again = text(site.get(&back).await).await;
    assert!(tiles(&again)[0].starts_with("Fresh"), "{again}");
    site.node.shutdown().await;
}

#[tokio::test]
async fn a_subject_of_the_home_page_is_one_of_its_category() {
    let site = Site::open().await;
    let courses = [
        (1, "Numbers".to_owned(), "mathematics"),
        (2, "Everything".to_owned(), "science"),
        (3, "Letters".to_owned(), "algebra"),
    ];
    listed(&site, "Mine", &courses).await;
    let home = text(site.get("/").await).await;
    let general = "category=Mathematics&#38;subject=General";
    assert!(home.contains(general), "{home}");
    let page = "/courses?category=Mathematics&subject=General";
    let html = text(site.get(page).await).await;
    assert_eq!(tiles(&html), ["Numbers"]);
    // Another category can be chosen from there.
    assert!(
        html.contains("<option value=\"Science\">Science (1)</option>"),
        "{html}"
    );
    // "General" of what, where no category is chosen?
    let html = text(site.get("/courses").await).await;
    assert!(!html.contains("<option value=\"General\">"), "{html}");
    assert!(html.contains("<option value=\"Algebra\">Algebra (1)</option>"));
    assert!(html.contains("selected>Most popular</option>"), "{html}");
    assert!(!html.contains("Best match"), "{html}");
    site.node.shutdown().await;
}

#[tokio::test]
async fn completions_and_empty_results_lead_on() {
    let site = Site::open().await;
    let courses = [
        (1, "Mathematics of knots".to_owned(), "mathematics"),
        (2, "<b>Bold</b> & brave".to_owned(), "algebra"),
    ];
    listed(&site, "Mine", &courses).await;
    let found = text(site.get("/api/suggest?q=math").await).await;
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let href = |kind: &str| -> String {
        let all = found.as_array().unwrap().iter();
        let one = all.into_iter().find(|s| s["kind"] == kind);
        one.map_or(String::new(), |s| s["href"].as_str().unwrap().to_owned())
    };
    assert_eq!(href("category"), "/courses?category=Mathematics");
    assert!(href("course").starts_with("/course/"), "{found}");
    let html = text(site.get(&href("category")).await).await;
    assert_eq!(tiles(&html).len(), 2);
    assert!(
        html.contains("&#60;b&#62;Bold") && !html.contains("<b>Bold"),
        "{html}"
    );

    let html = text(site.get("/courses?q=knots&level=advanced").await).await;
    assert!(tiles(&html).is_empty(), "{html}");
    assert!(html.contains("The same words without filters"), "{html}");
    assert!(
        html.contains("href=\"/courses?q=knots\">The same words"),
        "{html}"
    );
    let html = text(site.get("/courses?q=zzzzqqqq").await).await;
    assert!(!html.contains("The same words without filters"), "{html}");
    site.node.shutdown().await;
}
