//! A course that takes another one's place, and what its author and its learners
//! can do about it; lists that are the user's own and not followed.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use common::{import, node};
use std::path::{Path, PathBuf};
use studytime_node::Handle;
use studytime_node::api::*;
use studytime_schema::FeedId;

fn folder(dir: &Path, name: &str, lessons: &[&str]) -> PathBuf {
    let root = dir.join(name);
    std::fs::create_dir_all(&root).unwrap();
    for lesson in lessons {
        let text = format!("# {lesson}\n\nAbout {lesson}.\n");
        std::fs::write(root.join(format!("{lesson}.md")), text).unwrap();
    }
    root
}

async fn replacing(h: &Handle, path: PathBuf, old: FeedId) -> Result<FeedId, ApiError> {
    let call = Import {
        catalog: Some("Botany".into()),
        replaces: Some(old),
        ..Import::new(path)
    };
    Ok(h.call(call).await?.course.unwrap())
}

async fn start(h: &Handle, id: FeedId) {
    h.call(CourseStart { id, wait: false }).await.unwrap();
}

async fn deprecate(h: &Handle, id: FeedId, successor: FeedId) {
    h.call(CourseDeprecate {
        id,
        successor: Some(successor),
        reason: Some("its key is lost".into()),
        undo: false,
    })
    .await
    .unwrap();
}

async fn show(h: &Handle, id: FeedId) -> studytime_index::CourseDetail {
    h.call(CourseShow { id }).await.unwrap().detail
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_learner_did_follows_to_the_successor_of_the_successor() {
    let tmp = tempfile::tempdir().unwrap();
    let running = node(&tmp.path().join("node")).await;
    let h = running.handle();
    let lessons = ["1 moss", "2 fern", "3 horsetail"];
    let first = import(&h, folder(tmp.path(), "first", &lessons)).await;
    let first = first.course.unwrap();
    start(&h, first).await;
    for number in [1, 3] {
        let done = LessonDone {
            id: first,
            number,
            done: true,
        };
        h.call(done).await.unwrap();
    }

    // The second has its lessons in another order, and one more.
    let second = folder(tmp.path(), "second", &["0 lichen", "1 moss", "3 horsetail"]);
    let second = replacing(&h, second, first).await.unwrap();
    let third = folder(
        tmp.path(),
        "third",
        &["1 moss", "3 horsetail", "4 club moss"],
    );
    let third = replacing(&h, third, second).await.unwrap();
    deprecate(&h, first, second).await;
    deprecate(&h, second, third).await;
    let learner = h.call(Learner {}).await.unwrap();
    let old = &learner.courses[0];
    assert!(old.deprecated && old.progress.percent == 66);
    assert_eq!(old.deprecation_reason.as_deref(), Some("its key is lost"));
    assert_eq!(old.replaced_by.as_ref().map(|r| r.feed_id), Some(third));

    // Nothing goes along before the learner says so.
    start(&h, third).await;
    assert_eq!(show(&h, third).await.progress.percent, 0);
    let carry = CourseCarry {
        id: third,
        from: first,
    };
    let carried = h.call(carry.clone()).await.unwrap();
    assert_eq!((carried.lessons, carried.items), (2, 0));
    let detail = show(&h, third).await;
    let done: Vec<_> = detail
        .lessons
        .iter()
        .map(|l| (l.name.as_str(), l.done))
        .collect();
    assert_eq!(
        done,
        [
            ("1 moss", true),
            ("3 horsetail", true),
            ("4 club moss", false)
        ]
    );
    assert_eq!(h.call(carry).await.unwrap(), Carried::default());
    // The old one stays as it was.
    assert_eq!(show(&h, first).await.progress.percent, 66);

    // What cannot be is refused.
    let itself = CourseCarry {
        id: third,
        from: third,
    };
    assert_eq!(h.call(itself).await.unwrap_err().kind, ErrorKind::Usage);
    let unknown = FeedId::from_bytes([9; 32]);
    let nothing = CourseCarry {
        id: unknown,
        from: first,
    };
    assert_eq!(h.call(nothing).await.unwrap_err().kind, ErrorKind::NotFound);
    let no_old = replacing(&h, tmp.path().join("third"), unknown).await;
    assert_eq!(no_old.unwrap_err().kind, ErrorKind::NotFound);
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_takes_back_what_was_said() {
    let tmp = tempfile::tempdir().unwrap();
    let running = node(&tmp.path().join("node")).await;
    let h = running.handle();
    let old = import(&h, folder(tmp.path(), "old", &["1 moss"])).await;
    let new = import(&h, folder(tmp.path(), "new", &["1 moss"])).await;
    let (old, new) = (old.course.unwrap(), new.course.unwrap());
    deprecate(&h, old, new).await;
    assert!(show(&h, old).await.record.deprecated);
    let undo = CourseDeprecate {
        id: old,
        successor: None,
        reason: None,
        undo: true,
    };
    let both = CourseDeprecate {
        successor: Some(new),
        ..undo.clone()
    };
    assert_eq!(h.call(both).await.unwrap_err().kind, ErrorKind::Usage);
    h.call(undo).await.unwrap();
    let record = show(&h, old).await.record;
    assert!(!record.deprecated);
    assert_eq!((record.successor, record.deprecation_reason), (None, None));

    // A text that is too long for a message is one text with a short one: cleared
    // it is gone, wherever it stood.
    let long = "Moss is soft. ".repeat(1_000);
    let edit = |text: &str| CourseEdit {
        description: Some(text.to_owned()),
        ..CourseEdit::default()
    };
    let wordy = Import {
        edit: edit(&long),
        catalog: Some("Botany".into()),
        ..Import::new(folder(tmp.path(), "wordy", &["1 moss"]))
    };
    let wordy = h.call(wordy).await.unwrap().course.unwrap();
    assert!(show(&h, wordy).await.record.description_blob.is_some());
    let update = |id, edit| CourseUpdate { id, edit };
    h.call(update(wordy, edit(""))).await.unwrap();
    let detail = show(&h, wordy).await;
    assert_eq!((detail.record.description, detail.about), (None, None));
    assert!(detail.record.description_blob.is_none());

    // Off the list again, where the author's list names it.
    let unpublish = CatalogUnpublish {
        catalog: "Botany".into(),
        course: old,
    };
    h.call(unpublish.clone()).await.unwrap();
    assert!(show(&h, old).await.lists.is_empty());
    let again = h.call(unpublish).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::NotFound);

    // A list that its author does not follow is not wrong for that, and still
    // says what its author says of its courses.
    let list = h.call(CatalogList {}).await.unwrap();
    let list = list.iter().find(|l| l.own).unwrap().id;
    h.call(CatalogRemove { id: list }).await.unwrap();
    let doctor = h.call(Doctor {}).await.unwrap();
    assert!(doctor.ok, "{:?}", doctor.findings);
    let renamed = CourseEdit {
        name: Some("Renamed".into()),
        ..CourseEdit::default()
    };
    let told = h.call(update(new, renamed)).await.unwrap();
    assert_eq!(told.messages.len(), 2, "the course and the list");

    // Of a feed that is not here, nothing can be said.
    let id = FeedId::from_bytes([9; 32]);
    assert_eq!(
        h.call(Problems { id }).await.unwrap_err().kind,
        ErrorKind::NotFound
    );
    assert!(h.call(Problems { id: list }).await.unwrap().is_empty());
    running.shutdown().await;
}
