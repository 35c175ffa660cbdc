//! `feed check`: messages judged one by one, without a node.

use crate::args::FeedCheck;
use crate::context::Context;
use crate::failure::{Failure, file_error};
use crate::render::Out;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use studytime_node::api::{ApiError, ErrorKind};
use studytime_schema::check::{LineChecker, Refusal};
use studytime_schema::{Message, MessageId};

/// How much is read at once.
const PIECE: usize = 256 * 1024;
/// So many verdicts are written at once: one by one, writing takes longer than
/// judging.
const TOLD_AT_ONCE: usize = 1_000;

/// What is said of one line.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Verdict {
    #[serde(skip)]
    line: u64,
    valid: bool,
    /// `None` when the line is no message that could have one.
    id: Option<MessageId>,
    /// For people.
    error: Option<String>,
    /// For programs.
    kind: Option<&'static str>,
}

impl Verdict {
    fn new(line: u64, judged: Result<Message, Refusal>) -> Self {
        match judged {
            Ok(message) => Self {
                line,
                valid: true,
                id: Some(message.id()),
                error: None,
                kind: None,
            },
            Err(refusal) => Self {
                line,
                valid: false,
                id: refusal.id(),
                error: Some(refusal.to_string()),
                kind: Some(refusal.kind()),
            },
        }
    }
}

/// Verdicts that wait to be written, and what was counted.
struct Verdicts<'a> {
    out: &'a Out,
    waiting: Vec<Verdict>,
    lines: u64,
    invalid: u64,
}

impl Verdicts<'_> {
    fn add(&mut self, verdict: Verdict) -> Result<(), Failure> {
        self.lines = verdict.line;
        self.invalid += u64::from(!verdict.valid);
        self.waiting.push(verdict);
        if self.waiting.len() < TOLD_AT_ONCE {
            return Ok(());
        }
        self.tell()
    }

    fn tell(&mut self) -> Result<(), Failure> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.out.list(&self.waiting, |t| {
            for v in &self.waiting {
                let line = v.line;
                t.line(match (&v.id, &v.error) {
                    (Some(id), None) => format!("line {line}: valid, {id}"),
                    (_, error) => {
                        let error = error.as_deref().unwrap_or_default();
                        format!("line {line}: invalid: {error}")
                    }
                });
            }
        })?;
        self.waiting.clear();
        Ok(())
    }
}

pub(super) async fn run(context: &Context, args: FeedCheck) -> Result<(), Failure> {
    let out = context.out.clone();
    context.aside(move || check(&out, &args)).await
}

fn check(out: &Out, args: &FeedCheck) -> Result<(), Failure> {
    let mut input = open(&args.file)?;
    let mut verdicts = Verdicts {
        out,
        waiting: Vec::new(),
        lines: 0,
        invalid: 0,
    };
    let mut checker = LineChecker::new(args.hmac, args.tip);
    let mut piece = vec![0; PIECE];
    loop {
        let n = match input.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(file_error(&args.file, &e).into()),
        };
        let bytes = piece.get(..n).unwrap_or_default();
        checker.push(bytes, |line, judged| {
            verdicts.add(Verdict::new(line, judged))
        })?;
        // What has come so far is answered before more is waited for.
        verdicts.tell()?;
    }
    checker.finish(|line, judged| verdicts.add(Verdict::new(line, judged)))?;
    verdicts.tell()?;
    let Verdicts { lines, invalid, .. } = verdicts;
    match invalid {
        0 => Ok(()),
        _ => {
            out.note(&format!("{invalid} of {lines} are invalid"));
            Err(Failure::Reported(ErrorKind::Refused))
        }
    }
}

fn open(path: &Path) -> Result<Box<dyn Read>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path).map_err(|e| file_error(path, &e))?;
    let is_dir = file.metadata().is_ok_and(|m| m.is_dir());
    if is_dir {
        return Err(ApiError::refused(format!(
            "{} is a folder, not a file of messages",
            path.display()
        ))
        .into());
    }
    Ok(Box::new(file))
}
