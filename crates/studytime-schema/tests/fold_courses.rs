//! Rules 1 to 4: what lists and courses say about courses.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod fold_support;

use fold_support::*;
use serde_json::json;
use studytime_schema::fold::{IgnoredReason, MAX_SUCCESSORS, merge_course, successors};
use studytime_schema::{FeedId, MessageId};

#[test]
fn a_later_value_replaces_an_earlier_one_field_by_field() {
    let mut list = Author::new(1);
    let c = feed(9);
    list.say_json(course(
        c,
        "Mosses",
        json!({"description": "old", "keywords": ["a"], "language": "en", "duration_minutes": 60}),
    ));
    list.say_json(course_update(
        c,
        json!({"description": "new", "keywords": [], "language": ""}),
    ));
    list.say_json(course_update(c, json!({"name": "", "provider": "Uni"})));
    let (listing, ignored) = list.listing(c);
    let record = merge_course(c, &[(list.feed, &listing)], None).unwrap();
    assert_eq!(record.name, "Mosses");
    assert_eq!(record.description.as_deref(), Some("new"));
    assert!(record.keywords.is_empty());
    assert_eq!(record.language, None);
    assert_eq!(record.duration_minutes, Some(60));
    assert_eq!(record.provider.as_deref(), Some("Uni"));
    assert_eq!(ignored.len(), 1);
    assert_eq!(ignored[0].reason, IgnoredReason::EmptyName);
    assert_eq!(ignored[0].sequence, 3);
}

#[test]
fn an_update_before_its_target_is_ignored_and_reported() {
    let mut list = Author::new(1);
    let c = feed(9);
    list.say_json(course_update(c, json!({"name": "Too early"})));
    list.say_json(course(c, "Mosses", json!({})));
    let (listing, ignored) = list.listing(c);
    assert_eq!(listing.name(), Some("Mosses"));
    assert_eq!(listing.place(), Some(2));
    assert!(matches!(
        ignored[..],
        [studytime_schema::fold::Ignored {
            reason: IgnoredReason::UpdateBeforeTarget { .. },
            sequence: 1,
            ..
        }]
    ));
    assert!(ignored[0].to_string().contains("has not published before"));
}

#[test]
fn only_lists_and_the_course_itself_describe_a_course() {
    let mut other = Author::new(2);
    other.say_json(course(feed(9), "Stolen", json!({})));
    let (body, ignored) = other.body();
    assert!(body.own().is_none() && !body.is_course());
    assert_eq!(
        ignored[0].reason,
        IgnoredReason::NotAList { course: feed(9) }
    );
    assert!(ignored[0].reason.to_string().contains("course list"));
}

#[test]
fn the_first_list_gives_the_record_and_unset_fields_fall_through() {
    let c = feed(9);
    let (mut a, mut b, mut own) = (Author::new(1), Author::new(2), Author::new(9));
    a.say_json(course(
        c,
        "From A",
        json!({"language": "en", "license": "X"}),
    ));
    a.say_json(course_update(c, json!({"license": ""})));
    b.say_json(course(
        c,
        "From B",
        json!({"language": "de", "license": "MIT", "level": "advanced"}),
    ));
    own.say_json(course(
        c,
        "Own",
        json!({"level": "beginner", "provider": "Me", "license": "CC0-1.0"}),
    ));
    let (la, _) = a.listing(c);
    let (lb, _) = b.listing(c);
    let (body, _) = own.body();

    let ab = merge_course(c, &[(a.feed, &la), (b.feed, &lb)], body.own()).unwrap();
    assert_eq!(ab.name, "From A");
    assert_eq!(ab.language.as_deref(), Some("en"));
    assert_eq!(ab.license, None, "cleared by the first list");
    assert_eq!(ab.level.unwrap().as_str(), "advanced");
    assert_eq!(ab.provider.as_deref(), Some("Me"));
    assert_eq!(ab.listed_by, [a.feed, b.feed]);

    let ba = merge_course(c, &[(b.feed, &lb), (a.feed, &la)], body.own()).unwrap();
    assert_eq!(ba.name, "From B");
    assert_eq!(ba.license.as_deref(), Some("MIT"));
    assert_eq!(ba.listed_by, [b.feed, a.feed]);

    assert_eq!(merge_course(c, &[], body.own()).unwrap().name, "Own");
    assert!(merge_course(c, &[], None).is_none());
}

#[test]
fn text_here_and_text_in_a_blob_are_one_thing() {
    let c = feed(9);
    let (mut a, mut b) = (Author::new(1), Author::new(2));
    a.say_json(course(c, "A", json!({"description": "short"})));
    b.say_json(course(c, "B", json!({"description_blob": blob(7)})));
    let rows = |a: &Author| {
        let (la, _) = a.listing(c);
        let (lb, _) = b.listing(c);
        merge_course(c, &[(a.feed, &la), (b.feed, &lb)], None).unwrap()
    };
    assert_eq!(
        rows(&a).description_blob,
        None,
        "the first list's text only"
    );
    a.say_json(course_update(c, json!({"description_blob": blob(8)})));
    assert_eq!(rows(&a).description, None, "replaced by the blob");
    assert_eq!(rows(&a).description_blob, Some(blob(8)));
    a.say_json(course_update(c, json!({"description": "short again"})));
    assert_eq!(rows(&a).description_blob, None);
    a.say_json(course_update(
        c,
        json!({"description": "summary", "description_blob": blob(8)}),
    ));
    assert_eq!(rows(&a).description.as_deref(), Some("summary"));
    assert_eq!(rows(&a).description_blob, Some(blob(8)));
}

#[test]
fn a_second_course_message_is_an_update_in_the_first_ones_place() {
    let mut list = Author::new(1);
    let c = feed(9);
    list.say_json(course(c, "One", json!({"language": "en"})));
    list.say_json(course(feed(8), "Between", json!({})));
    list.say_json(course(c, "Two", json!({"provider": "P"})));
    let (listing, ignored) = list.listing(c);
    assert!(ignored.is_empty());
    assert_eq!(listing.place(), Some(1));
    let record = merge_course(c, &[(list.feed, &listing)], None).unwrap();
    assert_eq!(
        (record.name.as_str(), record.language.as_deref()),
        ("Two", Some("en"))
    );
}

#[test]
fn removed_takes_the_listing_out_and_back() {
    let mut list = Author::new(1);
    let c = feed(9);
    list.say_json(course(c, "Mosses", json!({"language": "en"})));
    list.say_json(course_update(c, json!({"removed": true})));
    assert!(!list.listing(c).0.is_listed());
    let removed = list.listing(c).0;
    assert!(merge_course(c, &[(list.feed, &removed)], None).is_none());
    list.say_json(course_update(c, json!({"removed": false, "provider": "P"})));
    assert!(list.listing(c).0.is_listed());
    list.say_json(course_update(c, json!({"removed": true})));
    list.say_json(course(c, "Mosses again", json!({})));
    let (listing, _) = list.listing(c);
    assert!(listing.is_listed());
    assert_eq!(listing.place(), Some(1));
    let record = merge_course(c, &[(list.feed, &listing)], None).unwrap();
    assert_eq!(record.language.as_deref(), Some("en"));
}

#[test]
fn deprecated_false_clears_successor_and_reason_and_does_not_fall_through() {
    let c = feed(9);
    let (mut a, mut b) = (Author::new(1), Author::new(2));
    for list in [&mut a, &mut b] {
        list.say_json(course(c, "C", json!({})));
        list.say_json(course_update(
            c,
            json!({"deprecated": true, "successor": feed(5), "deprecation_reason": "old"}),
        ));
    }
    let merged = |a: &Author| {
        let (la, _) = a.listing(c);
        let (lb, _) = b.listing(c);
        merge_course(c, &[(a.feed, &la), (b.feed, &lb)], None).unwrap()
    };
    assert_eq!(merged(&a).replaced_by(), Some(feed(5)));
    assert_eq!(merged(&a).deprecation_reason.as_deref(), Some("old"));
    a.say_json(course_update(c, json!({"deprecated": false})));
    let record = merged(&a);
    assert!(!record.deprecated);
    assert_eq!((record.successor, record.deprecation_reason), (None, None));
}

#[test]
fn a_courses_own_deprecation_always_counts() {
    let c = feed(9);
    let (mut a, mut own) = (Author::new(1), Author::new(9));
    a.say_json(course(c, "C", json!({})));
    a.say_json(course_update(c, json!({"deprecated": false})));
    own.say_json(course(c, "C", json!({})));
    own.say_json(course_update(
        c,
        json!({"deprecated": true, "successor": feed(6), "deprecation_reason": "lost key"}),
    ));
    let (la, _) = a.listing(c);
    let (body, _) = own.body();
    let record = merge_course(c, &[(a.feed, &la)], body.own()).unwrap();
    assert!(record.deprecated);
    assert_eq!(record.replaced_by(), Some(feed(6)));
    assert_eq!(record.deprecation_reason.as_deref(), Some("lost key"));
}

#[test]
fn successors_are_followed_capped_and_cut() {
    let next = |pairs: &'static [(u8, u8)]| {
        move |c: &FeedId| {
            pairs
                .iter()
                .find(|(from, _)| feed(*from) == *c)
                .map(|(_, to)| feed(*to))
        }
    };
    assert_eq!(
        successors(feed(1), next(&[(1, 2), (2, 3)])),
        [feed(2), feed(3)]
    );
    assert_eq!(successors(feed(1), next(&[(1, 2), (2, 1)])), [feed(2)]);
    assert_eq!(
        successors(feed(1), next(&[(1, 2), (2, 3), (3, 2)])),
        [feed(2), feed(3)]
    );
    assert!(successors(feed(1), next(&[(1, 1)])).is_empty());
    let endless = successors(feed(0), |c| {
        let mut bytes = *c.as_bytes();
        bytes[0] += 1;
        Some(FeedId::from_bytes(bytes))
    });
    assert_eq!(endless.len(), MAX_SUCCESSORS);
}

#[test]
fn private_course_messages_do_not_count() {
    let c = feed(9);
    let mut own = Author::new(9);
    own.say_json(course(c, "Secret", json!({})));
    own.say_json(lesson(1, "Secret", json!({})));
    for msg in &mut own.log {
        msg.private = true;
    }
    let (body, ignored) = own.body();
    assert!(!body.is_course());
    assert_eq!(ignored.len(), 2);
    assert!(ignored.iter().all(|i| i.reason == IgnoredReason::NotPublic));
    let (listing, _) = own.listing(c);
    assert!(!listing.is_listed());
}

#[test]
fn wrong_fields_are_reported_once_and_the_feed_goes_on() {
    let c = feed(9);
    let mut list = Author::new(1);
    list.say_json(course(c, "C", json!({"level": 3, "unknown": {}})));
    list.say_json(json!({"type": "studytime_course", "feed_id": c}));
    list.say_json(json!({"type": "studytime_course", "feed_id": "nonsense", "name": "x"}));
    list.say_json(course_update(c, json!({"provider": "P"})));
    let (mut listing, ignored) = list.listing(c);
    let reasons: Vec<String> = ignored.iter().map(|i| i.reason.to_string()).collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(reasons[0].contains("`level`"));
    assert!(reasons[1].contains("needs `name`"));
    assert!(reasons[2].contains("`feed_id`"));
    assert!(
        list.log.iter().all(|m| listing.apply(m).is_empty()),
        "a repetition says nothing"
    );
    let record = merge_course(c, &[(list.feed, &listing)], None).unwrap();
    assert_eq!(record.provider.as_deref(), Some("P"));
    let json = serde_json::to_string(&ignored).unwrap();
    let back: Vec<studytime_schema::fold::Ignored> = serde_json::from_str(&json).unwrap();
    assert_eq!(back, ignored);
    let _: MessageId = back[0].id;
}

#[test]
fn a_course_does_not_take_its_own_place() {
    let c = feed(9);
    let mut list = Author::new(1);
    list.say_json(course(c, "C", json!({})));
    list.say_json(course_update(
        c,
        json!({"deprecated": true, "successor": feed(5)}),
    ));
    list.say_json(course_update(c, json!({"successor": c})));
    let (listing, ignored) = list.listing(c);
    assert!(
        matches!(&ignored[..], [one] if one.sequence == 3 && one.reason.to_string().contains("`successor` is the course itself")),
        "{ignored:?}"
    );
    let record = merge_course(c, &[(list.feed, &listing)], None).unwrap();
    assert_eq!(
        record.replaced_by(),
        Some(feed(5)),
        "what was said before stays"
    );
}
