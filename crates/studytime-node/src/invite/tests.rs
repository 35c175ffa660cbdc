use super::alias::sign;
use super::answer::{AnswerError, Page, claimed, page};
use super::*;
use proptest::prelude::*;
use serde_json::json;
use studytime_schema::{FeedId, Keypair};

const KEY: &str = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";
const SEED: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn keys(n: u8) -> Keypair {
    Keypair::from_seed(&[n; 32])
}

fn address(key: FeedId) -> String {
    let key = key.to_bare();
    format!("net:room.example:8008~shs:{}", &key[..44])
}

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

#[test]
fn pub_invites_as_they_are_pasted() {
    let plain = format!("net:pub.example:8008~shs:{KEY}:{SEED}");
    for text in [
        plain.clone(),
        format!("pub.example:8008:@{KEY}.ed25519~{SEED}"),
        format!("  \"pub.example:8008:@{KEY}.ed25519~{SEED}\"  "),
        format!("‘pub.example:8008:@{KEY}.ed25519~{SEED}#http://pub.example/welcome’"),
        format!("pub.example:8008:@{KEY}.ed25519\r\n   ~{SEED}\r\n"),
        format!("ws://pub.example:8989~shs:{KEY}:{SEED};{plain}"),
    ] {
        let Invitation::Pub(found) = Invitation::parse(&text).unwrap() else {
            panic!("{text}");
        };
        assert_eq!(found, [plain.parse().unwrap()], "{text}");
    }
}

#[test]
fn an_open_room_needs_no_key() {
    let text =
        format!("net:room.example:8008~shs:{KEY}:SSB+Room+PSK3TLYC2T86EHQCUHBUHASCASE18JBV24=");
    let Invitation::OpenRoom(found) = Invitation::parse(&text).unwrap() else {
        panic!("{text}");
    };
    assert_eq!(found[0].seed, None);
}

#[test]
fn claims_and_links_of_rooms() {
    let uri = "ssb:experimental?action=claim-http-invite&invite=a%2Bb&postTo=https%3A%2F%2Froom.example%2Fclaim";
    let claim = Claim {
        invite: "a+b".into(),
        post_to: "https://room.example/claim".into(),
    };
    assert_eq!(
        Invitation::parse(uri).unwrap(),
        Invitation::Claim(claim.clone())
    );
    assert_eq!(
        Invitation::parse(&uri.replace("ssb:", "ssb://")).unwrap(),
        Invitation::Claim(claim.clone())
    );
    assert!(
        !format!("{claim:?}").contains("a+b"),
        "the code is a secret"
    );
    let link = "https://room.example/join?invite=abc";
    assert_eq!(
        Invitation::parse(&format!(" <{link}>\n")).unwrap(),
        Invitation::Link(link.into())
    );
}

#[test]
fn an_alias_is_believed_only_when_its_user_signed_it() {
    let (user, room) = (keys(1), keys(2).id());
    let signed = sign(&user, &room, "alice");
    let uri = |signature: &str, alias: &str, at: &str| {
        format!(
            "ssb:experimental?action=consume-alias&alias={alias}&userId={}&signature={}&roomId={}&multiserverAddress={}",
            percent(&user.id().to_string()),
            percent(signature),
            percent(&room.to_string()),
            percent(at)
        )
    };
    let here = address(room);
    let bare = signed.trim_end_matches(".sig.ed25519");
    let url_safe = bare.replace('+', "-").replace('/', "_");
    for signature in [
        signed.as_str(),
        bare,
        &url_safe,
        url_safe.trim_end_matches('='),
    ] {
        let Invitation::Alias(alias) = Invitation::parse(&uri(signature, "alice", &here)).unwrap()
        else {
            panic!("no alias");
        };
        assert_eq!((alias.user, alias.room), (user.id(), room));
        assert_eq!(alias.tunnel().target, user.id());
    }
    for (signature, alias, at, why) in [
        (signed.as_str(), "alicf", here.as_str(), "signature"),
        (&sign(&keys(3), &room, "alice"), "alice", &here, "signature"),
        (
            &sign(&user, &keys(4).id(), "alice"),
            "alice",
            &here,
            "signature",
        ),
        ("AAAA", "alice", &here, "signature"),
        (&signed, "alice", &address(keys(5).id()), "another room"),
        (&signed, "a%20b", &here, "characters"),
        (&signed, "alice", "net:x", "address"),
    ] {
        let error = Invitation::parse(&uri(signature, alias, at))
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{error} should say {why}");
    }
}

#[test]
fn says_why_a_text_is_no_invite() {
    for (text, why) in [
        (String::new(), "no invite"),
        ("\" \"".into(), "no invite"),
        ("hello".into(), "no address"),
        (format!("net:h:1~shs:{KEY}"), "an address, not an invite"),
        (format!("ws:h:1~shs:{KEY}:{SEED}"), "not supported: ws"),
        (format!("h:1:@{KEY}.ed25519~{}", &SEED[..40]), "seed"),
        (
            "ssb:experimental?action=start-http-auth&sid=1".into(),
            "start-http-auth",
        ),
        (
            "ssb:experimental?action=claim-http-invite&invite=1".into(),
            "postTo",
        ),
        ("ssb:experimental?invite=%".into(), "percent"),
        ("ssb:experimental?a=b".into(), "action"),
        ("x".repeat(5000), "not longer"),
    ] {
        let error = Invitation::parse(&text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn answers_of_rooms() {
    let good = json!({"status": "successful", "invite": "c", "postTo": "https://r.example/p"});
    assert!(matches!(page(&good), Ok(Page::Invite(claim)) if claim.invite == "c"));
    let taken = json!({"status": "successful", "multiserverAddress": "net:x"});
    assert_eq!(claimed(&taken).unwrap(), "net:x");
    let refused = json!({"status": "failed", "error": "this invite\u{7} was used"});
    for error in [page(&refused).unwrap_err(), claimed(&refused).unwrap_err()] {
        assert_eq!(error.to_string(), "the server says: this invite was used");
    }
    for answer in [
        json!({}),
        json!([]),
        json!(7),
        json!({"status": "successful"}),
        json!({"status": 1}),
    ] {
        assert!(
            matches!(page(&answer), Err(AnswerError::Missing(_))),
            "{answer}"
        );
        assert!(
            matches!(claimed(&answer), Err(AnswerError::Missing(_))),
            "{answer}"
        );
    }
    let (user, room) = (keys(1), keys(2).id());
    let alias = json!({
        "status": "successful", "alias": "bob", "userId": user.id(), "roomId": room,
        "signature": sign(&user, &room, "bob"), "multiserverAddress": address(room),
    });
    assert!(matches!(page(&alias), Ok(Page::Alias(found)) if found.alias == "bob"));
    let mut forged = alias.clone();
    forged["alias"] = json!("eve");
    assert!(matches!(
        page(&forged),
        Err(AnswerError::Alias(AliasError::Signature))
    ));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(ssb:experimental\\?|https://|net:)?[a-zA-Z0-9:;~!@%?&=#/+ \n-]{0,120}") {
        let _ = Invitation::parse(&text);
    }
}
