//! Messages whose verdict and id ssb-validate gave: judged here without asking
//! it again. `interop/cases` says where they come from.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use std::path::Path;
use studytime_schema::check::judge;
use studytime_schema::{HmacKey, Message, MessageId, Tip};

#[test]
fn recorded_verdicts_are_given_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/cases");
    let (mut valid, mut refused) = (0, 0);
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let verdict = verdict(&case);
            let id = verdict.as_ref().map(|message| message.id().to_string());
            assert_eq!(
                id.as_deref().ok(),
                case["id"].as_str(),
                "{verdict:?}\n{line}"
            );
            assert_eq!(
                verdict.is_ok(),
                case["valid"] == true,
                "{verdict:?}\n{line}"
            );
            match verdict {
                Ok(message) => {
                    // What is stored and sent on is the same message to everybody.
                    let again = Message::from_log(message.wire().as_bytes());
                    assert_eq!(again.as_ref(), Ok(&message), "{line}");
                    valid += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(valid > 20 && refused > 20, "{valid} {refused}");
}

fn verdict(case: &Value) -> Result<Message, String> {
    let hmac: Option<HmacKey> = match case["hmac"].as_str() {
        Some(key) => Some(key.parse().map_err(|e| format!("{e}"))?),
        None => None,
    };
    let tip = case["state"].as_array().map(|state| Tip {
        id: MessageId::from_sigil(state[0].as_str().unwrap()).unwrap(),
        sequence: state[1].as_u64().unwrap(),
    });
    let text = case["text"].as_str().unwrap();
    judge(text.as_bytes(), hmac.as_ref(), tip.as_ref()).map_err(|e| e.to_string())
}
