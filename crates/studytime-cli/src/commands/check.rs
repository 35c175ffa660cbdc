//! `feed check`: messages judged one by one, without a node.

use crate::args::FeedCheck;
use crate::context::Context;
use crate::failure::{Failure, file_error};
use crate::render::Out;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;
use studytime_node::api::{ApiError, ErrorKind};
use studytime_schema::{HmacKey, Message, MessageId, Tip, chain};

/// The longest line that is read; what is longer cannot be a message.
const MAX_LINE: usize = 1 << 20;

/// What is said of one line.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Verdict {
    valid: bool,
    /// `None` when the line is no message that could have one.
    id: Option<MessageId>,
    error: Option<String>,
}

pub(super) async fn run(context: &Context, args: FeedCheck) -> Result<(), Failure> {
    let out = context.out.clone();
    context.aside(move || check(&out, &args)).await
}

fn check(out: &Out, args: &FeedCheck) -> Result<(), Failure> {
    let mut input = open(&args.file)?;
    let mut line = Vec::new();
    let (mut number, mut invalid) = (0_u64, 0_u64);
    while let Some(whole) =
        next_line(&mut input, &mut line).map_err(|e| file_error(&args.file, &e))?
    {
        number += 1;
        let verdict = match whole {
            true => judge(&line, args.hmac.as_ref(), args.tip.as_ref()),
            false => Verdict {
                valid: false,
                id: None,
                error: Some(format!(
                    "the line is longer than {MAX_LINE} bytes: no message is"
                )),
            },
        };
        invalid += u64::from(!verdict.valid);
        out.value(&verdict, |t| match (&verdict.id, &verdict.error) {
            (Some(id), None) => t.line(format!("line {number}: valid, {id}")),
            (_, error) => t.line(format!(
                "line {number}: invalid: {}",
                error.as_deref().unwrap_or_default()
            )),
        })?;
    }
    match invalid {
        0 => Ok(()),
        _ => {
            out.note(&format!("{invalid} of {number} are invalid"));
            Err(Failure::Reported(ErrorKind::Refused))
        }
    }
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
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
    Ok(Box::new(BufReader::with_capacity(256 * 1024, file)))
}

/// Reads a line without its end into `line`. `None` at the end of the input;
/// `Some(false)` when the line was too long, and was skipped.
fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    if (&mut *input)
        .take(MAX_LINE as u64 + 1)
        .read_until(b'\n', line)?
        == 0
    {
        return Ok(None);
    }
    if line.pop_if(|b| *b == b'\n').is_some() {
        line.pop_if(|b| *b == b'\r');
        return Ok(Some(true));
    }
    if line.len() <= MAX_LINE {
        return Ok(Some(true));
    }
    // The rest of it is passed over in pieces.
    loop {
        line.clear();
        let n = (&mut *input)
            .take(MAX_LINE as u64)
            .read_until(b'\n', line)?;
        if n == 0 || line.ends_with(b"\n") {
            line.clear();
            return Ok(Some(false));
        }
    }
}

/// As any peer would judge it that has the feed up to `tip`.
fn judge(wire: &[u8], hmac: Option<&HmacKey>, tip: Option<&Tip>) -> Verdict {
    let message = match Message::verify(wire, hmac) {
        Ok(message) => message,
        Err(error) => {
            return Verdict {
                valid: false,
                id: None,
                error: Some(words(&error)),
            };
        }
    };
    let error = chain::check(tip, &message).err().map(|e| words(&e));
    Verdict {
        valid: error.is_none(),
        id: Some(message.id()),
        error,
    }
}

/// An error with what caused it.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_skipped_and_the_next_one_is_read() {
        let mut text = vec![b'x'; 3 * MAX_LINE];
        text.extend_from_slice(b"\nshort\r\n\nlast");
        let mut input = BufReader::with_capacity(1000, text.as_slice());
        let mut line = Vec::new();
        let mut seen = Vec::new();
        while let Some(whole) = next_line(&mut input, &mut line).unwrap() {
            assert!(line.capacity() <= 4 * MAX_LINE);
            seen.push((whole, String::from_utf8(line.clone()).unwrap()));
        }
        let expected = [(false, ""), (true, "short"), (true, ""), (true, "last")];
        assert_eq!(seen, expected.map(|(w, l)| (w, l.to_owned())));
    }

    #[test]
    fn a_line_of_exactly_the_longest_length_is_read() {
        let text = [vec![b'x'; MAX_LINE], b"\n".to_vec()].concat();
        let mut line = Vec::new();
        assert_eq!(
            next_line(&mut text.as_slice(), &mut line).unwrap(),
            Some(true)
        );
        assert_eq!(line.len(), MAX_LINE);
    }
}
