//! A progress bar: on standard error, and only when that is a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar while something long goes on; it vanishes when it is dropped.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar for `what`; `total` is its size in bytes, where it is known.
    pub(crate) fn new(what: &str, total: Option<u64>) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar =
            ProgressBar::with_draw_target(total, target).with_message(super::table::harmless(what));
        Self(bar.with_style(style(total.is_some())))
    }

    /// That so many bytes are done, from the start.
    pub(crate) fn at(&self, bytes: u64) {
        self.0.set_position(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// No colours, whatever NO_COLOR says.
fn style(bounded: bool) -> ProgressStyle {
    let template = if bounded {
        "{msg} [{bar:30}] {binary_bytes}/{binary_total_bytes} {eta}"
    } else {
        "{msg} {spinner} {binary_bytes} {elapsed}"
    };
    // A template that indicatif does not take would be a fault of ours; its own bar still serves.
    ProgressStyle::with_template(template).map_or_else(
        |_| ProgressStyle::default_bar(),
        |s| s.progress_chars("=> "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_templates_are_understood() {
        for template in [
            "{msg} [{bar:30}] {binary_bytes}/{binary_total_bytes} {eta}",
            "{msg} {spinner} {binary_bytes} {elapsed}",
        ] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn it_counts() {
        let progress = Progress::new("x\n", Some(10));
        progress.at(3);
        progress.at(4);
        assert_eq!(progress.0.position(), 4);
        assert_eq!(progress.0.message(), "x\\n");
    }
}
