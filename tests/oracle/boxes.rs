//! Private messages (box1) beside ssb-keys and private-box, in both directions.

use crate::ask::Oracle;
use crate::generate::Rng;
use crate::secrets::some_content;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use studytime_schema::private::{MAX_RECIPIENTS, Randomness, SealError, open, seal};
use studytime_schema::{FeedId, Keypair};

fn keys(seed: u8) -> Keypair {
    Keypair::from_seed(&[seed; 32])
}

fn ids(seeds: &[u8]) -> Vec<FeedId> {
    seeds.iter().map(|&n| keys(n).id()).collect()
}

fn sealed(rng: &mut Rng, plaintext: &str, recipients: &[u8]) -> String {
    let randomness = Randomness {
        nonce: rng.bytes(),
        key: rng.bytes(),
        onetime: rng.bytes(),
    };
    seal(plaintext.as_bytes(), &ids(recipients), &randomness).unwrap()
}

/// What the oracle opens these to, with the key of this seed, as JSON text.
fn theirs(oracle: &mut Oracle, seed: u8, texts: &[String]) -> Vec<Option<String>> {
    let opened = oracle.ask(&json!({ "ask": "unbox", "seed": seed, "texts": texts }));
    opened
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().map(str::to_owned))
        .collect()
}

/// The same here, as JavaScript would print it.
fn ours(seed: u8, text: &str) -> Option<String> {
    let bytes = open(text, &keys(seed))?;
    let text = String::from_utf8(bytes).ok()?;
    studytime_schema::json::compact_form(&text).ok()
}

/// For every number of recipients: each opens it on both sides, nobody else does.
#[test]
fn boxes_open_on_both_sides() {
    let mut oracle = Oracle::start();
    let mut rng = Rng::new(6);
    for round in 0..6 {
        for count in 1..=MAX_RECIPIENTS {
            let recipients: Vec<u8> = (0..count).map(|i| 1 + (i + round) as u8).collect();
            let outsider = 100;
            let content = some_content(&mut rng).to_string();
            let expected = studytime_schema::json::compact_form(&content).unwrap();

            let from_us = sealed(&mut rng, &content, &recipients);
            let recipient_ids: Vec<String> =
                ids(&recipients).iter().map(FeedId::to_string).collect();
            let question = json!({ "ask": "box", "content": content, "recipients": recipient_ids });
            let from_them = oracle.ask(&question).as_str().unwrap().to_owned();
            for seed in recipients {
                let opened = theirs(&mut oracle, seed, std::slice::from_ref(&from_us));
                assert_eq!(opened, [Some(expected.clone())]);
                assert_eq!(ours(seed, &from_them), Some(expected.clone()));
            }
            let both = [from_us, from_them];
            assert_eq!(theirs(&mut oracle, outsider, &both), [None, None]);
            assert_eq!(both.map(|text| open(&text, &keys(outsider))), [None, None]);
        }
    }
}

#[test]
fn neither_side_writes_to_more_than_seven() {
    let mut oracle = Oracle::start();
    let recipients = ids(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let randomness = Randomness {
        nonce: [1; 24],
        key: [2; 32],
        onetime: [3; 32],
    };
    assert_eq!(
        seal(b"{}", &recipients, &randomness),
        Err(SealError::TooManyRecipients(8))
    );
    let recipients: Vec<String> = recipients.iter().map(FeedId::to_string).collect();
    let question = json!({ "ask": "box", "content": "{}", "recipients": recipients });
    assert!(oracle.try_ask(&question).is_err());
}

/// Boxes with something wrong about them, and texts that are none: what stays
/// closed there stays closed here, and what opens there opens here to the same.
#[test]
fn rubbish_is_judged_alike() {
    let mut oracle = Oracle::start();
    let mut rng = Rng::new(7);
    let mut texts = Vec::new();
    for n in 0..600 {
        let count = 1 + rng.below(MAX_RECIPIENTS);
        let recipients: Vec<u8> = (0..count).map(|_| 1 + rng.below(9) as u8).collect();
        let plaintext = rng.pick(&[
            "{\"type\":\"test\"}",
            "",
            "no JSON",
            "1e400",
            "\u{feff}1",
            "\"\\ud800\"",
            "[-0]",
        ]);
        let text = sealed(&mut rng, plaintext, &recipients);
        let mut bytes = STANDARD.decode(text.trim_end_matches(".box")).unwrap();
        match n % 6 {
            0 => {}
            1 => {
                let at = rng.below(bytes.len());
                bytes[at] ^= 1 << rng.below(8);
            }
            2 => bytes.truncate(rng.below(bytes.len())),
            3 => {
                let at = rng.below(bytes.len() + 1);
                let more: [u8; 49] = rng.bytes();
                let length = rng.below(50);
                bytes.splice(at..at, more[..length].iter().copied());
            }
            4 => bytes = (0..rng.below(400)).map(|_| rng.next() as u8).collect(),
            // A one-time key that gives everybody the same secret.
            _ => bytes[24..56].fill(rng.pick(&[0, 0xff])),
        }
        texts.push(STANDARD.encode(bytes) + ".box");
    }
    let mut opened = 0;
    for seed in [1, 2, 5] {
        for (text, theirs) in texts.iter().zip(theirs(&mut oracle, seed, &texts)) {
            assert_eq!(ours(seed, text), theirs, "{text}");
            opened += usize::from(theirs.is_some());
        }
    }
    assert!(opened > 30, "{opened}");
    for text in [
        "",
        ".box",
        "=.box",
        "A.box",
        "AAAA",
        "AAAA.box2",
        "é.box",
        "{}",
    ] {
        assert_eq!(open(text, &keys(1)), None, "{text}");
    }
}

/// A header may lie about the number of recipients, as its sender likes.
#[test]
fn any_count_in_the_header_is_judged_alike() {
    use dryoc::classic::crypto_core::{crypto_scalarmult, crypto_scalarmult_base};
    use dryoc::classic::crypto_secretbox::crypto_secretbox_easy;
    use dryoc::classic::crypto_sign_ed25519::crypto_sign_ed25519_pk_to_curve25519;
    let mut oracle = Oracle::start();
    let mut rng = Rng::new(8);
    let mut texts = Vec::new();
    for claimed in (0..=9).chain([100, 255]) {
        for slots in 1..=9_usize {
            for place in 0..slots {
                let (nonce, key, onetime): ([u8; 24], [u8; 32], [u8; 32]) =
                    (rng.bytes(), rng.bytes(), rng.bytes());
                let (mut public, mut to, mut shared) = ([0; 32], [0; 32], [0; 32]);
                crypto_scalarmult_base(&mut public, &onetime);
                crypto_sign_ed25519_pk_to_curve25519(&mut to, keys(1).id().as_bytes()).unwrap();
                crypto_scalarmult(&mut shared, &onetime, &to).unwrap();
                let mut bytes = [nonce.as_slice(), &public].concat();
                for slot in 0..slots {
                    let mut boxed = [0; 49];
                    let head = [&[claimed], key.as_slice()].concat();
                    if slot == place {
                        crypto_secretbox_easy(&mut boxed, &head, &nonce, &shared).unwrap();
                    } else {
                        boxed = rng.bytes();
                    }
                    bytes.extend_from_slice(&boxed);
                }
                let mut body = [0; 16 + 4];
                crypto_secretbox_easy(&mut body, b"1234", &nonce, &key).unwrap();
                bytes.extend_from_slice(&body);
                // Their reader looks at eight places; ours at as many as there can be.
                if place < 8 {
                    texts.push(STANDARD.encode(bytes) + ".box");
                }
            }
        }
    }
    let theirs = theirs(&mut oracle, 1, &texts);
    let opened = theirs.iter().flatten().count();
    assert!((9..texts.len() / 2).contains(&opened), "{opened}");
    for (text, theirs) in texts.iter().zip(theirs) {
        assert_eq!(ours(1, text), theirs, "{text}");
    }
}

/// A private message in a feed: written here, read there, and back.
#[test]
fn private_messages_travel() {
    use studytime_schema::Message;
    let mut oracle = Oracle::start();
    let mut rng = Rng::new(9);
    let text = sealed(&mut rng, "{\"type\":\"studytime_progress\"}", &[1]);
    let message = Message::sign_private(&keys(1), None, 1, &text, None).unwrap();
    let texts: Vec<Value> = vec![message.wire().into()];
    let verdict = oracle.ask(&json!({ "ask": "feed", "texts": texts, "hmac": null }));
    assert_eq!(verdict[0]["id"], message.id().to_string());
    let read = Message::verify(message.wire().as_bytes(), None).unwrap();
    let content = read.private_content().unwrap().to_owned();
    assert_eq!(
        theirs(&mut oracle, 1, &[content]),
        [Some("{\"type\":\"studytime_progress\"}".to_owned())]
    );
}
