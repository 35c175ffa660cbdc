//! What must hold for every message, written or received.

use proptest::prelude::*;
use serde_json::Value;
use studytime_schema::{
    HmacKey, Keypair, MAX_MESSAGE_UNITS, Message, MessageId, SignError, Tip, VerifyingKey, chain,
    json as canonical, private, signed_units_of,
};

fn allowed_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            members(inner, 6).prop_map(Value::Object),
        ]
    })
}

fn members(
    value: impl Strategy<Value = Value>,
    most: usize,
) -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let key = prop_oneof!["[a-z_]{0,8}", any::<String>()].prop_filter("no digits only", |key| {
        key != "__proto__" && (key.is_empty() || !key.bytes().all(|b| b.is_ascii_digit()))
    });
    prop::collection::btree_map(key, value, 0..most).prop_map(|map| map.into_iter().collect())
}

fn allowed_content() -> impl Strategy<Value = Value> {
    (members(allowed_value(), 8), "[ -~]{3,52}").prop_map(|(mut map, type_name)| {
        map.insert("type".to_owned(), Value::from(type_name));
        Value::Object(map)
    })
}

fn some_tip() -> impl Strategy<Value = Option<Tip>> {
    prop::option::of((any::<[u8; 32]>(), 1u64..2_147_483_647)).prop_map(|tip| {
        tip.map(|(id, sequence)| Tip {
            id: MessageId::from_bytes(id),
            sequence,
        })
    })
}

proptest! {
    #[test]
    fn what_is_signed_verifies(
        seed: [u8; 32],
        tip in some_tip(),
        timestamp in 0u64..9_007_199_254_740_991,
        content in allowed_content(),
        hmac in prop::option::of(any::<[u8; 32]>().prop_map(HmacKey::from_bytes)),
    ) {
        let keys = Keypair::from_seed(&seed);
        let units = signed_units_of(&content);
        let signed = Message::sign(&keys, tip.as_ref(), timestamp, &content, hmac.as_ref());
        let message = match signed {
            Ok(message) => message,
            Err(SignError::TooLong { .. }) => {
                prop_assert!(units > MAX_MESSAGE_UNITS);
                return Ok(());
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        prop_assert!(message.signed_units() <= units);
        prop_assert!(message.signed_units() + 80 > units, "the measure is close");

        let wire = message.wire().as_bytes();
        let verified = Message::verify(wire, hmac.as_ref()).unwrap();
        prop_assert_eq!(&verified, &message);
        let key = VerifyingKey::new(keys.id()).unwrap();
        prop_assert_eq!(&Message::verify_with(wire, &key, hmac.as_ref()).unwrap(), &message);
        prop_assert_eq!(&Message::from_log(wire).unwrap(), &message);
        prop_assert!(chain::check(tip.as_ref(), &message).is_ok());

        // The signed form is the same message in another spelling.
        let spaced = canonical::signed_form(message.wire()).unwrap();
        prop_assert_eq!(spaced.encode_utf16().count(), message.signed_units());
        let respelled = Message::verify(spaced.as_bytes(), hmac.as_ref()).unwrap();
        prop_assert_eq!(&respelled, &message);

        prop_assert_eq!(message.author(), keys.id());
        prop_assert_eq!(message.timestamp(), timestamp as f64);
        let read: Value = serde_json::from_str(message.public_content().unwrap()).unwrap();
        prop_assert_eq!(message.content_type(), read["type"].as_str());
        prop_assert_eq!(read, content);
    }

    #[test]
    fn no_changed_byte_verifies(
        content in allowed_content(),
        at in any::<prop::sample::Index>(),
        by in 1u8..=255,
    ) {
        let keys = Keypair::from_seed(&[7; 32]);
        let Ok(message) = Message::sign(&keys, None, 1, &content, None) else { return Ok(()) };
        let mut bytes = message.wire().as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        match Message::verify(&bytes, None) {
            Err(_) => {}
            // Another spelling of the very same message (an added space, a
            // changed escape) is that message; and behind the signature is
            // room for two bytes that nobody signs.
            Ok(other) => prop_assert_eq!(other.plain().unwrap_or(other), message),
        }
    }

    #[test]
    fn changed_texts_never_panic(
        content in allowed_content(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<Vec<u8>>()), 1..4),
    ) {
        let keys = Keypair::from_seed(&[7; 32]);
        let Ok(message) = Message::sign(&keys, None, 1, &content, None) else { return Ok(()) };
        let mut bytes = message.wire().as_bytes().to_vec();
        for (from, to, with) in edits {
            let (a, b) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
            bytes.splice(a.min(b)..a.max(b), with);
        }
        if let Ok(other) = Message::verify(&bytes, None) {
            prop_assert_eq!(other.plain().unwrap_or(other), message);
        }
        let _ = Message::from_log(&bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, text in ".{0,200}", spelled in "[\\[\\]{}:,\"\\\\u0-9a-f.eE+\\- ]{0,80}") {
        for bytes in [bytes.as_slice(), text.as_bytes(), spelled.as_bytes()] {
            prop_assert!(Message::verify(bytes, None).is_err());
            prop_assert!(Message::from_log(bytes).is_err());
        }
        let keys = Keypair::from_seed(&[7; 32]);
        prop_assert!(private::open(&text, &keys).is_none());
        prop_assert!(Keypair::from_secret_file(&text).is_err());
        let _ = canonical::signed_form(&spelled);
        let _ = Message::sign_private(&keys, None, 1, &text, None);
    }

    /// Any two messages with one text are one message; any two texts have two ids.
    #[test]
    fn ids_tell_messages_apart(a in allowed_content(), b in allowed_content()) {
        let keys = Keypair::from_seed(&[7; 32]);
        let (Ok(x), Ok(y)) = (
            Message::sign(&keys, None, 1, &a, None),
            Message::sign(&keys, None, 1, &b, None),
        ) else { return Ok(()) };
        // The signature is part of what is hashed, so even texts that agree
        // in every low byte differ.
        prop_assert_eq!(a == b, x.id() == y.id());
    }

    #[test]
    fn boxes_open_for_their_recipients_only(
        plaintext: Vec<u8>,
        seeds in prop::collection::btree_set(any::<[u8; 32]>(), 1..=8),
        nonce: [u8; 24], key: [u8; 32], onetime: [u8; 32],
    ) {
        let mut all: Vec<Keypair> = seeds.iter().map(Keypair::from_seed).collect();
        let outsider = if all.len() > 1 { all.pop() } else { None };
        let ids: Vec<_> = all.iter().map(Keypair::id).collect();
        let randomness = private::Randomness { nonce, key, onetime };
        let text = private::seal(&plaintext, &ids, &randomness).unwrap();
        for keys in &all {
            prop_assert_eq!(private::open(&text, keys), Some(plaintext.clone()));
        }
        if let Some(outsider) = outsider {
            prop_assert_eq!(private::open(&text, &outsider), None);
        }
    }

    #[test]
    fn damaged_boxes_never_open(
        at in any::<prop::sample::Index>(),
        with in "[A-Za-z0-9+/]",
        cut in 0usize..8,
    ) {
        let keys = Keypair::from_seed(&[7; 32]);
        let randomness = private::Randomness { nonce: [1; 24], key: [2; 32], onetime: [3; 32] };
        let text = private::seal(b"a secret of some length", &[keys.id()], &randomness).unwrap();
        let base = text.strip_suffix(".box").unwrap();
        let at = at.index(base.len());
        let mut damaged = base.to_owned();
        damaged.replace_range(at..=at, &with);
        if damaged != base {
            prop_assert_eq!(private::open(&format!("{damaged}.box"), &keys), None);
        }
        let short = &base[..base.len().saturating_sub(4 * cut * 8)];
        if cut > 0 {
            prop_assert_eq!(private::open(&format!("{short}.box"), &keys), None);
        }
    }

    #[test]
    fn secret_files_read_back(seed: [u8; 32]) {
        let keys = Keypair::from_seed(&seed);
        let text = keys.to_secret_file();
        prop_assert_eq!(Keypair::from_secret_file(&text).unwrap().secret_bytes(), keys.secret_bytes());
    }
}
