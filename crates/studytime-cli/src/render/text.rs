//! Text for people.

use super::Table;
use console::style;
use std::fmt::Write as _;

/// Collects what is printed at once.
#[derive(Debug)]
pub(crate) struct Text {
    buffer: String,
    width: Option<usize>,
}

impl Text {
    pub(super) fn new(width: Option<usize>) -> Self {
        Self {
            buffer: String::new(),
            width,
        }
    }

    pub(super) fn finish(self) -> String {
        self.buffer
    }

    /// One line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        self.buffer.push_str(&clean(text.as_ref()));
        self.buffer.push('\n');
    }

    /// A line that stands out.
    pub(crate) fn heading(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.buffer, "{}", style(clean(text.as_ref())).bold());
    }

    /// A line that stands back.
    pub(crate) fn dim(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.buffer, "{}", style(clean(text.as_ref())).dim());
    }

    /// An empty line.
    pub(crate) fn gap(&mut self) {
        self.buffer.push('\n');
    }

    /// A text of many lines, as somebody wrote it.
    pub(crate) fn block(&mut self, text: &str) {
        self.buffer.push_str(clean_lines(text.trim_end()).as_str());
        self.buffer.push('\n');
    }

    /// Labelled values beneath each other; empty ones are left out.
    pub(crate) fn facts<const N: usize>(&mut self, facts: [(&str, String); N]) {
        let shown = || facts.iter().filter(|(_, value)| !value.is_empty());
        let width = shown().map(|(label, _)| label.len()).max().unwrap_or(0);
        for (label, value) in shown() {
            let label = format!("{label:width$}");
            let _ = writeln!(self.buffer, "{}  {}", style(label).dim(), clean(value));
        }
    }

    /// A table.
    pub(crate) fn table(&mut self, table: &Table) {
        table.write(&mut self.buffer, self.width);
    }
}

/// `text` on one line, without what could move the cursor or turn the reading
/// direction.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if harmful(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Like [`clean`], but lines and tabs stay.
pub(super) fn clean_lines(text: &str) -> String {
    let kept = text.chars().filter(|c| *c != '\r');
    kept.map(|c| {
        if c != '\n' && c != '\t' && harmful(c) {
            '\u{fffd}'
        } else {
            c
        }
    })
    .collect()
}

fn harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A size for people.
pub(crate) fn bytes(n: u64) -> String {
    indicatif::HumanBytes(n).to_string()
}

/// `1 lesson`, `2 lessons`.
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        _ => format!("{} {many}", indicatif::HumanCount(n)),
    }
}

/// The day (UTC) of a time in milliseconds since 1970; empty for 0.
pub(crate) fn date(ms: u64) -> String {
    if ms == 0 {
        return String::new();
    }
    // Days since 1970 to a date of the Gregorian calendar, counted in years that
    // begin in March so that the leap day comes last.
    let days = ms / 86_400_000 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (ms, day) in [
            (1, "1970-01-01"),
            (951_782_399_999, "2000-02-28"),
            (951_782_400_000, "2000-02-29"),
            (951_868_800_000, "2000-03-01"),
            (1_735_689_599_000, "2024-12-31"),
            (1_735_689_600_000, "2025-01-01"),
            (4_107_542_400_000, "2100-03-01"),
        ] {
            assert_eq!(date(ms), day, "{ms}");
        }
        assert_eq!(date(0), "");
    }

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(
            clean("a\x1b[2Jb\nc\u{9b}d\u{202e}e"),
            "a\u{fffd}[2Jb c\u{fffd}d\u{fffd}e"
        );
        assert_eq!(clean_lines("a\r\n\tb\x07"), "a\n\tb\u{fffd}");
    }
}
