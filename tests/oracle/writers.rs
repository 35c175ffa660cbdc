//! What is written here passes every known validator; what one of them would
//! refuse is not written.

use crate::ask::Oracle;
use crate::generate::Rng;
use crate::secrets::some_content;
use serde_json::{Value, json};
use studytime_schema::{HmacKey, Keypair, Message, MessageId, SignError, Tip};

fn keys() -> Keypair {
    Keypair::from_seed(&[1; 32])
}

/// The rules of the peers that are not asked here (go-ssb, scuttlego,
/// ssb-validate2-rsjs), as far as they are stricter than those that are.
fn assert_passes_elsewhere(message: &Message) {
    let value: Value = serde_json::from_str(message.wire()).unwrap();
    assert!(value["timestamp"].is_u64(), "a number in every message");
    assert!(
        value["sequence"]
            .as_u64()
            .is_some_and(|n| n <= i32::MAX as u64)
    );
    match message.public_content() {
        Some(text) => {
            assert!(
                text.chars().count() <= 8192,
                "the content alone, in code points"
            );
            let name = value["content"]["type"].as_str().unwrap();
            assert!((3..=52).contains(&name.len()), "the type in bytes");
        }
        None => {
            let text = message.private_content().unwrap();
            assert!(text.ends_with(".box") || text.ends_with(".box2"), "{text}");
        }
    }
    // Whoever keeps the text of numbers and strings as it came must get the
    // same text as whoever prints it anew: it is printed as it is read.
    let again = studytime_schema::json::compact_form(message.wire()).unwrap();
    assert_eq!(again, message.wire());
    assert!(
        !message.wire().contains("\\ud"),
        "no surrogate stands alone"
    );
}

#[test]
fn what_is_written_passes_both_javascript_validators() {
    let mut oracle = Oracle::start();
    let mut rng = Rng::new(10);
    for round in 0..12 {
        let hmac = (round % 3 == 2).then(|| HmacKey::from_bytes([7; 32]));
        let mut feed: Vec<Message> = Vec::new();
        for n in 0..25_u64 {
            let tip = feed.last().map(Message::tip);
            let message = if n % 8 == 7 {
                let text = "A".repeat(4 * rng.below(1900).max(1)) + ".box";
                Message::sign_private(&keys(), tip.as_ref(), n, &text, hmac.as_ref())
            } else {
                let mut content = some_content(&mut rng);
                if n % 5 == 4 {
                    fill(&mut content, tip.as_ref(), &mut rng);
                }
                if n % 6 == 0 {
                    content["type"] = "t".repeat(rng.pick(&[3, 52])).into();
                }
                let time = rng.pick(&[0, 1, 1_700_000_000_000, (1 << 53) - 1]);
                Message::sign(&keys(), tip.as_ref(), time, &content, hmac.as_ref())
            };
            feed.push(message.unwrap());
        }
        let texts: Vec<&str> = feed.iter().map(Message::wire).collect();
        let question =
            json!({ "ask": "feed", "texts": texts, "hmac": hmac.map(|key| key.to_string()) });
        let verdicts = oracle.ask(&question);
        for (message, verdict) in feed.iter().zip(verdicts.as_array().unwrap()) {
            assert_eq!(
                verdict["id"],
                message.id().to_string(),
                "{verdict} {}",
                message.wire()
            );
            assert_eq!(
                verdict["classic"],
                Value::Null,
                "{verdict} {}",
                message.wire()
            );
            assert_passes_elsewhere(message);
        }
    }
}

/// Makes the content nearly as long as a message can be.
fn fill(content: &mut Value, tip: Option<&Tip>, rng: &mut Rng) {
    let piece = rng.pick(&["x", "é", "☃", "😀", "\n", "\u{7}"]);
    let longest = (1..9000_usize).collect::<Vec<_>>().partition_point(|&n| {
        content["text"] = piece.repeat(n).into();
        Message::sign(&keys(), tip, 0, content, None).is_ok()
    });
    content["text"] = piece.repeat(longest - 60).into();
}

/// One by one, what some validator refuses and another takes.
#[test]
fn what_one_of_them_refuses_is_not_written() {
    let sign = |content: Value| Message::sign(&keys(), None, 1, &content, None).map(|_| ());
    let private = |text: &str| Message::sign_private(&keys(), None, 1, text, None).map(|_| ());
    let with = |value: Value| sign(json!({ "type": "test", "a": [{ "b": value }] }));

    assert_eq!(with(json!(1)), Ok(()));
    // Suffixes and letters: .box only, strict base64 only.
    for text in [
        "AAAA.boxfoo",
        "AAAA.box2",
        "AAAA.box ",
        "x y!.box",
        "AA.box",
        "AAB=.box",
        "AAAA=.box",
        "-_-_.box",
        ".box",
        "AAAA",
        "",
        "AAAA.box.box",
        "AA\nAA.box",
        "\"AAAA.box",
    ] {
        assert_eq!(private(text), Err(SignError::BoxedForm), "{text}");
    }
    // The type: in bytes and in UTF-16 units at once.
    for name in [
        "",
        "ab",
        "é☃",
        "é☃é",
        "😀a",
        "täst",
        &"t".repeat(53),
        "\u{7f}\u{80}a",
    ] {
        assert_eq!(
            sign(json!({ "type": name })),
            Err(SignError::ContentType),
            "{name}"
        );
    }
    for content in [
        json!({}),
        json!({ "type": 1 }),
        json!({ "type": null }),
        json!({ "type": ["test"] }),
    ] {
        assert_eq!(sign(content), Err(SignError::ContentType));
    }
    for content in [
        json!([]),
        json!("test"),
        json!(null),
        json!(1),
        json!([{ "type": "test" }]),
    ] {
        assert_eq!(sign(content), Err(SignError::NotAnObject));
    }
    // Numbers: who keeps their text and who prints them anew must agree.
    for number in [
        json!(1.0),
        json!(1.5),
        json!(-0.0),
        json!(1e21),
        json!(0.1),
        json!(9_007_199_254_740_992_u64),
        json!(i64::MIN),
        json!(u64::MAX),
    ] {
        assert!(
            matches!(with(number.clone()), Err(SignError::Number { .. })),
            "{number}"
        );
    }
    // Keys: JavaScript moves indices, and loses one name.
    for key in [
        "0",
        "7",
        "42",
        "01",
        "4294967295",
        "99999999999999999999",
        "__proto__",
    ] {
        assert!(
            matches!(with(json!({ key: 1 })), Err(SignError::Key { .. })),
            "{key}"
        );
    }
    // Times and sequences that not all of them count to.
    let at = |time| Message::sign(&keys(), None, time, &json!({ "type": "test" }), None);
    assert_eq!(at(1 << 53).unwrap_err(), SignError::Timestamp(1 << 53));
    let after = |sequence| {
        let tip = Tip {
            id: MessageId::from_bytes([1; 32]),
            sequence,
        };
        Message::sign(&keys(), Some(&tip), 1, &json!({ "type": "test" }), None)
    };
    assert!(after(2_147_483_646).is_ok());
    assert_eq!(after(2_147_483_647).unwrap_err(), SignError::FeedFull);
    assert_eq!(after(u64::MAX).unwrap_err(), SignError::FeedFull);
    // Length: of the whole in UTF-16 units, which no other count exceeds.
    for text in [
        "x".repeat(8000),
        "é".repeat(8000),
        "😀".repeat(4000),
        "\u{7}".repeat(1400),
    ] {
        assert!(matches!(
            sign(json!({ "type": "test", "text": text })),
            Err(SignError::TooLong { .. })
        ));
    }
    assert!(matches!(
        private(&("A".repeat(8000) + ".box")),
        Err(SignError::TooLong { .. })
    ));
    // Depth: readers that recurse, or keep a fixed indent, fall over.
    let nested = |depth| (1..depth).fold(json!([]), |inner, _| json!([inner]));
    assert_eq!(sign(json!({ "type": "test", "a": nested(17) })), Ok(()));
    assert!(matches!(
        sign(json!({ "type": "test", "a": nested(18) })),
        Err(SignError::TooDeep { .. })
    ));
}
