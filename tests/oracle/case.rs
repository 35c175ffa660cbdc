//! One message of a test: asked of both sides, compared, shrunk, recorded.

use crate::ask::Oracle;
use crate::shrink::shrink;
use serde_json::{Value, json};
use std::fmt;
use studytime_schema::check::judge;
use studytime_schema::{HmacKey, MessageId, Tip};

/// A message as text, in which `{SIG}` stands for the 88 characters of the
/// signature over it, and `{SIG86}` for the first 86 of them.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) text: String,
    /// Whose signature is wanted: the oracle signs, so that its spelling counts.
    pub(crate) seed: Option<u8>,
    pub(crate) sign_hmac: Option<String>,
    /// The network's key in the verdict.
    pub(crate) hmac: Option<String>,
    /// Id and sequence of the last message.
    pub(crate) state: Option<(String, u64)>,
}

/// What both say of it.
#[derive(Debug)]
pub(crate) struct Judged {
    /// The text that was judged, with its signature.
    pub(crate) text: String,
    /// Our id, or our kind of refusal.
    pub(crate) ours: Result<String, &'static str>,
    /// Their id, or their words.
    pub(crate) theirs: Result<String, String>,
}

/// The longest text of a message that is read here.
const MAX_BYTES: usize = 64 * 1024;

impl Judged {
    pub(crate) fn agree(&self) -> bool {
        match (&self.ours, &self.theirs) {
            (Ok(a), Ok(b)) => a == b,
            (Err(_), Err(_)) => true,
            // Ours reads no text beyond this, which is documented; theirs may, where
            // one key hides what another with the same name holds.
            (Err("too_many_bytes"), Ok(_)) => self.text.len() > MAX_BYTES,
            _ => false,
        }
    }
}

/// Our verdict, on a key and a state given as text.
pub(crate) fn ours(
    text: &str,
    hmac: Option<&str>,
    state: Option<&(String, u64)>,
) -> Result<String, &'static str> {
    let hmac: Option<HmacKey> = match hmac.map(str::parse) {
        None => None,
        Some(Ok(key)) => Some(key),
        Some(Err(_)) => return Err("hmac"),
    };
    let tip = state.map(|(id, sequence)| Tip {
        id: MessageId::from_sigil(id).expect("states hold sound ids"),
        sequence: *sequence,
    });
    judge(text.as_bytes(), hmac.as_ref(), tip.as_ref())
        .map(|message| message.id().to_string())
        .map_err(|refusal| refusal.kind())
}

/// Asks both sides about all of them.
pub(crate) fn judge_all(oracle: &mut Oracle, cases: &[Case]) -> Vec<Judged> {
    let items: Vec<Value> = cases.iter().map(Case::question).collect();
    let answers = oracle.ask(&json!({ "ask": "messages", "items": items }));
    let answers = answers.as_array().expect("a list");
    assert_eq!(answers.len(), cases.len());
    let both = cases.iter().zip(answers);
    both.map(|(case, answer)| {
        let text = case.signed(answer["signature"].as_str());
        Judged {
            ours: ours(&text, case.hmac.as_deref(), case.state.as_ref()),
            theirs: match answer["valid"].as_bool() {
                Some(true) => Ok(answer["id"].as_str().expect("an id").to_owned()),
                _ => Err(answer["why"].as_str().unwrap_or_default().to_owned()),
            },
            text,
        }
    })
    .collect()
}

impl Case {
    fn question(&self) -> Value {
        json!({
            "text": self.text, "seed": self.seed, "sign_hmac": self.sign_hmac,
            "hmac": self.hmac, "state": self.state,
        })
    }

    fn signed(&self, signature: Option<&str>) -> String {
        if self.seed.is_none() {
            return self.text.clone();
        }
        let none = "A".repeat(86) + "==";
        let signature = signature.unwrap_or(&none);
        self.text
            .replace("{SIG86}", &signature[..86])
            .replace("{SIG}", signature)
    }

    /// The smallest case found on which the two sides still disagree, as a line
    /// for `interop/cases`.
    pub(crate) fn shrunk(mut self, oracle: &mut Oracle) -> String {
        for simpler in [
            Case {
                state: None,
                ..self.clone()
            },
            Case {
                hmac: None,
                sign_hmac: None,
                ..self.clone()
            },
        ] {
            if !judge_all(oracle, std::slice::from_ref(&simpler))[0].agree() {
                self = simpler;
            }
        }
        let text = shrink(&self.text, |candidates| {
            let cases: Vec<Case> = candidates
                .iter()
                .map(|text| Case {
                    text: text.clone(),
                    ..self.clone()
                })
                .collect();
            judge_all(oracle, &cases)
                .iter()
                .position(|judged| !judged.agree())
        });
        self.text = text;
        let judged = judge_all(oracle, std::slice::from_ref(&self)).remove(0);
        record(&self, &judged)
    }
}

/// A line for `interop/cases`: the message, and what ssb-validate says.
pub(crate) fn record(case: &Case, judged: &Judged) -> String {
    json!({
        "name": format!("found: here {:?}", judged.ours),
        "text": judged.text, "hmac": case.hmac, "state": case.state,
        "valid": judged.theirs.is_ok(), "id": judged.theirs.as_ref().ok(),
    })
    .to_string()
}

/// Fails with every disagreement in the smallest form found.
pub(crate) fn assert_agreement(
    oracle: &mut Oracle,
    from: impl fmt::Display,
    cases: &[Case],
    judged: &[Judged],
) {
    let bad: Vec<usize> = (0..cases.len()).filter(|&i| !judged[i].agree()).collect();
    if bad.is_empty() {
        return;
    }
    let mut text = format!(
        "{} of {} messages are judged otherwise than by ssb-validate ({from}); shrunk, as lines for \
         interop/cases/found.jsonl:\n",
        bad.len(),
        cases.len()
    );
    for &i in bad.iter().take(5) {
        text.push_str(&cases[i].clone().shrunk(oracle));
        text.push_str(&format!(
            "\n  here {:?}, there {:?}\n",
            judged[i].ours, judged[i].theirs
        ));
    }
    panic!("{text}");
}
