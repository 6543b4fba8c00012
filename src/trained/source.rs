//! Checkpoints of a run, found and loaded.

use gan_core::game::{Clock, Game};
use gan_core::train::{Checkpoints, Found, RunDir, Saved};
use gan_models::Model;
use serde_json::Value;

use super::Trained;
use super::drawing::Loaded;
use crate::Failure;
use crate::backend::Backend;
use crate::progress::Screen;
use crate::resolve::{DataConfig, RunConfig};
use crate::set;

/// Which checkpoint of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The newest good one.
    #[default]
    Latest,
    /// The one with the best score.
    Best,
    /// The one made after this round.
    Round(u64),
}

impl Which {
    /// Reads `latest`, `best` or a number.
    ///
    /// # Errors
    ///
    /// Says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "latest" => Ok(Self::Latest),
            "best" => Ok(Self::Best),
            _ => text
                .parse()
                .map(Self::Round)
                .map_err(|_| "it must be latest, best or the number of a round".into()),
        }
    }
}

/// A run, and what to load of it.
pub(super) struct Source<'a> {
    pub run: &'a RunDir,
    pub config: &'a Value,
    pub which: &'a Which,
    pub raw: bool,
    pub backend: Backend,
    pub screen: Screen,
}

impl Source<'_> {
    pub fn load<M: Model + 'static>(self) -> Result<Trained, Failure> {
        let (loaded, clock, data) = self.game::<M>()?;
        Ok(Trained {
            clock,
            screen: self.screen,
            drawing: Box::new(loaded),
            data,
            backend: self.backend,
        })
    }

    /// Model and game as the checkpoint had them, where they stood, and the real pictures.
    pub fn game<M: Model>(&self) -> Result<(Loaded<M>, Clock, DataConfig), Failure> {
        let place = self.run.config().display().to_string();
        let config: RunConfig<M> = set::read(self.config, &place)?;
        let mut game = config.model.init(config.seed, &self.backend.device)?;
        let saved = self.saved(config.train.keep_checkpoints)?;
        game.restore(&saved.state)
            .map_err(|error| Failure::new(format!("{}: {error}", saved.path.display())))?;
        let loaded = Loaded {
            model: config.model,
            game,
            averaged: !self.raw,
            device: self.backend.device.clone(),
        };
        Ok((loaded, saved.clock, config.data))
    }

    fn saved(&self, keep: usize) -> Result<Saved, Failure> {
        let checkpoints = Checkpoints::new(self.run, keep);
        if let Which::Round(round) = self.which {
            return self.of_round(&checkpoints, *round);
        }
        let Found { good, damaged } = checkpoints.latest_good()?;
        let folder = self.run.checkpoints();
        let Some(saved) = good else {
            let reasons: String = damaged.iter().map(|damage| format!("; {damage}")).collect();
            return Err(Failure::new(format!(
                "{}: there is no checkpoint that can be used{reasons}; train the run further",
                folder.display()
            )));
        };
        for damage in &damaged {
            self.screen.note(format!(
                "cannot use the checkpoint {damage}; using the one of round {}",
                saved.clock.round
            ));
        }
        let best = saved.best.as_ref().map(|best| best.round);
        match (self.which, best) {
            (Which::Best, Some(round)) => self.of_round(&checkpoints, round),
            (Which::Best, None) => Err(Failure::new(format!(
                "--checkpoint best: no checkpoint in {} has a score; train with --evaluate, or use latest",
                folder.display()
            ))),
            _ => Ok(saved),
        }
    }

    fn of_round(&self, checkpoints: &Checkpoints, round: u64) -> Result<Saved, Failure> {
        let path = checkpoints.path_of(round);
        if !path.is_dir() {
            return Err(Failure::new(format!(
                "--checkpoint: there is no {}; the folder beside it has those that were kept",
                path.display()
            )));
        }
        Checkpoints::load(&path).map_err(|damage| Failure::new(format!("--checkpoint {damage}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_named() {
        assert_eq!(Which::parse("best"), Ok(Which::Best));
        assert_eq!(Which::parse("latest"), Ok(Which::Latest));
        assert_eq!(Which::parse("120"), Ok(Which::Round(120)));
        assert!(
            Which::parse("-1")
                .unwrap_err()
                .contains("number of a round")
        );
    }
}
