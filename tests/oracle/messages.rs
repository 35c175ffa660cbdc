//! Verdict and id of messages.

use crate::ask::{Oracle, folder};
use crate::case::{Case, Judged, assert_agreement, judge_all, ours};
use crate::generate::Generator;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};

/// Generated messages: as many from the same seed every time, and from a fresh one.
const CASES: usize = 20_000;
/// Asked at once.
const BATCH: usize = 500;

fn number_from_env(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} should be a number, not {text:?}")),
    )
}

/// Asks about `count` generated messages, and counts what was said of them.
fn compare(oracle: &mut Oracle, seed: u64, count: usize) -> BTreeMap<String, usize> {
    println!("seed {seed}");
    let mut generator = Generator::new(seed);
    let mut said = BTreeMap::new();
    let (mut cases, mut judged): (Vec<Case>, Vec<Judged>) = Default::default();
    let mut left = count;
    while left > 0 && judged.iter().all(Judged::agree) {
        cases = generator.by_ref().take(left.min(BATCH)).collect();
        judged = judge_all(oracle, &cases);
        left -= cases.len();
        for judged in &judged {
            let kind = judged.ours.as_ref().map_or_else(|kind| *kind, |_| "valid");
            *said.entry(kind.to_owned()).or_default() += 1;
        }
    }
    assert_agreement(
        oracle,
        format_args!("STUDYTIME_ORACLE_SEED={seed}"),
        &cases,
        &judged,
    );
    said
}

/// Every rule decides some of the generated messages, so none goes untested.
#[test]
fn generated_messages_are_judged_alike() {
    let count = number_from_env("STUDYTIME_ORACLE_CASES").map_or(CASES, |n| n as usize);
    let mut oracle = Oracle::start();
    let said = compare(&mut oracle, 1, count);
    println!("{said:?}");
    let total: usize = said.values().sum();
    let valid = said.get("valid").copied().unwrap_or_default();
    assert!((total / 4..total * 3 / 4).contains(&valid), "{said:?}");
    if count >= CASES {
        let kinds: BTreeSet<&str> = said.keys().map(String::as_str).collect();
        let expected = [
            "valid",
            "hmac",
            "not_json",
            "fields",
            "author",
            "bad_key",
            "sequence",
            "previous",
            "timestamp",
            "hash",
            "content",
            "content_type",
            "too_long",
            "signature_form",
            "wrong_signature",
            "not_first",
            "gap",
            "old",
            "fork",
        ];
        assert_eq!(kinds, BTreeSet::from(expected), "{said:?}");
    }
}

#[test]
fn fresh_messages_are_judged_alike() {
    let count = number_from_env("STUDYTIME_ORACLE_CASES").map_or(CASES, |n| n as usize);
    let fresh = || RandomState::new().hash_one(0);
    let seed = number_from_env("STUDYTIME_ORACLE_SEED").unwrap_or_else(fresh);
    compare(&mut Oracle::start(), seed, count);
}

/// The test data that other implementations are measured by.
#[test]
fn the_validation_dataset_is_judged_alike() {
    let mut oracle = Oracle::start();
    let dataset = oracle.ask(&json!({ "ask": "dataset" }));
    let entries = dataset.as_array().unwrap();
    assert!(entries.len() >= 126, "{}", entries.len());
    let mut valid = 0;
    for entry in entries {
        let text = entry["text"].as_str().unwrap();
        let state = entry["state"]
            .as_array()
            .map(|s| (s[0].as_str().unwrap().to_owned(), s[1].as_u64().unwrap()));
        let verdict = match &entry["hmac"] {
            Value::Null => ours(text, None, state.as_ref()),
            Value::String(key) => ours(text, Some(key), state.as_ref()),
            // No key at all: nothing a key can be read from.
            _ => Err("hmac"),
        };
        let theirs = entry["id"].as_str().map(str::to_owned);
        assert_eq!(verdict.clone().ok(), theirs, "{verdict:?} {entry}");
        assert_eq!(entry["valid"], verdict.is_ok());
        valid += usize::from(verdict.is_ok());
    }
    assert!(valid >= 27, "{valid}");
}

/// What is recorded is still what the oracle says. (That it is what we say is
/// tested by `recorded_verdicts`, without it.)
#[test]
fn recorded_verdicts_are_the_oracles() {
    let mut oracle = Oracle::start();
    let mut seen = 0;
    for file in std::fs::read_dir(folder().join("cases")).unwrap() {
        let path = file.unwrap().path();
        let lines: Vec<Value> = std::fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let answers = oracle.ask(&json!({ "ask": "messages", "items": lines }));
        for (line, answer) in lines.iter().zip(answers.as_array().unwrap()) {
            assert_eq!(answer["valid"], line["valid"], "{path:?} {line} {answer}");
            assert_eq!(answer["id"], line["id"], "{path:?} {line} {answer}");
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}
