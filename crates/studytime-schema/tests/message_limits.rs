//! Where messages end: depth, size, shape, and what writers refuse.

use serde_json::{Value, json};
use studytime_schema::{
    Keypair, MAX_MESSAGE_UNITS, MAX_WIRE_BYTES, Message, MessageId, SignError, Tip, VerifyError,
    VerifyingKey, signed_units_of,
};

#[test]
fn deep_nesting_is_an_answer_not_a_crash() {
    let work = || {
        let keys = Keypair::from_seed(&[7; 32]);
        let message =
            Message::sign(&keys, None, 1, &json!({"type": "test", "x": 0}), None).unwrap();
        for depth in [10, 61, 62, 63, 64, 65, 100, 1000, 8000, 16_000] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let nested = open.repeat(depth) + "1" + &close.repeat(depth);
                let wire = message
                    .wire()
                    .replace("\"x\":0", &format!("\"x\":{nested}"));
                let result = Message::verify(wire.as_bytes(), None);
                assert!(result.is_err());
                if (64..8000).contains(&depth) {
                    assert_eq!(result.unwrap_err(), VerifyError::TooLong, "{depth}");
                }
                // Not closed, and a repeated key that takes it back out.
                let _ = Message::verify(&wire.as_bytes()[..wire.len() / 2], None);
                let undone = wire
                    .replace("\"x\":", "\"x\":0,\"y\":")
                    .replace("\"content\":{", &format!("\"content\":{{\"x\":{nested},"));
                let _ = Message::verify(undone.as_bytes(), None);
            }
        }
        let undone = message.wire().replace(
            "\"x\":0",
            &format!("\"x\":{}1{},\"x\":0", "[".repeat(8000), "]".repeat(8000)),
        );
        assert_eq!(Message::verify(undone.as_bytes(), None).unwrap(), message);

        let mut value = json!(1);
        for _ in 0..1000 {
            value = json!([value]);
        }
        let content = json!({"type": "test", "deep": value});
        assert_eq!(signed_units_of(&content), usize::MAX);
        assert!(matches!(
            Message::sign(&keys, None, 1, &content, None),
            Err(SignError::TooDeep { .. })
        ));
    };
    // As small a stack as threads have anywhere.
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    small.spawn(work).unwrap().join().unwrap();
}

/// Writers keep to what every program reads; what others write may be as deep
/// as its size allows.
#[test]
fn depth_ends_earlier_for_writers() {
    let keys = Keypair::from_seed(&[7; 32]);
    for depth in 1..70 {
        let nested = (1..depth).fold(json!([]), |inner, _| json!([inner]));
        let content = json!({"type": "test", "x": nested});
        let signed = Message::sign(&keys, None, 1, &content, None);
        match depth {
            ..=17 => assert!(signed.is_ok(), "{depth}"),
            _ => assert!(matches!(signed, Err(SignError::TooDeep { .. })), "{depth}"),
        }
        // Only the signature is wrong with it, until it is too long.
        let nested = "[".repeat(depth) + &"]".repeat(depth);
        let wire = Message::sign(&keys, None, 1, &json!({"type": "test", "x": 0}), None).unwrap();
        let wire = wire.wire().replace("\"x\":0", &format!("\"x\":{nested}"));
        let error = Message::verify(wire.as_bytes(), None).unwrap_err();
        match depth {
            ..=60 => assert!(
                matches!(error, VerifyError::WrongSignature { .. }),
                "{depth}"
            ),
            _ => assert_eq!(error, VerifyError::TooLong, "{depth}"),
        }
    }
}

#[test]
fn writers_are_strict() {
    let keys = Keypair::from_seed(&[7; 32]);
    let sign = |content: Value| Message::sign(&keys, None, 1, &content, None).unwrap_err();
    for content in [json!(null), json!("x"), json!([1]), json!(3)] {
        assert_eq!(sign(content), SignError::NotAnObject);
    }
    for type_name in [
        json!("ab"),
        json!("a".repeat(53)),
        json!("t\u{e9}st"),
        json!(3),
        json!(null),
    ] {
        assert_eq!(sign(json!({"type": type_name})), SignError::ContentType);
    }
    assert_eq!(sign(json!({"text": "no type"})), SignError::ContentType);
    for number in [
        json!(1.5),
        json!(12.0),
        json!(1e300),
        json!(9_007_199_254_740_992u64),
        json!(i64::MIN),
        json!(u64::MAX),
    ] {
        let error = sign(json!({"type": "test", "list": [{"n": number}]}));
        assert!(
            matches!(&error, SignError::Number { path, .. } if path == "content.list[0].n"),
            "{error:?}"
        );
    }
    for key in [
        "0",
        "42",
        "4294967295",
        "99999999999999999999",
        "007",
        "__proto__",
    ] {
        let error = sign(json!({"type": "test", "map": {key: 1}}));
        assert!(
            matches!(&error, SignError::Key { path, key: k } if path == "content.map" && k == key),
            "{error:?}"
        );
    }
    let late = |at| Message::sign(&keys, None, at, &json!({"type": "test"}), None);
    assert!(late(9_007_199_254_740_991).is_ok());
    assert!(matches!(
        late(9_007_199_254_740_992),
        Err(SignError::Timestamp(_))
    ));
    let full = Tip {
        id: MessageId::from_bytes([1; 32]),
        sequence: 2_147_483_647,
    };
    assert_eq!(
        Message::sign(&keys, Some(&full), 1, &json!({"type": "test"}), None).unwrap_err(),
        SignError::FeedFull
    );
    for boxed in [
        "",
        ".box",
        "AAAA",
        "AAAA.box2",
        "AAA.box",
        "AAB=.box",
        "x y!.box",
        "AA AA.box",
        "AAAA\n.box",
    ] {
        assert_eq!(
            Message::sign_private(&keys, None, 1, boxed, None).unwrap_err(),
            SignError::BoxedForm,
            "{boxed:?}"
        );
    }
}

#[test]
fn too_long_names_the_field_to_move() {
    let keys = Keypair::from_seed(&[7; 32]);
    let content = json!({"type": "test", "name": "n", "lesson_content": "\u{e9}".repeat(8000), "list": [1, 2]});
    let error = Message::sign(&keys, None, 1, &content, None).unwrap_err();
    let SignError::TooLong {
        units,
        longest,
        longest_units,
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!((longest.as_str(), *longest_units), ("lesson_content", 8002));
    assert_eq!(*units, signed_units_of(&content));
    assert!(error.to_string().contains("move it to a blob"));

    // Exactly at the limit, and one past it.
    let room = {
        let empty = json!({"type": "test", "text": ""});
        MAX_MESSAGE_UNITS
            - Message::sign(&keys, None, 1, &empty, None)
                .unwrap()
                .signed_units()
    };
    for unit in ["x", "\u{e9}", "\u{2603}"] {
        let fits = json!({"type": "test", "text": unit.repeat(room)});
        let message = Message::sign(&keys, None, 1, &fits, None).unwrap();
        assert_eq!(message.signed_units(), MAX_MESSAGE_UNITS);
        assert_eq!(
            Message::verify(message.wire().as_bytes(), None).unwrap(),
            message
        );
        let over = json!({"type": "test", "text": unit.repeat(room + 1)});
        assert!(matches!(
            Message::sign(&keys, None, 1, &over, None),
            Err(SignError::TooLong { .. })
        ));
    }
    let boxed = format!("{}.box", "AAAA".repeat(2000));
    assert!(Message::sign_private(&keys, None, 1, &boxed, None).is_err());
}

#[test]
fn what_cannot_be_a_message() {
    let keys = Keypair::from_seed(&[7; 32]);
    let good = Message::sign(&keys, None, 1, &json!({"type": "test"}), None).unwrap();
    let changed = |from: &str, to: &str| {
        let wire = good.wire().replacen(from, to, 1);
        assert_ne!(wire, good.wire(), "{from}");
        Message::verify(wire.as_bytes(), None).unwrap_err()
    };
    let author = keys.id().to_string();
    assert_eq!(
        changed("\"previous\":null", "\"previous\":0"),
        VerifyError::Previous
    );
    assert_eq!(
        changed("\"sequence\":1", "\"sequence\":2"),
        VerifyError::Previous
    );
    for sequence in ["0", "-1", "1.5", "2147483648", "\"1\"", "null", "1e400"] {
        let to = format!("\"sequence\":{sequence}");
        assert_eq!(
            changed("\"sequence\":1", &to),
            VerifyError::Sequence,
            "{sequence}"
        );
    }
    assert_eq!(changed(&author, &author[1..]), VerifyError::Author);
    assert_eq!(
        changed(".ed25519\",\"time", ".sha256\",\"time"),
        VerifyError::Author
    );
    assert_eq!(
        changed("\"timestamp\":1", "\"timestamp\":\"1\""),
        VerifyError::Timestamp
    );
    assert_eq!(changed("sha256", "md5"), VerifyError::Hash);
    for content in [
        "[]",
        "null",
        "1",
        "\"x\"",
        "\"AAA=.boy\"",
        "\"AAB=.box\"",
        "\"\"",
        "\"AAAA\"",
        "\"AAAA.box\\n\"",
        "\"AAAA.box\u{2028}\"",
    ] {
        assert_eq!(
            changed("{\"type\":\"test\"}", content),
            VerifyError::Content,
            "{content}"
        );
    }
    for content in [
        "{}",
        "{\"type\":1}",
        "{\"type\":\"ab\"}",
        "{\"type\":\"\\n\\u0007\"}",
        "{\"a\":{\"type\":\"test\"}}",
    ] {
        assert_eq!(
            changed("{\"type\":\"test\"}", content),
            VerifyError::ContentType,
            "{content}"
        );
    }
    assert_eq!(
        changed("==.sig.ed25519", "=.sig.ed25519"),
        VerifyError::SignatureForm
    );
    assert_eq!(
        changed(".sig.ed25519", ".sig.ed25519 "),
        VerifyError::SignatureForm
    );
    assert_eq!(
        changed("\"signature\"", "\"extra\":1,\"signature\""),
        VerifyError::Fields
    );
    assert_eq!(changed("\"hash\":\"sha256\",", ""), VerifyError::Fields);
    assert_eq!(
        changed("{\"previous\"", "{\"Previous\""),
        VerifyError::Fields
    );
    assert!(matches!(
        changed("\"type\"", "\"typ\":1,\"type\""),
        VerifyError::WrongSignature { .. }
    ));
    assert!(matches!(
        changed("{\"previous\"", "{previous"),
        VerifyError::NotJson(_)
    ));

    for (bytes, error) in [
        (b"[]".as_slice(), VerifyError::Fields),
        (b"7", VerifyError::Fields),
        (b"{}", VerifyError::Fields),
        (b"{\"a\":\xff}", VerifyError::NotText { at: 5 }),
    ] {
        assert_eq!(Message::verify(bytes, None).unwrap_err(), error);
    }
    let padded = format!(
        "{}{}",
        good.wire(),
        " ".repeat(MAX_WIRE_BYTES - good.wire().len())
    );
    assert_eq!(Message::verify(padded.as_bytes(), None).unwrap(), good);
    assert_eq!(
        Message::verify(format!("{padded} ").as_bytes(), None).unwrap_err(),
        VerifyError::TooManyBytes {
            bytes: MAX_WIRE_BYTES + 1
        }
    );
    let other = VerifyingKey::new(Keypair::from_seed(&[8; 32]).id()).unwrap();
    assert!(matches!(
        Message::verify_with(good.wire().as_bytes(), &other, None),
        Err(VerifyError::OtherAuthor { .. })
    ));
}

#[test]
fn secret_files_of_others() {
    let keys = Keypair::from_seed(&[1; 32]);
    let file = keys.to_secret_file();
    let private = file
        .split("\"private\": \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let public = keys.id().to_bare();
    let read = |text: &str| Keypair::from_secret_file(text).map(|keys| keys.id());
    for text in [
        format!(
            "{{\"curve\":\"ed25519\",\"public\":\"{public}\",\"private\":\"{private}\",\"id\":\"@{public}\"}}"
        ),
        format!(
            "# top\r\n\r\n{{\r\n \"private\":\"{private}\", # here\r\n\"id\":\"{public}\"}}\r\n# end"
        ),
        format!("\u{feff}{{\"private\":\"{private}\"}}"),
        format!("{{\"private\":\"{private}\",\"more\":{{\"a\":[1]}}}}"),
    ] {
        assert_eq!(read(&text), Ok(keys.id()), "{text}");
    }
    use studytime_schema::SecretFileError as E;
    let other = Keypair::from_seed(&[2; 32]).id().to_bare();
    for (text, error) in [
        (
            format!("{{\"curve\":\"k256\",\"private\":\"{private}\"}}"),
            E::Curve("k256".into()),
        ),
        (
            format!("{{\"private\":\"{private}\",\"public\":\"{other}\"}}"),
            E::Mismatch("public"),
        ),
        (
            format!("{{\"private\":\"{private}\",\"id\":\"@{other}\"}}"),
            E::Mismatch("id"),
        ),
        (
            format!("{{\"private\":\"B{}\"}}", &private[1..]),
            E::Mismatch("private"),
        ),
        (format!("{{\"private\":\"{}\"}}", &private[1..]), E::Private),
        (" ".repeat(70_000), E::TooLong),
    ] {
        assert_eq!(read(&text), Err(error), "{text}");
    }
    for text in ["", "# only comments", "{}", "[]", private] {
        assert!(matches!(read(text), Err(E::NotJson { .. })), "{text}");
    }
    // Neither the key nor an error shows the secret.
    assert!(!format!("{keys:?}").contains(&private[..40]));
    let torn = file.replace(".ed25519\",\n", "");
    assert!(!format!("{:?}", read(&torn)).contains(&private[..40]));
}
