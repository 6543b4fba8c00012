//! Draws pictures on the way.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use burn::prelude::*;

use crate::game::{Clock, Game, SampleRequest};
use crate::rng::Stream;
use crate::train::error::{BoxError, RunDirError};
use crate::train::guard::{Variety, rms_distance};
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

/// The last state, whatever the cadence.
const LATEST: &str = "latest.png";

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

    fn name(&self, clock: &Clock) -> String {
        let multiple = self.every.last_multiple(clock);
        match self.every {
            Every::Rounds(_) => format!("round{multiple:09}.png"),
            Every::Images(images) if images.is_multiple_of(1000) => {
                format!("{:06}kimg.png", multiple / 1000)
            }
            _ => format!("{:06}.{:03}kimg.png", multiple / 1000, multiple % 1000),
        }
    }
}

/// Whether a picture has this name because of a round after `clock`.
fn is_later(name: &str, clock: &Clock) -> bool {
    if let Some(round) = name
        .strip_prefix("round")
        .and_then(|n| n.strip_suffix(".png"))
    {
        return round.parse::<u64>().is_ok_and(|round| round > clock.round);
    }
    // The next end draws it again; until then it would be older than its name says.
    if name == LATEST {
        return true;
    }
    name.strip_suffix("kimg.png")
        .and_then(|kimg| kimg.parse::<f64>().ok())
        .is_some_and(|kimg| (kimg * 1000.0).round() as u64 > clock.images)
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
                .is_some_and(|name| is_later(name, &context.clock))
            {
                fs::remove_file(entry.path()).map_err(error())?;
            }
        }
        if context.clock.round == 0 {
            self.draw(context, "fakes_init.png")?;
        }
        Ok(())
    }

    fn after_round(&mut self, context: &mut Context<'_, G>) -> Result<ControlFlow<()>, TrainError> {
        if context.fires(self.every) {
            let name = self.name(&context.clock);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_and_tell_when_they_were_drawn() {
        let device = Device::flex();
        let name = |every, images| {
            let latents = Tensor::zeros([1, 1], &device);
            let clock = Clock {
                seed: 0,
                round: 7,
                images,
            };
            let name = Samples::new(every, latents, |_, _| Ok(())).name(&clock);
            assert!(!is_later(&name, &clock), "{name}");
            let earlier = Clock {
                seed: 0,
                round: 0,
                images: 99,
            };
            assert!(is_later(&name, &earlier), "{name}");
            name
        };
        assert_eq!(name(Every::kimg(50.0), 100_010), "000100kimg.png");
        assert_eq!(name(Every::kimg(0.1), 1_234), "000001.200kimg.png");
        assert_eq!(name(Every::rounds(3), 1_234), "round000000006.png");
        for other in ["fakes_init.png", "holiday.png", "NaNkimg.png"] {
            assert!(!is_later(other, &Clock::new(0)), "{other}");
        }
    }
}
