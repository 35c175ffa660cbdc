//! All that can be asked of a node, as one value: two indexes are the same when
//! their views are.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use studytime_index::CourseQuery;
use studytime_node::Handle;
use studytime_node::api::*;

const LIMIT: Duration = Duration::from_secs(60);

/// Asks until there is an answer; the time limit is only for a broken test.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many courses a search finds.
pub(crate) async fn hits(handle: &Handle, text: &str) -> usize {
    let query = CourseQuery::text(text);
    sound(handle.call(CourseList { query }).await).map_or(0, |page| page.total)
}

/// Waits until the index is at the end of the log and the word is found: what
/// was published before is then searchable, too.
pub(crate) async fn indexed(handle: &Handle, word: &str) {
    until("the index has caught up", || async {
        let status = handle.call(Status {}).await.unwrap();
        (status.index_behind == 0 && hits(handle, word).await > 0).then_some(())
    })
    .await;
}

/// `None` when something is damaged, which a query may bring to light.
pub(crate) async fn everything(handle: &Handle, words: &[&str]) -> Option<Value> {
    let mut courses = Vec::new();
    let mut query = CourseQuery {
        include_deprecated: true,
        limit: 100,
        ..CourseQuery::default()
    };
    loop {
        let page = sound(
            handle
                .call(CourseList {
                    query: query.clone(),
                })
                .await,
        )?;
        for card in &page.items {
            let id = card.feed_id;
            let mut shown = sound(handle.call(CourseShow { id }).await)?;
            // How full the disk is says nothing of the index.
            shown.bytes_room = 0;
            let mut lessons = Vec::new();
            for lesson in &shown.detail.lessons {
                let number = lesson.lesson_number;
                lessons.push(sound(handle.call(LessonShow { id, number }).await)?);
            }
            courses.push(json!({"card": card, "shown": shown, "lessons": lessons}));
        }
        query.offset += page.items.len();
        if page.items.is_empty() || query.offset >= page.total {
            break;
        }
    }
    let mut searches = Vec::new();
    for word in words {
        let mut query = CourseQuery::text(*word);
        query.limit = 100;
        searches.push(sound(handle.call(CourseList { query }).await)?);
    }
    Some(json!({
        "courses": courses,
        "searches": searches,
        "learner": sound(handle.call(Learner {}).await)?,
        "lists": sound(handle.call(CatalogList {}).await)?,
        "notes": sound(handle.call(NoteList { id: None }).await)?,
        "subjects": sound(handle.call(Subjects {}).await)?,
    }))
}

fn sound<T>(answer: Result<T, ApiError>) -> Option<T> {
    match answer {
        Ok(value) => Some(value),
        Err(error) if error.kind == ErrorKind::Damaged => None,
        Err(error) => panic!("{error}"),
    }
}

/// Where two views differ, for a person.
pub(crate) fn difference(a: &Value, b: &Value) -> Option<String> {
    fn walk(path: &str, a: &Value, b: &Value) -> Option<String> {
        match (a, b) {
            (Value::Object(a), Value::Object(b)) => {
                let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
                keys.into_iter().find_map(|key| {
                    let none = &Value::Null;
                    let path = format!("{path}.{key}");
                    walk(
                        &path,
                        a.get(key).unwrap_or(none),
                        b.get(key).unwrap_or(none),
                    )
                })
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
                .iter()
                .zip(b)
                .enumerate()
                .find_map(|(i, (a, b))| walk(&format!("{path}[{i}]"), a, b)),
            (a, b) => (a != b).then(|| format!("{path}: {a} / {b}")),
        }
    }
    walk("", a, b)
}
