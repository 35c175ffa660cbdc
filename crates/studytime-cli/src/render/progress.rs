//! Progress bars on a terminal's standard error.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;
use studytime_node::api::{Progress, ProgressUnit};

/// The bar of one request; it shows up with the first report and is taken away
/// when this is dropped.
#[derive(Debug)]
pub(crate) struct Bars {
    enabled: bool,
    bar: Option<ProgressBar>,
    /// What the bar is made for: unit, and whether the total is known.
    shape: Option<(ProgressUnit, bool)>,
}

impl Bars {
    pub(super) fn new(enabled: bool) -> Self {
        Self {
            enabled,
            bar: None,
            shape: None,
        }
    }

    /// Shows how far it has come.
    pub(crate) fn update(&mut self, progress: Progress) {
        if !self.enabled {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(0);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        // A stage that starts over counts its own speed.
        if progress.done < bar.position() {
            bar.reset();
        }
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        let shape = (progress.unit, progress.total > 0);
        if self.shape != Some(shape) {
            self.shape = Some(shape);
            bar.set_style(look(shape));
        }
        bar.set_prefix(super::text::clean(&progress.stage));
        bar.set_message(super::text::clean(
            progress.current.as_deref().unwrap_or_default(),
        ));
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn look(shape: (ProgressUnit, bool)) -> ProgressStyle {
    let template = match shape {
        (ProgressUnit::Bytes, true) => {
            "{prefix} {bar:28} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}  {wide_msg}"
        }
        (ProgressUnit::Bytes, false) => "{spinner} {prefix} {bytes}  {wide_msg}",
        (_, true) => "{prefix} {bar:28} {pos}/{len}  {wide_msg}",
        (_, false) => "{spinner} {prefix} {wide_msg}",
    };
    let style = ProgressStyle::with_template(template);
    style
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}
