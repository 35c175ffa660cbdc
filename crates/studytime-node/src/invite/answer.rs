//! What the servers of rooms answer, as JSON.

use super::Claim;
use super::alias::{Alias, AliasError, Fields};
use serde_json::Value;

/// What is behind a link of a room's pages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// An invite that can be claimed.
    Invite(Claim),
    /// Somebody's alias.
    Alias(Box<Alias>),
}

/// Why an answer is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AnswerError {
    /// The server said why, for people.
    #[error("the server says: {0}")]
    Refused(String),
    #[error("the server's answer lacks its {0}")]
    Missing(&'static str),
    #[error(transparent)]
    Alias(#[from] AliasError),
}

/// What the server said went wrong, if it did.
pub(crate) fn refusal(answer: &Value) -> Option<String> {
    let text = |name| answer.get(name).and_then(Value::as_str);
    if text("status") == Some("successful") {
        return None;
    }
    let said = text("error").or(text("message")).or(text("status"))?;
    let said: String = said.chars().filter(|c| !c.is_control()).take(300).collect();
    (!said.is_empty()).then_some(said)
}

fn field<'a>(answer: &'a Value, name: &'static str) -> Result<&'a str, AnswerError> {
    let found = answer.get(name).and_then(Value::as_str);
    found
        .filter(|v| !v.is_empty())
        .ok_or(AnswerError::Missing(name))
}

fn successful(answer: &Value) -> Result<(), AnswerError> {
    if answer.get("status").and_then(Value::as_str) == Some("successful") {
        return Ok(());
    }
    Err(match refusal(answer) {
        Some(said) => AnswerError::Refused(said),
        None => AnswerError::Missing("status"),
    })
}

/// Reads what a room's page says when asked with `encoding=json`.
pub(crate) fn page(answer: &Value) -> Result<Page, AnswerError> {
    successful(answer)?;
    if answer.get("alias").is_some() {
        let alias = Alias::read(&Fields {
            alias: field(answer, "alias")?,
            user: field(answer, "userId")?,
            room: field(answer, "roomId")?,
            signature: field(answer, "signature")?,
            address: field(answer, "multiserverAddress")?,
        })?;
        return Ok(Page::Alias(Box::new(alias)));
    }
    Ok(Page::Invite(Claim {
        invite: field(answer, "invite")?.to_owned(),
        post_to: field(answer, "postTo")?.to_owned(),
    }))
}

/// The address of the room that took a claim.
pub(crate) fn claimed(answer: &Value) -> Result<&str, AnswerError> {
    successful(answer)?;
    field(answer, "multiserverAddress")
}
