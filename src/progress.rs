//! How far a run is, on the screen.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use gan_core::train::{Progress, ProgressSink};
use gan_core::words;
use indicatif::{ProgressBar, ProgressStyle};

/// Between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Where a program tells a person what it does: a bar and lines on stderr and stdout, or nothing.
///
/// Copies write to the same screen.
#[derive(Clone, Debug)]
pub struct Screen {
    quiet: bool,
    stderr: bool,
    bar: Option<ProgressBar>,
}

impl Screen {
    /// A screen, which stays empty if `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self {
            quiet,
            stderr: false,
            bar: None,
        }
    }

    /// One that says everything on stderr, for programs whose result goes to stdout.
    #[must_use]
    pub fn on_stderr(self) -> Self {
        Self {
            stderr: true,
            ..self
        }
    }

    /// Says something on stdout.
    pub fn say(&self, text: impl AsRef<str>) {
        if self.quiet {
            return;
        }
        // Not `println!`, which would panic when the reader of a pipe has gone.
        let _ = match self.stderr {
            true => writeln!(std::io::stderr(), "{}", text.as_ref()),
            false => writeln!(std::io::stdout(), "{}", text.as_ref()),
        };
    }

    /// Says on stderr what a person should know.
    pub fn note(&self, text: impl AsRef<str>) {
        if self.quiet {
            return;
        }
        let write = || {
            let _ = writeln!(std::io::stderr(), "note: {}", text.as_ref());
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Whether bars can be drawn on stderr.
    pub(crate) fn has_bars(&self) -> bool {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        !self.quiet && !dumb && std::io::stderr().is_terminal()
    }

    /// Adds the bar, if stderr is a terminal, and returns what moves it.
    pub fn sink(&mut self) -> ScreenSink {
        if self.has_bars() {
            let style = ProgressStyle::with_template("{wide_bar:.cyan} {percent:>3} %\n{msg}")
                .expect("the template is correct");
            self.bar = Some(ProgressBar::new(1000).with_style(style));
        }
        ScreenSink {
            screen: self.clone(),
            last: None,
        }
    }
}

/// How many of a number of pictures are done: a bar, or a line every few seconds.
pub(crate) struct Counter {
    screen: Screen,
    bar: Option<ProgressBar>,
    what: String,
    total: usize,
    done: usize,
    begin: Instant,
    said: Instant,
}

impl Counter {
    /// For `total` pictures of the set `what`.
    pub(crate) fn new(screen: &Screen, what: &str, total: usize) -> Self {
        let template = "{msg} {wide_bar:.cyan} {pos} of {len}  {per_sec}  {eta} left";
        let style = ProgressStyle::with_template(template).expect("the template is correct");
        let bar = screen.has_bars() && screen.bar.is_none();
        let bar = bar.then(|| {
            let bar = ProgressBar::new(total as u64).with_style(style);
            bar.with_message(what.to_owned())
        });
        Self {
            screen: screen.clone(),
            bar,
            what: what.to_owned(),
            total,
            done: 0,
            begin: Instant::now(),
            said: Instant::now(),
        }
    }

    /// So many more are done.
    pub(crate) fn advance(&mut self, count: usize) {
        self.done += count;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done as u64);
            return;
        }
        if self.said.elapsed() < LINE_EVERY {
            return;
        }
        self.said = Instant::now();
        let (done, total) = (self.done, self.total);
        let left = self
            .begin
            .elapsed()
            .mul_f64(total.saturating_sub(done) as f64 / done as f64);
        let line = format!(
            "{}: {done} of {total}  {} left",
            self.what,
            words::time(left)
        );
        self.screen.say(line);
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows the progress of a trainer.
pub struct ScreenSink {
    screen: Screen,
    last: Option<(Instant, u64)>,
}

impl ProgressSink for ScreenSink {
    fn show(&mut self, progress: &Progress) {
        let line = line(progress);
        if let Some(bar) = &self.screen.bar {
            bar.set_position((1000.0 * progress.kimg() / progress.total_kimg).min(1000.0) as u64);
            bar.set_message(line);
            return;
        }
        let due = self
            .last
            .is_none_or(|(when, _)| when.elapsed() >= LINE_EVERY);
        if due && !progress.values.is_empty() {
            self.last = Some((Instant::now(), progress.clock.round));
            self.screen.say(line);
        }
    }

    fn finish(&mut self) {
        if let Some(bar) = &self.screen.bar {
            bar.abandon();
        }
    }
}

/// `12.3 of 400 kimg  1234 images/s  3 min 20 s left  critic 0.693  generator 0.693  …`
fn line(progress: &Progress) -> String {
    let mut line = format!("{:.1} of {} kimg", progress.kimg(), progress.total_kimg);
    if progress.images_per_second > 0.0 {
        line.push_str(&format!("  {:.0} images/s", progress.images_per_second));
    }
    if let Some(left) = progress.time_left {
        line.push_str(&format!("  {} left", words::time(left)));
    }
    for (name, label) in [
        ("critic", "critic"),
        ("generator", "generator"),
        ("d_real", "D(x)"),
        ("d_fake", "D(G(z))"),
    ] {
        if let Some(value) = progress.value(name) {
            line.push_str(&format!("  {label} {value:.3}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use gan_core::game::Clock;

    use super::*;

    #[test]
    fn a_line_says_all_there_is_to_know() {
        let mut clock = Clock::new(0);
        clock.advance(12_340);
        let progress = Progress {
            clock,
            total_kimg: 400.0,
            images_per_second: 1234.5,
            time_left: Some(Duration::from_secs(200)),
            values: vec![
                ("critic", 0.5),
                ("generator", 1.25),
                ("d_real", 0.75),
                ("d_fake", 0.25),
            ],
        };
        assert_eq!(
            line(&progress),
            "12.3 of 400 kimg  1234 images/s  3 min 20 s left  critic 0.500  generator 1.250  \
             D(x) 0.750  D(G(z)) 0.250"
        );
        let nothing = Progress {
            images_per_second: 0.0,
            time_left: None,
            values: Vec::new(),
            ..progress
        };
        assert_eq!(line(&nothing), "12.3 of 400 kimg");
    }
}
