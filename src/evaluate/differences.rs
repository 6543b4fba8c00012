//! How near pictures are to what they should be.

use std::fmt;

use gan_data::Picture;
use gan_metrics::score::PairConfig;
use gan_metrics::suite::{PairCollector, PairMetric};

use super::sets::joined;
use crate::Failure;

/// Pictures smaller than its window have no structural similarity.
const SSIM_WINDOW: usize = 11;

/// Mean absolute difference, PSNR and SSIM of pairs of pictures.
#[derive(Debug)]
pub struct Differences {
    pairs: PairCollector<'static>,
    sum: u64,
    bytes: usize,
}

impl Differences {
    /// For pictures of `size` pixels.
    ///
    /// # Errors
    ///
    /// None for these scores.
    pub fn new(size: usize) -> Result<Self, Failure> {
        let metrics: &[PairMetric] = match size < SSIM_WINDOW {
            true => &[PairMetric::Psnr],
            false => &[PairMetric::Psnr, PairMetric::Ssim],
        };
        Ok(Self {
            pairs: PairCollector::new(metrics, None, PairConfig::default())?,
            sum: 0,
            bytes: 0,
        })
    }

    /// Adds the pictures at the same place of two lists.
    ///
    /// # Errors
    ///
    /// If they differ in number or size.
    pub fn add(&mut self, found: Vec<Picture>, wanted: Vec<Picture>) -> Result<(), Failure> {
        let ((found, shape), (wanted, _)) = (joined(found), joined(wanted));
        self.pairs.add(&found, &wanted, shape)?;
        let pairs = found.iter().zip(&wanted);
        self.sum += pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
        self.bytes += found.len();
        Ok(())
    }

    /// One line: the mean absolute difference of values from 0 to 255, PSNR in decibels, and SSIM.
    ///
    /// # Errors
    ///
    /// If there are no pairs.
    pub fn line(&self) -> Result<String, Failure> {
        let mut line = format!("L1 {:.2} of 255", self.sum as f64 / self.bytes as f64);
        if self.sum == 0 && self.bytes > 0 {
            // PSNR is infinite.
            return Ok(format!("{line}, all equal"));
        }
        for score in self.pairs.scores()? {
            fmt::Write::write_fmt(
                &mut line,
                format_args!(", {} {:.3}", score.name, score.value),
            )?;
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(value: u8, size: usize) -> Picture {
        Picture {
            width: size,
            height: size,
            channels: 1,
            pixels: vec![value; size * size],
            label: None,
            caption: None,
        }
    }

    /// What is said of even pictures of eight pixels with these values.
    fn line_of(pairs: &[(u8, u8)]) -> String {
        let mut differences = Differences::new(8).unwrap();
        for (found, wanted) in pairs {
            let [found, wanted] = [found, wanted].map(|value| vec![grey(*value, 8)]);
            differences.add(found, wanted).unwrap();
        }
        differences.line().unwrap()
    }

    /// `10 log₁₀(255² / 10²) = 28.131`.
    #[test]
    fn a_difference_of_ten_everywhere() {
        let line = line_of(&[(110, 100), (90, 100)]);
        assert_eq!(line, "L1 10.00 of 255, psnr 28.131");
    }

    #[test]
    fn equal_pictures_are_no_failure() {
        assert_eq!(line_of(&[(110, 110)]), "L1 0.00 of 255, all equal");
    }

    #[test]
    fn other_sizes_are_refused_and_nothing_is_no_pair() {
        let mut differences = Differences::new(16).unwrap();
        assert!(differences.line().is_err());
        let wrong = differences.add(vec![grey(1, 16)], vec![grey(1, 8)]);
        assert!(wrong.is_err());
    }
}
