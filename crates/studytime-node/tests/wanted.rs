//! What is fetched for whom: lists that others offer, what a node seeds, what a
//! pub carries, and where the budget ends.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use common::{builder, connect, find, import, node, until};
use std::path::{Path, PathBuf};
use studytime_index::CourseQuery;
use studytime_node::Handle;
use studytime_node::api::*;
use studytime_schema::FeedId;

/// A folder of so many short lessons.
fn lessons(dir: &Path, name: &str, count: usize) -> PathBuf {
    let root = dir.join(name);
    std::fs::create_dir_all(&root).unwrap();
    let about = format!("name = \"{name}\"\nlanguage = \"en\"\nlicense = \"CC0-1.0\"\n");
    std::fs::write(root.join("course.toml"), about).unwrap();
    for n in 0..count {
        let text = format!("# Part {n}\n\nAll about {name}, part {n}.\n");
        std::fs::write(root.join(format!("{n:02}_part.md")), text).unwrap();
    }
    root
}

async fn own_list(h: &Handle) -> FeedId {
    h.call(CatalogList {}).await.unwrap()[0].id
}

async fn messages_of(h: &Handle, id: FeedId) -> u64 {
    h.call(FeedStatus { id }).await.unwrap().sequence
}

async fn budget(h: &Handle) -> BudgetReply {
    h.call(Status {}).await.unwrap().budget
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_others_are_offered_and_fetched_when_chosen() {
    let tmp = tempfile::tempdir().unwrap();
    let author = node(&tmp.path().join("author")).await;
    let a = author.handle();
    let course = import(&a, lessons(tmp.path(), "Ferns", 2)).await;
    let list = own_list(&a).await;

    let learner = node(&tmp.path().join("learner")).await;
    let l = learner.handle();
    assert_eq!(l.call(CatalogNearby {}).await.unwrap(), []);
    connect(&l, &a).await;
    let offered = until("a list is offered", || async {
        l.call(CatalogNearby {}).await.unwrap().pop()
    })
    .await;
    assert_eq!(
        offered,
        NearbyList {
            id: list,
            name: "Botany".into(),
            chosen: false,
            peers: vec![author.id()],
        }
    );
    // An offer alone fetches nothing.
    assert_eq!(messages_of(&l, list).await, 0);
    l.call(CatalogAdd { id: list }).await.unwrap();
    assert_eq!(
        until("the course is listed", || find(&l, "ferns")).await,
        course.course.unwrap()
    );
    assert!(l.call(CatalogNearby {}).await.unwrap()[0].chosen);
    author.shutdown().await;
    until("the offer goes with the peer", || async {
        l.call(CatalogNearby {})
            .await
            .unwrap()
            .is_empty()
            .then_some(())
    })
    .await;
    learner.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seeder_holds_all_of_a_list() {
    let tmp = tempfile::tempdir().unwrap();
    let author = node(&tmp.path().join("author")).await;
    let a = author.handle();
    let root = lessons(tmp.path(), "Lichens", 2);
    let picture: Vec<u8> = (0..70_000_u32).map(|n| (n * 31 % 251) as u8).collect();
    std::fs::write(
        root.join("03_Map.pdf"),
        [b"%PDF-1.4\n", picture.as_slice()].concat(),
    )
    .unwrap();
    let course = import(&a, root).await.course.unwrap();
    let list = own_list(&a).await;

    let seeder = builder(&tmp.path().join("seeder"))
        .seed_lists(vec![list])
        .open()
        .await
        .unwrap();
    let s = seeder.handle();
    connect(&s, &a).await;
    until("all of it is here", || async {
        let shown = s.call(CourseShow { id: course }).await.ok()?;
        let whole = shown.bytes_total > 70_000 && shown.bytes_here == shown.bytes_total;
        whole.then_some(())
    })
    .await;
    // It is not the user's choice.
    assert_eq!(s.call(CatalogList {}).await.unwrap(), []);
    author.shutdown().await;

    let learner = node(&tmp.path().join("learner")).await;
    let l = learner.handle();
    l.call(CatalogAdd { id: list }).await.unwrap();
    connect(&l, &s).await;
    until("the course is listed", || find(&l, "lichens")).await;
    let got = l
        .call(CourseStart {
            id: course,
            wait: true,
        })
        .await
        .unwrap();
    assert_eq!(got.bytes_here, got.bytes_total);
    learner.shutdown().await;
    seeder.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pub_carries_the_lists_and_courses_of_those_it_follows() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("pub");
    let the_pub = builder(&dir).public(true).open().await.unwrap();
    let p = the_pub.handle();
    let invite = p
        .call(PeerNewInvite {
            uses: 1,
            days: None,
        })
        .await
        .unwrap();

    let author = node(&tmp.path().join("author")).await;
    let a = author.handle();
    a.call(PeerInvite { code: invite.code }).await.unwrap();
    // Published after the two are connected, and listed with a course of
    // somebody else, who knows the pub not at all.
    let course = import(&a, lessons(tmp.path(), "Mosses", 3))
        .await
        .course
        .unwrap();
    let list = own_list(&a).await;
    let other = node(&tmp.path().join("other")).await;
    let o = other.handle();
    let foreign = import(&o, lessons(tmp.path(), "Algae", 3))
        .await
        .course
        .unwrap();
    a.call(CatalogPublish {
        catalog: list.to_string(),
        course: foreign,
        edit: CourseEdit {
            name: Some("Algae".into()),
            ..CourseEdit::default()
        },
    })
    .await
    .unwrap();
    connect(&o, &p).await;
    for feed in [list, course, foreign] {
        let there = messages_of(&a, feed).await.max(messages_of(&o, feed).await);
        until("the pub has it", || async {
            (messages_of(&p, feed).await == there).then_some(())
        })
        .await;
    }
    author.shutdown().await;
    other.shutdown().await;
    the_pub.shutdown().await;
    drop((the_pub, p));

    // After a restart, when nobody is there to say which feeds are lists, the
    // pub still wants them: it sees so by what it holds.
    let the_pub = builder(&dir).public(true).open().await.unwrap();
    let p = the_pub.handle();
    for feed in [list, course, foreign] {
        until("it is wanted", || async {
            let status = p.call(FeedStatus { id: feed }).await.unwrap();
            status.wanted.then_some(())
        })
        .await;
    }
    let learner = node(&tmp.path().join("learner")).await;
    let l = learner.handle();
    l.call(CatalogAdd { id: list }).await.unwrap();
    connect(&l, &p).await;
    assert_eq!(until("it is listed", || find(&l, "mosses")).await, course);
    assert_eq!(until("it is listed", || find(&l, "algae")).await, foreign);
    learner.shutdown().await;
    the_pub.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_room_is_not_fetched_until_there_is() {
    let tmp = tempfile::tempdir().unwrap();
    let author = node(&tmp.path().join("author")).await;
    let a = author.handle();
    let mut courses = Vec::new();
    for name in ["Ash", "Beech", "Cedar"] {
        courses.push(
            import(&a, lessons(tmp.path(), name, 12))
                .await
                .course
                .unwrap(),
        );
    }
    let list = own_list(&a).await;

    let learner = node(&tmp.path().join("learner")).await;
    let l = learner.handle();
    let set = |messages| SettingsChange {
        share_study: None,
        blob_quota: None,
        hops: None,
        budget_messages: Some(messages),
        budget_bytes: None,
    };
    let settings = l.call(set(0)).await.unwrap();
    assert_eq!(settings.budget_messages, 0);
    l.call(CatalogAdd { id: list }).await.unwrap();
    connect(&l, &a).await;
    until("all are listed", || async {
        let query = CourseQuery::default();
        let page = l.call(CourseList { query }).await.unwrap();
        (page.items.len() == 3).then_some(())
    })
    .await;
    // The list is the user's choice and always comes; its courses find no room.
    let told = until("three find no room", || async {
        Some(budget(&l).await).filter(|b| b.left_out == 3)
    })
    .await;
    assert_eq!((told.limit.messages, told.used), (0, Amount::default()));
    for course in &courses {
        let status = l.call(FeedStatus { id: *course }).await.unwrap();
        assert!(!status.wanted && status.sequence == 0, "{status:?}");
    }
    // One that is started comes whole, whatever the budget.
    l.call(CourseStart {
        id: courses[0],
        wait: true,
    })
    .await
    .unwrap();
    let whole = messages_of(&a, courses[0]).await;
    assert_eq!(messages_of(&l, courses[0]).await, whole);
    assert_eq!(messages_of(&l, courses[1]).await, 0);
    // With room the others come.
    l.call(set(1_000)).await.unwrap();
    for course in &courses[1..] {
        let there = messages_of(&a, *course).await;
        until("it comes", || async {
            (messages_of(&l, *course).await == there).then_some(())
        })
        .await;
    }
    let told = until("they are counted", || async {
        Some(budget(&l).await).filter(|b| b.used.messages > 0)
    })
    .await;
    assert_eq!((told.used.feeds, told.left_out), (2, 0));
    // And when there is no room any more they stay, but grow no longer.
    l.call(set(1)).await.unwrap();
    until("one or both left", || async {
        Some(budget(&l).await).filter(|b| b.left_out == 2)
    })
    .await;
    let before = messages_of(&l, courses[1]).await;
    assert!(before > 0);
    let status = l.call(FeedStatus { id: courses[1] }).await.unwrap();
    assert!(!status.wanted, "{status:?}");
    learner.shutdown().await;
    author.shutdown().await;
}
