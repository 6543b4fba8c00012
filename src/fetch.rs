//! Downloads on the screen.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use gan_data::source::download::Progress;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::progress::Screen;

/// Between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How much of a file has arrived: a bar, or a line every few seconds.
pub(crate) struct Transfer<'a> {
    screen: &'a Screen,
    current: RefCell<Option<Current>>,
}

/// The file that is being fetched.
struct Current {
    file: String,
    bar: Option<ProgressBar>,
    said: Instant,
}

impl<'a> Transfer<'a> {
    /// Of one file, or several one after the other.
    pub(crate) fn new(screen: &'a Screen) -> Self {
        Self {
            screen,
            current: RefCell::new(None),
        }
    }

    /// Shows how far a file is.
    pub(crate) fn show(&self, progress: Progress<'_>) {
        let mut current = self.current.borrow_mut();
        let same = current
            .take()
            .filter(|current| current.file == progress.file);
        let current = current.insert(same.unwrap_or_else(|| self.begin(&progress)));
        if let Some(bar) = &current.bar {
            bar.set_position(progress.received);
        } else if current.said.elapsed() >= LINE_EVERY {
            current.said = Instant::now();
            let Progress { file, received, .. } = progress;
            let [received, total] = [received, progress.total].map(HumanBytes);
            let line = format!("fetching {file}: {received} of {total}");
            self.screen.say(line);
        }
    }

    fn begin(&self, progress: &Progress<'_>) -> Current {
        let template =
            "fetching {msg} {wide_bar:.cyan} {binary_bytes} of {binary_total_bytes}  {eta} left";
        let style = ProgressStyle::with_template(template).expect("the template is correct");
        let bar = self.screen.has_bars().then(|| {
            let bar = ProgressBar::new(progress.total).with_style(style);
            // What came earlier says nothing about the time that is left.
            bar.set_position(progress.received);
            bar.reset_eta();
            bar.with_message(progress.file.to_owned())
        });
        Current {
            file: progress.file.to_owned(),
            bar,
            said: Instant::now(),
        }
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
