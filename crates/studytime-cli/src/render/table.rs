//! Tables that fit the terminal.

use super::text::clean;
use console::{measure_text_width, style, truncate_str};

/// Between two columns.
const GAP: usize = 2;
/// A column is not cut below this.
const NARROWEST: usize = 12;

/// How a column deals with the room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Always whole: ids and addresses are copied from here.
    Whole,
    /// Cut on a narrow terminal.
    Cut,
    /// Whole, to the right.
    Number,
}

/// Rows under a header.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Fit)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(columns: [(&'static str, Fit); N]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row of as many cells as there are columns.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(cells.iter().map(|c| clean(c)).collect());
    }

    /// Appends the table; columns that are empty in all rows are left out.
    pub(super) fn write(&self, out: &mut String, room: Option<usize>) {
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|i| {
                self.rows
                    .iter()
                    .any(|row| row.get(*i).is_some_and(|c| !c.is_empty()))
            })
            .collect();
        let widths = self.widths(&shown, room);
        let header: Vec<&str> = shown.iter().map(|i| self.columns[*i].0).collect();
        let mut lines = vec![self.line(&shown, &widths, &header)];
        for row in &self.rows {
            let cells: Vec<&str> = shown
                .iter()
                .map(|i| row.get(*i).map_or("", String::as_str))
                .collect();
            lines.push(self.line(&shown, &widths, &cells));
        }
        for (i, line) in lines.iter().enumerate() {
            match i {
                0 => out.push_str(&style(line.trim_end()).dim().to_string()),
                _ => out.push_str(line.trim_end()),
            }
            out.push('\n');
        }
    }

    fn widths(&self, shown: &[usize], room: Option<usize>) -> Vec<usize> {
        let width_of = |i: usize| {
            let cells = self
                .rows
                .iter()
                .filter_map(|row| row.get(i))
                .map(|c| measure_text_width(c));
            cells
                .max()
                .unwrap_or(0)
                .max(measure_text_width(self.columns[i].0))
        };
        let mut widths: Vec<usize> = shown.iter().map(|i| width_of(*i)).collect();
        let Some(room) = room else { return widths };
        // The widest column that may be cut gives first, so that all stay readable.
        let gaps = GAP * widths.len().saturating_sub(1);
        loop {
            let total = widths.iter().sum::<usize>() + gaps;
            let widest = (0..widths.len())
                .filter(|n| self.columns[shown[*n]].1 == Fit::Cut && widths[*n] > NARROWEST)
                .max_by_key(|n| widths[*n]);
            match widest {
                Some(n) if total > room => widths[n] -= 1,
                _ => return widths,
            }
        }
    }

    fn line(&self, shown: &[usize], widths: &[usize], cells: &[&str]) -> String {
        let mut line = String::new();
        for ((column, width), cell) in shown.iter().zip(widths).zip(cells) {
            let cell = truncate_str(cell, *width, "…");
            let pad = " ".repeat(width.saturating_sub(measure_text_width(&cell)));
            match self.columns[*column].1 {
                Fit::Number => line.extend([pad.as_str(), &cell]),
                Fit::Whole | Fit::Cut => line.extend([cell.as_ref(), &pad]),
            }
            line.push_str(&" ".repeat(GAP));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(room: Option<usize>) -> String {
        let mut table = Table::new([
            ("Name", Fit::Cut),
            ("Empty", Fit::Cut),
            ("N", Fit::Number),
            ("Id", Fit::Whole),
        ]);
        table.row([
            "A name that is rather long".into(),
            String::new(),
            "7".into(),
            "@abcdefgh".into(),
        ]);
        table.row(["Bäume\x1b".into(), String::new(), "12".into(), "@x".into()]);
        let mut out = String::new();
        table.write(&mut out, room);
        console::strip_ansi_codes(&out).into_owned()
    }

    #[test]
    fn columns_line_up_and_empty_ones_are_left_out() {
        assert_eq!(
            sample(None),
            "Name                         N  Id\n\
             A name that is rather long   7  @abcdefgh\n\
             Bäume\u{fffd}                      12  @x\n"
        );
    }

    #[test]
    fn a_narrow_terminal_cuts_names_but_never_ids() {
        let text = sample(Some(30));
        assert!(text.lines().all(|l| measure_text_width(l) <= 30), "{text}");
        assert!(text.contains('…') && text.contains("@abcdefgh"), "{text}");
        assert!(sample(Some(3)).contains("@abcdefgh"));
    }
}
