//! Values computed with the network's own JavaScript modules, byte for byte.

use serde_json::json;
use studytime_schema::{
    ChainError, FeedId, HmacKey, Keypair, Message, MessageId, NetworkKey, Tip, VerifyError,
    VerifyingKey, chain, private, verify_detached,
};

const A: &str = "@iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=.ed25519";
const B: &str = "@gTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5Q=.ed25519";
const M1_ID: &str = "%JnfP5BDor9yKuOJ4OfTu7naQ6ohCODgODamd205XYYQ=.sha256";
const M1_SIG: &str = "lyEocULa5MBoeH1rvCiXAMoRBur7x7s0Xa3mCtn/L21au2/51+4ppXkE7cyqNGGPDzIRXOYaCEwcyc3MBoJ4BA==.sig.ed25519";
const M1_HMAC_SIG: &str = "V41M5i3xj+H/QIFvEbi8uqadByT7xUtH+ERbZ5bS+fbnA6feoVDkbx4zeFMFP+gaaqPa9FxxYq2b+ou8kpDrDQ==.sig.ed25519";
const M2_SIG: &str = "Csg7S4yX9zm5ldu6exP5vfmr2sTPxLpfd5z0HWARETI1wJvmZcH5i3bd0HuAcUO7yLNNvSoKRsswslq8/fmkCw==.sig.ed25519";

fn a() -> Keypair {
    Keypair::from_seed(&[1; 32])
}

fn b() -> Keypair {
    Keypair::from_seed(&[2; 32])
}

fn m1(signature: &str) -> String {
    format!(
        r#"{{"previous":null,"sequence":1,"author":"{A}","timestamp":1700000000000,"hash":"sha256","content":{{"type":"test","text":"hello"}},"signature":"{signature}"}}"#
    )
}

fn hmac() -> HmacKey {
    HmacKey::from_bytes([0x2a; 32])
}

#[test]
fn ids_come_from_seeds() {
    assert_eq!(a().id().to_string(), A);
    assert_eq!(b().id().to_string(), B);
    let secret = a().secret_bytes();
    assert_eq!(secret[..32], [1; 32]);
    assert_eq!(&secret[32..], a().id().as_bytes());
}

#[test]
fn the_main_network_key() {
    assert_eq!(
        NetworkKey::MAIN.to_string(),
        "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s="
    );
    let parsed: NetworkKey = NetworkKey::MAIN.to_string().parse().unwrap();
    assert_eq!(parsed, NetworkKey::MAIN);
    assert!(
        "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s"
            .parse::<NetworkKey>()
            .is_err()
    );
    assert!("".parse::<NetworkKey>().is_err());
    assert_eq!(
        "KioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKio=".parse(),
        Ok(hmac())
    );
}

#[test]
fn first_message() {
    let wire = m1(M1_SIG);
    let message = Message::verify(wire.as_bytes(), None).unwrap();
    assert_eq!(message.id().to_string(), M1_ID);
    assert_eq!(message.author().to_string(), A);
    assert_eq!(message.sequence(), 1);
    assert_eq!(message.previous(), None);
    assert_eq!(message.timestamp(), 1_700_000_000_000.0);
    assert_eq!(message.wire(), wire);
    assert_eq!(
        message.public_content(),
        Some(r#"{"type":"test","text":"hello"}"#)
    );
    assert_eq!(message.private_content(), None);
    assert_eq!(message.content_type(), Some("test"));
    assert_eq!(message.signed_units(), 337);
    assert!(chain::check(None, &message).is_ok());

    let signed = Message::sign(
        &a(),
        None,
        1_700_000_000_000,
        &json!({"type": "test", "text": "hello"}),
        None,
    )
    .unwrap();
    assert_eq!(signed, message);
    assert_eq!(Message::from_log(wire.as_bytes()).unwrap(), message);
}

#[test]
fn first_message_with_a_signing_key() {
    let message = Message::verify(m1(M1_HMAC_SIG).as_bytes(), Some(&hmac())).unwrap();
    assert_eq!(
        message.id().to_string(),
        "%lJ0sQ1SC2fR1WNiMZ1Ls8qUPPoCyHyWU+qsO5nZXKoA=.sha256"
    );
    let content = json!({"type": "test", "text": "hello"});
    let signed = Message::sign(&a(), None, 1_700_000_000_000, &content, Some(&hmac())).unwrap();
    assert_eq!(signed, message);
    for (signature, key) in [(M1_SIG, Some(hmac())), (M1_HMAC_SIG, None)] {
        assert!(matches!(
            Message::verify(m1(signature).as_bytes(), key.as_ref()),
            Err(VerifyError::WrongSignature { .. })
        ));
    }
}

/// Everything JavaScript spells in its own way, in one message.
#[test]
fn second_message_in_any_spelling() {
    let content = "{\"type\":\"test\",\"text\":\"h\u{e9}llo \u{2603} \u{1f600} \\u0007\u{2028}\\\"\\\\/\u{7f}\",\
        \"n\":[1e+21,1e-7,0.1,0,123456789012345680000,5e-324,1.5],\"e\":{},\"a\":[],\"nul\":null}";
    let respelled = "{\"type\":\"test\",\"text\":\"h\\u00e9llo \\u2603 \\uD83D\\uDE00 \\u0007\\u2028\\u0022\\\\\\/\\u007F\", \
        \"n\":[1000000000000000000000,0.0000001,1E-1,-0,123456789012345678901,4.9e-324,15e-1],\
        \"e\": {},\"a\":[\n],\"nul\":7,\"nul\":null}";
    let wire = |content: &str| {
        format!(
            r#"{{"previous":"{M1_ID}","sequence":2,"author":"{A}","timestamp":1700000000001.5,"hash":"sha256","content":{content},"signature":"{M2_SIG}"}}"#
        )
    };
    let canonical = wire(content);
    for content in [content, respelled] {
        let message = Message::verify(wire(content).as_bytes(), None).unwrap();
        assert_eq!(
            message.id().to_string(),
            "%1rdtCXxy8zNILKZQYQWf7CnrOYKJInFq99no3zZIN5I=.sha256"
        );
        assert_eq!(message.signed_units(), 567);
        assert_eq!(message.wire(), canonical);
        assert_eq!(message.timestamp(), 1_700_000_000_001.5);
        let tip = Message::verify(m1(M1_SIG).as_bytes(), None).unwrap().tip();
        assert_eq!(message.previous(), Some(tip.id));
        assert!(chain::check(Some(&tip), &message).is_ok());
    }
}

#[test]
fn a_message_of_another_author() {
    let wire = r#"{"previous":null,"sequence":1,"author":"@AzvddyStfk/T95/3VuHxuJRwqqpBkCyoW7qHRCui2N4=.ed25519","timestamp":1491901740000,"hash":"sha256","content":{"type":"TTT"},"signature":"8XdA3TwXsWasY8PGo5zI/QJAi6XsyCklzQv8dVtgOEZk4jRCVFDLb4OCK7H/s+lxOcxjpKn4NGocbQ7Z5mF5CQ==.sig.ed25519"}"#;
    let message = Message::verify(wire.as_bytes(), None).unwrap();
    assert_eq!(
        message.id().to_string(),
        "%ybJG6SQH63+71OtO9r7cnxeOgEZyZQdecsGaPQXo/CM=.sha256"
    );
}

#[test]
fn integer_like_keys_come_first() {
    let text = r#"{"type":"test","b":1,"2":"x","1":"y","b":3}"#;
    assert_eq!(
        studytime_schema::json::compact_form(text).unwrap(),
        r#"{"1":"y","2":"x","type":"test","b":3}"#
    );
}

#[test]
fn private_box() {
    let golden = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJUKYUCbHd0DJemxa3AOcZ6XcsBwALG9d4bpB8ZT0gSV1Uf63ks64ShH9NlJYzu9d4tuO/C8PRfu9goKhXOs3cOlhhN4sOCHvju+QSGDtjv5iIMHlBd1Xpwww2Zm42pTzVTaU2scsqvj4A7US+HcT2edtMTwXyMYsFA0Yye1EYqsWDm7DGjVFIGVVskijOGtf9h50jVQX3Ew2uIzd88QUV+Vg0yblxAh1ozZkFlEW/MupE.box";
    let text = br#"{"type":"test","text":"secret"}"#;
    let randomness = private::Randomness {
        nonce: [9; 24],
        key: [8; 32],
        onetime: [5; 32],
    };
    let sealed = private::seal(text, &[a().id(), b().id()], &randomness).unwrap();
    assert_eq!(sealed, golden);
    for keys in [a(), b()] {
        assert_eq!(private::open(golden, &keys).as_deref(), Some(&text[..]));
    }
    assert_eq!(private::open(golden, &Keypair::from_seed(&[3; 32])), None);

    let message = Message::sign_private(&a(), None, 1, golden, None).unwrap();
    assert_eq!(message.private_content(), Some(golden));
    assert_eq!(message.public_content(), None);
    assert_eq!(message.content_type(), None);
    assert_eq!(
        Message::verify(message.wire().as_bytes(), None).unwrap(),
        message
    );
}

#[test]
fn the_chain_tells_gap_old_and_fork_apart() {
    let keys = a();
    let content = json!({"type": "test"});
    let first = Message::sign(&keys, None, 1, &content, None).unwrap();
    let second = Message::sign(&keys, Some(&first.tip()), 2, &content, None).unwrap();
    let third = Message::sign(&keys, Some(&second.tip()), 3, &content, None).unwrap();
    let other = Message::sign(&keys, Some(&first.tip()), 9, &content, None).unwrap();
    let author = keys.id();

    assert_eq!(chain::check(None, &first), Ok(()));
    assert_eq!(chain::check(Some(&first.tip()), &second), Ok(()));
    assert_eq!(
        chain::check(None, &second),
        Err(ChainError::NotFirst { author, got: 2 })
    );
    assert_eq!(
        chain::check(Some(&first.tip()), &third),
        Err(ChainError::Gap {
            author,
            expected: 2,
            got: 3
        })
    );
    for old in [&first, &second, &other] {
        assert_eq!(
            chain::check(Some(&second.tip()), old),
            Err(ChainError::Old {
                author,
                sequence: old.sequence(),
                tip: 2
            })
        );
    }
    assert_eq!(
        chain::check(Some(&other.tip()), &third),
        Err(ChainError::Fork {
            author,
            sequence: 3,
            previous: second.id(),
            tip: other.id()
        })
    );
    let last = Tip {
        id: MessageId::from_bytes([0; 32]),
        sequence: u64::MAX,
    };
    assert!(chain::check(Some(&last), &third).is_err());
}

#[test]
fn detached_signatures() {
    let signature = a().sign(b"beacon");
    assert!(verify_detached(&a().id(), b"beacon", &signature));
    assert!(!verify_detached(&a().id(), b"beacoN", &signature));
    assert!(!verify_detached(&b().id(), b"beacon", &signature));
}

/// Keys and signatures on which verifiers differ; the network refuses them all.
#[test]
fn strict_where_verifiers_differ() {
    let mut identity = [0u8; 32];
    identity[0] = 1;
    let mut odd_identity = identity; // the same point, its sign bit set
    odd_identity[31] = 0x80;
    let mut beyond_p = [0xff; 32]; // p + 1, another spelling of the identity
    beyond_p[0] = 0xee;
    beyond_p[31] = 0x7f;
    let mut forged = [0u8; 64]; // R = identity, S = 0: verifies for small-order keys if not strict
    forged[0] = 1;
    for key in [identity, odd_identity, beyond_p, [0; 32]] {
        let id = FeedId::from_bytes(key);
        assert!(!verify_detached(&id, b"anything", &forged));
        assert!(VerifyingKey::new(id).is_err());
    }
    // Every spelling of a number at or above p has another below it.
    let mut below = 0;
    for low in 0..=0x12 {
        let mut small = [0; 32];
        small[0] = low;
        below += usize::from(VerifyingKey::new(FeedId::from_bytes(small)).is_ok());
        let mut same = [0xff; 32];
        same[0] = 0xed + low;
        same[31] = 0x7f;
        assert!(
            VerifyingKey::new(FeedId::from_bytes(same)).is_err(),
            "{low}"
        );
    }
    assert!(
        below > 4,
        "some of these points are keys in their own spelling"
    );

    // R = identity, and S the matching multiple of A's secret: the equation
    // holds, and only the strict rule refuses it.
    let mut small_r = [0u8; 64];
    small_r[0] = 1;
    small_r[32..].copy_from_slice(&[
        0xfb, 0xa9, 0x7e, 0xf6, 0xbd, 0x87, 0xc3, 0x0e, 0xbd, 0x9e, 0x29, 0xcb, 0x03, 0x28, 0xf7,
        0x42, 0x33, 0xb4, 0x41, 0x2b, 0x33, 0xd8, 0x7c, 0x48, 0x21, 0x4d, 0x10, 0x99, 0x67, 0xca,
        0x62, 0x09,
    ]);
    assert!(!verify_detached(&a().id(), b"text", &small_r));
    // S + L is the same scalar in another spelling.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut signature = a().sign(b"text");
    let mut carry = 0;
    for (s, l) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*s) + u16::from(l) + carry;
        *s = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    assert!(!verify_detached(&a().id(), b"text", &signature));
}
