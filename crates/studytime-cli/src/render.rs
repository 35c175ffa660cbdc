//! The only printer: results to standard output, everything else to standard error.
//!
//! For people: text and tables, colours on a terminal. With `--json`: one value
//! a line. Names and texts come from strangers' feeds, so control characters
//! never reach the terminal.

mod progress;
mod table;
mod text;

pub(crate) use progress::Bars;
pub(crate) use table::{Fit, Table};
pub(crate) use text::{Text, bytes, count, date};

use crate::failure::Failure;
use console::{Term, style};
use serde::Serialize;
use std::io::{self, Write};
use studytime_node::api::{ApiError, ErrorKind};

/// How to print.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    json: bool,
    quiet: bool,
    /// Columns of the terminal; `None` when standard output is none.
    width: Option<usize>,
    /// Whether standard error is a terminal.
    bars: bool,
}

impl Out {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let term = Term::stdout();
        let width = term.is_term().then(|| usize::from(term.size().1));
        Self {
            json,
            quiet,
            width,
            bars: !json && !quiet && Term::stderr().is_term(),
        }
    }

    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// One result: as it is for `--json`, as `text` writes it for people.
    pub(crate) fn value<T: Serialize + ?Sized>(
        &self,
        value: &T,
        text: impl FnOnce(&mut Text),
    ) -> Result<(), Failure> {
        if self.json {
            return put(&line(value)?);
        }
        self.text(text)
    }

    /// A list: a line an entry for `--json`, as `text` writes it for people.
    pub(crate) fn list<T: Serialize>(
        &self,
        items: &[T],
        text: impl FnOnce(&mut Text),
    ) -> Result<(), Failure> {
        if self.json {
            let mut all = String::new();
            for item in items {
                all.push_str(&line(item)?);
            }
            return put(&all);
        }
        self.text(text)
    }

    fn text(&self, text: impl FnOnce(&mut Text)) -> Result<(), Failure> {
        let mut out = Text::new(self.width);
        text(&mut out);
        put(&out.finish())
    }

    /// A remark for people, on standard error.
    pub(crate) fn note(&self, text: &str) {
        if !self.json && !self.quiet {
            put_err(&format!("{}\n", text::clean(text)));
        }
    }

    /// A running long request's progress.
    pub(crate) fn bars(&self) -> Bars {
        Bars::new(self.bars)
    }
}

/// Prints an error before or after everything else; with `json` as
/// `{"error":{"kind","message","hint"}}`.
pub(crate) fn print_error(json: bool, error: &ApiError) {
    #[derive(Serialize)]
    struct Shape<'a> {
        error: &'a ApiError,
    }
    if json {
        if let Ok(text) = serde_json::to_string(&Shape { error }) {
            put_err(&format!("{text}\n"));
        }
        return;
    }
    let mut text = format!(
        "{} {}\n",
        style("error:").for_stderr().red().bold(),
        text::clean_lines(&error.message)
    );
    if let Some(hint) = &error.hint {
        text.push_str(&format!(
            "{} {}\n",
            style("hint:").for_stderr().cyan(),
            text::clean_lines(hint)
        ));
    }
    put_err(&text);
}

fn line<T: Serialize + ?Sized>(value: &T) -> Result<String, Failure> {
    let mut text = serde_json::to_string(value)
        .map_err(|e| ApiError::failed("the result cannot be written as JSON", &e))?;
    text.push('\n');
    Ok(text)
}

/// Writes bytes to standard output.
pub(crate) fn put_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Failure::ClosedPipe),
        Err(e) => Err(ApiError::new(
            ErrorKind::Failed,
            format!("standard output cannot be written: {e}"),
        )
        .into()),
    }
}

fn put(text: &str) -> Result<(), Failure> {
    put_bytes(text.as_bytes())
}

/// Nothing can be said when standard error is gone.
fn put_err(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
