//! Draws pictures on the way.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use burn::prelude::*;

use crate::game::{Game, SampleRequest};
use crate::rng::Stream;
use crate::train::error::{BoxError, RunDirError};
use crate::train::guard::{Variety, rms_distance};
use crate::train::sample_name::{LATEST, UNTRAINED, When, name_at};
use crate::train::{Context, Every, Hook, Notice, TrainError};

/// More samples than this do not make the distance between them more certain.
const VARIETY_SAMPLES: usize = 64;

/// Draws from one fixed set of latents, with the moving average where there is one, to
/// `samples/fakes_init.png`, `samples/000100kimg.png`, … and, when the run ends or stops,
/// `samples/latest.png`; and warns when the samples have become alike.
pub struct Samples {
    every: Every,
    latents: Tensor<2>,
    write: Write,
    variety: Variety,
}

type Write = Box<dyn FnMut(&Path, Tensor<4>) -> Result<(), BoxError>>;

impl Samples {
    /// `latents` are `[count, latent_size]` on the inner device. `write` gets the path of a picture
    /// file and pictures `[count, channels, height, width]` in `[-1, 1]`; it must write the file
    /// whole or not at all, and the same pictures as the same bytes.
    pub fn new(
        every: Every,
        latents: Tensor<2>,
        write: impl FnMut(&Path, Tensor<4>) -> Result<(), BoxError> + 'static,
    ) -> Self {
        Self {
            every,
            latents,
            write: Box::new(write),
            variety: Variety::default(),
        }
    }

    /// The random numbers that the fixed latents of the run with `seed` are drawn from.
    pub fn stream(seed: u64) -> Stream {
        Stream::new(seed, "samples", 0)
    }

    /// The fixed latents of the run with `seed` for a game that wants N(0, 1).
    pub fn normal_latents(
        seed: u64,
        count: usize,
        latent_size: usize,
        device: &Device,
    ) -> Tensor<2> {
        Self::stream(seed).normal([count, latent_size], &device.clone().without_autodiff())
    }

    fn draw<G: Game>(
        &mut self,
        context: &mut Context<'_, G>,
        name: &str,
    ) -> Result<(), TrainError> {
        let request = SampleRequest {
            latents: self.latents.clone(),
            averaged: true,
        };
        let pictures = context.game.sample(&request);
        let count = pictures.dims()[0].min(VARIETY_SAMPLES);
        let some = pictures.clone().narrow(0, 0, count).into_data();
        let path = context.run.samples().join(name);
        (self.write)(&path, pictures).map_err(|source| TrainError::Write { path, source })?;
        let values: Vec<f32> = some.iter::<f32>().collect();
        if let Some(part) = self.variety.look(rms_distance(&values, count)) {
            let clock = context.clock;
            context.notify(&Notice::Collapse { clock, part });
        }
        Ok(())
    }
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Samples")
            .field("every", &self.every)
            .field("latents", &self.latents.dims())
            .finish_non_exhaustive()
    }
}

impl<G: Game> Hook<G> for Samples {
    fn begin(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        let folder = context.run.samples();
        let error = || RunDirError::io(&folder, "tidy up the folder");
        for entry in fs::read_dir(&folder).map_err(error())? {
            let entry = entry.map_err(error())?;
            let name = entry.file_name();
            if name
                .to_str()
                .and_then(When::of_name)
                .is_some_and(|when| when.is_later(&context.clock))
            {
                fs::remove_file(entry.path()).map_err(error())?;
            }
        }
        if context.clock.round == 0 {
            self.draw(context, UNTRAINED)?;
        }
        Ok(())
    }

    fn after_round(&mut self, context: &mut Context<'_, G>) -> Result<ControlFlow<()>, TrainError> {
        if context.fires(self.every) {
            let name = name_at(self.every, &context.clock);
            self.draw(context, &name)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The last state has a picture whatever the cadence. Its name is fixed, so that a run that was
    /// stopped on the way ends with the same files as one that was not.
    fn finish(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        self.draw(context, LATEST)
    }

    fn save(&self, numbers: &mut BTreeMap<String, f64>) {
        self.variety.save(numbers);
    }

    fn restore(&mut self, numbers: &BTreeMap<String, f64>) {
        self.variety.restore(numbers);
    }
}
