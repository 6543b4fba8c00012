//! What a person is told before a run and after it.

use std::time::{Duration, Instant};

use gan_core::game::{Clock, Game};
use gan_core::nn::ImageShape;
use gan_core::train::{End, Outcome, RunDir, TrainError, write_report};
use gan_core::words;
use gan_data::{Loader, Summary};
use gan_models::Model;

use super::process::{mebibytes, peak_memory};
use super::{Session, game_batch};
use crate::{Failure, next};

/// What becomes of pictures that are not alike, if they are not.
pub(super) fn differences(summary: &Summary, image: ImageShape) -> Option<String> {
    let differences = summary.differences();
    if differences.is_empty() {
        return None;
    }
    let colours = match image.channels {
        1 => "grey",
        3 => "RGB",
        _ => "RGBA",
    };
    Some(format!(
        "the pictures differ in {}: all become {size} x {size}, {colours}, as the first file by name has it \
         unless --set data.size=N and --set data.channels=1, 3 or 4 say otherwise",
        differences.join(" and "),
        size = image.size,
    ))
}

impl<M: Model> Session<M> {
    /// The report of a run that cannot go on says why. It is not worth another error.
    pub(super) fn report_divergence(&self, run: &RunDir, error: &TrainError) {
        if let TrainError::Diverged(_) = error
            && let Ok(path) = write_report(run, &self.commands(run))
        {
            self.screen.note(format!("report   {}", path.display()));
        }
    }

    /// Configuration, memory and one round.
    pub(super) fn dry_run(&self, game: &mut M::Game, loader: &Loader) -> Result<(), Failure> {
        self.screen.say(serde_json::to_string_pretty(&self.config)?);
        let clock = Clock::new(self.config.seed);
        let begin = Instant::now();
        let batch = game_batch(&self.config.model, loader.batch(0)?, &clock);
        let report = game.round(batch, &clock);
        let values: Vec<String> = report
            .read()
            .iter()
            .map(|(name, value)| format!("{name} {value:.4}"))
            .collect();
        let seconds = begin.elapsed().as_secs_f64();
        // After a round, so that the optimisers have their moments.
        let bytes: usize = game
            .state()
            .groups
            .values()
            .flat_map(|group| group.values())
            .map(|tensor| tensor.num_elements() * size_of::<f32>())
            .sum();
        let peak =
            peak_memory().map(|bytes| format!("; {:.0} MiB in all at most", mebibytes(bytes)));
        self.screen.say(format!(
            "memory   {:.1} MiB of weights, averages and optimisers{}",
            mebibytes(bytes),
            peak.unwrap_or_default()
        ));
        self.screen
            .say(format!("round    {} ({seconds:.2} s)", values.join("  ")));
        self.screen
            .say("nothing was written; leave --dry-run out to train");
        Ok(())
    }

    pub(super) fn tell_what_next(&self, run: &RunDir, outcome: &Outcome, time: Duration) {
        let path = run.path().display();
        let kimg = outcome.clock.kimg();
        let state = match outcome.end {
            End::Finished => "done",
            _ => "stopped",
        };
        let longer = match outcome.end {
            End::Finished => Some(2.0 * self.config.model.total_kimg()),
            _ => None,
        };
        self.screen.say(format!(
            "{state}     {kimg:.1} kimg, after {} here",
            words::time(time)
        ));
        let curves = match run.loss_plot().exists() {
            true => format!(", curves {path}/loss.png"),
            false => String::new(),
        };
        self.screen
            .say(format!("pictures {path}/samples/latest.png{curves}"));
        if run.report().exists() {
            self.screen.say(format!("report   {path}/report.html"));
        }
        let go_on = next::go_on(run, self.program, longer);
        self.screen.say(format!("go on    {go_on}"));
        let sample = next::sample(run, next::Asked::of(&self.config.model));
        self.screen.say(format!("sample   {sample}"));
        if self.config.train.evaluate.is_some() {
            let score = next::evaluate(run);
            self.screen.say(format!("score    {score}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_that_differ_are_told_with_what_they_become() {
        let mut summary = Summary {
            name: "photos".into(),
            count: 100,
            decoded: 64,
            width: [40, 40],
            height: [40, 40],
            channels: 3,
            stored_channels: [3, 3],
            class_names: None,
            label_histogram: None,
            fingerprint: "0".into(),
        };
        let image = ImageShape::new(3, 32);
        assert_eq!(differences(&summary, image), None);
        (summary.width, summary.stored_channels) = ([30, 500], [1, 3]);
        let note = differences(&summary, image).unwrap();
        assert!(
            note.starts_with("the pictures differ in size and colours: all become 32 x 32, RGB"),
            "{note}"
        );
        assert!(note.contains("data.channels"), "{note}");
        assert!(summary.to_string().contains("(of 64 looked at)"));
    }
}
