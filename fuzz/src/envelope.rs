//! Messages: what has to hold for every text, and texts that are signed rightly.

use crate::{JsonText, feeds::keys};
use arbitrary::{Arbitrary, Result, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use studytime_schema::json::{compact_form, signed_form};
use studytime_schema::{HmacKey, MAX_MESSAGE_UNITS, MAX_WIRE_BYTES, Message, VerifyError, chain};

/// Judges a text in every way there is; the ways have to agree.
pub fn judge(wire: &[u8]) -> std::result::Result<Message, VerifyError> {
    let verdict = Message::verify(wire, None);

    // The one-pass reader takes no text that begins with a space, so this one
    // goes the other road.
    if wire.len() < MAX_WIRE_BYTES {
        let spaced = [b" ", wire].concat();
        match (&verdict, &Message::verify(&spaced, None)) {
            (Ok(a), Ok(b)) => assert_eq!((a, a.content_type()), (b, b.content_type())),
            (Err(a), Err(b)) => {
                assert_eq!(
                    std::mem::discriminant(a),
                    std::mem::discriminant(b),
                    "{a} / {b}"
                );
            }
            (a, b) => panic!("one road says {a:?}, the other {b:?}"),
        }
        let stored = (Message::from_log(wire), Message::from_log(&spaced));
        match &stored {
            (Ok(a), Ok(b)) => assert_eq!(a, b),
            (Err(_), Err(_)) => assert!(verdict.is_err(), "verified but not readable"),
            (a, b) => panic!("one road reads {a:?}, the other {b:?}"),
        }
        if let (Ok(read), _) = stored {
            check(&read);
            assert!(verdict.is_err() || verdict.as_ref() == Ok(&read));
        }
    }
    if let Ok(message) = &verdict {
        assert_eq!(
            Message::verify(message.wire().as_bytes(), None).as_ref(),
            Ok(message)
        );
        // On another network it is not signed.
        let other = Message::verify(wire, Some(&HmacKey::from_bytes([7; 32])));
        assert!(
            matches!(other, Err(VerifyError::WrongSignature { .. })),
            "{other:?}"
        );
    }
    verdict
}

/// What has to hold for a message, however it was read.
fn check(message: &Message) {
    let wire = message.wire();
    assert_eq!(Message::from_log(wire.as_bytes()).as_ref(), Ok(message));
    let signed = signed_form(wire).expect("a message is JSON");
    let units: Vec<u16> = signed.encode_utf16().collect();
    assert_eq!(units.len(), message.signed_units());
    assert!(units.len() <= MAX_MESSAGE_UNITS);
    let low: Vec<u8> = units.iter().map(|unit| *unit as u8).collect();
    assert_eq!(message.id().as_bytes()[..], Sha256::digest(low)[..]);
    // Only an endless timestamp is spelled otherwise than JavaScript does.
    if !wire.contains("1e999") {
        assert_eq!(compact_form(wire).as_deref(), Ok(wire));
    }
    assert!((1..=i32::MAX as u64).contains(&message.sequence()));
    assert_eq!(message.previous().is_none(), message.sequence() == 1);
    assert!(message.timestamp().is_finite());
    assert!(message.public_content().is_some() != message.private_content().is_some());
    if let Some(name) = message.content_type() {
        assert!((3..=52).contains(&name.encode_utf16().count()));
    }
    let fits = chain::check(None, message).is_ok();
    assert_eq!(fits, message.sequence() == 1);
    assert!(chain::check(Some(&message.tip()), message).is_err());
}

/// A message that its author has signed, whatever else is wrong with it.
#[derive(Debug)]
pub struct SignedText(pub String);

impl<'a> Arbitrary<'a> for SignedText {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let keys = keys(u.int_in_range(1..=3)?);
        let mut members = members(u, &keys.id().to_string())?;
        for _ in 0..u.int_in_range(0..=2)? {
            twist(u, &mut members)?;
        }
        let text = object(&members);
        // What cannot be laid out cannot be signed; it is refused before that.
        let signed = signed_form(&text).unwrap_or_default();
        let mut signature = STANDARD.encode(keys.sign(signed.as_bytes()));
        if u.ratio(1, 12)? {
            bend(u, &mut signature)?;
        }
        let suffix = if u.ratio(1, 24)? {
            u.choose(&["", ".sig", ".ed25519", ".sig.ed25519x"])?
        } else {
            ".sig.ed25519"
        };
        let signature = (
            "\"signature\"".to_owned(),
            format!("\"{signature}{suffix}\""),
        );
        let at = if u.ratio(1, 16)? {
            u.choose_index(members.len() + 1)?
        } else {
            members.len()
        };
        members.insert(at, signature);
        Ok(Self(object(&members)))
    }
}

type Members = Vec<(String, String)>;

fn object(members: &Members) -> String {
    let lines: Vec<String> = members
        .iter()
        .map(|(key, value)| format!("{key}:{value}"))
        .collect();
    format!("{{{}}}", lines.join(","))
}

fn members(u: &mut Unstructured<'_>, author: &str) -> Result<Members> {
    let first = u.ratio(1, 2)?;
    let previous = format!(
        "\"%{}.sha256\"",
        STANDARD.encode([u.arbitrary::<u8>()?; 32])
    );
    let sequence = u.int_in_range(2..=i32::MAX)?.to_string();
    let content = match u.int_in_range(0..=5)? {
        0 => format!(
            "\"{}.box\"",
            STANDARD.encode(vec![7; u.int_in_range(0..=90)?])
        ),
        1 => JsonText::arbitrary(u)?.0,
        2 => {
            let name = "t".repeat(u.int_in_range(0..=60)?);
            JsonText::object_with(u, &format!("\"type\":\"{name}\""))?.0
        }
        3 => {
            let text = u.choose(&["x", "\u{e9}", "\u{1f600}", "\\u0001"])?;
            let long = text.repeat(u.int_in_range(0..=8000)?);
            format!("{{\"type\":\"post\",\"text\":\"{long}\"}}")
        }
        _ => JsonText::object_with(u, "\"type\":\"post\"")?.0,
    };
    let owned = |list: [(&str, String); 6]| {
        list.map(|(key, value)| (format!("\"{key}\""), value))
            .to_vec()
    };
    Ok(owned([
        ("previous", if first { "null".into() } else { previous }),
        ("sequence", if first { "1".into() } else { sequence }),
        ("author", format!("\"{author}\"")),
        (
            "timestamp",
            u.choose(&["1700000000000", "0", "-1.5", "1e400", "1.5e12"])?
                .to_string(),
        ),
        ("hash", "\"sha256\"".into()),
        ("content", content),
    ]))
}

/// Makes one thing otherwise than the network's programs write it.
fn twist(u: &mut Unstructured<'_>, members: &mut Members) -> Result<()> {
    if members.is_empty() {
        return Ok(());
    }
    let at = u.choose_index(members.len())?;
    let other = u.choose_index(members.len())?;
    match u.int_in_range(0..=7)? {
        0 | 1 => members.swap(at, other),
        2 => drop(members.remove(at)),
        3 => {
            let again = members[at].clone();
            members.insert(other, again);
        }
        4 => members[at].1 = JsonText::arbitrary(u)?.0,
        5 => {
            let value = &members[at].1;
            members[at].1 = format!("[{value}]");
        }
        6 => bend(u, &mut members[at].1)?,
        _ => members[at].0 = JsonText::arbitrary(u)?.0,
    }
    Ok(())
}

/// Replaces, drops or doubles one character.
fn bend(u: &mut Unstructured<'_>, text: &mut String) -> Result<()> {
    let mut chars: Vec<char> = text.chars().collect();
    if chars.is_empty() {
        return Ok(());
    }
    let at = u.choose_index(chars.len())?;
    match u.int_in_range(0..=3)? {
        0 => drop(chars.remove(at)),
        1 => chars.insert(at, *u.choose(&['=', 'A', '/', '.', '\\', '"', '\u{e9}'])?),
        _ => chars[at] = u.int_in_range(b' '..=b'~').map(char::from)?,
    }
    *text = chars.into_iter().collect();
    Ok(())
}
